"""Evaluates the part of Azure's policy language that our rules use, so that a rule can be tried on a resource.

Turns (rule, parameters, resource) into the effect, or None where the rule does not apply. Written from "Azure Policy
definition structure: policy rule" (Microsoft Learn); whatever a rule uses beyond this part is an error, not a guess.
A resource is ARM's JSON (`type`, `name`, `location`, `tags`, `sku`, `properties`) and `resourceGroup` beside it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

MISSING = object()
_TOP = ("type", "name", "location", "tags", "kind", "id", "fullName")


class UnknownLanguageError(Exception):
    """A rule uses something that this evaluator does not know."""


@dataclass(frozen=True)
class Scope:
    """What expressions can see: parameters, the resource, the names bound by counts around."""

    parameters: Mapping[str, Any]
    resource: Mapping[str, Any]
    current: Mapping[str, Any] = field(default_factory=dict)
    members: Mapping[str, Any] = field(default_factory=dict)  # by array alias: the member that a count looks at


def effect(rule: Mapping[str, Any], parameters: Mapping[str, Any], resource: Mapping[str, Any]) -> str | None:
    """The rule's effect on the resource, in lower case; None when its condition does not hold."""
    scope = Scope(parameters, resource)
    return str(value_of(rule["then"]["effect"], scope)).lower() if holds(rule["if"], scope) else None


def holds(condition: Mapping[str, Any], scope: Scope) -> bool:
    """Whether a condition holds."""
    if "allOf" in condition:
        return all(holds(c, scope) for c in condition["allOf"])
    if "anyOf" in condition:
        return any(holds(c, scope) for c in condition["anyOf"])
    if "not" in condition:
        return not holds(condition["not"], scope)
    rest = {k: v for k, v in condition.items() if k not in {"field", "value", "count"}}
    if len(rest) != 1 or len(condition) != 2:
        raise UnknownLanguageError(f"condition with {sorted(condition)}")
    ((operator, raw),) = rest.items()
    if "field" in condition:
        found = field_of(str(value_of(condition["field"], scope)), scope)
    elif "value" in condition:
        found = value_of(condition["value"], scope)
    else:
        found = _count(condition["count"], scope)
    try:
        compare = OPERATORS[operator]
    except KeyError:
        raise UnknownLanguageError(operator) from None
    return compare(found, value_of(raw, scope))


def _count(count: Mapping[str, Any], scope: Scope) -> int:
    if "value" in count:
        members = value_of(count["value"], scope)
        inner = [
            Scope(scope.parameters, scope.resource, {**scope.current, count["name"]: m}, scope.members) for m in members
        ]
    else:
        alias = count["field"]
        members = field_of(alias, scope)
        members = members if isinstance(members, list) else []
        inner = [Scope(scope.parameters, scope.resource, scope.current, {**scope.members, alias: m}) for m in members]
    return sum(holds(count["where"], s) for s in inner)


def field_of(name: str, scope: Scope) -> Any:
    """The value of a field or alias; MISSING where the resource has none or is of another type."""
    if tag := re.fullmatch(r"tags\[(.+)\]", name):
        return (scope.resource.get("tags") or {}).get(tag[1], MISSING)
    if name in _TOP:
        return scope.resource.get(name, MISSING)
    for alias, member in scope.members.items():
        if name == alias:
            return member
        if name.startswith(alias + "."):
            return _walk(member, name.removeprefix(alias + ".").split("."))
    kind = str(scope.resource["type"])
    if not name.lower().startswith(kind.lower() + "/"):
        return MISSING
    path = name[len(kind) + 1 :].removesuffix("[*]").split(".")
    found = _walk(scope.resource, path)
    return found if found is not MISSING else _walk(scope.resource.get("properties", {}), path)


def _walk(value: Any, path: list[str]) -> Any:
    for word in path:
        if not isinstance(value, Mapping) or word not in value:
            return MISSING
        value = value[word]
    return value


def value_of(text: Any, scope: Scope) -> Any:
    """A literal, or the value of an expression in brackets."""
    if not isinstance(text, str) or not text.startswith("[") or text.startswith("[["):
        return text
    value, rest = _expression(text[1:-1].strip(), scope)
    if rest:
        raise UnknownLanguageError(text)
    return value


def _expression(text: str, scope: Scope) -> tuple[Any, str]:
    if literal := re.match(r"'((?:[^']|'')*)'", text):
        return literal[1].replace("''", "'"), text[literal.end() :].lstrip()
    call = re.match(r"(\w+)\(", text)
    if not call:
        raise UnknownLanguageError(text)
    rest, arguments = text[call.end() :].lstrip(), []
    while not rest.startswith(")"):
        argument, rest = _expression(rest, scope)
        arguments.append(argument)
        rest = rest.removeprefix(",").lstrip()
    rest = rest[1:].lstrip()
    value = _call(call[1], arguments, scope)
    while rest.startswith((".", "[")):
        if word := re.match(r"\.(\w+)", rest):
            key, rest = word[1], rest[word.end() :]
        else:
            key, rest = _expression(rest[1:], scope)
            rest = rest.removeprefix("]")
        value = value.get(key, "") if isinstance(value, Mapping) else ""
    return value, rest


def _call(name: str, arguments: list[Any], scope: Scope) -> Any:
    if name == "parameters":
        return scope.parameters[arguments[0]]
    if name == "current":
        return scope.current[arguments[0]]
    if name == "concat":
        return "".join(arguments)
    if name == "resourceGroup":
        return scope.resource.get("resourceGroup", {})
    raise UnknownLanguageError(name)


def _text(value: Any) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else str(value).lower()


def _equal(found: Any, wanted: Any) -> bool:
    return found is not MISSING and _text(found) == _text(wanted)


def _like(found: Any, pattern: Any) -> bool:
    if found is MISSING:
        return False
    return re.fullmatch(".*".join(map(re.escape, _text(pattern).split("*", 1))), _text(found)) is not None


def _has_key(found: Any, key: Any) -> bool:
    return isinstance(found, Mapping) and _text(key) in {_text(k) for k in found}


OPERATORS: Mapping[str, Callable[[Any, Any], bool]] = {
    "equals": _equal,
    "notEquals": lambda a, b: not _equal(a, b),
    "in": lambda a, b: any(_equal(a, x) for x in b),
    "notIn": lambda a, b: not any(_equal(a, x) for x in b),
    "like": _like,
    "contains": lambda a, b: a is not MISSING and _text(b) in _text(a),
    "containsKey": _has_key,
    "notContainsKey": lambda a, b: not _has_key(a, b),
    "exists": lambda a, b: (a is not MISSING) == (_text(b) == "true"),
    "greater": lambda a, b: a > b,
    "less": lambda a, b: a < b,
}
