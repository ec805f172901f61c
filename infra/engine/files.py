"""Stack files read so that a broken one is a sentence, and a rehearsal's files written for us alone.

Turns a path into the mapping in it; makes folders with mode 0700 and files with mode 0600, whatever the umask.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import yaml

from infra.core.errors import InfraError

ENCRYPTION = ("encryptionsalt", "secretsprovider", "encryptedkey")  # a stack file's keys beside `config`


def read(file: Path) -> str:
    """The file's text; empty where there is none.

    Raises:
        InfraError: it is a folder, may not be read, or is not UTF-8.
    """
    try:
        return file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
    except UnicodeDecodeError as error:
        raise InfraError(
            f"{file} is not written in UTF-8 ({error.reason} at byte {error.start}); correct it"
        ) from error
    except OSError as error:
        raise InfraError(f"{file} cannot be read: {error.strerror}; it must be a stack's file") from error


def document(text: str, file: Path) -> dict[str, Any]:
    """The mapping in a stack file's text; its `config`, if any, is a mapping too.

    Raises:
        InfraError: it is no YAML, or something else than a mapping.
    """
    try:
        found = yaml.safe_load(text) or {}
    except (yaml.YAMLError, ValueError) as error:
        where = str(getattr(error, "problem_mark", "") or error).strip()
        raise InfraError(f"{file} cannot be read as YAML ({where}); correct the file") from error
    if not isinstance(found, dict) or not isinstance(found.get("config") or {}, dict):
        raise InfraError(f"{file} is no mapping with 'config:' and keys below it; correct the file")
    return found


def load(file: Path) -> dict[str, Any]:
    """The mapping in a stack file; empty where there is none.

    Raises:
        InfraError: as for `read` and `document`.
    """
    return document(read(file), file)


def private(folder: Path) -> None:
    """Make a folder, and each level above it that is missing, for us alone; one that is there and empty becomes so.

    Raises:
        InfraError: a file stands in its place, or it may not be made.
    """
    try:
        missing = [each for each in (folder, *folder.parents) if not each.exists()]
        for each in reversed(missing):
            each.mkdir(mode=0o700, exist_ok=True)
        if not missing and not any(folder.iterdir()) and folder.stat().st_uid == os.getuid():
            folder.chmod(0o700)
    except OSError as error:
        raise InfraError(f"{folder} cannot be a rehearsal's folder: {error.strerror}") from error


def write(file: Path, text: str) -> None:
    """Write a file that only we can read."""
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as out:
        os.fchmod(out.fileno(), 0o600)  # an older one may be open to others
        out.write(text)
