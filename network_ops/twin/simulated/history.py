"""When things last changed: boot times, and the gates through which counters and session ages are computed.

Turns the world's `Change`s into marks, and marks into a small JSON document and back, so that a restarted twin
continues its counters. Only what ever changed is saved; the rest follows from the twin's birth and the seed.
"""

from __future__ import annotations

from typing import Final, TypedDict

from inventory.models import Inventory

from .traffic import Gate, curve, share, utc_offset_s
from .world import Change, World

LAN_GATES: Final = 4
_OLDEST_BOOT_S: Final = 300 * 86400
_YOUNGEST_BOOT_S: Final = 2 * 86400

SavedGate = tuple[float, float, int]


class SavedHistory(TypedDict):
    """The marks of everything that ever changed, as JSON."""

    boots: dict[str, tuple[float, int]]
    lines: dict[str, SavedGate]
    degraded: dict[str, SavedGate]
    sessions: dict[str, SavedGate]


class SiteHistory:
    """When a site's devices booted (`boot_at`, epoch seconds), how often power failed, and its LAN traffic."""

    __slots__ = ("boot_at", "lan", "offset_s", "power_failures")

    def __init__(self, boot_at: float, offset_s: float, ripple: int) -> None:
        self.boot_at = boot_at
        self.offset_s = offset_s
        self.power_failures = 0
        self.lan = tuple(Gate(curve(offset_s, ripple + 3 * i), boot_at) for i in range(LAN_GATES))

    def reboot(self, now: float) -> None:
        """All devices start again at `now`."""
        self.boot_at = now
        for gate in self.lan:
            gate.reset(True, now)


class History:
    """Marks of all sites, circuits (line and degradation) and sessions, by id."""

    def __init__(self, inv: Inventory, world: World, born: float, seed: int) -> None:
        """`born` is the epoch second at which the twin's world began; devices booted before it, each site once."""
        self._world = world
        self._touched: set[str] = set()
        self.sites: dict[str, SiteHistory] = {}
        self.lines: dict[str, Gate] = {}
        self.degraded: dict[str, Gate] = {}
        self.sessions: dict[str, Gate] = {}
        for number, site in enumerate(inv.sites.values()):
            spread = share(seed, site.id, "boot")
            boot_at = born - _YOUNGEST_BOOT_S - spread * (_OLDEST_BOOT_S - _YOUNGEST_BOOT_S)
            offset_s = utc_offset_s(site.timezone, site.longitude)
            self.sites[site.id] = SiteHistory(boot_at, offset_s, number)
            for state in world.sites[site.id].circuits:
                number += 5
                shape = curve(offset_s, number)
                self.lines[state.id] = Gate(shape, boot_at)
                weak = Gate(shape, boot_at)
                weak.reset(False, boot_at)
                self.degraded[state.id] = weak
                for session in state.sessions:
                    self.sessions[session.id] = Gate(shape, boot_at)

    def record(self, change: Change, now: float) -> None:
        """Mark what flipped at `now`."""
        for site in change.sites:
            self._touched.add(site.id)
            mark = self.sites[site.id]
            if site.unpowered:
                mark.power_failures += 1
                continue
            mark.reboot(now)
            for circuit in site.circuits:
                self._touched.add(circuit.id)
                self.lines[circuit.id].reset(circuit.up, now)
                self.degraded[circuit.id].reset(circuit.degraded, now)
                for session in circuit.sessions:
                    self._touched.add(session.id)
                    self.sessions[session.id].reset(session.up, now)
        for circuit in change.circuits:
            self._touched.add(circuit.id)
            self.lines[circuit.id].set(circuit.up, now)
        for circuit in change.degraded:
            self._touched.add(circuit.id)
            self.degraded[circuit.id].set(circuit.degraded, now)
        for session in change.sessions:
            self._touched.add(session.id)
            self.sessions[session.id].set(session.up, now)

    def saved(self) -> SavedHistory:
        """The marks of everything that ever changed."""

        def touched(gates: dict[str, Gate]) -> dict[str, SavedGate]:
            return {name: gate.saved() for name, gate in gates.items() if name in self._touched}

        boots = {n: (m.boot_at, m.power_failures) for n, m in self.sites.items() if n in self._touched}
        return SavedHistory(
            boots=boots,
            lines=touched(self.lines),
            degraded=touched(self.degraded),
            sessions=touched(self.sessions),
        )

    def restore(self, saved: SavedHistory) -> None:
        """Take the marks over; the world must already be in the state in which they were saved.

        Ids that the inventory no longer has are left out: tables may change between two runs.
        """
        for name, (boot_at, failures) in saved["boots"].items():
            if name in self.sites:
                self._touched.add(name)
                self.sites[name].reboot(boot_at)
                self.sites[name].power_failures = failures
        for gates, states, marks in (
            (self.lines, {c.id: c.up for c in self._world.circuits.values()}, saved["lines"]),
            (self.degraded, {c.id: c.degraded for c in self._world.circuits.values()}, saved["degraded"]),
            (self.sessions, {s.id: s.up for s in self._world.sessions.values()}, saved["sessions"]),
        ):
            for name, mark in marks.items():
                if name in gates:
                    self._touched.add(name)
                    gates[name].restore(mark, states[name])
