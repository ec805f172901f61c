"""The smoke plan: what it covers, what it expects, what it calls explained."""

from __future__ import annotations

from pathlib import Path

import pytest

import inventory
from network_ops.trial.figures import distribution, percentile
from network_ops.trial.plan import expected_for_circuit, explained, smoke_plan

SHIPPED = Path(inventory.__file__).parent


@pytest.fixture(scope="module")
def inv() -> inventory.Inventory:
    return inventory.load(SHIPPED)


@pytest.mark.parametrize("seed", range(20))
def test_every_seed_covers_what_the_trial_promises(inv: inventory.Inventory, seed: int) -> None:
    plan = smoke_plan(inv, seed)
    faults = [f for phase in plan for f in phase.faults]
    kinds = [f.kind for f in faults]
    assert len(faults) >= 24
    assert kinds.count("site-power") >= 8
    assert kinds.count("circuit-cut") >= 8
    assert kinds.count("carrier-outage") == 2
    assert sorted(f.target for f in faults if f.kind == "hub-isolation") == sorted(inv.hubs)
    cut = {inv.circuits[f.target].kind for f in faults if f.kind == "circuit-cut"}
    assert cut == {c.kind for c in inv.circuits.values()}
    targets = [f.target for f in faults]
    assert len(set(targets)) == len(targets)
    hub_phases = [phase for phase in plan if phase.faults[0].kind == "hub-isolation"]
    assert all([f.kind for f in phase.faults] == ["hub-isolation", "site-power"] for phase in hub_phases)


def test_the_same_seed_gives_the_same_plan(inv: inventory.Inventory) -> None:
    assert smoke_plan(inv, 7) == smoke_plan(inv, 7)
    assert smoke_plan(inv, 7) != smoke_plan(inv, 8)


def test_a_cut_circuit_is_a_site_alert_where_there_is_no_other(inv: inventory.Inventory) -> None:
    single = next(c for c in inv.circuits.values() if len(inv.circuits_of[c.site]) == 1)
    double = next(c for c in inv.circuits.values() if len(inv.circuits_of[c.site]) == 2)
    assert expected_for_circuit(inv, single).matches("SiteDown", {"site": single.site, "tier": "2"})
    assert expected_for_circuit(inv, double).matches("CircuitDown", {"circuit": double.id, "site": double.site})
    assert not expected_for_circuit(inv, double).matches("CircuitDown", {"circuit": single.id})


def truth(inv: inventory.Inventory, target: str, sites: list[str] = [], hub: str = "") -> dict[str, object]:  # noqa: B006
    hit = [s for s in inv.sessions.values() if s.site in sites or s.hub == hub]
    devices = [d.id for site in sites for d in inv.devices_of[site]]
    circuits = [c.id for site in sites for c in inv.circuits_of[site]]
    touched = sorted({s.site for s in hit})
    return {
        "target": target,
        "sites": touched,
        "circuits": circuits,
        "devices": devices,
        "sessions": [s.id for s in hit],
    }


def test_an_alert_is_explained_only_by_what_was_really_hit(inv: inventory.Inventory) -> None:
    one, two = list(inv.sites)[:2]
    power = truth(inv, one, [one])
    circuit = inv.circuits_of[one][0].id
    assert explained(inv, {"site": one, "tier": "3"}, [power])
    assert explained(inv, {"site": one, "circuit": circuit}, [power])
    assert explained(inv, {"site": one, "circuit": circuit, "hub": "valencia"}, [power])
    assert explained(inv, {"site": one, "device": inv.devices_of[one][0].id}, [power])
    assert not explained(inv, {"site": two}, [power])
    assert not explained(inv, {"carrier": inv.circuits[circuit].carrier}, [power])
    assert not explained(inv, {}, [power])


def test_a_hub_isolation_excuses_no_alert_about_a_site(inv: inventory.Inventory) -> None:
    site = next(iter(inv.sites))
    isolation = truth(inv, "valencia", hub="valencia")
    assert explained(inv, {"hub": "valencia"}, [isolation])
    assert explained(inv, {"circuit": inv.circuits_of[site][0].id, "hub": "valencia"}, [isolation])
    assert not explained(inv, {"site": site}, [isolation])
    assert not explained(inv, {"site": site, "circuit": inv.circuits_of[site][0].id}, [isolation])
    assert explained(inv, {"site": site}, [isolation, truth(inv, "brindisi", hub="brindisi")])


def test_nothing_is_explained_without_a_fault(inv: inventory.Inventory) -> None:
    assert not explained(inv, {"site": next(iter(inv.sites))}, [])


def test_percentiles_are_nearest_rank() -> None:
    values = [float(n) for n in range(1, 21)]
    assert percentile(values, 0.5) == 10.0
    assert percentile(values, 0.95) == 19.0
    assert percentile(values, 1.0) == 20.0
    assert distribution([3.0])["p95_s"] == 3.0
