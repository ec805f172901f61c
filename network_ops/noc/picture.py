"""The picture that all pages and the API show: known alerts, acknowledgements, states, health; in memory, one writer.

Feeds put in what they heard, the picture applies the pure rules and says which views changed. Reading never blocks.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import islice

from inventory.models import Inventory
from network_ops.noc import continuity, health, states
from network_ops.noc.alerts import Alert, AlertFilter, Place, Suppressed, count_by_cause, order, place
from network_ops.noc.causes import Held, explain, isolated_hubs, named, touches
from network_ops.noc.continuity import Acknowledgement, Heard, Known, Verdict, judge
from network_ops.noc.live import Live
from network_ops.noc.settings import Settings

_KEPT_CHANGES = 4000


@dataclass(frozen=True, slots=True)
class OpenAlert:
    """An alert as people see it."""

    alert: Alert
    place: Place
    confirmed: bool
    acknowledged: Acknowledgement | None


class Picture:
    """What the console knows."""

    def __init__(
        self,
        settings: Settings,
        inventory: Inventory,
        acknowledgements: Mapping[str, Acknowledgement],
        live: Live,
        now: datetime,
    ) -> None:
        self.settings = settings
        self.inventory = inventory
        self.live = live
        self.known: Mapping[str, Known] = {}
        self.suppressed: tuple[Suppressed, ...] = ()
        self.acknowledgements = dict(acknowledgements)
        twin = "simulated" if settings.twin else None
        self.vitals = health.Vitals(now, snmp_targets=len(inventory.devices), twin=twin)
        self.health = health.assess(self.vitals, now)
        self.measured = health.measured(self.vitals, now)
        self.heard = Heard(None)
        self.held: tuple[Held, ...] = ()
        self.reading = states.EMPTY
        self.sites = states.StateBook({}, {})
        self.hubs = states.StateBook({}, {})
        self.open: tuple[OpenAlert, ...] = ()
        self._places: dict[str, Place] = {}
        self._named: tuple[tuple[Alert, ...], tuple[Alert, ...]] = ((), ())
        self._version = 1
        self._log: deque[tuple[int, dict[str, str]]] = deque(maxlen=_KEPT_CHANGES)
        self.refresh_states(now)

    # -- what the feeds put in ---------------------------------------------------------------------------------

    def hear(self, heard: Heard, now: datetime) -> list[Acknowledgement]:
        """Take one look at Alertmanager; gives the acknowledgements that ended by it."""
        if heard.alerts is not None:
            # An unchanged answer is the same tuple, so that names are looked up once.
            if heard.alerts is not self._named[0]:
                self._named = (heard.alerts, tuple(named(alert, self.inventory) for alert in heard.alerts))
            heard = replace(heard, alerts=self._named[1])
        self.heard = heard
        self.known = continuity.advance(self.known, heard, self.settings.settle, now)
        ended = self._judge(now)
        self.refresh_open(now)
        return ended

    def _judge(self, now: datetime) -> list[Acknowledgement]:
        heard = self.heard
        trusted = heard.alerts is not None and heard.rules_alive and heard.instance_age > self.settings.settle
        ended: list[Acknowledgement] = []
        for fingerprint, ack in list(self.acknowledgements.items()):
            known = self.known.get(fingerprint)
            verdict = judge(ack, known.alert.starts_at if known else None, trusted, now)
            if verdict is Verdict.ENDED:
                ended.append(self.acknowledgements.pop(fingerprint))
            elif verdict is Verdict.APPLIES:
                self.acknowledgements[fingerprint] = replace(ack, last_seen=now)
        return ended

    def refresh_open(self, now: datetime) -> None:
        """Compute the list again after alerts or acknowledgements changed; touch the views only if it differs."""
        self._places = {i: self._places.get(i) or place(k.alert, self.inventory) for i, k in self.known.items()}
        rows = tuple(
            OpenAlert(k.alert, self._places[i], k.confirmed, self.acknowledgements.get(i))
            for i, k in sorted(self.known.items(), key=lambda item: order(item[1].alert, self._places[item[0]]))
        )
        if _visible(rows) == _visible(self.open):
            return
        self.open = rows
        self._explain()
        self.refresh_states(now)
        self.live.touch(("panel", "alerts", "wallboard"))

    def hear_suppressed(self, suppressed: tuple[Suppressed, ...], now: datetime) -> None:
        """Take the alerts that nobody is told of."""
        if suppressed != self.suppressed:
            self.suppressed = suppressed
            self._explain()
            self.refresh_states(now)
            self.live.touch(("panel", "alerts", "wallboard"))

    def _explain(self) -> None:
        rows = [
            (replace(r, alert=named(r.alert, self.inventory)), place(r.alert, self.inventory)) for r in self.suppressed
        ]
        held = explain(rows, {i: k.alert for i, k in self.known.items()})
        self.held = tuple(sorted(held, key=lambda row: order(row.alert, row.place)))

    def read(self, reading: states.Reading, now: datetime) -> None:
        """Take the recorded series."""
        self.reading = reading
        self.refresh_states(now)

    def refresh_states(self, now: datetime) -> None:
        """Compute states again; touch the views only if one changed.

        Alerts that others hold back count as well, since the bar of the last hour shows them; silenced ones do not.
        """
        reading = self.reading if self.measured else states.EMPTY
        alerts = [(row.alert, row.place) for row in self.open if row.confirmed]
        held = [(row.alert, row.place) for row in self.held if not row.silenced]
        found = states.site_states(self.inventory, reading, alerts + held)
        hubs = states.hub_states(self.inventory, reading, alerts + held)
        self.sites, changed = states.turn_page(self.sites, found, now)
        self.hubs, changed_hubs = states.turn_page(self.hubs, hubs, now)
        diff = changed | {f"hub-{hub}": state for hub, state in changed_hubs.items()}
        if diff:
            self._version += 1
            self._log.append((self._version, diff))
            self.live.touch(("counts", "regions", "wallboard", "sites"))

    def feel(self, now: datetime, **changes: object) -> None:
        """Take vital signs (fields of `health.Vitals`) and assess health; called at least each second."""
        self.vitals = replace(self.vitals, **changes)  # type: ignore[arg-type] # the names are the dataclass's
        measured = health.measured(self.vitals, now)
        if measured != self.measured:
            self.measured = measured
            self.refresh_states(now)
        after, before = health.assess(self.vitals, now), self.health
        if after != before:
            self.health = after
            self.live.touch(("health", "wallboard") if after.banner or before.banner else ("health",))
            if after.blind != before.blind:
                self.live.touch(("panel", "alerts", "wallboard"))

    # -- what pages and the API read ---------------------------------------------------------------------------

    def changes(self, version: int) -> tuple[int, dict[str, str]]:
        """Site and hub states changed since a version (all of them when that is too long ago)."""
        if not self._log or version < self._log[0][0] - 1:
            hubs = {f"hub-{hub}": state for hub, state in self.hubs.states.items()}
            return self._version, {**self.sites.states, **hubs}
        diff: dict[str, str] = {}
        for at, changed in self._log:
            if at > version:
                diff |= changed
        return self._version, diff

    def select(self, wanted: AlertFilter) -> list[OpenAlert]:
        """Open alerts that a filter lets through, most urgent first."""
        if wanted.empty:
            return list(self.open)
        return [row for row in self.open if wanted.wants(row.alert, row.place, row.acknowledged is not None)]

    def of_site(self, site: str) -> list[OpenAlert]:
        """Open alerts of one site."""
        return [row for row in self.open if row.place.site == site]

    def around(self, site: str) -> list[OpenAlert]:
        """Open alerts of carriers and hubs that hit this site, but for those named as the cause of a held one."""
        named_already = {row.cause.id for row in self.held_of_site(site) if row.cause}
        rows = (row for row in self.open if not row.place.site and row.alert.id not in named_already)
        return [row for row in rows if touches(row.alert, site, self.inventory)]

    def held_of_site(self, site: str) -> list[Held]:
        """Alerts of one site that are held back."""
        return [row for row in self.held if row.place.site == site]

    def held_by(self, fingerprint: str) -> list[Held]:
        """Alerts that an open alert holds back."""
        return [row for row in self.held if row.cause is not None and row.cause.id == fingerprint]

    def isolated(self) -> dict[str, Alert]:
        """The open alert that says so for each isolated hub."""
        alerts = [row.alert for row in self.open] + [row.alert for row in self.held if not row.silenced]
        return isolated_hubs(alerts, self.inventory.hubs)

    def since_start(self, site: str) -> bool:
        """Whether the state of a site is as old as this console's own picture, so that it may be older."""
        return self.sites.since[site] - self.vitals.started_at < timedelta(minutes=1)

    def find(self, fingerprint: str) -> OpenAlert | None:
        """An open alert by its id."""
        return next((row for row in self.open if row.alert.id == fingerprint), None)

    def suppressed_by_cause(self) -> dict[str, int]:
        """How many alerts each cause holds back."""
        return count_by_cause(self.suppressed, {i: k.alert.summary for i, k in self.known.items()})

    def overview(self, region: str = "") -> states.Tally:
        """Counts over all sites, or those of a region."""
        if region:
            return next(tally for tally in self.regions() if tally.id == region)
        return states.tally("", "All sites", self.sites.states.values())

    def regions(self) -> list[states.Tally]:
        """Counts by region."""
        return states.tally_regions(self.inventory, self.sites.states)

    def top(self, count: int) -> list[OpenAlert]:
        """The most urgent alerts."""
        return list(islice(self.open, count))


def _visible(rows: Iterable[OpenAlert]) -> list[tuple[object, ...]]:
    """What of a list a reader would notice; the bookkeeping of acknowledgements is not."""
    return [(row.alert, row.confirmed, row.acknowledged.row if row.acknowledged else None) for row in rows]
