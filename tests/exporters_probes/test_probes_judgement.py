"""The verdict's state machine as tables, and as a property over random histories."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporters.probes.judgement import Event, Judgement, State, judge, reprobes

UP, DOWN, UNKNOWN = State.UP, State.DOWN, State.UNKNOWN
R, L, X, G = Event.REPLY, Event.LOSS, Event.ROUND_LOSS, Event.GAP


def after(start: State, *events: Event, loss: float = 0.0) -> Judgement:
    judgement = Judgement(start)
    for now, event in enumerate(events):
        judgement = judge(judgement, event, float(now), loss)
    return judgement


@pytest.mark.parametrize(
    ("start", "events", "state", "awaiting"),
    [
        (UNKNOWN, (R,), UP, 0),
        (UNKNOWN, (L,), UNKNOWN, 4),
        (UNKNOWN, (L, X, X, X, X), DOWN, 0),
        (UNKNOWN, (L, X, R), UP, 0),
        (UP, (R,), UP, 0),
        (UP, (L,), UP, 4),
        (UP, (L, L), UP, 4),
        (UP, (L, X, X, X), UP, 1),
        (UP, (L, X, X, X, X), DOWN, 0),
        (UP, (L, X, X, X, R), UP, 0),
        (UP, (L, X, R, X, X, X), UP, 0),
        (UP, (L, X, X, G, X, X), UP, 0),
        (UP, (X,), UP, 0),
        (DOWN, (L,), DOWN, 0),
        (DOWN, (R,), DOWN, 3),
        (DOWN, (R, R), UP, 0),
        (DOWN, (R, X, R), UP, 0),
        (DOWN, (R, X, X, X), DOWN, 0),
        (DOWN, (R, X, X, X, R), DOWN, 3),
        (DOWN, (R, G), DOWN, 0),
    ],
)
def test_events_lead_to_the_state_in_the_table(
    start: State, events: tuple[Event, ...], state: State, awaiting: int
) -> None:
    found = after(start, *events)
    assert (found.state, found.awaiting) == (state, awaiting)


def test_a_change_of_state_is_dated_and_a_round_numbered() -> None:
    found = after(UP, L, X, X, X, X)
    assert (found.since, found.round) == (4.0, 1)
    assert judge(found, R, 9.0).round == 2


@pytest.mark.parametrize(("loss", "count"), [(0.0, 4), (0.01, 4), (0.02, 5), (0.1, 8), (0.3, 8), (1.0, 8)])
def test_a_lossy_path_gets_more_reprobes(loss: float, count: int) -> None:
    assert reprobes(loss) == count


@given(st.lists(st.sampled_from([R, L, G]), max_size=60))
def test_nobody_is_called_down_without_a_whole_lost_round(events: list[Event]) -> None:
    assert after(UP, *events).state is UP


@given(st.lists(st.sampled_from(list(Event)), max_size=80), st.floats(0, 1))
def test_down_needs_losses_in_a_row_and_up_needs_two_replies(events: list[Event], loss: float) -> None:
    judgement = Judgement(UP)
    lost_in_a_row = replies_since_down = 0
    for now, event in enumerate(events):
        before, judgement = judgement, judge(judgement, event, float(now), loss)
        lost_in_a_row = 0 if event is R else lost_in_a_row + (event in (L, X))
        replies_since_down = 0 if before.state is not DOWN else replies_since_down + (event is R)
        assert judgement.awaiting >= 0
        if before.state is UP and judgement.state is DOWN:
            assert lost_in_a_row >= 5
        if before.state is DOWN and judgement.state is UP:
            assert replies_since_down >= 2


def test_at_two_per_cent_loss_all_1600_sessions_have_a_false_down_less_than_once_in_ten_days() -> None:
    # A working session is called down when its probe and every re-probe are lost. Even where the last 60 probes show no
    # loss at all, the round has 4 re-probes, hence loss ** 5; 320 probes a second.
    loss = 0.02
    false_per_hour = 320 * 3600 * loss ** (1 + reprobes(0.0))
    assert false_per_hour * 240 < 1


def test_the_computed_false_down_rate_is_what_the_machine_does() -> None:
    # Every outcome of one probe and its round at 30 % loss, weighed by its probability, walked through judge().
    loss, size = 0.3, reprobes(0.3)
    down = 0.0
    for pattern in range(2 ** (size + 1)):
        lost = [(pattern >> bit) & 1 == 1 for bit in range(size + 1)]
        judgement = judge(Judgement(UP), L if lost[0] else R, 0.0, loss)
        for one in lost[1:]:
            judgement = judge(judgement, X if one else R, 0.0, loss)
        if judgement.state is DOWN:
            down += loss ** sum(lost) * (1 - loss) ** (size + 1 - sum(lost))
    assert down == pytest.approx(loss ** (size + 1))
    assert down < 3e-5
