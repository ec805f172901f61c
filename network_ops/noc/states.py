"""From recorded series and open alerts to the state of each site and hub, and the counts that people read.

Pure. A state is one word of `STATES`; "unknown" means that nobody measured, which is never shown as healthy.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from inventory.models import Inventory
from network_ops.noc.alerts import Alert, Place
from network_ops.noc.prometheus import Sample

STATES = ("down", "degraded", "unknown", "up")
"""Worst first; the order in which counts are shown."""

SITE_UP, CIRCUITS_UP, HUB_SESSIONS = "wan:site_up", "wan:site_circuits_up:ratio", "wan:hub_sessions_up:ratio"
_STATE_SERIES = f'{{__name__=~"{SITE_UP}|{CIRCUITS_UP}|{HUB_SESSIONS}"}}'
# A bare selector looks back five minutes: a Prometheus that was frozen and restarted would answer with what it recorded
# before. last_over_time(...[30s]) would not do, since it overlooks the marks of series that have ended.
STATE_QUERY = f"{_STATE_SERIES} and timestamp({_STATE_SERIES}) > time() - 30"
"""The one instant query from which all states follow; samples older than 30 s are left out."""

_HUB_HEALTHY_RATIO, _HUB_ISOLATED_RATIO = 0.9, 0.2
"""Isolated is what the rule HubIsolated calls so."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What Prometheus says: site up (0/1) and share of circuits up by site, share of sessions up by hub."""

    site_up: Mapping[str, float]
    circuits_up: Mapping[str, float]
    hub_sessions: Mapping[str, float]


EMPTY = Reading({}, {}, {})


def reading_of(samples: Iterable[Sample]) -> Reading:
    """Sort the samples of `STATE_QUERY` by series."""
    site_up: dict[str, float] = {}
    circuits_up: dict[str, float] = {}
    hub_sessions: dict[str, float] = {}
    for sample in samples:
        labels = sample.labels
        match labels.get("__name__"):
            case "wan:site_up":
                site_up[labels.get("site", "")] = sample.value
            case "wan:site_circuits_up:ratio":
                circuits_up[labels.get("site", "")] = sample.value
            case "wan:hub_sessions_up:ratio":
                hub_sessions[labels.get("hub", "")] = sample.value
    return Reading(site_up, circuits_up, hub_sessions)


def site_states(inventory: Inventory, reading: Reading, open_alerts: Iterable[tuple[Alert, Place]]) -> dict[str, str]:
    """The state of every site of the inventory.

    Down when the site is not up or SiteDown is open (the alert may be seconds ahead of the series); degraded when
    a circuit is down or any page or warning of the site is open. Without a measurement only SiteDown says anything.
    """
    alerted: dict[str, str] = {}
    for alert, where in open_alerts:
        if where.site and alert.severity in ("page", "warning"):
            down = alert.name == "SiteDown" or alerted.get(where.site) == "down"
            alerted[where.site] = "down" if down else "degraded"
    states: dict[str, str] = {}
    for site in inventory.sites:
        up = reading.site_up.get(site)
        if up is None:
            states[site] = "down" if alerted.get(site) == "down" else "unknown"
        elif up == 0 or alerted.get(site) == "down":
            states[site] = "down"
        elif reading.circuits_up.get(site, 1.0) < 1 or site in alerted:
            states[site] = "degraded"
        else:
            states[site] = "up"
    return states


def hub_states(
    inventory: Inventory, reading: Reading, open_alerts: Iterable[tuple[Alert, Place]] = ()
) -> dict[str, str]:
    """The state of each hub by the share of its sessions that are up; down means isolated, as HubIsolated does."""
    isolated = {alert.labels.get("hub") for alert, _ in open_alerts if alert.name == "HubIsolated"}
    states: dict[str, str] = {}
    for hub in inventory.hubs:
        ratio = reading.hub_sessions.get(hub)
        if hub in isolated:
            states[hub] = "down"
        elif ratio is None:
            states[hub] = "unknown"
        elif ratio <= _HUB_ISOLATED_RATIO:
            states[hub] = "down"
        else:
            states[hub] = "up" if ratio >= _HUB_HEALTHY_RATIO else "degraded"
    return states


@dataclass(frozen=True, slots=True)
class StateBook:
    """States with when each began, as far as this console has seen."""

    states: Mapping[str, str]
    since: Mapping[str, datetime]


def turn_page(book: StateBook, states: Mapping[str, str], now: datetime) -> tuple[StateBook, dict[str, str]]:
    """The book with new states, and what changed."""
    changed = {key: state for key, state in states.items() if book.states.get(key) != state}
    since = {key: now if key in changed else book.since[key] for key in states}
    return StateBook(dict(states), since), changed


@dataclass(frozen=True, slots=True)
class Tally:
    """Counts by state under a heading."""

    id: str
    name: str
    counts: Mapping[str, int]
    total: int

    @property
    def worst(self) -> str:
        """The worst state that occurs."""
        return next((state for state in STATES if self.counts[state]), "unknown")


def tally(id_: str, name: str, states: Iterable[str]) -> Tally:
    """Count states."""
    found = Counter(states)
    return Tally(id_, name, {state: found[state] for state in STATES}, found.total())


def tally_regions(inventory: Inventory, states: Mapping[str, str]) -> list[Tally]:
    """One tally for each region, in the inventory's order."""
    by_region: dict[str, list[str]] = {region: [] for region in inventory.regions}
    for site in inventory.sites.values():
        by_region.setdefault(site.region, []).append(states.get(site.id, "unknown"))
    regions = inventory.regions
    return [tally(r, regions[r].name if r in regions else r, found) for r, found in by_region.items()]
