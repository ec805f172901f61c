"""Empty cells to decisions: preferred hub, shard, prefixes, AS numbers, addresses, tunnels, estimates of circuits.

Pure: reads raw tables and returns the cells to fill. A filled cell is never touched, so a decision taken once
stays until a person changes it; rows are taken in order of their ids, so the order of the file decides nothing.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, ip_address, ip_network
from math import ceil

from inventory.errors import InventoryError
from inventory.geo import Place, distance_km, fibre_rtt_ms
from inventory.models import Address, Network
from inventory.schema import PRIVATE_ASNS
from inventory.tables import Row, Table

SHARD_FILL = 65  # sites after which assign opens another shard; 75 is the limit, the rest is room for people
HUB_TOLERANCE = 0.01  # how far above an equal share of all sites geography may fill a hub
PREFIX_LENGTHS: Mapping[int, tuple[int, ...]] = {
    1: (22, 22, 22, 22, 24, 24, 24, 24),
    2: (23, 24, 24, 24),
    3: (24, 24),
    4: (24,),
}
PREFIX_LENGTH_V6 = 56
_ROLE_ORDER = ("router", "switch", "vsat-modem", "ups")


@dataclass(frozen=True, slots=True)
class Change:
    """A cell to fill: `row` is its number in the table's rows."""

    file: str
    row: int
    id: str
    column: str
    value: str


@dataclass(frozen=True, slots=True)
class _Point:
    """Coordinates in degrees."""

    latitude: float
    longitude: float


