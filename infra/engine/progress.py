"""What a person sees while the engine works: one line for each resource that changed, and a line that moves.

Turns the engine's events into calm text on one stream. On a terminal the last line is rewritten in place (how many are
done, how long, what is being waited for); elsewhere only the lines of changed resources are written.
"""

from __future__ import annotations

import threading
import time
from typing import Protocol, TextIO

from pulumi.automation import EngineEvent

from infra.engine.steps import name_of
from infra.engine.summary import SIGNS

_QUIET = {"same", "read", "refresh"}
_EVERY = 0.2  # seconds between two rewrites of the moving line


class Progress(Protocol):
    """Hears every event of the engine, from another thread."""

    def event(self, event: EngineEvent) -> None:
        """One event; must not raise and must not wait."""

    def close(self) -> None:
        """The engine has ended: remove what moves."""


class Silent:
    """Shows nothing: for tests and `--json` without a terminal."""

    def event(self, event: EngineEvent) -> None:
        """Hear and say nothing."""

    def close(self) -> None:
        """Nothing to remove."""


class Lines:
    """Progress for people.

    Args:
        stream: where to write; its `isatty` decides whether a line moves.
        title: what is being done (`up connectivity-dev`).
    """

    def __init__(self, stream: TextIO, title: str) -> None:
        self._stream = stream
        self._title = title
        self._moves = stream.isatty()
        self._lock = threading.Lock()
        self._started: dict[str, float] = {}
        self._begun = time.monotonic()
        self._seen = 0
        self._drawn = 0.0
        self._open = False

    def event(self, event: EngineEvent) -> None:
        """Write the line of a changed resource, or move the moving line."""
        before, after, failed = event.resource_pre_event, event.res_outputs_event, event.res_op_failed_event
        with self._lock:
            if before is not None:
                self._started[before.metadata.urn] = time.monotonic()
            elif after is not None or failed is not None:
                told = after or failed
                step = told.metadata if told else None
                if step is not None:
                    begun = self._started.pop(step.urn, None)
                    self._seen += 1
                    planning = bool(after and after.planning)
                    if begun is not None and not planning and step.type.startswith("azure-native:"):
                        self._done(
                            str(step.op.value), step.type, step.urn, time.monotonic() - begun, failed is not None
                        )
            self._move()

    def close(self) -> None:
        """Remove the moving line."""
        with self._lock:
            self._wipe()

    def _done(self, op: str, type_: str, urn: str, seconds: float, failed: bool) -> None:
        if op in _QUIET and not failed:
            return
        self._wipe()
        took = f" ({seconds:.0f} s)" if seconds >= 2 else ""
        sign = "!" if failed else SIGNS.get(op, op)
        self._stream.write(f"  {sign} {type_.rpartition(':')[2]} {name_of(urn)}{took}{' FAILED' if failed else ''}\n")
        self._stream.flush()

    def _move(self) -> None:
        now = time.monotonic()
        if not self._moves or now - self._drawn < _EVERY:
            return
        self._drawn = now
        waiting = min(self._started, key=lambda urn: self._started[urn], default="")
        text = f"{self._title}: {self._seen} done, {now - self._begun:.0f} s"
        text += f", waiting for {name_of(waiting)}" if waiting else ""
        self._stream.write(f"\r\x1b[2K{text[:100]}")
        self._stream.flush()
        self._open = True

    def _wipe(self) -> None:
        if self._open:
            self._stream.write("\r\x1b[2K")
            self._stream.flush()
            self._open = False
