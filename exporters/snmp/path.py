"""What is known of the way to one target: round-trip time, loss, and how many requests may be under way. Pure.

SRTT, RTTVAR and RTO after RFC 6298, without its Karn rule: every transmission has its own request-id, so each
reply says which one it answers. The window is AIMD after RFC 5681, with two differences that fit a poller on
satellite links: it starts at 10 (RFC 6928), and a loss ratio below `NOISE` is taken as the link's noise, not
as congestion.
"""

from __future__ import annotations

FIRST_RTO_S = 1.0
LEAST_RTO_S = 0.2
LONGEST_RTO_S = 10.0
EARLY_SLACK_S = 0.010
FIRST_WINDOW = 10.0
LARGEST_WINDOW = 64.0
NOISE = 0.10
_MEMORY = 1 / 64  # weight of one request in the loss ratio


class Path:
    """State of one target's path. Times in seconds."""

    __slots__ = ("loss_ratio", "reduced_at", "rttvar_s", "silent", "srtt_s", "threshold", "window")

    def __init__(self) -> None:
        self.srtt_s = 0.0  # 0 until the first reply
        self.rttvar_s = 0.0
        self.window = FIRST_WINDOW
        self.threshold = LARGEST_WINDOW
        self.loss_ratio = 0.0
        self.reduced_at = 0.0
        self.silent = False

    def on_reply(self, rtt_s: float) -> None:
        """Take in one reply and the time since the transmission that it answers."""
        if self.srtt_s == 0.0:
            self.srtt_s = rtt_s
            self.rttvar_s = rtt_s / 2
        else:
            self.rttvar_s += (abs(self.srtt_s - rtt_s) - self.rttvar_s) / 4
            self.srtt_s += (rtt_s - self.srtt_s) / 8
        self.loss_ratio -= self.loss_ratio * _MEMORY
        if self.silent:
            self.silent = False
            self.window = FIRST_WINDOW
        if self.window < LARGEST_WINDOW:
            self.window += 1.0 if self.window < self.threshold else 1.0 / self.window

    def on_loss(self, now: float) -> None:
        """Take in one request that was not answered in time; halve the window at most once per round trip."""
        self.loss_ratio += (1.0 - self.loss_ratio) * _MEMORY
        if self.loss_ratio > NOISE and now - self.reduced_at >= self.srtt_s:
            self.reduced_at = now
            self.threshold = max(2.0, self.window / 2)
            self.window = self.threshold

    def on_silence(self) -> None:
        """Nothing at all was heard: until something is, only one request at a time goes out."""
        self.silent = True
        self.window = 1.0

    def rto_s(self, tries: int, longest_s: float) -> float:
        """How long to wait for an answer after the `tries`-th transmission (the first is 1), doubling each time."""
        base = FIRST_RTO_S
        if self.srtt_s:
            base = max(LEAST_RTO_S, self.srtt_s + max(4 * self.rttvar_s, LEAST_RTO_S))
        return min(base * (1 << (tries - 1)), longest_s, LONGEST_RTO_S)

    def early_s(self) -> float:
        """How long to wait when something sent later has been answered: then it is probably lost, not late."""
        return self.srtt_s + max(2 * self.rttvar_s, self.srtt_s / 8, EARLY_SLACK_S)
