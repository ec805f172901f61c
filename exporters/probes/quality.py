"""Quality of one path: loss over the last 60 probes, smoothed RTT, its variance, jitter; pure arithmetic.

Only scheduled probes count. Quick re-probes do not: they follow a loss, so counting them would bias the figures.
"""

from __future__ import annotations

WINDOW = 60
_MASK = (1 << WINDOW) - 1

SHORTEST_TIMEOUT_S = 0.25
LONGEST_TIMEOUT_S = 2.0
TIMEOUT_MARGIN_S = 0.1


class Quality:
    """Running figures of one target. RTT and jitter in seconds, None before the first reply.

    `srtt_s`, `rttvar_s`: RFC 6298 section 2 (gains 1/8 and 1/4). `jitter_s`: RFC 3550 section 6.4.1 with the difference
    of consecutive round trips for D (gain 1/16); a gap of lost probes between two replies does not reset it.
    """

    __slots__ = ("_window", "counted", "jitter_s", "lost", "rtt_s", "rttvar_s", "srtt_s", "total")

    def __init__(self) -> None:
        self._window = 0
        self.counted = 0
        self.total = 0
        self.lost = 0
        self.rtt_s: float | None = None
        self.srtt_s: float | None = None
        self.rttvar_s = 0.0
        self.jitter_s: float | None = None

    def settle(self, answered: bool) -> None:
        """Count one scheduled probe, once it is certain whether it was answered: when the next one is due."""
        self._window = ((self._window << 1) | (not answered)) & _MASK
        self.counted = min(self.counted + 1, WINDOW)
        self.total += 1
        self.lost += not answered

    def sample(self, rtt_s: float) -> None:
        """Take the round trip of an answered scheduled probe."""
        if self.srtt_s is None or self.rtt_s is None:
            self.srtt_s, self.rttvar_s = rtt_s, rtt_s / 2
        else:
            self.rttvar_s += (abs(self.srtt_s - rtt_s) - self.rttvar_s) / 4
            self.srtt_s += (rtt_s - self.srtt_s) / 8
            jitter_s = self.jitter_s or 0.0
            self.jitter_s = jitter_s + (abs(rtt_s - self.rtt_s) - jitter_s) / 16
        self.rtt_s = rtt_s

    @property
    def loss_ratio(self) -> float | None:
        """Share of the last 60 settled probes that were lost (0 to 1); None before the first."""
        return self._window.bit_count() / self.counted if self.counted else None

    def timeout_s(self, baseline_s: float) -> float:
        """How long to wait for a reply before the loss is looked into.

        1.25 times the larger of baseline and smoothed RTT, plus 4 RTTVAR (RFC 6298), plus 100 ms, within 0.25 to 2 s.
        Being early is harmless: a late reply still counts as received and ends the suspicion; only a few re-probes are
        spent. Being late costs detection time. `baseline_s`: the inventory's round trip.
        """
        if self.srtt_s is None:
            expected_s, spread_s = baseline_s, baseline_s / 8
        else:
            expected_s, spread_s = max(self.srtt_s, baseline_s), min(self.rttvar_s, baseline_s)
        timeout_s = 1.25 * expected_s + 4 * spread_s + TIMEOUT_MARGIN_S
        return min(max(timeout_s, SHORTEST_TIMEOUT_S), LONGEST_TIMEOUT_S)
