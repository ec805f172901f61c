"""What a collector is, and how it reads files: again only when it has changed, a broken one alone ends nothing.

Turns a folder into parsed values plus the list of files that could not be read, each with the reason in one sentence.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from prometheus_client.core import Metric

from exporters.common.errors import ExporterError

T = TypeVar("T")

MOST_FILES = 1000
MOST_BYTES = 1 << 20
_Stamp = tuple[int, int, int]


class Unreadable(ExporterError):  # noqa: N818 - reads as what it is
    """A file says something that it should not; it is left out and counted, and the next scrape tries it again."""


@dataclass(frozen=True, slots=True)
class Gathered:
    """What one look gave: the metrics, how many files they come from, and by name what could not be read and why."""

    metrics: tuple[Metric, ...]
    files: int
    unreadable: Mapping[str, str]


class FleetCollector(Protocol):
    """One subject of the fleet exporter."""

    name: str

    def gather(self, now: float) -> Gathered:
        """Look at the subject at `now` (Unix seconds).

        Raises:
            Unreadable, OSError: nothing at all can be told; the exporter says so in its own metrics.
        """
        ...


class Files(Generic[T]):
    """The parsed files of a folder, remembered while modification time, size and inode stay as they are.

    What could not be read is not remembered: permissions change without a trace in those three.

    Args:
        parse: a file's name and bytes to a value.
    """

    def __init__(self, parse: Callable[[str, bytes], T]) -> None:
        self._parse = parse
        self._known: dict[Path, tuple[_Stamp, T]] = {}
        self.parsed = 0

    def read(self, paths: Iterable[Path]) -> tuple[dict[Path, T], dict[str, str]]:
        """The values of those files that can be read, and the reason by file name for those that cannot."""
        unreadable: dict[str, str] = {}
        known: dict[Path, tuple[_Stamp, T]] = {}
        for path in paths:
            try:
                known[path] = self._one(path)
            except FileNotFoundError:
                continue  # removed since the folder was listed
            except Unreadable as error:
                unreadable[shown(path)] = str(error)
            except OSError as error:
                unreadable[shown(path)] = f"cannot be read ({error.strerror})"
        self._known = known
        return {path: value for path, (_, value) in known.items()}, unreadable

    def _one(self, path: Path) -> tuple[_Stamp, T]:
        found = path.stat()
        stamp = (found.st_mtime_ns, found.st_size, found.st_ino)
        kept = self._known.get(path)
        if kept is not None and kept[0] == stamp:
            return kept
        if not stat.S_ISREG(found.st_mode):
            raise Unreadable("is no regular file")  # reading a pipe would hang the scrape
        if found.st_size > MOST_BYTES:
            raise Unreadable(f"has {found.st_size} bytes, at most {MOST_BYTES} are read")
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
        self.parsed += 1
        return stamp, self._parse(path.name, content)


def shown(path: Path) -> str:
    """A file's name as a label can carry it: bytes that are not UTF-8 are spelled out."""
    return os.fsencode(path.name).decode("utf-8", "backslashreplace")


def listed(folder: Path, fits: Callable[[str], bool]) -> list[Path]:
    """The files of a folder whose name fits, in order; none where there is no such folder.

    Raises:
        Unreadable: there are more than `MOST_FILES`.
        OSError: the folder cannot be listed.
    """
    try:
        names = sorted(name for name in os.listdir(folder) if fits(name))  # noqa: PTH208 - one stat less per file
    except FileNotFoundError:
        return []
    if len(names) > MOST_FILES:
        raise Unreadable(f"{folder} holds {len(names)} files, at most {MOST_FILES} are read")
    return [folder / name for name in names]
