"""Recording whole environments: configuration files in the engine's text form, order, references, collected faults."""

from __future__ import annotations

from pathlib import Path

import pulumi
import pytest
from graph_samples import exports, less, only, references, write_stack
from pulumi_azure_native import resources

import inventory
from infra import programme
from infra.core.errors import InfraError
from infra.core.stacks import all_stacks, parse
from infra.graph import world
from infra.graph.impact import differences
from infra.graph.model import UNKNOWN, Graph
from infra.graph.world import (
    World,
    committed,
    file_problems,
    placeholder,
    read_config,
    record_environment,
    record_stack,
)
from inventory import Inventory

SITES = "sites-europe-2-prod"


@pytest.fixture(scope="module")
def known() -> Inventory:
    return inventory.load(inventory.packaged_tables())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def test_values_come_in_the_engines_text_form(folder: Path) -> None:
    write_stack(
        folder,
        "connectivity-dev",
        "  wan-noc:text: plain\n  wan-noc:number: 12000\n  wan-noc:quoted: '007'\n  wan-noc:yes: true\n"
        '  wan-noc:no: no\n  wan-noc:day: "2026-03-01"\n  wan-noc:list: [a, 1]\n  wan-noc:object: {b: {c: true}}\n'
        "  azure-native:location: x\n",
    )
    found = read_config(parse("connectivity-dev"), folder)
    assert dict(found.values) == {
        "layer": "connectivity",
        "environment": "dev",
        "text": "plain",
        "number": "12000",
        "quoted": "007",
        "yes": "true",
        "no": "no",
        "day": "2026-03-01",
        "list": '["a",1]',
        "object": '{"b":{"c":true}}',
    }
    assert found.secret_keys == frozenset()


def test_sealed_values_stay_sealed_and_are_marked_secret(folder: Path) -> None:
    write_stack(
        folder,
        "connectivity-dev",
        "  wan-noc:one:\n    secure: v1:abc\n  wan-noc:deep:\n    inner:\n      - secure: v1:def\n",
    )
    found = read_config(parse("connectivity-dev"), folder)
    assert found.secret_keys == {"one", "deep"}
    assert found.values["one"] == placeholder("one")
    assert "v1:" not in str(found.values)
    assert placeholder("deep.inner[0]") in found.values["deep"]


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("config:\n  layer: connectivity\n", "is no configuration key"),
        ("config:\n  other:layer: connectivity\n", "the namespaces are"),
        ("config: [\n", "cannot be read as YAML"),
    ],
)
def test_a_file_that_the_engine_would_refuse_is_refused_with_its_remedy(folder: Path, text: str, rule: str) -> None:
    (folder / "Pulumi.connectivity-dev.yaml").write_text(text)
    with pytest.raises(InfraError, match=rule) as caught:
        read_config(parse("connectivity-dev"), folder)
    assert all(p.remedy and p.stack == "connectivity-dev" for p in caught.value.problems)


def test_a_missing_file_is_told_with_what_to_write(folder: Path) -> None:
    with pytest.raises(InfraError, match="there is no such file; create it with 'config:'"):
        read_config(parse(SITES), folder)


def test_an_inventory_and_its_files_that_agree_have_no_problem(folder: Path, known: Inventory) -> None:
    for stack in all_stacks(known, "prod"):
        write_stack(folder, stack.name)
    write_stack(folder, "connectivity-dev")  # dev may leave out the rest
    assert file_problems("prod", known, folder) == []
    assert file_problems("dev", known, folder) == []


def test_a_shard_without_a_stack_and_a_stack_without_a_shard_are_problems(folder: Path, known: Inventory) -> None:
    for stack in all_stacks(known, "prod"):
        write_stack(folder, stack.name)
    (folder / f"Pulumi.{SITES}.yaml").unlink()
    write_stack(folder, "sites-atlantis-1-prod")
    write_stack(folder, "hub-oslo-dev")
    (folder / "Pulumi.mistake-prod.yaml").write_text("config: {}\n")
    found = {p.stack: p for p in file_problems("prod", known, folder)}
    assert set(found) == {SITES, "sites-atlantis-1-prod", "mistake-prod"}
    assert found[SITES].key == f"infra/stacks/Pulumi.{SITES}.yaml"
    assert "the inventory has shard 'europe-2', but there is no stack for it" in found[SITES].rule
    assert "the inventory has no shard 'atlantis-1'" in found["sites-atlantis-1-prod"].rule
    assert [p.stack for p in file_problems("dev", known, folder)] == ["hub-oslo-dev"]


