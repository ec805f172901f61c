"""What the engine is going to do, as typed steps, and a short digest of them.

Turns the engine's events of a preview, update or refresh into one `Step` for each thing that changes. The digest is the
same for the same changes in any order and on any day, and differs when any operation, resource or value differs.
Secrets take part only as a marker (the engine itself hides them in its events), so that a digest tells nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pulumi.automation import EngineEvent
from pulumi.automation.events import StepEventMetadata, StepEventStateMetadata

STACK_TYPE = "pulumi:pulumi:Stack"
_REFERENCE = "pulumi:pulumi:StackReference"
_SIGNATURE = "4dabf18193072939515e22adb298388d"  # Pulumi's key of special values
_SECRET = "1b47061264138c4ac30d75fd1eb44270"  # its value for secrets # noqa: S105
_UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"  # stands in for a value that only the update will know
_NOTHING = frozenset({"same", "read", "refresh"})  # operations that leave the resource as it is
# The physical halves of a replacement, told beside the logical "replace".
_HALVES = frozenset({"create-replacement", "delete-replaced", "discard-replaced", "read-replacement"})
OUTPUTS = "outputs"  # our own operation: only values of the stack's outputs change
UNPROTECT, PROTECT = "unprotect", "protect"  # our own: the engine counts a changed protection as nothing


@dataclass(frozen=True, slots=True, order=True)
class Change:
    """A property path (`tags.owner`, `ports[2]`), its JSON value before and after; empty: not there, both: a secret."""

    path: str
    before: str
    after: str

    def __str__(self) -> str:
        if self.before == self.after:
            return f"{self.path} (secret)"
        return f"{self.path}: {self.before or 'nothing'} → {self.after or 'nothing'}"


@dataclass(frozen=True, slots=True, order=True)
class Step:
    """One change: the operation, the resource, which property paths change and which of them force a replacement.

    `op` is the engine's word (create, update, replace, delete, ...) or one of ours: outputs, protect, unprotect.
    `fingerprint` is a hash of the values before and after, without secrets; `protected` as the state has it. `values`
    are what people read: a secret is only marked, what Azure will decide is "known after".
    """

    op: str
    urn: str
    type: str
    name: str
    paths: tuple[str, ...] = ()
    replace_keys: tuple[str, ...] = ()
    custom: bool = True
    protected: bool = False
    fingerprint: str = ""
    values: tuple[Change, ...] = field(default=(), compare=False)

    @property
    def shown(self) -> bool:
        """Whether people count it: everything but the engine's own bookkeeping (the stack, providers)."""
        return self.op == OUTPUTS or not self.type.startswith("pulumi:")


@dataclass(frozen=True, slots=True)
class Plan:
    """All changes of a stack, sorted, and the parent of every resource that the engine spoke of."""

    stack: str
    steps: tuple[Step, ...]
    parents: Mapping[str, str]
    unchanged: int

    @property
    def digest(self) -> str:
        """16 hexadecimal digits for the steps: equal if and only if the same things would be done."""
        return digest(self.stack, self.steps)

    @property
    def counts(self) -> dict[str, int]:
        """How many steps of each operation, without the engine's own bookkeeping."""
        found: dict[str, int] = {}
        for step in self.steps:
            if step.shown:
                found[step.op] = found.get(step.op, 0) + 1
        return dict(sorted(found.items()))

    def ancestors(self, urn: str) -> Iterator[str]:
        """Parent, grandparent and so on, as far as the engine named them."""
        seen = {urn}
        while (urn := self.parents.get(urn, "")) and urn not in seen:
            seen.add(urn)
            yield urn


def plan_of(stack: str, events: Iterable[EngineEvent]) -> Plan:
    """The changes in one operation's events.

    Args:
        stack: name of the stack, part of the digest.
        events: everything the engine told, in any order that it can tell it in.
    """
    last: dict[str, list[StepEventMetadata]] = {}
    parents: dict[str, str] = {}
    for event in events:
        heard = event.res_outputs_event or event.resource_pre_event
        if heard is None:
            continue
        step = heard.metadata
        state = step.new or step.old
        if state is not None and (state.parent or step.urn not in parents):
            parents[step.urn] = state.parent
        last.setdefault(step.urn, []).append(step)
    steps = [found for told in last.values() for found in _steps(told)]
    unchanged = sum(1 for told in last.values() if not told[-1].type.startswith("pulumi:") and not any(_steps(told)))
    return Plan(stack, tuple(sorted(steps)), parents, unchanged)


def digest(stack: str, steps: Iterable[Step]) -> str:
    """16 hexadecimal digits (64 bits of SHA-256) for a stack's steps in any order."""
    rows = sorted(_canonical([s.op, s.urn, s.type, s.paths, s.replace_keys, s.protected, s.fingerprint]) for s in steps)
    return hashlib.sha256("\n".join(["plan 1", stack, *rows]).encode()).hexdigest()[:16]


def name_of(urn: str) -> str:
    """The logical name of a URN."""
    return urn.rpartition("::")[2]


def type_of(urn: str) -> str:
    """The type token of a URN, without those of its ancestors."""
    return urn.split("::")[2].rpartition("$")[2] if urn.count("::") >= 3 else ""


