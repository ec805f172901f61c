"""Seeds to the rows of circuits.csv: invented circuits with delays that follow from the globe.

Which site gets what is decided by its tier, its mission and a hash of its id, so the same site always gets the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from inventory.assignment import estimated_rtt_ms
from inventory.generation.cities import City
from inventory.generation.sites import Seed
from inventory.models import Carrier, CircuitKind, Hub

MPLS = {
    "americas-north": "mpls-americas",
    "americas-south": "mpls-americas",
    "europe": "mpls-europa",
    "africa-west": "mpls-africa-west",
    "africa-central": "mpls-africa-east",
    "africa-east": "mpls-africa-east",
    "africa-horn": "mpls-africa-east",
    "middle-east": "mpls-levant",
    "asia-pacific": "mpls-asia",
}
INTERNET = {
    "americas-north": "isp-americas",
    "americas-south": "isp-americas",
    "europe": "isp-europe",
    "africa-west": "isp-africa-west",
    "africa-central": "isp-africa-central",
    "africa-east": "isp-africa-east",
    "africa-horn": "isp-africa-east",
    "middle-east": "isp-middle-east",
    "asia-pacific": "isp-asia",
}
GEO = {
    "americas-north": ("geo-atlas", "geo-andes"),
    "americas-south": ("geo-andes",),
    "europe": ("geo-meridian",),
    "africa-west": ("geo-atlas", "geo-meridian"),
    "africa-central": ("geo-savanna", "geo-meridian"),
    "africa-east": ("geo-savanna", "geo-orient"),
    "africa-horn": ("geo-savanna", "geo-orient"),
    "middle-east": ("geo-orient",),
    "asia-pacific": ("geo-pacifica", "geo-orient"),
}
LTE = {"middle-east": "lte-levant", "europe": "lte-levant", "asia-pacific": "lte-asia"}
NORTH = ("americas-north", "americas-south", "africa-west", "europe")

# Mbit/s by (kind, tier): down, up, committed
RATES: Mapping[tuple[str, int], tuple[float, float, float]] = {
    ("mpls", 1): (1000, 1000, 400),
    ("mpls", 2): (200, 200, 50),
    ("mpls", 3): (50, 50, 15),
    ("mpls", 4): (20, 20, 6),
    ("ipsec", 1): (1000, 500, 200),
    ("ipsec", 2): (200, 100, 25),
    ("ipsec", 3): (100, 50, 10),
    ("ipsec", 4): (50, 20, 4),
    ("leo", 1): (220, 25, 20),
    ("leo", 2): (220, 25, 15),
    ("leo", 3): (150, 20, 8),
    ("leo", 4): (100, 15, 4),
    ("geo", 1): (40, 20, 15),
    ("geo", 2): (20, 10, 8),
    ("geo", 3): (10, 4, 3),
    ("geo", 4): (4, 1.5, 1),
    ("microwave", 3): (100, 100, 10),
    ("microwave", 4): (50, 50, 4),
    ("lte", 2): (60, 20, 8),
    ("lte", 3): (40, 15, 4),
    ("lte", 4): (30, 10, 2),
}
BYTE_BUDGET_MB = {"mpls": 400, "ipsec": 400, "microwave": 200, "leo": 150, "lte": 80, "geo": 40}


@dataclass(frozen=True, slots=True)
class World:
    """The hand-written tables that circuits depend on."""

    hubs: Mapping[str, Hub]
    kinds: Mapping[str, CircuitKind]
    carriers: Mapping[str, Carrier]


@dataclass(frozen=True, slots=True)
class _Teleport:
    """Where a GEO circuit comes down."""

    latitude: float
    longitude: float


def chance(*words: str) -> float:
    """A number from 0 up to 1 that depends on nothing but the words."""
    digest = hashlib.sha256("/".join(words).encode()).digest()
    return int.from_bytes(digest[:6], "big") / 2**48


def kinds_of(site: str, seed: Seed) -> tuple[str, ...]:
    """The kinds of a site's circuits, primary first."""
    draw = chance(site, "primary")
    if seed.tier == 1:
        return ("mpls", "ipsec")
    if seed.kind in ("sector", "team-site"):
        if draw < min(0.95, seed.hard * 1.1):
            return ("geo", *_field_backup(site, seed))
        if draw < seed.hard + 0.12 or seed.mission in ("South Lebanon", "Cyprus", "Golan"):
            return ("microwave", "geo") if seed.kind == "sector" else ("microwave",)
        return ("leo" if draw > 0.9 else "ipsec", *_field_backup(site, seed, "geo"))
    if seed.tier == 2:
        backup = chance(site, "backup")
        if seed.mission:
            return ("mpls", "geo" if backup < 0.5 else "leo")
        return ("mpls", "ipsec" if backup < 0.75 else "leo")
    if seed.region == "asia-pacific" and seed.city.population < 120_000:
        return ("geo", "leo") if draw < 0.5 else ("geo",)
    primary = "mpls" if draw < 0.45 else "ipsec" if draw < 0.96 else "leo"
    return (primary, "lte") if chance(site, "backup") < 0.12 else (primary,)


