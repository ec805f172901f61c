"""Everything a site's page shows: the inventory's facts joined with what Prometheus measured now and in the last hour.

The joining is pure; `SiteViews` asks Prometheus and lets all browsers on one page share one answer for some seconds.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import TypeVar

from inventory.models import Circuit, Device, Inventory, Site
from network_ops.noc.alerts import Alert
from network_ops.noc.charts import Chart, Line, Run, line_chart, runs_of, runs_until_now, strip
from network_ops.noc.errors import NonsenseError, UnreachableError
from network_ops.noc.prometheus import Prometheus, Sample, Series
from network_ops.noc.site_questions import questions, wan_ports

T = TypeVar("T")

STEP_S = 30.0
HOUR_S = 3600.0
_SHARED_S = 4.0
_log = logging.getLogger("noc.console")
_STATE_WORDS = {0.0: "down", 1.0: "degraded", 2.0: "up"}
LOSS_WINDOW_S = 300.0
"""The prober's loss is that of the last 60 probes: it still holds an outage that ended less than this ago."""
_POLL_SLACK_S = 45.0


@dataclass(frozen=True, slots=True)
class SessionNow:
    """A session's newest values; None = not measured. Times in milliseconds, loss as a ratio."""

    id: str
    hub: str
    state: str
    rtt_ms: float | None
    baseline_rtt_ms: float
    jitter_ms: float | None
    loss: float | None
    baseline_loss: float
    up_s: float | None = None

    @property
    def returned(self) -> bool:
        """Whether it came back so lately that its loss still holds the outage."""
        return self.state == "up" and self.up_s is not None and self.up_s < LOSS_WINDOW_S

    @property
    def remark(self) -> str:
        """What is out of the ordinary, in words."""
        if self.state != "up":
            return ""
        slow = self.rtt_ms is not None and self.rtt_ms > self.baseline_rtt_ms * 1.5 + 5
        lossy = self.loss is not None and self.loss > self.baseline_loss + 0.05 and not self.returned
        return " and ".join(word for word, hit in (("SLOW", slow), ("LOSSY", lossy)) if hit)


@dataclass(frozen=True, slots=True)
class CircuitNow:
    """A circuit with its sessions and the traffic on its port in bit/s (None = not measured, or down).

    `alerted`: a page or warning of this circuit is open, or held back by another.
    """

    circuit: Circuit
    carrier: str
    sessions: tuple[SessionNow, ...]
    in_bps: float | None
    out_bps: float | None
    contact: str = ""
    alerted: bool = False

    @property
    def reach(self) -> str:
        """Up when any session is."""
        states = {session.state for session in self.sessions}
        return next((state for state in ("up", "down") if state in states), "unknown")

    @property
    def state(self) -> str:
        """Degraded when it is up but alerted, slow or lossy."""
        bad = self.alerted or any(session.remark for session in self.sessions)
        return "degraded" if bad and self.reach == "up" else self.reach


@dataclass(frozen=True, slots=True)
class DeviceNow:
    """A device: `state` and `word` say whether it can be reached and answers SNMP, `support` how old it is.

    `note` is when it answered SNMP last, where that was longer ago than it should be.
    """

    device: Device
    state: str
    word: str
    support_state: str
    support: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class SiteView:
    """What the page shows; `trouble` is why values are missing, empty when none are."""

    site: Site
    circuits: tuple[CircuitNow, ...]
    devices: tuple[DeviceNow, ...]
    rtt: Chart
    traffic: Chart
    runs: tuple[Run, ...]
    band: str
    trouble: str
    end: float


@dataclass(frozen=True, slots=True)
class Measured:
    """Answers of Prometheus for one site; empty where there was none."""

    now: Sequence[Sample] = ()
    rtt: Sequence[Series] = ()
    traffic: Sequence[Series] = ()
    state: Sequence[Series] = ()
    trouble: str = ""


