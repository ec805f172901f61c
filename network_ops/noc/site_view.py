"""Everything a site's page shows: the inventory's facts joined with what Prometheus measured now and in the last hour.

The joining is pure; `SiteViews` asks Prometheus and lets all browsers on one page share one answer for some seconds.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Awaitable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TypeVar

import inventory as inventory_api
from inventory.models import Circuit, Device, Inventory, Site
from network_ops.noc.charts import Chart, Line, Run, line_chart, runs_of, strip
from network_ops.noc.errors import NonsenseError, UnreachableError
from network_ops.noc.prometheus import Prometheus, Sample, Series

T = TypeVar("T")

STEP_S = 30.0
HOUR_S = 3600.0
_SHARED_S = 4.0
_log = logging.getLogger("noc.console")
_STATE_WORDS = {0.0: "down", 1.0: "degraded", 2.0: "up"}
_SESSION_SERIES = "wan_session_(up|rtt_seconds|jitter_seconds|loss_ratio|baseline_rtt_seconds|baseline_loss_ratio)"


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

    @property
    def remark(self) -> str:
        """What is out of the ordinary, in words."""
        if self.state != "up":
            return ""
        slow = self.rtt_ms is not None and self.rtt_ms > self.baseline_rtt_ms * 1.5 + 5
        lossy = self.loss is not None and self.loss > self.baseline_loss + 0.05
        return " and ".join(word for word, hit in (("SLOW", slow), ("LOSSY", lossy)) if hit)


@dataclass(frozen=True, slots=True)
class CircuitNow:
    """A circuit with its sessions and the traffic on its port in bit/s (None = not measured)."""

    circuit: Circuit
    carrier: str
    sessions: tuple[SessionNow, ...]
    in_bps: float | None
    out_bps: float | None

    @property
    def state(self) -> str:
        """Up when any session is."""
        states = {session.state for session in self.sessions}
        return next((state for state in ("up", "down") if state in states), "unknown")


@dataclass(frozen=True, slots=True)
class DeviceNow:
    """A device: `state` and `word` say whether it can be reached and answers SNMP, `support` how old it is."""

    device: Device
    state: str
    word: str
    support_state: str
    support: str


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


@dataclass(frozen=True, slots=True)
class Measured:
    """Answers of Prometheus for one site; empty where there was none."""

    now: Sequence[Sample] = ()
    rtt: Sequence[Series] = ()
    traffic: Sequence[Series] = ()
    state: Sequence[Series] = ()
    trouble: str = ""


def wan_ports(inventory: Inventory, site: str) -> dict[tuple[str, str], str]:
    """Circuit by (device, ifName) for the physical WAN ports of a site."""
    circuits = {circuit.id: circuit for circuit in inventory.circuits_of[site]}
    found: dict[tuple[str, str], str] = {}
    for device in inventory.devices_of[site]:
        if device.role != "router":
            continue
        for port in inventory_api.interfaces(inventory, device):
            if port.circuit in circuits and port.name == circuits[port.circuit].interface:
                found[(device.id, port.name)] = port.circuit
    return found


def _either(values: Iterable[str]) -> str:
    """A PromQL regular expression for any of these, as a quoted string."""
    text = "|".join(re.escape(value).replace("\\-", "-") for value in sorted(set(values)))
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


@dataclass(frozen=True, slots=True)
class Questions:
    """The four queries of a site's page."""

    now: str
    rtt: str
    traffic: str
    state: str


