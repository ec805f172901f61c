"""What a circuit does to one round trip: lose it, or answer after the baseline RTT plus jitter.

Jitter is a gamma distribution of shape 2 (a floor, a hump, a tail), cut at its 99.9th percentile and scaled so that the
mean difference of two successive round trips - jitter as RFC 3550 measures it - is the circuit's `jitter_ms`.
The baseline is the floor; the mean round trip is baseline + 1.33 x jitter.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

from .world import SessionState

_STEPS: Final = 4096
_SHAPE_2_MEAN_DIFFERENCE: Final = 1.5  # of a gamma of shape 2 and scale 1


def _quantile(p: float) -> float:
    """The p-quantile of a gamma of shape 2 and scale 1: solves 1 - (1 + x) exp(-x) = p by bisection."""
    low, high = 0.0, 40.0
    for _ in range(50):
        middle = (low + high) / 2
        if 1 - (1 + middle) * math.exp(-middle) < p:
            low = middle
        else:
            high = middle
    return low


_JITTER: Final = tuple(_quantile((i + 0.5) / _STEPS * 0.999) / _SHAPE_2_MEAN_DIFFERENCE for i in range(_STEPS))

MAX_JITTER: Final = _JITTER[-1]
"""The longest jitter, as a multiple of the circuit's `jitter_ms`."""


def round_trip(session: SessionState, random: Callable[[], float]) -> float | None:
    """Seconds until the answer of a round trip over `session` arrives; None if it is lost.

    `random` returns numbers from 0 up to 1, as `random.Random.random`.
    """
    if random() < session.loss_ratio:
        return None
    return session.rtt_s + session.jitter_s * _JITTER[int(random() * _STEPS)]
