"""The part of requirements.lock that a running NOC needs: no test tools, no deployment tools in its image.

Turns the lock and pyproject.toml into a lock of the project's own dependencies and what those need, hashes and markers
kept, by following the lock's `via` comments. Standard library only: it runs before anything is installed. Refuses a
dependency that the lock does not have.
"""

from __future__ import annotations

import argparse
import re
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path

_START = re.compile(r"^(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)(\[[^\]]*\])?==")
_VIA = re.compile(r"^\s+#\s+(?:via\s+)?(?P<by>[A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?(?P<file>\s+\(.*\))?\s*$")


class LockError(Exception):
    """The lock lacks what is asked for: make it again (`make lock`)."""


def normal(name: str) -> str:
    """A project's name as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def blocks(lock: str) -> dict[str, str]:
    """The text of each requirement, with its hashes and comments, by normal name."""
    found: dict[str, str] = {}
    name = ""
    for line in lock.splitlines(keepends=True):
        start = _START.match(line)
        if start:
            name = normal(start["name"])
            found[name] = line
        elif name:
            found[name] += line
    return found


def runtime(lock: str, roots: Iterable[str]) -> str:
    """The blocks that the roots need, in the lock's order.

    Args:
        lock: text of a lock with `via` comments.
        roots: requirements as in pyproject.toml (`uvloop>=0.21; sys_platform == 'linux'`) or bare names.

    Raises:
        LockError: a root is not in the lock.
    """
    known = blocks(lock)
    needs: dict[str, set[str]] = {}
    for name, text in known.items():
        for line in text.splitlines():
            via = _VIA.match(line)
            if via and not via["file"]:
                needs.setdefault(normal(via["by"]), set()).add(name)
    wanted: set[str] = set()
    waiting = [normal(re.split(r"[\s\[;<>=!~]", root.strip(), maxsplit=1)[0]) for root in roots]
    missing = sorted(set(waiting) - set(known))
    if missing:
        raise LockError(f"requirements.lock lacks {', '.join(missing)}: make it again with `make lock`")
    while waiting:
        name = waiting.pop()
        if name not in wanted:
            wanted.add(name)
            waiting += sorted(needs.get(name, ()))
    return "".join(text for name, text in known.items() if name in wanted)


def main() -> None:
    """Print the lock of the NOC itself; exit 2 when it cannot be made."""
    parser = argparse.ArgumentParser(description="The part of requirements.lock that a running NOC needs.")
    parser.add_argument("lock", type=Path)
    parser.add_argument("project", type=Path, help="pyproject.toml")
    parser.add_argument("--also", action="append", default=[], metavar="NAME", help="one more that is needed")
    options = parser.parse_args()
    project = tomllib.loads(options.project.read_text(encoding="utf-8"))["project"]
    try:
        sys.stdout.write(runtime(options.lock.read_text(encoding="utf-8"), [*project["dependencies"], *options.also]))
    except LockError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(2)


if __name__ == "__main__":
    main()
