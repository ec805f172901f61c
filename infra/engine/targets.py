"""Stacks as the verbs take them: a real one with its committed configuration, or one of a rehearsal.

Turns a stack's id into a `Target`: how to open it, what it would register (for the policy gate), its configuration.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import infra.programme
import inventory
from infra.core.errors import InfraError
from infra.core.stacks import StackId
from infra.engine import files, guards, workspace
from infra.engine.model import Target
from infra.graph import world
from infra.rehearsal.world import World
from inventory import Inventory


def real(stack: StackId, *, create: bool = False, tables: Inventory | None = None) -> Target:
    """The stack in Azure, with its committed configuration and the backend that the environment names.

    Args:
        stack: which.
        create: make it in the backend if it is not there yet.
        tables: the inventory, where the caller has it already.

    Raises:
        InfraError: no configuration file, or an inventory that cannot be used.
    """
    config = world.read_config(stack)
    known = tables or _inventory(config.values.get("inventory", ""))
    return Target(
        stack=stack,
        inventory=known,
        open=lambda: workspace.open_stack(stack, create=create),
        rehearsal=False,
        file=lambda: world.path_of(stack),
        config=config.values,
        recorded=lambda: guards.recorded(stack, known),
    )


def rehearsed(
    stack: StackId,
    azure: World,
    state_dir: Path,
    *,
    tables: Inventory | None = None,
    programme: Callable[[], None] | None = None,
    stack_files: Path = world.STACKS,
    project: Path = workspace.PROJECT_FILE,
) -> Target:
    """The stack in a rehearsal: its own copies of the files, a `World` instead of Azure.

    Args:
        stack: which.
        azure: what stands in for Azure.
        state_dir: the rehearsal's folder.
        tables: the inventory, where the caller has it already.
        programme: another programme than the stack's own; it is not gated by policies (tests).
        stack_files: folder of the stack files to copy from.
        project: the Pulumi.yaml to copy from.
    """
    known = tables or _inventory("")
    return Target(
        stack=stack,
        inventory=known,
        open=lambda: workspace.open_stack(
            stack,
            rehearsal=azure,
            state_dir=state_dir,
            stack_files=stack_files,
            project=project,
            programme=programme or infra.programme.run,
        ),
        rehearsal=True,
        file=lambda: workspace.Rehearsal(state_dir).stack_file(stack.name),
        recorded=None if programme else lambda: guards.recorded(stack, known, stack_files),
        folder=state_dir,
    )


def at(stack: StackId, rehearsal: Path | None, *, create: bool = False) -> Target:
    """The real stack, or the one of a rehearsal's folder.

    Args:
        stack: which.
        rehearsal: the folder (`noc infra rehearse --keep --folder`), made where it is missing; None means Azure.
        create: make a real stack in the backend if it is not there yet.

    Raises:
        InfraError: as for `real`; or the rehearsal's folder is a file.
    """
    if rehearsal is None:
        return real(stack, create=create)
    files.private(rehearsal)
    return rehearsed(stack, World(journal=workspace.Rehearsal(rehearsal).journal), rehearsal)


def _inventory(folder: str) -> Inventory:
    try:
        return inventory.load(workspace.ROOT / folder if folder else inventory.packaged_tables())
    except inventory.InventoryError as error:
        raise InfraError(str(error)) from error
