"""What the twin keeps on disk: the state file (replaced atomically) and the ground-truth log (one JSON line an event).

The state file lets a restarted twin show the same world; the log is what an exercise is judged against, so it is only
ever appended to.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TypedDict, cast

from network_ops.twin.faults import Fault

from .engine import FaultEvent, SavedEngine

_FORMAT = 1


class StateError(Exception):
    """The state file is there but cannot be used, or cannot be written; the message says what to do."""


class SavedTwin(TypedDict):
    """The state file. `ports` are those last used, so that the map survives a restart."""

    format: int
    ports: dict[str, list[int]]
    engine: SavedEngine


def read_state(path: Path) -> SavedTwin | None:
    """The saved state; None if there is none yet.

    Raises:
        StateError: the file is unreadable, no JSON, or of another format.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as e:
        raise StateError(f"{path}: cannot read the twin's state: {e}; remove the file to start a fresh world") from e
    if not isinstance(document, dict) or document.get("format") != _FORMAT:
        raise StateError(f"{path}: not a twin's state of format {_FORMAT}; remove the file to start a fresh world")
    return cast("SavedTwin", document)


def write_state(path: Path, engine: SavedEngine, ports: dict[str, list[int]]) -> None:
    """Replace the state file in one step: a reader sees the old state or the new one.

    Raises:
        StateError: the disk is full or the folder not writable.
    """
    fresh = path.with_name(f"{path.name}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh.write_text(json.dumps(SavedTwin(format=_FORMAT, ports=ports, engine=engine)), encoding="utf-8")
        fresh.replace(path)
    except OSError as e:
        raise StateError(f"{path}: cannot save the twin's state: {e.strerror}; free space or fix the folder") from e


def append_event(path: Path, event: FaultEvent, fault: Fault) -> None:
    """Add an event to the ground-truth log.

    Raises:
        StateError: the disk is full or the folder not writable.
    """
    line = json.dumps({"event": event, **fault.to_json()}) + "\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            os.write(descriptor, line.encode())
        finally:
            os.close(descriptor)
    except OSError as e:
        raise StateError(f"{path}: cannot write the fault log: {e.strerror}; free space or fix the folder") from e
