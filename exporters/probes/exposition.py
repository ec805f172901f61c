"""Exposition: turns the engine's targets into Prometheus text. Labels are rendered once per target, values are joined.

Never repeats an old figure: a target without evidence for 30 s (or three intervals) is left out, and so is the RTT of
one that does not answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from exporters.probes.engine import Engine
from exporters.probes.judgement import State
from exporters.probes.live import Live, render_labels

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_STATE_HEADER = {
    "session": "# HELP wan_session_up Confirmed state of a session (1 up, 0 down).\n# TYPE wan_session_up gauge\n",
    "device": "# HELP wan_device_up Whether a device answers echo (1 up, 0 down).\n# TYPE wan_device_up gauge\n",
}


def state_text(engine: Engine, now: float) -> bytes:
    """The answer of /metrics/state: confirmed states, after publishing those that are settled."""
    engine.publish(now)
    parts: list[str] = []
    for kind, header in _STATE_HEADER.items():
        parts.append(header)
        parts.extend(
            live.line_up if live.published is State.UP else live.line_down
            for live in engine.lives
            if live.target.kind == kind and live.judged(now)
        )
    return "".join(parts).encode()


def quality_text(engine: Engine, now: float) -> bytes:
    """The per-session part of /metrics: RTT, jitter, loss, counters, baselines."""
    engine.publish(now)
    sessions = [live for live in engine.lives if live.target.kind == "session"]
    recent = [live for live in sessions if now - live.replied_at <= 3 * live.interval_s]
    known = [live for live in sessions if live.known(now)]
    devices = [live for live in engine.lives if live.target.kind == "device" and live.judged(now)]
    labels = {live.index: _short_labels(live) for live in (*sessions, *devices)}

    def family(
        name: str, kind: str, text: str, lives: Iterable[Live], value: Callable[[Live], float | None]
    ) -> Iterator[str]:
        yield f"# HELP {name} {text}\n# TYPE {name} {kind}\n"
        for live in lives:
            number = value(live)
            if number is not None:
                yield f"{name}{labels[live.index]} {number:.9g}\n"

    gauge, counter = "gauge", "counter"
    families = (
        family("wan_session_rtt_seconds", gauge, "Smoothed round-trip time (RFC 6298, gain 1/8).", recent,
               lambda live: live.quality.srtt_s),
        family("wan_session_jitter_seconds", gauge, "Jitter of the round trip (RFC 3550 6.4.1).", recent,
               lambda live: live.quality.jitter_s),
        family("wan_session_loss_ratio", gauge, "Share of the last 60 scheduled probes that were lost.", known,
               lambda live: live.quality.loss_ratio),
        family("wan_session_probes_total", counter, "Scheduled probes, answered or lost.", sessions,
               lambda live: live.quality.total),
        family("wan_session_probes_lost_total", counter, "Scheduled probes lost.", sessions,
               lambda live: live.quality.lost),
        family("wan_session_baseline_rtt_seconds", gauge, "Round-trip time by the inventory.", sessions,
               lambda live: live.target.rtt_s),
        family("wan_session_baseline_loss_ratio", gauge, "Loss of round trips by the inventory.", sessions,
               lambda live: live.target.loss_ratio),
        family("wan_session_up_seconds", gauge, "Seconds since last confirmed up, 0 while down.",
               [live for live in sessions if live.judged(now)], lambda live: live.up_for_s(now)),
        family("wan_device_up_seconds", gauge, "Seconds since last confirmed up, 0 while down.", devices,
               lambda live: live.up_for_s(now)),
    )  # fmt: skip
    parts = [line for lines in families for line in lines]
    parts += _info_lines(sessions)
    return "".join(parts).encode()


def _short_labels(live: Live) -> str:
    if live.target.kind == "device":
        return render_labels((("device", live.target.id),))
    return render_labels((("circuit", live.target.circuit), ("hub", live.target.hub)))


def _info_lines(sessions: Iterable[Live]) -> Iterator[str]:
    yield "# HELP wan_session_info The hub's end of the session, which is the site's BGP peer.\n"
    yield "# TYPE wan_session_info gauge\n"
    for live in sessions:
        target = live.target
        if target.peer:
            kept = [pair for pair in target.labels if pair[0] in ("site", "circuit", "hub", "carrier", "kind")]
            yield f"wan_session_info{render_labels([*kept, ('peer', target.peer)])} 1\n"


class OwnMetrics:
    """The prober's metrics about itself, read from the engine when scraped (nothing is counted twice)."""

    def __init__(self, engine: Engine, foreign: Callable[[], int], clock: Callable[[], float]) -> None:
        self._engine = engine
        self._foreign = foreign
        self._clock = clock
        self.refused_targets = 0
        self.refresh_failures = 0
        self.refreshed_at: float | None = None
        self.registry = CollectorRegistry()
        self.registry.register(self)
        ProcessCollector(registry=self.registry)

    def text(self) -> bytes:
        """The own metrics in text format."""
        return generate_latest(self.registry)

    def collect(self) -> Iterator[Metric]:
        """Called by the registry."""
        engine, now = self._engine, self._clock()
        engine.publish(now)
        watched = GaugeMetricFamily("wan_prober_targets", "Targets watched.", labels=["probe"])
        judged = GaugeMetricFamily("wan_prober_targets_judged", "Targets whose state is known.", labels=["probe"])
        lives = list(engine.lives)
        for kind in ("session", "device"):
            of_kind = [live for live in lives if live.target.kind == kind]
            watched.add_metric([kind], len(of_kind))
            known = sum(live.judged(now) for live in of_kind)
            judged.add_metric([kind], known)
        yield watched
        yield judged
        yield _counter("wan_prober_probes_sent", "Probes sent by purpose.", "purpose", engine.sent)
        yield _counter("wan_prober_replies", "Replies by what they were worth.", "verdict", engine.replies)
        yield _counter("wan_prober_send_errors", "Probes that could not be sent.", "error", engine.send_errors)
        yield _counter("wan_prober_state_changes", "Confirmed changes of state.", "to", engine.changes)
        for name, text, value in (
            ("wan_prober_foreign_datagrams", "Datagrams that answer none of our probes.", self._foreign()),
            ("wan_prober_stalls", "Times the prober itself stood still for over a second.", engine.stalls),
            ("wan_prober_target_refresh_failures", "Target lists that could not be read.", self.refresh_failures),
        ):
            yield CounterMetricFamily(name, text, value=value)
        refused = "Entries of the target list that cannot be probed."
        yield GaugeMetricFamily("wan_prober_targets_refused", refused, value=self.refused_targets)
        lag = "Longest time between two ticks since the last scrape."
        yield GaugeMetricFamily("wan_prober_longest_lag_seconds", lag, value=engine.longest_lag_s)
        engine.longest_lag_s = 0.0
        if self.refreshed_at is not None:
            read = "When the target list was last read."
            yield GaugeMetricFamily("wan_prober_targets_refreshed_timestamp_seconds", read, value=self.refreshed_at)


def _counter(name: str, text: str, label: str, counts: dict[str, int]) -> CounterMetricFamily:
    family = CounterMetricFamily(name, text, labels=[label])
    for value, count in counts.items():
        family.add_metric([value], count)
    return family
