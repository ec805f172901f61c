"""What the prober knows about one target while it runs: figures, judgement, probes under way, rendered labels."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from enum import IntEnum
from typing import NamedTuple

from exporters.probes.judgement import Judgement, State
from exporters.probes.quality import Quality
from exporters.probes.targets import ProbeTarget


class Purpose(IntEnum):
    """Why a probe is sent. Only SCHEDULED ones count for loss and RTT; the order is the order of sending."""

    SCHEDULED = 0
    CONFIRM = 1
    EXTRA = 2


class Sent(NamedTuple):
    """A probe under way: why, for which confirmation round, when (seconds), and whether its time-out has passed."""

    purpose: Purpose
    round: int
    at: float
    late: bool


class Live:
    """State of one target. Changed only by the engine."""

    __slots__ = (
        "asked_at",
        "changed_at",
        "evidence_at",
        "gone",
        "index",
        "interval_s",
        "judgement",
        "line_down",
        "line_up",
        "next_due",
        "published",
        "quality",
        "queued",
        "replied_at",
        "scheduled_sequence",
        "sequence",
        "target",
        "under_way",
        "unresolved",
    )

    def __init__(self, target: ProbeTarget, index: int, interval_s: float, first_due: float) -> None:
        self.target = target
        self.index = index
        self.interval_s = interval_s
        self.next_due = first_due
        self.quality = Quality()
        self.judgement = Judgement()
        self.published = State.UNKNOWN
        self.changed_at = first_due  # when the published state became what it is
        self.sequence = 0
        self.scheduled_sequence: int | None = None  # the scheduled probe that is not settled yet
        self.under_way: dict[int, Sent] = {}
        self.asked_at = float("-inf")  # last extra probe asked for
        self.queued = False  # an extra probe waits to be sent
        self.unresolved: int | None = None  # sequence of an extra probe neither answered nor lost
        self.evidence_at = float("-inf")
        self.replied_at = float("-inf")
        self.gone = False
        self.line_up, self.line_down = state_lines(target)

    @property
    def unsettled(self) -> bool:
        """Whether its state may change within moments: a confirmation or an extra probe is under way."""
        return self.judgement.awaiting > 0 or self.queued or self.unresolved is not None

    def judged(self, now: float) -> bool:
        """Whether there is a published verdict that still has evidence."""
        return self.published is not State.UNKNOWN and self.known(now)

    def up_for_s(self, now: float) -> float:
        """Seconds since the target was last confirmed up, 0 while it is down."""
        return now - self.changed_at if self.published is State.UP else 0.0

    def known(self, now: float) -> bool:
        """Whether there was evidence lately; older verdicts are not repeated."""
        return now - self.evidence_at <= max(30.0, 3 * self.interval_s)


def state_lines(target: ProbeTarget) -> tuple[str, str]:
    """The exposition lines of a target that is up and down, labels rendered once."""
    name = "wan_session_up" if target.kind == "session" else "wan_device_up"
    series = name + render_labels(target.labels)
    return f"{series} 1\n", f"{series} 0\n"


def render_labels(labels: Iterable[tuple[str, str]]) -> str:
    """Labels in Prometheus' text format, with its escapes."""
    return "{" + ",".join(f'{name}="{escape(value)}"' for name, value in labels) + "}"


def escape(value: str) -> str:
    """Escape a label value for the text format."""
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def phases(targets: Iterable[ProbeTarget]) -> dict[tuple[str, str], float]:
    """Where in its interval each target is probed (0 to 1), by (kind, id).

    Sites are spread evenly over the interval and the sessions of one site evenly within it, so that the load is flat
    and a site that dies is noticed by whichever of its sessions is due first.
    """
    by_site: dict[tuple[str, str], list[ProbeTarget]] = {}
    for target in targets:
        by_site.setdefault((target.kind, target.site), []).append(target)
    sites = {"session": 0, "device": 0}
    for kind, _ in by_site:
        sites[kind] += 1
    found: dict[tuple[str, str], float] = {}
    rank = {"session": 0, "device": 0}
    # Sites are ordered by a hash, so that neighbours in the table (often of one carrier) are not neighbours in time.
    for kind, site in sorted(by_site, key=lambda key: zlib.crc32(key[1].encode())):
        members = sorted(by_site[kind, site], key=lambda t: (t.hub, t.id))
        start = rank[kind] / sites[kind]
        rank[kind] += 1
        for position, target in enumerate(members):
            found[kind, target.id] = (start + position / len(members)) % 1.0
    return found
