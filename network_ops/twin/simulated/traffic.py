"""Counters in closed form: traffic as a rate curve over the day and the week, and its exact integral.

A counter is never incremented; it is computed when asked: mean rate x `Gate.active(now)`, where a gate is the integral
of the curve over the time its interface was up. So counters cost nothing between polls, only move forward, and stand
still while the interface is down.
"""

from __future__ import annotations

import math
import zlib
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_DAY: Final = 2 * math.pi / 86400
_WEEK: Final = _DAY / 7
_PEAK_HOUR: Final = 14.0
_RIPPLES: Final = 16
_REFERENCE: Final = datetime(2026, 1, 1, tzinfo=UTC)


class Curve:
    """A relative traffic rate with mean 1, from 0.1 to 1.9: local day, working week, and a ripple of minutes.

    `offset_s` is local time minus UTC; `ripple` (0 to 15) picks period and phase of the ripple, so that two
    interfaces of a site do not move in step.
    """

    __slots__ = ("_at", "_harmonics", "_value")

    def __init__(self, offset_s: float, ripple: int) -> None:
        peak = _PEAK_HOUR * 3600 - offset_s
        midweek = 6 * 86400 + 12 * 3600 - offset_s  # Wednesday noon: the epoch was a Thursday
        ripple_speed = 2 * math.pi / (420 + 37 * ripple)
        # (amplitude / angular speed, angular speed, peak): d/dt (a/w) sin(w (t - p)) = a cos(w (t - p))
        self._harmonics = tuple(
            (amplitude / speed, speed, at)
            for amplitude, speed, at in (
                (0.45, _DAY, peak),
                (0.15, 2 * _DAY, peak - 3600),
                (0.15, _WEEK, midweek),
                (0.15, ripple_speed, 97.0 * ripple),
            )
        )
        self._at = math.nan
        self._value = 0.0

    def rate(self, now: float) -> float:
        """The relative rate at `now`, seconds since the epoch."""
        return 1 + sum(scale * speed * math.cos(speed * (now - at)) for scale, speed, at in self._harmonics)

    def integral(self, now: float) -> float:
        """The integral of `rate` up to `now`, in seconds; only differences mean anything."""
        if now != self._at:
            sin = math.sin
            (a, u, p), (b, v, q), (c, w, r), (d, x, s) = self._harmonics
            self._at = now
            self._value = (
                now + a * sin(u * (now - p)) + b * sin(v * (now - q)) + c * sin(w * (now - r)) + d * sin(x * (now - s))
            )
        return self._value


class Gate:
    """The up-time of one interface or session, weighted by its curve; every change carries its exact time."""

    __slots__ = ("_carried", "_opened", "changed_at", "curve", "openings")

    def __init__(self, curve: Curve, opened_at: float) -> None:
        self.curve = curve
        self.changed_at = opened_at
        self.openings = 1
        self._carried = 0.0
        self._opened: float | None = curve.integral(opened_at)

    @property
    def is_open(self) -> bool:
        """Whether traffic flows."""
        return self._opened is not None

    def active(self, now: float) -> float:
        """Seconds of mean traffic carried since the last reset."""
        if self._opened is None:
            return self._carried
        return self._carried + self.curve.integral(now) - self._opened

    def set(self, is_open: bool, now: float) -> None:
        """Open or close at `now`; nothing happens if it already is so."""
        if is_open == self.is_open:
            return
        if is_open:
            self._opened = self.curve.integral(now)
            self.openings += 1
        else:
            self._carried, self._opened = self.active(now), None
        self.changed_at = now

    def reset(self, is_open: bool, now: float) -> None:
        """Start again from zero, as after a reboot at `now`."""
        self._carried = 0.0
        self._opened = self.curve.integral(now) if is_open else None
        self.openings = int(is_open)
        self.changed_at = now

    def saved(self) -> tuple[float, float, int]:
        """What `restore` needs: (traffic carried until the last change, time of the last change, openings)."""
        return self._carried, self.changed_at, self.openings

    def restore(self, saved: tuple[float, float, int], is_open: bool) -> None:
        """Continue from `saved`, as after a restart of the twin."""
        self._carried, self.changed_at, self.openings = saved
        self._opened = self.curve.integral(self.changed_at) if is_open else None


@lru_cache(maxsize=2048)
def curve(offset_s: float, ripple: int) -> Curve:
    """The shared curve of a time zone and ripple: interfaces that share it share its integral within a poll."""
    return Curve(offset_s, ripple % _RIPPLES)


@lru_cache(maxsize=1024)
def utc_offset_s(timezone: str, longitude: float) -> float:
    """Local time minus UTC without daylight saving; by longitude if the machine does not know the zone."""
    try:
        offset = _REFERENCE.astimezone(ZoneInfo(timezone)).utcoffset()
    except (ZoneInfoNotFoundError, ValueError, OSError):
        offset = None
    return offset.total_seconds() if offset is not None else round(longitude / 15) * 3600.0


def share(seed: int, *names: str) -> float:
    """A number from 0 to 1 fixed by the seed and the names: the twin's only source of variety."""
    return zlib.crc32("/".join(names).encode(), seed) / 0xFFFFFFFF
