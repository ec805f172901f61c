"""Configuration of the connectivity layer."""

from __future__ import annotations

from datetime import date
from ipaddress import IPv4Address
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StrictInt

from infra.core.errors import Problem
from infra.settings.base import Common, Domain
from inventory import Inventory


def _server(text: str) -> str:
    address = IPv4Address(text)
    if address.is_unspecified or address.is_loopback or address.is_multicast or address.is_link_local:
        raise ValueError(f"{text} is no address of a server")
    return text


_Servers = Annotated[list[Annotated[str, AfterValidator(_server)]], Field(min_length=1)]


class Settings(Common):
    """Virtual WAN, virtual hubs with their gateways and firewalls, private DNS, flow logs."""

    firewall_tier: Literal["Standard", "Premium"] = Field(
        "Premium", description="Azure Firewall in each hub; Premium adds intrusion detection"
    )
    vpn_units: StrictInt = Field(
        0, ge=0, le=40, description="Scale units of each VPN gateway; 0: enough for all sites (fewer only in dev)"
    )
    log_retention_days: StrictInt = Field(90, ge=30, le=730, description="How long flow logs and diagnostics are kept")
    internal_domain: Domain = Field("wan.example", description="Domain whose names the hubs' own DNS answers")
    dns_servers: dict[str, _Servers] = Field(
        default_factory=dict, description="DNS servers by hub; default: host 53 of the hub's first prefix"
    )

    def problems(self, stack: str, known: Inventory, today: date) -> list[Problem]:
        """DNS servers of hubs that are not in the inventory: nobody would ask them."""
        remedy = "the hubs are " + ", ".join(known.hubs)
        return [
            Problem(stack, f"dnsServers.{hub}", "", "there is no such hub", remedy)
            for hub in self.dns_servers
            if hub not in known.hubs
        ]
