"""Which faults a smoke run injects and which alert each must raise: pure, from the inventory and a seed.

The plan covers every kind of circuit, two carriers, both hubs and a site that loses power *while* a hub is
isolated. What an alert may say besides is decided here too: an alert is explained when the faults,
active or just cleared, account for what it says.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from inventory.models import Circuit, Inventory

SITE_POWERS = 9
CIRCUIT_CUTS = 9
CARRIER_SIZES = range(4, 60)
"""A carrier with fewer circuits raises no carrier alert (three must be down); larger ones take longer to look at."""


@dataclass(frozen=True, slots=True)
class Expected:
    """The alert a fault must raise: its name and the labels that identify what is hit."""

    name: str
    labels: tuple[tuple[str, str], ...]

    def matches(self, name: str, labels: Mapping[str, str]) -> bool:
        """Whether an alert is the expected one."""
        return name == self.name and all(labels.get(key) == value for key, value in self.labels)


@dataclass(frozen=True, slots=True)
class PlannedFault:
    """A fault to inject, with the alert that must follow."""

    kind: str
    target: str
    expected: Expected


@dataclass(frozen=True, slots=True)
class Phase:
    """Faults that are active together, injected one after the other in random small steps."""

    name: str
    faults: tuple[PlannedFault, ...]


def smoke_plan(inv: Inventory, seed: int) -> tuple[Phase, ...]:
    """The phases of a smoke run: sites and circuits, two carriers one by one, both hubs one by one.

    Raises:
        ValueError: the inventory is too small for such a plan.
    """
    rng = random.Random(seed)
    used: set[str] = set()
    cuts = _circuit_cuts(inv, rng, used)
    powers = _site_powers(inv, rng, used, SITE_POWERS)
    mixed = [*cuts, *powers]
    rng.shuffle(mixed)
    phases = [Phase("sites and circuits", tuple(mixed))]
    phases += [Phase(f"carrier {f.target}", (f,)) for f in _carriers(inv, rng)]
    for hub in sorted(inv.hubs):
        isolation = PlannedFault("hub-isolation", hub, Expected("HubIsolated", (("hub", hub),)))
        during = _site_powers(inv, rng, used, 1)
        phases.append(Phase(f"hub {hub}", (isolation, *during)))
    return tuple(phases)


def expected_for_circuit(inv: Inventory, circuit: Circuit) -> Expected:
    """A cut circuit is a circuit alert where the site has another one, and a site alert where it has none."""
    if len(inv.circuits_of[circuit.site]) > 1:
        return Expected("CircuitDown", (("circuit", circuit.id),))
    return Expected("SiteDown", (("site", circuit.site),))


def explained(inv: Inventory, labels: Mapping[str, str], faults: Iterable[Mapping[str, Any]]) -> bool:
    """Whether the faults (the twin's ground truth) together account for what an alert says, and no less.

    A site is down when *all* its sessions are hit, by one fault or by several; so a hub's isolation, which hits a
    session of every site, excuses no alert about a site.
    """
    active = list(faults)

    def hit(key: str) -> set[str]:
        return {thing for fault in active for thing in fault.get(key) or ()}

    sessions = hit("sessions")
    circuit, site = labels.get("circuit"), labels.get("site")
    if "device" in labels:
        return labels["device"] in hit("devices")
    if circuit is not None:
        wanted = {s.id for s in inv.sessions.values() if s.circuit.id == circuit}
        return (f"{circuit}@{labels['hub']}" in sessions) if "hub" in labels else bool(wanted) and wanted <= sessions
    if site is not None:
        wanted = {s.id for s in inv.sessions.values() if s.site == site}
        return bool(wanted) and wanted <= sessions
    return any(fault["target"] in (labels.get("carrier"), labels.get("hub")) for fault in active)


def _circuit_cuts(inv: Inventory, rng: random.Random, used: set[str]) -> list[PlannedFault]:
    by_kind: dict[str, list[Circuit]] = {}
    for circuit in inv.circuits.values():
        by_kind.setdefault(circuit.kind, []).append(circuit)
    chosen: list[Circuit] = []
    for round_number in range(CIRCUIT_CUTS):
        for kind in sorted(by_kind):
            free = [c for c in by_kind[kind] if c.site not in used]
            if len(chosen) < CIRCUIT_CUTS and free:
                # the first round prefers sites with a second circuit, the rest takes what comes
                spare = [c for c in free if len(inv.circuits_of[c.site]) > 1] if round_number == 0 else []
                pick = rng.choice(spare or free)
                used.add(pick.site)
                chosen.append(pick)
    if len(chosen) < CIRCUIT_CUTS:
        raise ValueError(f"the inventory has too few sites for {CIRCUIT_CUTS} circuit cuts")
    return [PlannedFault("circuit-cut", c.id, expected_for_circuit(inv, c)) for c in chosen]


def _site_powers(inv: Inventory, rng: random.Random, used: set[str], number: int) -> list[PlannedFault]:
    by_tier: dict[int, list[str]] = {}
    for site in inv.sites.values():
        if site.id not in used:
            by_tier.setdefault(site.tier, []).append(site.id)
    chosen: list[str] = []
    while len(chosen) < number:
        tiers = [tier for tier in sorted(by_tier) if by_tier[tier]]
        if not tiers:
            raise ValueError(f"the inventory has too few sites for {number} site-power faults")
        pick = rng.choice(by_tier[tiers[len(chosen) % len(tiers)]])
        by_tier[inv.sites[pick].tier].remove(pick)
        used.add(pick)
        chosen.append(pick)
    return [PlannedFault("site-power", s, Expected("SiteDown", (("site", s),))) for s in chosen]


def _carriers(inv: Inventory, rng: random.Random) -> list[PlannedFault]:
    circuits: dict[str, list[Circuit]] = {}
    for circuit in inv.circuits.values():
        circuits.setdefault(circuit.carrier, []).append(circuit)
    fitting = [c for c in sorted(circuits) if len(circuits[c]) in CARRIER_SIZES]
    satellite = [c for c in fitting if inv.carriers[c].satellite]
    ground = [c for c in fitting if not inv.carriers[c].satellite]
    if len(fitting) < 2:
        raise ValueError("the inventory has fewer than two carriers of a size to try")
    pair = [rng.choice(satellite), rng.choice(ground)] if satellite and ground else rng.sample(fitting, 2)
    return [PlannedFault("carrier-outage", c, Expected("CarrierOutage", (("carrier", c),))) for c in pair]
