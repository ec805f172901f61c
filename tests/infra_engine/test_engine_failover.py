"""Failover from code: which entries move, how the file is edited, and the whole of it under the real engine."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pulumi
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

import inventory
from infra.core.errors import EngineError, InfraError, RefusedError
from infra.core.stacks import parse
from infra.engine import failover as code
from infra.engine import run, targets
from infra.engine.failover import KEY, Failover, Move, active_hubs, entries, moves, read_back, with_entries
from infra.engine.run import Target
from infra.graph import world as recorder
from infra.rehearsal.world import Fault, World
from tests.infra_engine.engine_lab import PROJECT

TABLES = inventory.load(inventory.packaged_tables())
APPS = TABLES.applications
HUBS = tuple(TABLES.hubs)
HERE, THERE = HUBS
STACK = "continuity-dev"


# -- which entries move -------------------------------------------------------------------------------------------


def at_home(hub: str) -> list[str]:
    return [a.id for a in APPS.values() if a.home_hub == hub]


def test_an_application_moves_alone_and_a_hub_with_all_that_it_serves() -> None:
    mail = APPS["mail"]
    assert moves(TABLES, {}, "mail", mail.standby_hub) == (Move("mail", mail.home_hub, mail.standby_hub),)
    assert [m.application for m in moves(TABLES, {}, HERE, THERE)] == at_home(HERE)
    already = moves(TABLES, {"mail": mail.standby_hub}, mail.home_hub, mail.standby_hub)
    assert "mail" not in [m.application for m in already]


def test_a_hub_to_itself_is_the_way_back_home() -> None:
    away = dict.fromkeys(at_home(HERE), THERE)
    assert [m.application for m in moves(TABLES, away, HERE, HERE)] == at_home(HERE)
    assert entries(TABLES, away, moves(TABLES, away, HERE, HERE)) == {}


@pytest.mark.parametrize(("scope", "to", "told"), [("mial", HERE, "mial"), ("mail", "madrid", "madrid")])
def test_unknown_names_are_wrong_input(scope: str, to: str, told: str) -> None:
    with pytest.raises(InfraError, match=f"there is no .*'{told}'"):
        moves(TABLES, {}, scope, to)


def test_what_a_moved_application_leaves_behind_is_said() -> None:
    serving = {a.id: a.home_hub for a in APPS.values()}
    erp = next(a for a in APPS.values() if any(APPS[d].home_hub == a.home_hub for d in a.depends_on))
    told = code.left_behind(TABLES, serving, (Move(erp.id, erp.home_hub, erp.standby_hub),))
    stays = [d for d in erp.depends_on if serving[d] == erp.home_hub]
    assert told == tuple(f"{erp.id} depends on {d}, which stays at {erp.home_hub}" for d in stays)
    assert code.left_behind(TABLES, serving, moves(TABLES, serving, erp.home_hub, erp.standby_hub)) == ()


ACTIVE = st.dictionaries(st.sampled_from(sorted(APPS)), st.sampled_from(HUBS))


@given(ACTIVE, st.sampled_from([*sorted(APPS), *HUBS]), st.sampled_from(HUBS))
def test_only_entries_in_scope_change_and_a_second_failover_changes_nothing(
    active: dict[str, str], scope: str, to: str
) -> None:
    changed = moves(TABLES, active, scope, to)
    after = entries(TABLES, active, changed)
    moved = {m.application for m in changed}
    serving = {a: after.get(a, APPS[a].home_hub) for a in APPS}
    assert all(serving[a] == (to if a in moved else active.get(a, APPS[a].home_hub)) for a in APPS)
    assert all(after.get(a) == active.get(a) for a in APPS if a not in moved)
    assert moves(TABLES, after, scope, to) == ()


# -- the file -----------------------------------------------------------------------------------------------------

WRITTEN = """# who decides is written above
config:
  wan-noc:layer: continuity # which
  wan-noc:activeHubs:
    mail: brindisi
    # a remark that goes with the entries

  wan-noc:databaseGb: 256
