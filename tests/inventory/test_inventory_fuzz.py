"""Junk in the tables: always a problem with a remedy, never an exception."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from tests_inventory_support import TEN, copy_tables, keep_sites

import inventory
from inventory.schema import TABLE_FILES

FUZZ = [
    "",
    "0",
    "-1",
    "nan",
    "\x00",
    "é",
    '"',
    ",",
    "\n",
    "\r",
    ";",
    "10.0.0.0/8",
    "::/0",
    "*",
    "#",
    "[",
    "{",
    "- ",
    ": ",
]


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_whatever_is_written_into_a_table_is_a_problem_and_never_an_exception(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        tables = keep_sites(copy_tables(Path(folder)), TEN)
        file = data.draw(st.sampled_from(TABLE_FILES))
        raw = (tables.path / file).read_bytes()
        for _ in range(data.draw(st.integers(1, 4))):
            start = data.draw(st.integers(0, len(raw)))
            end = data.draw(st.integers(start, min(len(raw), start + 40)))
            junk = data.draw(st.one_of(st.sampled_from(FUZZ).map(str.encode), st.binary(max_size=6)))
            raw = raw[:start] + junk + raw[end:]
        (tables.path / file).write_bytes(raw)
        found, problems = inventory.examine(tables.path)
        assert (found is None) == bool(problems)
        assert all(p.file and p.message and p.remedy for p in problems)