def build(inventory: Inventory, site_id: str, measured: Measured, end: float, today: date) -> SiteView:
    """Join facts and measurements; `end` is the unix time of the charts' right edge."""
    site = inventory.sites[site_id]
    start = end - HOUR_S
    session: dict[tuple[str, str, str], float] = {}
    reach: dict[str, float] = {}
    answers: dict[str, float] = {}
    polled_at: dict[str, float] = {}
    traffic: dict[tuple[str, str], float] = {}
    ports = wan_ports(inventory, site_id)
    for sample in measured.now:
        labels = sample.labels
        name, device = labels.get("__name__", ""), labels.get("device", labels.get("instance", ""))
        if name.startswith("wan_session_"):
            what = name.removeprefix("wan_session_")
            session[(what, labels.get("circuit", ""), labels.get("hub", ""))] = sample.value
        elif name == "wan_device_up":
            reach[device] = sample.value
        elif name == "up":
            answers[device] = sample.value
        elif labels.get("what") == "polled_at":
            polled_at[device] = sample.value
        elif circuit := ports.get((device, labels.get("ifName", ""))):
            key = (circuit, labels.get("direction", ""))
            traffic[key] = traffic.get(key, 0.0) + sample.value
    circuits = tuple(_circuit_now(inventory, c, session, traffic) for c in inventory.circuits_of[site_id])
    devices = tuple(
        _device_now(d, reach.get(d.id), _answer(inventory, d, answers, polled_at, end), today)
        for d in inventory.devices_of[site_id]
    )
    rtt = [
        Line(f"{s.labels.get('circuit', '')}@{s.labels.get('hub', '')}", tuple((t, v * 1000) for t, v in s.samples))
        for s in sorted(measured.rtt, key=lambda s: (s.labels.get("circuit", ""), s.labels.get("hub", "")))
    ]
    flows = [
        Line(s.labels.get("direction", ""), s.samples)
        for s in sorted(measured.traffic, key=lambda s: s.labels.get("direction", ""))
    ]
    runs = runs_of(measured.state[0].samples, STEP_S, _STATE_WORDS, end) if measured.state else ()
    return SiteView(
        site,
        circuits,
        devices,
        line_chart(rtt, start, end, STEP_S, least_top=1.0),
        line_chart(flows, start, end, STEP_S, least_top=1000.0),
        runs,
        strip(runs, start, end),
        measured.trouble,
        end,
    )


def seen_now(view: SiteView, state: str, since: datetime, alerts: Iterable[Alert], now: datetime) -> SiteView:
    """The view brought to what the rest of the console says now: circuits with alerts, the end of the last hour."""
    hit = {alert.labels.get("circuit") for alert in alerts if alert.severity in ("page", "warning")}
    circuits = tuple(replace(c, alerted=c.circuit.id in hit) for c in view.circuits)
    runs = runs_until_now(view.runs, state, since, now)
    return replace(view, circuits=circuits, runs=runs, band=strip(runs, view.end - HOUR_S, view.end))


def _circuit_now(
    inventory: Inventory,
    circuit: Circuit,
    session: dict[tuple[str, str, str], float],
    traffic: Mapping[tuple[str, str], float],
) -> CircuitNow:
    carrier = inventory.carriers.get(circuit.carrier)
    found = CircuitNow(
        circuit,
        carrier.name if carrier else circuit.carrier,
        tuple(_session_now(circuit, hub, session) for hub in circuit.tunnels),
        traffic.get((circuit.id, "in")),
        traffic.get((circuit.id, "out")),
        carrier.contact if carrier else "",
    )
    # The counters of a router that cannot be asked are from before.
    return replace(found, in_bps=None, out_bps=None) if found.reach == "down" else found


def _session_now(circuit: Circuit, hub: str, values: dict[tuple[str, str, str], float]) -> SessionNow:
    def get(name: str) -> float | None:
        return values.get((name, circuit.id, hub))

    def milliseconds(name: str) -> float | None:
        value = get(name)
        return None if value is None else value * 1000

    up = get("up")
    state = "unknown" if up is None else "up" if up else "down"
    usual_rtt, usual_loss = milliseconds("baseline_rtt_seconds"), get("baseline_loss_ratio")
    return SessionNow(
        id=f"{circuit.id}@{hub}",
        hub=hub,
        state=state,
        # The last round trip and the loss of a session that is down, or not known to be up, say nothing about now.
        rtt_ms=milliseconds("rtt_seconds") if state == "up" else None,
        baseline_rtt_ms=circuit.rtt_ms[hub] if usual_rtt is None else usual_rtt,
        jitter_ms=milliseconds("jitter_seconds") if state == "up" else None,
        loss=get("loss_ratio") if state == "up" else None,
        baseline_loss=circuit.loss_ratio if usual_loss is None else usual_loss,
        up_s=get("up_seconds"),
    )


