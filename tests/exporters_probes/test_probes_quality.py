"""Loss, RTT, jitter and time-out as arithmetic."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporters.probes.quality import LONGEST_TIMEOUT_S, SHORTEST_TIMEOUT_S, Quality


@given(st.lists(st.booleans(), min_size=1, max_size=200))
def test_loss_is_the_share_of_the_last_60_probes(answered: list[bool]) -> None:
    quality = Quality()
    for one in answered:
        quality.settle(one)
    last = answered[-60:]
    assert quality.loss_ratio == pytest.approx(last.count(False) / len(last))
    assert (quality.total, quality.lost) == (len(answered), answered.count(False))


def test_nothing_is_said_before_the_first_probe() -> None:
    quality = Quality()
    assert (quality.loss_ratio, quality.srtt_s, quality.jitter_s) == (None, None, None)


def test_jitter_follows_rfc_3550() -> None:
    quality = Quality()
    expected, previous = 0.0, None
    for rtt in (0.600, 0.620, 0.590, 0.700):
        quality.sample(rtt)
        if previous is not None:
            expected += (abs(rtt - previous) - expected) / 16
        previous = rtt
    assert quality.jitter_s == pytest.approx(expected)


def test_a_constant_path_has_no_jitter_and_its_own_rtt() -> None:
    quality = Quality()
    for _ in range(100):
        quality.sample(0.58)
    assert quality.srtt_s == pytest.approx(0.58)
    assert quality.jitter_s == pytest.approx(0)


@pytest.mark.parametrize(("baseline", "least", "most"), [(0.001, 0.25, 0.25), (0.6, 0.9, 1.2), (1.9, 2.0, 2.0)])
def test_the_first_time_out_follows_the_inventory(baseline: float, least: float, most: float) -> None:
    assert least <= Quality().timeout_s(baseline) <= most


@given(st.lists(st.floats(0.0005, 3), max_size=50), st.floats(0, 3))
def test_the_time_out_stays_in_bounds_and_above_the_rtt(rtts: list[float], baseline: float) -> None:
    quality = Quality()
    for rtt in rtts:
        quality.sample(rtt)
    timeout = quality.timeout_s(baseline)
    assert SHORTEST_TIMEOUT_S <= timeout <= LONGEST_TIMEOUT_S
    assert timeout >= min(LONGEST_TIMEOUT_S, quality.srtt_s or 0)


def test_a_path_that_became_slower_gets_more_time() -> None:
    quality = Quality()
    for _ in range(30):
        quality.sample(1.1)
    assert quality.timeout_s(0.5) > 1.4
