"""Everything that can be said about an environment before anything is deployed, as one table.

Turns a recorded `World` into a `Report`: per stack its size, what recording cost, policies, invariants and how far
each of Azure's limits is away. Green means: every stack could be recorded, no mandatory policy and no invariant is
broken. Advisory policies are shown and refuse nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date

from infra.core import limits
from infra.core.errors import Problem
from infra.core.limits import Headroom
from infra.graph import invariants
from infra.graph.view import Broken
from infra.graph.world import World, settings_by_stack
from infra.policy import Violation, evaluate
from inventory import Inventory

WIDTH = 120
_SHOWN = 20  # faults of one sort before the rest is counted


@dataclass(frozen=True, slots=True)
class Row:
    """One stack of the table. `peak_mib` is the most memory this process had used when the stack was recorded."""

    stack: str
    resources: int
    seconds: float
    peak_mib: float
    mandatory: int
    advisory: int
    broken: int
    headroom: tuple[Headroom, ...]

    @property
    def tightest(self) -> Headroom | None:
        """The limit of which the largest share is used."""
        return max(self.headroom, key=lambda h: h.used / h.most if h.most else 1.0, default=None)


@dataclass(frozen=True)
class Report:
    """The outcome over all stacks."""

    rows: tuple[Row, ...]
    problems: tuple[Problem, ...]
    violations: tuple[Violation, ...]
    broken: tuple[Broken, ...]
    warnings: tuple[str, ...]

    @property
    def exit_code(self) -> int:
        """0 green (perhaps with advice), 2 an input is wrong, 4 a mandatory policy or an invariant is broken."""
        if self.problems:
            return 2
        refused = self.broken or any(v.level == "mandatory" for v in self.violations)
        return 4 if refused else 0


def report(worlds: Sequence[World], inventory: Inventory, today: date) -> Report:
    """Check everything that was recorded.

    Args:
        worlds: recorded environments.
        inventory: the tables they were recorded from.
        today: the day by which exemptions and exceptions are judged.
    """
    graphs = [g for world in worlds for g in world.graphs.values()]
    settings = {name: s for world in worlds for name, s in settings_by_stack(world.graphs, world.folder).items()}
    violations = evaluate(graphs, today)
    broken = invariants.broken(graphs, inventory, settings, today=today)
    rows = [
        Row(
            stack=graph.stack.name,
            resources=len(graph.resources),
            seconds=graph.seconds,
            peak_mib=graph.peak_mib,
            mandatory=sum(v.stack == graph.stack.name and v.level == "mandatory" for v in violations),
            advisory=sum(v.stack == graph.stack.name and v.level == "advisory" for v in violations),
            broken=sum(b.stack == graph.stack.name for b in broken),
            headroom=tuple(limits.headroom(graph.stack, settings[graph.stack.name], inventory)),
        )
        for graph in graphs
    ]
    problems = tuple(p for world in worlds for p in world.problems)
    return Report(tuple(rows), problems, tuple(violations), tuple(broken), tuple(limits.warnings(inventory)))


def text(found: Report) -> str:
    """The report for a person, at most 120 columns wide but for the sentences of faults."""
    lines = [*_table(found.rows), "", *_limits(found.rows)]
    lines += [""] if found.warnings else []
    lines += [f"note: {sentence}" for sentence in found.warnings]
    advice = [v for v in found.violations if v.level == "advisory"]
    refused = [v for v in found.violations if v.level == "mandatory"]
    lines += _faults("advice (refuses nothing)", advice)
    lines += _faults("refused by policy", refused)
    lines += _faults("broken invariants", found.broken)
    lines += _faults("wrong inputs", found.problems)
    return "\n".join([*lines, "", verdict(found)])


def verdict(found: Report) -> str:
    """The last line: green, or what is not."""
    resources = sum(r.resources for r in found.rows)
    size = f"{len(found.rows)} stacks, {resources} resources"
    parts = [
        (len(found.problems), "wrong input"),
        (sum(v.level == "mandatory" for v in found.violations), "broken policy"),
        (len(found.broken), "broken invariant"),
    ]
    wrong = ", ".join(f"{count} {word}{'' if count == 1 else 's'}" for count, word in parts if count)
    return f"NOT green: {wrong.replace('policys', 'policies')} in {size}" if wrong else f"green: {size}"


def _table(rows: Iterable[Row]) -> list[str]:
    head = (
        f"{'stack':<29}{'resources':>9}{'seconds':>8}{'peak MiB':>9}{'policies':>10}{'invariants':>11}  tightest limit"
    )
    lines = [head, "─" * WIDTH]
    for r in rows:
        policy = f"{r.mandatory} broken" if r.mandatory else f"{r.advisory} advice" if r.advisory else "ok"
        sound = f"{r.broken} broken" if r.broken else "ok"
        tight = r.tightest
        limit = f"{tight.name} {tight.used:,}/{tight.most:,}" if tight else "-"
        lines.append(
            f"{r.stack:<29}{r.resources:>9,}{r.seconds:>8.1f}{r.peak_mib:>9.0f}{policy:>10}{sound:>11}  {limit}"[:WIDTH]
        )
    return lines


def _limits(rows: Iterable[Row]) -> list[str]:
    """Every limit once for each figure, with the stacks that share it."""
    shared: dict[Headroom, list[str]] = {}
    for row in rows:
        for limit in row.headroom:
            shared.setdefault(limit, []).append(row.stack)
    lines = [f"{'limit':<34}{'used':>9}{'most':>9}{'left':>9}{'used':>7}  stacks", "─" * WIDTH]
    ordered = sorted(shared.items(), key=lambda item: (item[0].name, -item[0].used))
    for limit, stacks in ordered:
        share = limit.used / limit.most if limit.most else 1.0
        where = stacks[0] if len(stacks) == 1 else f"{stacks[0]} and {len(stacks) - 1} more"
        figures = f"{limit.used:>9,}{limit.most:>9,}{limit.left:>9,}{share:>7.0%}"
        lines.append(f"{limit.name:<34}{figures}  {where}"[:WIDTH])
    return lines


def _faults(title: str, faults: Sequence[object]) -> list[str]:
    if not faults:
        return []
    more = [f"  … and {len(faults) - _SHOWN} more"] if len(faults) > _SHOWN else []
    return ["", f"{title}: {len(faults)}", *(f"  {fault}" for fault in faults[:_SHOWN]), *more]


def as_json(found: Report) -> dict[str, object]:
    """The report for a programme."""
    rows: list[Mapping[str, object]] = []
    for row in found.rows:
        plain = asdict(row)
        plain["headroom"] = [asdict(h) | {"left": h.left} for h in row.headroom]
        rows.append(plain)
    return {
        "green": found.exit_code == 0,
        "stacks": rows,
        "problems": [asdict(p) for p in found.problems],
        "violations": [asdict(v) for v in found.violations],
        "broken": [asdict(b) for b in found.broken],
        "warnings": list(found.warnings),
    }
