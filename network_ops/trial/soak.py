"""Lets a NOC run quietly and measures what that costs: alerts that nothing caused, CPU, memory, active series.

CPU is process time of the whole tree over the measured window (a child that restarts is not lost sight of, and
is reported); memory is PSS, which counts shared pages once, with RSS beside it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil

from network_ops.supervisor.state import read_run_file
from network_ops.trial.figures import yardstick_cpu_s
from network_ops.trial.subject import Subject, running_noc

SAMPLE_S = 15.0
ALERT_POLL_S = 2.0
OBJECTIVE_CPU_RATIO = 0.60
OBJECTIVE_MEMORY_BYTES = 1_500_000_000
OBJECTIVE_SERIES = 200_000


@dataclass(slots=True)
class _Usage:
    """CPU-seconds and memory of one part, sampled."""

    cpu_s: float = 0.0
    rss: list[int] = field(default_factory=list)
    pss: list[int] = field(default_factory=list)


async def run_soak(directory: Path, length: timedelta, settle: timedelta, say: Callable[[str], None]) -> dict[str, Any]:
    """Start a NOC, let it settle, watch it for `length` and return the report (JSON-ready).

    Raises:
        StartError: the NOC does not start.
    """
    before = yardstick_cpu_s()
    async with running_noc(directory, quiet=True) as subject:
        say(f"NOC ready: {subject.status.sweep}")
        unexpected: dict[str, dict[str, Any]] = {}
        watcher = asyncio.create_task(_watch_alerts(subject, unexpected))
        try:
            settled = min(settle, length)
            await asyncio.sleep(settled.total_seconds())
            say(f"settled after {settled}; measuring for {length - settled}")
            measured_from = time.monotonic()
            usage = await _measure(subject, (length - settled).total_seconds())
            window_s = time.monotonic() - measured_from
            series = await subject.active_series()
            missed = await subject.query('sum(count_over_time((up{job="snmp"} == 0)[30m:1m])) or vector(0)')
            restarts = {c.name: c.restarts for c in read_run_file(subject.state).children}
        finally:
            watcher.cancel()
        after = yardstick_cpu_s()
    cpu = sum(part.cpu_s for part in usage.values()) / window_s
    memory = sum(max(part.pss, default=0) for part in usage.values())
    objectives = {
        "no_alert": not unexpected,
        "cpu_at_most_60_percent_of_a_core": cpu <= OBJECTIVE_CPU_RATIO,
        "memory_at_most_1500_MB": memory <= OBJECTIVE_MEMORY_BYTES,
        "active_series_at_most_200000": series <= OBJECTIVE_SERIES,
        "no_restart": not any(restarts.values()),
    }
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "yardstick_cpu_s": {"before": before, "after": after},
        "sweep": subject.status.sweep,
        "quiet_for_s": round(length.total_seconds()),
        "measured_for_s": round(window_s),
        "alerts": list(unexpected.values()),
        "cpu_ratio_of_one_core": round(cpu, 4),
        "memory_pss_bytes": memory,
        "memory_rss_bytes": sum(max(part.rss, default=0) for part in usage.values()),
        "active_series": series,
        "scrapes_down_in_30_min": missed,
        "restarts": restarts,
        "parts": {
            name: {
                "cpu_ratio": round(part.cpu_s / window_s, 4),
                "pss_MB": round(max(part.pss, default=0) / 1e6, 1),
                "rss_MB": round(max(part.rss, default=0) / 1e6, 1),
            }
            for name, part in usage.items()
        },
        "objectives": objectives,
        "met": all(objectives.values()),
    }


async def _watch_alerts(subject: Subject, unexpected: dict[str, dict[str, Any]]) -> None:
    while True:
        try:
            for alert in await subject.alerts():
                unexpected.setdefault(
                    alert["id"],
                    {"name": alert["name"], "labels": alert["labels"], "starts_at": alert["starts_at"]},
                )
        except Exception as error:
            unexpected.setdefault("console", {"name": "console unreachable", "labels": {}, "starts_at": str(error)})
        await asyncio.sleep(ALERT_POLL_S)


async def _measure(subject: Subject, seconds: float) -> dict[str, _Usage]:
    usage: dict[str, _Usage] = {}
    last: dict[int, float] = {}
    end = time.monotonic() + seconds
    first = True
    while True:
        _sample(subject, usage, last, first=first)
        first = False
        remaining = end - time.monotonic()
        if remaining <= 0:
            return usage
        await asyncio.sleep(min(SAMPLE_S, remaining))


def _sample(subject: Subject, usage: dict[str, _Usage], last: dict[int, float], *, first: bool) -> None:
    status = read_run_file(subject.state)
    pids = {"parent": status.pid} | {c.name: c.pid for c in status.children if c.pid is not None}
    for name, pid in pids.items():
        part = usage.setdefault(name, _Usage())
        rss = pss = 0
        try:
            family = [psutil.Process(pid)]
            family += [] if name == "parent" else family[0].children(recursive=True)
            for process in family:
                with process.oneshot():
                    times = process.cpu_times()
                    used = times.user + times.system
                    # a process first met in the first sample starts at zero cost; later ones count from their birth
                    part.cpu_s += 0.0 if first else used - last.get(process.pid, 0.0)
                    last[process.pid] = used
                    memory = process.memory_full_info()
                    rss += memory.rss
                    pss += memory.pss
        except psutil.NoSuchProcess:
            continue  # it just ended; the parent starts it again and the next sample sees it
        part.rss.append(rss)
        part.pss.append(pss)
