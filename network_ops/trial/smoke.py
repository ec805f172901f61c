"""Breaks things on the simulated network and times the alerts in the console: from injection, and from clearing.

Every alert that the console shows is watched four times a second; what no fault explains is an extra alert and a
missed objective, as is a fault without its alert.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import inventory
from network_ops.trial.figures import distribution, percentile, yardstick_cpu_s
from network_ops.trial.plan import Phase, PlannedFault, explained, smoke_plan
from network_ops.trial.subject import Subject, running_noc

POLL_S = 0.25
FIND_PATIENCE_S = 60.0
RESOLVE_PATIENCE_S = 90.0
AFTERGLOW_S = 60.0
"""How long after a fault's end its alerts still count as explained: a site's way back takes a probe or two."""
OBJECTIVE_P95_S = 15.0
OBJECTIVE_HUB_PAGES = 3
SETTLE_S = 20.0


@dataclass(slots=True)
class Outcome:
    """What became of one fault; None where it did not happen in time."""

    phase: str
    fault: PlannedFault
    found_s: float | None = None
    resolved_s: float | None = None


@dataclass(slots=True)
class _Watch:
    """What the observer has seen so far."""

    inv: inventory.Inventory
    alerts: list[dict[str, Any]] = field(default_factory=list)
    truth: list[tuple[dict[str, Any], float | None]] = field(default_factory=list)  # fault, cleared (monotonic)
    extra: dict[str, dict[str, Any]] = field(default_factory=dict)
    pages: set[str] = field(default_factory=set)
    polls: int = 0
    failed_polls: int = 0

    def take(self, alerts: list[dict[str, Any]], now: float) -> None:
        self.alerts = alerts
        self.polls += 1
        recent = [f for f, cleared in self.truth if cleared is None or now - cleared < AFTERGLOW_S]
        for alert in alerts:
            if alert["severity"] == "page":
                self.pages.add(alert["id"])
            if not explained(self.inv, alert["labels"], recent):
                self.extra.setdefault(alert["id"], {"name": alert["name"], "labels": alert["labels"]})


async def run_smoke(directory: Path, seed: int, say: Callable[[str], None]) -> dict[str, Any]:
    """Run the whole smoke trial on a NOC of its own and return its report (JSON-ready).

    Raises:
        StartError: the NOC does not start.
        ValueError: the inventory is too small for the plan.
    """
    inv = inventory.load(directory)
    plan = smoke_plan(inv, seed)
    total = sum(len(phase.faults) for phase in plan)
    say(f"{total} faults in {len(plan)} phases (seed {seed}); starting a NOC of its own")
    began = time.monotonic()
    async with running_noc(directory, quiet=True) as subject:
        sweep = subject.status.sweep
        say(f"NOC up after {time.monotonic() - began:.0f} s; letting it settle for {SETTLE_S:.0f} s")
        watch = _Watch(inv)
        observer = asyncio.create_task(_observe(subject, watch))
        try:
            await asyncio.sleep(SETTLE_S)
            outcomes: list[Outcome] = []
            hub_pages: dict[str, int] = {}
            rng = random.Random(seed)
            for phase in plan:
                watch.pages.clear()
                outcomes += await _run_phase(subject, watch, phase, rng, say)
                if phase.name.startswith("hub "):
                    others = sum(1 for f in phase.faults if f.kind != "hub-isolation")
                    hub_pages[phase.name] = max(0, len(watch.pages) - others)
        finally:
            observer.cancel()
    return _report(outcomes, watch, hub_pages, sweep, seed)


async def _observe(subject: Subject, watch: _Watch) -> None:
    while True:
        try:
            watch.take(await subject.alerts(), time.monotonic())
        except Exception:
            watch.failed_polls += 1
        await asyncio.sleep(POLL_S)


async def _run_phase(
    subject: Subject, watch: _Watch, phase: Phase, rng: random.Random, say: Callable[[str], None]
) -> list[Outcome]:
    outcomes = [Outcome(phase.name, fault) for fault in phase.faults]
    injected: list[tuple[str, int]] = []
    finders = []
    for outcome in outcomes:
        start = time.monotonic()
        truth = await subject.inject(outcome.fault.kind, outcome.fault.target)
        watch.truth.append((truth, None))
        injected.append((truth["id"], len(watch.truth) - 1))
        finders.append(asyncio.create_task(_until(watch, outcome, present=True, start=start)))
        if outcome.fault.kind == "hub-isolation":
            outcome.found_s = await finders[-1]  # the next fault comes *during* a known isolation
        else:
            await asyncio.sleep(rng.uniform(0.5, 2.5))
    for outcome, finder in zip(outcomes, finders, strict=True):
        outcome.found_s = await finder
    await asyncio.sleep(rng.uniform(2.0, 6.0))
    resolvers = []
    for outcome, (fault_id, position) in zip(outcomes, injected, strict=True):
        start = time.monotonic()
        await subject.clear(fault_id)
        watch.truth[position] = (watch.truth[position][0], start)
        resolvers.append(asyncio.create_task(_until(watch, outcome, present=False, start=start)))
        await asyncio.sleep(rng.uniform(0.2, 1.0))
    for outcome, resolver in zip(outcomes, resolvers, strict=True):
        outcome.resolved_s = await resolver
    for outcome in outcomes:
        say(f"  {_line(outcome)}")
    await _calm(watch)
    return outcomes


async def _until(watch: _Watch, outcome: Outcome, *, present: bool, start: float) -> float | None:
    """Seconds from `start` until the expected alert is (no longer) shown; None when patience ends."""
    patience = FIND_PATIENCE_S if present else RESOLVE_PATIENCE_S
    seen = watch.polls
    while time.monotonic() - start < patience:
        if watch.polls > seen + 1:  # an answer that was asked for after the start
            shown = any(outcome.fault.expected.matches(a["name"], a["labels"]) for a in watch.alerts)
            if shown == present:
                return time.monotonic() - start
        await asyncio.sleep(POLL_S / 5)
    return None


async def _calm(watch: _Watch) -> None:
    deadline = time.monotonic() + RESOLVE_PATIENCE_S
    while watch.alerts and time.monotonic() < deadline:
        await asyncio.sleep(POLL_S)
    await asyncio.sleep(3.0)


def _line(outcome: Outcome) -> str:
    def text(value: float | None) -> str:
        return f"{value:5.1f} s" if value is not None else "  NEVER"

    fault = outcome.fault
    return (
        f"{fault.kind:<14} {fault.target:<28} {fault.expected.name:<14} "
        f"found {text(outcome.found_s)}   resolved {text(outcome.resolved_s)}"
    )


def _report(
    outcomes: list[Outcome], watch: _Watch, hub_pages: dict[str, int], sweep: dict[str, Any] | None, seed: int
) -> dict[str, Any]:
    found = [o.found_s for o in outcomes if o.found_s is not None]
    resolved = [o.resolved_s for o in outcomes if o.resolved_s is not None]
    objectives = {
        "every_fault_found": len(found) == len(outcomes),
        "every_alert_resolved": len(resolved) == len(outcomes),
        "no_extra_alert": not watch.extra,
        "found_p95_at_most_15_s": percentile(found, 0.95) <= OBJECTIVE_P95_S,
        "hub_isolation_raises_at_most_3_pages": bool(hub_pages)
        and max(hub_pages.values()) <= OBJECTIVE_HUB_PAGES
        and min(hub_pages.values()) >= 1,
    }
    return {
        "seed": seed,
        "yardstick_cpu_s": yardstick_cpu_s(),
        "sweep": sweep,
        "faults": len(outcomes),
        "found": distribution(found),
        "resolved": distribution(resolved),
        "extra_alerts": list(watch.extra.values()),
        "pages_during_hub_isolation": hub_pages,
        "failed_polls": watch.failed_polls,
        "objectives": objectives,
        "met": all(objectives.values()),
        "outcomes": [
            {
                "phase": o.phase,
                "kind": o.fault.kind,
                "target": o.fault.target,
                "alert": o.fault.expected.name,
                "found_s": None if o.found_s is None else round(o.found_s, 2),
                "resolved_s": None if o.resolved_s is None else round(o.resolved_s, 2),
            }
            for o in outcomes
        ],
    }
