"""A folder of tables to one `Inventory`, or to the list of everything that is wrong with it.

Reads each file once, builds the rows, then checks what only the whole can show (inventory.checks). Refuses an
inventory with any fault: half an inventory would silently leave half the world unwatched.
"""

from __future__ import annotations

import gc
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar

from inventory import checks, models, schema
from inventory.cells import Cells, suggestion
from inventory.errors import InventoryError, Problem
from inventory.models import Inventory
from inventory.schema import Known, TableSpec
from inventory.tables import Row, Table, parse_csv, parse_yaml, read_text, table_path

T = TypeVar("T")

_TUNNEL_COLUMN = re.compile(r"\btunnel_([a-z0-9-]+)")


@dataclass(slots=True)
class Sheet(Generic[T]):
    """A table's usable rows as objects by id, with the row of each; `ids` also holds ids of unusable rows."""

    table: Table
    objects: dict[str, T] = field(default_factory=dict)
    rows: dict[str, Row] = field(default_factory=dict)
    ids: frozenset[str] = frozenset()


def packaged_tables() -> Path:
    """The folder of the tables shipped with the package."""
    return Path(__file__).parent


def load(directory: Path) -> Inventory:
    """The inventory in `directory`.

    Raises:
        InventoryError: with every fault found as a `Problem`; nothing is loaded.
    """
    found, problems = examine(directory)
    if found is None:
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        raise InventoryError(f"the inventory in {directory} has {count}", problems)
    return found


def examine(directory: Path) -> tuple[Inventory | None, tuple[Problem, ...]]:
    """The inventory or None, and all problems in file order (none when there is an inventory).

    Raises:
        InventoryError: there is no such folder.
    """
    if not directory.is_dir():
        raise InventoryError(f"there is no folder {directory}; name one that holds the tables")
    # Thousands of small live objects and no cycles: the collector would only rescan them, at a third of the time.
    collecting = gc.isenabled()
    gc.disable()
    try:
        problems: list[Problem] = []
        inventory, sheets = _build(directory, problems)
        checks.check(inventory, sheets, problems)
    finally:
        if collecting:
            gc.enable()
    unique = tuple(sorted(set(problems)))
    return (None if unique else inventory), unique


def read_hand_written(
    directory: Path,
) -> tuple[Mapping[str, models.Hub], Mapping[str, models.CircuitKind], Mapping[str, models.Carrier]]:
    """Hubs, circuit kinds and carriers alone, for a tool that is about to write the tables that use them.

    Raises:
        InventoryError: one of the three has a fault.
    """
    problems: list[Problem] = []
    hubs = _sheet(read_table(directory, schema.HUBS, problems), schema.hub, problems)
    kinds = _sheet(read_table(directory, schema.CIRCUIT_KINDS, problems), schema.circuit_kind, problems)
    carriers = _sheet(
        read_table(directory, schema.CARRIERS, problems), lambda c: schema.carrier(c, kinds.ids), problems
    )
    if problems:
        raise InventoryError(f"the tables in {directory} cannot be used", problems)
    return hubs.objects, kinds.objects, carriers.objects


def read_table(directory: Path, spec: TableSpec, problems: list[Problem]) -> Table:
    """The raw table of `spec`; an empty one, with a problem added, where the file cannot be used."""
    empty = Table(spec.file, (), [], "")
    if spec.may_be_missing and not table_path(directory, spec.file).exists():
        return empty
    text = read_text(directory, spec.file, problems)
    if text is None:
        return empty
    if not spec.file.endswith(".csv"):
        table = parse_yaml(spec.file, text, problems) or empty
        _check_fields(table, spec, problems)
        return table
    found = parse_csv(spec.file, text, problems)
    if found is None:
        return empty
    _check_header(found, spec, problems)
    return found


def _check_header(table: Table, spec: TableSpec, problems: list[Problem]) -> None:
    known = spec.required + spec.optional
    missing = [c for c in spec.required if c not in table.columns]
    unknown = [c for c in table.columns if c not in known]
    problems.extend(
        Problem(table.file, 1, c, "the column is missing", "add it to the header and to every row") for c in missing
    )
    problems.extend(
        Problem(table.file, 1, c or "(no name)", "there is no such column", suggestion(c, missing or known))
        for c in unknown
    )


