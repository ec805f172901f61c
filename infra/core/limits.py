"""Azure's limits, checked before the first resource, and how far away each one is.

Turns (stack, settings, inventory) into problems that name site, figure and limit, and into head-room for `noc infra
check`. The limits are those of AZURE's documentation as stored (Virtual WAN limits 2022, subscription limits 2025);
docs/infra.md lists them with dates. Nothing here knows Pulumi.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate

from infra.core import addressing, capacity
from infra.core.errors import Problem
from infra.core.stacks import StackId
from infra.settings.base import Common
from inventory import Hub, Inventory

PREFIXES_PER_SITE = 8  # ours: 594 sites x 8 stays well below the routes of a hub
ROUTES_PER_HUB = 10_000
ER_CIRCUITS_PER_HUB = 8
SPOKE_PREFIXES = 540  # routing intent allows 600 directly connected address spaces; ours leaves room
SITES_PER_SHARD = 75
SPLIT_WARNING = 0.02  # preferred hubs further than this from half and half are worth a sentence
REGIONS = ("spaincentral", "italynorth")


@dataclass(frozen=True, slots=True)
class Headroom:
    """One limit: how much of it is used, in its unit."""

    name: str
    used: int
    most: int
    unit: str

    @property
    def left(self) -> int:
        """What is left; negative when the limit is broken."""
        return self.most - self.used


def headroom(stack: StackId, settings: Common, inventory: Inventory) -> list[Headroom]:
    """The limits that a stack's layer can run into, with today's figures."""
    found: list[Headroom] = []
    if stack.kind in ("connectivity", "sites"):
        hubs = inventory.hubs.values()
        links = min(h.link_connection_limit for h in hubs)
        units = min(min(h.gateway_limit_bps for h in hubs) // capacity.VPN_UNIT_BPS, capacity.VPN_UNITS_MOST)
        found.append(Headroom("link connections per gateway", capacity.link_connections(inventory), links, "links"))
        found.append(Headroom("VPN gateway", capacity.vpn_scale_units(inventory), units, "scale units"))
        found.append(Headroom("routes per hub", capacity.routes(inventory), ROUTES_PER_HUB, "routes"))
    if stack.kind == "connectivity":
        spokes = len(addressing.SPOKES) * len(inventory.hubs)
        found.append(Headroom("spoke prefixes", spokes, SPOKE_PREFIXES, "prefixes"))
        for hub in inventory.hubs:
            circuits = sum(e.hub == hub for e in inventory.cloud_edges.values())
            found.append(Headroom(f"ExpressRoute circuits, {hub}", circuits, ER_CIRCUITS_PER_HUB, "circuits"))
            units = capacity.er_scale_units(inventory, hub)
            found.append(Headroom(f"ExpressRoute gateway, {hub}", units, capacity.ER_UNITS_MOST, "scale units"))
    if stack.kind == "sites":
        sites = [s for s in inventory.sites.values() if s.shard == stack.part]
        found.append(Headroom("sites per shard", len(sites), SITES_PER_SHARD, "sites"))
        most = max((len(s.prefixes) for s in sites), default=0)
        found.append(Headroom("prefixes per site", most, PREFIXES_PER_SITE, "prefixes"))
    return [*found, *(Headroom(*figure) for figure in settings.figures(inventory))]


def check(stack: StackId, settings: Common, inventory: Inventory) -> list[Problem]:
    """Everything that Azure, or our own rules, would refuse later; empty when the stack may be deployed."""
    name = stack.name
    problems = [*_hubs(stack, inventory), *_parts(stack, inventory)]
    if stack.kind in ("connectivity", "sites"):
        problems += addressing.overlaps(inventory, stack.environment, name)
        problems += [p for hub in inventory.hubs.values() for p in _links(name, hub, inventory)]
        problems += [p for h in headroom(stack, settings, inventory) if h.left < 0 for p in _broken(name, h, inventory)]
    units = getattr(settings, "vpn_units", 0)
    if stack.environment == "prod" and 0 < units < capacity.vpn_scale_units(inventory):
        rule = f"each hub must carry all sites alone, which takes {capacity.vpn_scale_units(inventory)} scale units"
        problems.append(Problem(name, "vpnUnits", str(units), rule, "leave it at 0"))
    if stack.kind == "sites":
        for site in inventory.sites.values():
            if site.shard == stack.part and len(site.prefixes) > PREFIXES_PER_SITE:
                rule = f"a site has at most {PREFIXES_PER_SITE} prefixes"
                problems.append(_row(name, site.id, f"{len(site.prefixes)} prefixes", rule, "summarise its prefixes"))
    return problems


def warnings(inventory: Inventory) -> list[str]:
    """Sentences that nobody is refused for: an uneven split of preferred hubs."""
    split = Counter(s.preferred_hub for s in inventory.sites.values())
    total = sum(split.values()) or 1
    half = 1 / max(len(inventory.hubs), 1)
    return [
        f"{hub} is preferred by {count} of {total} sites ({count / total:.1%}); more than {SPLIT_WARNING:.0%} from even"
        for hub, count in split.items()
        if abs(count / total - half) > SPLIT_WARNING
    ]


def _row(stack: str, site: str, value: str, rule: str, remedy: str) -> Problem:
    return Problem(stack, f"sites.csv: {site}", value, rule, remedy)


def _hubs(stack: StackId, inventory: Inventory) -> Iterator[Problem]:
    first: dict[str, str] = {}
    for hub in inventory.hubs.values():
        other = first.setdefault(hub.azure_region, hub.id)
        if other != hub.id:
            rule = f"is the region of hub {other} too: one region's loss would take both"
            yield Problem(
                stack.name, f"hubs.yaml: {hub.id}.azure_region", hub.azure_region, rule, "give each hub a region"
            )
    if len(inventory.hubs) < len(REGIONS):
        rule = f"{len(REGIONS)} hubs are needed, each in a region of its own"
        yield Problem(stack.name, "hubs.yaml", ", ".join(inventory.hubs), rule, "give both hubs their rows")
    for hub in inventory.hubs.values():
        if hub.azure_region not in REGIONS:
            rule = f"data may only be in {' and '.join(REGIONS)}"
            yield Problem(stack.name, f"hubs.yaml: {hub.id}.azure_region", hub.azure_region, rule, "use one of these")
    for site in inventory.sites.values():
        for hub_id in (site.preferred_hub, site.standby_hub):
            if hub_id not in inventory.hubs:
                remedy = "name one of " + ", ".join(inventory.hubs)
                yield _row(stack.name, site.id, hub_id, "there is no such hub", remedy)


def _parts(stack: StackId, inventory: Inventory) -> Iterator[Problem]:
    shards = {s.shard for s in inventory.sites.values()}
    if stack.kind == "sites" and stack.part not in shards:
        yield Problem(
            stack.name, "layer", stack.layer, "no site has this shard", "the shards are " + ", ".join(sorted(shards))
        )
    if stack.kind in ("hub", "noc") and stack.part not in inventory.hubs:
        yield Problem(
            stack.name, "layer", stack.layer, "there is no such hub", "the hubs are " + ", ".join(inventory.hubs)
        )


def _links(stack: str, hub: Hub, inventory: Inventory) -> Iterator[Problem]:
    """The first site, in file order, whose circuits go past the link connections of a hub's gateway."""
    most, total_links = hub.link_connection_limit, len(inventory.circuits)
    sites = list(inventory.sites)
    sums = accumulate(len(inventory.circuits_of[s]) for s in sites)
    for site, total in zip(sites, sums, strict=True):
        if total > most:
            rule = f"is link connection {most + 1} of gateway {hub.id}, which holds {most} ({total_links} wanted)"
            yield _row(
                stack,
                site,
                f"{len(inventory.circuits_of[site])} circuits",
                rule,
                "add a second hub in the region, or drop circuits",
            )
            return


def _broken(stack: str, limit: Headroom, inventory: Inventory) -> Iterator[Problem]:
    if limit.name in ("prefixes per site", "link connections per gateway"):
        return  # told by site
    if limit.name == "VPN gateway":
        gbps = capacity.committed_bps(inventory) / 1e9
        rule = f"sites are promised {gbps:.1f} Gbit/s, each hub must carry all alone, a gateway has {limit.most} units"
        yield Problem(stack, limit.name, f"{limit.used} {limit.unit}", rule, "lower committed rates or add a hub")
        return
    yield Problem(
        stack, limit.name, f"{limit.used} {limit.unit}", f"at most {limit.most}", "split the stack or the hub"
    )
