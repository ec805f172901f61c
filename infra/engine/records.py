"""What is remembered of each stack's last preview and last look for drift: one small JSON file a stack.

`noc infra preview` and `noc infra refresh --preview-only` write them; the fleet exporter reads them to tell how old a
preview is, whether it failed, and how much has drifted. Times are UTC in ISO 8601.
"""

from __future__ import annotations

import json
import os
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from infra.core.errors import InfraError
from infra.core.stacks import StackId

VERSION = 1
Result = Literal["same", "changes", "failed"]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PreviewRecord(_Frozen):
    """The last preview: `changes` counts steps by operation; `digest` is empty when it failed."""

    time: datetime
    result: Result
    changes: dict[str, int] = Field(default_factory=dict)
    digest: str = ""


class DriftRecord(_Frozen):
    """The last comparison of the state with Azure: how many resources are not as the state has them."""

    time: datetime
    resources: int
    result: Result


class StackRecord(_Frozen):
    """One stack's file."""

    version: Literal[1] = 1
    stack: str
    preview: PreviewRecord | None = None
    drift: DriftRecord | None = None


def read(stack: StackId, folder: Path) -> StackRecord:
    """The record of a stack; an empty one where there is no file yet.

    Raises:
        InfraError: the file is not one of ours; remove it.
    """
    path = folder / f"{stack.name}.json"
    try:
        return StackRecord.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return StackRecord(stack=stack.name)
    except (ValidationError, ValueError) as error:
        raise InfraError(f"{path} is no record of a preview; remove it") from error


def write_preview(stack: StackId, folder: Path, result: Result, changes: dict[str, int], digest: str) -> None:
    """Remember a preview that ended now."""
    found = PreviewRecord(time=datetime.now(UTC), result=result, changes=changes, digest=digest)
    _write(read(stack, folder).model_copy(update={"preview": found}), folder)


def write_drift(stack: StackId, folder: Path, result: Result, resources: int) -> None:
    """Remember a look for drift that ended now."""
    found = DriftRecord(time=datetime.now(UTC), resources=resources, result=result)
    _write(read(stack, folder).model_copy(update={"drift": found}), folder)


def forget(stack: StackId, folder: Path) -> None:
    """Remember nothing of a stack that is gone: nobody is to be told that its last preview is old."""
    (folder / f"{stack.name}.json").unlink(missing_ok=True)


def _write(record: StackRecord, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    content = json.dumps(record.model_dump(mode="json", exclude_none=True), indent=2) + "\n"
    replace_file(folder / f"{record.stack}.json", content)


def replace_file(path: Path, content: str) -> None:
    """Write a file so that a reader sees the old or the new text and never half of it; its mode stays."""
    mode = path.stat().st_mode & 0o777 if path.exists() else 0o644
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(mode)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
