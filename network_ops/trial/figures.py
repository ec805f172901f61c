"""Figures of a trial: nearest-rank percentiles and the yardstick by which machines are compared."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

YARDSTICK_ROUNDS = 2_000_000


def percentile(values: Sequence[float], share: float) -> float:
    """The nearest-rank percentile of the values (share 0 to 1); NaN for none."""
    if not values:
        return math.nan
    ranked = sorted(values)
    return ranked[max(0, math.ceil(share * len(ranked)) - 1)]


def distribution(values: Sequence[float]) -> dict[str, float | int]:
    """Count, p50, p95 and maximum in seconds, rounded to 10 ms."""
    return {
        "count": len(values),
        "p50_s": round(percentile(values, 0.50), 2),
        "p95_s": round(percentile(values, 0.95), 2),
        "max_s": round(max(values, default=math.nan), 2),
    }


def yardstick_cpu_s() -> float:
    """CPU-seconds of a fixed loop on this machine now; absolute figures are read scaled by it."""
    began = time.process_time()
    total = 0
    for number in range(YARDSTICK_ROUNDS):
        total += number & 7
    assert total == 7 * YARDSTICK_ROUNDS // 2
    return round(time.process_time() - began, 4)
