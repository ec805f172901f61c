"""Configuration of a NOC's hosting: one stack a hub."""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import Literal

from pydantic import Field, StrictInt, ValidationInfo, field_validator

from infra.settings.base import Common, Guid


class Settings(Common):
    """AKS, managed Prometheus and Grafana, registry and key vault of one hub's NOC."""

    kubernetes_version: str = Field(
        "1.34", pattern=r"^1\.\d{2}$", description="Minor version; patches come in the maintenance window"
    )
    cluster_tier: Literal["Free", "Standard", "Premium"] = Field(
        "Standard", description="Uptime of the API server: Free has no agreement (dev), Standard 99.95 % with zones"
    )
    node_size: str = Field(
        "Standard_D2ds_v5", description="Machine of both pools: 2 cores, 8 GiB, room for an ephemeral system disk"
    )
    noc_nodes: StrictInt = Field(3, ge=2, le=6, description="Nodes of the pool noc, spread over the zones")
    pod_range: str = Field("100.64.0.0/16", description="Pods' addresses (overlay: never seen outside the cluster)")
    service_range: str = Field("100.65.0.0/20", description="Kubernetes services' addresses, inside the cluster only")
    admin_groups: list[Guid] = Field(
        default_factory=list, max_length=10, description="Entra groups that administer the cluster (pipeline included)"
    )
    viewer_groups: list[Guid] = Field(
        default_factory=list, max_length=10, description="Entra groups that see the dashboards"
    )
    maintenance_hour: StrictInt = Field(
        1, ge=0, le=19, description="Hour (UTC) at which the weekly window of 4 h opens"
    )
    azure_pages: Literal["blindness", "all"] = Field(
        "blindness",
        description="Of which alerts Azure itself tells people: of the NOC's own blindness, or of every page as well",
    )
    retention_days: StrictInt = Field(
        30, ge=7, le=365, description="How long pictures no longer used stay in the registry"
    )

    @field_validator("service_range")
    @classmethod
    def _apart(cls, value: str, given: ValidationInfo) -> str:
        """Both ranges are private to the cluster and do not meet."""
        pods = IPv4Network(given.data.get("pod_range", "100.64.0.0/16"))
        if IPv4Network(value).overlaps(pods):
            raise ValueError(f"overlaps podRange {pods}")
        return value
