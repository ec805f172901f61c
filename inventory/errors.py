"""What is wrong with a table, said so that its owner can put it right.

A `Problem` names one cell (file, line, column), what is wrong with it and the remedy; an `InventoryError`
carries all problems found at once, because a person who imports 594 sites wants one list, not 594 attempts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

SHOWN = 20
ASSIGN_REMEDY = "run `noc inventory assign` to fill it"  # of an empty cell that is a decision or an estimate


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One fault in one table. `line` is 1-based, 0 for the file as a whole; `column` is the column's name."""

    file: str
    line: int
    column: str
    message: str
    remedy: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        cell = f"{place}: {self.column}" if self.column else place
        return f"{cell}: {self.message}; {self.remedy}"

    @property
    def is_left_to_assign(self) -> bool:
        """True for an empty cell that `noc inventory assign` fills."""
        return self.remedy == ASSIGN_REMEDY


def report(problems: Sequence[Problem]) -> list[str]:
    """The problems as lines for a person: faults first, then one line per column with cells left to `assign`.

    Tables without their decisions have hundreds of such cells, which would bury the faults that need a person.
    """
    columns: dict[tuple[str, str], list[Problem]] = {}
    for problem in problems:
        if problem.is_left_to_assign:
            columns.setdefault((problem.file, problem.column), []).append(problem)
    lines = [str(p) for p in problems if not p.is_left_to_assign]
    for (file, column), cells in columns.items():
        first = cells[0]
        several = f"{file}: {column}: {len(cells)} cells are empty, the first on line {first.line}"
        lines.append(str(first) if len(cells) == 1 else f"{several}; run `noc inventory assign` to fill them")
    return lines


class InventoryError(Exception):
    """The tables, a query or an operation on them cannot be used as they stand.

    `problems` holds every fault found, in file order; empty when the fault is not in a table (a query, for
    instance). A caller shows the text and ends with exit code 2.
    """

    def __init__(self, summary: str, problems: Iterable[Problem] = ()) -> None:
        self.summary = summary
        self.problems = tuple(problems)
        told = report(self.problems)
        lines = [summary, *(f"  {line}" for line in told[:SHOWN])]
        if len(told) > SHOWN:
            lines.append(f"  ... and {len(told) - SHOWN} more")
        super().__init__("\n".join(lines))


class QueryError(InventoryError):
    """A selector that cannot be understood; the sentence names the word and what was probably meant."""
