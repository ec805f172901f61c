"""Files to raw tables: rows of text cells that still know their file, line and column.

Reads CSV and the inventory's YAML (a mapping from id to a flat mapping of fields) into the same shape and
refuses what has no such shape, collecting every fault as a `Problem`. Nothing here knows what a site is.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from inventory.errors import Problem

COMMIT_DIRECTORY = ".commit"  # see inventory.transfer: a file in here is newer than its namesake outside
_BOM = "\ufeff"
_FLAT_REMEDY = "give a value or a list of words"


@dataclass(slots=True)
class Row:
    """One row: its first line in the file (1-based) and its cells by column name.

    `lines` is set where the cells of a row stand on lines of their own (YAML), and `entries` where a field is a list
    of mappings: each of them a row again.
    """

    line: int
    cells: dict[str, str]
    lines: dict[str, int] = field(default_factory=dict)
    end: int = 0
    entries: dict[str, list[Row]] = field(default_factory=dict)

    def line_of(self, column: str) -> int:
        """Line of the cell in `column`, or of the row."""
        return self.lines.get(column, self.line)


@dataclass(slots=True)
class Table:
    """A file's rows in file order. `text` is the file's content, kept so that untouched lines stay untouched.

    `lost` holds the first cells of lines that are no rows, so that what refers to them is not blamed.
    """

    file: str
    columns: tuple[str, ...]
    rows: list[Row]
    text: str
    lost: frozenset[str] = frozenset()


def table_path(directory: Path, file: str) -> Path:
    """Where the current content of a table stands: in a change being committed, or in the folder itself."""
    path = directory / COMMIT_DIRECTORY / file
    return path if path.exists() else directory / file


def read_text(directory: Path, file: str, problems: list[Problem]) -> str | None:
    """The text of a table's file, or None with a problem added: absent, unreadable or not UTF-8."""
    try:
        raw = table_path(directory, file).read_bytes()
    except FileNotFoundError:
        problems.append(Problem(file, 0, "", f"the table is missing from {directory}", "restore it or import it again"))
        return None
    except OSError as error:
        problems.append(Problem(file, 0, "", f"cannot be read: {error.strerror}", "check the file and its permissions"))
        return None
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        start = raw.rfind(b"\n", 0, error.start) + 1
        problems.append(
            Problem(
                file,
                line,
                f"byte {error.start - start + 1}",
                f"byte 0x{raw[error.start]:02x} is not UTF-8",
                "save the file as UTF-8 (a spreadsheet: 'CSV UTF-8')",
            )
        )
        return None


def parse_csv(file: str, text: str, problems: list[Problem]) -> Table | None:
    """Rows of a CSV file with a header line; None when there is no usable header."""
    reader = csv.reader(io.StringIO(text.removeprefix(_BOM), newline=""), strict=True)
    rows: list[Row] = []
    lost: set[str] = set()
    columns: tuple[str, ...] = ()
    start = 1
    try:
        for cells in reader:
            line, start = start, reader.line_num + 1
            if not columns:
                columns = tuple(c.strip() for c in cells)
                if not _header_is_usable(file, line, columns, problems):
                    return None
            elif len(cells) == len(columns):
                stripped = [c.strip() for c in cells]
                rows.append(Row(line, dict(zip(columns, stripped, strict=True)), end=reader.line_num))
            elif any(c.strip() for c in cells):
                lost.add(cells[0].strip())
                problems.append(
                    Problem(
                        file,
                        line,
                        "",
                        f"has {len(cells)} cells, the header has {len(columns)}",
                        "quote a cell that holds a comma, and give every column a cell",
                    )
                )
    except csv.Error as error:
        problems.append(Problem(file, start, "", f"is not CSV: {error}", "check the quotes around this line"))
    if not columns:
        problems.append(Problem(file, 1, "", "the file is empty", "give it a header line"))
        return None
    return Table(file, columns, rows, text, frozenset(lost))


