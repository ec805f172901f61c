"""The second opinion on a recorded resource: which model of Microsoft's it is held to, and what does not fit.

`opinion_models.csv` says which model a type has, `opinion_without_model.csv` which types have none and why, and
`opinion_disagreements.csv` where the model is known to be wrong. A type must be in one of the first two.
"""

from __future__ import annotations

import csv
import functools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from opinion_names import compare_names
from opinion_shapes import shape_of
from opinion_walker import Fault, compare

from infra.core.arm import arm_type
from infra.graph.model import Json, Node

HERE = Path(__file__).parent
GENERIC = "azure-native:resources:Resource"  # any type of ARM's: its model goes by the ARM type
BESIDE = frozenset({"apiVersion"})  # inputs that are neither in the path nor in the body


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A fault that is the model's own: where, the value, why it is right nevertheless."""

    token: str
    path: str
    value: str
    reason: str


def _rows(name: str) -> list[dict[str, str]]:
    with (HERE / name).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@functools.cache
def models() -> Mapping[str, str]:
    """Model by type; a generic resource's type has the ARM type's last word behind it."""
    return {r["token"]: r["model"] for r in _rows("opinion_models.csv")}


@functools.cache
def without_model() -> Mapping[str, str]:
    """Why a type has no model, by type."""
    return {r["token"]: r["reason"] for r in _rows("opinion_without_model.csv")}


@functools.cache
def disagreements() -> tuple[Disagreement, ...]:
    """Where Microsoft's model is narrower than what Azure takes."""
    return tuple(Disagreement(**r) for r in _rows("opinion_disagreements.csv"))


def key_of(node: Node) -> str:
    """The type as the tables name it."""
    return f"{node.type}/{node.inputs.get('resourceType')}" if node.type == GENERIC else node.type


def body_of(node: Node) -> dict[str, Json]:
    """The inputs without the parameters of the path."""
    beside = arm_type(node.type).id_inputs | (BESIDE if node.type == GENERIC else frozenset())
    return {k: v for k, v in node.inputs.items() if k not in beside}


def faults(node: Node) -> Iterator[Fault]:
    """Everything that Microsoft's model or its client would not take.

    Raises:
        KeyError: the type is in neither table.
    """
    key = key_of(node)
    if key in without_model():
        return
    model = models()[key]
    yield from compare(shape_of(model), body_of(node))
    yield from compare_names(model.partition(".models:")[0], node)


def excused(node: Node, fault: Fault) -> Disagreement | None:
    """The listed disagreement that a fault is, if it is one."""
    path = re.sub(r"\[\d+\]", "[]", fault.path)
    for one in disagreements():
        if (one.token, one.path) == (node.type, path) and repr(one.value) in fault.text:
            return one
    return None
