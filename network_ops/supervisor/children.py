"""Child processes: started, watched, restarted, stopped. Decides nothing about what they are.

A child that dies is started again after half a second, later after at most four; one that stops answering its
health check is killed and started again. Children end with the parent, even when the parent is killed.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from network_ops.supervisor.errors import StartError
from network_ops.supervisor.state import ChildStatus, utc_now

FIRST_RESTART_S = 0.5
LONGEST_RESTART_S = 4.0
SETTLED_S = 60.0
HEALTH_INTERVAL_S = 5.0
HEALTH_TIMEOUT_S = 3.0
HEALTH_FAILURES = 3
"""A child that hangs is killed after at most 5 + 3 x 5 s: well before the 60 s for which its last states count."""
STOP_S = 10.0
LOG_LIMIT_BYTES = 10 * 1024 * 1024
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """How to run one part: `health` is a URL that answers 2xx when the child is ready."""

    name: str
    argv: Sequence[str]
    url: str
    health: str
    log: Path
    env: Mapping[str, str] = field(default_factory=dict)
    start_timeout_s: float = 60.0


def restart_delay(recent_restarts: int) -> float:
    """Seconds to wait before the next start: 0.5, 1, 2, 4, 4, ... so that a kill is mended within 5 s."""
    return float(min(FIRST_RESTART_S * 2**recent_restarts, LONGEST_RESTART_S))


def _die_with_parent(parent: int) -> Callable[[], None]:
    libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None

    def prepare() -> None:
        if libc is not None:
            libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
            if os.getppid() != parent:
                os._exit(1)  # the parent died before prctl took hold

    return prepare


class Child:
    """One child: its process, its status for the run file, its restarts."""

    def __init__(self, spec: ChildSpec, changed: Callable[[], None]) -> None:
        self.spec = spec
        self.status = ChildStatus(name=spec.name, url=spec.url)
        self._changed = changed
        self._process: subprocess.Popen[bytes] | None = None
        self._recent = 0
        self._stopping = False
        self._watcher: asyncio.Task[None] | None = None

    async def start(self, client: httpx.AsyncClient) -> None:
        """Start the child, wait until it is ready, then keep watching it.

        Raises:
            StartError: it ended or did not become ready in time; the message quotes the end of its log.
        """
        self._spawn()
        deadline = time.monotonic() + self.spec.start_timeout_s
        while not await self._healthy(client):
            if self._process is None or self._process.poll() is not None:
                raise StartError(f"{self.spec.name} ended at once: {self._last_words()}")
            if time.monotonic() > deadline:
                raise StartError(
                    f"{self.spec.name} was not ready after {self.spec.start_timeout_s:.0f} s: {self._last_words()}"
                )
            await asyncio.sleep(0.1)
        self._set("up")
        self._watcher = asyncio.create_task(self._watch(client), name=f"watch {self.spec.name}")

    async def stop(self) -> None:
        """End the child: TERM, and KILL if it is still there after ten seconds."""
        self._stopping = True
        if self._watcher is not None:
            self._watcher.cancel()
        process = self._process
        if process is not None and process.poll() is None:
            process.terminate()
            deadline = time.monotonic() + STOP_S
            while process.poll() is None and time.monotonic() < deadline:
                await asyncio.sleep(0.05)
            if process.poll() is None:
                process.kill()
                process.wait()
        self.status.pid = None
        self._set("stopped")

    def _spawn(self) -> None:
        self.spec.log.parent.mkdir(parents=True, exist_ok=True)
        self._trim_log()
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
        with self.spec.log.open("ab") as log:
            self._process = subprocess.Popen(
                list(self.spec.argv),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment | dict(self.spec.env),
                start_new_session=True,
                preexec_fn=_die_with_parent(os.getpid()),
            )
        self.status.pid = self._process.pid
        self.status.since = utc_now()

    def _set(self, state: str) -> None:
        self.status.state = state
        self._changed()

    async def _watch(self, client: httpx.AsyncClient) -> None:
        up_since = time.monotonic()
        next_check = up_since + HEALTH_INTERVAL_S
        failures = 0
        while not self._stopping:
            await asyncio.sleep(0.25)
            now = time.monotonic()
            assert self._process is not None
            if self._process.poll() is None:
                if now < next_check:
                    continue
                next_check = now + HEALTH_INTERVAL_S
                failures = 0 if await self._healthy(client) else failures + 1
                if failures == 0:
                    self._mark_healthy()
                if failures < HEALTH_FAILURES:
                    continue
                self._note(f"no answer to {HEALTH_FAILURES} health checks: killed")
                self._process.kill()
                self._process.wait()
            self._recent = 0 if now - up_since > SETTLED_S else self._recent
            self._note(f"ended with status {self._process.returncode}: starting it again")
            self.status.restarts += 1
            self._set("restarting")
            failures = 0
            await self._start_again()
            up_since = time.monotonic()
            next_check = up_since + 1.0

    async def _start_again(self) -> None:
        """Start the child as often as it takes: a full disk or a program being upgraded is not for ever."""
        while True:
            await asyncio.sleep(restart_delay(self._recent))
            self._recent += 1
            try:
                self._spawn()
            except OSError as error:
                self._note(f"cannot be started ({error.strerror}): trying again")
            else:
                return

    def _mark_healthy(self) -> None:
        if self.status.state != "up":
            self._set("up")

    async def _healthy(self, client: httpx.AsyncClient) -> bool:
        try:
            return (await client.get(self.spec.health, timeout=HEALTH_TIMEOUT_S)).is_success
        except httpx.HTTPError:
            return False

    def _note(self, text: str) -> None:
        with contextlib.suppress(OSError):  # nobody may be reading any more: that ends no child
            print(f"  ! {self.spec.name}: {text} (log: {self.spec.log})", file=sys.stderr)  # noqa: T201

    def _trim_log(self) -> None:
        if self.spec.log.exists() and self.spec.log.stat().st_size > LOG_LIMIT_BYTES:
            self.spec.log.replace(self.spec.log.with_suffix(".log.1"))

    def trim_running_log(self) -> None:
        """Keep the log of a long-lived child bounded: keep its tail in `.log.1` and empty it in place."""
        if self.spec.log.stat().st_size > LOG_LIMIT_BYTES:
            text = self.spec.log.read_bytes()[-LOG_LIMIT_BYTES // 2 :]
            self.spec.log.with_suffix(".log.1").write_bytes(text)
            os.truncate(self.spec.log, 0)

    def _last_words(self) -> str:
        try:
            lines = self.spec.log.read_text(errors="replace").strip().splitlines()[-4:]
        except OSError:
            lines = []
        return (" | ".join(lines) or "it said nothing") + f" (log: {self.spec.log})"
