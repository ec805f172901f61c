"""A device's MIB without a list of its objects: columns shared by all devices, rows per device, values when asked.

A column is an object type (scalar or table column) with a function from row and time to a value; a table is the sorted
row indices of one device. The next object is found by bisection in both, so 2,000 agents cost their rows, not their
hundreds of thousands of variables.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

from .ber import Oid, decode_oid, encode_subs, oid_contents

ValueOf = Callable[[Any, float], bytes]  # a row of the column's own table, epoch seconds -> value TLV

SCALAR: Final[Oid] = (0,)


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """An object type: `oid` without instance, the group of rows it reads, and how to compute a value."""

    oid: Oid
    table: str
    value: ValueOf
    counter64: bool = False
    contents: bytes = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "contents", oid_contents(self.oid))

    def name(self, suffix: Oid) -> bytes:
        """BER contents of the instance's OID."""
        return self.contents + encode_subs(suffix)


class Table:
    """The rows of one device in one group; a scalar group has the one row `SCALAR`."""

    __slots__ = ("rows", "suffixes")

    def __init__(self, rows: Mapping[Oid, object]) -> None:
        self.suffixes = _shared(tuple(sorted(rows)))
        self.rows = rows


class View:
    """The columns that a set of groups has, in OID order.

    `counter64` False leaves out what SNMPv1 cannot carry (RFC 3584 4.2.2.1).
    """

    def __init__(self, columns: list[Column], counter64: bool) -> None:
        self.columns = sorted((c for c in columns if counter64 or not c.counter64), key=lambda c: c.oid)
        self.oids = [c.oid for c in self.columns]
        assert len(set(self.oids)) == len(self.oids), "two columns with one OID"


class Agent:
    """One device's objects."""

    __slots__ = ("device", "tables", "views")

    def __init__(self, device: str, tables: Mapping[str, Table], views: tuple[View, View]) -> None:
        """`views` are those for SNMPv1 and v2c, by the message's version field."""
        self.device = device
        self.tables = tables
        self.views = views

    def after(self, view: View, name: bytes) -> tuple[int, int]:
        """Position (column, row) of the first object after the OID; the column is past the end if there is none.

        Raises:
            MalformedError: the name is no OID.
        """
        oid = decode_oid(name)
        at = bisect_right(view.oids, oid) - 1
        if at < 0:
            return self.settle(view, 0, 0)
        prefix = view.oids[at]
        if oid[: len(prefix)] != prefix:
            return self.settle(view, at + 1, 0)
        table = self.tables[view.columns[at].table]
        return self.settle(view, at, bisect_right(table.suffixes, oid[len(prefix) :]))

    def settle(self, view: View, column: int, row: int) -> tuple[int, int]:
        """The position itself if it holds an object, else the next that does."""
        while column < len(view.columns) and row >= len(self.tables[view.columns[column].table].suffixes):
            column, row = column + 1, 0
        return column, row


class Directory:
    """All columns that any agent has; finds the one that an OID belongs to and remembers those that exist."""

    def __init__(self, columns: list[Column]) -> None:
        self._all = View(columns, counter64=True)
        self.known: dict[bytes, tuple[Column, Oid]] = {}
        self._views: dict[frozenset[str], tuple[View, View]] = {}

    def locate(self, name: bytes) -> tuple[Column, Oid] | None:
        """The column that the OID lies under and the instance part; None if there is no such column.

        Raises:
            MalformedError: the name is no OID.
        """
        oid = decode_oid(name)
        at = bisect_right(self._all.oids, oid) - 1
        if at < 0:
            return None
        column = self._all.columns[at]
        return (column, oid[len(column.oid) :]) if oid[: len(column.oid)] == column.oid else None

    def views(self, tables: frozenset[str]) -> tuple[View, View]:
        """The views of an agent with these groups, for SNMPv1 and for v2c."""
        if tables not in self._views:
            columns = [c for c in self._all.columns if c.table in tables]
            self._views[tables] = (View(columns, counter64=False), View(columns, counter64=True))
        return self._views[tables]


@lru_cache(maxsize=4096)
def _shared(suffixes: tuple[Oid, ...]) -> tuple[Oid, ...]:
    """One copy of equal index lists: most devices of a role number their interfaces alike."""
    return suffixes
