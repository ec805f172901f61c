"""The policies as Pulumi's engine wants them: each rule behind the policy SDK's classes.

Turns what the engine sends (inputs that may be unknown, options, edges) into `Resource` and reports what the rules
say. The SDK unwraps secrets before validations see them but not before remediations, so that `secrets-marked` refuses
missing additional_secret_outputs and marks unmarked inputs itself; in-process the same policy refuses both.
Building the pack starts a server that never returns: only `__main__` does it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from functools import partial
from operator import getitem
from typing import Any

import pulumi_policy as sdk
from pulumi_policy import proxy
from pulumi_policy.proxy import UnknownValueError

from infra.core import clock
from infra.graph.model import UNKNOWN, Json
from infra.policy.catalogue import POLICIES
from infra.policy.model import AZURE, Policy, Resource
from infra.policy.rules.secrecy import secret_inputs

# How the engine sends unknown values; the SDK raises for them in validations and passes them on in remediations.
_SENTINELS = frozenset(v for k, v in vars(proxy).items() if k.startswith("UNKNOWN_") and isinstance(v, str))
# A day to judge exceptions by, instead of the current one: tests and "what runs out by then?".
_SCHEMA = sdk.PolicyConfigSchema({"today": {"type": "string", "format": "date"}})


def build() -> list[sdk.Policy]:
    """All policies as the SDK's objects."""
    return [_stack_policy(p) if p.stack_rule else _resource_policy(p) for p in POLICIES]


def _level(policy: Policy) -> sdk.EnforcementLevel:
    if policy.marks:
        return sdk.EnforcementLevel.REMEDIATE  # reported as mandatory when it fires in a validation
    return sdk.EnforcementLevel(policy.level)


def _resource_policy(policy: Policy) -> sdk.Policy:
    rule = policy.rule
    assert rule is not None

    def validate(args: sdk.ResourceValidationArgs, report: sdk.ReportViolation) -> None:
        if not (policy.every or args.resource_type.startswith(AZURE)):
            return
        resource = Resource(
            urn=args.urn,
            type=args.resource_type,
            name=args.name,
            inputs=plain(args.props),
            protect=args.opts.protect,
            secret_outputs=frozenset(args.opts.additional_secret_outputs),
        )
        for message in rule(resource, _today(args.get_config())):
            report(message, None)

    return sdk.ResourceValidationPolicy(
        name=policy.name,
        description=policy.title,
        enforcement_level=_level(policy),
        remediation_steps=policy.remedy,
        config_schema=_SCHEMA,
        validate=validate,
        remediate=_mark if policy.marks else None,  # type: ignore[arg-type] # typed for coroutines, takes plain values
    )


def _stack_policy(policy: Policy) -> sdk.Policy:
    rule = policy.stack_rule
    assert rule is not None

    def validate(args: sdk.StackValidationArgs, report: sdk.ReportViolation) -> None:
        resources = [_in_stack(r) for r in args.resources if r.resource_type.startswith(AZURE)]
        for urn, message in rule(resources):
            report(message, urn)

    return sdk.StackValidationPolicy(
        name=policy.name,
        description=policy.title,
        enforcement_level=_level(policy),
        remediation_steps=policy.remedy,
        validate=validate,
    )


def _in_stack(resource: sdk.PolicyResource) -> Resource:
    return Resource(
        urn=resource.urn,
        type=resource.resource_type,
        name=resource.name,
        inputs=plain(resource.props),
        protect=resource.opts.protect,
        secret_outputs=frozenset(resource.opts.additional_secret_outputs),
        edges={k: tuple(r.urn for r in v) for k, v in resource.property_dependencies.items()},
    )


def _today(config: Mapping[str, Any]) -> date:
    given = config.get("today")
    return date.fromisoformat(given) if given else clock.today()


def plain(props: Mapping[str, Any]) -> dict[str, Json]:
    """The SDK's proxies as plain data: unknown values become `UNKNOWN`, whole numbers are integers again."""
    return {key: _value(partial(getitem, props, key)) for key in props}


def _value(read: Callable[[], Any]) -> Json:
    try:
        value = read()
    except UnknownValueError:
        return UNKNOWN
    if isinstance(value, str):
        return UNKNOWN if value in _SENTINELS else value
    if isinstance(value, Mapping):
        return plain(value)
    if isinstance(value, Sequence):
        return [_value(partial(getitem, value, n)) for n in range(len(value))]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if value is None or isinstance(value, (bool, int, float)) else str(value)


def _mark(args: sdk.ResourceValidationArgs) -> Mapping[str, Any] | None:
    """The properties with every unmarked secret marked, None when there is nothing to mark."""
    if not args.resource_type.startswith(AZURE):
        return None
    raw = _unwrapped(args.props)
    resource = Resource(args.urn, args.resource_type, args.name, plain(args.props))
    changed = False
    for path in secret_inputs(resource):
        changed |= _mark_at(raw, list(_steps(path)))
    return raw if changed else None


def _unwrapped(value: Any) -> Any:
    """The SDK's proxies off, its `Secret` marks kept."""
    if isinstance(value, sdk.Secret):
        return sdk.Secret(_unwrapped(value.value))
    if isinstance(value, Mapping) and not isinstance(value, dict):
        return _unwrapped(value["__target"])
    if isinstance(value, dict):
        return {k: _unwrapped(v) for k, v in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, (str, list)):
        return _unwrapped(value["__target"])  # type: ignore[call-overload] # the SDK's own key
    return [_unwrapped(v) for v in value] if isinstance(value, list) else value


def _steps(path: str) -> Iterator[str | int]:
    for word in re.findall(r"[^.\[\]]+", path):
        yield int(word) if word.isdecimal() else word


def _mark_at(holder: Any, steps: list[str | int]) -> bool:
    """Mark the value at `steps`; False when it, or something around it, is marked already."""
    for step in steps[:-1]:
        holder = holder[step]
        if isinstance(holder, sdk.Secret):
            return False
    last = steps[-1]
    if isinstance(holder[last], sdk.Secret):
        return False
    holder[last] = sdk.Secret(holder[last])
    return True
