"""Tables into and out of an inventory folder, all or nothing.

A change is staged as a complete set of tables, examined there, and only then made current by one rename; from
that moment readers see all of it (inventory.tables reads the committed copy first), even if the machine stops
before the files stand in their places. Refuses to make a faulty set current.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from inventory import schema
from inventory.assignment import Change, decide, split
from inventory.errors import InventoryError
from inventory.loader import examine, load, packaged_tables, read_table
from inventory.models import Site
from inventory.schema import TABLE_FILES
from inventory.selectors import restrict
from inventory.subset import Subset, subset
from inventory.tables import COMMIT_DIRECTORY, Table, table_path, with_cells

# Tables that say how things are called and measured rather than what one's own network consists of.
SHARED_FILES = (
    "hubs.yaml", "regions.yaml", "desks.yaml", "slas.yaml", "circuit_kinds.yaml", "roles.yaml", "carriers.csv",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Assigned:
    """What `assign` decided: the cells, and how many sites prefer each hub afterwards."""

    changes: tuple[Change, ...]
    split: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Imported:
    """What `import_csv` did with each table: `taken` from the user's folder, `kept` in the target, `shipped`."""

    taken: tuple[str, ...]
    kept: tuple[str, ...]
    shipped: tuple[str, ...]


def assign(directory: Path, *, dry_run: bool = False) -> Assigned:
    """Fill the empty cells of the tables in `directory`; with `dry_run` only say how.

    Raises:
        InventoryError: the tables have another fault than empty cells, a pool is exhausted, or the filled tables
            would be faulty (a limit exceeded); nothing has been written then.
    """
    found, problems = examine(directory)
    blocking = [p for p in problems if not p.is_left_to_assign]
    if blocking:
        raise InventoryError("put these right first, then assign fills the empty cells:", blocking)
    tables = _raw_tables(directory)
    changes = decide(tables) if found is None else ()
    result = Assigned(changes, split(tables, changes))
    if changes:
        by_file: dict[str, dict[int, dict[str, str]]] = {}
        for change in changes:
            by_file.setdefault(change.file, {}).setdefault(change.row, {})[change.column] = change.value
        contents = current_tables(directory)
        contents |= {f: with_cells(tables[f], rows).encode() for f, rows in by_file.items()}
        _make_current(directory, contents, "with the empty cells filled the inventory", dry_run=dry_run)
    return result


def import_csv(source: Path, directory: Path, *, dry_run: bool = False) -> Imported:
    """Replace the tables in `directory` by those in `source`.

    A table that `source` lacks is kept as it is in `directory`; into a folder without any, the tables in
    `SHARED_FILES` come from the shipped ones. Bytes are copied as they are: exporting gives the same files back.

    Raises:
        InventoryError: `source` holds no table, or the set would be faulty; `directory` is untouched then.
    """
    try:
        new = {f: (source / f).read_bytes() for f in TABLE_FILES if (source / f).is_file()}
        if not new:
            raise InventoryError(f"{source} holds none of the tables; it should hold {', '.join(TABLE_FILES[:3])}")
        kept = current_tables(directory) if directory.is_dir() else {}
        shipped = {} if kept else _shared_tables()
    except OSError as error:
        raise InventoryError(f"cannot read {error.filename}: {error.strerror}; check the permissions") from error
    _make_current(directory, {**shipped, **kept, **new}, f"with the tables of {source}", dry_run=dry_run)
    return Imported(tuple(new), tuple(f for f in kept if f not in new), tuple(f for f in shipped if f not in new))


def export_csv(directory: Path, target: Path) -> tuple[str, ...]:
    """Write the tables of `directory`, byte for byte, to the folder `target`; returns the names of the files.

    Raises:
        InventoryError: `target` holds tables already, or cannot be written.
    """
    contents = current_tables(directory)
    _refuse_tables_in(target)
    try:
        target.mkdir(parents=True, exist_ok=True)
        for file, content in contents.items():
            (target / file).write_bytes(content)
    except OSError as error:
        raise InventoryError(f"cannot write {target}: {error.strerror}; name another folder") from error
    return tuple(contents)


def export_sites(directory: Path, target: Path, sites: Iterable[Site]) -> Subset:
    """Write the tables of `directory`, cut down to `sites`, to the folder `target`: a start of one's own.

    Raises:
        InventoryError: there is no site, `target` holds tables already or cannot be written, or the tables of
            `directory` are faulty; nothing has been written then.
    """
    _refuse_tables_in(target)
    found = subset(restrict(load(directory), sites), _raw_tables(directory))
    contents = current_tables(directory) | {f: text.encode() for f, text in found.texts.items()}
    _make_current(target, contents, "cut down to these sites the inventory", dry_run=False)
    return found


def _refuse_tables_in(target: Path) -> None:
    present = [f for f in TABLE_FILES if (target / f).exists()]
    if present:
        raise InventoryError(f"{target} already holds {present[0]}; name an empty folder")


def current_tables(directory: Path) -> dict[str, bytes]:
    """The bytes of every table that `directory` has."""
    paths = {f: table_path(directory, f) for f in TABLE_FILES}
    return {f: p.read_bytes() for f, p in paths.items() if p.is_file()}


def _shared_tables() -> dict[str, bytes]:
    return {f: content for f, content in current_tables(packaged_tables()).items() if f in SHARED_FILES}


def _raw_tables(directory: Path) -> dict[str, Table]:
    hubs = read_table(directory, schema.HUBS, [])
    circuits = schema.circuits_spec([r.cells["id"] for r in hubs.rows])
    others = (schema.REGIONS, schema.CIRCUIT_KINDS, schema.CARRIERS, schema.SITES, circuits, schema.DEVICES)
    return {"hubs.yaml": hubs} | {s.file: read_table(directory, s, []) for s in others}


def _make_current(directory: Path, contents: Mapping[str, bytes], what: str, *, dry_run: bool) -> None:
    """Stage `contents`, examine them, and make them the tables of `directory`."""
    try:
        if not dry_run:
            directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(
            prefix=".staged-", dir=None if dry_run else directory, ignore_cleanup_errors=True
        ) as name:
            staged = Path(name) / "tables"
            staged.mkdir()
            for file, content in contents.items():
                _write_durably(staged / file, content)
            _, problems = examine(staged)
            if problems:
                raise InventoryError(f"{what} has {len(problems)} problem(s); nothing was changed", problems)
            if not dry_run:
                commit(directory, staged)
    except OSError as error:
        reason = f"cannot write to {directory}: {error.strerror}"
        raise InventoryError(f"{reason}; nothing was changed, check space and permissions") from error


def _write_durably(path: Path, content: bytes) -> None:
    with path.open("wb") as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())


def commit(directory: Path, staged: Path) -> None:
    """Make the folder `staged` (on the same file system) the current tables of `directory`."""
    finish_commit(directory)
    staged.rename(directory / COMMIT_DIRECTORY)
    finish_commit(directory)


def finish_commit(directory: Path) -> None:
    """Put the files of a committed change in their places; does nothing when there is none."""
    committed = directory / COMMIT_DIRECTORY
    if not committed.is_dir():
        return
    for path in sorted(committed.iterdir()):
        path.replace(directory / path.name)
    shutil.rmtree(committed)
