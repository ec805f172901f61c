"""A recorded deployment: what a stack's programme registers, as plain data that others read.

A `Node` is one registration with everything that the engine would be told (protect, parent, dependencies, secrets);
a `Graph` is one stack. Policies, invariants, plans, costs and the second opinion all read these and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeAlias

from infra.core.stacks import StackId

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
UNKNOWN = "<unknown>"  # a value that only the deployment itself will know


@dataclass(frozen=True, slots=True)
class Node:
    """One registered resource.

    `inputs` are wire names (camelCase) with secrets in the clear as recorded (only placeholders are ever recorded);
    `secrets` are the paths into `inputs` that were marked secret (`vpnLinkConnections[0].sharedKey`).
    `id` is the ARM id it would get (made from its inputs), empty for components. `depends_on` are URNs given
    explicitly, `data_edges` those that follow from inputs, by property.
    """

    urn: str
    type: str
    name: str
    parent: str
    custom: bool
    inputs: Mapping[str, Json]
    id: str = ""
    secrets: frozenset[str] = frozenset()
    protect: bool = False
    retain_on_delete: bool = False
    delete_before_replace: bool = False
    deleted_with: str = ""
    depends_on: tuple[str, ...] = ()
    data_edges: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    provider: str = ""
    version: str = ""
    aliases: int = 0
    ignore_changes: tuple[str, ...] = ()
    additional_secret_outputs: tuple[str, ...] = ()
    timeouts: Mapping[str, str] = field(default_factory=dict)
    import_id: str = ""

    @property
    def dependencies(self) -> frozenset[str]:
        """URNs of everything that must exist before this, explicit or by data."""
        return frozenset(self.depends_on).union(*self.data_edges.values()) - {self.urn}


@dataclass(frozen=True)
class Graph:
    """What one stack registers, by URN in order of registration, with its outputs and what recording cost."""

    stack: StackId
    nodes: Mapping[str, Node]
    outputs: Mapping[str, Json]
    secret_outputs: frozenset[str] = frozenset()
    reads: tuple[str, ...] = ()  # names of the stacks whose outputs were read
    duplicates: tuple[str, ...] = ()  # URNs registered more than once
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    peak_mib: float = 0.0

    def __iter__(self) -> Iterator[Node]:
        return iter(self.nodes.values())

    def __len__(self) -> int:
        return len(self.nodes)

    @cached_property
    def resources(self) -> tuple[Node, ...]:
        """The nodes that are real resources: no components, no stack, no providers, no stack references."""
        return tuple(n for n in self if n.custom and not n.type.startswith("pulumi:"))

    @cached_property
    def children(self) -> Mapping[str, tuple[Node, ...]]:
        """Direct children of each URN."""
        found: dict[str, list[Node]] = {}
        for node in self:
            found.setdefault(node.parent, []).append(node)
        return {urn: tuple(nodes) for urn, nodes in found.items()}

    def ancestors(self, node: Node) -> Iterator[Node]:
        """Parent, grandparent and so on, up to the stack."""
        while node.parent in self.nodes:
            node = self.nodes[node.parent]
            yield node

    def of_type(self, token: str) -> list[Node]:
        """The nodes of one type token, for instance `azure-native:network:VpnSite`."""
        return [n for n in self if n.type == token]
