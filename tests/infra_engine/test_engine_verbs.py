"""preview, up, refresh and destroy with the real engine, in a rehearsal: what they do and what they refuse."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import pytest

from infra.core.errors import InfraError, Problem, RefusedError
from infra.core.stacks import parse
from infra.engine import records, run, targets
from infra.engine.faults import UpdateError
from infra.engine.progress import Lines
from infra.engine.run import SECRET
from infra.engine.steps import UNPROTECT
from infra.graph import world as recorder
from infra.rehearsal.world import Fault
from tests.infra_engine.engine_lab import SECRET_AFTER, SECRET_BEFORE, Lab, lab

PROD = "connectivity-prod"


@pytest.fixture
def small(tmp_path: Path) -> Lab:
    return lab(tmp_path / "lab")


def deployed(small: Lab, stack: str = "connectivity-dev") -> run.Outcome:
    return run.up(small.target(stack), agreed=lambda outcome: True)


def test_a_prod_stack_takes_exactly_what_was_previewed(small: Lab, tmp_path: Path) -> None:
    target = small.target(PROD)
    seen = run.preview(target, folder=tmp_path)
    assert seen.plan.counts == {"create": 5, "outputs": 1}
    assert set(seen.touched.sites) == set(small.sites)
    assert run.preview(target).digest == seen.digest
    record = records.read(parse(PROD), tmp_path).preview
    assert record is not None
    assert (record.result, record.digest, record.changes) == ("changes", seen.digest, seen.plan.counts)

    with pytest.raises(RefusedError, match=f"noc infra preview {PROD} --rehearsal {small.folder / 'rehearsal'}; then"):
        run.up(target)
    with pytest.raises(RefusedError, match=f"the plan now is {seen.digest}, not 0123456789abcdef"):
        run.up(target, "0123456789abcdef")
    small.space = "10.2.0.0/24"
    with pytest.raises(RefusedError, match="was not touched"):
        run.up(target, seen.digest)
    assert len(small.world) == 0

    small.space = "10.1.0.0/24"
    screen = io.StringIO()
    done = run.up(target, seen.digest, progress=Lines(screen, "up"))
    assert (done.bound, done.digest, done.plan.counts) == (True, seen.digest, {"create": 5, "outputs": 1})
    assert done.outputs["key"] == SECRET
    assert done.outputs["group"].endswith(f"/resourceGroups/rg-{PROD}")
    assert len(small.world) == 3
    assert f"+ VpnSite vpn-{small.sites[0]}" in screen.getvalue()
    assert "\r" not in screen.getvalue()
    again = run.preview(target, folder=tmp_path)
    assert (again.changes, again.plan.unchanged) == (False, 5)
    record = records.read(parse(PROD), tmp_path).preview
    assert record is not None
    assert record.result == "same"


def test_the_engine_is_held_to_the_preview_and_its_words_give_no_secret_away(small: Lab) -> None:
    deployed(small)
    target = small.target()

    def agree_and_change_everything(outcome: run.Outcome) -> bool:
        small.key, small.space = SECRET_AFTER, "10.3.0.0/24"
        return True

    small.space = "10.2.0.0/24"
    with pytest.raises(RefusedError, match="something else than was previewed") as refused:
        run.up(target, agreed=agree_and_change_everything)
    text = str(refused.value)
    assert "nothing was changed" in text
    assert SECRET_BEFORE not in text
    assert SECRET_AFTER not in text
    assert all(r.inputs.get("siteKey") in (None, SECRET_BEFORE) for r in small.world)


def test_a_dev_stack_is_not_touched_when_nobody_agrees(small: Lab) -> None:
    with pytest.raises(RefusedError, match="nobody agreed"):
        run.up(small.target())
    assert len(small.world) == 0


def test_a_failure_is_told_in_azures_words_and_the_next_run_finishes_the_work(small: Lab) -> None:
    small.world.faults.append(Fault("error", match=f"vpn-{small.sites[1]}"))
    target = small.target()
    with pytest.raises(UpdateError) as failed:
        run.up(target, run.preview(target).digest)
    text = str(failed.value)
    assert failed.value.changed >= 1
    assert f"connectivity-dev: up failed after {failed.value.changed} changes" in text
    assert f"vpn-{small.sites[1]}" in text
    assert "InternalServerError" in text
    assert "Traceback" not in text
    deployed(small)
    assert not run.preview(target).changes


def test_drift_is_counted_without_touching_the_state(small: Lab, tmp_path: Path) -> None:
    deployed(small)
    target = small.target()
    site = small.world.find(f"vpn-{small.sites[0]}$")[0]
    small.world.drift(site.id, addressSpace={"addressPrefixes": ["10.9.0.0/24"]})
    for _ in range(2):  # the first look must not have taken the drift into the state
        found = run.refresh(target, preview_only=True, folder=tmp_path)
        assert [(s.op, s.name) for s in found.plan.steps] == [("update", f"vpn-{small.sites[0]}")]
        assert found.touched.sites == {small.sites[0]: {"update": 1}}
    drift = records.read(parse("connectivity-dev"), tmp_path).drift
    assert drift is not None
    assert (drift.result, drift.resources) == ("changes", 1)
    run.refresh(target)
    run.refresh(target, preview_only=True, folder=tmp_path)
    drift = records.read(parse("connectivity-dev"), tmp_path).drift
    assert drift is not None
    assert (drift.result, drift.resources) == ("same", 0)
    assert [s.op for s in run.preview(target).plan.steps] == ["update"]


def test_what_loses_its_protection_is_a_change_of_the_plan(small: Lab) -> None:
    small.protect = True
    deployed(small)
    small.protect = False
    seen = run.preview(small.target())
    assert seen.plan.counts == {UNPROTECT: 2}
    assert "2 NO LONGER PROTECTED" in seen.summary[0]


def test_nothing_is_destroyed_while_anything_is_protected_or_needed_or_unconfirmed(small: Lab) -> None:
    small.protect = True
    deployed(small)
    target = small.target()
    sites = small.target("sites-europe-1-dev")
    small.protect = False
    run.up(sites, agreed=lambda outcome: True)
    before = len(small.world)
    for confirm in ("", "connectivity", "connectivity-prod"):
        with pytest.raises(RefusedError, match="add --confirm connectivity-dev"):
            run.destroy(target, confirm)
    with pytest.raises(RefusedError) as refused:
        run.destroy(target, "connectivity-dev")
    assert f"VpnSite: 2 protected, e.g. vpn-{small.sites[0]}, vpn-{small.sites[1]}" in str(refused.value)
    assert f"noc infra up connectivity-dev --rehearsal {small.folder / 'rehearsal'}" in str(refused.value)
    assert "sites-europe-1-dev: still has" in str(refused.value)
    assert len(small.world) == before

    run.destroy(sites, "sites-europe-1-dev")
    deployed(small)  # takes protect away
    done = run.destroy(target, "connectivity-dev")
    assert done.plan.counts == {"delete": 5}
    assert len(small.world) == 0


def test_a_programme_that_refuses_its_input_is_quoted_once(small: Lab, tmp_path: Path) -> None:
    small.shift = "the configuration cannot be used\n  owner: is too short"
    with pytest.raises(UpdateError) as failed:
        run.preview(small.target(), folder=tmp_path)
    text = str(failed.value)
    assert text.count("owner: is too short") == 1
    record = records.read(parse("connectivity-dev"), tmp_path).preview
    assert record is not None
    assert record.result == "failed"


def test_a_mistake_in_our_code_is_a_sentence_without_a_stack_trace(small: Lab) -> None:
    small.shift = "by nothing"
    with pytest.raises(UpdateError) as failed:
        run.preview(small.target())
    assert "by nothing" in str(failed.value)
    assert "File " not in str(failed.value)


# -- before the engine is started ---------------------------------------------------------------------------------


def closed() -> None:
    raise AssertionError("the engine was started")


def test_a_stack_without_a_subscription_is_only_rehearsed() -> None:
    target = replace(targets.real(parse("connectivity-dev")), open=closed)  # type: ignore[arg-type]
    for verb in (run.preview, run.refresh):
        with pytest.raises(RefusedError, match="noc infra rehearse connectivity-dev"):
            verb(target)
    with pytest.raises(RefusedError, match="noc infra rehearse connectivity-dev"):
        run.destroy(target, "connectivity-dev")


def test_a_broken_policy_stops_before_the_engine(small: Lab) -> None:
    graph = recorder.record_stack(
        parse("governance-dev"), small.tables, references={"bootstrap-dev": {"version": "1"} | fakes()}
    )
    target = replace(small.target(), open=closed, recorded=lambda: without_tags(graph))  # type: ignore[arg-type]
    with pytest.raises(RefusedError, match="policies; the engine was not started"):
        run.preview(target)


def fakes() -> dict[str, str]:
    from infra.core.outputs import names_of

    return {name: f"/fake/{name}" for name in names_of("bootstrap", ("valencia", "brindisi")) if name != "version"}


def without_tags(graph: recorder.Graph) -> recorder.Graph:
    """The graph with a storage account that is open to the world."""
    node = next(iter(graph))
    bad = replace(
        node,
        urn=node.urn + "-open",
        type="azure-native:storage:StorageAccount",
        custom=True,
        inputs={"location": "westus", "publicNetworkAccess": "Enabled", "accountName": "open"},
    )
    return replace(graph, nodes={**graph.nodes, bad.urn: bad})


def test_wrong_input_stops_before_the_engine_and_is_remembered_as_a_failed_preview(small: Lab, tmp_path: Path) -> None:
    def wrong() -> recorder.Graph:
        raise InfraError("cannot be used", [Problem("connectivity-dev", "owner", "", "is too short", "set it")])

    target = replace(small.target(), open=closed, recorded=wrong)  # type: ignore[arg-type]
    with pytest.raises(InfraError, match="owner: is too short"):
        run.preview(target, folder=tmp_path)
    written = json.loads((tmp_path / "connectivity-dev.json").read_text())
    assert written["version"] == 1
    assert written["stack"] == "connectivity-dev"
    assert written["preview"]["result"] == "failed"
    assert written["preview"]["time"].endswith("Z")


def test_a_record_is_replaced_as_a_whole_and_keeps_the_other_half(tmp_path: Path) -> None:
    stack = parse("connectivity-dev")
    records.write_preview(stack, tmp_path, "changes", {"create": 1}, "abc")
    (tmp_path / "connectivity-dev.json").chmod(0o640)
    records.write_drift(stack, tmp_path, "same", 0)
    found = records.read(stack, tmp_path)
    assert found.preview is not None
    assert found.drift is not None
    assert found.preview.digest == "abc"
    assert [p.name for p in tmp_path.iterdir()] == ["connectivity-dev.json"]
    assert (tmp_path / "connectivity-dev.json").stat().st_mode & 0o777 == 0o640
    (tmp_path / "connectivity-dev.json").write_text("{}")
    with pytest.raises(InfraError, match="is no record of a preview; remove it"):
        records.read(stack, tmp_path)
