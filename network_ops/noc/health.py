"""Whether the NOC itself can see: from what the feeds last heard to a strip of checks with words. Pure.

A check never says OK because nothing contradicts it; it says OK because something was heard lately.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

Level = Literal["ok", "warn", "bad", "wait"]

FEED_STALE = timedelta(seconds=15)
WATCHDOG_STALE = timedelta(seconds=90)
MEASURED_STALE = timedelta(seconds=30)
"""When the newest measurement is older than this, the state of no site is known."""
POLLING = timedelta(seconds=300)
"""How long after the console's start SNMP devices may be waiting for their first poll; the slow ones wait 240 s."""
DISK_LOW_BYTES, DISK_FULL_BYTES = 150 * 2**20, 30 * 2**20
STARTING = timedelta(seconds=150)
"""How long after the console's start a part that was never heard counts as starting rather than as missing."""


_BLINDING: dict[str, tuple[Level, ...]] = {
    "prometheus": ("wait", "bad"),
    "alertmanager": ("wait", "bad"),
    "probes": ("wait", "bad"),
    "alert-path": ("bad",),
}
"""Levels at which a check means that a list of alerts may lack some."""


@dataclass(frozen=True, slots=True)
class Child:
    """A child of the parent process, from its run file."""

    name: str
    state: str
    restarts: int


@dataclass(frozen=True, slots=True)
class Vitals:
    """What the feeds last heard; None = never."""

    started_at: datetime
    prometheus_at: datetime | None = None
    alertmanager_at: datetime | None = None
    states_at: datetime | None = None
    probes_at: datetime | None = None
    probes_up: bool = False
    snmp_up: int = 0
    snmp_polled: int = 0
    snmp_targets: int = 0
    watchdog_at: datetime | None = None
    twin: str | None = None
    twin_at: datetime | None = None
    children: tuple[Child, ...] | None = None
    disk_free_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Check:
    """One field of the strip. `at` is the time whose age belongs to it."""

    id: str
    label: str
    level: Level
    word: str
    detail: str = ""
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Health:
    """The strip; `banner` is the loud sentence over every page, if one is due.

    `blind` names what keeps us from telling whether anything is wrong; while it is not empty, an empty list of alerts
    is no good news.
    """

    checks: tuple[Check, ...]
    banner: str
    blind: str = ""

    @property
    def level(self) -> Level:
        """The worst level."""
        levels = {check.level for check in self.checks}
        order: tuple[Level, ...] = ("bad", "warn", "wait", "ok")
        return next(level for level in order if level in levels)


def assess(vitals: Vitals, now: datetime) -> Health:
    """The strip as of `now`."""
    starting = now - vitals.started_at < STARTING
    checks = (
        _feed(vitals, "prometheus", "Prometheus", vitals.prometheus_at, starting, now),
        _feed(vitals, "alertmanager", "Alertmanager", vitals.alertmanager_at, starting, now),
        _probes(vitals, starting, now),
        _snmp(vitals, now),
        _alert_path(vitals, starting, now),
        _mode(vitals, starting, now),
        *_children(vitals),
        *_disk(vitals),
    )
    path = next(check for check in checks if check.id == "alert-path")
    banner = "ALERT PATH NOT PROVEN" if path.level == "bad" else ""
    if any(check.id == "disk" and check.level == "bad" for check in checks):
        banner = "DISK FULL: NO ALERT CAN COME. FREE SPACE FOR THE STATE DIRECTORY"
    blind = ", ".join(f"{check.label} {check.word}" for check in checks if check.level in _BLINDING.get(check.id, ()))
    return Health(checks, banner, blind)


def measured(vitals: Vitals, now: datetime) -> bool:
    """Whether states may be believed: Prometheus was heard, and what it was last told by the prober, lately."""
    newest = (vitals.states_at, vitals.probes_at)
    return all(at is not None and now - at <= MEASURED_STALE for at in newest)


