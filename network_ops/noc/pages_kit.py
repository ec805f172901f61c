"""What all pages share: templates with our filters, static files with versions, the look of times and numbers."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from network_ops.noc.errors import BadInputError

_HERE = Path(__file__).parent
_TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}

STATE_WORDS = {"up": "UP", "degraded": "DEGRADED", "down": "DOWN", "unknown": "UNKNOWN"}
HUB_WORDS = STATE_WORDS | {"down": "ISOLATED"}
LEVEL_STATES = {"ok": "up", "warn": "degraded", "bad": "down", "wait": "unknown"}
SEVERITY_STATES = {"page": "down", "warning": "degraded", "info": "unknown"}


def clock(moment: datetime, now: datetime | None = None) -> str:
    """12:03:05 UTC, with the day when it is not today's."""
    moment = moment.astimezone(UTC)
    today = (now or datetime.now(UTC)).date()
    return moment.strftime("%H:%M:%S UTC" if moment.date() == today else "%d %b %H:%M:%S UTC")


def age_text(seconds: float) -> str:
    """An age as people say it: 12 s, 4 min, 2 h 05 min, 3 d 4 h. The browser's script says the same."""
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min"
    if whole < 86400:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 86400} d {whole % 86400 // 3600} h"


def age(moment: datetime) -> Markup:
    """An age that the browser keeps counting; hovering shows the time."""
    seconds = (datetime.now(UTC) - moment).total_seconds()
    return Markup('<time datetime="{}" title="{}" data-age>{}</time>').format(
        moment.astimezone(UTC).isoformat(timespec="seconds"), clock(moment), age_text(seconds)
    )


def rate(bps: float | None) -> str:
    """A rate with its unit: 12.4 Mbit/s."""
    if bps is None:
        return "–"
    if bps < 1000:
        return f"{bps:.0f} bit/s"
    power = min(3, int(math.log10(bps) // 3))
    value = bps / 1000**power
    return f"{value:.3g} {('', 'k', 'M', 'G')[power]}bit/s" if value < 999.5 else f"{value:.0f} {'kMG'[power - 1]}bit/s"


def milliseconds(value: float | None) -> str:
    """Milliseconds with a fitting number of digits."""
    if value is None:
        return "–"
    if value < 0.1:
        return "< 0.1 ms"
    return f"{value:.1f} ms" if value < 100 else f"{value:.0f} ms"


def percent(ratio: float | None) -> str:
    """A ratio as per cent."""
    return "–" if ratio is None else f"{ratio * 100:.1f} %"


def day(value: date) -> str:
    """2027-03-01."""
    return value.isoformat()


@dataclass(frozen=True, slots=True)
class StaticFile:
    """A file of the browser, held in memory."""

    body: bytes
    media_type: str
    etag: str

    @property
    def version(self) -> str:
        """Short hash for the URL, so that it can be cached for good."""
        return self.etag.strip('"')[:12]


def static_file(name: str, body: bytes) -> StaticFile:
    """Wrap a file's bytes."""
    return StaticFile(body, _TYPES[Path(name).suffix], f'"{hashlib.blake2b(body, digest_size=16).hexdigest()}"')


def load_static(packages: Path, extra: Mapping[str, bytes]) -> dict[str, StaticFile]:
    """Our static files and htmx by name, with some made at start.

    Raises:
        BadInputError: htmx is not installed.
    """
    files = {path.name: path.read_bytes() for path in (_HERE / "static").iterdir() if path.suffix in _TYPES}
    htmx = packages / "htmx.org" / "dist" / "htmx.min.js"
    try:
        files["htmx.min.js"] = htmx.read_bytes()
    except OSError as error:
        raise BadInputError(f"{htmx} cannot be read ({error.strerror}): run `make install` (npm ci)") from error
    files |= extra
    return {name: static_file(name, body) for name, body in files.items()}


def environment(static: Mapping[str, StaticFile]) -> Environment:
    """Jinja with everything escaped and everything undefined refused."""
    env = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.filters |= {
        "clock": clock, "age": age, "ago": age_text, "rate": rate, "ms": milliseconds, "percent": percent, "day": day,
    }  # fmt: skip
    env.globals |= {
        "static": lambda name: f"/static/{name}?v={static[name].version}",
        "state_word": STATE_WORDS,
        "hub_word": HUB_WORDS,
        "level_state": LEVEL_STATES,
        "severity_state": SEVERITY_STATES,
    }
    return env
