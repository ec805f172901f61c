"""Records the two layers with chosen configuration; a fixed day, so that the dated exemptions stay valid here."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from datetime import date

import inventory
from infra import programme
from infra.core.arm import arm_type
from infra.core.stacks import parse
from infra.graph.model import Graph, Json, Node
from infra.graph.record import record
from infra.graph.world import read_config

TODAY = date(2026, 12, 1)
BOOTSTRAP = {"version": "1", "pipeline_principal_id": "deployer", "preview_principal_id": "looker"}


@functools.cache
def tables() -> inventory.Inventory:
    """The shipped inventory."""
    return inventory.load(inventory.packaged_tables())


def recorded(name: str, *, preview: bool = False, **changes: str) -> Graph:
    """The graph of a stack with its committed configuration and `changes` (camelCase keys, values as the engine's)."""
    stack = parse(name)
    raw: Mapping[str, str] = {**read_config(stack).values, **changes}

    def run() -> None:
        context = programme.prepare(raw, stack.name, tables(), TODAY)
        programme.programme_of(stack)(context)

    return record(stack, run, raw, references={f"bootstrap-{stack.environment}": BOOTSTRAP}, preview=preview)


def refused(name: str, today: date = TODAY, **changes: str) -> str:
    """The text of the refusal that a configuration gets; empty when it gets none."""
    stack = parse(name)
    try:
        programme.prepare({**read_config(stack).values, **changes}, stack.name, tables(), today)
    except programme.InfraError as error:
        return str(error)
    return ""


def as_arm(node: Node, groups: Mapping[str, Json]) -> dict[str, Json]:
    """A recorded resource as Azure's policy would see it: flattened inputs are put back under `properties`."""
    inputs = dict(node.inputs)
    inner = inputs.pop("properties", {})
    rest = {k: v for k, v in inputs.items() if k not in {"location", "tags", "sku", "kind", "identity"}}
    found: dict[str, Json] = {k: v for k, v in inputs.items() if k not in rest}
    return {
        **found,
        "type": arm_type(node.type).arm_type,
        "name": node.id.rpartition("/")[2],
        "properties": {**rest, **(inner if isinstance(inner, dict) else {})},
        "resourceGroup": groups.get(str(inputs.get("resourceGroupName", "")), {}),
    }
