"""What only the whole inventory can show: counts, limits, overlaps, cycles, things left over.

Pure: reads the rows that could be built and adds a `Problem` for each fault, pointing at the row that would have
to change. The limits are those of Azure Virtual WAN (docs of the limit stand in hubs.yaml) and of our own shards.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import TYPE_CHECKING

from inventory.errors import Problem
from inventory.models import Address, Device, Inventory, Network
from inventory.ports import port_names
from inventory.schema import MEGA

if TYPE_CHECKING:
    from inventory.loader import Sheets

SHARD_LIMIT = 75  # sites in one deployment stack
SITES, CIRCUITS, DEVICES = "sites.csv", "circuits.csv", "devices.csv"
HUBS, REGIONS, APPLICATIONS = "hubs.yaml", "regions.yaml", "applications.yaml"

_SHARD = re.compile(r"(?P<region>.+)-[1-9][0-9]*")


def check(inv: Inventory, sheets: Sheets, problems: list[Problem]) -> None:
    """Add every fault of the inventory as a whole to `problems`."""
    for rule in (
        _regions, _desks, _shards, _asns, _site_circuits, _interfaces, _circuits, _hub_limits, _overlaps, _addresses,
        _links, _applications, _machines,
    ):  # fmt: skip
        problems.extend(rule(inv, sheets))


def _regions(inv: Inventory, sheets: Sheets) -> Iterator[Problem]:
    sites = sheets.ids[SITES]
    for region in inv.regions.values():
        if sites and region.technology_centre not in sites:
            message = f"'{region.technology_centre}' is not a site"
            yield sheets.problem(REGIONS, region.id, "technology_centre", message, "name the id of a site")


def _desks(inv: Inventory, sheets: Sheets) -> Iterator[Problem]:
    for desk in inv.desks.values():
        if desk.opens_utc >= desk.closes_utc:
            message = f"closes at {desk.closes_utc} and opens at {desk.opens_utc}"
            remedy = "give hours within one UTC day, opening first; a night shift is a desk of its own"
            yield sheets.problem("desks.yaml", desk.id, "closes_utc", message, remedy)


def _shards(inv: Inventory, sheets: Sheets) -> Iterator[Problem]:
    members: dict[str, list[str]] = defaultdict(list)
    for site in inv.sites.values():
        members[site.shard].append(site.id)
        form = _SHARD.fullmatch(site.shard)
        if form is None or form["region"] != site.region:
            message = f"'{site.shard}' is not a shard of region {site.region}"
            yield sheets.problem(SITES, site.id, "shard", message, f"name it {site.region}-1, -2, ...")
    for shard, sites in members.items():
        if len(sites) > SHARD_LIMIT:
            message = f"{shard} has {len(sites)} sites, at most {SHARD_LIMIT} fit one deployment"
            remedy = "empty the cell of the newest sites and run `noc inventory assign`"
            yield sheets.problem(SITES, sites[SHARD_LIMIT], "shard", message, remedy)


def _asns(inv: Inventory, sheets: Sheets) -> Iterator[Problem]:
    """A hub drops routes that carry its own number, and two sites with one number drop each other's."""
    holder: dict[int, str] = {hub.asn: f"hub {hub.id}" for hub in inv.hubs.values()}
    for site in inv.sites.values():
        if (other := holder.setdefault(site.asn, site.id)) != site.id:
            remedy = "empty the cell of the newer site and run `noc inventory assign`"
            yield sheets.problem(SITES, site.id, "asn", f"{site.asn} is the number of {other} as well", remedy)


def _site_circuits(inv: Inventory, sheets: Sheets) -> Iterator[Problem]:
    if not sheets.tables[CIRCUITS].rows or sheets.tables[CIRCUITS].lost:
        return
    roles: dict[str, list[str]] = defaultdict(list)
    for row in sheets.tables[CIRCUITS].rows:
        roles[row.cells.get("site", "")].append(row.cells.get("role", ""))
    for site in inv.sites:
        if site not in roles:
            yield sheets.problem(SITES, site, "id", "has no circuit", "add one to circuits.csv")
        elif (count := roles[site].count("primary")) != 1:
            remedy = "give exactly one of its circuits the role primary"
            yield sheets.problem(SITES, site, "id", f"has {count} primary circuits", remedy)


