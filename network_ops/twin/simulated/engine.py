"""Faults over time: injects, clears, expires and flaps them, each at its exact moment, and keeps the ground truth.

The engine owns the world and its history; it has no clock of its own (`now` is an argument, epoch seconds) and touches
neither network nor disk. A driver calls `advance` when `next_event` is due.
"""

from __future__ import annotations

import heapq
import itertools
from typing import Literal, TypedDict

from inventory.models import Inventory
from network_ops.twin.faults import (
    FLAP_DOWN,
    FLAP_UP,
    Fault,
    UnknownTargetError,
    check,
    expiry,
    instant,
)
from network_ops.twin.reachability import Effect

from .history import History, SavedHistory
from .world import World

FaultEvent = Literal["injected", "cleared", "expired"]


class SavedFault(TypedDict):
    """An active fault in the state file; times are epoch seconds."""

    id: str
    kind: str
    target: str
    injected_at: float
    expires_at: float | None


class SavedEngine(TypedDict):
    """The engine's state as JSON: enough for a restarted twin to show the same world."""

    born: float
    seed: int
    saved_at: float
    counter: int
    faults: list[SavedFault]
    flaps: dict[str, tuple[bool, float]]
    history: SavedHistory


class _Active:
    """An active fault; `gripping` is False while a flap is in its up phase, which ends or begins at `turns_at`."""

    __slots__ = ("expires", "fault", "gripping", "injected", "turns_at")

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self.injected = fault.injected_at.timestamp()
        self.expires = None if fault.expires_at is None else fault.expires_at.timestamp()
        self.gripping = False
        self.turns_at = self.injected + FLAP_DOWN.total_seconds()


class Engine:
    """All active faults and the world they make."""

    def __init__(self, inv: Inventory, born: float, seed: int = 594) -> None:
        self._inv = inv
        self._seed = seed
        self._counter = 0
        self._active: dict[str, _Active] = {}
        self._agenda: list[tuple[float, int, str]] = []
        self._order = itertools.count()
        self._healthy = World(inv)
        self.born = born
        self.world = World(inv)
        self.history = History(inv, self.world, born, seed)

    @property
    def faults(self) -> list[Fault]:
        """Active faults, oldest first."""
        return [a.fault for a in self._active.values()]

    @property
    def effects(self) -> list[Effect]:
        """What grips the world now."""
        return [Effect(a.fault.kind, a.fault.target) for a in self._active.values() if a.gripping]

    def inject(self, kind: str, target: str, for_s: float | None, now: float) -> Fault:
        """Break something at `now`, for `for_s` seconds or until cleared (None).

        Raises:
            FaultError: unknown kind or a senseless duration.
            UnknownTargetError: the inventory has no such target.
        """
        known, target = check(self._inv, kind, target)
        injected_at = instant(now)
        ends = expiry(injected_at, for_s)
        self._counter += 1
        hit = self._healthy.hit(known, target)
        fault = Fault(f"f-{self._counter:05d}", known, target, injected_at, ends, None, hit)
        self._admit(_Active(fault), now)
        return fault

    def clear(self, fault_id: str, now: float) -> Fault:
        """End one fault at `now`.

        Raises:
            UnknownTargetError: no active fault has this id.
        """
        active = self._active.pop(fault_id, None)
        if active is None:
            raise UnknownTargetError(f"no active fault '{fault_id}'; see `noc fault list`")
        self._grip(active, False, now)
        return active.fault.cleared(instant(now))

    def next_event(self) -> float | None:
        """When `advance` has something to do next, epoch seconds; None while nothing is scheduled."""
        while self._agenda and self._agenda[0][2] not in self._active:
            heapq.heappop(self._agenda)
        return self._agenda[0][0] if self._agenda else None

    def advance(self, now: float) -> list[Fault]:
        """Do all expiries and flap turns due by `now`, each as of its own moment; returns the faults that expired."""
        expired = []
        while (due := self.next_event()) is not None and due <= now:
            _, _, fault_id = heapq.heappop(self._agenda)
            active = self._active[fault_id]
            if active.expires is not None and due >= active.expires:
                del self._active[fault_id]
                self._grip(active, False, active.expires)
                expired.append(active.fault.cleared(instant(active.expires)))
            else:
                self._grip(active, not active.gripping, due)
                active.turns_at += (FLAP_DOWN if active.gripping else FLAP_UP).total_seconds()
                self._schedule(active)
        return expired

    def saved(self, now: float) -> SavedEngine:
        """The state as of `now`, which must not be before the last `advance`."""
        return SavedEngine(
            born=self.born,
            seed=self._seed,
            saved_at=now,
            counter=self._counter,
            faults=[
                SavedFault(
                    id=a.fault.id,
                    kind=a.fault.kind,
                    target=a.fault.target,
                    injected_at=a.injected,
                    expires_at=a.expires,
                )
                for a in self._active.values()
            ],
            flaps={i: (a.gripping, a.turns_at) for i, a in self._active.items() if a.fault.kind == "flap"},
            history=self.history.saved(),
        )

    @classmethod
    def restored(cls, inv: Inventory, saved: SavedEngine) -> Engine:
        """The engine as it was when saved; the caller then advances it to the present.

        Faults on things that the inventory no longer has are dropped.
        """
        engine = cls(inv, saved["born"], saved["seed"])
        engine._counter = saved["counter"]
        for entry in saved["faults"]:
            try:
                kind, target = check(inv, entry["kind"], entry["target"])
            except UnknownTargetError:
                continue
            ends = None if entry["expires_at"] is None else instant(entry["expires_at"])
            hit = engine._healthy.hit(kind, target)
            active = _Active(Fault(entry["id"], kind, target, instant(entry["injected_at"]), ends, None, hit))
            active.gripping, active.turns_at = saved["flaps"].get(entry["id"], (True, active.turns_at))
            engine._active[active.fault.id] = active
            if active.gripping:
                engine.world.change(kind, target, +1)
            engine._schedule(active)
        engine.history.restore(saved["history"])
        return engine

    def _admit(self, active: _Active, now: float) -> None:
        self._active[active.fault.id] = active
        self._grip(active, True, now)
        self._schedule(active)

    def _grip(self, active: _Active, grip: bool, now: float) -> None:
        if grip == active.gripping:
            return
        active.gripping = grip
        change = self.world.change(active.fault.kind, active.fault.target, +1 if grip else -1)
        self.history.record(change, now)

    def _schedule(self, active: _Active) -> None:
        """Put the fault's next moment on the agenda: the end of its flap phase or its expiry, whichever is first."""
        due = active.expires
        if active.fault.kind == "flap":
            due = active.turns_at if due is None else min(active.turns_at, due)
        if due is not None:
            heapq.heappush(self._agenda, (due, next(self._order), active.fault.id))