def with_cells(table: Table, changes: Mapping[int, Mapping[str, str]]) -> str:
    """The text of a CSV table after `changes` (row number in `table.rows` -> column -> new text).

    Only lines of changed rows are written anew, so that a diff shows what was decided and nothing else.
    """
    lines = list(io.StringIO(table.text, newline=""))
    for number in sorted(changes, reverse=True):
        row = table.rows[number]
        old = lines[row.line - 1 : row.end]
        ending = old[-1][len(old[-1].rstrip("\r\n")) :]
        out = io.StringIO(newline="")
        cells = {**row.cells, **changes[number]}
        csv.writer(out, lineterminator=ending).writerow([cells[c] for c in table.columns])
        lines[row.line - 1 : row.end] = [out.getvalue()]
    return "".join(lines)


def with_only(table: Table, ids: Collection[str]) -> str:
    """The text of a table with only the rows of `ids`; header, comments and kept rows stay as they are."""
    lines = list(io.StringIO(table.text, newline=""))
    starts = [row.line - 1 for row in table.rows]
    ends = [row.end or following for row, following in zip(table.rows, [*starts[1:], len(lines)], strict=True)]
    for row, start, end in reversed(list(zip(table.rows, starts, ends, strict=True))):
        if row.cells["id"] not in ids:
            del lines[start:end]
    return "".join(lines)


def _header_is_usable(file: str, line: int, columns: tuple[str, ...], problems: list[Problem]) -> bool:
    if len(columns) == 1 and (";" in columns[0] or "\t" in columns[0]):
        problems.append(
            Problem(file, line, "", "the cells are not separated by commas", "save it with commas between cells")
        )
        return False
    repeated = sorted({c for c in columns if columns.count(c) > 1})
    problems.extend(Problem(file, line, c, "the column is there twice", "remove one") for c in repeated)
    return not repeated


def parse_yaml(file: str, text: str, problems: list[Problem]) -> Table | None:
    """Rows of a YAML file that maps an id to fields: each a scalar, a list of words or a list of flat mappings."""
    try:
        root = yaml.compose(text, Loader=yaml.CSafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        reason = getattr(error, "problem", None) or "cannot be parsed"
        line = mark.line + 1 if mark else 0
        problems.append(Problem(file, line, "", f"is not YAML: {reason}", "check the indentation and quotes"))
        return None
    if root is None:
        return Table(file, (), [], text)
    shape = "write one entry per id, each with its fields below it"
    if not isinstance(root, yaml.MappingNode):
        problems.append(Problem(file, 1, "", "is not a mapping from ids to fields", shape))
        return None
    rows: list[Row] = []
    columns: dict[str, None] = {"id": None}
    for key, value in root.value:
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode) or not isinstance(value, yaml.MappingNode):
            problems.append(Problem(file, line, "", "is not an id with fields", shape))
            continue
        row = Row(line, {"id": key.value})
        for name, cell in value.value:
            _add_yaml_cell(file, row, name, cell, problems)
        columns.update(dict.fromkeys(row.cells))
        rows.append(row)
    return Table(file, tuple(columns), rows, text)


def _add_yaml_cell(
    file: str, row: Row, name: yaml.Node, cell: yaml.Node, problems: list[Problem], within: str = ""
) -> None:
    line = name.start_mark.line + 1
    label = str(name.value)
    if label in row.cells:
        problems.append(Problem(file, line, within + label, "the field is there twice", "remove one"))
        return
    row.lines[label] = line
    row.cells[label] = ""
    if isinstance(cell, yaml.ScalarNode):
        row.cells[label] = "" if cell.tag == "tag:yaml.org,2002:null" else str(cell.value).strip()
    elif isinstance(cell, yaml.SequenceNode) and all(isinstance(n, yaml.ScalarNode) for n in cell.value):
        row.cells[label] = " ".join(str(n.value) for n in cell.value)
    elif (
        not within and isinstance(cell, yaml.SequenceNode) and all(isinstance(n, yaml.MappingNode) for n in cell.value)
    ):
        row.entries[label] = [_yaml_entry(file, f"{label}.", node, problems) for node in cell.value]
    else:
        problems.append(Problem(file, line, within + label, "holds a nested structure", _FLAT_REMEDY))


def _yaml_entry(file: str, within: str, node: yaml.MappingNode, problems: list[Problem]) -> Row:
    entry = Row(node.start_mark.line + 1, {})
    for name, cell in node.value:
        _add_yaml_cell(file, entry, name, cell, problems, within)
    return entry
