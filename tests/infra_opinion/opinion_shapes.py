"""Reads Microsoft's management models, of both generations, into one plain form that inputs can be compared with.

Turns a model class into a `Shape`: its fields by the name on the wire, each with its type, whether it is read-only or
required, and its bounds. Older packages describe themselves with `_attribute_map` and `_validation` (and name the
enumerations in the docstring alone); newer ones with `rest_field` and type hints, without any bounds.
"""

from __future__ import annotations

import datetime
import decimal
import functools
import importlib
import re
import sys
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

Check = Callable[[Any], bool]
_DATE = re.compile(r"\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)?)?")
_DURATION = re.compile(r"P(?=.)(\d+Y)?(\d+M)?(\d+W)?(\d+D)?(T(?=.)(\d+H)?(\d+M)?(\d+(\.\d+)?S)?)?")


@dataclass(frozen=True)
class Scalar:
    """A value without parts: a word for messages and the test of a value."""

    word: str
    fits: Check


@dataclass(frozen=True)
class Enumeration:
    """A closed list of words; Azure does not mind their case."""

    name: str
    values: frozenset[str]


@dataclass(frozen=True)
class ListOf:
    """A list."""

    of: Kind


@dataclass(frozen=True)
class MapOf:
    """Free keys, values of one type."""

    of: Kind


@dataclass(frozen=True)
class OneOf:
    """Any of several types."""

    kinds: tuple[Kind, ...]


@dataclass(frozen=True)
class ModelOf:
    """A model, read when it is needed: models refer to each other in circles."""

    name: str
    load: Callable[[], Shape]


Kind = Scalar | Enumeration | ListOf | MapOf | OneOf | ModelOf


@dataclass(frozen=True)
class Field:
    """One field: name on the wire, name in Python, and what is known of its value."""

    wire: str
    python: str
    kind: Kind
    read_only: bool = False
    required: bool = False
    rules: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Shape:
    """A model: fields by wire name; `inner` are the levels that the model writes as one (`properties`).

    `subtypes` are by value of the field `discriminator`. `is_open` is true where any other key is allowed.
    """

    name: str
    fields: Mapping[str, Field]
    inner: Mapping[str, Shape] = field(default_factory=dict)
    discriminator: str = ""
    subtypes: Mapping[str, ModelOf] = field(default_factory=dict)
    is_open: bool = False


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


ANY = Scalar("anything", lambda _: True)
TEXT = Scalar("text", lambda v: isinstance(v, str))
WHOLE = Scalar("a whole number", lambda v: isinstance(v, int) and not isinstance(v, bool))
NUMBER = Scalar("a number", _is_number)
YES_NO = Scalar("true or false", lambda v: isinstance(v, bool))
DATE = Scalar("a date (ISO 8601)", lambda v: isinstance(v, str) and _DATE.fullmatch(v) is not None)
TIME = Scalar("a time of day", lambda v: isinstance(v, str))
DURATION = Scalar("a duration (ISO 8601)", lambda v: isinstance(v, str) and _DURATION.fullmatch(v) is not None)
_MSREST: Mapping[str, Kind] = {
    "str": TEXT,
    "int": WHOLE,
    "long": WHOLE,
    "unix-time": WHOLE,
    "float": NUMBER,
    "bool": YES_NO,
    "object": ANY,
    "iso-8601": DATE,
    "rfc-1123": TEXT,
    "date": DATE,
    "time": TIME,
    "duration": DURATION,
    "bytearray": TEXT,
    "base64": TEXT,
}
_HINTS: Mapping[Any, Kind] = {
    str: TEXT,
    int: WHOLE,
    float: NUMBER,
    decimal.Decimal: NUMBER,
    bool: YES_NO,
    bytes: TEXT,
    Any: ANY,
    object: ANY,
    datetime.datetime: DATE,
    datetime.date: DATE,
    datetime.time: TIME,
    datetime.timedelta: DURATION,
}


@functools.cache
def shape_of(path: str) -> Shape:
    """The shape of a model, `azure.mgmt.network.models:VpnSite`.

    Raises:
        AttributeError, ModuleNotFoundError: there is no such model.
    """
    module, _, name = path.partition(":")
    return _shape(getattr(importlib.import_module(module), name))


@functools.cache
def _shape(cls: type) -> Shape:
    return _older(cls) if hasattr(cls, "_attribute_map") else _newer(cls)


# Older generation


def _older(cls: Any) -> Shape:
    models = sys.modules[cls.__module__.rpartition(".")[0]]
    told = _docstring_types(cls)
    tree: dict[str, Any] = {}
    is_open = False
    for python, entry in cls._attribute_map.items():
        if not entry["key"]:
            is_open = True
            continue
        path = [p.replace("\\.", ".") for p in re.split(r"(?<!\\)\.", entry["key"])]
        rules = dict(cls._validation.get(python, {}))
        kind = _older_kind(entry["type"], models, told.get(python, ""))
        level = tree
        for word in path[:-1]:
            level = level.setdefault(word, {})
        read_only, required = rules.pop("readonly", False), rules.pop("required", False)
        rules.pop("constant", None)
        level[path[-1]] = Field(path[-1], python, kind, read_only, required, rules)
    discriminator, subtypes = "", {}
    for python, names in getattr(cls, "_subtype_map", {}).items():
        discriminator = cls._attribute_map[python]["key"]
        subtypes = {v: _model(getattr(models, name)) for v, name in names.items()}
    return _level(cls.__name__, tree, discriminator, subtypes, is_open)