def _field_backup(site: str, seed: Seed, other: str = "leo") -> tuple[str, ...]:
    draw = chance(site, "backup")
    wanted = 0.56 if seed.kind == "sector" else 0.09
    if draw >= wanted:
        return ()
    return ("lte",) if draw < wanted * 0.45 else (other,)


def carrier_of(site: str, seed: Seed, kind: str) -> str:
    """The carrier that sells circuits of the kind in the site's region."""
    if kind == "geo":
        offers = GEO[seed.region]
        if seed.city.longitude < 75 and "geo-pacifica" in offers:
            return "geo-orient"
        if seed.city.longitude > 100 and "geo-pacifica" in offers:
            return "geo-pacifica"
        return offers[int(chance(site, "geo") * len(offers))]
    if kind == "leo":
        return "leo-polaris" if chance(site, "leo") < 0.6 else "leo-borealis"
    if kind == "mpls":
        return MPLS[seed.region]
    if kind == "ipsec":
        return INTERNET[seed.region]
    return "mw-field" if kind == "microwave" else LTE.get(seed.region, "lte-africa")


def circuit_rows(by_id: Mapping[str, Seed], site_order: list[str], world: World) -> list[dict[str, str]]:
    """Rows of circuits.csv in the order of the sites, primary before backup."""
    rows: list[dict[str, str]] = []
    for site in site_order:
        seed = by_id[site]
        for number, kind in enumerate(kinds_of(site, seed)):
            rows.append(_row(site, seed, number, kind, world))
    return rows


def _row(site: str, seed: Seed, number: int, kind: str, world: World) -> dict[str, str]:
    circuit = f"{site}.{'ab'[number]}"
    carrier = world.carriers[carrier_of(site, seed, kind)]
    down, up, committed = RATES[kind, seed.tier]
    figures = world.kinds[kind]
    spread = 0.85 + 0.3 * chance(circuit, "quality")
    row = {
        "id": circuit,
        "site": site,
        "role": ("primary", "backup")[number],
        "kind": kind,
        "carrier": carrier.id,
        "rate_down_mbps": f"{down:g}",
        "rate_up_mbps": f"{up:g}",
        "committed_mbps": f"{committed:g}",
        "jitter_ms": f"{figures.jitter_ms * spread:.1f}",
        "loss_percent": f"{figures.loss_ratio * 100:g}",
        "byte_budget_mb_per_day": str(BYTE_BUDGET_MB[kind]),
    }
    start: City | _Teleport = seed.city
    if kind == "geo":
        start = _Teleport(carrier.teleport_latitude or 0.0, carrier.teleport_longitude or 0.0)
    for hub in world.hubs.values():
        access = figures.access_rtt_ms * (0.985 + 0.05 * chance(circuit, "access"))
        rtt = estimated_rtt_ms(start, hub, access, figures.route_factor)
        row[f"rtt_{hub.id}_ms"] = f"{rtt:.1f}"
    return row
