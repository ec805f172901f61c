"""Who else to look at: turns a change of one target into the neighbours that are worth an extra probe now.

A loss on a session casts suspicion on the other sessions of its site; a confirmed change on all of the site; changes
at three sites of one carrier or hub within a few seconds on all its sessions. Pure: `now` is an argument.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from exporters.probes.judgement import State
from exporters.probes.targets import ProbeTarget

MEMORY_S = 6.0
SITES_FOR_COMMON_CAUSE = 3
COMMON_CAUSE_REST_S = 3.0


class Cause(NamedTuple):
    """Something that many sites share: ("carrier" or "hub", its id)."""

    kind: str
    id: str


def causes_of(target: ProbeTarget) -> tuple[Cause, ...]:
    """The carrier and the hub that a session depends on; nothing for a device."""
    if target.kind != "session":
        return ()
    found = (Cause("carrier", target.carrier), Cause("hub", target.hub))
    return tuple(cause for cause in found if cause.id)


@dataclass(frozen=True, slots=True)
class Neighbours:
    """Targets by what they share; every value keeps the order of the list it was built from."""

    site: dict[str, tuple[ProbeTarget, ...]]
    cause: dict[Cause, tuple[ProbeTarget, ...]]

    @classmethod
    def of(cls, targets: Iterable[ProbeTarget]) -> Neighbours:
        """Group targets by site (sessions before devices) and sessions by cause."""
        site: dict[str, list[ProbeTarget]] = {}
        cause: dict[Cause, list[ProbeTarget]] = {}
        for target in targets:
            site.setdefault(target.site, []).append(target)
            for shared in causes_of(target):
                cause.setdefault(shared, []).append(target)
        return cls(
            {name: tuple(sorted(found, key=lambda t: t.kind == "device")) for name, found in site.items()},
            {shared: tuple(found) for shared, found in cause.items()},
        )


@dataclass(slots=True)
class Suspicion:
    """Remembers which sites changed lately under which carrier or hub, and which causes were swept."""

    _changed: dict[tuple[Cause, State], dict[str, float]] = field(default_factory=dict)
    _swept: dict[tuple[Cause, State], float] = field(default_factory=dict)

    def change(self, target: ProbeTarget, state: State, now: float) -> tuple[Cause, ...]:
        """Note a confirmed change of a session to `state`; returns the causes whose sessions are to be probed now.

        A cause is returned when the change is the third site (or later) within `MEMORY_S`, and at most once in
        `COMMON_CAUSE_REST_S`, because each sweep asks all of its sessions.
        """
        found: list[Cause] = []
        for cause in causes_of(target):
            sites = self._changed.setdefault((cause, state), {})
            sites[target.site] = now
            for site in [site for site, at in sites.items() if now - at > MEMORY_S]:
                del sites[site]
            rested = now - self._swept.get((cause, state), float("-inf")) >= COMMON_CAUSE_REST_S
            if len(sites) >= SITES_FOR_COMMON_CAUSE and rested:
                self._swept[(cause, state)] = now
                found.append(cause)
        return tuple(found)


def worth_probing(state: State, changed_to: State) -> bool:
    """Whether a neighbour in `state` could have gone the same way: it is not there already."""
    return state is not changed_to
