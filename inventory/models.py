"""What exists: typed, frozen rows of the inventory's tables.

Turns nothing into anything: these classes are what the loader produces and what every other part of the
system reads. They refuse mutation; a change to the world is a change to a table, reviewed in a diff.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cached_property
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Literal

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address

CircuitRole = Literal["primary", "backup"]
OperatingSystem = Literal["linux", "windows"]


@dataclass(frozen=True, slots=True)
class Hub:
    """One of the two data centres that serve all sites; each is the other's disaster-recovery site.

    `tunnel_pool` is where new sessions get their /31 from; None where all tunnels are given by hand.
    """

    id: str
    name: str
    country: str
    latitude: float
    longitude: float
    azure_region: str
    asn: int
    prefixes: tuple[Network, ...]
    gateway_limit_bps: int
    link_connection_limit: int
    tunnel_pool: Network | None = None


@dataclass(frozen=True, slots=True)
class Region:
    """A region of the organisation, coordinated by the site that is its technology centre.

    `prefix_pool` is where new sites get their prefixes from; None where all prefixes are given by hand.
    """

    id: str
    name: str
    technology_centre: str
    prefix_pool: Network | None = None


@dataclass(frozen=True, slots=True)
class Desk:
    """A place of the virtual service desk that works round the clock; `opens`/`closes` are UTC hours."""

    id: str
    name: str
    timezone: str
    opens_utc: int
    closes_utc: int


@dataclass(frozen=True, slots=True)
class Sla:
    """A service level: monthly availability target (ratio) and time to respond."""

    id: str
    name: str
    availability_ratio: float
    response: timedelta


@dataclass(frozen=True, slots=True)
class CircuitKind:
    """A technology of access circuit, with what all circuits of the kind share.

    `bfd_interval_ms` x `bfd_multiplier` is the BFD profile (RFC 5880), chosen by the kind's delay and loss.
    The other figures estimate a circuit that nobody has measured yet: `access_rtt_ms` plus the great circle's
    fibre time times `route_factor`, `jitter_ms`, and `loss_ratio` (0 to 1).
    """

    id: str
    name: str
    bfd_interval_ms: int
    bfd_multiplier: int
    access_rtt_ms: float = 10.0
    route_factor: float = 1.6
    jitter_ms: float = 5.0
    loss_ratio: float = 0.002


@dataclass(frozen=True, slots=True)
class Carrier:
    """A provider of circuits; `satellite` and `teleport` are empty for terrestrial ones."""

    id: str
    name: str
    kinds: tuple[str, ...]
    satellite: str
    teleport: str
    teleport_latitude: float | None
    teleport_longitude: float | None
    contact: str


@dataclass(frozen=True, slots=True)
class Role:
    """A role of device: the SNMP modules polled for it and how often."""

    id: str
    name: str
    modules: tuple[str, ...]
    interval: timedelta


@dataclass(frozen=True, slots=True)
class Site:
    """A duty station. `tier` 1 (largest) to 4; hubs, shard, prefixes and `asn` are decisions kept as columns.

    `asn` is the private autonomous system number (RFC 6996) with which the site's routers speak BGP to both hubs.
    """

    id: str
    name: str
    city: str
    country: str
    latitude: float
    longitude: float
    region: str
    shard: str
    kind: str
    tier: int
    timezone: str
    preferred_hub: str
    standby_hub: str
    prefixes: tuple[Network, ...]
    asn: int
    desk: str
    sla: str


@dataclass(frozen=True, slots=True)
class Circuit:
    """An access circuit of a site. Rates in bit/s; `rtt_ms` is the baseline round trip to each hub.

    `loss_ratio` is the baseline share of lost round trips (0 to 1). `tunnels` maps each hub to the /31 of the
    session over this circuit: the lower address is the hub's end, the upper one the site's.
    `interface` is the ifName of the site's router port. `byte_budget` is what monitoring may cost, bytes per day.
    """

    id: str
    site: str
    role: CircuitRole
    kind: str
    carrier: str
    interface: str
    rate_down_bps: int
    rate_up_bps: int
    committed_bps: int
    rtt_ms: Mapping[str, float]
    jitter_ms: float
    loss_ratio: float
    byte_budget: int
    tunnels: Mapping[str, Network]


@dataclass(frozen=True, slots=True)
class Session:
    """(circuit, hub): the tunnel with its BGP and BFD session from a site's circuit to one hub."""

    circuit: Circuit
    hub: str

    @property
    def id(self) -> str:
        """`<circuit>@<hub>`, unique in the inventory."""
        return f"{self.circuit.id}@{self.hub}"

    @property
    def site(self) -> str:
        """Id of the session's site."""
        return self.circuit.site

    @property
    def hub_address(self) -> Address:
        """The hub's end of the tunnel: the lower address of the /31."""
        return self.circuit.tunnels[self.hub][0]

    @property
    def site_address(self) -> Address:
        """The site's end of the tunnel, which is what is probed: the upper address of the /31."""
        return self.circuit.tunnels[self.hub][1]

    @property
    def rtt_ms(self) -> float:
        """Baseline round-trip time to the hub in milliseconds."""
        return self.circuit.rtt_ms[self.hub]


