"""Import and export: all or nothing, and the same bytes back."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests_inventory_support import Tables

import inventory
from inventory import InventoryError
from inventory.schema import TABLE_FILES
from inventory.transfer import SHARED_FILES, commit, export_csv, finish_commit, import_csv


def contents(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in folder.iterdir() if p.is_file()}


def test_what_is_imported_is_exported_to_the_byte(ten: Tables, tmp_path: Path) -> None:
    text = ten.text("sites.csv").replace("\n", "\r\n")
    (ten.path / "sites.csv").write_bytes(b"\xef\xbb\xbf" + text.encode())
    done = import_csv(ten.path, tmp_path / "target")
    assert set(done.taken) == set(TABLE_FILES)
    export_csv(tmp_path / "target", tmp_path / "back")
    assert contents(tmp_path / "back") == contents(ten.path)


def test_a_faulty_set_changes_nothing_and_names_every_fault(ten: Tables, tables: Tables) -> None:
    before = contents(tables.path)
    ten.set("sites.csv", "cd-goma", "tier", "7")
    ten.set("circuits.csv", "cd-goma.a", "kind", "dsl")
    with pytest.raises(InventoryError, match=r"2 problem\(s\); nothing was changed") as error:
        import_csv(ten.path, tables.path)
    assert {p.column for p in error.value.problems} == {"tier", "kind"}
    assert contents(tables.path) == before
    assert [p.name for p in tables.path.iterdir() if p.is_dir()] == []


def test_tables_that_are_not_brought_are_kept(tables: Tables, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "slas.yaml").write_text(tables.text("slas.yaml").replace("99.9", "99.8"))
    done = import_csv(mine, tables.path)
    assert done.taken == ("slas.yaml",)
    assert set(done.kept) == set(TABLE_FILES) - {"slas.yaml"}
    assert inventory.load(tables.path).slas["critical"].availability_ratio == pytest.approx(0.998)


def test_a_new_folder_takes_the_shared_tables_from_the_shipped_ones(ten: Tables, tmp_path: Path) -> None:
    for file in set(TABLE_FILES) - {"sites.csv", "circuits.csv", "devices.csv"}:
        (ten.path / file).unlink()
    done = import_csv(ten.path, tmp_path / "new")
    assert set(done.shipped) == set(SHARED_FILES)
    assert len(inventory.load(tmp_path / "new").sites) == 10


def test_a_dry_run_checks_and_writes_nothing(ten: Tables, tmp_path: Path) -> None:
    import_csv(ten.path, tmp_path / "new", dry_run=True)
    assert not (tmp_path / "new").exists()


def test_a_folder_without_tables_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InventoryError, match="holds none of the tables"):
        import_csv(tmp_path, tmp_path / "target")


def test_an_export_overwrites_no_table(tables: Tables) -> None:
    with pytest.raises(InventoryError, match=r"already holds sites.csv; name an empty folder"):
        export_csv(inventory.packaged_tables(), tables.path)


def test_a_change_is_whole_for_readers_even_when_the_machine_stops_in_the_middle(
    ten: Tables, tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder `.commit` is what a crash after the rename leaves behind: it is read first, then finished."""
    staged = tables.path / "staged"
    staged.mkdir()
    for file, content in contents(ten.path).items():
        (staged / file).write_bytes(content)
    moved: list[Path] = []
    real_replace = Path.replace

    def dies_after_two(self: Path, target: Path) -> Path:
        if len(moved) == 2:
            raise KeyboardInterrupt
        moved.append(self)
        return real_replace(self, target)

    monkeypatch.setattr(Path, "replace", dies_after_two)
    with pytest.raises(KeyboardInterrupt):
        commit(tables.path, staged)
    assert list(inventory.load(tables.path).sites) == list(inventory.load(ten.path).sites)
    monkeypatch.undo()
    finish_commit(tables.path)
    assert contents(tables.path) == contents(ten.path)
    assert [p for p in tables.path.iterdir() if p.is_dir()] == []
    finish_commit(tables.path)


def test_a_folder_that_cannot_be_written_is_a_sentence(ten: Tables, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InventoryError, match=r"cannot write to .*; nothing was changed, check space and permissions"):
        import_csv(ten.path, tmp_path / "file" / "target")
