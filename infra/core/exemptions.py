"""Exemptions from policies: named, owned, dated. Past its day, an exemption is refused; near it, there is a warning.

Turns (exemptions, today) into problems and warnings. An exemption without an end is a rule that was given up.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Protocol

from infra.core.errors import Problem

LONGEST = timedelta(days=366)


class Dated(Protocol):
    """What is needed of an exemption here; the settings model has it."""

    @property
    def id(self) -> str:
        """Its name."""
        ...

    @property
    def until(self) -> date:
        """Its last day, UTC."""
        ...

    @property
    def owner(self) -> str:
        """Who must renew or end it."""
        ...


def problems(exemptions: Iterable[Dated], stack: str, today: date) -> list[Problem]:
    """A problem for each exemption that is past its day, too long, or named twice."""
    found: list[Problem] = []
    seen: set[str] = set()
    for e in exemptions:
        key = f"exemptions: {e.id}"
        if e.id in seen:
            found.append(Problem(stack, key, "", "is listed twice", "give each exemption its own id"))
        seen.add(e.id)
        if e.until < today:
            rule = f"ended {(today - e.until).days} days ago"
            found.append(Problem(stack, key, str(e.until), rule, f"remove it, or {e.owner} approves a new day"))
        elif e.until > today + LONGEST:
            rule = f"is more than {LONGEST.days} days ahead"
            found.append(Problem(stack, key, str(e.until), rule, "approve it for a year at most"))
    return found


def warnings(exemptions: Iterable[Dated], today: date, days: int) -> list[str]:
    """A sentence for each exemption that ends within `days`."""
    return [
        f"exemption {e.id} ends on {e.until} ({(e.until - today).days} days); {e.owner} renews or ends it"
        for e in exemptions
        if today <= e.until <= today + timedelta(days=days)
    ]
