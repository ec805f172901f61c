"""What is refused before the engine is started: broken input, broken policies, stacks that only rehearse, protection.

Each guard turns facts into nothing (fine) or an error that names the remedy; none of them changes anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from infra.core.arm import NO_SUBSCRIPTION
from infra.core.errors import InfraError, Problem, RefusedError
from infra.core.stacks import NEEDS, PROJECT, StackId, parse
from infra.engine.model import Target
from infra.engine.recover import Pending
from infra.engine.steps import name_of, type_of
from infra.graph.model import Graph
from infra.settings import settings_of
from inventory import Inventory

_SHOWN = 3  # names of each type of protected resource


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
    """Refuse a real run of a stack that has no subscription, or any other id that is still all zeros.

    Raises:
        RefusedError: with one problem for each key, the subscription first.
    """
    keys = sorted(set(_zeros(_settings(stack, config))), key=lambda key: (key != "subscription", key))
    if keys:
        raise RefusedError(f"stack {stack} was not touched", [_zero(stack, key) for key in keys])


def _zero(stack: StackId, key: str) -> Problem:
    file = f"infra/stacks/Pulumi.{stack}.yaml"
    if key == "subscription":
        rule = "is no Azure subscription: this stack can only be rehearsed"
        remedy = f"rehearse it: noc infra rehearse {stack}; or set its subscription in {file}"
    else:
        rule, remedy = "is no id of anything in Azure or Entra", f"set {PROJECT}:{key} in {file}"
    return Problem(stack.name, key, NO_SUBSCRIPTION, rule, remedy)


def _settings(stack: StackId, config: Mapping[str, str]) -> object:
    """The stack's settings as plain values, with defaults; as written where they are wrong, which is told later."""
    from infra.graph.world import StackConfig, with_placeholders

    try:
        raw = with_placeholders(stack, StackConfig(config, frozenset())).values
        return settings_of(stack.kind, raw, stack.name).model_dump(by_alias=True)
    except InfraError:
        return {"subscription": NO_SUBSCRIPTION, **config}


def _zeros(value: object, path: str = "") -> Iterator[str]:
    """The keys whose value is the GUID of zeros; secrets are objects of their own and never looked into."""
    if value == NO_SUBSCRIPTION:
        yield path
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _zeros(item, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list | tuple):
        for number, item in enumerate(value):
            yield from _zeros(item, f"{path}[{number}]")


def finished(target: Target, pending: Iterable[Pending]) -> None:
    """Refuse to deploy onto a deployment that died in the middle: what it was creating would be created twice.

    Raises:
        RefusedError: with one problem for each operation that was under way.
    """
    stack = target.stack
    problems = [
        Problem(stack.name, name_of(p.urn), "", f"was {p.operation} when the engine died", p.id) for p in pending
    ]
    if problems:
        told = target.command("recover")
        raise RefusedError(
            f"stack {stack} was not touched: its last deployment died in the middle; run: {told}", problems
        )


def destroyable(target: Target, resources: Iterable[Mapping[str, Any]], others: Mapping[str, int]) -> None:
    """Refuse to destroy what is protected, or what another stack stands on.

    The engine refuses protected resources too, but one at a time, after it has deleted what comes before them.

    Args:
        target: the stack to destroy.
        resources: `deployment.resources` of its exported state.
        others: number of resources of each stack that exists, by name.

    Raises:
        RefusedError: with one problem for all protected resources, and one for each dependent stack.
    """
    stack = target.stack
    problems = _protected(target, [str(r["urn"]) for r in resources if r.get("protect")])
    for name, count in sorted(others.items()):
        try:
            other = parse(name.rpartition("/")[2])
        except InfraError:
            continue  # not one of ours
        if count and other.environment == stack.environment and stack.kind in NEEDS[other.kind]:
            rule = f"still has {count} resources and reads this stack's outputs"
            remedy = f"destroy it first: noc infra destroy {other}{target.place}"
            problems.append(Problem(stack.name, other.name, "", rule, remedy))
    if problems:
        raise RefusedError(f"stack {stack} was not destroyed; nothing was changed", problems)


def _protected(target: Target, urns: list[str]) -> list[Problem]:
    """One problem for all protected resources: how many of each type, a few names, one remedy."""
    names: dict[str, list[str]] = {}
    for urn in sorted(urns):
        names.setdefault(type_of(urn).rpartition(":")[2], []).append(name_of(urn))
    if not names:
        return []
    lines = [
        f"\n    {kind}: {len(all_)} protected, e.g. {', '.join(all_[:_SHOWN])}" for kind, all_ in sorted(names.items())
    ]
    remedy = f"set protect=False in the component and deploy that first: {target.command('up')}"
    if not target.rehearsal:  # there the engine's own command would look for the stack elsewhere
        remedy = f"on purpose: pulumi state unprotect URN -s {target.stack}; or {remedy}"
    rule = f"{len(urns)} are protected{''.join(lines)}\n    to destroy them all the same"
    return [Problem(target.stack.name, "resources", "", rule, remedy)]
