"""Azure's own address ranges: virtual hubs, spokes, subnets. Sites' prefixes belong to the inventory, not here.

Turns (hubs, environment) into a plan computed from one pool per environment: each hub has a /16 by its position in
`inventory/hubs.yaml`, cut the same way everywhere. Refuses a range that overlaps any prefix of the inventory.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network
from itertools import pairwise

from infra.core.errors import Problem
from infra.core.stacks import Environment
from inventory import Inventory

POOLS: Mapping[Environment, IPv4Network] = {
    "prod": IPv4Network("10.248.0.0/14"),
    "dev": IPv4Network("10.252.0.0/14"),
}
# RFC 1918 and RFC 6598: what is never routed on the internet
PRIVATE = tuple(IPv4Network(n) for n in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10"))
# (name, offset in the hub's /16 in /24s, prefix length): the cut of every hub's range
_CUT = (
    ("virtual_hub", 0, 23),  # Azure asks for /24 at least; /23 leaves room for gateways and a firewall
    ("services", 4, 22),  # private endpoints, DNS resolver
    ("continuity", 8, 21),  # PostgreSQL, private endpoints of vaults
    ("noc", 16, 20),  # AKS of the NOC
    ("recovery", 64, 18),  # machines failed over from the other hub
    ("rehearsal", 128, 18),  # isolated network for test failovers: not connected to anything
)
SPOKES = tuple(name for name, _, _ in _CUT if name not in ("virtual_hub", "rehearsal"))  # connected to the hub


@dataclass(frozen=True, slots=True)
class HubRanges:
    """The ranges of one hub's Azure region."""

    all: IPv4Network
    virtual_hub: IPv4Network
    services: IPv4Network
    continuity: IPv4Network
    noc: IPv4Network
    recovery: IPv4Network
    rehearsal: IPv4Network

    def subnet(self, spoke: str, index: int, length: int) -> IPv4Network:
        """The `index`-th subnet of `length` bits in a spoke (`services`, `continuity`, ...), counted from 0."""
        space: IPv4Network = getattr(self, spoke)
        return IPv4Network((int(space.network_address) + (index << (32 - length)), length))


def plan(inventory: Inventory, environment: Environment) -> Mapping[str, HubRanges]:
    """The ranges of each hub of the inventory in one environment. Pure; see `overlaps` for the check."""
    base = int(POOLS[environment].network_address)
    found = {}
    for position, hub in enumerate(inventory.hubs):
        start = base + (position << 16)
        cut = {name: IPv4Network((start + (offset << 8), length)) for name, offset, length in _CUT}
        found[hub] = HubRanges(all=IPv4Network((start, 16)), **cut)
    return found


def overlaps(inventory: Inventory, environment: Environment, stack: str) -> list[Problem]:
    """A problem for each prefix of the inventory (sites, regions' pools, hubs, tunnels) inside an Azure range."""
    taken: list[tuple[str, object]] = []
    taken += [(f"sites.csv: {s.id}", p) for s in inventory.sites.values() for p in s.prefixes]
    taken += [(f"hubs.yaml: {h.id}", p) for h in inventory.hubs.values() for p in (*h.prefixes, h.tunnel_pool) if p]
    taken += [(f"regions.yaml: {r.id}", r.prefix_pool) for r in inventory.regions.values() if r.prefix_pool]
    pool = POOLS[environment]
    return [
        Problem(stack, where, str(prefix), f"overlaps Azure's range {pool} of {environment}", "choose another prefix")
        for where, prefix in taken
        if isinstance(prefix, IPv4Network) and prefix.overlaps(pool)
    ]


def disjoint(networks: Iterable[IPv4Network]) -> bool:
    """True when no two of the networks overlap."""
    ordered = sorted(networks, key=lambda n: int(n.network_address))
    return all(not a.overlaps(b) for a, b in pairwise(ordered))
