"""Which inputs a resource type has, from the installed SDK's typed args classes.

Turns (type token, inputs by wire name) into a list of faults: unknown and missing keys and wrong types, also in
nested objects, where the SDK itself looks at nothing that is given as a dict. Each class is read once and kept.
"""

from __future__ import annotations

import collections.abc
import enum
import importlib
import inspect
import sys
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from types import UnionType
from typing import Any

from pulumi import _types

from infra.rehearsal.wire import UNKNOWN

Fault = tuple[str, str]  # path of the input, what is wrong with it
_Check = Callable[[Any, str, list[Fault]], None]
_OUTPUT = typing.ForwardRef("Output[T]")  # how the SDK's Input[...] spells its third member
_SCALARS: Mapping[type, tuple[str, tuple[type, ...]]] = {
    str: ("text", (str,)),
    bool: ("true or false", (bool,)),
    int: ("a whole number", (int,)),
    float: ("a number", (int, float)),
}


@dataclass(frozen=True, slots=True)
class Shape:
    """An object's inputs: check of each by wire name, and which must be there."""

    checks: Mapping[str, _Check]
    required: frozenset[str]


def faults(token: str, inputs: Mapping[str, Any]) -> list[Fault]:
    """What is wrong with a resource's inputs; empty when nothing is.

    Args:
        token: type token, for instance `azure-native:network:VpnSite`.
        inputs: plain values by wire name; `UNKNOWN` passes every check.

    Raises:
        LookupError: the SDK has no such type.
    """
    found: list[Fault] = []
    _check_object(_shape(args_class(token)), inputs, "", found)
    return found


@cache
def args_class(token: str) -> type:
    """The SDK's class of a type's inputs: `XArgs`, or `XInitArgs` where `XArgs` is a nested type.

    Raises:
        LookupError: the SDK has no such type.
    """
    package, module_name, name = token.split(":")
    try:
        module = importlib.import_module(f"pulumi_{package.replace('-', '_')}.{module_name.replace('/', '.')}")
        home = sys.modules[getattr(module, name).__module__]
        return typing.cast("type", getattr(home, next(n for n in home.__all__ if n.endswith("Args"))))
    except (ImportError, AttributeError, KeyError, StopIteration):
        raise LookupError(f"the SDK has no resource type {token}") from None


@cache
def _shape(cls: type) -> Shape:
    names = _types.input_type_py_to_pulumi_names(cls)
    checks = {}
    for python_name, wire_name in names.items():
        getter = getattr(cls, python_name).fget
        checks[wire_name] = _check_of(inspect.get_annotations(getter).get("return", Any), cls.__module__)
    parameters = inspect.signature(cls).parameters.values()
    required = {names[p.name] for p in parameters if p.default is p.empty and p.name in names}
    return Shape(checks, frozenset(required))


def _check_object(shape: Shape, value: Any, path: str, found: list[Fault]) -> None:
    if not isinstance(value, dict):
        found.append((path, f"must be an object, not {value!r}"))
        return
    for key, item in value.items():
        inner = f"{path}.{key}" if path else key
        check = shape.checks.get(key)
        if check is None:
            near = get_close_matches(key, shape.checks, n=1, cutoff=0.5)
            found.append((inner, "is not known" + (f"; did you mean '{near[0]}'?" if near else "")))
        elif item is not None and item != UNKNOWN:
            check(item, inner, found)
    found += [(f"{path}.{key}" if path else key, "is missing") for key in sorted(shape.required - value.keys())]


def _check_of(annotation: Any, module: str) -> _Check:
    """The check of one annotation; what we cannot tell apart is not checked."""
    options = list(dict.fromkeys(_unwrapped(annotation)))
    checks = [_single(option, module) for option in options]
    if not checks or None in checks:
        return _anything
    known = [c for c in checks if c is not None]
    return known[0] if len(known) == 1 else _any_of(known)


def _unwrapped(annotation: Any) -> typing.Iterator[Any]:
    """The possible types of an input, without the SDK's wrappers (Input, Output, Awaitable, Optional)."""
    origin = typing.get_origin(annotation)
    if origin in (typing.Union, UnionType):
        for part in typing.get_args(annotation):
            yield from _unwrapped(part)
    elif origin is collections.abc.Awaitable:
        yield from _unwrapped(typing.get_args(annotation)[0])
    elif annotation is not type(None) and annotation != _OUTPUT:
        yield annotation


def _single(annotation: Any, module: str) -> _Check | None:
    origin = typing.get_origin(annotation)
    if origin is collections.abc.Sequence:
        return _list_of(_check_of(typing.get_args(annotation)[0], module))
    if origin is collections.abc.Mapping:
        return _map_of(_check_of(typing.get_args(annotation)[1], module))
    if annotation in _SCALARS:
        return _scalar(*_SCALARS[annotation])
    if isinstance(annotation, typing.ForwardRef):
        return _named(annotation.__forward_arg__, module)
    return _named(annotation, module) if isinstance(annotation, str) else None


def _named(name: str, module: str) -> _Check | None:
    """The check of a class given by name; looked up at first use, because nested types refer to each other."""
    base = name.rpartition(".")[2]
    cls = getattr(sys.modules[module], base, None)
    if cls is None:
        cls = getattr(sys.modules[module.rpartition(".")[0]], base, None)
    if isinstance(cls, type) and issubclass(cls, enum.Enum):
        return _enumeration([member.value for member in cls])
    if not isinstance(cls, type) or not _types.is_input_type(cls):
        return None

    def check(value: Any, path: str, found: list[Fault]) -> None:
        _check_object(_shape(cls), value, path, found)

    return check


def _anything(_value: Any, _path: str, _found: list[Fault]) -> None:
    return None


def _any_of(checks: list[_Check]) -> _Check:
    def check(value: Any, path: str, found: list[Fault]) -> None:
        attempts: list[list[Fault]] = []
        for each in checks:
            attempt: list[Fault] = []
            each(value, path, attempt)
            if not attempt:
                return
            attempts.append(attempt)
        fewest: list[Fault] = min(attempts, key=_length)
        found += fewest

    return check


def _length(attempt: list[Fault]) -> int:
    return len(attempt)


def _list_of(inner: _Check) -> _Check:
    def check(value: Any, path: str, found: list[Fault]) -> None:
        if not isinstance(value, list):
            found.append((path, f"must be a list, not {value!r}"))
            return
        for number, item in enumerate(value):
            if item != UNKNOWN:
                inner(item, f"{path}[{number}]", found)

    return check


def _map_of(inner: _Check) -> _Check:
    def check(value: Any, path: str, found: list[Fault]) -> None:
        if not isinstance(value, dict):
            found.append((path, f"must be a mapping, not {value!r}"))
            return
        for key, item in value.items():
            if item != UNKNOWN:
                inner(item, f"{path}.{key}", found)

    return check


def _scalar(word: str, types: tuple[type, ...]) -> _Check:
    def check(value: Any, path: str, found: list[Fault]) -> None:
        if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
            found.append((path, f"must be {word}, not {value!r}"))

    return check


def _enumeration(values: list[Any]) -> _Check:
    def check(value: Any, path: str, found: list[Fault]) -> None:
        if value not in values:
            found.append((path, f"must be one of {', '.join(map(str, values))}, not {value!r}"))

    return check