def questions(inventory: Inventory, site: str) -> Questions:
    """The queries for a site; its ids are [a-z0-9-.], so they may stand in PromQL."""
    circuits = _either(circuit.id for circuit in inventory.circuits_of[site])
    ports = wan_ports(inventory, site)
    where = (
        f'site="{site}",device=~{_either(device for device, _ in ports)},ifName=~{_either(name for _, name in ports)}'
    )

    def bits(octets: str, direction: str) -> str:
        # Counters are polled each minute; three minutes hold at least two samples.
        return f'label_replace(rate({octets}{{{where}}}[3m]) * 8, "direction", "{direction}", "", "")'

    both = f"{bits('ifHCInOctets', 'in')} or {bits('ifHCOutOctets', 'out')}"
    return Questions(
        now=f'{{__name__=~"{_SESSION_SERIES}",circuit=~{circuits}}} or wan_device_up{{site="{site}"}}'
        f' or up{{job=~"snmp|snmp-slow.*",site="{site}"}} or {both}',
        rtt=f"wan_session_rtt_seconds{{circuit=~{circuits}}}",
        traffic=f"sum by (direction) ({both})",
        # 0 down, 1 some circuit down, 2 all up.
        state=f'max by (site) (wan:site_up{{site="{site}"}})'
        f' + (max by (site) (wan:site_circuits_up:ratio{{site="{site}"}}) == bool 1)',
    )


def build(inventory: Inventory, site_id: str, measured: Measured, end: float, today: date) -> SiteView:
    """Join facts and measurements; `end` is the unix time of the charts' right edge."""
    site = inventory.sites[site_id]
    start = end - HOUR_S
    session: dict[tuple[str, str, str], float] = {}
    reach: dict[str, float] = {}
    answers: dict[str, float] = {}
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
        elif circuit := ports.get((device, labels.get("ifName", ""))):
            key = (circuit, labels.get("direction", ""))
            traffic[key] = traffic.get(key, 0.0) + sample.value
    circuits = tuple(
        CircuitNow(
            circuit,
            inventory.carriers[circuit.carrier].name if circuit.carrier in inventory.carriers else circuit.carrier,
            tuple(_session_now(circuit, hub, session) for hub in circuit.tunnels),
            traffic.get((circuit.id, "in")),
            traffic.get((circuit.id, "out")),
        )
        for circuit in inventory.circuits_of[site_id]
    )
    devices = tuple(_device_now(d, reach.get(d.id), answers.get(d.id), today) for d in inventory.devices_of[site_id])
    rtt = [
        Line(f"{s.labels.get('circuit', '')}@{s.labels.get('hub', '')}", tuple((t, v * 1000) for t, v in s.samples))
        for s in sorted(measured.rtt, key=lambda s: (s.labels.get("circuit", ""), s.labels.get("hub", "")))
    ]
    flows = [
        Line(s.labels.get("direction", ""), s.samples)
        for s in sorted(measured.traffic, key=lambda s: s.labels.get("direction", ""))
    ]
    runs = runs_of(measured.state[0].samples, STEP_S, _STATE_WORDS) if measured.state else ()
    return SiteView(
        site,
        circuits,
        devices,
        line_chart(rtt, start, end, STEP_S),
        line_chart(flows, start, end, STEP_S),
        runs,
        strip(runs, start, end),
        measured.trouble,
    )


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
        # The last round trip of a session that is down says nothing about now.
        rtt_ms=milliseconds("rtt_seconds") if state != "down" else None,
        baseline_rtt_ms=circuit.rtt_ms[hub] if usual_rtt is None else usual_rtt,
        jitter_ms=milliseconds("jitter_seconds") if state != "down" else None,
        loss=get("loss_ratio"),
        baseline_loss=circuit.loss_ratio if usual_loss is None else usual_loss,
    )


def _device_now(device: Device, reach: float | None, answers: float | None, today: date) -> DeviceNow:
    if answers == 1:
        state, word = "up", "ANSWERS"
    elif reach == 0:
        state, word = "down", "UNREACHABLE"
    elif answers == 0:
        state, word = "degraded", "SNMP SILENT"
    elif reach == 1:
        state, word = "unknown", "NOT POLLED YET"
    else:
        state, word = "unknown", "UNKNOWN"
    left = device.end_of_support - today
    if left < timedelta():
        return DeviceNow(device, state, word, "down", "PAST SUPPORT")
    if left < timedelta(days=365):
        return DeviceNow(device, state, word, "degraded", f"ENDS IN {max(1, left.days // 30)} MONTHS")
    return DeviceNow(device, state, word, "up", "SUPPORTED")


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
            view = build(self._inventory, site, await self._measure(site, now), now, today)
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