def _steps(told: list[StepEventMetadata]) -> Iterator[Step]:
    """The steps of one resource: the engine tells each operation before and after, and replacements in parts."""
    by_op = {str(s.op.value): s for s in told}  # the last word on each operation
    if told[-1].type == STACK_TYPE:
        yield from _outputs(told)
    if told[-1].type == _REFERENCE:
        return
    ops = set(by_op) - _NOTHING
    if "replace" in ops:
        ops -= _HALVES
    if not ops and "same" in by_op and told[-1].type != STACK_TYPE:
        before, after = by_op["same"].old, by_op["same"].new
        if before is not None and after is not None and bool(before.protect) != bool(after.protect):
            yield _step(PROTECT if after.protect else UNPROTECT, by_op["same"])
    for op in sorted(ops):
        yield _step(op, by_op[op])


def _step(op: str, told: StepEventMetadata) -> Step:
    changed = told.detailed_diff or {}
    paths = {f"{path} {diff.diff_kind.value}" for path, diff in changed.items()} or set(told.diffs or ())
    state = told.old or told.new
    return Step(
        op=op,
        urn=told.urn,
        type=told.type,
        name=name_of(told.urn),
        paths=tuple(sorted(paths)),
        replace_keys=tuple(sorted(told.keys or ())),
        custom=bool(state and state.custom),
        protected=bool(told.old and told.old.protect),
        fingerprint=_hash([_asked(told.old), _asked(told.new)]),
        values=_with_hidden(_values(told.old, told.new, tuple(changed)), changed),
    )


def _values(
    old: StepEventStateMetadata | None, new: StepEventStateMetadata | None, named: tuple[str, ...]
) -> tuple[Change, ...]:
    """What differs between two states: of what is asked for, else (drift) what the engine names of Azure's answer."""
    if old is None or new is None:
        return ()
    found = tuple(_differences(_plain(old.inputs or {}), _plain(new.inputs or {}), ""))
    answered = _differences(_plain(old.outputs or {}), _plain(new.outputs or {}), "")
    return found or tuple(c for c in answered if c.path.startswith(named))


def _with_hidden(found: tuple[Change, ...], changed: Iterable[str]) -> tuple[Change, ...]:
    """The values, and the paths that the engine names besides: secrets, which look alike."""
    hidden = (p for p in changed if not any(c.path == p or c.path.startswith((f"{p}.", f"{p}[")) for c in found))
    return tuple(sorted((*found, *(Change(p, "", "") for p in hidden))))


def _differences(old: Any, new: Any, path: str) -> Iterator[Change]:
    if old == new:
        return
    if (
        isinstance(old, dict | None)
        and isinstance(new, dict | None)
        and _SIGNATURE not in {**(old or {}), **(new or {})}
    ):
        old, new = old or {}, new or {}
        for key in sorted({*old, *new}):
            if key != "__defaults":
                yield from _differences(old.get(key), new.get(key), f"{path}.{key}" if path else key)
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for number, (a, b) in enumerate(zip(old, new, strict=True)):
            yield from _differences(a, b, f"{path}[{number}]")
    else:
        yield Change(path, _shown(old), _shown(new))


def _shown(value: Any) -> str:
    if isinstance(value, dict) and _SIGNATURE in value:
        return "[secret]" if value[_SIGNATURE] == "secret" else "known after"
    return "" if value is None else json.dumps(value, ensure_ascii=False)


def _asked(state: StepEventStateMetadata | None) -> object:
    """What of a state is compared: what is asked for, and what protects it; never what Azure answered."""
    if state is None:
        return None
    return {"inputs": state.inputs, "protect": bool(state.protect), "retain": bool(state.retain_on_delete)}


def _outputs(told: list[StepEventMetadata]) -> Iterator[Step]:
    """A step when the values of the stack's outputs change; the engine tells it as a stack that stays the same."""
    states = [s for s in told if s.new is not None and s.new.outputs]
    old = next((s.old.outputs for s in told if s.old is not None and s.old.outputs), None) or {}
    if not states or told[-1].op.value in ("delete", "refresh"):
        return
    last = states[-1].new
    new = (last.outputs if last is not None else None) or {}
    names = sorted(k for k in {*old, *new} if _canonical(old.get(k)) != _canonical(new.get(k)))
    if names:
        urn = told[-1].urn
        values = _hash([{k: old.get(k) for k in names}, {k: new.get(k) for k in names}])
        yield Step(OUTPUTS, urn, STACK_TYPE, name_of(urn), tuple(names), custom=False, fingerprint=values)


def _hash(value: object) -> str:
    return hashlib.sha256(_canonical(value).encode()).hexdigest()


def _canonical(value: object) -> str:
    return json.dumps(_plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def _plain(value: Any) -> Any:
    """The value with secrets and unknowns as markers, and whole numbers alike however they were written."""
    if isinstance(value, Mapping):
        if value.get(_SIGNATURE) == _SECRET:
            return {_SIGNATURE: "secret"}
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return {_SIGNATURE: "unknown"} if value == _UNKNOWN else value
