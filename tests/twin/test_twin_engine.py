"""Faults over time: exact expiry, flaps, restarts, and counters that move only while their interface is up."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inventory.models import Inventory
from network_ops.twin import faults
from network_ops.twin.reachability import effects_at, view
from network_ops.twin.simulated.engine import Engine
from network_ops.twin.simulated.traffic import Curve, Gate, curve

BORN = 1_790_000_000.0


@pytest.fixture
def engine(inv: Inventory) -> Engine:
    return Engine(inv, BORN)


def restarted(inv: Inventory, engine: Engine, now: float) -> Engine:
    return Engine.restored(inv, json.loads(json.dumps(engine.saved(now))))


def test_a_fault_expires_exactly_when_it_should(inv: Inventory, engine: Engine) -> None:
    circuit = next(iter(inv.circuits))
    fault = engine.inject("circuit-cut", circuit, 600, BORN + 10)
    assert engine.advance(BORN + 609.999) == []
    assert not engine.world.circuits[circuit].up
    assert engine.next_event() == BORN + 610
    (ended,) = engine.advance(BORN + 700)
    assert (ended.id, ended.cleared_at) == (fault.id, faults.instant(BORN + 610))
    assert engine.history.lines[circuit].changed_at == BORN + 610
    assert engine.world.view() == view(inv, [])
    assert engine.next_event() is None


def test_a_flap_goes_down_and_up_by_turns_and_ends_up(inv: Inventory, engine: Engine) -> None:
    circuit = next(iter(inv.circuits))
    engine.inject("flap", circuit, 90, BORN)
    seen = []
    for second in (1, 19, 21, 39, 41, 61, 81, 91):
        engine.advance(BORN + second)
        seen.append(engine.world.circuits[circuit].up)
    assert seen == [False, False, True, True, False, True, False, True]
    assert engine.history.lines[circuit].openings == 4


def test_clearing_a_flap_in_its_up_phase_changes_nothing_else(inv: Inventory, engine: Engine) -> None:
    circuit = next(iter(inv.circuits))
    engine.inject("circuit-cut", circuit, None, BORN)
    flap = engine.inject("flap", circuit, None, BORN)
    engine.advance(BORN + 25)
    engine.clear(flap.id, BORN + 26)
    assert not engine.world.circuits[circuit].up


def test_a_fault_can_be_cleared_once(inv: Inventory, engine: Engine) -> None:
    fault = engine.inject("hub-isolation", "valencia", None, BORN)
    engine.clear(fault.id, BORN + 5)
    with pytest.raises(faults.UnknownTargetError, match=fault.id):
        engine.clear(fault.id, BORN + 6)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_history_ends_in_the_world_that_its_faults_define(inv: Inventory, data: st.DataObject) -> None:
    engine, now, everything = Engine(inv, BORN), BORN, []
    targets = {
        "site-power": list(inv.sites)[:4],
        "circuit-cut": list(inv.circuits)[:4],
        "circuit-degrade": list(inv.circuits)[:4],
        "carrier-outage": list(inv.carriers),
        "hub-isolation": list(inv.hubs),
        "agent-silent": list(inv.devices)[:4],
        "flap": list(inv.circuits)[:4],
    }
    for _ in range(data.draw(st.integers(1, 10))):
        now += data.draw(st.integers(1, 50))
        for ended in engine.advance(now):
            everything = [ended if f.id == ended.id else f for f in everything]
        if engine.faults and data.draw(st.booleans()):
            ended = engine.clear(data.draw(st.sampled_from([f.id for f in engine.faults])), now)
            everything = [ended if f.id == ended.id else f for f in everything]
        else:
            kind = data.draw(st.sampled_from(sorted(targets)))
            lasting = data.draw(st.one_of(st.none(), st.integers(1, 100)))
            everything.append(engine.inject(kind, data.draw(st.sampled_from(targets[kind])), lasting, now))
        if data.draw(st.booleans()):
            engine = restarted(inv, engine, now)
        engine.advance(now + 0.5)
        assert engine.world.view() == view(inv, effects_at(everything, faults.instant(now + 0.5)))
    for fault in engine.faults:
        engine.clear(fault.id, now + 0.6)
    assert engine.world.view() == view(inv, [])


def test_a_restarted_engine_shows_the_same_world_and_goes_on_counting(inv: Inventory, engine: Engine) -> None:
    site, circuit = next(iter(inv.sites)), next(reversed(inv.circuits))
    power = engine.inject("site-power", site, None, BORN + 5)
    engine.inject("flap", circuit, None, BORN + 7)
    engine.advance(BORN + 100)
    engine.clear(power.id, BORN + 100)
    again = restarted(inv, engine, BORN + 101)
    for one in (engine, again):
        one.advance(BORN + 170)
    assert again.world.view() == engine.world.view()
    assert again.faults == engine.faults
    assert again.history.sites[site].boot_at == BORN + 100
    for name, gate in engine.history.lines.items():
        assert again.history.lines[name].active(BORN + 200) == pytest.approx(gate.active(BORN + 200), abs=1e-3)
    assert again.inject("hub-isolation", "valencia", None, BORN + 171).id == "f-00003"


def test_faults_on_things_that_left_the_inventory_are_forgotten(inv: Inventory, engine: Engine) -> None:
    engine.inject("site-power", next(iter(inv.sites)), None, BORN)
    saved = engine.saved(BORN + 1)
    saved["faults"][0]["target"] = "atlantis"
    assert Engine.restored(inv, saved).faults == []


def test_counters_stand_still_while_a_circuit_is_down_and_restart_with_the_power(
    inv: Inventory, engine: Engine
) -> None:
    circuit = next(iter(inv.circuits.values()))
    line = engine.history.lines[circuit.id]
    cut = engine.inject("circuit-cut", circuit.id, None, BORN + 100)
    frozen = line.active(BORN + 100)
    assert frozen == line.active(BORN + 5000) > 0
    engine.clear(cut.id, BORN + 5000)
    assert 0 < line.active(BORN + 5010) - frozen < 20
    power = engine.inject("site-power", circuit.site, None, BORN + 6000)
    engine.clear(power.id, BORN + 6060)
    assert line.active(BORN + 6060) == 0
    assert 0 < line.active(BORN + 6070) < 20
    assert engine.history.sites[circuit.site].boot_at == BORN + 6060


@pytest.mark.parametrize("ripple", [0, 7, 15])
def test_a_curve_is_the_derivative_of_its_integral_and_never_negative(ripple: int) -> None:
    shape = Curve(3 * 3600, ripple)
    for hour in range(0, 170, 3):
        at = BORN + hour * 3600
        slope = (shape.integral(at + 0.5) - shape.integral(at - 0.5)) / 1.0
        assert slope == pytest.approx(shape.rate(at), abs=0.01)
        assert 0.05 < slope < 1.95


def test_traffic_has_mean_one_and_is_highest_in_the_local_afternoon() -> None:
    week = 7 * 86400
    assert (curve(0.0, 3).integral(BORN + week) - curve(0.0, 3).integral(BORN)) / week == pytest.approx(1, abs=0.001)
    midnight = BORN - BORN % 86400
    for offset_h in (-5, 0, 8):
        by_hour = hourly(curve(offset_h * 3600.0, 0).integral, midnight)
        assert by_hour.index(max(by_hour)) in {(hour - offset_h) % 24 for hour in (12, 13, 14)}


def hourly(integral: Callable[[float], float], midnight: float) -> list[float]:
    return [integral(midnight + (h + 1) * 3600) - integral(midnight + h * 3600) for h in range(24)]


def test_a_gate_never_runs_backwards() -> None:
    gate = Gate(curve(0.0, 1), BORN)
    last = 0.0
    for step in range(1, 500):
        gate.set(step % 7 < 4, BORN + step * 11)
        now = gate.active(BORN + step * 11 + 5)
        assert now >= last
        last = now
