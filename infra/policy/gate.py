"""Runs the policies over recorded graphs in this process: the gate before preview and up, and part of `check`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date

from infra.core import clock
from infra.graph.model import Graph, Node
from infra.policy.catalogue import POLICIES
from infra.policy.model import AZURE, Policy, Resource, Violation


def evaluate(
    graphs: Iterable[Graph], today: date | None = None, policies: Iterable[Policy] = POLICIES
) -> list[Violation]:
    """Every violation in the graphs, in order of stack, resource and policy.

    Args:
        graphs: recorded stacks.
        today: the day by which exceptions are judged; the current day (UTC) by default.
        policies: all of them by default.
    """
    day = today or clock.today()
    chosen = tuple(policies)
    return sorted(violation for graph in graphs for violation in _of_stack(graph, day, chosen))


def resource_of(node: Node) -> Resource:
    """A recorded node as a rule sees it."""
    return Resource(
        urn=node.urn,
        type=node.type,
        name=node.name,
        inputs=node.inputs,
        protect=node.protect,
        secret_outputs=frozenset(node.additional_secret_outputs),
        secrets=node.secrets,
        edges=node.data_edges,
    )


def _of_stack(graph: Graph, day: date, policies: tuple[Policy, ...]) -> Iterator[Violation]:
    registered = [resource_of(node) for node in graph]
    resources = [resource for resource in registered if resource.type.startswith(AZURE)]
    for policy in policies:
        if policy.rule:
            for resource in registered if policy.every else resources:
                for message in policy.rule(resource, day):
                    yield Violation(graph.stack.name, resource.urn, policy.name, policy.level, message)
        if policy.stack_rule:
            for urn, message in policy.stack_rule(resources):
                yield Violation(graph.stack.name, urn, policy.name, policy.level, message)
