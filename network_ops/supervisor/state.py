"""The state directory: where a NOC keeps what it must not lose, and where others find it running.

Gives paths, the lock that keeps a second NOC away, the internal token and the run file (`run.json`) that tells
other commands which children run where. Secrets are files of mode 0600; nothing secret is in the run file.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from network_ops.supervisor.errors import GuardError, StartError

MINIMUM_FREE_BYTES = 300 * 1024 * 1024
"""Prometheus' write-ahead log of a day at the shipped size, and then some."""
LOW_FREE_BYTES = 150 * 1024 * 1024
"""Below this a running NOC warns: when the disk is full, Prometheus stores nothing and no alert can come."""


@dataclass(frozen=True, slots=True)
class StateDir:
    """Paths below the state directory `root`."""

    root: Path

    @property
    def run_file(self) -> Path:
        """`run.json`: pid, children with URLs and restarts, start-up sweep."""
        return self.root / "run.json"

    @property
    def token_file(self) -> Path:
        """The bearer token that the parts use among themselves (mode 0600)."""
        return self.root / "secrets" / "internal.token"

    @property
    def database(self) -> Path:
        """The console's SQLite file."""
        return self.root / "console.sqlite"

    @property
    def infra_records(self) -> Path:
        """Where `noc infra` remembers each stack's last preview; the fleet exporter reads it."""
        return self.root / "infra" / "records"

    def free_bytes(self) -> int:
        """Room left on the disk of the state directory."""
        return shutil.disk_usage(self.root).free

    def logs(self, child: str) -> Path:
        """The log file of a child."""
        return self.root / "logs" / f"{child}.log"

    def prepare(self) -> None:
        """Create the directory with its token; check that it is writable and has room.

        Raises:
            StartError: it cannot be created or written, or the disk is (nearly) full.
        """
        try:
            for folder in ("logs", "secrets", "prometheus", "alertmanager", "monitoring"):
                (self.root / folder).mkdir(parents=True, exist_ok=True)
            self.root.chmod(0o700)  # accounts, sessions and what the network looks like: for its owner only
            if not self.token_file.exists() or not self.token_file.read_text().strip():
                self.token_file.unlink(missing_ok=True)
                self._write_secret(self.token_file, secrets.token_urlsafe(32))
        except OSError as error:
            raise StartError(
                f"the state directory {self.root} cannot be written ({error.strerror}): choose another with --state-dir"
            ) from error
        free = self.free_bytes()
        if free < MINIMUM_FREE_BYTES:
            raise StartError(
                f"the disk of {self.root} has {free // 2**20} MiB free and at least "
                f"{MINIMUM_FREE_BYTES // 2**20} are needed: free some space or choose another --state-dir"
            )

    @staticmethod
    def _write_secret(path: Path, text: str) -> None:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(text + "\n")

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the lock of this directory while the NOC runs; it is gone with the process, however that ends.

        Raises:
            GuardError: another NOC runs on this directory.
        """
        path = self.root / "lock"
        with path.open("a+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                file.seek(0)
                owner = file.read().strip() or "unknown"
                raise GuardError(
                    f"a NOC already runs on {self.root} (pid {owner}): stop it, or choose another --state-dir"
                ) from error
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
            yield
            file.truncate(0)


@dataclass(slots=True)
class ChildStatus:
    """What the run file says of a child: `state` is starting, up, restarting or stopped."""

    name: str
    url: str
    pid: int | None = None
    state: str = "starting"
    restarts: int = 0
    since: str = ""


@dataclass(slots=True)
class RunStatus:
    """The run file's content."""

    pid: int
    started_at: str
    twin: str
    inventory: str
    children: list[ChildStatus] = field(default_factory=list)
    sweep: dict[str, Any] | None = None
    first_pass_s: float | None = None
    disk_free_bytes: int | None = None
    ready: bool = False

    def write(self, path: Path) -> None:
        """Replace the run file in one step, so that no reader sees half of it."""
        draft = path.with_suffix(".draft")
        draft.write_text(json.dumps(asdict(self), indent=1) + "\n")
        draft.replace(path)


def read_run_file(state: StateDir) -> RunStatus:
    """The run file of a NOC that is running on this directory.

    Raises:
        StartError: no NOC runs there.
    """
    missing = StartError(f"no NOC runs on {state.root}: start one with `noc up`, or name its --state-dir")
    try:
        raw = json.loads(state.run_file.read_text())
    except (OSError, ValueError) as error:
        raise missing from error
    if not _alive(raw["pid"]):
        raise missing
    raw["children"] = [ChildStatus(**child) for child in raw["children"]]
    return RunStatus(**raw)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def end_leftovers(state: StateDir) -> list[int]:
    """Kill children that an earlier parent left behind (stopped ones survive its death); call it under the lock.

    Only processes named in the old run file whose command line names this state directory are touched.

    Returns:
        The pids that were killed.
    """
    try:
        children = json.loads(state.run_file.read_text())["children"]
        pids = [int(child["pid"]) for child in children if child.get("pid")]
    except (OSError, ValueError, KeyError, TypeError):
        return []
    killed = []
    for pid in pids:
        try:
            process = psutil.Process(pid)
            if any(str(state.root) in argument for argument in process.cmdline()):
                process.kill()
                process.wait(5.0)
                killed.append(pid)
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.TimeoutExpired):
            continue
    return killed


def utc_now() -> str:
    """Now as ISO 8601 in UTC, whole seconds."""
    return datetime.now(UTC).isoformat(timespec="seconds")
