"""Configuration of the connectivity layer."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from infra.settings.base import Common


class Settings(Common):
    """Virtual WAN, virtual hubs with their gateways and firewalls, private DNS, flow logs."""

    firewall_tier: Literal["Standard", "Premium"] = Field(
        "Premium", description="Azure Firewall in each hub; Premium adds intrusion detection"
    )
    vpn_units: int = Field(
        0, ge=0, le=40, description="Scale units of each VPN gateway; 0: enough for all sites (fewer only in dev)"
    )
    log_retention_days: int = Field(90, ge=30, le=730, description="How long flow logs and diagnostics are kept")
    internal_domain: str = Field(
        "wan.example",
        pattern=r"^[a-z0-9-]+(\.[a-z0-9-]+)+$",
        description="Domain whose names the hubs' own DNS answers",
    )
    dns_servers: dict[str, list[str]] = Field(
        default_factory=dict, description="DNS servers by hub; default: host 53 of the hub's first prefix"
    )
