"""Runs the programme of the stack that the engine asks for: the one entry that all ways of running share.

Turns the engine's configuration and the inventory into a validated context, checks limits, and hands it to the
layer's programme. Refuses anything wrong before the first resource.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from datetime import date
from functools import lru_cache
from pathlib import Path

import pulumi
from pulumi.runtime.config import CONFIG

import inventory
from infra.components.base import Context
from infra.core import clock
from infra.core.errors import InfraError, Problem
from infra.core.stacks import PROJECT, StackId, parse_layer
from infra.settings import Common, settings_of
from infra.settings.base import brief, shown
from infra.settings.schema import own_keys

ROOT = Path(__file__).parents[1]


def run(loaded: inventory.Inventory | None = None) -> None:
    """Run the programme of the stack in the engine's configuration.

    Args:
        loaded: the inventory, where the caller has it already; by default the folder that the configuration names.

    Raises:
        pulumi.RunError: with the list of everything that is wrong with the input; no resource was registered.
    """
    try:
        context = prepare(_raw_config(), pulumi.get_stack(), loaded)
    except (InfraError, inventory.InventoryError) as error:
        raise pulumi.RunError(str(error)) from error
    programme_of(context.stack)(context)


def programme_of(stack: StackId) -> Callable[[Context[Common]], None]:
    """The function that registers a layer's resources: `infra.programmes.<kind>.programme`."""
    function: Callable[[Context[Common]], None] = importlib.import_module(f"infra.programmes.{stack.kind}").programme
    return function


def prepare(
    raw: Mapping[str, str], stack_name: str, loaded: inventory.Inventory | None = None, today: date | None = None
) -> Context[Common]:
    """Settings, inventory and limits of a stack, all checked.

    Args:
        raw: configuration by key without the project's prefix.
        stack_name: the name that the engine knows the stack by; must be the configuration's.
        loaded: the inventory, where the caller has it already.
        today: the day (UTC) that dated exemptions are judged by; the machine's own by default.

    Raises:
        InfraError, inventory.InventoryError: with every fault found.
    """
    from infra.core import limits

    stack = _stack_of(raw, stack_name)
    settings = settings_of(stack.kind, raw, stack.name)
    known = loaded or tables(settings.inventory, stack.name)
    context = Context(stack, settings, known)
    day = today or clock.today()
    problems = settings.problems(stack.name, known, day) + limits.check(stack, settings, known)
    if problems:
        raise InfraError(f"stack {stack} cannot be deployed as configured; nothing was created", map(brief, problems))
    return context


def tables(folder: str, stack: str) -> inventory.Inventory:
    """The inventory that a stack's configuration names.

    Args:
        folder: value of the key `inventory`, relative to the repository's root.
        stack: name of the stack, for the messages.

    Raises:
        InfraError: there is no such folder.
        inventory.InventoryError: its tables cannot be used.
    """
    path = ROOT / folder
    try:
        found = path.is_dir()
    except (OSError, ValueError):  # longer than a path may be, or with a NUL
        found = False
    if not found:
        remedy = "name a folder of tables, relative to the repository's root"
        problem = brief(Problem(stack, "inventory", folder, "there is no such folder", remedy))
        raise InfraError(f"the configuration of stack {stack} cannot be used; nothing was created", [problem])
    return _loaded(path.resolve(), max((f.stat().st_mtime_ns for f in path.iterdir()), default=0))


@lru_cache(maxsize=2)
def _loaded(path: Path, changed: int) -> inventory.Inventory:
    """The tables of a folder; `changed` (nanoseconds) makes them be read again after a change."""
    return inventory.load(path)


def _stack_of(raw: Mapping[str, str], name: str) -> StackId:
    """The stack that a configuration is for.

    Raises:
        InfraError: layer or environment are missing, unknown, or those of another stack.
    """
    file, summary = f"infra/stacks/Pulumi.{name}.yaml", f"the configuration of stack {name} cannot be used"
    missing = [key for key in ("layer", "environment") if not raw.get(key)]
    if missing:
        remedy = f"write it under 'config:' in {file}"
        raise InfraError(summary, [Problem(name, f"{PROJECT}:{key}", "", "is missing", remedy) for key in missing])
    layer = shown(raw["layer"])
    try:
        stack = parse_layer(raw["layer"], raw["environment"])
    except InfraError as error:
        where = f"set layer and environment in {file}"
        problem = brief(Problem(name, "layer", layer, error.summary, where))
        raise InfraError(summary, [problem]) from error
    if stack.name != name:
        rule = f"stack {name} has the configuration of {shown(stack.name)}"
        problem = Problem(name, "layer", layer, rule, f"set layer and environment in {file}")
        raise InfraError(f"{rule}; nothing was created", [problem])
    return stack


def _raw_config() -> Mapping[str, str]:
    """The engine's configuration less other layers' keys at their defaults, which Pulumi.yaml gives to every stack."""
    prefix = f"{PROJECT}:"
    raw = {k.removeprefix(prefix): v for k, v in CONFIG.get().items() if k.startswith(prefix)}
    return own_keys(raw)
