"""The world kept incrementally: counts of what grips each thing, so that one fault costs only what it touches.

Same truth as `network_ops.twin.reachability.view`, which tests hold it to. Every grip is a count, so overlapping
faults compose: releasing one never undoes another. No clock and no side effects here; `change` says what flipped.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import inventory
from inventory.models import Inventory
from network_ops.twin.faults import DEGRADE_LOSS_RATIO, DEGRADE_RTT_EXTRA_MS, DEGRADE_RTT_FACTOR, FaultKind, Hit
from network_ops.twin.reachability import WorldView


@dataclass(slots=True, eq=False)
class SiteState:
    """A site: `unpowered` counts its power faults; `path` is the session that management traffic takes now."""

    id: str
    unpowered: int = 0
    sessions: tuple[SessionState, ...] = ()
    circuits: tuple[CircuitState, ...] = ()
    path: SessionState | None = None


@dataclass(slots=True, eq=False)
class CarrierState:
    """A carrier: `outages` counts its outage faults."""

    id: str
    outages: int = 0
    circuits: list[CircuitState] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class HubState:
    """A hub: `isolations` counts its isolation faults."""

    id: str
    isolations: int = 0
    sessions: list[SessionState] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class CircuitState:
    """A circuit: `up` is the line itself, whatever the site's power."""

    id: str
    site: SiteState
    carrier: CarrierState
    cuts: int = 0
    degrades: int = 0
    up: bool = True
    sessions: list[SessionState] = field(default_factory=list)

    @property
    def degraded(self) -> bool:
        """Whether the circuit loses and delays more than its baseline."""
        return self.degrades > 0


@dataclass(slots=True, eq=False)
class SessionState:
    """A session: `rtt_s` and `loss_ratio` are those in force now (loss of a whole round trip)."""

    id: str
    circuit: CircuitState
    hub: HubState
    base_rtt_s: float
    base_loss_ratio: float
    jitter_s: float
    rtt_s: float
    loss_ratio: float
    up: bool = True


@dataclass(slots=True, eq=False)
class DeviceState:
    """A device: `silences` counts the faults that keep its SNMP agent quiet."""

    id: str
    site: SiteState
    silences: int = 0


@dataclass(slots=True)
class Change:
    """What one step flipped; look at the states themselves for the new value."""

    sites: list[SiteState] = field(default_factory=list)
    circuits: list[CircuitState] = field(default_factory=list)
    degraded: list[CircuitState] = field(default_factory=list)
    sessions: list[SessionState] = field(default_factory=list)