def _interfaces(inv: Inventory, sheets: Sheets) -> Iterator[Problem]:
    if not sheets.tables[DEVICES].rows:
        return
    routers: dict[str, list[Device]] = defaultdict(list)
    for device in inv.devices.values():
        if device.role == "router":
            routers[device.site].append(device)
    listed = Counter(r.cells.get("site") for r in sheets.tables[DEVICES].rows if r.cells.get("role") == "router")
    taken: dict[tuple[str, str], str] = {}
    for site in inv.sites:
        if site not in listed and not sheets.tables[DEVICES].lost:
            yield sheets.problem(SITES, site, "id", "has no router", "add one to devices.csv")
    for circuit in inv.circuits.values():
        found = sorted(routers[circuit.site], key=lambda d: d.id)
        if not found or len(found) != listed[circuit.site]:
            continue  # a router's row is unusable, which has been said: which port is whose cannot be told
        router = found[0] if circuit.role == "primary" else found[-1]
        names = port_names(router.platform, router.ports)
        if circuit.interface not in names:
            message = f"'{circuit.interface}' is not a port of {router.id} ({router.platform})"
            remedy = f"name one of {names[0]} to {names[-1]}"
            yield sheets.problem(CIRCUITS, circuit.id, "interface", message, remedy)
        elif (other := taken.setdefault((router.id, circuit.interface), circuit.id)) != circuit.id:
            message = f"{circuit.interface} of {router.id} already carries {other}"
            yield sheets.problem(CIRCUITS, circuit.id, "interface", message, "name another port")


def _circuits(inv: Inventory, sheets: Sheets) -> Iterator[Problem]:
    for c in inv.circuits.values():
        carrier = inv.carriers.get(c.carrier)
        if carrier is not None and c.kind not in carrier.kinds:
            remedy = f"choose another carrier or add {c.kind} to its kinds in carriers.csv"
            yield sheets.problem(CIRCUITS, c.id, "carrier", f"{c.carrier} sells no {c.kind} circuits", remedy)
        if c.committed_bps > min(c.rate_down_bps, c.rate_up_bps):
            message = f"{c.committed_bps / MEGA:g} is above the circuit's own rate"
            yield sheets.problem(CIRCUITS, c.id, "committed_mbps", message, "commit no more than either rate")
        for hub, tunnel in c.tunnels.items():
            if tunnel.num_addresses != 2:
                message = f"{tunnel} does not hold two addresses"
                yield sheets.problem(CIRCUITS, c.id, f"tunnel_{hub}", message, "give a /31 (IPv6: /127)")


def _hub_limits(inv: Inventory, sheets: Sheets) -> Iterator[Problem]:
    links: Counter[str] = Counter()
    committed: Counter[str] = Counter()
    for circuit in inv.circuits.values():
        for hub_id in circuit.tunnels:
            links[hub_id] += 1
            committed[hub_id] += circuit.committed_bps
    for hub in inv.hubs.values():
        if links[hub.id] > hub.link_connection_limit:
            message = f"{links[hub.id]} VPN link connections end here, {hub.link_connection_limit} are possible"
            remedy = "drop backup circuits, or add a second hub in the region"
            yield sheets.problem(HUBS, hub.id, "link_connection_limit", message, remedy)
        if committed[hub.id] > hub.gateway_limit_bps:
            message = (
                f"the committed rates of all circuits come to {committed[hub.id] / MEGA:,.0f} Mbit/s, the gateway "
                f"carries {hub.gateway_limit_bps / MEGA:,.0f}"
            )
            remedy = "commit less: either hub must carry every site when the other is lost"
            yield sheets.problem(HUBS, hub.id, "gateway_limit_mbps", message, remedy)


