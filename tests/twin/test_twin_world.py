"""Who is up under which faults: by table, and by comparing the incremental world with the definition."""

from __future__ import annotations

import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import inventory
from inventory.models import Inventory
from network_ops.twin import faults, reachability
from network_ops.twin.reachability import Effect, view
from network_ops.twin.simulated.world import World

SLOW_FIXTURES = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def site_with(inv: Inventory, circuits: int) -> str:
    return next(s for s in inv.sites if len(inv.circuits_of[s]) == circuits)


def all_effects(inv: Inventory) -> list[Effect]:
    tables = {
        "site": inv.sites,
        "circuit": inv.circuits,
        "carrier": inv.carriers,
        "hub": inv.hubs,
        "device": inv.devices,
    }
    return [Effect(kind, t) for kind, noun in faults.TARGET_NOUN.items() for t in tables[noun]]


def test_everything_is_up_without_faults(inv: Inventory) -> None:
    now = view(inv, [])
    assert now.sessions_up == set(inv.sessions)
    assert now.agents_up == now.devices_up == set(inv.devices)
    assert all(now.paths[s] == inventory.home_session(inv, s).id for s in inv.sites)


def test_a_cut_of_the_only_circuit_takes_the_site_down(inv: Inventory) -> None:
    site = site_with(inv, 1)
    now = view(inv, [Effect("circuit-cut", f"{site}.a")])
    assert now.paths[site] is None
    assert {d.id for d in inv.devices_of[site]}.isdisjoint(now.devices_up)
    assert set(inv.sessions) - now.sessions_up == {f"{site}.a@valencia", f"{site}.a@brindisi"}


def test_a_cut_primary_moves_management_to_the_backup(inv: Inventory) -> None:
    site = site_with(inv, 2)
    now = view(inv, [Effect("circuit-cut", f"{site}.a")])
    assert now.paths[site] == f"{site}.b@{inv.sites[site].preferred_hub}"
    assert {d.id for d in inv.devices_of[site]} <= now.devices_up


def test_an_isolated_hub_moves_its_sites_to_the_other_hub(inv: Inventory) -> None:
    now = view(inv, [Effect("hub-isolation", "valencia")])
    assert all(path and path.endswith("@brindisi") for path in now.paths.values())
    assert now.devices_up == set(inv.devices)


def test_both_hubs_isolated_leave_nobody_reachable(inv: Inventory) -> None:
    now = view(inv, [Effect("hub-isolation", hub) for hub in inv.hubs])
    assert not now.devices_up
    assert not now.sessions_up


def test_a_carrier_outage_hits_every_circuit_of_the_carrier_and_no_other(inv: Inventory) -> None:
    carrier = next(iter(inv.circuits.values())).carrier
    now = view(inv, [Effect("carrier-outage", carrier)])
    assert set(inv.circuits) - now.circuits_up == {c.id for c in inv.circuits.values() if c.carrier == carrier}


def test_a_silent_agent_still_echoes(inv: Inventory) -> None:
    device = next(iter(inv.devices))
    now = view(inv, [Effect("agent-silent", device)])
    assert device in now.devices_up
    assert set(inv.devices) - now.agents_up == {device}


@SLOW_FIXTURES
@given(data=st.data())
def test_the_incremental_world_agrees_with_the_definition_whatever_happens(inv: Inventory, data: st.DataObject) -> None:
    effects = all_effects(inv)
    hubs_first = [e for e in effects if e.kind in ("hub-isolation", "carrier-outage", "site-power")]
    world, active = World(inv), []
    for grip in data.draw(st.lists(st.integers(0, 2), max_size=12)):
        if grip == 0 and active:
            released = active.pop(data.draw(st.integers(0, len(active) - 1)))
            world.change(released.kind, released.target, -1)
        else:
            effect = data.draw(st.sampled_from(hubs_first if grip == 1 else effects))
            active.append(effect)
            world.change(effect.kind, effect.target, +1)
        assert world.view() == view(inv, active)
    data.draw(st.permutations(active))
    for effect in data.draw(st.permutations(active)):
        world.change(effect.kind, effect.target, -1)
    assert world.view() == view(inv, [])


def test_clearing_one_of_two_equal_faults_leaves_the_other_in_force(inv: Inventory) -> None:
    world, site = World(inv), next(iter(inv.sites))
    for grip in (+1, +1, -1):
        world.change("site-power", site, grip)
    assert world.view().paths[site] is None


def test_what_a_fault_hits_is_the_same_from_both(inv: Inventory) -> None:
    world = World(inv)
    for effect in all_effects(inv)[:: max(1, len(all_effects(inv)) // 80)] + all_effects(inv)[-5:]:
        assert world.hit(effect.kind, effect.target) == reachability.hit(inv, effect.kind, effect.target), effect
    for hub in inv.hubs:
        assert world.hit("hub-isolation", hub) == reachability.hit(inv, "hub-isolation", hub)
    assert world.view() == view(inv, [])


def test_a_degraded_circuit_loses_and_delays_as_the_vocabulary_says(inv: Inventory) -> None:
    world, session = World(inv), next(iter(inv.sessions.values()))
    world.change("circuit-degrade", session.circuit.id, +1)
    state = world.sessions[session.id]
    assert state.rtt_s == pytest.approx((session.rtt_ms * 1.5 + 80) / 1000)
    assert state.loss_ratio == pytest.approx(1 - (1 - session.circuit.loss_ratio) * 0.7)
    world.change("circuit-degrade", session.circuit.id, -1)
    assert (state.rtt_s, state.loss_ratio) == (session.rtt_ms / 1000, session.circuit.loss_ratio)


def test_the_largest_fault_on_the_shipped_tables_costs_under_five_milliseconds(shipped: Inventory) -> None:
    world, took = World(shipped), []
    for _ in range(9):
        begun = time.process_time()
        world.change("hub-isolation", "valencia", +1)
        took.append(time.process_time() - begun)
        world.change("hub-isolation", "valencia", -1)
    assert sorted(took)[4] < 0.005


def test_unknown_targets_are_refused_with_near_names(inv: Inventory) -> None:
    site = next(iter(inv.sites))
    with pytest.raises(faults.UnknownTargetError, match=f"did you mean {site}"):
        faults.check(inv, "site-power", site + "x")
    with pytest.raises(faults.FaultError, match="use one of: site-power"):
        faults.check(inv, "meteorite", site)
    with pytest.raises(faults.FaultError, match="above 0"):
        faults.expiry(faults.instant(0), -1)