def _feed(vitals: Vitals, id_: str, label: str, at: datetime | None, starting: bool, now: datetime) -> Check:
    # The parent and we look at different moments: whoever sees it down last is right until both see it up.
    if any(child.name == id_ and child.state not in ("up", "starting") for child in vitals.children or ()):
        return Check(id_, label, "bad", "DOWN", "last answer" if at else "", at)
    if at is None:
        return Check(id_, label, "wait", "STARTING") if starting else Check(id_, label, "bad", "NO ANSWER", "never")
    if now - at > FEED_STALE:
        return Check(id_, label, "bad", "NO ANSWER", "since", at)
    return Check(id_, label, "ok", "UP")


def _probes(vitals: Vitals, starting: bool, now: datetime) -> Check:
    if vitals.probes_at is None:
        return Check("probes", "Probes", "wait" if starting else "bad", "STARTING" if starting else "BLIND")
    if not vitals.probes_up or now - vitals.probes_at > MEASURED_STALE:
        return Check("probes", "Probes", "bad", "BLIND", "newest state", vitals.probes_at)
    return Check("probes", "Probes", "ok", "FRESH", "", vitals.probes_at)


def _snmp(vitals: Vitals, now: datetime) -> Check:
    polled, targets = vitals.snmp_polled, max(vitals.snmp_targets, vitals.snmp_polled)
    age = now - vitals.started_at
    if not polled:
        starting = age < STARTING
        return Check("snmp", "SNMP", "wait" if starting else "bad", "STARTING" if starting else "NOT POLLED")
    whole = polled >= targets * 0.98
    text = f"{vitals.snmp_up:,} of {targets:,} answer" + ("" if whole else f", {polled:,} polled so far")
    word = f"{int(vitals.snmp_up / targets * 1000) / 10:g} %"
    # Judged by those that were asked, once that is a handful: the first few may all be of a site that is dark.
    share = vitals.snmp_up / polled if polled >= min(20, targets) else 1.0
    if share < 0.2:
        return Check("snmp", "SNMP", "bad", word, text)
    if share < 0.8:
        return Check("snmp", "SNMP", "warn", word, text)
    if whole:
        return Check("snmp", "SNMP", "ok", word, text)
    return Check("snmp", "SNMP", "wait" if age < POLLING else "warn", "POLLING" if age < POLLING else word, text)


def _alert_path(vitals: Vitals, starting: bool, now: datetime) -> Check:
    at = vitals.watchdog_at
    if at is None and starting:
        return Check("alert-path", "Alert path", "wait", "STARTING", "waiting for the first Watchdog")
    if at is None or now - at > WATCHDOG_STALE:
        return Check("alert-path", "Alert path", "bad", "NOT PROVEN", "last Watchdog" if at else "no Watchdog yet", at)
    return Check("alert-path", "Alert path", "ok", "TESTED", "", at)


def _mode(vitals: Vitals, starting: bool, now: datetime) -> Check:
    if vitals.twin is None:
        return Check("mode", "Network", "ok", "REAL")
    if vitals.twin_at is None or now - vitals.twin_at > FEED_STALE:
        level: Level = "wait" if starting and vitals.twin_at is None else "bad"
        return Check("mode", "Network", level, "TWIN", "does not answer", vitals.twin_at)
    return Check("mode", "Network", "ok", "TWIN", "simulated network, no real alarm")


def _children(vitals: Vitals) -> tuple[Check, ...]:
    if vitals.children is None:
        return ()
    down = [child.name for child in vitals.children if child.state not in ("up", "starting")]
    restarts = sum(child.restarts for child in vitals.children)
    restarted = ", ".join(f"{child.name} {child.restarts}x" for child in vitals.children if child.restarts)
    if down:
        return (Check("children", "Parts", "bad", "DOWN", ", ".join(down)),)
    if restarts:
        return (Check("children", "Parts", "warn", "RESTARTED", restarted),)
    return (Check("children", "Parts", "ok", f"{len(vitals.children)} UP"),)


def _disk(vitals: Vitals) -> tuple[Check, ...]:
    """Only when it runs short: on a full disk Prometheus stores nothing, and what is not stored raises no alert."""
    free = vitals.disk_free_bytes
    if free is None or free >= DISK_LOW_BYTES:
        return ()
    text = f"{free // 2**20} MiB left for the state directory"
    return (
        Check("disk", "Disk", "bad", "FULL", text)
        if free < DISK_FULL_BYTES
        else Check("disk", "Disk", "warn", "LOW", text),
    )
