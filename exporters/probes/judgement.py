"""Who is up: a pure state machine from probe results to a verdict; `now` is an argument, nothing is sent here.

A lost probe starts a round of quick re-probes; only when the whole round is lost is the target down. A target that is
down needs a good reply and one more from a round to be up again. A prober that could not send calls nobody down.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import Enum

REPROBE_GAP_S = 0.15
FEWEST_REPROBES = 4
MOST_REPROBES = 8
RECOVERY_REPROBES = 3
FALSE_DOWN_GOAL = 1e-9
ASSUMED_LOSS_RATIO = 0.01


class State(Enum):
    """Confirmed state of a target; UNKNOWN until the first judgement."""

    UNKNOWN = "unknown"
    UP = "up"
    DOWN = "down"


class Event(Enum):
    """What happened to a target.

    REPLY: a probe was answered, late ones included. LOSS: a scheduled or extra probe timed out. ROUND_LOSS: a re-probe
    of the present round timed out. GAP: we could not probe (sending failed, we were stalled).
    """

    REPLY = "reply"
    LOSS = "loss"
    ROUND_LOSS = "round loss"
    GAP = "gap"


@dataclass(frozen=True, slots=True)
class Judgement:
    """Verdict and confirmation round. `since` is the time of the last change of state, in seconds of `now`.

    `awaiting` > 0 means a round is under way and that many of its re-probes are neither answered nor lost yet;
    `round` numbers the rounds, so that time-outs of an earlier one are recognised.
    """

    state: State = State.UNKNOWN
    since: float = 0.0
    awaiting: int = 0
    round: int = 0


def reprobes(recent_loss_ratio: float) -> int:
    """How many re-probes confirm a loss on a path that lately lost this share (0 to 1).

    As many as bring the chance that a working path loses probe and round to 1e-9, within 4 and 8: at 1 % loss 4
    (1e-10), at 2 % 5, at 30 % the limit of 8 (2e-5). More than 8 would delay the verdict by more than a second.
    """
    loss = min(max(recent_loss_ratio, ASSUMED_LOSS_RATIO), 0.99)
    needed = math.ceil(math.log(FALSE_DOWN_GOAL) / math.log(loss)) - 1
    return min(max(needed, FEWEST_REPROBES), MOST_REPROBES)


def judge(before: Judgement, event: Event, now: float, recent_loss_ratio: float = 0.0) -> Judgement:
    """The judgement after one event. Where its `round` differs from before, the caller sends `awaiting` re-probes.

    Args:
        before: judgement so far.
        event: what happened; ROUND_LOSS only for re-probes of `before.round`.
        now: seconds, any clock that does not jump.
        recent_loss_ratio: loss of the path lately, which sets the length of a round.
    """
    if event is Event.GAP:
        return before if before.awaiting == 0 else replace(before, awaiting=0)
    if event is Event.REPLY:
        return _after_reply(before, now)
    if event is Event.ROUND_LOSS:
        return _after_round_loss(before, now)
    if before.state is State.DOWN or before.awaiting:
        return before
    return replace(before, awaiting=reprobes(recent_loss_ratio), round=before.round + 1)


def _after_reply(before: Judgement, now: float) -> Judgement:
    if before.state is State.UP:
        return before if before.awaiting == 0 else replace(before, awaiting=0)
    if before.state is State.DOWN and before.awaiting == 0:
        return replace(before, awaiting=RECOVERY_REPROBES, round=before.round + 1)
    return Judgement(State.UP, now, 0, before.round)


def _after_round_loss(before: Judgement, now: float) -> Judgement:
    if before.awaiting == 0:
        return before
    if before.awaiting > 1:
        return replace(before, awaiting=before.awaiting - 1)
    if before.state is State.DOWN:
        return replace(before, awaiting=0)
    return Judgement(State.DOWN, now, 0, before.round)
