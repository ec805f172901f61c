"""Breaks recorded inputs in every place where the model says what is right, one place at a time.

Turns (shape, inputs) into mutants: the changed inputs, the place, and the sort of fault that must be found there.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from opinion_shapes import ANY, Enumeration, Field, Kind, ListOf, MapOf, ModelOf, Scalar, Shape
from opinion_walker import Sort, find, names, required_of, subtype_of

Place = tuple[str | int, ...]


@dataclass(frozen=True)
class Mutant:
    """Broken inputs, where they are broken, and how."""

    sort: Sort
    place: Place
    inputs: Mapping[str, Any]

    @property
    def path(self) -> str:
        """The place as faults name it."""
        return "".join(f"[{w}]" if isinstance(w, int) else f".{w}" for w in self.place).lstrip(".")


def mutants(shape: Shape, inputs: Mapping[str, Any]) -> Iterator[Mutant]:
    """Every mutant of the inputs."""
    for place, model, part in _models(shape, inputs, ()):
        if not model.is_open:
            yield Mutant("unknown key", (*place, "bogusKey"), _with(inputs, (*place, "bogusKey"), "x"))
        for name in sorted(names(model) - set(part)):
            known = find(model, name)
            if known is not None and known.read_only:
                yield Mutant("read-only", (*place, name), _with(inputs, (*place, name), "x"))
        yield from _lacking(model, part, place, inputs)
        for key, value in part.items():
            known = find(model, key)
            if known is not None and value is not None and key != model.discriminator:
                yield from _values(known, value, (*place, key), inputs)


def _lacking(model: Shape, part: Mapping[str, Any], place: Place, inputs: Mapping[str, Any]) -> Iterator[Mutant]:
    """Each required key taken away; not where its whole level may be absent and nothing else of it is there."""
    levels = [f for f in model.fields.values() if f.wire == "properties" and f.required]
    for one in (*required_of(model, part), *levels):
        key = next((k for k in part if (f := find(model, k)) and f.python == one.python), None)
        rest = {k: v for k, v in part.items() if k != key}
        if key is not None and key != model.discriminator and one in required_of(model, rest):
            yield Mutant("missing", (*place, one.wire), _without(inputs, (*place, key)))


def _values(known: Field, value: Any, place: Place, inputs: Mapping[str, Any]) -> Iterator[Mutant]:
    kind = known.kind
    if isinstance(kind, ListOf) and isinstance(value, list):
        yield Mutant("wrong type", place, _with(inputs, place, "not a list"))
        for n, item in enumerate(value):
            yield from _values(Field(known.wire, known.python, kind.of), item, (*place, n), inputs)
    elif isinstance(kind, MapOf) and isinstance(value, Mapping):
        yield Mutant("wrong type", place, _with(inputs, place, "not a map"))
    elif isinstance(kind, ModelOf):
        yield Mutant("wrong type", place, _with(inputs, place, "not a model"))
    elif isinstance(kind, Enumeration):
        yield Mutant("wrong type", place, _with(inputs, place, 7))
        yield Mutant("enumeration", place, _with(inputs, place, "Bogus"))
    elif isinstance(kind, Scalar) and kind is not ANY:
        yield Mutant("wrong type", place, _with(inputs, place, {"not": "this"}))
        yield from (Mutant("bounds", place, _with(inputs, place, bad)) for bad in _outside(known.rules))


def _outside(rules: Mapping[str, Any]) -> Iterator[Any]:
    """A value beyond each bound."""
    for rule, limit in rules.items():
        if rule == "maximum":
            yield limit + 1
        elif rule == "minimum":
            yield limit - 1
        elif rule == "max_length":
            yield "x" * (limit + 1)
        elif rule == "min_length" and limit > 0:
            yield "x" * (limit - 1)
        elif rule == "pattern":
            yield "\n\t"


def _models(shape: Shape, part: Mapping[str, Any], place: Place) -> Iterator[tuple[Place, Shape, Mapping[str, Any]]]:
    """Every part of the inputs that is held to a model, with that model."""
    chosen = subtype_of(shape, part) or shape
    yield place, chosen, part
    for key, value in part.items():
        known = find(chosen, key)
        if known is not None:
            yield from _inside(known.kind, value, (*place, key))
        elif key in chosen.inner and isinstance(value, Mapping):
            yield from _models(chosen.inner[key], value, (*place, key))


def _inside(kind: Kind, value: Any, place: Place) -> Iterator[tuple[Place, Shape, Mapping[str, Any]]]:
    if isinstance(kind, ModelOf) and isinstance(value, Mapping):
        yield from _models(kind.load(), value, place)
    elif isinstance(kind, ListOf) and isinstance(value, list):
        for n, item in enumerate(value):
            yield from _inside(kind.of, item, (*place, n))
    elif isinstance(kind, MapOf) and isinstance(value, Mapping):
        for key, item in value.items():
            yield from _inside(kind.of, item, (*place, key))


def _with(inputs: Mapping[str, Any], place: Place, value: Any) -> Mapping[str, Any]:
    changed = copy.deepcopy(dict(inputs))
    _at(changed, place)[place[-1]] = value
    return changed


def _without(inputs: Mapping[str, Any], place: Place) -> Mapping[str, Any]:
    changed = copy.deepcopy(dict(inputs))
    del _at(changed, place)[place[-1]]
    return changed


def _at(inputs: Any, place: Place) -> Any:
    for word in place[:-1]:
        inputs = inputs[word]
    return inputs
