"""How often a password may be tried: a bucket for each account and each peer, refilled with time."""

from __future__ import annotations

from collections.abc import MutableMapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

_MOST_KEYS = 4096


@dataclass(frozen=True, slots=True)
class Allowance:
    """`burst` tries at once, then one for each `refill`."""

    burst: int
    refill: timedelta


ACCOUNT = Allowance(5, timedelta(seconds=20))
PEER = Allowance(20, timedelta(seconds=5))


@dataclass(frozen=True, slots=True)
class Bucket:
    """Tries used up, as of `at`."""

    used: float
    at: datetime


def drained(bucket: Bucket | None, allowance: Allowance, now: datetime) -> float:
    """Tries still used up now."""
    if bucket is None:
        return 0.0
    return max(0.0, bucket.used - (now - bucket.at) / allowance.refill)


@dataclass(slots=True)
class Throttle:
    """Counts tries by key; a success gives its try back."""

    buckets: MutableMapping[tuple[str, str], Bucket] = field(default_factory=dict)

    def wait(self, account: str, peer: str, now: datetime) -> timedelta:
        """How long to wait before the next try; zero = go ahead, and the try is counted."""
        keys = ((("account", account), ACCOUNT), (("peer", peer), PEER))
        longest = timedelta()
        for key, allowance in keys:
            over = drained(self.buckets.get(key), allowance, now) + 1 - allowance.burst
            longest = max(longest, over * allowance.refill)
        if longest > timedelta():
            return longest
        self._forget(now)
        for key, allowance in keys:
            self.buckets[key] = Bucket(drained(self.buckets.get(key), allowance, now) + 1, now)
        return timedelta()

    def succeeded(self, account: str, peer: str) -> None:
        """Forget the tries of an account that got in; the peer gets its last one back."""
        self.buckets.pop(("account", account), None)
        if old := self.buckets.get(("peer", peer)):
            self.buckets[("peer", peer)] = Bucket(max(0.0, old.used - 1), old.at)

    def _forget(self, now: datetime) -> None:
        if len(self.buckets) > _MOST_KEYS:
            for key in [k for k, b in self.buckets.items() if now - b.at > timedelta(minutes=10)]:
                del self.buckets[key]
