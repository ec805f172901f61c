"""Where each site and hub stands on the map, for the whole world and for each region; computed once, then kept."""

from __future__ import annotations

from dataclasses import dataclass

from inventory.models import Hub, Inventory, Site
from network_ops.noc.worldmap import WORLD, Point, View, project, spread, view_of

_APART, _APART_ZOOMED = 8.5, 14.0


@dataclass(frozen=True, slots=True)
class Mark:
    """A site on the sheet, in whole units."""

    site: Site
    x: int
    y: int


@dataclass(frozen=True, slots=True)
class HubMark:
    """A hub on the sheet."""

    hub: Hub
    x: int
    y: int


@dataclass(frozen=True, slots=True)
class Sheet:
    """A drawn window: `view` places the outlines, the marks stand in the box's own units."""

    view: View
    marks: tuple[Mark, ...]
    hubs: tuple[HubMark, ...]


class Atlas:
    """Sheets by region; the empty region is the world."""

    def __init__(self, inventory: Inventory) -> None:
        self._inventory = inventory
        self._sheets: dict[str, Sheet] = {}

    def sheet(self, region: str) -> Sheet:
        """The sheet of a region."""
        if region not in self._sheets:
            self._sheets[region] = self._draw(region)
        return self._sheets[region]

    def _draw(self, region: str) -> Sheet:
        # Important sites first: they keep their true places when a city is crowded.
        sites = sorted(self._inventory.sites.values(), key=lambda site: (site.tier, site.id))
        chosen = [site for site in sites if not region or site.region == region]
        view = view_of([project(s.longitude, s.latitude) for s in chosen]) if region else WORLD
        hubs = list(self._inventory.hubs.values())
        hub_points = [view.place(project(h.longitude, h.latitude)) for h in hubs]
        points: list[Point] = [view.place(project(s.longitude, s.latitude)) for s in chosen]
        places = spread([*hub_points, *points], _APART_ZOOMED if region else _APART)
        inside = [
            HubMark(h, round(x), round(y))
            for h, (x, y) in zip(hubs, places, strict=False)
            if 0 <= x <= 2000 and 0 <= y <= view.height
        ]
        marks = tuple(Mark(s, round(x), round(y)) for s, (x, y) in zip(chosen, places[len(hubs) :], strict=True))
        return Sheet(view, marks, tuple(inside))