def _level(
    name: str, tree: Mapping[str, Any], discriminator: str = "", subtypes: Any = None, is_open: bool = False
) -> Shape:
    fields = {k: v for k, v in tree.items() if isinstance(v, Field)}
    inner = {k: _level(f"{name}.{k}", v) for k, v in tree.items() if isinstance(v, dict)}
    return Shape(name, fields, inner, discriminator, subtypes or {}, is_open)


def _older_kind(text: str, models: Any, told: str) -> Kind:
    if text.startswith("["):
        return ListOf(_older_kind(text[1:-1], models, told))
    if text.startswith("{"):
        return MapOf(_older_kind(text[1:-1], models, told))
    if text == "str" and (named := re.search(r"str or ~[\w.]+\.(\w+)", told)):
        enum = getattr(models, named[1], None)
        return _enumeration(enum) if _is_enum(enum) else TEXT
    if text in _MSREST:
        return _MSREST[text]
    found = getattr(models, text)
    return _enumeration(found) if _is_enum(found) else _model(found)


def _docstring_types(cls: type) -> Mapping[str, str]:
    """The types that the docstrings of a class and its bases tell, by attribute."""
    found: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        flat = re.sub(r"\s+", " ", base.__doc__ or "")
        found.update(re.findall(r":vartype (\w+): (.*?)(?= :ivar| :vartype|$)", flat))
    return found


# Newer generation


def _newer(cls: Any) -> Shape:
    fields = {}
    for python, (rest, kind, optional) in _rest_fields(cls).items():
        wire = rest._rest_name_input or python
        read_only = rest._visibility == ["read"]
        required = not optional and not read_only and not rest._is_discriminator
        fields[wire] = Field(wire, python, kind, read_only, required)
    mapping = getattr(cls, "__mapping__", {})
    own = {v: c for v, c in mapping.items() if c is not cls and issubclass(c, cls)}
    discriminators = [r._rest_name_input or p for p, (r, _, _) in _rest_fields(cls).items() if r._is_discriminator]
    subtypes = {v: _model(c) for v, c in own.items()}
    return Shape(cls.__name__, fields, {}, discriminators[0] if discriminators and subtypes else "", subtypes)


def _rest_fields(cls: Any) -> dict[str, tuple[Any, Kind, bool]]:
    found: dict[str, tuple[Any, Kind, bool]] = {}
    for base in reversed(cls.__mro__):
        names = {k: v for k, v in vars(base).items() if type(v).__name__ == "_RestField"}
        if not names:
            continue
        module = sys.modules[base.__module__]
        models = sys.modules[base.__module__.rpartition(".")[0]]
        scope = {
            **vars(typing),
            **vars(models),
            **vars(module),
            "_models": models,
            "_unions": models,
            "datetime": datetime,
        }
        for python, rest in names.items():
            hint = base.__annotations__.get(python, "Any")
            found[python] = (rest, *_hint(_evaluated(hint, scope)))
    return found


def _evaluated(hint: Any, scope: Mapping[str, Any]) -> Any:
    class Holder:
        __annotations__ = {"x": hint}

    return typing.get_type_hints(Holder, globalns=dict(scope))["x"]


def _hint(hint: Any) -> tuple[Kind, bool]:
    """The kind of a type hint, and whether it may be absent."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        optional = type(None) in arguments
        kinds = [_hint(a)[0] for a in arguments if a is not type(None)]
        closed = [k for k in kinds if isinstance(k, Enumeration)]
        if closed and TEXT in kinds:  # "str or the enumeration" is how these packages write an enumeration
            kinds = [k for k in kinds if k is not TEXT]
        return (kinds[0] if len(kinds) == 1 else OneOf(tuple(kinds))), optional
    if origin is list:
        return ListOf(_hint(arguments[0])[0]), False
    if origin is dict or origin is Mapping:
        return MapOf(_hint(arguments[1])[0]), False
    if origin is typing.Literal:
        values = frozenset(str(a.value if isinstance(a, Enum) else a).lower() for a in arguments)
        return Enumeration("Literal", values), False
    if hint in _HINTS:
        return _HINTS[hint], False
    return (_enumeration(hint) if _is_enum(hint) else _model(hint)), False


def _model(cls: Any) -> ModelOf:
    return ModelOf(cls.__name__, lambda: _shape(cls))


def _is_enum(found: Any) -> bool:
    return isinstance(found, type) and issubclass(found, Enum)


def _enumeration(cls: Any) -> Enumeration:
    return Enumeration(cls.__name__, frozenset(str(m.value).lower() for m in cls))


def every_shape(path: str) -> Iterator[Shape]:
    """A model and every model that it can contain."""
    waiting, seen = [shape_of(path)], set()
    while waiting:
        shape = waiting.pop()
        if shape.name in seen:
            continue
        seen.add(shape.name)
        yield shape
        waiting += [*shape.inner.values(), *(s.load() for s in shape.subtypes.values())]
        waiting += [m.load() for f in shape.fields.values() for m in _models_in(f.kind)]


def _models_in(kind: Kind) -> list[ModelOf]:
    if isinstance(kind, ModelOf):
        return [kind]
    if isinstance(kind, ListOf | MapOf):
        return _models_in(kind.of)
    return [m for k in kind.kinds for m in _models_in(k)] if isinstance(kind, OneOf) else []
