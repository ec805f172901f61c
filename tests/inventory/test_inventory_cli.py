"""`noc inventory` as people and pipelines use it: exit codes, JSON on stdout, sentences on stderr."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tests_inventory_support import Tables

from inventory import Inventory
from inventory.schema import TABLE_FILES
from network_ops.cli.inventory import cli


def run(*words: str | Path, **environment: str) -> Result:
    result = CliRunner().invoke(cli, [str(w) for w in words], env={"NOC_INVENTORY": None, **environment})
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def test_the_shipped_tables_are_valid() -> None:
    result = run("validate", "--json")
    assert result.exit_code == 0
    found = json.loads(result.stdout)
    assert found["valid"] is True
    assert found["counts"]["sites"] == 594
    assert sum(found["split"].values()) == 594


def test_a_broken_table_exits_2_with_one_line_per_problem(tables: Tables) -> None:
    line = tables.set("sites.csv", "cd-goma", "tier", "9")
    result = run("validate", "--inventory", tables.path)
    assert result.exit_code == 2
    assert result.stdout == f"sites.csv:{line}: tier: 9 is outside 1 to 4; give 1 to 4\n"
    assert "1 problem(s)" in result.stderr
    as_json = json.loads(run("validate", "--json", "--inventory", tables.path).stdout)
    assert as_json["problems"] == [
        {
            "file": "sites.csv",
            "line": line,
            "column": "tier",
            "message": "9 is outside 1 to 4",
            "remedy": "give 1 to 4",
        }
    ]


def test_empty_cells_come_last_in_a_line_per_column_and_bury_no_fault(undecided: Tables) -> None:
    line = undecided.set("sites.csv", "cd-goma", "tier", "9")
    result = run("validate", "--inventory", undecided.path)
    assert result.exit_code == 2
    first, *others = result.stdout.splitlines()
    assert first == f"sites.csv:{line}: tier: 9 is outside 1 to 4; give 1 to 4"
    assert (
        "sites.csv: shard: 10 cells are empty, the first on line 2; run `noc inventory assign` to fill them" in others
    )
    assert len(others) == 11
    found = json.loads(run("validate", "--json", "--inventory", undecided.path).stdout)
    assert len(found["problems"]) > 100
    assert f"{len(found['problems'])} problem(s)" in result.stderr
    assert f"{len(found['problems']) - 1} of them empty cells" in result.stderr
    listed = run("list", "--inventory", undecided.path).stderr
    assert first in listed.splitlines()[1]
    assert "more" not in listed


def test_the_environment_names_the_folder(ten: Tables) -> None:
    result = run("list", "--json", NOC_INVENTORY=str(ten.path))
    assert len(json.loads(result.stdout)) == 10


def test_a_query_lists_sites() -> None:
    result = run("list", "region=africa", "tier<=1")
    assert result.exit_code == 0
    assert [line.split()[0] for line in result.stdout.splitlines()] == ["ug-entebbe", "ke-nairobi", "et-addis-ababa"]
    assert result.stderr == "3 of 594 sites\n"


def test_a_query_that_is_not_understood_exits_2_without_a_traceback() -> None:
    result = run("list", "tir=2")
    assert result.exit_code == 2
    assert result.stderr == "noc inventory: 'tir' in 'tir=2' is not a key; did you mean 'tier'?\n"


@pytest.mark.parametrize("verb", ["list", "show", "graph", "export"])
def test_a_missing_folder_exits_2_with_a_sentence(verb: str, tmp_path: Path) -> None:
    words = {"show": ["ke-nairobi"], "export": ["ansible"]}.get(verb, [])
    result = run(verb, *words, "--inventory", tmp_path / "nowhere")
    assert result.exit_code == 2
    assert result.stderr.startswith("noc inventory: there is no folder ")


def test_a_site_is_shown_with_everything_it_has() -> None:
    text = run("show", "ke-nairobi").stdout
    assert "session ke-nairobi.a@brindisi" in text
    found = json.loads(run("show", "ke-nairobi", "--json").stdout)
    assert [c["id"] for c in found["circuits"]] == ["ke-nairobi.a", "ke-nairobi.b"]
    assert found["devices"][0]["interfaces"][0]["index"] == 1
    many = run("show", "ke-*")
    assert many.exit_code == 2
    assert "sites match 'ke-*'; name one" in many.stderr


def test_a_site_is_shown_with_whom_to_call_and_how_to_ask_its_devices(shipped: Inventory) -> None:
    circuit = shipped.circuits["cd-goma.a"]
    carrier, region = shipped.carriers[circuit.carrier], shipped.regions[shipped.sites["cd-goma"].region]
    text = run("show", "cd-goma").stdout
    assert f"by {carrier.name} ({carrier.id}), contact {carrier.contact}" in text
    assert f"technology centre {region.technology_centre}" in text
    assert all(f"{d.address}, auth {d.auth}, " in text for d in shipped.devices_of["cd-goma"])
    found = json.loads(run("show", "cd-goma", "--json").stdout)
    assert found["circuits"][0]["carrier_contact"] == carrier.contact
    assert found["technology_centre"] == region.technology_centre


def test_an_unknown_value_exits_2_and_a_glob_without_a_match_exits_0() -> None:
    wrong = run("list", "region=afrika")
    assert wrong.exit_code == 2
    assert wrong.stderr == "noc inventory: no region 'afrika' is in this inventory; did you mean 'africa'?\n"
    nothing = run("list", "region=x*")
    assert nothing.exit_code == 0
    assert nothing.stderr == "0 of 594 sites\n"


def test_the_help_cuts_no_text() -> None:
    commands = run("--help").stdout.partition("Commands:\n")[2].splitlines()
    assert len(commands) == len(cli.commands), "a line per verb"
    assert not [line for line in commands if line.endswith("...")]


def test_assign_shows_then_fills_then_has_nothing_to_do(undecided: Tables) -> None:
    shown = run("assign", "--dry-run", "--inventory", undecided.path)
    assert shown.exit_code == 3
    assert shown.stderr.startswith("would fill ")
    filled = run("assign", "--inventory", undecided.path)
    assert filled.exit_code == 0
    assert filled.stdout == shown.stdout
    assert "preferred hubs valencia 4 / brindisi 6" in filled.stderr
    again = run("assign", "--dry-run", "--inventory", undecided.path)
    assert again.exit_code == 0
    assert "nothing: no cell is empty" in again.stderr


def test_the_graph_is_printed_in_three_forms() -> None:
    assert run("graph", "cd-goma").stdout.startswith("device:cd-goma-r1")
    assert run("graph", "cd-goma", "--dot").stdout.startswith("digraph")
    assert json.loads(run("graph", "cd-goma", "--json").stdout)["nodes"]


def test_import_and_export_give_the_same_bytes(ten: Tables, tmp_path: Path) -> None:
    assert run("import", "csv", ten.path, "--inventory", tmp_path / "t").exit_code == 0
    result = run("export", "csv", "--to", tmp_path / "back", "--inventory", tmp_path / "t", "--json")
    assert result.exit_code == 0
    assert set(json.loads(result.stdout)["files"]) == set(TABLE_FILES)
    for file in TABLE_FILES:
        assert (tmp_path / "back" / file).read_bytes() == (ten.path / file).read_bytes()


def test_a_refused_import_exits_2_and_lists_the_faults_as_json(ten: Tables, tmp_path: Path) -> None:
    ten.set("sites.csv", "cd-goma", "tier", "9")
    result = run("import", "csv", ten.path, "--inventory", tmp_path / "t", "--json")
    assert result.exit_code == 2
    assert [p["column"] for p in json.loads(result.stdout)["problems"]] == ["tier"]


def test_prometheus_and_ansible_get_json_of_the_selected_sites() -> None:
    targets = json.loads(run("export", "prometheus", "ke-nairobi").stdout)
    assert {t["labels"]["site"] for t in targets} == {"ke-nairobi"}
    probes = json.loads(run("export", "prometheus", "ke-nairobi", "--probes").stdout)
    assert sum(t["labels"]["probe"] == "session" for t in probes) == 4
    slow = json.loads(run("export", "prometheus", "ke-nairobi", "--interval", "240").stdout)
    assert [t["labels"]["device"] for t in slow] == ["ke-nairobi-sw1"]
    hosts = json.loads(run("export", "ansible", "ke-nairobi").stdout)["_meta"]["hostvars"]
    assert set(hosts) == {f"ke-nairobi-{s}" for s in ("r1", "r2", "sw1", "ups")}


def test_a_few_sites_are_exported_as_an_inventory_that_is_valid(shipped: Inventory, tmp_path: Path) -> None:
    result = run("export", "csv", "country=bw,cd", "tier<=3", "--to", tmp_path / "mine", "--json")
    assert result.exit_code == 0
    found = json.loads(result.stdout)
    expected = [s.id for s in shipped.sites.values() if s.country in ("BW", "CD") and s.tier <= 3]
    assert found["sites"] == expected
    assert {s["region"] for s in found["stand_ins"]} == {"africa-east", "africa-central"}
    assert result.stderr.startswith(f"wrote tables of {len(expected)} sites to ")
    assert "warning: technology centres that are not among these sites were replaced" in result.stderr
    assert "bw-gaborone for africa-east (was ke-nairobi)" in result.stderr
    assert run("validate", "--inventory", tmp_path / "mine").exit_code == 0
    again = run("export", "csv", "bw-gaborone", "--to", tmp_path / "mine")
    assert again.exit_code == 2
    assert "already holds sites.csv; name an empty folder" in again.stderr


def test_an_export_of_no_site_writes_nothing(tmp_path: Path) -> None:
    result = run("export", "csv", "zz-*", "--to", tmp_path / "mine")
    assert result.exit_code == 2
    assert "no site matches, and an inventory needs one" in result.stderr
    assert not (tmp_path / "mine").exists()


def test_export_csv_wants_a_folder() -> None:
    result = run("export", "csv")
    assert result.exit_code == 2
    assert "add --to FOLDER" in result.stderr
