"""A folder of tables with the edits that tests of the inventory need."""

from __future__ import annotations

import csv
import io
import shutil
from collections.abc import Callable
from pathlib import Path

import inventory
from inventory.schema import TABLE_FILES


class Tables:
    """A folder of tables with the edits that tests need."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def text(self, file: str) -> str:
        return (self.path / file).read_text("utf-8")

    def write(self, file: str, text: str) -> None:
        (self.path / file).write_text(text, "utf-8")

    def replace(self, file: str, old: str, new: str, count: int = 1) -> None:
        assert old in self.text(file), f"the test's own mistake: {old!r} is not in {file}"
        self.write(file, self.text(file).replace(old, new, count))

    def rows(self, file: str) -> list[dict[str, str]]:
        return list(csv.DictReader(io.StringIO(self.text(file))))

    def write_rows(self, file: str, rows: list[dict[str, str]]) -> None:
        out = io.StringIO()
        writer = csv.DictWriter(out, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        self.write(file, out.getvalue())

    def edit(self, file: str, change: Callable[[list[dict[str, str]]], None]) -> None:
        rows = self.rows(file)
        change(rows)
        self.write_rows(file, rows)

    def set(self, file: str, row: str, column: str, value: str) -> int:
        """Set a cell and return its line in the file."""
        rows = self.rows(file)
        number = next(n for n, r in enumerate(rows) if r["id"] == row)
        rows[number][column] = value
        self.write_rows(file, rows)
        return number + 2

    def clear(self, file: str, columns: tuple[str, ...]) -> None:
        self.edit(file, lambda rows: [r.update(dict.fromkeys(columns, "")) for r in rows] and None)

    def problems(self) -> list[str]:
        return [str(p) for p in inventory.examine(self.path)[1]]


def copy_tables(target: Path) -> Tables:
    target.mkdir(parents=True, exist_ok=True)
    for file in TABLE_FILES:
        shutil.copy(inventory.packaged_tables() / file, target / file)
    return Tables(target)


TEN = ("ke-nairobi", "us-new-york", "cl-santiago", "ch-geneva", "sn-dakar", "ug-entebbe", "et-addis-ababa")
TEN += ("lb-beirut", "th-bangkok", "cd-goma")

DECISIONS = {
    "sites.csv": ("preferred_hub", "standby_hub", "shard", "prefixes", "asn"),
    "devices.csv": ("address",),
    "circuits.csv": ("tunnel_valencia", "tunnel_brindisi", "rtt_valencia_ms", "jitter_ms", "loss_percent"),
}


def keep_sites(tables: Tables, sites: tuple[str, ...]) -> Tables:
    tables.edit("sites.csv", lambda rows: _keep(rows, "id", sites))
    tables.edit("circuits.csv", lambda rows: _keep(rows, "site", sites))
    tables.edit("devices.csv", lambda rows: _keep(rows, "site", sites))
    return tables


def _keep(rows: list[dict[str, str]], column: str, wanted: tuple[str, ...]) -> None:
    rows[:] = [r for r in rows if r[column] in wanted]
