"""The state of the world as a pure function: (inventory, effects in force) -> what is up, and by which path.

This is the definition that every twin must agree with. A session echoes if its site has power, its circuit and
carrier are up and its hub is not isolated; a device answers if its site has power and any session works, over the
first working session in the order of `inventory.sessions_of`. Written for clearness, from scratch each time; the
simulated twin keeps the same state incrementally and is tested against this.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

import inventory
from inventory.models import Inventory

from .faults import FLAP_DOWN, FLAP_UP, Fault, FaultKind, Hit


@dataclass(frozen=True, slots=True)
class Effect:
    """A fault's grip on the world at one moment; a flap in its down phase grips like a cut."""

    kind: FaultKind
    target: str


@dataclass(frozen=True, slots=True)
class WorldView:
    """What is up: ids. `paths` maps each site to the session its management traffic takes, None if cut off."""

    circuits_up: frozenset[str]
    circuits_degraded: frozenset[str]
    sessions_up: frozenset[str]
    devices_up: frozenset[str]
    agents_up: frozenset[str]
    paths: Mapping[str, str | None]


def flap_is_down(injected_at: datetime, now: datetime) -> bool:
    """Whether a circuit that began to flap at `injected_at` is in a down phase at `now`."""
    return (now - injected_at) % (FLAP_DOWN + FLAP_UP) < FLAP_DOWN


def effects_at(faults: Iterable[Fault], now: datetime) -> tuple[Effect, ...]:
    """The effects in force at `now` of all faults, ended ones included."""
    return tuple(
        Effect(fault.kind, fault.target)
        for fault in faults
        if fault.injected_at <= now
        and (fault.expires_at is None or now < fault.expires_at)
        and (fault.cleared_at is None or now < fault.cleared_at)
        and (fault.kind != "flap" or flap_is_down(fault.injected_at, now))
    )


def view(inv: Inventory, effects: Iterable[Effect]) -> WorldView:
    """The state of the world under `effects`; any number may overlap, in any order."""
    gripped: dict[FaultKind, set[str]] = {}
    for effect in effects:
        gripped.setdefault(effect.kind, set()).add(effect.target)
    unpowered = gripped.get("site-power", set())
    cut = gripped.get("circuit-cut", set()) | gripped.get("flap", set())
    outages = gripped.get("carrier-outage", set())
    isolated = gripped.get("hub-isolation", set())
    silent = gripped.get("agent-silent", set())

    circuits_up = frozenset(c.id for c in inv.circuits.values() if c.id not in cut and c.carrier not in outages)
    sessions_up = frozenset(
        s.id
        for s in inv.sessions.values()
        if s.circuit.id in circuits_up and s.hub not in isolated and s.site not in unpowered
    )
    paths = {
        site: next((s.id for s in inventory.sessions_of(inv, site) if s.id in sessions_up), None) for site in inv.sites
    }
    devices_up = frozenset(d.id for d in inv.devices.values() if paths[d.site] is not None)
    return WorldView(
        circuits_up=circuits_up,
        circuits_degraded=frozenset(gripped.get("circuit-degrade", set())),
        sessions_up=sessions_up,
        devices_up=devices_up,
        agents_up=devices_up - silent,
        paths=paths,
    )


def hit(inv: Inventory, kind: FaultKind, target: str) -> Hit:
    """What this fault would take down or degrade in an otherwise healthy world.

    A circuit is hit when it is down, degraded, or has no working session left; a device when it no longer answers
    (echo or SNMP); a site when any of its circuits, sessions or devices is hit.
    """
    healthy, now = view(inv, ()), view(inv, [Effect(kind, target)])
    down = healthy.sessions_up - now.sessions_up
    working = {inv.sessions[s].circuit.id for s in now.sessions_up}
    sessions = [s for s in inv.sessions.values() if s.id in down or s.circuit.id in now.circuits_degraded]
    circuits = [
        c
        for c in inv.circuits.values()
        if c.id not in now.circuits_up or c.id in now.circuits_degraded or (c.tunnels and c.id not in working)
    ]
    devices = [d for d in inv.devices.values() if d.id in healthy.agents_up - now.agents_up]
    hit_sites = {s.site for s in sessions} | {c.site for c in circuits} | {d.site for d in devices}
    return Hit(
        sites=tuple(site for site in inv.sites if site in hit_sites),
        circuits=tuple(c.id for c in circuits),
        sessions=tuple(s.id for s in sessions),
        devices=tuple(d.id for d in devices),
    )