@dataclass(frozen=True, slots=True)
class _Answer:
    """How the last poll of a device went, None = never polled; `late` = it was longer ago than its interval."""

    answered: bool | None
    at: datetime | None
    late: bool


def _answer(
    inventory: Inventory, device: Device, answers: Mapping[str, float], polled_at: Mapping[str, float], now: float
) -> _Answer:
    answered, at = answers.get(device.id), polled_at.get(device.id)
    interval_s = inventory.roles[device.role].interval.total_seconds()
    late = at is not None and now - at > interval_s + _POLL_SLACK_S
    moment = None if at is None else datetime.fromtimestamp(at, UTC)
    return _Answer(None if answered is None else answered == 1, moment, late)


def _device_now(device: Device, reach: float | None, poll: _Answer, today: date) -> DeviceNow:
    note = ""
    if reach == 0:
        # Its last poll may be from before it went away.
        state, word = "down", "UNREACHABLE"
        note = f"no SNMP since {poll.at:%H:%M} UTC" if poll.answered and poll.at else ""
    elif poll.answered and poll.late:
        state, word = "unknown", f"NOT SINCE {poll.at:%H:%M}"
    elif poll.answered:
        state, word = "up", "ANSWERS"
    elif poll.answered is False:
        state, word = "degraded", "SNMP SILENT"
    elif reach == 1:
        state, word = "unknown", "NOT POLLED YET"
    else:
        state, word = "unknown", "UNKNOWN"
    support_state, support = _support(device, today)
    return DeviceNow(device, state, word, support_state, support, note)


def _support(device: Device, today: date) -> tuple[str, str]:
    left = device.end_of_support - today
    if left < timedelta():
        return "down", "PAST SUPPORT"
    if left < timedelta(days=365):
        months = max(1, left.days // 30)
        return "degraded", f"ENDS IN {months} MONTH{'S' if months > 1 else ''}"
    return "up", "SUPPORTED"


class SiteViews:
    """Site pages' data, asked of Prometheus at most every few seconds for each site."""

    def __init__(self, inventory: Inventory, prometheus: Prometheus) -> None:
        self._inventory = inventory
        self._prometheus = prometheus
        self._views: dict[str, tuple[float, SiteView]] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    async def get(self, site: str, now: float, today: date) -> SiteView:
        """The view of a site as of unix time `now`; without Prometheus it holds the facts and says what is missing."""
        async with self._locks.setdefault(site, asyncio.Lock()):
            kept = self._views.get(site)
            if kept and time.monotonic() - kept[0] < _SHARED_S:
                return kept[1]
            # On a grid of whole steps, so that samples and with them all times are the same in every view.
            edge = now // STEP_S * STEP_S
            view = build(self._inventory, site, await self._measure(site, edge), edge, today)
            if len(self._views) > 50:
                self._views.clear()
            self._views[site] = (time.monotonic(), view)
            return view

    async def _measure(self, site: str, now: float) -> Measured:
        ask, start = questions(self._inventory, site), now - HOUR_S
        prometheus = self._prometheus
        instant, rtt, traffic, state = await asyncio.gather(
            self._answer(prometheus.query(ask.now)),
            self._answer(prometheus.query_range(ask.rtt, start, now, STEP_S)),
            self._answer(prometheus.query_range(ask.traffic, start, now, STEP_S)),
            self._answer(prometheus.query_range(ask.state, start, now, STEP_S)),
        )
        trouble = instant[1] or rtt[1] or traffic[1] or state[1]
        return Measured(instant[0], rtt[0], traffic[0], state[0], trouble)

    @staticmethod
    async def _answer(asked: Awaitable[list[T]]) -> tuple[list[T], str]:
        """An answer and no trouble, or nothing and the trouble: one refused query must not blank the page."""
        try:
            return await asked, ""
        except UnreachableError as error:
            return [], str(error)
        except NonsenseError as error:
            _log.warning("%s", error)
            return [], "Prometheus refused a query, see the console's log"
