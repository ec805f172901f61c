"""The offline verbs of `noc infra` from the outside: output, errors and exit codes; and that help stays quick."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from graph_samples import write_stack
from small_tables import cut_inventory

import inventory
from network_ops.cli.infra import cli
from network_ops.cli.main import NOUNS

FINE, BAD_INPUT, DIFFERENCE, REFUSED = 0, 2, 3, 4
STACKS = ("bootstrap-dev", "governance-dev", "connectivity-dev", "sites-europe-2-dev")


@pytest.fixture(scope="module")
def stacks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of the four first layers of dev, with the defaults."""
    folder = tmp_path_factory.mktemp("stacks")
    for name in STACKS:
        write_stack(folder, name)
    return folder


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    return tmp_path / "graphs"


def noc(stacks: Path, *arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, [str(a) for a in arguments], env={"NOC_INFRA_STACKS": str(stacks)})


def one_site_less(to: Path) -> str:
    """The shipped tables in another folder, without one site of the shard `europe-2`; its id."""
    source = inventory.packaged_tables()
    known = inventory.load(source)
    gone = next(s.id for s in known.sites.values() if s.shard == "europe-2")
    to.mkdir()
    for path in source.iterdir():
        if path.suffix in (".csv", ".yaml"):
            lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
            own = [line for line in lines if not (path.suffix == ".csv" and _of_site(line, path.name, gone))]
            (to / path.name).write_text("".join(own), encoding="utf-8")
    return gone


def _of_site(line: str, table: str, site: str) -> bool:
    cells = line.split(",")
    return cells[0] == site if table == "sites.csv" else table in ("circuits.csv", "devices.csv") and cells[1] == site


def test_the_noun_is_known() -> None:
    assert NOUNS["infra"][0] == "network_ops.cli.infra"


def test_help_imports_neither_pulumi_nor_the_inventory() -> None:
    code = (
        "import sys; from click.testing import CliRunner; from network_ops.cli.infra import cli;"
        "found = CliRunner().invoke(cli, ['--help']); assert found.exit_code == 0, found.output;"
        "assert 'plan' in found.output;"
        "print([m for m in sys.modules if m.partition('.')[0].startswith('pulumi')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_stack_is_drawn_in_every_form(stacks: Path) -> None:
    tree = noc(stacks, "graph", "bootstrap-dev")
    assert tree.exit_code == FINE, tree.output
    assert tree.stdout.startswith("bootstrap-dev · ")
    assert noc(stacks, "graph", "bootstrap-dev", "--dot").stdout.startswith('digraph "bootstrap-dev" {')
    assert noc(stacks, "graph", "bootstrap-dev", "--svg").stdout.startswith("<svg ")
    assert noc(stacks, "graph", "bootstrap-dev", "--summary").stdout.startswith("# bootstrap-dev\n")
    assert json.loads(noc(stacks, "graph", "bootstrap-dev", "--json").stdout)["stack"] == "bootstrap-dev"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["graph", "connectivity"], "there is no stack 'connectivity'"),
        (["graph", "sites-europe-dev"], "Pulumi.sites-europe-dev.yaml: there is no such file; create it"),
        (["plan", "--save", "--against", "."], "does not go with --against"),
        (["graph", "bootstrap-dev", "--dot", "--svg"], "choose one of"),
        (["cost", "atlantis-prod"], "there is no stack 'atlantis-prod'"),
    ],
)
def test_wrong_use_is_exit_2_and_a_sentence(stacks: Path, arguments: list[str], said: str) -> None:
    found = noc(stacks, *arguments)
    assert found.exit_code == BAD_INPUT
    assert said in found.stderr
    assert "Traceback" not in found.output


def test_wrong_configuration_is_one_list_in_text_and_json(tmp_path: Path) -> None:
    write_stack(tmp_path, "bootstrap-dev", "  wan-noc:colour: red\n  wan-noc:tenant: nobody\n")
    found = noc(tmp_path, "graph", "bootstrap-dev", "--json")
    assert found.exit_code == BAD_INPUT
    assert {p["key"] for p in json.loads(found.stdout)["problems"]} == {"colour", "tenant"}
    assert "bootstrap-dev: colour: is not a configuration key of this layer" in found.stderr