@dataclass(frozen=True, slots=True)
class Device:
    """A managed device. `ports` counts its physical ports; `auth` names an entry of the SNMP credentials."""

    id: str
    site: str
    role: str
    model: str
    platform: str
    serial: str
    address: Address
    ports: int
    end_of_support: date
    auth: str


@dataclass(frozen=True, slots=True)
class Interface:
    """A row of a device's ifTable (RFC 2863), derived from the tables.

    `type` is an IANAifType number; `circuit` and `hub` are set on WAN ports and session tunnels.
    """

    index: int
    name: str
    description: str
    alias: str
    type: int
    speed_bps: int
    circuit: str = ""
    hub: str = ""


@dataclass(frozen=True, slots=True)
class BackboneLink:
    """A link of the backbone between the hubs."""

    id: str
    from_hub: str
    to_hub: str
    carrier: str
    rate_bps: int
    rtt_ms: float


@dataclass(frozen=True, slots=True)
class CloudEdge:
    """A hub's way into its Azure region (an ExpressRoute circuit)."""

    id: str
    hub: str
    azure_region: str
    carrier: str
    rate_bps: int
    peering_location: str


@dataclass(frozen=True, slots=True)
class Machine:
    """`count` like virtual machines of an application at its home hub, replicated to its standby.

    Sizes are whole GiB, as a hypervisor takes them; `disk_gb` is the one disk of each machine.
    """

    name: str
    count: int
    cpus: int
    memory_gb: int
    disk_gb: int
    os: OperatingSystem


@dataclass(frozen=True, slots=True)
class Application:
    """An enterprise application: tier, home hub, standby, recovery objectives and what it depends on.

    `machines` is empty for one that runs on no virtual machines of ours (bought as a service, or on appliances).
    """

    id: str
    name: str
    tier: int
    home_hub: str
    standby_hub: str
    rto: timedelta
    rpo: timedelta
    depends_on: tuple[str, ...]
    migration: str
    machines: tuple[Machine, ...] = ()


@dataclass(frozen=True)
class Inventory:
    """All tables, each keyed by id in file order, with the look-ups that others need. Immutable."""

    hubs: Mapping[str, Hub]
    regions: Mapping[str, Region]
    desks: Mapping[str, Desk]
    slas: Mapping[str, Sla]
    circuit_kinds: Mapping[str, CircuitKind]
    carriers: Mapping[str, Carrier]
    roles: Mapping[str, Role]
    sites: Mapping[str, Site]
    circuits: Mapping[str, Circuit]
    devices: Mapping[str, Device]
    backbone: Mapping[str, BackboneLink] = field(default_factory=dict)
    cloud_edges: Mapping[str, CloudEdge] = field(default_factory=dict)
    applications: Mapping[str, Application] = field(default_factory=dict)

    @cached_property
    def circuits_of(self) -> Mapping[str, tuple[Circuit, ...]]:
        """Circuits by site id, primary first; every site has an entry."""
        found: dict[str, list[Circuit]] = {site: [] for site in self.sites}
        for circuit in self.circuits.values():
            found[circuit.site].append(circuit)
        return {s: tuple(sorted(c, key=lambda x: (x.role != "primary", x.id))) for s, c in found.items()}

    @cached_property
    def devices_of(self) -> Mapping[str, tuple[Device, ...]]:
        """Devices by site id in file order; every site has an entry."""
        found: dict[str, list[Device]] = {site: [] for site in self.sites}
        for device in self.devices.values():
            found[device.site].append(device)
        return {s: tuple(d) for s, d in found.items()}

    @cached_property
    def sessions(self) -> Mapping[str, Session]:
        """All sessions by id: one for each circuit and hub."""
        found = [Session(c, hub) for c in self.circuits.values() for hub in c.tunnels]
        return {s.id: s for s in found}
