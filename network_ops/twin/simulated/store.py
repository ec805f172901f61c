"""What the twin keeps on disk: the state file (replaced atomically) and the ground-truth log (one JSON line an event).

The state file lets a restarted twin show the same world; the log is what an exercise is judged against, so it is only
ever appended to, and an event is in it whole or not at all. Both are their owner's alone (mode 0600).
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import stat
from pathlib import Path

from network_ops.twin.faults import Fault

from .engine import FaultEvent, SavedEngine
from .saved import FORMAT, SavedTwin, ShapeError, checked


class StateError(Exception):
    """The state file is there but cannot be used, or cannot be written; the message says what to do."""


def read_state(path: Path) -> SavedTwin | None:
    """The saved state; None if there is none yet.

    Raises:
        StateError: the file is unreadable, no JSON, of another format or of the wrong shape.
    """
    remedy = "remove the file to start a fresh world"
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as e:
        raise StateError(f"{path}: cannot read the twin's state: {e}; {remedy}") from e
    try:
        return checked(document)
    except ShapeError as e:
        raise StateError(f"{path}: cannot use the twin's state: {e}; {remedy}") from e


def write_state(path: Path, engine: SavedEngine, ports: dict[str, list[int]]) -> None:
    """Replace the state file in one step: a reader sees the old state or the new one.

    Raises:
        StateError: the disk is full or the folder not writable.
    """
    fresh = path.with_name(f"{path.name}.new")
    text = json.dumps(SavedTwin(format=FORMAT, ports=ports, engine=engine))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(_open_private(fresh, os.O_WRONLY | os.O_TRUNC), "w", encoding="utf-8") as file:
            file.write(text)
        fresh.replace(path)
    except OSError as e:
        raise StateError(f"{path}: cannot save the twin's state: {e.strerror}; free space or fix the folder") from e


def append_event(path: Path, event: FaultEvent, fault: Fault) -> int:
    """Add an event to the ground-truth log.

    Returns:
        The log's former size in bytes, for `take_back`.

    Raises:
        StateError: the disk is full or the folder not writable; no part of the line is in the log.
    """
    line = (json.dumps({"event": event, **fault.to_json()}) + "\n").encode()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = _open_private(path, os.O_WRONLY | os.O_APPEND)
        try:
            size = os.fstat(descriptor).st_size
            if os.write(descriptor, line) != len(line):  # the disk filled up in the middle of the line
                os.ftruncate(descriptor, size)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return size
        finally:
            os.close(descriptor)
    except OSError as e:
        raise StateError(f"{path}: cannot write the fault log: {e.strerror}; free space or fix the folder") from e


def take_back(path: Path, size: int) -> None:
    """Cut the log back to `size` bytes: the event written last did not happen after all. Needs no free space."""
    with contextlib.suppress(OSError):
        os.truncate(path, size)


def _open_private(path: Path, flags: int) -> int:
    """Open or create a file that only its owner can read, also where an older version made it readable for all."""
    descriptor = os.open(path, flags | os.O_CREAT, 0o600)
    with contextlib.suppress(OSError):  # not our file: that it can be written is enough
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.fchmod(descriptor, 0o600)
    return descriptor
