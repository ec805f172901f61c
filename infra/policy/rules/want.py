"""Tables of wanted values: "this input of this type must be one of these", and the rule that reads them.

Azure's defaults count: an input that is not given is a finding unless the row says that Azure's default is good.
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
PRESENT: tuple[object, ...] = ()  # any value will do, as long as there is one


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


def found_at(value: object, steps: tuple[str, ...], path: str = "") -> Iterator[tuple[str, object]]:
    """Each (concrete path, value) under `steps`; `MISSING` where the path ends early, nothing for an absent list."""
    if not steps:
        yield path, value
        return
    step, rest = steps[0], steps[1:]
    if step == "[*]":
        if isinstance(value, (list, tuple)):
            for position, item in enumerate(value):
                yield from found_at(item, rest, f"{path}[{position}]")
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
    for row in rows:
        by_type.setdefault(row.type, []).append(row)

    def rule(resource: Resource, _: date) -> Iterator[str]:
        for row in by_type.get(resource.type, ()):
            if row.when and not row.when(resource):
                continue
            for path, value in found_at(resource.inputs, row.steps):
                yield from _finding(row, path, value)

    return rule


def _finding(row: Want, path: str, value: object) -> Iterator[str]:
    if value == UNKNOWN or (value is MISSING and row.optional):
        return
    if value is MISSING:
        yield f"{path} is not set; {_remedy(row, path)}"
    elif row.allowed and _plain(value) not in {_plain(a) for a in row.allowed}:
        yield f"{path} is {_shown(value)}; {_remedy(row, path)}"


def _remedy(row: Want, path: str) -> str:
    choice = " or ".join(_shown(a) for a in row.allowed) or "a value"
    return f"set {path.rpartition('.')[2]} to {choice}: {row.why}"


def _plain(value: object) -> object:
    return value.casefold() if isinstance(value, str) else value


def _shown(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else f"'{value}'" if isinstance(value, str) else str(value)