class World:
    """All states by id, healthy at first."""

    def __init__(self, inv: Inventory) -> None:
        self.sites = {site: SiteState(site) for site in inv.sites}
        self.carriers = {carrier: CarrierState(carrier) for carrier in inv.carriers}
        self.hubs = {hub: HubState(hub) for hub in inv.hubs}
        self.circuits: dict[str, CircuitState] = {}
        for circuit in inv.circuits.values():
            state = CircuitState(circuit.id, self.sites[circuit.site], self.carriers[circuit.carrier])
            self.circuits[circuit.id] = state
            state.carrier.circuits.append(state)
        self.sessions: dict[str, SessionState] = {}
        for site_id, site in self.sites.items():
            for session in inventory.sessions_of(inv, site_id):
                owner, hub = self.circuits[session.circuit.id], self.hubs[session.hub]
                rtt_s, loss = session.rtt_ms / 1000, session.circuit.loss_ratio
                made = SessionState(session.id, owner, hub, rtt_s, loss, session.circuit.jitter_ms / 1000, rtt_s, loss)
                self.sessions[session.id] = made
                owner.sessions.append(made)
                hub.sessions.append(made)
            site.circuits = tuple(self.circuits[c.id] for c in inv.circuits_of[site_id])
            site.sessions = tuple(s for c in site.circuits for s in c.sessions)
            _choose_path(site)
        self.devices = {d.id: DeviceState(d.id, self.sites[d.site]) for d in inv.devices.values()}
        self._position = {
            name: i for table in (inv.sites, inv.circuits, inv.sessions, inv.devices) for i, name in enumerate(table)
        }
        self._devices_of = {site: tuple(d.id for d in found) for site, found in inv.devices_of.items()}

    def change(self, kind: FaultKind, target: str, grip: int) -> Change:
        """Grip (`grip` +1) or release (-1) the target, recompute what depends on it, and say what flipped.

        The caller releases only what it gripped; a count below zero is a bug and asserts.
        """
        change = Change()
        match kind:
            case "site-power":
                site = self.sites[target]
                before, site.unpowered = site.unpowered, _counted(site.unpowered, grip)
                if bool(before) != bool(site.unpowered):
                    change.sites.append(site)
                    _settle_sessions(site.sessions, change)
            case "circuit-cut" | "flap":
                circuit = self.circuits[target]
                circuit.cuts = _counted(circuit.cuts, grip)
                _settle_circuits([circuit], change)
            case "carrier-outage":
                carrier = self.carriers[target]
                carrier.outages = _counted(carrier.outages, grip)
                _settle_circuits(carrier.circuits, change)
            case "hub-isolation":
                hub = self.hubs[target]
                hub.isolations = _counted(hub.isolations, grip)
                _settle_sessions(hub.sessions, change)
            case "circuit-degrade":
                circuit = self.circuits[target]
                before, circuit.degrades = circuit.degrades, _counted(circuit.degrades, grip)
                if bool(before) != circuit.degraded:
                    change.degraded.append(circuit)
                    for session in circuit.sessions:
                        _settle_quality(session)
            case "agent-silent":
                device = self.devices[target]
                device.silences = _counted(device.silences, grip)
        return change

    def hit(self, kind: FaultKind, target: str) -> Hit:
        """What this fault alone takes down or degrades (as `reachability.hit`); call it on a healthy world.

        Grips, looks at what flipped and releases again: cost follows the size of the fault.
        """
        change = self.change(kind, target, +1)
        sessions = {s.id for s in change.sessions} | {s.id for c in change.degraded for s in c.sessions}
        touched = {s.circuit.id: s.circuit for s in change.sessions}
        circuits = {c.id for c in (*change.circuits, *change.degraded)}
        circuits |= {c.id for c in touched.values() if not any(s.up for s in c.sessions)}
        cut_off = {s.circuit.site.id for s in change.sessions if s.circuit.site.path is None}
        devices = {d for site in cut_off for d in self._devices_of[site]}
        sites = {c.site.id for c in touched.values()} | {self.circuits[c].site.id for c in circuits}
        if kind == "agent-silent":
            devices.add(target)
            sites.add(self.devices[target].site.id)
        self.change(kind, target, -1)
        return Hit(*(self._in_order(ids) for ids in (sites, circuits, sessions, devices)))

    def _in_order(self, ids: set[str]) -> tuple[str, ...]:
        return tuple(sorted(ids, key=self._position.__getitem__))

    def view(self) -> WorldView:
        """The whole state as ids, comparable with `reachability.view`."""
        up = frozenset(d.id for d in self.devices.values() if d.site.path is not None)
        return WorldView(
            circuits_up=frozenset(c.id for c in self.circuits.values() if c.up),
            circuits_degraded=frozenset(c.id for c in self.circuits.values() if c.degraded),
            sessions_up=frozenset(s.id for s in self.sessions.values() if s.up),
            devices_up=up,
            agents_up=frozenset(d for d in up if not self.devices[d].silences),
            paths={s.id: s.path.id if s.path else None for s in self.sites.values()},
        )


def _counted(count: int, grip: int) -> int:
    assert count + grip >= 0, "released more often than gripped"
    return count + grip


def _settle_circuits(circuits: list[CircuitState], change: Change) -> None:
    for circuit in circuits:
        up = not circuit.cuts and not circuit.carrier.outages
        if up != circuit.up:
            circuit.up = up
            change.circuits.append(circuit)
            _settle_sessions(circuit.sessions, change)


def _settle_sessions(sessions: list[SessionState] | tuple[SessionState, ...], change: Change) -> None:
    for session in sessions:
        site = session.circuit.site
        up = session.circuit.up and not session.hub.isolations and not site.unpowered
        if up != session.up:
            session.up = up
            change.sessions.append(session)
            _choose_path(site)


def _settle_quality(session: SessionState) -> None:
    if session.circuit.degraded:
        session.rtt_s = session.base_rtt_s * DEGRADE_RTT_FACTOR + DEGRADE_RTT_EXTRA_MS / 1000
        session.loss_ratio = 1 - (1 - session.base_loss_ratio) * (1 - DEGRADE_LOSS_RATIO)
    else:
        session.rtt_s, session.loss_ratio = session.base_rtt_s, session.base_loss_ratio


def _choose_path(site: SiteState) -> None:
    for session in site.sessions:
        if session.up:
            site.path = session
            return
    site.path = None
