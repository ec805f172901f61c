"""What runs on a hub's Azure Local cluster, and whether it fits there on the worst day.

Turns the inventory's applications into machines per hub: all of an application at its home hub, and of each tier 1
application a pilot light at its standby hub, one machine of each kind that application-level replication keeps
current (Azure Local does not copy one site to another by itself). Lower tiers come back through Site Recovery.
Refuses a cluster that, one node down, could not carry its own applications and all of the other hub's tier 1.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Literal

from infra.core import hub_network
from infra.core.errors import Problem
from infra.core.stacks import Environment
from inventory import Application, Inventory, Machine

Role = Literal["home", "standby"]
ER_RATES_MBPS = (50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000)  # bandwidths that ExpressRoute sells (2024)
NODES_MOST = 16  # machines of one Azure Local instance (system requirements, 2024)
SMALLEST_GB = (2, 32)  # memory and disk that a reduced machine keeps at least


@dataclass(frozen=True, slots=True)
class HostedMachine:
    """One virtual machine at one hub: `key` is `<application>-<machine>-<n>`, `computer` its name in the directory."""

    key: str
    application: Application
    machine: Machine
    number: int
    hub: str
    role: Role
    cpus: int
    memory_gb: int
    disk_gb: int

    @property
    def computer(self) -> str:
        """The host's own name, at most 15 characters (NetBIOS), with the hub in it: `va-identi-con1`."""
        app = self.application.id.replace("-", "")[:6]
        return f"{self.hub[:2]}-{app}-{self.machine.name.replace('-', '')[:3]}{self.number}"

    @property
    def network(self) -> str:
        """The logical network it stands in: that of its application's tier."""
        return f"tier{self.application.tier}"


@dataclass(frozen=True, slots=True)
class Load:
    """Virtual CPUs, memory and disk, wanted or there; GiB."""

    cpus: int
    memory_gb: int
    disk_gb: int

    def __add__(self, other: Load) -> Load:
        return Load(self.cpus + other.cpus, self.memory_gb + other.memory_gb, self.disk_gb + other.disk_gb)


@dataclass(frozen=True, slots=True)
class Node:
    """One physical machine of the cluster."""

    cores: int
    memory_gb: int


NOTHING = Load(0, 0, 0)
_FIGURES: tuple[tuple[str, str, Callable[[Load], int]], ...] = (
    ("virtual CPUs", "", lambda load: load.cpus),
    ("memory", " GiB", lambda load: load.memory_gb),
    ("disk", " GiB", lambda load: load.disk_gb),
)


def machines(inventory: Inventory, hub: str, percent: int = 100, *, single: bool = False) -> list[HostedMachine]:
    """The machines that run at a hub every day, in the order of applications.yaml.

    Args:
        inventory: applications with their machines.
        hub: the hub's id.
        percent: size of each machine in percent of the inventory's, for development.
        single: one machine of each kind instead of `count`, for development.
    """
    found: list[HostedMachine] = []
    for application in inventory.applications.values():
        role = role_of(application, hub)
        if role is not None:
            one = single or role == "standby"
            found += [m for kind in application.machines for m in _copies(application, kind, hub, role, percent, one)]
    return found


def by_application(found: Sequence[HostedMachine]) -> Mapping[str, list[HostedMachine]]:
    """The machines of each application that has any here, in their order."""
    grouped: dict[str, list[HostedMachine]] = {}
    for machine in found:
        grouped.setdefault(machine.application.id, []).append(machine)
    return grouped


def role_of(application: Application, hub: str) -> Role | None:
    """What a hub is to an application: its home, its standby with a pilot light (tier 1 only), or nothing."""
    if application.home_hub == hub:
        return "home"
    return "standby" if application.standby_hub == hub and application.tier == 1 else None


def _copies(
    application: Application, kind: Machine, hub: str, role: Role, percent: int, one: bool
) -> Iterator[HostedMachine]:
    for number in range(1, (1 if one else kind.count) + 1):
        yield HostedMachine(
            key=f"{application.id}-{kind.name}-{number}",
            application=application,
            machine=kind,
            number=number,
            hub=hub,
            role=role,
            cpus=max(1, math.ceil(kind.cpus * percent / 100)),
            memory_gb=max(min(SMALLEST_GB[0], kind.memory_gb), math.ceil(kind.memory_gb * percent / 100)),
            disk_gb=max(min(SMALLEST_GB[1], kind.disk_gb), math.ceil(kind.disk_gb * percent / 100)),
        )


def worst_day(inventory: Inventory, hub: str, percent: int = 100, *, single: bool = False) -> Mapping[str, Load]:
    """Load by application when the other hub is lost: all of this hub's, and the other's tier 1 at full count."""
    found: dict[str, Load] = {}
    for application in inventory.applications.values():
        here = role_of(application, hub)
        if here is None:
            continue
        total = NOTHING
        for kind in application.machines:
            for m in _copies(application, kind, hub, here, percent, single):
                total += Load(m.cpus, m.memory_gb, m.disk_gb)
        found[application.id] = total
    return found


