"""Writes a poll's answer: the samples, then snmp_exporter's self-metrics by module and ours. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from exporters.snmp.state import PollResult

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_SELF = (
    ("snmp_scrape_duration_seconds", "Seconds that the whole poll took.", "%.6f"),
    ("snmp_scrape_packets_retried", "Requests sent again, because no answer came in time.", "%d"),
    ("snmp_scrape_packets_sent", "Requests sent, those sent again included.", "%d"),
    ("snmp_scrape_pdus_returned", "Variables returned.", "%d"),
    ("snmp_scrape_walk_duration_seconds", "Seconds spent walking; 0 when the index cache held.", "%.6f"),
)
_OURS = (
    "# HELP snmp_scrape_partial Whether the target left something unanswered, which is then missing here.\n"
    "# TYPE snmp_scrape_partial gauge\nsnmp_scrape_partial %d\n"
)


@lru_cache(maxsize=1000)
def _template(modules: tuple[str, ...]) -> str:
    parts: list[str] = []
    for name, help_, form in _SELF:
        parts.append(f"# HELP {name} {help_}\n# TYPE {name} gauge\n")
        parts.extend(f'{name}{{module="{module}"}} {form}\n' for module in modules)
    return "".join(parts) + _OURS


def exposition(result: PollResult) -> bytes:
    """The body of a successful scrape. Packets are counted for the module whose variable stands first in them."""
    size = range(len(result.modules))
    whole = (result.duration_s,) * len(size)
    numbers = (
        whole
        + _each(result.retried, size)
        + _each(result.sent, size)
        + _each(result.pdus, size)
        + (result.walk_s,) * len(size)
        + (result.partial,)
    )
    return (result.text + _template(result.modules) % numbers).encode()


def _each(counts: Mapping[int, int], size: range) -> tuple[int, ...]:
    return tuple(counts.get(number, 0) for number in size)
