"""Which alerts are known and which acknowledgements still apply, when the source of alerts is not always there.

Pure: takes what was known, what was just heard and the time; gives what is known now. Two rules carry it.
Silence is not resolution: an alert leaves the list only on the word of a source that would know it. And an
acknowledgement belongs to an occurrence: it ends when the alert has been away for more than `AWAY`, never because
a part of the NOC restarted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum

from network_ops.noc.alerts import Alert

AWAY = timedelta(minutes=3)


@dataclass(frozen=True, slots=True)
class Heard:
    """One look at Alertmanager: `alerts` None = no answer.

    `instance` says which process answered (its start time); `instance_age` is how long it has been up;
    `rules_alive` whether Prometheus answers, since without it alerts run out by themselves.
    """

    alerts: tuple[Alert, ...] | None
    instance: str = ""
    instance_age: timedelta = timedelta()
    rules_alive: bool = True


@dataclass(frozen=True, slots=True)
class Known:
    """An alert on the list; not `confirmed` = the last word on it is older than the last look."""

    alert: Alert
    confirmed: bool
    instance: str
    last_seen: datetime


def advance(known: Mapping[str, Known], heard: Heard, settle: timedelta, now: datetime) -> dict[str, Known]:
    """What is known after one look.

    An alert that is missing from the answer is gone, unless the answer comes from another process than the one
    that last reported it and that process is younger than `settle` (Prometheus has yet to send it again), or
    unless the rules are not being evaluated. An alert that comes back from such a gap keeps its start.
    """
    if heard.alerts is None:
        return {i: replace(k, confirmed=False) for i, k in known.items()}
    after: dict[str, Known] = {}
    for alert in heard.alerts:
        old = known.get(alert.id)
        if old and not old.confirmed and old.alert.starts_at < alert.starts_at:
            alert = replace(alert, starts_at=old.alert.starts_at)
        after[alert.id] = Known(alert, True, heard.instance, now)
    for i, old in known.items():
        young = old.instance != heard.instance and heard.instance_age <= settle
        if i not in after and (young or not heard.rules_alive):
            after[i] = replace(old, confirmed=False)
    return after


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """Somebody has taken an alert. `last_seen` is when its alert was last on the list; `row` its database id."""

    row: int
    fingerprint: str
    by: str
    at: datetime
    comment: str
    last_seen: datetime


class Verdict(Enum):
    """What becomes of an acknowledgement."""

    APPLIES = "applies"
    WAITS = "waits"
    ENDED = "ended"


def judge(ack: Acknowledgement, starts_at: datetime | None, trusted: bool, now: datetime) -> Verdict:
    """Whether an acknowledgement applies to its alert, waits for it, or is over.

    Args:
        ack: the acknowledgement.
        starts_at: start of the alert with its fingerprint that is on the list; None when there is none.
        trusted: whether the list comes from a source that would know the alert (up, settled, fed by Prometheus).
        now: the time, aware UTC.
    """
    if starts_at is not None:
        same = starts_at <= ack.at or starts_at <= ack.last_seen + AWAY
        return Verdict.APPLIES if same else Verdict.ENDED
    if trusted and now - ack.last_seen > AWAY:
        return Verdict.ENDED
    return Verdict.WAITS
