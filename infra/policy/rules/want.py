"""Tables of wanted values: "this input of this type must be one of these", and the rule that reads them.

Azure's defaults count: an input that is not given is a finding unless the row says that Azure's default is good.
A row about each item of a list (`[*]`) wants that list to have an item, or leaving it out would pass.
Values that only the deployment will know are passed over; an invariant refuses unknown values where none belong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property

from infra.graph.model import UNKNOWN
from infra.policy.model import Resource, ResourceRule

MISSING = object()
PRESENT: tuple[object, ...] = ()  # any value will do, as long as there is one: "", " ", [] and {} are none


@dataclass(frozen=True)
class Want:
    """One row: type token, path (`[*]` for each item of a list), the values allowed, whether it may be left out.

    `when` narrows the row to some resources; `why` ends the sentence of a finding.
    """

    type: str
    path: str
    allowed: tuple[object, ...]
    why: str
    optional: bool = False
    when: Callable[[Resource], bool] | None = None

    @cached_property
    def steps(self) -> tuple[str, ...]:
        """The path's keys; `[*]` is a step of its own."""
        return tuple(self.path.replace("[*]", ".[*]").split("."))

    @cached_property
    def lists(self) -> tuple[str, ...]:
        """The paths of the lists that the row looks into, when it may not be left out."""
        words = self.path.split("[*]")
        return () if self.optional else tuple("[*]".join(words[:n]) for n in range(1, len(words)))


def found_at(value: object, steps: tuple[str, ...], path: str = "") -> Iterator[tuple[str, object]]:
    """Each (concrete path, value) under `steps`; `MISSING` where the path ends early, nothing for an absent list."""
    if not steps:
        yield path, value
        return
    step, rest = steps[0], steps[1:]
    if step == "[*]":
        if isinstance(value, (list, tuple)):
            for position, item in enumerate(value):
                here = f"{path}[{position}]"
                yield from [(here, UNKNOWN)] if item == UNKNOWN else found_at(item, rest, here)
        else:
            yield path, MISSING  # no list at all
        return
    here = f"{path}.{step}" if path else step
    inner = value.get(step, MISSING) if isinstance(value, Mapping) else MISSING
    if inner is MISSING or inner is None:
        if "[*]" not in rest:
            yield ".".join((here, *rest)), MISSING
    elif inner == UNKNOWN:
        yield here, UNKNOWN
    else:
        yield from found_at(inner, rest, here)


def wants(rows: Iterable[Want]) -> ResourceRule:
    """A rule that checks every row of a resource's type."""
    by_type: dict[str, list[Want]] = {}
    given = list(rows)
    for row in (*given, *_lists(given)):
        by_type.setdefault(row.type, []).append(row)

    def rule(resource: Resource, _: date) -> Iterator[str]:
        for row in by_type.get(resource.type, ()):
            if row.when and not row.when(resource):
                continue
            for path, value in found_at(resource.inputs, row.steps):
                yield from _finding(row, path, value)

    return rule


def _lists(rows: Iterable[Want]) -> Iterator[Want]:
    """A row for each list that must have an item, unless there is one already."""
    seen = {(row.type, row.path, row.when) for row in rows if row.allowed is PRESENT}
    for row in rows:
        for path in row.lists:
            if (row.type, path, row.when) not in seen:
                seen.add((row.type, path, row.when))
                yield Want(row.type, path, PRESENT, row.why, when=row.when)


def _finding(row: Want, path: str, value: object) -> Iterator[str]:
    if value == UNKNOWN or (value is MISSING and row.optional):
        return
    if value is MISSING:
        yield f"{path} is not set; {_remedy(row, path)}"
    elif row.allowed is PRESENT:
        if _blank(value):
            yield f"{path} is empty; {_remedy(row, path)}"
    elif _plain(value) not in [_plain(a) for a in row.allowed]:
        yield f"{path} is {_shown(value)}; {_remedy(row, path)}"


def _remedy(row: Want, path: str) -> str:
    choice = " or ".join(_shown(a) for a in row.allowed) or "a value"
    return f"set {path.rpartition('.')[2]} to {choice}: {row.why}"


def _blank(value: object) -> bool:
    return not (value.strip() if isinstance(value, str) else value)


def _plain(value: object) -> object:
    return value.casefold() if isinstance(value, str) else value


def _shown(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else f"'{value}'" if isinstance(value, str) else str(value)
