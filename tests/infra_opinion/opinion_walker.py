"""Compares a resource's inputs with the shape of Microsoft's model and says everything that does not fit.

The inputs are those of the azure-native SDK: ARM's body with the levels called `properties` mostly taken out, keys now
and then named after the model's Python attribute, and the parameters of the path beside them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from opinion_shapes import ANY, Enumeration, Field, Kind, ListOf, MapOf, ModelOf, OneOf, Scalar, Shape

from infra.graph.model import UNKNOWN

Sort = Literal["unknown key", "wrong type", "read-only", "bounds", "enumeration", "missing", "name"]


# Levels other than `properties` whose keys the azure-native SDK puts one level up, by model.
ALSO_TAKEN_OUT: Mapping[str, tuple[str, ...]] = {"Cluster": ("identity",)}


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    """What is wrong where: the path into the inputs, the sort of fault, and the rule in words."""

    path: str
    sort: Sort
    text: str

    def __str__(self) -> str:
        return f"{self.path}: {self.sort}: {self.text}"


def compare(shape: Shape, inputs: Mapping[str, Any], path: str = "") -> Iterator[Fault]:
    """Every fault of the inputs against the model."""
    chosen = subtype_of(shape, inputs)
    if chosen is None:
        yield Fault(f"{path}.{shape.discriminator}".lstrip("."), "enumeration", f"{shape.name} has no such kind")
        chosen = shape
    yield from _level(chosen, inputs, path, set())


def subtype_of(shape: Shape, inputs: Mapping[str, Any]) -> Shape | None:
    """The model that the discriminator asks for; the model itself where there is nothing to choose."""
    value = inputs.get(shape.discriminator) if shape.discriminator else None
    if not isinstance(value, str):
        return shape
    found = next((m for v, m in shape.subtypes.items() if v.lower() == value.lower()), None)
    if found is None:
        declared = shape.fields.get(shape.discriminator)
        own = declared is not None and isinstance(declared.kind, Enumeration) and value.lower() in declared.kind.values
        return shape if own else None
    inner = found.load()
    return inner if inner is shape else subtype_of(inner, inputs)


def _level(
    shape: Shape, inputs: Mapping[str, Any], path: str, seen: set[str], *, nested: bool = False
) -> Iterator[Fault]:
    for key, value in inputs.items():
        here = f"{path}.{key}" if path else key
        known = find(shape, key)
        if known is None:
            inner = shape.inner.get(key)
            if inner is not None and isinstance(value, Mapping):
                yield from _level(inner, value, here, seen, nested=True)
            elif not shape.is_open:
                yield Fault(here, "unknown key", f"{shape.name} has {', '.join(sorted(names(shape)))}")
            continue
        seen.add(known.python)
        if known.read_only:
            yield Fault(here, "read-only", f"{shape.name}.{known.wire} is answered by Azure, never set")
            continue
        yield from _value(known.kind, value, here, known)
    if not nested:
        for lacking in required_of(shape, inputs):
            if lacking.python not in seen:
                yield Fault(f"{path}.{lacking.wire}".lstrip("."), "missing", f"{shape.name} needs it")


def find(shape: Shape, key: str) -> Field | None:
    """The field of a key: by its name on the wire, by its Python name, or inside a level that the SDK takes out.

    Where both the model and such a level have the key (`type`), the one that may be set is meant.
    """
    direct = shape.fields.get(key)
    if direct is None:
        plain = _plain(key)
        direct = next((f for f in shape.fields.values() if plain in (_plain(f.python), _plain(f.wire))), None)
    if direct is not None and not direct.read_only:
        return direct
    inside = [f for inner in taken_out(shape) if (f := find(inner, key)) is not None]
    return next((f for f in inside if not f.read_only), direct or (inside[0] if inside else None))


def taken_out(shape: Shape) -> Iterator[Shape]:
    """The levels whose keys stand directly in the inputs: `properties`, and levels written as one."""
    yield from shape.inner.values()
    for level in ("properties", *ALSO_TAKEN_OUT.get(shape.name, ())):
        one = shape.fields.get(level)
        if one is not None and isinstance(one.kind, ModelOf):
            inner = one.kind.load()
            yield inner
            yield from (m.load() for m in inner.subtypes.values())


def names(shape: Shape) -> set[str]:
    """Every key that may stand at this level."""
    return set(shape.fields) | {n for inner in taken_out(shape) for n in names(inner)}


def required_of(shape: Shape, inputs: Mapping[str, Any]) -> Iterator[Field]:
    """The fields that must be given, also those of `properties` where it stands in pieces."""
    for one in shape.fields.values():
        if one.wire == "properties" and isinstance(one.kind, ModelOf) and "properties" not in inputs:
            if any(find(inner, k) for inner in taken_out(shape) for k in inputs if k not in shape.fields):
                yield from required_of(one.kind.load(), inputs)
            elif one.required:
                yield one
        elif one.required and not one.read_only:
            yield one
    for inner in shape.inner.values():
        yield from required_of(inner, inputs)


def _plain(name: str) -> str:
    return name.replace("_", "").lower()


def _value(kind: Kind, value: Any, path: str, known: Field) -> Iterator[Fault]:
    if value == UNKNOWN or value is None or kind is ANY:
        return
    if isinstance(kind, OneOf):
        tries = [list(_value(k, value, path, known)) for k in kind.kinds]
        yield from min(tries, key=len)
    elif isinstance(kind, ModelOf):
        if isinstance(value, Mapping):
            yield from compare(kind.load(), value, path)
        else:
            yield Fault(path, "wrong type", f"a {kind.name} is needed, found {value!r}")
    elif isinstance(kind, ListOf):
        yield from _list(kind, value, path, known)
    elif isinstance(kind, MapOf):
        yield from _map(kind, value, path, known)
    elif isinstance(kind, Enumeration):
        yield from _word(kind, value, path)
    else:
        yield from _scalar(kind, value, path, known)


def _list(kind: ListOf, value: Any, path: str, known: Field) -> Iterator[Fault]:
    if not isinstance(value, list):
        yield Fault(path, "wrong type", f"a list is needed, found {value!r}")
        return
    yield from _bounds(known, value, path)
    for n, item in enumerate(value):
        yield from _value(kind.of, item, f"{path}[{n}]", Field(known.wire, known.python, kind.of))


def _word(kind: Enumeration, value: Any, path: str) -> Iterator[Fault]:
    if not isinstance(value, str):
        yield Fault(path, "wrong type", f"one of {kind.name} is needed, found {value!r}")
    elif value.lower() not in kind.values:
        yield Fault(path, "enumeration", f"{value!r} is not in {kind.name}: {', '.join(sorted(kind.values))}")


def _map(kind: MapOf, value: Any, path: str, known: Field) -> Iterator[Fault]:
    if path.endswith("userAssignedIdentities") and isinstance(value, list):
        # the SDK takes a list of ids where ARM has a map of ids to what Azure answers
        yield from (Fault(path, "wrong type", "an id is needed") for i in value if not isinstance(i, str))
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _value(kind.of, item, f"{path}.{key}", Field(known.wire, known.python, kind.of))
    else:
        yield Fault(path, "wrong type", f"a map is needed, found {value!r}")


def _scalar(kind: Scalar, value: Any, path: str, known: Field) -> Iterator[Fault]:
    if kind.fits(value):
        yield from _bounds(known, value, path)
    else:
        yield Fault(path, "wrong type", f"{kind.word} is needed, found {value!r}")


def _bounds(known: Field, value: Any, path: str) -> Iterator[Fault]:
    size = len(value) if isinstance(value, str | list) else value
    for rule, limit in known.rules.items():
        if rule == "pattern":
            broken = isinstance(value, str) and re.match(limit, value) is None
        elif rule in {"maximum", "max_length", "max_items"}:
            broken = size > limit
        elif rule in {"minimum", "min_length", "min_items"}:
            broken = size < limit
        elif rule == "multiple":
            broken = size % limit != 0
        elif rule == "unique":
            broken = isinstance(value, list) and len({repr(v) for v in value}) != len(value)
        else:
            raise AssertionError(f"{known.wire}: rule {rule!r} of the model is not checked here")
        if broken:
            yield Fault(path, "bounds", f"{rule} is {limit}, found {value!r}")
