"""A few sites of an inventory as an inventory of its own, which is how somebody begins tables of their own.

Turns whole tables into those of the chosen sites: their circuits and devices, the carriers in use, the regions that
have sites. Lines are taken as they stand; only a technology centre that was not chosen gives way to a chosen site.
Hubs, desks, service levels, kinds, roles, backbone and applications stay whole. Refuses to leave no site.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from inventory.errors import InventoryError
from inventory.models import Inventory, Site
from inventory.tables import Table, with_only


@dataclass(frozen=True, slots=True)
class StandIn:
    """The technology centre of `region` is not among the chosen sites; `site`, one of them, takes its place."""

    region: str
    centre: str
    site: str


@dataclass(frozen=True, slots=True)
class Subset:
    """The texts of the tables that differ from the whole ones, by file name, and what had to be decided."""

    texts: Mapping[str, str]
    stand_ins: tuple[StandIn, ...]


def subset(chosen: Inventory, tables: Mapping[str, Table]) -> Subset:
    """The tables cut down to the sites of `chosen`.

    Args:
        chosen: a valid inventory restricted to the wanted sites.
        tables: the raw tables of the whole inventory by file name.

    Raises:
        InventoryError: `chosen` has no site.
    """
    if not chosen.sites:
        raise InventoryError("no site matches, and an inventory needs one; `noc inventory list QUERY` shows what would")
    stand_ins = tuple(_stand_ins(chosen))
    carriers = {c.carrier for c in chosen.circuits.values()}
    carriers |= {link.carrier for link in chosen.backbone.values()}
    carriers |= {edge.carrier for edge in chosen.cloud_edges.values()}
    regions = {site.region for site in chosen.sites.values()}
    wanted = {
        "sites.csv": chosen.sites.keys(),
        "circuits.csv": chosen.circuits.keys(),
        "devices.csv": chosen.devices.keys(),
        "carriers.csv": carriers,
        "regions.yaml": regions,
    }
    whole = dict(tables) | {"regions.yaml": _with_centres(tables["regions.yaml"], stand_ins)}
    return Subset({file: with_only(whole[file], ids) for file, ids in wanted.items()}, stand_ins)


def _stand_ins(chosen: Inventory) -> list[StandIn]:
    """The largest chosen site of each region whose technology centre was not chosen."""
    found = []
    for region in chosen.regions.values():
        sites = [s for s in chosen.sites.values() if s.region == region.id]
        if sites and region.technology_centre not in chosen.sites:
            largest = min(sites, key=lambda s: _by_size(chosen, s))
            found.append(StandIn(region.id, region.technology_centre, largest.id))
    return found


def _by_size(inv: Inventory, site: Site) -> tuple[int, int, str]:
    return site.tier, -sum(c.rate_down_bps for c in inv.circuits_of[site.id]), site.id


def _with_centres(regions: Table, stand_ins: tuple[StandIn, ...]) -> Table:
    lines = list(io.StringIO(regions.text, newline=""))
    rows = {row.cells["id"]: row for row in regions.rows}
    for change in stand_ins:
        number = rows[change.region].line_of("technology_centre") - 1
        cell = rf"(technology_centre['\"]?\s*:\s*['\"]?){re.escape(change.centre)}"
        lines[number] = re.sub(cell, rf"\g<1>{change.site}", lines[number], count=1)
    return replace(regions, text="".join(lines))
