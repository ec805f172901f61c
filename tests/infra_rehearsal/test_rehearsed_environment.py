"""Whole environments through the real engine: up in order of deployment, one site changed on the way, down again."""

from __future__ import annotations

import dataclasses
import re
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from rehearsal_support import changes_of

import infra.programme
import inventory
from infra.core.stacks import Environment, StackId, parse
from infra.engine.workspace import Rehearsal, open_stack
from infra.graph.world import committed
from infra.rehearsal.run import Report, rehearse
from infra.rehearsal.world import World
from inventory import Inventory, Site

pytestmark = pytest.mark.usefixtures("engine")
SITES = parse("sites-europe-1-dev")
Programme = Callable[[], None]


@pytest.fixture(scope="module")
def known() -> Inventory:
    return inventory.load(inventory.packaged_tables())


@pytest.fixture(scope="module")
def up_once(engine: None, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Report]:
    """The folder of a dev environment that is up, and how it went."""
    folder = tmp_path_factory.mktemp("environment")
    return folder, rehearse(committed("dev"), state_dir=folder, down=False)


@pytest.fixture
def folder(up_once: tuple[Path, Report], tmp_path: Path) -> Path:
    """A copy of it, to be changed freely."""
    return Path(shutil.copytree(up_once[0], tmp_path / "environment"))


def stacks(environment: Environment) -> list[str]:
    return [s.name for s in committed(environment)]


def with_sites(known: Inventory, sites: Iterable[Site]) -> Programme:
    """The programme with an inventory of these sites."""
    changed = inventory.restrict(known, list(sites))
    return lambda: infra.programme.run(changed)


def resources_of(world: World, stack: StackId) -> set[str]:
    return {r.id for r in world.find("/vpnSites/|/vpnConnections/|/secrets/")}


def deployed_sites(world: World) -> list[str]:
    """Ids of the sites that are there, by their VPN site's tag."""
    return sorted(str(r.inputs["tags"]["site"]) for r in world.find("/vpnSites/[^/]*$"))


def changed_by(folder: Path, world: World, programme: Programme) -> dict[str, set[str]]:
    with open_stack(SITES, rehearsal=world, state_dir=folder, programme=programme) as stack:
        return changes_of(stack.up)


def test_all_stacks_go_up_in_order_and_nothing_is_left_to_do(up_once: tuple[Path, Report]) -> None:
    _, report = up_once
    assert not report.failed, str(report)
    assert [s.stack for s in report.steps if s.verb == "up"] == stacks("dev")
    assert [s.changes for s in report.steps if s.verb == "again"] == [()] * len(stacks("dev"))
    assert "rehearsal, no Azure" in str(report)


def test_all_stacks_go_down_in_reverse_and_leave_what_must_outlive_them(folder: Path) -> None:
    report = rehearse(committed("dev")[::-1], state_dir=folder, up=False, unprotect=True)
    assert not report.failed, str(report)
    destroyed = [s.stack for s in report.steps if s.verb == "destroy"]
    assert destroyed == stacks("dev")[::-1]
    left = [r.id.partition("/resourceGroups/")[2] for r in World(Rehearsal(folder).journal)]
    # The evidence, the key that it is encrypted with, and who may use that: auditors read it when the stack is gone.
    assert left
    kept = re.compile(
        r"rg-continuity-\w+-dev(/providers/(Microsoft.Storage/storageAccounts/stwoevid|Microsoft.KeyVault/vaults/kv-wo-dr-"
        r"|Microsoft.ManagedIdentity/userAssignedIdentities/id-dr-)|$)"
    )
    assert [each for each in left if not kept.match(each)] == []


def test_removing_adding_and_moving_a_site_changes_exactly_its_resources(folder: Path, known: Inventory) -> None:
    world = World(Rehearsal(folder).journal)
    there = deployed_sites(world)
    gone = known.sites[there[0]]
    before = {r.id: r.inputs for r in world}

    removed = changed_by(folder, world, with_sites(known, (s for s in known.sites.values() if s.id != gone.id)))
    assert set(removed) == {"delete"}
    assert all(gone.id in name for name in removed["delete"]), removed
    assert deployed_sites(world) == there[1:]
    after = {r.id: r.inputs for r in world}
    assert all(after[key] == inputs for key, inputs in before.items() if key in after)

    added = changed_by(folder, world, with_sites(known, known.sites.values()))
    assert added == {"create": removed["delete"]}
    assert {r.id: r.inputs for r in world} == before

    swapped = dataclasses.replace(gone, preferred_hub=gone.standby_hub, standby_hub=gone.preferred_hub)
    moved = changed_by(folder, world, with_sites(known, ({**known.sites, gone.id: swapped}).values()))
    assert set(moved) == {"update"}
    assert all(gone.id in name for name in moved["update"]), moved
    assert sum("vcn" in name for name in moved["update"]) == len(known.hubs)


@pytest.mark.nightly
@pytest.mark.timeout(1800)
def test_production_goes_up_and_down(engine: None, tmp_path: Path) -> None:
    report = rehearse(committed("prod"), state_dir=tmp_path, unprotect=True)
    assert not report.failed, str(report)