class FreeSpace:
    """Which addresses of one IP version nothing uses yet; `take` finds the lowest free prefix in a pool."""

    def __init__(self, taken: Iterable[Network]) -> None:
        self._first: list[int] = []
        self._last: list[int] = []
        self._cursor: dict[tuple[Network, int], int] = {}
        spans = sorted((int(n.network_address), int(n.broadcast_address)) for n in taken)
        for first, last in spans:
            if self._last and first <= self._last[-1]:
                self._last[-1] = max(self._last[-1], last)
            else:
                self._first.append(first)
                self._last.append(last)

    def take(self, pool: Network, length: int) -> Network | None:
        """The lowest free prefix of `length` in `pool`, taken from now on; None when the pool is full."""
        size = 1 << (pool.max_prefixlen - length)
        start = self._cursor.get((pool, length), int(pool.network_address))
        while start + size - 1 <= int(pool.broadcast_address):
            index = bisect_right(self._first, start + size - 1) - 1
            if index < 0 or self._last[index] < start:
                at = bisect_left(self._first, start)
                self._first.insert(at, start)
                self._last.insert(at, start + size - 1)
                self._cursor[pool, length] = start + size
                base = ip_address(start) if pool.version == 4 else ip_address(start.to_bytes(16, "big"))
                return ip_network(f"{base}/{length}")
            start = (self._last[index] // size + 1) * size
        return None


class _Filler:
    """The cells of all tables with the decisions taken so far on top of them."""

    def __init__(self, tables: Mapping[str, Table]) -> None:
        self.tables = tables
        self.changes: list[Change] = []
        self._decided: dict[tuple[str, int, str], str] = {}

    def get(self, file: str, number: int, column: str) -> str:
        """The cell's text, decided or as it stands."""
        return self._decided.get((file, number, column)) or self.tables[file].rows[number].cells.get(column, "")

    def fill(self, file: str, number: int, column: str, value: str) -> None:
        """Decide an empty cell."""
        if not self.get(file, number, column):
            self._decided[file, number, column] = value
            key = self.tables[file].rows[number].cells["id"]
            self.changes.append(Change(file, number, key, column, value))

    def empty(self, file: str, column: str) -> list[int]:
        """Numbers of the rows whose cell in `column` is empty, in order of the rows' ids."""
        rows = self.tables[file].rows
        found = [n for n in range(len(rows)) if not self.get(file, n, column)]
        return sorted(found, key=lambda n: rows[n].cells["id"])


def decide(tables: Mapping[str, Table]) -> tuple[Change, ...]:
    """The empty cells of sites, circuits and devices, filled.

    Args:
        tables: raw tables by file name, free of any problem but empty cells.

    Raises:
        InventoryError: a pool is missing or exhausted; nothing has been decided then.
    """
    filler = _Filler(tables)
    _fill_hubs(filler)
    _fill_shards(filler)
    _fill_asns(filler)
    space = _free_space(tables)
    _fill_prefixes(filler, space)
    _fill_tunnels(filler, space)
    _fill_addresses(filler)
    _fill_estimates(filler)
    return tuple(filler.changes)


def split(tables: Mapping[str, Table], changes: Iterable[Change]) -> dict[str, int]:
    """Sites by preferred hub once `changes` are made."""
    count = Counter(r.cells.get("preferred_hub", "") for r in tables["sites.csv"].rows)
    count.update(c.value for c in changes if c.column == "preferred_hub")
    return {r.cells["id"]: count[r.cells["id"]] for r in tables["hubs.yaml"].rows}


def _point(row: Row, latitude: str = "latitude", longitude: str = "longitude") -> _Point:
    return _Point(float(row.cells[latitude]), float(row.cells[longitude]))


def _fill_hubs(filler: _Filler) -> None:
    """The nearest hub with room. Sites that care most (longest detour to another hub) choose first."""
    file = "sites.csv"
    rows = filler.tables[file].rows
    hubs = {r.cells["id"]: _point(r) for r in filler.tables["hubs.yaml"].rows}
    load = Counter(r.cells["preferred_hub"] for r in rows)
    capacity = ceil(len(rows) / len(hubs) * (1 + HUB_TOLERANCE))

    def by_distance(number: int) -> list[str]:
        place = _point(rows[number])
        return sorted(hubs, key=lambda h: (distance_km(place, hubs[h]), h))

    def regret(number: int) -> float:
        place = _point(rows[number])
        nearest, *others = sorted(distance_km(place, h) for h in hubs.values())
        return others[0] - nearest if others else 0.0

    for number in sorted(filler.empty(file, "preferred_hub"), key=lambda n: (-regret(n), rows[n].cells["id"])):
        order = [h for h in by_distance(number) if h != rows[number].cells["standby_hub"]]
        hub = next((h for h in order if load[h] < capacity), min(order, key=lambda h: load[h]))
        load[hub] += 1
        filler.fill(file, number, "preferred_hub", hub)
    for number in filler.empty(file, "standby_hub"):
        preferred = filler.get(file, number, "preferred_hub")
        filler.fill(file, number, "standby_hub", next((h for h in by_distance(number) if h != preferred), ""))


def _fill_shards(filler: _Filler) -> None:
    """The lowest shard of the region that is not full; a full one opens another and nobody moves."""
    file = "sites.csv"
    rows = filler.tables[file].rows
    members = Counter(r.cells["shard"] for r in rows)
    for number in filler.empty(file, "shard"):
        region = rows[number].cells["region"]
        ordinal = 1
        while members[f"{region}-{ordinal}"] >= SHARD_FILL:
            ordinal += 1
        members[f"{region}-{ordinal}"] += 1
        filler.fill(file, number, "shard", f"{region}-{ordinal}")


def _fill_asns(filler: _Filler) -> None:
    """The lowest private AS number that no site and no hub has."""
    hubs, sites = (filler.tables[file].rows for file in ("hubs.yaml", "sites.csv"))
    taken = {int(r.cells["asn"]) for r in (*hubs, *sites) if r.cells.get("asn")}
    free = (n for n in PRIVATE_ASNS[-1] if n not in taken)
    for number, asn in zip(filler.empty("sites.csv", "asn"), free, strict=False):  # 94 million: not exhausted
        filler.fill("sites.csv", number, "asn", str(asn))


def _free_space(tables: Mapping[str, Table]) -> dict[int, FreeSpace]:
    """What no hub, site or tunnel uses yet, by IP version."""
    words: list[str] = []
    for file, pattern in (("hubs.yaml", "prefixes"), ("sites.csv", "prefixes"), ("circuits.csv", "tunnel_.*")):
        columns = [c for c in tables[file].columns if re.fullmatch(pattern, c)]
        words.extend(w for r in tables[file].rows for c in columns for w in r.cells.get(c, "").split())
    taken: dict[int, list[Network]] = {4: [], 6: []}
    for network in map(ip_network, words):
        taken[network.version].append(network)
    return {version: FreeSpace(found) for version, found in taken.items()}


def _take(space: Mapping[int, FreeSpace], pool: str, whose: str, length: int | None = None) -> Network:
    """The lowest free prefix of `length` in `pool`; without a length a pair of addresses (/31 or /127)."""
    if not pool:
        raise InventoryError(f"there is no pool to take addresses for {whose} from; give it one")
    network = ip_network(pool)
    wanted = network.max_prefixlen - 1 if length is None else length
    found = space[network.version].take(network, wanted)
    if found is None:
        raise InventoryError(f"the pool {pool} of {whose} has no /{wanted} left; widen it")
    return found


def _fill_prefixes(filler: _Filler, space: Mapping[int, FreeSpace]) -> None:
    file = "sites.csv"
    numbered = {r.cells["site"]: r.cells["id"] for r in filler.tables["devices.csv"].rows if r.cells["address"]}
    pools = {r.cells["id"]: r.cells.get("prefix_pool", "") for r in filler.tables["regions.yaml"].rows}
    for number in filler.empty(file, "prefixes"):
        cells = filler.tables[file].rows[number].cells
        if device := numbered.get(cells["id"]):
            raise InventoryError(
                f"site {cells['id']} has no prefixes but its device {device} has an address; "
                "write the prefixes its devices are in"
            )
        pool, whose = pools[cells["region"]], f"region {cells['region']} (prefix_pool in regions.yaml)"
        lengths = (PREFIX_LENGTH_V6,) if ":" in pool else PREFIX_LENGTHS[int(cells["tier"])]
        found = [_take(space, pool, whose, n) for n in lengths]
        filler.fill(file, number, "prefixes", " ".join(map(str, found)))


def _fill_tunnels(filler: _Filler, space: Mapping[int, FreeSpace]) -> None:
    for row in filler.tables["hubs.yaml"].rows:
        hub, pool = row.cells["id"], row.cells.get("tunnel_pool", "")
        for number in filler.empty("circuits.csv", f"tunnel_{hub}"):
            found = _take(space, pool, f"hub {hub} (tunnel_pool in hubs.yaml)")
            filler.fill("circuits.csv", number, f"tunnel_{hub}", str(found))


def _fill_addresses(filler: _Filler) -> None:
    """Within a site routers come first, from the first address of the first prefix with room."""
    file = "devices.csv"
    rows = filler.tables[file].rows
    sites = filler.tables["sites.csv"].rows
    prefixes = {r.cells["id"]: filler.get("sites.csv", n, "prefixes").split() for n, r in enumerate(sites)}
    used = {r.cells["address"] for r in rows}
    waiting: dict[str, list[int]] = defaultdict(list)
    for number in filler.empty(file, "address"):
        waiting[rows[number].cells["site"]].append(number)
    for site, numbers in waiting.items():
        ranked = sorted(numbers, key=lambda n: (_rank(rows[n].cells["role"]), rows[n].cells["id"]))
        free = _free_addresses([ip_network(p) for p in prefixes[site]], used, len(ranked))
        if len(free) < len(ranked):
            raise InventoryError(f"the prefixes of site {site} hold too few addresses for its devices; add one")
        for number, address in zip(ranked, free, strict=True):
            filler.fill(file, number, "address", str(address))


def _rank(role: str) -> int:
    return _ROLE_ORDER.index(role) if role in _ROLE_ORDER else len(_ROLE_ORDER)


def _free_addresses(prefixes: Sequence[Network], used: set[str], wanted: int) -> list[Address]:
    found: list[Address] = []
    for prefix in prefixes:
        for offset in range(1, prefix.num_addresses - (1 if isinstance(prefix, IPv4Network) else 0)):
            if len(found) == wanted:
                return found
            if str(address := prefix[offset]) not in used:
                found.append(address)
    return found


def _fill_estimates(filler: _Filler) -> None:
    """Round trip, jitter and loss of a circuit that nobody has measured, from its kind and the globe."""
    file = "circuits.csv"
    tables = filler.tables
    hubs = {r.cells["id"]: _point(r) for r in tables["hubs.yaml"].rows}
    sites = {r.cells["id"]: _point(r) for r in tables["sites.csv"].rows}
    kinds = {r.cells["id"]: r.cells for r in tables["circuit_kinds.yaml"].rows}
    carriers = {r.cells["id"]: r for r in tables["carriers.csv"].rows}
    for number, row in enumerate(tables[file].rows):
        kind, carrier = kinds[row.cells["kind"]], carriers[row.cells["carrier"]]
        filler.fill(file, number, "jitter_ms", kind["jitter_ms"])
        filler.fill(file, number, "loss_percent", kind["loss_percent"])
        landed = row.cells["kind"] == "geo" and bool(carrier.cells["teleport_latitude"])
        start: Place = sites[row.cells["site"]]
        if landed:
            start = _point(carrier, "teleport_latitude", "teleport_longitude")
        for hub, place in hubs.items():
            rtt = estimated_rtt_ms(start, place, float(kind["access_rtt_ms"]), float(kind["route_factor"]))
            filler.fill(file, number, f"rtt_{hub}_ms", f"{rtt:.1f}")


def estimated_rtt_ms(start: Place, hub: Place, access_rtt_ms: float, route_factor: float) -> float:
    """Round trip in milliseconds from where a circuit meets the ground (site or teleport) to a hub."""
    return access_rtt_ms + fibre_rtt_ms(distance_km(start, hub), route_factor)