def test_outputs_of_a_stack_feed_the_references_of_the_next(folder: Path, known: Inventory) -> None:
    for name in ("bootstrap-prod", "connectivity-prod"):
        write_stack(folder, name)
    seen: list[object] = []

    def reads() -> None:
        given = pulumi.StackReference("organization/wan-noc/bootstrap-prod").get_output("state_account")
        pulumi.export("seen", given.apply(lambda v: seen.append(v) or v))

    found = record_environment(
        "prod",
        known,
        [parse("connectivity-prod")],
        folder=folder,
        programmes={"bootstrap-prod": lambda: exports(parse("bootstrap-prod"), known), "connectivity-prod": reads},
    )
    assert list(found.graphs) == ["bootstrap-prod", "connectivity-prod"]
    assert seen == ["state_account"]
    assert found.graphs["connectivity-prod"].reads == ("bootstrap-prod",)
    assert found.problems == ()


def test_a_broken_stack_never_stops_the_others_and_who_needs_it_says_so(folder: Path, known: Inventory) -> None:
    for name in ("bootstrap-prod", "governance-prod", "connectivity-prod", SITES):
        write_stack(folder, name)

    def broken() -> None:
        raise ZeroDivisionError("by nothing")

    progress: list[str] = []
    stacks = [parse(n) for n in ("bootstrap-prod", "governance-prod", "connectivity-prod", SITES)]
    programmes = {
        "bootstrap-prod": broken,
        "governance-prod": lambda: exports(parse("governance-prod"), known),
        "connectivity-prod": lambda: exports(parse("connectivity-prod"), known),
    }
    found = record_environment(
        "prod", known, stacks, folder=folder, programmes=programmes, done=lambda g: progress.append(g.stack.name)
    )
    assert progress == list(found.graphs) == ["governance-prod", "connectivity-prod"]
    (first,) = found.problems_of("bootstrap-prod")
    assert "ZeroDivisionError: by nothing" in first.rule
    assert "test_graph_world.py:" in first.key
    root, second = found.problems_of(SITES)
    assert root == first
    assert second.rule == "needs the outputs of bootstrap-prod, which could not be recorded"


def test_the_root_cause_is_told_along_the_whole_chain(folder: Path, known: Inventory) -> None:
    write_stack(folder, "bootstrap-prod", "  wan-noc:colour: red\n")
    write_stack(folder, "connectivity-prod")
    write_stack(folder, SITES)

    def reads() -> None:
        given = pulumi.StackReference("organization/wan-noc/bootstrap-prod").get_output("version")
        given.apply(lambda v: _stop("bootstrap-prod", v))

    found = record_environment("prod", known, [parse(SITES)], folder=folder, programmes={"connectivity-prod": reads})
    assert found.graphs == {}
    for stack in ("connectivity-prod", SITES):
        first, *_, last = found.problems_of(stack)
        assert (first.stack, first.key) == ("bootstrap-prod", "colour")
        assert last.stack == stack
        assert last.remedy == "correct bootstrap-prod first"
    assert found.problems_of("bootstrap-prod") == found.problems[:1]


def _stop(stack: str, value: object) -> None:
    raise pulumi.RunError(f"stack {stack} has outputs of version {value or 'none'}, 1 is needed; deploy it first")


def test_a_stack_that_has_no_file_is_named_by_those_that_read_it(folder: Path, known: Inventory) -> None:
    write_stack(folder, SITES)
    (problem,) = record_environment("prod", known, [parse(SITES)], folder=folder).problems_of(SITES)
    assert "which has no file" in problem.rule
    assert problem.remedy.startswith("create it with 'config:'")


def test_a_folder_without_stacks_is_refused_and_not_green(folder: Path, known: Inventory) -> None:
    for where, rule in ((folder, "has no stack file of dev"), (folder / "none", "is no folder")):
        with pytest.raises(InfraError, match=rule):
            committed("dev", where)
        with pytest.raises(InfraError, match=rule):
            record_environment("dev", known, folder=where)
    with pytest.raises(InfraError, match="is no folder"):
        record_environment("prod", known, folder=folder / "none")
    missing = {p.stack for p in record_environment("prod", known, folder=folder).problems}
    assert missing == {s.name for s in all_stacks(known, "prod")}  # each stack is named, and nothing is green
    write_stack(folder, "bootstrap-dev")
    assert committed("dev", folder) == [parse("bootstrap-dev")]


