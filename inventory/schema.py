"""Which tables there are, their columns, and how a row becomes an object of `inventory.models`.

Every column has its unit in its name; here, and only here, units become base units (bit/s, ratios, timedelta).
Cells whose remedy is `ASSIGN_REMEDY` may be empty in a file until `noc inventory assign` fills them; the loader
never does.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta

from inventory import models
from inventory.cells import Cells
from inventory.errors import ASSIGN_REMEDY
from inventory.models import CircuitRole

MEGA = 1_000_000
MAX_SITE_PREFIXES = 8  # AZURE.md limit of 10,000 routes per hub, with room: 594 x 8
TIERS = (1, 4)
# RFC 6996 section 5: the two ranges for private use. Assign takes from the second, which nobody runs out of.
PRIVATE_ASNS = (range(64_512, 65_535), range(4_200_000_000, 4_294_967_295))
# Private numbers that Azure keeps for its own gateways and route servers: a VPN gateway takes 64512-65514 and
# 65521-65534 of the two-byte ones, and any four-byte one (Azure VPN Gateway FAQ, "What ASNs can I use?", 2026-11).
AZURE_ASNS = range(65_515, 65_521)


@dataclass(frozen=True, slots=True)
class TableSpec:
    """A table: its file and its columns. `optional` columns may be absent; `required` may not.

    `lists` are those (of YAML) whose value is a list of mappings; anywhere else such a thing is refused.
    """

    file: str
    required: tuple[str, ...]
    optional: tuple[str, ...] = ()
    may_be_missing: bool = False
    lists: tuple[str, ...] = ()


def _columns(words: str) -> tuple[str, ...]:
    return tuple(words.split())


HUBS = TableSpec(
    "hubs.yaml",
    _columns("id name country latitude longitude azure_region asn prefixes gateway_limit_mbps link_connection_limit"),
    optional=("tunnel_pool",),
)
REGIONS = TableSpec("regions.yaml", _columns("id name technology_centre"), optional=("prefix_pool",))
DESKS = TableSpec("desks.yaml", _columns("id name timezone opens_utc closes_utc"))
SLAS = TableSpec("slas.yaml", _columns("id name availability_percent response_minutes"))
CIRCUIT_KINDS = TableSpec(
    "circuit_kinds.yaml",
    _columns("id name bfd_interval_ms bfd_multiplier access_rtt_ms route_factor jitter_ms loss_percent"),
)
ROLES = TableSpec("roles.yaml", _columns("id name modules interval_s"))
CARRIERS = TableSpec(
    "carriers.csv",
    _columns("id name kinds satellite teleport teleport_latitude teleport_longitude contact"),
)
SITES = TableSpec(
    "sites.csv",
    _columns(
        "id name city country latitude longitude region shard kind tier timezone preferred_hub standby_hub "
        "prefixes asn desk sla"
    ),
)
DEVICES = TableSpec("devices.csv", _columns("id site role model platform serial address ports end_of_support auth"))
BACKBONE = TableSpec("backbone.csv", _columns("id from_hub to_hub carrier rate_mbps rtt_ms"), may_be_missing=True)
CLOUD_EDGES = TableSpec(
    "cloud_edges.csv", _columns("id hub azure_region carrier rate_mbps peering_location"), may_be_missing=True
)
APPLICATIONS = TableSpec(
    "applications.yaml",
    _columns("id name tier home_hub standby_hub rto_minutes rpo_minutes depends_on migration"),
    optional=("machines",),
    may_be_missing=True,
    lists=("machines",),
)
MACHINE_FIELDS = ("name", "count", "cpus", "memory_gb", "disk_gb", "os")
OPERATING_SYSTEMS = ("linux", "windows")
MIGRATIONS = ("retain", "rehost", "replatform", "replace", "done")


def circuits_spec(hubs: Collection[str]) -> TableSpec:
    """The circuits table; it has a baseline round trip and a tunnel per hub."""
    rtts, tunnels = " ".join(f"rtt_{h}_ms" for h in hubs), " ".join(f"tunnel_{h}" for h in hubs)
    return TableSpec(
        "circuits.csv",
        _columns(
            "id site role kind carrier interface rate_down_mbps rate_up_mbps committed_mbps "
            f"{rtts} jitter_ms loss_percent byte_budget_mb_per_day {tunnels}"
        ),
    )


TABLE_FILES = (
    "sites.csv", "circuits.csv", "devices.csv", "carriers.csv", "backbone.csv", "cloud_edges.csv",
    "hubs.yaml", "regions.yaml", "desks.yaml", "slas.yaml", "circuit_kinds.yaml", "roles.yaml", "applications.yaml",
)  # fmt: skip


def hub(c: Cells) -> models.Hub:
    """A row of hubs.yaml."""
    return models.Hub(
        id=c.id("id"),
        name=c.text("name"),
        country=c.text("country"),
        latitude=c.number("latitude", -90, 90),
        longitude=c.number("longitude", -180, 180),
        azure_region=c.text("azure_region"),
        asn=c.integer("asn", 1, 4_294_967_294),
        prefixes=c.networks("prefixes"),
        gateway_limit_bps=round(c.number("gateway_limit_mbps", 1, 1e6) * MEGA),
        link_connection_limit=c.integer("link_connection_limit", 1, 100_000),
        tunnel_pool=c.optional_network("tunnel_pool"),
    )


def region(c: Cells) -> models.Region:
    """A row of regions.yaml."""
    return models.Region(c.id("id"), c.text("name"), c.text("technology_centre"), c.optional_network("prefix_pool"))


def desk(c: Cells) -> models.Desk:
    """A row of desks.yaml."""
    return models.Desk(
        c.id("id"),
        c.text("name"),
        c.timezone("timezone"),
        c.integer("opens_utc", 0, 24),
        c.integer("closes_utc", 0, 24),
    )


def sla(c: Cells) -> models.Sla:
    """A row of slas.yaml."""
    return models.Sla(
        c.id("id"),
        c.text("name"),
        c.number("availability_percent", 0, 100) / 100,
        timedelta(minutes=c.number("response_minutes", 0, 1e6)),
    )


def circuit_kind(c: Cells) -> models.CircuitKind:
    """A row of circuit_kinds.yaml."""
    return models.CircuitKind(
        c.id("id"),
        c.text("name"),
        c.integer("bfd_interval_ms", 10, 60_000),
        c.integer("bfd_multiplier", 1, 255),
        c.number("access_rtt_ms", 0, 5000),
        c.number("route_factor", 1, 10),
        c.number("jitter_ms", 0, 5000),
        c.number("loss_percent", 0, 100) / 100,
    )


def role(c: Cells) -> models.Role:
    """A row of roles.yaml."""
    return models.Role(
        c.id("id"),
        c.text("name"),
        tuple(c.text("modules").split()),
        timedelta(seconds=c.number("interval_s", 1, 86_400)),
    )


def carrier(c: Cells, kinds: Collection[str]) -> models.Carrier:
    """A row of carriers.csv; `kinds` are the known circuit kinds."""
    offered = tuple(c.text("kinds").split())
    for kind in offered:
        if kinds and kind not in kinds:
            c.refuse("kinds", f"'{kind}' is not a circuit kind", "use one of " + ", ".join(sorted(kinds)))
    if bool(c.optional("teleport_latitude")) != bool(c.optional("teleport_longitude")):
        c.refuse("teleport_longitude", "only one coordinate of the teleport is given", "give both or neither")
    return models.Carrier(
        c.id("id"),
        c.text("name"),
        offered,
        c.optional("satellite"),
        c.optional("teleport"),
        c.optional_number("teleport_latitude", -90, 90),
        c.optional_number("teleport_longitude", -180, 180),
        c.optional("contact"),
    )


@dataclass(frozen=True, slots=True)
class Known:
    """The ids that rows may refer to. `circuit_kinds_of` gives the kinds that each carrier offers."""

    hubs: Collection[str]
    regions: Collection[str]
    desks: Collection[str]
    slas: Collection[str]
    circuit_kinds: Collection[str]
    carriers: Collection[str]
    roles: Collection[str]
    sites: Collection[str] = ()


def site(c: Cells, known: Known) -> models.Site:
    """A row of sites.csv."""
    found = models.Site(
        id=c.id("id"),
        name=c.text("name"),
        city=c.text("city"),
        country=c.text("country"),
        latitude=c.number("latitude", -90, 90),
        longitude=c.number("longitude", -180, 180),
        region=c.choice("region", known.regions, "region"),
        shard=c.id("shard", ASSIGN_REMEDY),
        kind=c.id("kind"),
        tier=c.integer("tier", *TIERS),
        timezone=c.timezone("timezone"),
        preferred_hub=c.choice("preferred_hub", known.hubs, "hub", ASSIGN_REMEDY),
        standby_hub=c.choice("standby_hub", known.hubs, "hub", ASSIGN_REMEDY),
        prefixes=c.networks("prefixes", ASSIGN_REMEDY),
        asn=c.integer("asn", PRIVATE_ASNS[0].start, PRIVATE_ASNS[-1].stop - 1, ASSIGN_REMEDY),
        desk=c.choice("desk", known.desks, "service desk"),
        sla=c.choice("sla", known.slas, "service level"),
    )
    if found.country and (len(found.country) != 2 or not found.country.isupper()):
        c.refuse("country", f"'{found.country}' is not a country code", "write two capitals (ISO 3166), as KE")
    if found.preferred_hub and found.preferred_hub == found.standby_hub:
        c.refuse("standby_hub", "is the preferred hub as well", "name another hub")
    if len(found.prefixes) > MAX_SITE_PREFIXES:
        message = f"has {len(found.prefixes)} prefixes, at most {MAX_SITE_PREFIXES} are allowed"
        c.refuse("prefixes", message, "summarise them: a hub takes 10,000 routes in all")
    _check_asn(c, found.asn)
    return found


def _check_asn(c: Cells, asn: int) -> None:
    first = PRIVATE_ASNS[-1].start
    remedy = f"empty the cell and run `noc inventory assign`, or give one from {first} up"
    if asn in AZURE_ASNS:
        c.refuse("asn", f"{asn} is one that Azure keeps for its own gateways", remedy)
    elif not any(asn in private for private in PRIVATE_ASNS):
        c.refuse("asn", f"{asn} is not for private use (RFC 6996)", remedy)


def circuit(c: Cells, known: Known) -> models.Circuit:
    """A row of circuits.csv."""
    return models.Circuit(
        id=c.id("id"),
        site=c.choice("site", known.sites, "site"),
        role=_circuit_role(c),
        kind=c.choice("kind", known.circuit_kinds, "circuit kind"),
        carrier=c.choice("carrier", known.carriers, "carrier"),
        interface=c.text("interface"),
        rate_down_bps=round(c.number("rate_down_mbps", 0.001, 1e6) * MEGA),
        rate_up_bps=round(c.number("rate_up_mbps", 0.001, 1e6) * MEGA),
        committed_bps=round(c.number("committed_mbps", 0, 1e6) * MEGA),
        rtt_ms={h: c.number(f"rtt_{h}_ms", 0, 5000, ASSIGN_REMEDY) for h in known.hubs},
        jitter_ms=c.number("jitter_ms", 0, 5000, ASSIGN_REMEDY),
        loss_ratio=c.number("loss_percent", 0, 100, ASSIGN_REMEDY) / 100,
        byte_budget=round(c.number("byte_budget_mb_per_day", 0, 1e6) * MEGA),
        tunnels={h: c.network(f"tunnel_{h}", ASSIGN_REMEDY) for h in known.hubs},
    )


def _circuit_role(c: Cells) -> CircuitRole:
    return "backup" if c.choice("role", ("primary", "backup"), "circuit role") == "backup" else "primary"


def device(c: Cells, known: Known) -> models.Device:
    """A row of devices.csv."""
    return models.Device(
        id=c.id("id"),
        site=c.choice("site", known.sites, "site"),
        role=c.choice("role", known.roles, "device role"),
        model=c.text("model"),
        platform=c.text("platform"),
        serial=c.text("serial"),
        address=c.address("address", ASSIGN_REMEDY),
        ports=c.integer("ports", 1, 1024),
        end_of_support=c.day("end_of_support"),
        auth=c.text("auth"),
    )


def backbone_link(c: Cells, known: Known) -> models.BackboneLink:
    """A row of backbone.csv."""
    return models.BackboneLink(
        c.id("id"),
        c.choice("from_hub", known.hubs, "hub"),
        c.choice("to_hub", known.hubs, "hub"),
        c.choice("carrier", known.carriers, "carrier"),
        round(c.number("rate_mbps", 1, 1e6) * MEGA),
        c.number("rtt_ms", 0, 5000),
    )


def cloud_edge(c: Cells, known: Known) -> models.CloudEdge:
    """A row of cloud_edges.csv."""
    return models.CloudEdge(
        c.id("id"),
        c.choice("hub", known.hubs, "hub"),
        c.text("azure_region"),
        c.choice("carrier", known.carriers, "carrier"),
        round(c.number("rate_mbps", 1, 1e6) * MEGA),
        c.text("peering_location"),
    )


def application(c: Cells, known: Known, applications: Collection[str]) -> models.Application:
    """A row of applications.yaml; `applications` are all their ids."""
    depends_on = c.ids("depends_on")
    for other in depends_on:
        if other not in applications:
            c.refuse("depends_on", f"'{other}' is not an application", "correct it or add the application")
    return models.Application(
        c.id("id"),
        c.text("name"),
        c.integer("tier", *TIERS),
        c.choice("home_hub", known.hubs, "hub"),
        c.choice("standby_hub", known.hubs, "hub"),
        timedelta(minutes=c.number("rto_minutes", 0, 1e6)),
        timedelta(minutes=c.number("rpo_minutes", 0, 1e6)),
        depends_on,
        c.choice("migration", MIGRATIONS, "state of migration"),
        c.entries("machines", MACHINE_FIELDS, machine),
    )


def machine(c: Cells) -> models.Machine:
    """An entry of an application's machines."""
    return models.Machine(
        c.id("name"),
        c.integer("count", 1, 100),
        c.integer("cpus", 1, 128),
        c.integer("memory_gb", 1, 4096),
        c.integer("disk_gb", 1, 32_767),
        "windows" if c.choice("os", OPERATING_SYSTEMS, "system of machines") == "windows" else "linux",
    )
