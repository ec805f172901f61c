"""Lines and strips of the last hour as SVG text: numbers in, markup out, gaps where nothing was measured.

The plot is stretched to its box and carries no text; scales and names are HTML around it, so that they stay readable
at any width. Series differ by dash pattern as well as by colour.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from markupsafe import Markup

Sample = tuple[float, float]
"""Unix time in seconds, value."""

_WIDE, _HIGH = 1000.0, 100.0


@dataclass(frozen=True, slots=True)
class Line:
    """A series of a chart: its name and samples in order of time."""

    name: str
    samples: tuple[Sample, ...]

    @property
    def last(self) -> float | None:
        """The newest value."""
        return self.samples[-1][1] if self.samples else None


@dataclass(frozen=True, slots=True)
class Chart:
    """A drawn chart: the plot, the top of its scale and the marks of the time axis (UTC)."""

    plot: Markup
    top: float
    ticks: tuple[str, ...]
    lines: tuple[Line, ...]

    @property
    def empty(self) -> bool:
        """Whether nothing was measured in this time."""
        return not any(line.samples for line in self.lines)


def nice_top(value: float) -> float:
    """The smallest of 1, 2, 2.5, 5 times a power of ten that is not below `value` (1 when nothing is above 0)."""
    if not value > 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 2.5, 5, 10) if step * power >= value * 0.999999)


def ticks_of(start: float, end: float, parts: int = 4) -> tuple[str, ...]:
    """Evenly spaced times from start to end as HH:MM."""
    times = (start + (end - start) * i / parts for i in range(parts + 1))
    return tuple(datetime.fromtimestamp(t, UTC).strftime("%H:%M") for t in times)


def line_chart(lines: Sequence[Line], start: float, end: float, step_s: float, least_top: float = 0.0) -> Chart:
    """Draw lines over [start, end] seconds; a hole of more than two and a half steps stays a hole.

    The scale ends at `least_top` or above, so that next to nothing is drawn as next to nothing.
    """
    highest = max((v for line in lines for _, v in line.samples if math.isfinite(v)), default=0.0)
    top = nice_top(max(highest, least_top))
    paths = "".join(
        f'<path class="line line-{number % 6}" d="{_path(line.samples, start, end, top, step_s)}"/>'
        for number, line in enumerate(lines)
    )
    grid = "".join(f'<path class="grid" d="M0 {y:g}H{_WIDE:g}"/>' for y in (0.5, 50, 99.5))
    plot = f'<svg class="plot" viewBox="0 0 {_WIDE:g} {_HIGH:g}" preserveAspectRatio="none" aria-hidden="true">'
    return Chart(Markup(plot + grid + paths + "</svg>"), top, ticks_of(start, end), tuple(lines))  # noqa: S704


def _path(samples: Sequence[Sample], start: float, end: float, top: float, step_s: float) -> str:
    parts: list[str] = []
    before = -math.inf
    for time, value in samples:
        if not math.isfinite(value):
            continue
        x = (time - start) / (end - start) * _WIDE
        y = _HIGH - min(max(value / top, 0.0), 1.0) * _HIGH
        parts.append(f"{'M' if time - before > 2.5 * step_s else 'L'}{x:.0f} {y:.1f}")
        before = time
    return "".join(parts)


@dataclass(frozen=True, slots=True)
class Run:
    """A stretch of time with one state."""

    state: str
    start: datetime
    end: datetime


def runs_of(samples: Sequence[Sample], step_s: float, words: dict[float, str], last: float) -> tuple[Run, ...]:
    """Join equal neighbouring samples into runs; what was not measured, up to the unix time `last`, is "unknown"."""
    runs: list[Run] = []
    for time, value in samples:
        state, at = words.get(value, "unknown"), datetime.fromtimestamp(time, UTC)
        if runs and (at - runs[-1].end).total_seconds() > 1.5 * step_s:
            runs.append(Run("unknown", runs[-1].end, at))
        if runs and runs[-1].state == state:
            runs[-1] = Run(state, runs[-1].start, at)
        else:
            runs.append(Run(state, runs[-1].end if runs else at, at))
    if runs and last - runs[-1].end.timestamp() > 1.5 * step_s:
        runs.append(Run("unknown", runs[-1].end, datetime.fromtimestamp(last, UTC)))
    return tuple(runs)


def runs_until_now(runs: Sequence[Run], state: str, since: datetime, now: datetime) -> tuple[Run, ...]:
    """The sampled runs brought to the state that is known now and the time at which it was first seen."""
    if not runs:
        return ()
    last = runs[-1]
    if last.state == state:
        return (*runs[:-1], Run(state, last.start, now))
    began = min(max(since, last.start), now)
    kept = [Run(run.state, run.start, min(run.end, began)) for run in runs if run.start < began]
    return (*kept, Run(state, began, now))


def strip(runs: Sequence[Run], start: float, end: float) -> Markup:
    """Draw runs as a band; the words stand beside it in the page."""
    bars = []
    for run in runs:
        x0 = (run.start.timestamp() - start) / (end - start) * _WIDE
        x1 = (run.end.timestamp() - start) / (end - start) * _WIDE
        bars.append(f'<rect class="fill-{run.state}" x="{x0:.1f}" y="0" width="{max(x1 - x0, 2):.1f}" height="20"/>')
    opening = f'<svg class="strip" viewBox="0 0 {_WIDE:g} 20" preserveAspectRatio="none" aria-hidden="true">'
    return Markup(opening + "".join(bars) + "</svg>")  # noqa: S704 - numbers and our own words only


def proportion_bar(parts: Sequence[tuple[str, int]]) -> Markup:
    """A bar divided like the counts, for (state, count) pairs."""
    total = sum(count for _, count in parts) or 1
    x, bars = 0.0, []
    for state, count in parts:
        if count:
            width = count / total * _WIDE
            # One site of many must still be seen: no part is narrower than 8 units of 1000.
            bars.append(f'<rect class="fill-{state}" x="{x:.1f}" y="0" width="{max(width, 8):.1f}" height="20"/>')
            x += width
    opening = f'<svg class="bar" viewBox="0 0 {_WIDE:g} 20" preserveAspectRatio="none" aria-hidden="true">'
    return Markup(opening + "".join(bars) + "</svg>")  # noqa: S704 - numbers and our own words only
