"""How often a password may be tried: buckets that empty with time, so that a guesser waits and the owner does not.

A stranger is counted by account and address together; looser buckets for the account and for the address stop those who
spread their tries. A browser that has logged in to the account before is counted by itself alone: whatever strangers
do, its owner gets in.
"""

from __future__ import annotations

import ipaddress
from collections.abc import MutableMapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

_MOST_KEYS = 4096


@dataclass(frozen=True, slots=True)
class Allowance:
    """`burst` tries at once, then one for each `refill`."""

    burst: int
    refill: timedelta


PAIR = Allowance(5, timedelta(seconds=20))
"""Of one account from one address, or from one browser that is known there."""
ACCOUNT = Allowance(30, timedelta(seconds=10))
"""Of one account from all unknown browsers: slow against guessing from many addresses."""
PEER = Allowance(100, timedelta(seconds=1))
"""From one address whatever the account: many people may share it, and each try costs us 19 MiB for a moment."""


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


Key = tuple[str, ...]


def keys_of(account: str, peer: str, browser: str | None) -> tuple[tuple[Key, Allowance], ...]:
    """Which buckets a try counts in; `browser` is the id of a browser that this account has used before."""
    if browser is not None:
        return ((("browser", account, browser), PAIR),)
    place = network_of(peer)
    return ((("pair", account, place), PAIR), (("account", account), ACCOUNT), (("peer", place), PEER))


def network_of(peer: str) -> str:
    """An IPv4 address as it is, an IPv6 address by its /64, all of which one guesser has to himself."""
    try:
        address = ipaddress.ip_address(peer)
    except ValueError:
        return peer
    if address.version == 4:
        return peer
    return str(ipaddress.ip_network((int(address) >> 64 << 64, 64)))


@dataclass(slots=True)
class Throttle:
    """Counts tries by key; a success gives its try back."""

    buckets: MutableMapping[Key, Bucket] = field(default_factory=dict)

    def wait(self, account: str, peer: str, now: datetime, browser: str | None = None) -> timedelta:
        """How long to wait before the next try; zero = go ahead, and the try is counted."""
        keys = keys_of(account, peer, browser)
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

    def succeeded(self, account: str, peer: str, browser: str | None = None) -> None:
        """Forget the tries of who got in; the wider buckets, which strangers fill too, get this one try back."""
        for key, allowance in keys_of(account, peer, browser):
            old = self.buckets.get(key)
            if allowance is PAIR:
                self.buckets.pop(key, None)
            elif old:
                self.buckets[key] = Bucket(max(0.0, old.used - 1), old.at)

    def _forget(self, now: datetime) -> None:
        if len(self.buckets) <= _MOST_KEYS:
            return
        for key in [k for k, b in self.buckets.items() if now - b.at > timedelta(minutes=10)]:
            del self.buckets[key]
        if len(self.buckets) > _MOST_KEYS:
            # Somebody tries thousands of names: forget the keys with the fewest tries, which slow nobody down.
            for key in sorted(self.buckets, key=lambda k: self.buckets[k].used)[: _MOST_KEYS // 4]:
                del self.buckets[key]
