"""How big gateways must be: from committed rates and links in the inventory to Azure's scale units.

Each hub must carry every site alone, because the other one may be gone; nothing here divides by two. Figures of
Azure are from its documentation of Virtual WAN and ExpressRoute gateways (scale units, 2022; docs/infra.md).
"""

from __future__ import annotations

from math import ceil

from inventory import Inventory

VPN_UNIT_BPS = 500_000_000  # one scale unit of a site-to-site VPN gateway
VPN_UNITS_MOST = 40  # 20 Gbit/s
ER_UNIT_BPS = 2_000_000_000  # one scale unit of an ExpressRoute gateway in a virtual hub
ER_UNITS_MOST = 10


def committed_bps(inventory: Inventory) -> int:
    """What all sites together are promised, in bit/s, over all their circuits, which work at the same time."""
    return sum(c.committed_bps for c in inventory.circuits.values())


def vpn_scale_units(inventory: Inventory) -> int:
    """Scale units of the VPN gateway of either hub; may exceed what Azure sells, which `limits` reports."""
    return max(1, ceil(committed_bps(inventory) / VPN_UNIT_BPS))


def er_scale_units(inventory: Inventory, hub: str) -> int:
    """Scale units of a hub's ExpressRoute gateway: all its circuits at once."""
    total = sum(e.rate_bps for e in inventory.cloud_edges.values() if e.hub == hub)
    return max(1, ceil(total / ER_UNIT_BPS))


def link_connections(inventory: Inventory) -> int:
    """Link connections of either hub's VPN gateway: one for each circuit of every site."""
    return len(inventory.circuits)


def routes(inventory: Inventory) -> int:
    """Routes that a virtual hub learns: prefixes of all sites and hubs, and the spokes of both Azure regions."""
    spokes = 6 * len(inventory.hubs)
    return (
        sum(len(s.prefixes) for s in inventory.sites.values())
        + sum(len(h.prefixes) for h in inventory.hubs.values())
        + spokes
    )