def usable(nodes: Sequence[Node], usable_gb: int, cpu_ratio: float, host_memory_gb: int) -> Load:
    """What a cluster gives to virtual machines with its largest node lost.

    Args:
        nodes: the physical machines.
        usable_gb: volume space after mirroring; does not shrink with a node, mirrors need the space to heal.
        cpu_ratio: virtual CPUs per core.
        host_memory_gb: memory that each node keeps for itself and its storage cache.
    """
    left = sorted(nodes, key=lambda n: (n.memory_gb, n.cores))[:-1]
    cores = sum(n.cores for n in nodes) - max((n.cores for n in nodes), default=0)
    memory = sum(max(0, n.memory_gb - host_memory_gb) for n in left)
    return Load(int(cores * cpu_ratio), memory, usable_gb)


def unfit(stack: str, wanted: Mapping[str, Load], there: Load, platform: Load, nodes: int) -> Iterator[Problem]:
    """A problem for each resource that runs out: names the application that no longer fits, tier 1 being placed first.

    Args:
        stack: name of the stack.
        wanted: load by application, in order of placement.
        there: what the cluster gives.
        platform: what Kubernetes on the cluster takes before any application.
        nodes: number of nodes, for the text.
    """
    if nodes < 2:
        yield Problem(
            stack, "nodes", str(nodes), "one node has no reserve for the day that it fails", "give two or more"
        )
        return
    for what, unit, pick in _FIGURES:
        total, most = pick(platform), pick(there)
        for application, load in wanted.items():
            total += pick(load)
            if total > most and pick(load):
                value = f"{what}: {pick(load)}{unit}, {total}{unit} with everything before it"
                rule = f"with one of {nodes} nodes down and the other hub's tier 1 here, the cluster has {most}{unit}"
                remedy = "add nodes, or move an application's home_hub"
                yield Problem(stack, f"applications.yaml: {application}", value, rule, remedy)
                break


def by_tier(inventory: Inventory, wanted: Mapping[str, Load]) -> Mapping[str, Load]:
    """The loads in order of placement: tier 1 first, as a recovery places them."""
    return dict(sorted(wanted.items(), key=lambda item: (inventory.applications[item[0]].tier, item[0])))


def names_clash(stack: str, inventory: Inventory, found: Sequence[HostedMachine]) -> Iterator[Problem]:
    """A problem for each host name that is too long for the directory or given twice."""
    counts = Counter(m.computer for m in found)
    for m in found:
        key = f"applications.yaml: {m.application.id}.machines.{m.machine.name}"
        if len(m.computer) > 15:
            yield Problem(stack, key, m.computer, "a host name has at most 15 characters", "lower its count below 100")
        if counts[m.computer] > 1:
            rule = f"{counts[m.computer]} machines would have this host name"
            yield Problem(
                stack, key, m.computer, rule, "rename one: 6 letters of the application and 3 of the machine count"
            )


def fixed_addresses(
    stack: str, inventory: Inventory, hub: str, environment: Environment, given: Mapping[str, IPv4Address]
) -> Iterator[Problem]:
    """A problem for each fixed address that belongs to no machine, lies outside its network, or is given twice."""
    known = {m.key: m for m in machines(inventory, hub)}
    nets = hub_network.networks(inventory.hubs[hub], environment)
    counts = Counter(given.values())
    for key, address in given.items():
        where = f"fixedAddresses.{key}"
        if key not in known:
            yield Problem(
                stack, where, str(address), "no machine of this hub has this name", "use <application>-<machine>-<n>"
            )
        elif not nets[known[key].network].may_be_fixed(address):
            net = nets[known[key].network]
            rule = f"fixed addresses of {net.name} lie in {net.range}, after {net.gateway} and before {net.pool[0]}"
            yield Problem(stack, where, str(address), rule, "choose one of these")
        if counts[address] > 1:
            yield Problem(stack, where, str(address), "is given to two machines", "give each its own")


def circuits(stack: str, inventory: Inventory, hub: str) -> Iterator[Problem]:
    """Problems of the hub's ExpressRoute circuits: two carriers, two peering locations, bandwidths that are sold."""
    edges = hub_network.edges_of(inventory, hub)
    for what, found in (
        ("carrier", {e.carrier for e in edges}),
        ("peering_location", {e.peering_location for e in edges}),
    ):
        if len(found) < 2:
            rule = f"the hub's {len(edges)} circuits share one {what}; one fault would cut the hub from its region"
            yield Problem(
                stack, f"cloud_edges.csv: {hub}.{what}", ", ".join(sorted(found)), rule, "order a second, diverse one"
            )
    for edge in edges:
        if edge.rate_bps // 1_000_000 not in ER_RATES_MBPS:
            sold = ", ".join(map(str, ER_RATES_MBPS))
            rate = f"{edge.rate_bps // 1_000_000} Mbit/s"
            yield Problem(
                stack, f"cloud_edges.csv: {edge.id}.rate_mbps", rate, "is not sold", f"ExpressRoute has {sold}"
            )
        if edge.azure_region != inventory.hubs[hub].azure_region:
            rule = f"the hub's region is {inventory.hubs[hub].azure_region}"
            yield Problem(
                stack, f"cloud_edges.csv: {edge.id}.azure_region", edge.azure_region, rule, "use the hub's region"
            )
