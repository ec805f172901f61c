"""Brings a stack back after an engine that died in the middle: what was under way is taken into the state.

Turns the state's pending operations into resources with the ARM ids that they must have, and refreshes: what Azure has
made stays, what it has not is dropped. Creating again would fail ("cannot create already existing resource"), and
forgetting it would leave it to nobody. (`pulumi refresh --import-pending-creates` of 3.250 drops the operation without
taking the resource in.) Refuses while another deployment holds the stack's lock, unless told that it is dead.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pulumi import automation
from pulumi.automation.errors import CommandError, ConcurrentUpdateError

from infra.core.arm import NO_SUBSCRIPTION, resource_id
from infra.core.errors import EngineError, RefusedError


@dataclass(frozen=True, slots=True)
class Pending:
    """One operation (`creating`, `updating`, `deleting`) that was under way; `id` is the ARM id that it was about."""

    urn: str
    operation: str
    id: str


def pending(stack: automation.Stack, subscription: str = NO_SUBSCRIPTION) -> list[Pending]:
    """What the state says was under way.

    Args:
        stack: the stack.
        subscription: its Azure subscription, for the ids of what was being created.
    """
    return [_pending(entry, subscription) for entry in _export(stack)["deployment"].get("pending_operations") or []]


def recover(stack: automation.Stack, subscription: str = NO_SUBSCRIPTION, *, break_lock: bool = False) -> list[Pending]:
    """Take what was under way into the state, or drop it where Azure has no such resource, and refresh the rest.

    Args:
        stack: the stack.
        subscription: its Azure subscription.
        break_lock: the engine that holds the lock is known to be dead.

    Returns:
        What was under way; empty when the last deployment ended properly.

    Raises:
        RefusedError: someone holds the stack's lock.
        EngineError: the engine refused for another reason.
    """
    try:
        if break_lock:
            stack.cancel()
        state = _export(stack)
        entries = state["deployment"].pop("pending_operations", None) or []
        found = [_pending(entry, subscription) for entry in entries]
        for entry, each in zip(entries, found, strict=True):
            if each.operation == "creating":  # nothing can depend on it yet, so that the end is the right place
                state["deployment"].setdefault("resources", []).append(entry["resource"] | {"id": each.id})
        if found:
            _import(stack, state)
        stack.refresh()
    except ConcurrentUpdateError as error:
        raise RefusedError(
            f"stack {stack.name} is locked by a deployment; when you know that it is dead, say so (--break-lock)"
        ) from error
    except CommandError as error:
        raise EngineError(f"stack {stack.name} could not be brought back: {error}") from error
    return found


def _pending(entry: Mapping[str, Any], subscription: str) -> Pending:
    resource = entry["resource"]
    known = resource.get("id") or resource_id(resource["type"], resource.get("inputs") or {}, subscription)
    return Pending(resource["urn"], str(entry["type"]), known)


def _export(stack: automation.Stack) -> Any:
    """The state with its secrets encrypted; the Automation API's own export has them in the clear."""
    return json.loads(_run(stack, "export"))


def _import(stack: automation.Stack, state: Any) -> None:
    with tempfile.TemporaryDirectory(prefix="state-") as folder:
        file = Path(folder) / "state.json"
        file.write_text(json.dumps(state), encoding="utf-8")
        _run(stack, "import", "--file", str(file))


def _run(stack: automation.Stack, *arguments: str) -> str:
    workspace = stack.workspace
    command = ["stack", *arguments, "--stack", stack.name]
    return workspace.pulumi_command.run(command, workspace.work_dir, workspace.env_vars).stdout
