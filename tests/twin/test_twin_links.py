"""Delay, jitter and loss of a round trip, over enough draws to be sure and few enough to be quick."""

from __future__ import annotations

import random
import statistics
from itertools import pairwise

import pytest

from inventory.models import Inventory
from network_ops.twin.simulated.links import MAX_JITTER, round_trip
from network_ops.twin.simulated.world import World


def test_jitter_measured_as_rfc_3550_does_is_the_circuits(inv: Inventory) -> None:
    state = next(iter(World(inv).sessions.values()))
    state.loss_ratio = 0.0
    draw = random.Random(1).random
    trips = [t for _ in range(20_000) if (t := round_trip(state, draw)) is not None]
    differences = [abs(a - b) for a, b in pairwise(trips)]
    assert statistics.fmean(differences) == pytest.approx(state.jitter_s, rel=0.03)
    assert min(trips) >= state.rtt_s
    assert max(trips) <= state.rtt_s + state.jitter_s * MAX_JITTER


@pytest.mark.parametrize("loss_ratio", [0.0, 0.02, 0.3, 1.0])
def test_the_share_of_lost_round_trips_is_the_circuits(inv: Inventory, loss_ratio: float) -> None:
    state = next(iter(World(inv).sessions.values()))
    state.loss_ratio = loss_ratio
    draw = random.Random(2).random
    lost = sum(round_trip(state, draw) is None for _ in range(20_000)) / 20_000
    assert lost == pytest.approx(loss_ratio, abs=0.01)
