"""What the real engine does when things go wrong: conflicts, crashes, a dead engine, protection, wrong input."""

from __future__ import annotations

import itertools
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pulumi
import pytest
from pulumi.automation import CommandError
from pulumi_azure_native import network, resources
from rehearsal_support import GROUP, NETWORK, changes_of, opened, wan

from infra.core.errors import EngineError, RefusedError
from infra.engine.recover import pending, recover
from infra.rehearsal.run import unprotect_all
from infra.rehearsal.world import Fault, World

pytestmark = pytest.mark.usefixtures("engine")
MANY = [f"site{n}" for n in range(8)]
GATEWAY = f"{NETWORK}/vpnGateways/vpng"


@contextmanager
def struck(world: World, sent: signal.Signals) -> Iterator[None]:
    """Send a signal to the engine once Azure is at work on the gateway."""

    def strike() -> None:
        while world.get(f"{NETWORK}/virtualHubs/vhub-valencia") is None:
            time.sleep(0.02)
        time.sleep(1.0)
        for child in psutil.Process().children():
            if child.name() == "pulumi":
                child.send_signal(sent)

    thread = threading.Thread(target=strike, daemon=True)
    thread.start()
    yield
    thread.join()


def test_without_lanes_writes_on_a_gateway_run_into_each_other(tmp_path: Path) -> None:
    with (
        opened(tmp_path, wan(MANY, lanes=False), World()) as stack,
        pytest.raises(CommandError, match="AnotherOperationInProgress"),
    ):
        stack.up()


def test_with_lanes_there_is_one_write_at_a_time_up_and_down(tmp_path: Path) -> None:
    world = World()
    with opened(tmp_path, wan(MANY), world) as stack:
        stack.up()
        stack.destroy()
    writes = sorted((o for o in world.operations if "/vpnConnections/" in o.id), key=lambda o: o.started)
    assert [o.result for o in writes] == ["ok"] * (2 * len(MANY))
    assert all(a.ended <= b.started for a, b in itertools.pairwise(writes))
    assert len(world) == 0


def test_a_conflict_ends_the_up_and_the_next_one_goes_on_from_there(tmp_path: Path) -> None:
    world = World(faults=[Fault("conflict", "vcn-vienna", "create")])
    with opened(tmp_path, wan(), world) as stack:
        with pytest.raises(CommandError, match="AnotherOperationInProgress"):
            stack.up()
        assert changes_of(stack.up)["create"] == {"vcn-vienna"}


def test_a_provider_that_dies_in_an_update_loses_nothing(standing: World, tmp_path: Path) -> None:
    standing.faults.append(Fault("crash", "virtualHubs", "update"))
    changed = wan(prefix="10.252.0.0/23")
    with opened(tmp_path, changed, standing) as stack, pytest.raises(CommandError):
        stack.up()
    with opened(tmp_path, changed, standing) as stack:  # a provider is started anew
        assert changes_of(stack.up) == {"update": {"hub"}}
        assert changes_of(stack.preview) == {}


def test_an_engine_that_was_killed_leaves_a_lock_and_a_gateway_that_recovery_takes_in(tmp_path: Path) -> None:
    world = World(faults=[Fault("slow", "vpnGateways/vpng$", "create", seconds=2)])
    with opened(tmp_path, wan(), world, checkpoints=True) as stack:
        with struck(world, signal.SIGKILL), pytest.raises(CommandError):
            stack.up()
        while world.get(GATEWAY) is None:  # Azure finishes what it has begun
            time.sleep(0.05)
        with pytest.raises(RefusedError, match="locked by a deployment"):
            recover(stack)
        assert [p.id for p in recover(stack, break_lock=True)] == [GATEWAY]
        assert pending(stack) == []
        assert changes_of(stack.up) == {"create": {"vcn-geneva", "vcn-vienna"}}
        assert changes_of(stack.preview) == {}


def test_recovery_drops_what_azure_never_made(tmp_path: Path) -> None:
    world = World(faults=[Fault("slow", "vpnGateways/vpng$", "create", seconds=2)])
    with opened(tmp_path, wan(("geneva",)), world, checkpoints=True) as stack:
        with struck(world, signal.SIGKILL), pytest.raises(CommandError):
            stack.up()
        while world.get(GATEWAY) is None:
            time.sleep(0.05)
        world.lose(GATEWAY)
        recover(stack, break_lock=True)
        assert {"gateway", "vcn-geneva"} <= changes_of(stack.up)["create"]


def test_without_recovery_the_next_up_fails_on_what_is_there_already(tmp_path: Path) -> None:
    world = World(faults=[Fault("crash", "vpnGateways/vpng$", "create")])
    with opened(tmp_path, wan(("geneva",)), world) as stack, pytest.raises(CommandError):
        stack.up()
    with (
        opened(tmp_path, wan(("geneva",)), world) as stack,
        pytest.raises(CommandError, match="cannot create already existing resource"),
    ):
        stack.up()


