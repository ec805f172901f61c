"""The exporter's own metrics (`/metrics`), read from the engine's counters when they are scraped."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from exporters.snmp.engine import Engine
from exporters.snmp.errors import REASONS


@dataclass(slots=True)
class Reloads:
    """How the last reading of the configuration went, and when the one in use was read (Unix seconds)."""

    successful: bool = True
    read_at: float = field(default_factory=time.time)


class _EngineCollector(Collector):
    def __init__(self, engine: Engine, reloads: Reloads) -> None:
        self._engine = engine
        self._reloads = reloads

    def collect(self) -> Iterable[Metric]:
        """All counters of the engine."""
        engine, wire, read = self._engine.stats, self._engine.transport.stats, self._engine.read_stats
        counters = (
            ("snmp_polls", "Polls done, failed ones included.", engine.polls),
            ("snmp_partial_polls", "Polls that left something unanswered.", engine.partial),
            ("snmp_shared_polls", "Scrapes answered by a poll that another one had begun.", engine.shared),
            ("snmp_unanswered_variables", "Planned variables that were not answered.", engine.unanswered),
            ("snmp_datagrams_sent", "Datagrams sent.", wire.sent),
            ("snmp_datagrams_received", "Datagrams received.", wire.received),
            ("snmp_sent_bytes", "UDP payload sent.", wire.sent_bytes),
            ("snmp_received_bytes", "UDP payload received.", wire.received_bytes),
            ("snmp_refilled_variables", "Variables dropped by an agent and asked for again.", read.refilled),
            ("snmp_split_requests", "Requests split after an error such as tooBig.", read.split),
            ("snmp_icmp_errors", "ICMP errors received.", wire.unreachable),
            ("snmp_send_errors", "Datagrams that the system did not take at once.", wire.send_errors),
        )
        for name, help_, value in counters:
            yield CounterMetricFamily(name, help_, value=value)
        replies = CounterMetricFamily("snmp_replies", "Replies to polls, by how they were read.", labels=["path"])
        replies.add_metric(["fast"], read.fast)
        replies.add_metric(["full"], read.full)
        yield replies
        dropped = CounterMetricFamily("snmp_dropped_datagrams", "Datagrams not used, by reason.", labels=["reason"])
        dropped.add_metric(["unknown_request_id"], wire.unknown)
        dropped.add_metric(["wrong_source"], wire.strangers)
        yield dropped
        failures = CounterMetricFamily("snmp_target_failures", "Polls that gave nothing, by reason.", labels=["reason"])
        for reason in REASONS:
            failures.add_metric([reason], engine.failures.get(reason, 0))
        yield failures
        walks = CounterMetricFamily("snmp_discoveries", "Full walks of a target, by cause.", labels=["cause"])
        for cause, count in engine.discoveries.items():
            walks.add_metric([cause], count)
        yield walks
        yield GaugeMetricFamily(
            "snmp_config_last_reload_successful",
            "Whether the last reading of the configuration was successful.",
            value=self._reloads.successful,
        )
        yield GaugeMetricFamily(
            "snmp_config_last_reload_success_timestamp_seconds",
            "When the configuration in use was read.",
            value=self._reloads.read_at,
        )
        yield GaugeMetricFamily("snmp_targets", "Targets remembered.", value=self._engine.target_count)
        yield GaugeMetricFamily(
            "snmp_requests_in_flight", "Requests under way.", value=self._engine.transport.in_flight
        )


def registry(engine: Engine, reloads: Reloads) -> CollectorRegistry:
    """A registry with the engine's counters and the process's own."""
    made = CollectorRegistry()
    made.register(_EngineCollector(engine, reloads))
    ProcessCollector(registry=made)
    PlatformCollector(registry=made)
    GCCollector(registry=made)
    return made