encryptionsalt: v1:abc
"""


def test_editing_keeps_every_other_line_with_its_comments() -> None:
    found = with_entries(WRITTEN, {"erp": THERE}, Path("f.yaml"))
    assert active_hubs(found, Path("f.yaml")) == {"erp": THERE}
    for line in ("# who decides is written above", "  wan-noc:layer: continuity # which", "encryptionsalt: v1:abc"):
        assert line in found.splitlines()
    assert with_entries(found, {}, Path("f.yaml")).count(KEY) == 1


@pytest.mark.parametrize("text", ["config: {wan-noc:layer: continuity}\n", "encryptionsalt: x\n"])
def test_a_file_that_cannot_be_edited_safely_is_refused(text: str) -> None:
    with pytest.raises(InfraError, match="by hand once"):
        with_entries(text, {"mail": THERE}, Path("f.yaml"))


@given(ACTIVE, ACTIVE)
def test_an_edited_file_says_what_was_asked_for_and_nothing_else_changed(
    before: dict[str, str], after: dict[str, str]
) -> None:
    text = yaml.safe_dump({"config": {"wan-noc:layer": "continuity", KEY: before, "wan-noc:x": [1, {"a": "b"}]}})
    found = yaml.safe_load(with_entries(text, after, Path("f.yaml")))
    assert found["config"].pop(KEY) == after
    assert found == {"config": {"wan-noc:layer": "continuity", "wan-noc:x": [1, {"a": "b"}]}}


def test_outputs_that_say_something_else_are_a_failure() -> None:
    done = Failover("mail", THERE, STACK, True, False, (Move("mail", HERE, THERE),))
    with pytest.raises(EngineError, match=f"mail is at {HERE}"):
        read_back({"active_hubs": pulumi.automation.OutputValue(f"mail={HERE},erp={THERE}", False)}, done)
    with pytest.raises(EngineError, match="mail is at no hub"):
        read_back({}, done)


# -- the real continuity layer under the real engine ---------------------------------------------------------------


class Rehearsed:
    """The continuity stack deployed in a rehearsal; what it reads stands in the world as it was recorded."""

    def __init__(self, folder: Path) -> None:
        self.files = folder / "stacks"
        self.files.mkdir()
        for path in recorder.STACKS.glob("Pulumi.*-dev.yaml"):
            (self.files / path.name).write_text(path.read_text())
        (folder / "Pulumi.yaml").write_text(PROJECT)
        self.world = World()
        self.folder = folder
        found = recorder.record_environment("dev", TABLES, [parse(STACK)])
        assert STACK in found.graphs, found.problems
        for name, graph in found.graphs.items():
            for node in graph.resources if name != STACK else ():
                self.world.put(node.id, node.type, node.inputs, new=self.world.get(node.id) is None)
        for name in found.graphs[STACK].reads:
            outputs = found.graphs[name].outputs
            self.deploy(self.target(name, lambda o=outputs: [pulumi.export(k, v) for k, v in o.items()]))
        self.deploy(self.target(STACK))

    def deploy(self, target: Target) -> None:
        with target.open() as engine:
            run.apply(target, engine, None)

    def target(self, name: str, programme: object = None) -> Target:
        found = targets.rehearsed(
            parse(name),
            self.world,
            self.folder / "rehearsal",
            tables=TABLES,
            programme=programme,  # type: ignore[arg-type]
            stack_files=self.files,
            project=self.folder / "Pulumi.yaml",
        )
        return replace(found, recorded=None)  # the gate before preview has tests of its own

    @property
    def copy(self) -> str:
        """The rehearsal's own copy of the stack's file."""
        return self.target(STACK).file().read_text()


@pytest.fixture(scope="module")
def stood(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rehearsed]:
    committed = recorder.path_of(parse(STACK))
    before = committed.read_bytes()
    yield Rehearsed(tmp_path_factory.mktemp("failover"))
    assert committed.read_bytes() == before, "a rehearsal changed the committed file"


def test_one_application_fails_over_and_back_and_nothing_else_is_touched(stood: Rehearsed) -> None:
    target = stood.target(STACK)
    mail = APPS["mail"]
    looked = code.failover("mail", mail.standby_hub, target=target, dry_run=True)
    assert (looked.dry_run, active_hubs(stood.copy, Path("f"))) == (True, {})
    assert looked.active_hubs == {a.id: a.home_hub for a in APPS.values()}
    assert any("mail" in line for line in looked.summary)
    writes = len(stood.world.operations)

    there = code.failover("mail", mail.standby_hub, target=target, message="drill")
    assert there.moves == (Move("mail", mail.home_hub, mail.standby_hub),)
    assert there.digest == looked.digest
    assert there.active_hubs == {a.id: a.home_hub for a in APPS.values()} | {"mail": mail.standby_hub}
    touched = stood.world.operations[writes:]
    assert touched
    assert all("mail" in o.id and o.verb == "update" for o in touched)
    assert set(there.seconds) == {"preview", "up", "read_back"}
    assert all(s > 0 for s in there.seconds.values())
    assert active_hubs(stood.copy, Path("f")) == {"mail": mail.standby_hub}
    assert not run.preview(target).changes  # the configuration says what is deployed

    again = code.failover("mail", mail.standby_hub, target=target)
    assert (again.already, again.active_hubs["mail"]) == (True, mail.standby_hub)
    home = code.failover("mail", mail.home_hub, target=target)
    assert (home.moves[0].after, home.active_hubs["mail"]) == (mail.home_hub, mail.home_hub)
    assert active_hubs(stood.copy, Path("f")) == {}


def test_a_failover_that_would_touch_something_else_is_refused_before_anything_changes(stood: Rehearsed) -> None:
    target = stood.target(STACK)
    file = target.file()
    before = file.read_text()
    file.write_text(before.replace("config:\n", "config:\n  wan-noc:nameTtl: 120\n"))  # not deployed yet: all names
    writes = len(stood.world.operations)
    try:
        with pytest.raises(RefusedError, match="also touch what is not in its scope") as refused:
            code.failover("mail", APPS["mail"].standby_hub, target=target)
        assert "noc infra up continuity-dev" in str(refused.value)
        assert active_hubs(file.read_text(), file) == {}
    finally:
        file.write_text(before)
    assert len(stood.world.operations) == writes


def test_when_azure_refuses_the_first_change_the_file_says_what_it_said_before(stood: Rehearsed) -> None:
    target = stood.target(STACK)
    before = stood.copy
    stood.world.faults.append(Fault("error", match="trafficManagerProfiles", times=100))
    try:
        with pytest.raises(EngineError, match="InternalServerError"):
            code.failover("mail", APPS["mail"].standby_hub, target=target)
    finally:
        stood.world.faults.clear()
    assert stood.copy == before
    assert not run.preview(target).changes


def test_a_whole_hub_fails_over_and_comes_home(stood: Rehearsed) -> None:
    target = stood.target(STACK)
    there = code.failover(HERE, THERE, target=target)
    assert {m.application for m in there.moves} == set(at_home(HERE))
    assert set(there.active_hubs.values()) == {THERE}
    home = code.failover(HERE, HERE, target=target)
    assert home.active_hubs == {a.id: a.home_hub for a in APPS.values()}


def test_the_real_stack_is_refused_while_it_has_no_subscription() -> None:
    with pytest.raises(RefusedError, match="is no Azure subscription"):
        code.failover("mail", THERE, target=targets.real(parse(STACK), tables=TABLES))
