"""What is wrong with a table, said so that its owner can put it right.

A `Problem` names one cell (file, line, column), what is wrong with it and the remedy; an `InventoryError`
carries all problems found at once, because a person who imports 594 sites wants one list, not 594 attempts.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

SHOWN = 20


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


class InventoryError(Exception):
    """The tables, a query or an operation on them cannot be used as they stand.

    `problems` holds every fault found, in file order; empty when the fault is not in a table (a query, for
    instance). A caller shows the text and ends with exit code 2.
    """

    def __init__(self, summary: str, problems: Iterable[Problem] = ()) -> None:
        self.summary = summary
        self.problems = tuple(problems)
        lines = [summary, *(f"  {p}" for p in self.problems[:SHOWN])]
        if len(self.problems) > SHOWN:
            lines.append(f"  ... and {len(self.problems) - SHOWN} more")
        super().__init__("\n".join(lines))


class QueryError(InventoryError):
    """A selector that cannot be understood; the sentence names the word and what was probably meant."""
