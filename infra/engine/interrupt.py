"""What an interrupt means while the engine works: the engine is told once, and we wait until it has ended.

Turns SIGINT, SIGTERM and SIGHUP to this process into one SIGINT to the engine, which runs in a session of its own: the
terminal's own signal never reaches it. Programme and provider live in this process, so that it has to stay until the
engine has saved the state and put its lock away. A second signal kills the engine.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import psutil

from infra.engine.faults import UpdateError

_SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
_FIRST = "\ninterrupted: waiting for the engine to end what it has begun; once more kills it\n"
_SECOND = "\nkilling the engine\n"


class InterruptError(UpdateError):
    """Somebody interrupted us; the engine has ended. `changed` resources had been changed by then."""

    def __init__(self, summary: str, changed: int = 0) -> None:
        super().__init__(summary, changed)


class Hold:
    """The signals that came since, and the engines that have to hear of them.

    `count` is how many; `killed` says that an engine could not save its state and put its lock away.
    """

    def __init__(self) -> None:
        self.count = 0
        self.killed = False
        self._engines: set[subprocess.Popen[str]] = set()
        self._before: dict[int, Any] = {}

    def refuse(self) -> None:
        """Start nothing after an interrupt.

        Raises:
            InterruptError: there was one.
        """
        if self.count:
            raise InterruptError("interrupted: nothing more was started")

    @contextmanager
    def telling(self, engine: subprocess.Popen[str]) -> Iterator[None]:
        """Tell this engine of interrupts until the block ends. It has to lead a session of its own."""
        self._engines.add(engine)
        if self.count:  # it came while the engine was being started
            self._tell(engine)
        try:
            yield
        finally:
            self._engines.discard(engine)
            if self.count and engine.returncode is not None and engine.returncode < 0:
                self.killed = True

    @contextmanager
    def released(self) -> Iterator[None]:
        """The handlers as they were before, for a question to somebody; no engine may run meanwhile."""
        if not self._before:
            yield
            return
        self.put_back()
        try:
            yield
        finally:
            self.install()

    def install(self) -> None:
        """Hear the signals that are not ignored. Only in the main thread."""
        for number in _SIGNALS:
            before = signal.getsignal(number)
            if before not in (signal.SIG_IGN, None):
                self._before[number] = before
                signal.signal(number, self._heard)

    def put_back(self) -> None:
        """The handlers as they were before."""
        while self._before:
            number, before = self._before.popitem()
            signal.signal(number, before)

    def _heard(self, number: int, frame: FrameType | None) -> None:
        self.count += 1
        _say(_FIRST if self.count == 1 else _SECOND)
        for engine in list(self._engines):
            self._tell(engine)

    def _tell(self, engine: subprocess.Popen[str]) -> None:
        if self.count == 1:
            engine.send_signal(signal.SIGINT)
        else:
            _kill(engine.pid)


_holds: list[Hold] = []  # at most one: that of the main thread


@contextmanager
def held(*, raising: bool = True) -> Iterator[Hold]:
    """Hold interrupts back until the block ends; an inner block shares what the outer one holds.

    Args:
        raising: the outermost block raises when there was an interrupt; else the caller looks at `count`.

    Raises:
        InterruptError: there was an interrupt.
    """
    if _holds:
        yield _holds[-1]
        return
    hold = Hold()
    if threading.current_thread() is not threading.main_thread():  # only the main thread may set handlers
        yield hold
        return
    _holds.append(hold)
    try:
        hold.install()
        yield hold
    except InterruptError:
        raise
    except Exception as error:
        if hold.count and raising:
            raise InterruptError("interrupted; run it again") from error
        raise
    else:
        if hold.count and raising:
            raise InterruptError("interrupted; run it again")
    finally:
        hold.put_back()
        _holds.clear()


def _kill(session: int) -> None:
    """SIGKILL to every process of a session: the engine gives its plugins process groups of their own."""
    for pid in psutil.pids():
        with contextlib.suppress(OSError):
            if os.getsid(pid) == session:
                os.kill(pid, signal.SIGKILL)


def _say(text: str) -> None:
    with contextlib.suppress(OSError):
        os.write(2, text.encode())  # a handler may not use the buffered stream: it may be in the middle of a write
