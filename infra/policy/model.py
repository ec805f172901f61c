"""What rules look at and what they say: a resource as plain data, a policy, a violation.

A rule turns one `Resource` (or all of a stack) and today's date into sentences, each with what is wrong and the
remedy. It never sees Pulumi: the gate fills resources from recorded graphs, the pack from the engine's requests.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from typing import Literal

from infra.core.arm import ArmType, table
from infra.graph.model import UNKNOWN, Json

Level = Literal["mandatory", "advisory"]
AZURE = "azure-native:"


@dataclass(frozen=True)
class Leaf:
    """One scalar inside a resource's inputs: `properties.networkAcls.defaultAction`, its last key and its value."""

    path: str
    key: str
    value: Json


@dataclass(frozen=True)
class Resource:
    """One resource as a rule sees it.

    `secrets` are the input paths marked secret, None where the caller cannot know: the pack's SDK unwraps secrets
    before a validation sees them. `edges` are the URNs each input came from.
    """

    urn: str
    type: str
    name: str
    inputs: Mapping[str, Json]
    protect: bool = False
    secret_outputs: frozenset[str] = frozenset()
    secrets: frozenset[str] | None = None
    edges: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def stack(self) -> str:
        """The stack's name, which is part of the URN."""
        return self.urn.split("::", 1)[0].rpartition(":")[2]

    @property
    def environment(self) -> str:
        """`dev` or `prod`: the end of the stack's name."""
        return self.stack.rpartition("-")[2]

    @property
    def arm(self) -> ArmType | None:
        """The row of the type in arm_types.csv, None when there is none (recording refuses such a type)."""
        return table().get(self.type)

    @cached_property
    def leaves(self) -> tuple[Leaf, ...]:
        """Every scalar of the inputs, at any depth."""
        found: list[Leaf] = []
        _collect(self.inputs, "", "", found)
        return tuple(found)

    @cached_property
    def tags(self) -> Mapping[str, Json]:
        """The tags, empty when there are none."""
        found = self.inputs.get("tags")
        return found if isinstance(found, dict) else {}

    def tag(self, name: str) -> Json:
        """The value of a tag, None when there is none. Azure does not tell `Owner` from `owner`."""
        return self._folded_tags.get(name)

    @cached_property
    def _folded_tags(self) -> Mapping[str, Json]:
        return {name.casefold(): value for name, value in self.tags.items()}

    def text(self, key: str) -> str:
        """A top-level input when it is a known text, else nothing."""
        value = self.inputs.get(key)
        return value if isinstance(value, str) and value != UNKNOWN else ""


def _collect(value: object, path: str, key: str, found: list[Leaf]) -> None:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            _collect(inner, f"{path}.{name}" if path else name, name, found)
    elif isinstance(value, (list, tuple)):
        for position, inner in enumerate(value):
            _collect(inner, f"{path}[{position}]", key, found)
    else:
        found.append(Leaf(path, key, value))  # type: ignore[arg-type] # Json has no other scalars


ResourceRule = Callable[[Resource, date], Iterator[str]]
StackRule = Callable[[Sequence[Resource]], Iterator[tuple[str, str]]]  # (urn, sentence)


@dataclass(frozen=True)
class Policy:
    """One policy: its rule over single resources or over a whole stack, and how hard it is.

    `marks` says that the pack also puts right what it cannot refuse (Pulumi's remediation): it marks secrets.
    `every` says that the rule sees whatever is registered, components too; the others see resources of Azure only.
    """

    name: str
    title: str
    remedy: str
    level: Level = "mandatory"
    rule: ResourceRule | None = None
    stack_rule: StackRule | None = None
    marks: bool = False
    every: bool = False


@dataclass(frozen=True, slots=True, order=True)
class Violation:
    """One broken policy: where, which, how hard, and a sentence that ends with the remedy."""

    stack: str
    urn: str
    policy: str
    level: Level
    message: str

    def __str__(self) -> str:
        return f"{self.stack}: {self.urn.rpartition('::')[2] or 'stack'}: [{self.level} {self.policy}] {self.message}"
