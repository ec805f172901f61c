"""What is wrong with an infrastructure input, said so that its owner can put it right.

A `Problem` names the stack, the configuration key or inventory row, the value, the rule it breaks and the remedy; an
`InfraError` carries all of them at once, because a person who prepares 23 stacks wants one list.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

SHOWN = 20


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One fault: which stack, which key (or `table: row`), the value found, the rule it breaks, what to do."""

    stack: str
    key: str
    value: str
    rule: str
    remedy: str

    def __str__(self) -> str:
        found = f" is {self.value!r}" if self.value else ""
        return f"{self.stack}: {self.key}{found}: {self.rule}; {self.remedy}"


class InfraError(Exception):
    """Our input was wrong: configuration, inventory, limits, names. Nothing has been created; exit code 2."""

    def __init__(self, summary: str, problems: Iterable[Problem] = ()) -> None:
        self.summary = summary
        self.problems = tuple(problems)
        lines = [summary, *(f"  {p}" for p in self.problems[:SHOWN])]
        if len(self.problems) > SHOWN:
            lines.append(f"  ... and {len(self.problems) - SHOWN} more")
        super().__init__("\n".join(lines))


class RefusedError(InfraError):
    """A guard refused: a policy, a changed plan, a protected resource. Nothing has been changed; exit code 4."""


class EngineError(InfraError):
    """The Pulumi engine could not be started or ended with a fault; the text is the engine's own. Exit code 1."""
