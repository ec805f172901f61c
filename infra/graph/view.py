"""What invariants look at and what they say; the checks are in `invariants` and `site_invariants`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property

from infra.graph.model import Graph, Node
from infra.policy.gate import resource_of
from infra.policy.model import Resource
from infra.settings.base import Common
from inventory import Inventory


@dataclass(frozen=True, slots=True, order=True)
class Broken:
    """One broken invariant: stack, resource (empty: the stack itself), which, and a sentence."""

    stack: str
    urn: str
    invariant: str
    sentence: str

    def __str__(self) -> str:
        return f"{self.stack}: {self.urn.rpartition('::')[2] or 'stack'}: [{self.invariant}] {self.sentence}"


@dataclass(frozen=True)
class View:
    """Everything invariants look at: the graphs, the inventory they were made from, settings by stack name.

    `preview` says that the graphs were recorded as in a preview, where computed values are unknown.
    """

    graphs: tuple[Graph, ...]
    inventory: Inventory
    settings: Mapping[str, Common] = field(default_factory=dict)
    preview: bool = False
    today: date = date.min

    @cached_property
    def by_name(self) -> Mapping[str, Graph]:
        """Graphs by stack name."""
        return {g.stack.name: g for g in self.graphs}

    @cached_property
    def resources(self) -> tuple[tuple[Graph, Node, Resource], ...]:
        """Every real resource with its graph and as rules see it."""
        return tuple((g, n, resource_of(n)) for g in self.graphs for n in g.resources)


Found = Iterator[tuple[Graph, str, str]]  # graph, urn, sentence
Check = Callable[[View], Found]


@dataclass(frozen=True)
class Invariant:
    """A name and its check; the check's docstring is the sentence shown in documentation."""

    name: str
    check: Check