def test_the_first_plan_is_all_new_and_the_next_one_empty(stacks: Path, saved: Path) -> None:
    first = noc(stacks, "plan", "bootstrap-dev", "--saved", saved)
    assert first.exit_code == DIFFERENCE
    assert "nothing to compare with" in first.stdout
    assert "noc infra plan --save" in first.stderr
    kept = noc(stacks, "plan", "bootstrap-dev", "--saved", saved, "--save")
    assert (kept.exit_code, (saved / "bootstrap-dev.json").exists()) == (DIFFERENCE, True)
    again = noc(stacks, "plan", "bootstrap-dev", "--saved", saved)
    assert (again.exit_code, again.stdout.splitlines()[0]) == (
        FINE,
        f"nothing changes against what is saved in {saved}",
    )


def test_a_changed_setting_is_planned_with_both_values(stacks: Path, saved: Path, tmp_path: Path) -> None:
    noc(stacks, "plan", "bootstrap-dev", "--saved", saved, "--save")
    other = tmp_path / "stacks"
    other.mkdir()
    write_stack(other, "bootstrap-dev", "  wan-noc:owner: somebody-else\n")
    found = noc(other, "plan", "bootstrap-dev", "--saved", saved)
    assert found.exit_code == DIFFERENCE
    assert "tags.owner: platform-engineering → somebody-else" in found.stdout
    assert "touches no site, application or alert rule" in found.stdout
    plain = json.loads(noc(other, "plan", "bootstrap-dev", "--saved", saved, "--json").stdout)
    assert plain["counts"]["create"] == plain["counts"]["delete"] == 0
    assert {c["kind"] for c in plain["changes"]} == {"update"}


@pytest.mark.timeout(300)
def test_one_site_removed_from_the_inventory_touches_that_site_alone(stacks: Path, tmp_path: Path) -> None:
    gone = one_site_less(tmp_path / "less")
    found = noc(
        stacks, "plan", "sites-europe-2-dev", "--inventory", tmp_path / "less", "--against", inventory.packaged_tables()
    )
    assert found.exit_code == DIFFERENCE, found.output
    assert f"touches 1 site: {gone}" in found.stdout
    assert "reaches" not in found.stdout
    plain = json.loads(
        noc(
            stacks, "plan", "sites-europe-2-dev", "--inventory", tmp_path / "less",
            "--against", inventory.packaged_tables(), "--json",
        ).stdout
    )  # fmt: skip
    assert plain["touches"]["sites"] == [gone]
    assert {c["kind"] for c in plain["changes"]} == {"delete"}
    assert all(gone in c["name"] for c in plain["changes"])


def test_check_refuses_an_inventory_that_does_not_fit_its_stacks(stacks: Path, tmp_path: Path) -> None:
    small = cut_inventory(tmp_path / "small", 10)
    found = noc(stacks, "check", "--env", "prod", "--inventory", small)
    assert found.exit_code == BAD_INPUT
    assert "but there is no stack for it" in found.stdout
    assert "NOT green" in found.stdout


def test_check_prints_a_row_for_each_stack_and_json_holds_the_same(stacks: Path) -> None:
    found = noc(stacks, "check", "--env", "dev")
    assert found.exit_code == FINE, found.output
    assert all(f"\n{name} " in found.stdout for name in STACKS)
    plain = json.loads(noc(stacks, "check", "--env", "dev", "--json").stdout)
    assert [r["stack"] for r in plain["stacks"]] == list(STACKS)
    assert plain["green"] is True
    assert {"name", "used", "most", "unit", "left"} == set(plain["stacks"][2]["headroom"][0])


def test_cost_adds_up_and_names_its_table(stacks: Path) -> None:
    found = noc(stacks, "cost", "connectivity-dev", "bootstrap-dev")
    assert found.exit_code == FINE, found.output
    assert "the table is valid until" in found.stdout
    plain = json.loads(noc(stacks, "cost", "connectivity-dev", "bootstrap-dev", "--json").stdout)
    assert set(plain["by_stack"]) == {"connectivity-dev", "bootstrap-dev"}
    assert plain["total"] == pytest.approx(sum(line["amount"] for line in plain["lines"]), abs=1)


def test_an_expired_table_stops_cost_alone(stacks: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAN_NOC_TODAY", "2999-01-01")
    found = noc(stacks, "cost", "bootstrap-dev")
    assert found.exit_code == BAD_INPUT
    assert "prices.csv is '2027-05-31': is past its date" in found.stderr
    assert noc(stacks, "graph", "bootstrap-dev").exit_code == FINE
