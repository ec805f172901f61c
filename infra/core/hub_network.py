"""The addresses of a hub's own hosting: logical networks on Azure Local and the /30s of its ExpressRoute circuits.

Turns (hub prefix of the inventory, environment) into a cut that is the same at every hub; production and development
never share an address. Everything lies inside the hub's prefix, which the inventory keeps apart from all others.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from infra.core.errors import InfraError
from infra.core.stacks import Environment
from inventory import CloudEdge, Hub, Inventory

TIERS = (1, 2, 3)
# environment -> (name, offset in the hub's /16 in /24s, prefix length)
_CUT: Mapping[Environment, tuple[tuple[str, int, int], ...]] = {
    "prod": (
        ("management", 0, 24),  # nodes, resource bridge, cluster services
        ("edge", 1, 24),  # ExpressRoute peerings
        ("tier1", 16, 20),
        ("tier2", 32, 20),
        ("tier3", 48, 20),
        ("aks", 64, 20),
    ),
    "dev": (
        ("management", 128, 24),
        ("edge", 129, 24),
        ("tier1", 132, 22),
        ("tier2", 136, 22),
        ("tier3", 140, 22),
        ("aks", 144, 22),
    ),
}
LOGICAL = tuple(name for name, _, _ in _CUT["prod"] if name != "edge")  # those that become logical networks
FIXED = 128  # addresses at the start of a network that are never handed out: gateway, fixed addresses, services


@dataclass(frozen=True, slots=True)
class HostNetwork:
    """One network: its range, the router's address, and the pool that machines get theirs from."""

    name: str
    range: IPv4Network

    @property
    def gateway(self) -> IPv4Address:
        """The hub's router: the first address."""
        return self.range[1]

    @property
    def pool(self) -> tuple[IPv4Address, IPv4Address]:
        """First and last address that Azure Local hands out by itself."""
        return self.range[FIXED], self.range[-2]

    def may_be_fixed(self, address: IPv4Address) -> bool:
        """True for an address that a machine may be given by hand: in the range, not the router's, not in the pool."""
        return address in self.range and self.gateway < address < self.pool[0]

    @property
    def control_plane(self) -> IPv4Address:
        """Where a Kubernetes control plane of this network answers: outside the pool."""
        return self.range[FIXED - 1]


@dataclass(frozen=True, slots=True)
class Peering:
    """The two /30s of one circuit: on each the hub's router has the first host, Microsoft's edge the second."""

    primary: IPv4Network
    secondary: IPv4Network


def networks(hub: Hub, environment: Environment) -> Mapping[str, HostNetwork]:
    """The networks of a hub's hosting by name: management, edge, tier1 to tier3, aks.

    Raises:
        InfraError: the hub has no IPv4 prefix of /16 or larger to cut.
    """
    prefix = next((p for p in hub.prefixes if isinstance(p, IPv4Network) and p.prefixlen <= 16), None)
    if prefix is None:
        raise InfraError(f"hub {hub.id} has no IPv4 prefix of /16 or larger in hubs.yaml; its hosting is cut from one")
    base = int(prefix.network_address)
    return {
        name: HostNetwork(name, IPv4Network((base + (offset << 8), length)))
        for name, offset, length in _CUT[environment]
    }


def peerings(inventory: Inventory, hub: str, environment: Environment) -> Mapping[str, Peering]:
    """The /30s of each of the hub's circuits by id: two in a row per circuit, in the order of cloud_edges.csv.

    New rows belong at the end of the file: the order is what keeps a circuit's addresses.
    """
    space = networks(inventory.hubs[hub], environment)["edge"].range
    pairs = list(space.subnets(new_prefix=30))
    return {edge.id: Peering(pairs[2 * n], pairs[2 * n + 1]) for n, edge in enumerate(edges_of(inventory, hub))}


def edges_of(inventory: Inventory, hub: str) -> list[CloudEdge]:
    """The hub's rows of cloud_edges.csv, in file order."""
    return [edge for edge in inventory.cloud_edges.values() if edge.hub == hub]


def peering_key(seed: str, circuit: str) -> str:
    """The MD5 key of one circuit's BGP sessions: 24 letters and digits of the seed; Azure allows 25 alphanumerics."""
    return hmac.new(seed.encode(), f"peering:{circuit}".encode(), "sha256").hexdigest()[:24]
