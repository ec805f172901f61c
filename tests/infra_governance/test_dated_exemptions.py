"""Exemptions end: before their day a warning, after it a refusal."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from infra.core.exemptions import LONGEST, problems, warnings

DAYS = st.dates(date(2026, 1, 1), date(2030, 1, 1))


@dataclass(frozen=True)
class One:
    id: str
    until: date
    owner: str = "noc"


@given(DAYS, DAYS)
def test_an_exemption_is_refused_exactly_when_it_is_past_or_too_far(until: date, today: date) -> None:
    found = problems([One("x", until)], "governance-dev", today)
    assert bool(found) == (until < today or until > today + LONGEST)


@given(DAYS, st.integers(7, 180))
def test_a_warning_comes_in_the_days_before_the_end_and_on_the_last_day(until: date, days: int) -> None:
    one = One("x", until)
    assert warnings([one], until, days)
    assert warnings([one], until - timedelta(days=days), days)
    assert not warnings([one], until - timedelta(days=days + 1), days)
    assert not warnings([one], until + timedelta(days=1), days)


def test_the_refusal_says_what_ended_when_and_who_decides() -> None:
    (problem,) = problems([One("hci", date(2027, 5, 31))], "governance-prod", date(2027, 6, 10))
    assert str(problem) == (
        "governance-prod: exemptions: hci is '2027-05-31': ended 10 days ago; remove it, or noc approves a new day"
    )