def _overlaps(inv: Inventory, sheets: Sheets) -> Iterator[Problem]:
    """Prefixes of sites, hubs and tunnels may not overlap. One sweep over all of them sorted by first address."""
    spans: list[tuple[int, int, int, Network, str, str, str]] = []

    def add(network: Network, file: str, key: str, column: str) -> None:
        first = int(network.network_address)
        spans.append((network.version, first, first + network.num_addresses, network, file, key, column))

    for hub in inv.hubs.values():
        for prefix in hub.prefixes:
            add(prefix, HUBS, hub.id, "prefixes")
    for site in inv.sites.values():
        for prefix in site.prefixes:
            add(prefix, SITES, site.id, "prefixes")
    for circuit in inv.circuits.values():
        for hub_id, tunnel in circuit.tunnels.items():
            add(tunnel, CIRCUITS, circuit.id, f"tunnel_{hub_id}")
    spans.sort(key=lambda s: (s[0], s[1], -s[2], s[4], s[5]))
    version, end, holder = 0, 0, -1
    for number, (its_version, first, its_end, network, file, key, column) in enumerate(spans):
        if its_version == version and first < end:
            other = spans[holder]
            message = f"{network} overlaps {other[3]} of {other[5]}"
            yield sheets.problem(file, key, column, message, "give it a prefix of its own")
        if its_version != version or its_end > end:
            version, end, holder = its_version, its_end, number


def _addresses(inv: Inventory, sheets: Sheets) -> Iterator[Problem]:
    spans = {
        s.id: [(p.version, int(p.network_address), int(p.broadcast_address)) for p in s.prefixes]
        for s in inv.sites.values()
    }
    holder: dict[Address, str] = {}
    for device in inv.devices.values():
        if (other := holder.setdefault(device.address, device.id)) != device.id:
            message = f"{device.address} is the address of {other} as well"
            yield sheets.problem(DEVICES, device.id, "address", message, "give each device its own")
        number, version = int(device.address), device.address.version
        if device.site in spans and not any(
            version == v and low <= number <= high for v, low, high in spans[device.site]
        ):
            message = f"{device.address} is in none of the prefixes of {device.site}"
            yield sheets.problem(DEVICES, device.id, "address", message, "take one of its site's addresses")


def _links(inv: Inventory, sheets: Sheets) -> Iterator[Problem]:
    for link in inv.backbone.values():
        if link.from_hub == link.to_hub:
            yield sheets.problem("backbone.csv", link.id, "to_hub", "is the hub it starts from", "name the other")


def _applications(inv: Inventory, sheets: Sheets) -> Iterator[Problem]:
    for application in inv.applications.values():
        if application.home_hub == application.standby_hub:
            remedy = "name another hub"
            yield sheets.problem(APPLICATIONS, application.id, "standby_hub", "is the home hub as well", remedy)
    for cycle in _cycles({a.id: a.depends_on for a in inv.applications.values()}):
        message = "depends on itself: " + " -> ".join((*cycle, cycle[0]))
        remedy = "remove one of these dependencies, or no order of recovery exists"
        yield sheets.problem(APPLICATIONS, cycle[0], "depends_on", message, remedy)


def _machines(inv: Inventory, sheets: Sheets) -> Iterator[Problem]:
    for application in inv.applications.values():
        for name, count in Counter(m.name for m in application.machines).items():
            if count > 1:
                message, remedy = f"'{name}' is there {count} times", "give each entry a name of its own"
                yield sheets.problem(APPLICATIONS, application.id, "machines", message, remedy)


def _cycles(edges: dict[str, tuple[str, ...]]) -> Iterator[tuple[str, ...]]:
    """Each cycle met by a depth-first walk, once, from the node where the walk entered it."""
    done: set[str] = set()
    for start in edges:
        path: list[str] = []
        waiting: list[tuple[str, bool]] = [(start, False)]
        while waiting:
            node, leaving = waiting.pop()
            if leaving:
                path.pop()
                done.add(node)
            elif node in path:
                yield tuple(path[path.index(node) :])
            elif node not in done:
                path.append(node)
                waiting.append((node, True))
                waiting.extend((n, False) for n in reversed(edges.get(node, ())))