def test_a_stack_that_names_its_own_tables_is_recorded_from_them(
    folder: Path, known: Inventory, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_stack(folder, SITES, "  wan-noc:inventory: of/its/own\n")
    with pytest.raises(InfraError) as caught:
        record_stack(parse(SITES), known, references=references(known), folder=folder)
    (problem,) = caught.value.problems
    assert (problem.key, problem.value, problem.rule) == ("inventory", "of/its/own", "there is no such folder")
    root, own = folder / "root", only(known, "europe-2")
    (root / "of" / "its" / "own").mkdir(parents=True)
    monkeypatch.setattr(programme, "ROOT", root)
    monkeypatch.setattr(inventory, "load", lambda path: own if path == root / "of" / "its" / "own" else None)
    found = record_stack(parse(SITES), less(known, *own.sites), references=references(known), folder=folder)
    assert {n.name for n in found.nodes.values() if n.type == "wan-noc:sites:SiteLink"} == set(own.sites)


def test_a_query_that_nobody_understands_is_a_problem_of_its_key(folder: Path, known: Inventory) -> None:
    write_stack(folder, SITES, "  wan-noc:query: foo=bar\n")
    with pytest.raises(InfraError) as caught:
        record_stack(parse(SITES), known, references=references(known), folder=folder)
    assert [p.key for p in caught.value.problems] == ["query"]


def test_a_refusal_by_the_inventory_inside_a_programme_names_the_stack(folder: Path, known: Inventory) -> None:
    write_stack(folder, "bootstrap-prod")
    fault = inventory.Problem("sites.csv", 3, "asn", "is taken", "choose another")

    def refuses() -> None:
        raise inventory.InventoryError("the tables cannot be used", [fault])

    found = record_environment(
        "prod", known, [parse("bootstrap-prod")], folder=folder, programmes={"bootstrap-prod": refuses}
    )
    (problem,) = found.problems
    assert (problem.stack, problem.key) == ("bootstrap-prod", "inventory")
    assert "sites.csv:3: asn: is taken" in problem.rule


def test_wrong_configuration_comes_back_as_its_list_of_problems(folder: Path, known: Inventory) -> None:
    write_stack(folder, SITES, "  wan-noc:lains: 2\n  wan-noc:environments: prod\n")
    with pytest.raises(InfraError) as caught:
        record_stack(parse(SITES), known, references=references(known), folder=folder)
    assert {p.key for p in caught.value.problems} == {"lains", "environments"}
    assert "did you mean 'lanes'?" in str(caught.value)


def test_a_preview_knows_inputs_and_no_ids(folder: Path, known: Inventory) -> None:
    write_stack(folder, "bootstrap-prod")

    def programme() -> None:
        group = resources.ResourceGroup("rg", resource_group_name="rg", location="italynorth")
        pulumi.export("id", group.id)

    def recorded(preview: bool) -> Graph:
        return record_environment(
            "prod",
            known,
            [parse("bootstrap-prod")],
            preview=preview,
            folder=folder,
            programmes={"bootstrap-prod": programme},
        ).graphs["bootstrap-prod"]

    assert recorded(preview=True).outputs == {"id": UNKNOWN}
    assert str(recorded(preview=False).outputs["id"]).endswith("/resourceGroups/rg")


@pytest.fixture(scope="module")
def shard(known: Inventory, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Inventory, Graph]:
    """A real shard of four sites, recorded against made-up references."""
    where = tmp_path_factory.mktemp("stacks")
    write_stack(where, SITES)
    small = only(known, "europe-2")
    return where, small, record_stack(parse(SITES), small, references=references(known), folder=where)


def test_removing_or_adding_a_site_changes_exactly_its_own_resources(shard: tuple[Path, Inventory, Graph]) -> None:
    where, known, before = shard
    for gone in known.sites:
        after = record_stack(parse(SITES), less(known, gone), references=references(known), folder=where)
        removed = differences({SITES: before}, {SITES: after})
        added = differences({SITES: after}, {SITES: before})
        own = {n.urn for n in before.resources if any(a.name == gone for a in before.ancestors(n))}
        assert own
        assert {c.node.urn for c in removed} == own == {c.node.urn for c in added}
        assert {c.kind for c in removed} == {"delete"}


def test_worlds_look_alike_on_every_recording(shard: tuple[Path, Inventory, Graph]) -> None:
    where, known, before = shard
    again = record_stack(parse(SITES), known, references=references(known), folder=where)
    assert differences({SITES: before}, {SITES: again}) == []
    assert before.outputs == again.outputs


def test_problems_are_found_by_stack() -> None:
    assert World("prod").problems_of("x") == ()
    assert world.path_of(parse(SITES)).name == f"Pulumi.{SITES}.yaml"
