"""What is refused before the engine is started: broken input, broken policies, stacks that only rehearse, protection.

Each guard turns facts into nothing (fine) or an error that names the remedy; none of them changes anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from infra.core.arm import NO_SUBSCRIPTION
from infra.core.errors import InfraError, Problem, RefusedError
from infra.core.stacks import NEEDS, StackId, parse
from infra.engine.recover import Pending
from infra.engine.steps import name_of, type_of
from infra.graph.model import Graph
from inventory import Inventory


def recorded(stack: StackId, inventory: Inventory, folder: Path | None = None) -> Graph:
    """What the stack's programme registers with its committed configuration.

    Raises:
        InfraError: with everything that is wrong with the input of the stack, or of those whose outputs it reads.
    """
    from infra.graph import world

    found = world.record_environment(stack.environment, inventory, [stack], folder=folder or world.STACKS)
    if stack.name not in found.graphs:
        problems = found.problems_of(stack.name) or found.problems
        raise InfraError(f"stack {stack} cannot be deployed as it is; the engine was not started", problems)
    return found.graphs[stack.name]


def policies(graph: Graph) -> list[str]:
    """The advice of the policies, as sentences.

    Raises:
        RefusedError: a mandatory policy is broken.
    """
    from infra import policy

    found = policy.evaluate([graph])
    broken = [
        Problem(v.stack, name_of(v.urn) or "stack", "", f"policy {v.policy}", v.message)
        for v in found
        if v.level == "mandatory"
    ]
    if broken:
        raise RefusedError(f"stack {graph.stack} breaks {len(broken)} policies; the engine was not started", broken)
    return [str(v) for v in found]


def deployable(stack: StackId, config: Mapping[str, str]) -> None:
    """Refuse a real run of a stack that has no subscription.

    Raises:
        RefusedError: the subscription is missing or all zeros.
    """
    value = config.get("subscription", NO_SUBSCRIPTION)
    if value == NO_SUBSCRIPTION:
        problem = Problem(
            stack.name,
            "subscription",
            value,
            "is no Azure subscription: this stack can only be rehearsed",
            f"rehearse it: noc infra rehearse {stack}; or set its subscription in infra/stacks/Pulumi.{stack}.yaml",
        )
        raise RefusedError(f"stack {stack} was not touched", [problem])


def finished(stack: StackId, pending: Iterable[Pending]) -> None:
    """Refuse to deploy onto a deployment that died in the middle: what it was creating would be created twice.

    Raises:
        RefusedError: with one problem for each operation that was under way.
    """
    problems = [
        Problem(stack.name, name_of(p.urn), "", f"was {p.operation} when the engine died", p.id) for p in pending
    ]
    if problems:
        raise RefusedError(
            f"stack {stack} was not touched: its last deployment died in the middle; run: noc infra recover {stack}",
            problems,
        )


def destroyable(stack: StackId, resources: Iterable[Mapping[str, Any]], others: Mapping[str, int]) -> None:
    """Refuse to destroy what is protected, or what another stack stands on.

    The engine refuses protected resources too, but one at a time, after it has deleted what comes before them.

    Args:
        stack: the stack to destroy.
        resources: `deployment.resources` of its exported state.
        others: number of resources of each stack that exists, by name.

    Raises:
        RefusedError: with one problem for each protected resource and each dependent stack.
    """
    problems = [
        Problem(
            stack.name,
            f"{type_of(str(r['urn'])).rpartition(':')[2]} {name_of(str(r['urn']))}",
            "",
            "is protected",
            "take protect away in its component and deploy that first: noc infra up",
        )
        for r in resources
        if r.get("protect")
    ]
    for name, count in sorted(others.items()):
        try:
            other = parse(name.rpartition("/")[2])
        except InfraError:
            continue  # not one of ours
        if count and other.environment == stack.environment and stack.kind in NEEDS[other.kind]:
            rule = f"still has {count} resources and reads this stack's outputs"
            problems.append(Problem(stack.name, other.name, "", rule, f"destroy it first: noc infra destroy {other}"))
    if problems:
        raise RefusedError(f"stack {stack} was not destroyed; nothing was changed", problems)