def _check_fields(table: Table, spec: TableSpec, problems: list[Problem]) -> None:
    known = spec.required + spec.optional
    for row in table.rows:
        for name, line in row.lines.items():
            if name not in known:
                remedy = suggestion(name, known)
                problems.append(Problem(table.file, line, name, "there is no such field", remedy))
            elif name in row.entries and name not in spec.lists:
                remedy = "give a value or a list of words"
                problems.append(Problem(table.file, line, name, "holds a nested structure", remedy))


def _circuits_spec(directory: Path, hubs: Collection[str]) -> TableSpec:
    """The circuits table for `hubs`, or for those its own header names where the hubs could not be read."""
    if not hubs:
        header = (read_text(directory, "circuits.csv", []) or "").partition("\n")[0]
        hubs = tuple(dict.fromkeys(_TUNNEL_COLUMN.findall(header)))
    return schema.circuits_spec(hubs)


def _sheet(table: Table, build: Callable[[Cells], T], problems: list[Problem]) -> Sheet[T]:
    sheet: Sheet[T] = Sheet(table)
    first: dict[str, int] = {}
    for row in table.rows:
        cells = Cells(table, row, problems)
        value = build(cells)
        key = row.cells.get("id", "")
        if key and key in first:
            cells.refuse("id", f"'{key}' is already on line {first[key]}", "give each row an id of its own")
            continue
        first[key] = row.line
        if cells.ok:
            sheet.objects[key] = value
            sheet.rows[key] = row
    sheet.ids = (table.lost | frozenset(first)) - {""}
    return sheet


@dataclass(frozen=True, slots=True)
class Sheets:
    """Where each object of an inventory came from, for checks that have to point at a cell."""

    tables: dict[str, Table]
    rows: dict[str, dict[str, Row]]
    ids: dict[str, frozenset[str]]

    def problem(self, file: str, key: str, column: str, message: str, remedy: str) -> Problem:
        """A problem with the cell in `column` of the row `key` of `file`."""
        row = self.rows[file].get(key)
        return Problem(file, row.line_of(column) if row else 0, column, message, remedy)


def _build(directory: Path, problems: list[Problem]) -> tuple[Inventory, Sheets]:
    def sheet(spec: TableSpec, build: Callable[[Cells], T]) -> Sheet[T]:
        found = _sheet(read_table(directory, spec, problems), build, problems)
        sheets.tables[spec.file], sheets.rows[spec.file] = found.table, found.rows
        sheets.ids[spec.file] = found.ids
        return found

    sheets = Sheets({}, {}, {})
    hubs = sheet(schema.HUBS, schema.hub)
    regions = sheet(schema.REGIONS, schema.region)
    desks = sheet(schema.DESKS, schema.desk)
    slas = sheet(schema.SLAS, schema.sla)
    kinds = sheet(schema.CIRCUIT_KINDS, schema.circuit_kind)
    roles = sheet(schema.ROLES, schema.role)
    carriers = sheet(schema.CARRIERS, lambda c: schema.carrier(c, kinds.ids))

    def known(sites: Collection[str] = ()) -> Known:
        hub_ids = tuple(dict.fromkeys(k for k in (r.cells.get("id", "") for r in hubs.table.rows) if k))
        return Known(hub_ids, regions.ids, desks.ids, slas.ids, kinds.ids, carriers.ids, roles.ids, sites)

    without_sites = known()
    sites = sheet(schema.SITES, lambda c: schema.site(c, without_sites))
    all_known = known(sites.ids)
    circuits = sheet(_circuits_spec(directory, all_known.hubs), lambda c: schema.circuit(c, all_known))
    devices = sheet(schema.DEVICES, lambda c: schema.device(c, all_known))
    backbone = sheet(schema.BACKBONE, lambda c: schema.backbone_link(c, all_known))
    edges = sheet(schema.CLOUD_EDGES, lambda c: schema.cloud_edge(c, all_known))
    applications_table = read_table(directory, schema.APPLICATIONS, [])
    application_ids = frozenset(r.cells.get("id", "") for r in applications_table.rows)
    applications = sheet(schema.APPLICATIONS, lambda c: schema.application(c, all_known, application_ids))
    found = Inventory(
        hubs.objects,
        regions.objects,
        desks.objects,
        slas.objects,
        kinds.objects,
        carriers.objects,
        roles.objects,
        sites.objects,
        circuits.objects,
        devices.objects,
        backbone.objects,
        edges.objects,
        applications.objects,
    )
    return found, sheets
