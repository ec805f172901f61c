"""Which sites, applications and hubs a plan touches, and how people read it.

Turns a plan and the inventory into counts by domain id, from the names of component ancestors: every component of ours
carries the id of what it is for. Pure; `infra.graph.impact` goes deeper (alert rules), before the engine is asked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from infra.core.stacks import PROJECT
from infra.engine.steps import OUTPUTS, PROTECT, UNPROTECT, Plan, Step, name_of, type_of
from inventory import Inventory

SIGNS = {"create": "+", "update": "~", "replace": "+-", "delete": "-", "import": "=", OUTPUTS: "o"}
_WORDS = {  # before it is done, and after
    "create": ("to create", "created"),
    "update": ("to update", "updated"),
    "replace": ("to replace", "replaced"),
    "delete": ("to delete", "deleted"),
    "import": ("to import", "imported"),
    OUTPUTS: ("with other outputs",) * 2,
    PROTECT: ("newly protected",) * 2,
    UNPROTECT: ("NO LONGER PROTECTED",) * 2,
}
_GRAVE = ("replace", "delete", UNPROTECT)
_SHOWN = 12  # names on one line
_NAMED = 3  # resources of a group of equal steps
_GROUPS = 40  # lines of single changes
_VALUES = 6  # changed properties of one group
_WIDE = 118
Counts = Mapping[str, int]


@dataclass(frozen=True)
class Touched:
    """Counts by operation for each site, application and hub, and for whatever belongs to none of them."""

    sites: Mapping[str, Counts] = field(default_factory=dict)
    applications: Mapping[str, Counts] = field(default_factory=dict)
    hubs: Mapping[str, Counts] = field(default_factory=dict)
    other: Mapping[str, Counts] = field(default_factory=dict)


def touched(plan: Plan, inventory: Inventory) -> Touched:
    """What a plan touches; a step counts for the nearest component that is named like something of the inventory."""
    found: dict[str, dict[str, dict[str, int]]] = {"sites": {}, "applications": {}, "hubs": {}, "other": {}}
    for step in plan.steps:
        if step.shown and step.op != OUTPUTS:
            table, name = _owner(plan, step, inventory)
            counts = found[table].setdefault(name, {})
            counts[step.op] = counts.get(step.op, 0) + 1
    return Touched(**{table: dict(sorted(names.items())) for table, names in found.items()})


def components(plan: Plan, step: Step) -> Iterator[str]:
    """URNs of the components that a step belongs to, nearest first; the resource itself when it is one."""
    for urn in (step.urn, *plan.ancestors(step.urn)):
        if type_of(urn).startswith(f"{PROJECT}:"):
            yield urn


def _owner(plan: Plan, step: Step, inventory: Inventory) -> tuple[str, str]:
    nearest = ""
    for urn in components(plan, step):
        name = name_of(urn)
        nearest = nearest or f"{type_of(urn).rpartition(':')[2]} {name}"
        if name in inventory.sites:
            return "sites", name
        if name in inventory.applications:
            return "applications", name
        if name in inventory.hubs:
            return "hubs", name
    return "other", nearest or "the stack itself"


def lines(plan: Plan, inventory: Inventory, *, done: bool = False) -> list[str]:
    """A plan for people: a line of counts, what is touched, and each change with its values before and after."""
    counts = ", ".join(f"{n} {_WORDS.get(op, (op, op))[done]}" for op, n in plan.counts.items())
    counts = counts or ("nothing changed" if done else "nothing changes")
    found = [f"{plan.stack}: {counts}; {plan.unchanged} unchanged"]
    seen = touched(plan, inventory)
    for table in ("sites", "applications", "hubs", "other"):
        names: Mapping[str, Counts] = getattr(seen, table)
        if names:
            listed = [f"{name} {_signs(c)}" for name, c in names.items()]
            more = f" and {len(listed) - _SHOWN} more" if len(listed) > _SHOWN else ""
            found.append(f"  {table} ({len(listed)}): {', '.join(listed[:_SHOWN])}{more}")
    return found + list(_single(plan))


def _single(plan: Plan) -> Iterator[str]:
    """Every change by name and property, equal ones together; what is lost or replaced is named one by one, first."""
    groups: dict[tuple[object, ...], list[Step]] = {}
    for step in sorted(plan.steps, key=lambda s: s.op not in _GRAVE):
        if step.shown and step.op != OUTPUTS:
            alone = step.name if step.op in _GRAVE else ""
            groups.setdefault((step.op, step.type, step.values, step.protected, alone), []).append(step)
    for number, steps in enumerate(groups.values()):
        step = steps[0]
        if number >= _GROUPS and step.op not in _GRAVE:
            yield f"  … and {len(groups) - number} more kinds of change; all of them: --json"
            return
        names = ", ".join(s.name for s in steps[:_NAMED]) + (f" and {len(steps) - _NAMED} more" * (len(steps) > _NAMED))
        why = f" because of {', '.join(step.replace_keys)}" if step.replace_keys else ""
        guarded = " (protected)" if step.protected and step.op in _GRAVE else ""
        count = f"{len(steps)} " if len(steps) > 1 else ""
        word = step.op if step.op in _GRAVE else SIGNS.get(step.op, step.op)
        yield _cut(f"  {word} {count}{step.type.rpartition(':')[2]} {names}{why}{guarded}")
        for change in step.values[:_VALUES]:
            yield _cut(f"      {change}")
        if len(step.values) > _VALUES:
            yield f"      … and {len(step.values) - _VALUES} more properties"


def _cut(text: str) -> str:
    return text if len(text) <= _WIDE else text[: _WIDE - 1] + "…"


def markdown(plan: Plan, inventory: Inventory, digest: str, advice: Sequence[str] = ()) -> str:
    """A plan as a section of a pipeline's summary page."""
    found = [f"### {plan.stack}", "", f"Digest `{digest}`", "", "```text", *lines(plan, inventory), "```", ""]
    if advice:
        found += [f"Advice of the policies ({len(advice)}):", "", *(f"- {a}" for a in advice[:_SHOWN]), ""]
    return "\n".join(found) + "\n"


def _signs(counts: Counts) -> str:
    return " ".join(f"{SIGNS.get(op, op)}{n}" for op, n in counts.items())
