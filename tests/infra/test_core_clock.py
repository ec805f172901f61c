"""The day comes from one place, and can be given."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from infra.core import clock
from infra.core.errors import InfraError


def test_the_day_is_todays_unless_it_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(clock.VARIABLE, "2027-06-01")
    assert clock.today() == date(2027, 6, 1)
    monkeypatch.delenv(clock.VARIABLE)
    before = datetime.now(UTC).date()
    assert before <= clock.today() <= datetime.now(UTC).date()


def test_a_day_that_is_none_says_how_to_write_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(clock.VARIABLE, "tomorrow")
    with pytest.raises(InfraError, match="2026-11-21"):
        clock.today()
