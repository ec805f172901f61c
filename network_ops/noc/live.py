"""Server-sent events: what changed is rendered once and sent to every browser that wants it.

A topic has a renderer and a version. Whoever changes the picture touches topics; the first client that comes for a
touched topic has it rendered, the others get the same bytes. Slow clients skip what they missed: each frame is
complete, except for `sites`, whose renderer is asked for the changes since the client's version.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

HEARTBEAT_S = 5.0
LIFETIME_S = 600.0
"""After this a stream ends and the browser connects again, so that a login that ended does not keep watching."""
MOST_CLIENTS = 200


def frame(event: str, data: str, retry_ms: int | None = None) -> bytes:
    """One event in the format of the HTML standard (9.2.6)."""
    head = f"retry: {retry_ms}\n" if retry_ms else ""
    lines = "".join(f"data: {line}\n" for line in data.split("\n"))
    return f"{head}event: {event}\n{lines}\n".encode()


@dataclass(slots=True)
class _Topic:
    render: Callable[[], str]
    version: int = 1
    rendered: int = 0
    text: str = ""
    frame: bytes = b""

    def fresh(self) -> _Topic:
        if self.rendered != self.version:
            self.text = self.render()
            self.rendered = self.version
            self.frame = b""
        return self


class Live:
    """Topics and the clients that wait for them."""

    def __init__(self) -> None:
        self._topics: dict[str, _Topic] = {}
        self._changed = asyncio.Event()
        self._closed = False
        self._changes: Callable[[int], tuple[int, dict[str, str]]] = lambda _: (0, {})
        self.clients = 0

    def topic(self, name: str, render: Callable[[], str]) -> None:
        """Add a topic."""
        self._topics[name] = _Topic(render)

    def diffs(self, changes: Callable[[int], tuple[int, dict[str, str]]]) -> None:
        """Set what gives the changes of site states since a version, with the version they lead to."""
        self._changes = changes

    @property
    def names(self) -> frozenset[str]:
        """Topics a client may ask for."""
        return frozenset({*self._topics, "sites"})

    def text(self, name: str) -> str:
        """The topic's present text, rendered if it has been touched."""
        return self._topics[name].fresh().text

    def touch(self, names: Iterable[str]) -> None:
        """Say that these topics (or `sites`) are no longer what they were."""
        for name in names:
            if name in self._topics:
                self._topics[name].version += 1
        self._changed.set()
        self._changed = asyncio.Event()

    def close(self) -> None:
        """End all streams, so that the server can stop."""
        self._closed = True
        self.touch(())

    def _frame(self, name: str) -> bytes:
        topic = self._topics[name].fresh()
        if not topic.frame:
            topic.frame = frame(name, topic.text)
        return topic.frame

    async def stream(self, wanted: frozenset[str]) -> AsyncIterator[bytes]:
        """All wanted topics as they are now, then each change, and a heartbeat with the server's time."""
        seen: dict[str, int] = {}
        site_version = 0
        end = time.monotonic() + LIFETIME_S
        self.clients += 1
        try:
            yield frame("tick", _now(), retry_ms=2000)
            while not self._closed and time.monotonic() < end:
                changed = self._changed
                for name in sorted(wanted & self._topics.keys()):
                    version = self._topics[name].version
                    if seen.get(name) != version:
                        seen[name] = version
                        yield self._frame(name)
                if "sites" in wanted:
                    site_version, states = self._changes(site_version)
                    if states:
                        yield frame("sites", json.dumps(states, separators=(",", ":")))
                try:
                    await asyncio.wait_for(changed.wait(), HEARTBEAT_S)
                except TimeoutError:
                    yield frame("tick", _now())
        finally:
            self.clients -= 1


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