def test_an_interrupt_ends_what_is_under_way_and_the_stack_is_sound(tmp_path: Path) -> None:
    world = World(faults=[Fault("slow", "vpnGateways/vpng$", "create", seconds=20)])
    with opened(tmp_path, wan(("geneva",)), world) as stack:
        started = time.monotonic()
        with struck(world, signal.SIGINT), pytest.raises(CommandError):
            stack.up()
        assert time.monotonic() - started < 15
        assert world.get(GATEWAY) is None
        assert pending(stack) == []
        assert "gateway" in changes_of(stack.up)["create"]


def test_what_is_protected_is_destroyed_only_when_the_protection_is_taken_off(tmp_path: Path) -> None:
    world = World()
    with opened(tmp_path, wan(protect=True), world) as stack:
        stack.up()
        with pytest.raises(CommandError, match="protect"):
            stack.destroy()
        assert world.get(GROUP) is not None
        unprotect_all(stack)
        stack.destroy()
    assert len(world) == 0


def test_a_typo_in_a_nested_dict_is_refused_in_the_preview(tmp_path: Path) -> None:
    def programme() -> None:
        group = resources.ResourceGroup("rg-wan", resource_group_name="rg-wan", location="spaincentral")
        typo = {"idd": f"{NETWORK}/virtualWans/vwan"}
        network.VirtualHub("hub", resource_group_name=group.name, virtual_hub_name="hub", virtual_wan=typo)  # type: ignore[arg-type]

    world = World()
    with (
        opened(tmp_path, programme, world) as stack,
        pytest.raises(CommandError, match=r"virtualWan\.idd is not known; did you mean 'id'"),
    ):
        stack.preview()


def test_a_name_that_is_not_explicit_is_refused(tmp_path: Path) -> None:
    with (
        opened(tmp_path, lambda: _unnamed(), World()) as stack,
        pytest.raises(CommandError, match="'resourceGroupName' is missing, so that it has no explicit name"),
    ):
        stack.up()


def test_a_look_up_in_a_programme_is_refused(tmp_path: Path) -> None:
    def programme() -> None:
        resources.get_resource_group(resource_group_name="rg-wan")

    with (
        opened(tmp_path, programme, World()) as stack,
        pytest.raises(CommandError, match="look-ups at deployment time are not allowed"),
    ):
        stack.preview()


def test_a_programme_that_fails_says_why_and_makes_nothing(tmp_path: Path) -> None:
    def programme() -> None:
        raise pulumi.RunError("hub 'valencia' has 1,001 link connections; 1,000 are allowed")

    world = World()
    with opened(tmp_path, programme, world) as stack, pytest.raises(CommandError, match="1,001 link connections"):
        stack.up()
    assert len(world) == 0


COLOUR = """\
config:
  wan-noc:units:
    type: integer
    default: 1
  wan-noc:seed:
    type: string
    secret: true
"""


@pytest.mark.parametrize(
    ("block", "config", "message"),
    [
        (COLOUR.partition("  wan-noc:seed")[0], {"wan-noc:units": "many"}, "must be of type 'integer'"),
        (COLOUR, {"wan-noc:seed": "in the clear"}, "must be encrypted"),
        (COLOUR, {}, "is missing configuration value 'wan-noc:seed'"),
    ],
)
def test_the_engine_itself_refuses_what_the_config_block_does_not_allow(
    tmp_path: Path, block: str, config: dict[str, str], message: str
) -> None:
    with (
        opened(tmp_path, wan(()), World(), block=block, config=config) as stack,
        pytest.raises(CommandError, match=message),
    ):
        stack.preview()


@pytest.mark.parametrize("line", ["type: number", "typ: string", "type: array"])
def test_a_wrong_config_block_is_refused_when_the_stack_is_opened(tmp_path: Path, line: str) -> None:
    block = f"config:\n  wan-noc:units:\n    {line}\n"
    with pytest.raises(EngineError, match=r"Pulumi\.yaml"), opened(tmp_path, wan(()), World(), block=block):
        pass


def test_a_key_of_the_stack_file_that_the_block_does_not_know_reaches_the_programme(tmp_path: Path) -> None:
    """Why our own settings refuse unknown keys: the engine does not."""
    seen: list[str | None] = []

    def programme() -> None:
        seen.append(pulumi.Config("wan-noc").get("unitz"))

    with opened(
        tmp_path, programme, World(), block=COLOUR.partition("  wan-noc:seed")[0], config={"wan-noc:unitz": "2"}
    ) as stack:
        stack.preview()
    assert seen == ["2"]


def _unnamed() -> None:
    resources.ResourceGroup("rg-wan", location="spaincentral")


def test_a_real_stack_cannot_be_given_rehearsal_options() -> None:
    from infra.engine.workspace import open_stack

    with pytest.raises(ValueError, match="for rehearsals"), open_stack("connectivity-dev", config={"wan-noc:a": "b"}):
        pass
