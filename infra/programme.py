"""Runs the programme of the stack that the engine asks for: the one entry that all ways of running share.

Turns the engine's configuration and the inventory into a validated context, checks limits, and hands it to the
layer's programme. Refuses anything wrong before the first resource.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path

import pulumi
from pulumi.runtime.config import CONFIG

import inventory
from infra.components.base import Context
from infra.core import clock
from infra.core.errors import InfraError
from infra.core.stacks import PROJECT, StackId, parse_layer
from infra.settings import Common, settings_of
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

    stack = parse_layer(raw.get("layer", ""), raw.get("environment", ""))
    if stack.name != stack_name:
        raise InfraError(
            f"stack {stack_name} has the configuration of {stack.name}; set layer and environment in "
            f"infra/stacks/Pulumi.{stack_name}.yaml"
        )
    settings = settings_of(stack.kind, raw, stack.name)
    known = loaded or inventory.load(ROOT / settings.inventory)
    context = Context(stack, settings, known)
    day = today or clock.today()
    problems = settings.problems(stack.name, known, day) + limits.check(stack, settings, known)
    if problems:
        raise InfraError(f"stack {stack} cannot be deployed as configured; nothing was created", problems)
    return context


def _raw_config() -> Mapping[str, str]:
    """The engine's configuration less other layers' keys at their defaults, which Pulumi.yaml gives to every stack."""
    prefix = f"{PROJECT}:"
    raw = {k.removeprefix(prefix): v for k, v in CONFIG.get().items() if k.startswith(prefix)}
    return own_keys(raw)
