"""Text cells to values, one method per type; a cell that cannot be read becomes a `Problem`, never an exception.

A `Cells` object wraps one row. Each method returns the value, or a harmless stand-in after noting the problem;
`ok` tells the caller whether the row as a whole may be used.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from datetime import date
from difflib import get_close_matches
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import TypeVar
from zoneinfo import ZoneInfo

from inventory.errors import Problem
from inventory.models import Address, Network
from inventory.tables import Row, Table

T = TypeVar("T")

ID_PATTERN = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?")
NOWHERE = ip_network("0.0.0.0/32")


@lru_cache(maxsize=1024)
def is_timezone(name: str) -> bool:
    """True when `name` is in the IANA time zone database of this machine."""
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return False
    return True


def suggestion(word: str, known: Collection[str]) -> str:
    """The remedy for an unknown word: the nearest known one, or the known ones when they are few."""
    near = get_close_matches(word, known, n=1, cutoff=0.6)
    if near:
        return f"did you mean '{near[0]}'?"
    if len(known) <= 12:
        return "use one of " + ", ".join(sorted(known))
    return "correct it or add it to its table"


class Cells:
    """One row's cells with their place, for a parser that wants values."""

    __slots__ = ("_cells", "_problems", "_within", "ok", "row", "table")

    def __init__(self, table: Table, row: Row, problems: list[Problem], within: str = "") -> None:
        self.table = table
        self._within = within  # "machines." in an entry of the field machines
        self.row = row
        self.ok = True
        self._cells = row.cells
        self._problems = problems

    def refuse(self, column: str, message: str, remedy: str) -> None:
        """Note a problem with the cell in `column` and mark the row unusable."""
        self.ok = False
        line = self.row.line_of(column)
        self._problems.append(Problem(self.table.file, line, self._within + column, message, remedy))

    def entries(self, column: str, known: Collection[str], build: Callable[[Cells], T]) -> tuple[T, ...]:
        """The mappings of a list, each built from its own cells; any fault in one makes the row unusable.

        Args:
            column: name of the field; absent or empty gives no entries.
            known: the keys that an entry may have.
            build: an entry's cells to an object.
        """
        found: list[T] = []
        for entry in self.row.entries.get(column, ()):
            cells = Cells(self.table, entry, self._problems, f"{column}.")
            for name in entry.lines:
                if name not in known:
                    cells.refuse(name, "there is no such field", suggestion(name, known))
            found.append(build(cells))
            self.ok = self.ok and cells.ok
        if self.optional(column):
            self.refuse(column, "is not a list of entries", "write - {" + ": ..., ".join(known) + ": ...}")
        return tuple(found)

    def optional(self, column: str) -> str:
        """The cell's text, empty where the cell is."""
        return self._cells.get(column, "")

    def text(self, column: str, remedy: str = "fill it in") -> str:
        """The cell's text, which must not be empty."""
        value = self._cells.get(column)
        if not value:
            if value is not None or self.table.file.endswith(".yaml"):
                self.refuse(column, "is missing" if value is None else "is empty", remedy)
            self.ok = False  # a column that a CSV lacks altogether is reported once, for the header
            return ""
        return value

    def id(self, column: str, remedy: str = "fill it in") -> str:
        """An identifier: lower-case letters, digits, dots and hyphens."""
        value = self.text(column, remedy)
        if value and not ID_PATTERN.fullmatch(value):
            self.refuse(column, f"'{value}' is not an id", "use lower-case letters, digits, '-' and '.'")
        return value

    def ids(self, column: str) -> tuple[str, ...]:
        """Identifiers separated by spaces; may be empty."""
        return tuple(self.optional(column).split())

    def number(self, column: str, low: float, high: float, remedy: str = "fill it in") -> float:
        """A decimal number from `low` to `high`, both included."""
        value = self.text(column, remedy)
        if not value:
            return low
        try:
            found = float(value)
        except ValueError:
            self.refuse(column, f"'{value}' is not a number", "write digits with a decimal point, no unit")
            return low
        if not low <= found <= high:
            self.refuse(column, f"{value} is outside {low:g} to {high:g}", f"give {low:g} to {high:g}")
            return low
        return found

    def integer(self, column: str, low: int, high: int, remedy: str = "fill it in") -> int:
        """A whole number from `low` to `high`, both included."""
        value = self.text(column, remedy)
        if not value:
            return low
        if not value.lstrip("-").isdecimal():
            self.refuse(column, f"'{value}' is not a whole number", "write digits only")
            return low
        found = int(value)
        if not low <= found <= high:
            self.refuse(column, f"{value} is outside {low} to {high}", f"give {low} to {high}")
            return low
        return found

    def optional_number(self, column: str, low: float, high: float) -> float | None:
        """As `number`, None where the cell is empty."""
        return self.number(column, low, high) if self.optional(column) else None

    def day(self, column: str) -> date:
        """A date as YYYY-MM-DD."""
        value = self.text(column)
        try:
            return date.fromisoformat(value) if value else date.min
        except ValueError:
            self.refuse(column, f"'{value}' is not a date", "write it as YYYY-MM-DD")
            return date.min

    def timezone(self, column: str) -> str:
        """An IANA time zone name."""
        value = self.text(column)
        if value and not is_timezone(value):
            self.refuse(column, f"'{value}' is not an IANA time zone", "write for instance Africa/Nairobi")
        return value

    def choice(self, column: str, known: Collection[str], what: str, remedy: str = "fill it in") -> str:
        """A word that must be one of `known`; `what` names the kind of thing in the message.

        An empty `known` refuses nothing: its table could not be read, which has been said once already.
        """
        value = self.text(column, remedy)
        if value and known and value not in known:
            self.refuse(column, f"'{value}' is not a {what}", suggestion(value, known))
        return value

    def address(self, column: str, remedy: str = "fill it in") -> Address:
        """An IP address."""
        value = self.text(column, remedy)
        return self._parsed(column, value, _address, NOWHERE[0], "an IP address", "write for instance 10.1.2.3")

    def network(self, column: str, remedy: str = "fill it in") -> Network:
        """An IP prefix without host bits."""
        value = self.text(column, remedy)
        return self._parsed(column, value, ip_network, NOWHERE, "a prefix", "write for instance 10.1.2.0/24")

    def optional_network(self, column: str) -> Network | None:
        """As `network`, None where the cell is empty."""
        return self.network(column) if self.optional(column) else None

    def networks(self, column: str, remedy: str = "fill it in") -> tuple[Network, ...]:
        """One or more prefixes separated by spaces."""
        example = "write for instance 10.1.2.0/24 10.1.4.0/23"
        return tuple(
            self._parsed(column, word, ip_network, NOWHERE, "a prefix", example)
            for word in self.text(column, remedy).split()
        )

    def _parsed(self, column: str, value: str, parse: Callable[[str], T], stand_in: T, what: str, remedy: str) -> T:
        if not value:
            return stand_in
        try:
            return parse(value)
        except ValueError as error:
            extra = " (host bits set)" if "host bits" in str(error) else ""
            self.refuse(column, f"'{value}' is not {what}{extra}", remedy)
            return stand_in


def _address(value: str) -> IPv4Address | IPv6Address:
    return ip_address(value)
