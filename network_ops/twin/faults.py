"""The vocabulary of faults, shared by every kind of twin: what can be broken, and the record of one breakage.

Turns (kind, target) from outside into a checked `Fault`; refuses kinds and targets that do not exist, with the
nearest names. What a fault *does* is decided in `network_ops.twin.reachability`.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final, Literal, cast, get_args

from inventory.models import Inventory

FaultKind = Literal[
    "site-power",
    "circuit-cut",
    "circuit-degrade",
    "carrier-outage",
    "hub-isolation",
    "agent-silent",
    "flap",
]
TargetNoun = Literal["site", "circuit", "carrier", "hub", "device"]

TARGET_NOUN: Final[Mapping[FaultKind, TargetNoun]] = {
    "site-power": "site",
    "circuit-cut": "circuit",
    "circuit-degrade": "circuit",
    "carrier-outage": "carrier",
    "hub-isolation": "hub",
    "agent-silent": "device",
    "flap": "circuit",
}

_LONGEST_NAME: Final = 200

DEGRADE_LOSS_RATIO: Final = 0.3
"""Share of round trips that a degraded circuit loses on top of its own loss."""
DEGRADE_RTT_FACTOR: Final = 1.5
DEGRADE_RTT_EXTRA_MS: Final = 80.0
"""A degraded circuit's round trip is `baseline x DEGRADE_RTT_FACTOR + DEGRADE_RTT_EXTRA_MS`."""
FLAP_DOWN: Final = timedelta(seconds=20)
FLAP_UP: Final = timedelta(seconds=20)
"""A flapping circuit is down for `FLAP_DOWN` from its injection, then up for `FLAP_UP`, and so on."""


class FaultError(Exception):
    """The input to a fault command was wrong; the message says what would be right."""


class UnknownTargetError(FaultError):
    """The fault, or the thing to be broken, does not exist."""


@dataclass(frozen=True, slots=True)
class Hit:
    """What one fault alone takes down or degrades, as ids in the inventory's order."""

    sites: tuple[str, ...] = ()
    circuits: tuple[str, ...] = ()
    sessions: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Fault:
    """One breakage: times are aware UTC; `expires_at` None lasts until cleared; `cleared_at` None is active."""

    id: str
    kind: FaultKind
    target: str
    injected_at: datetime
    expires_at: datetime | None
    cleared_at: datetime | None
    hit: Hit

    def cleared(self, at: datetime) -> Fault:
        """The same fault, ended at `at`."""
        return replace(self, cleared_at=at)

    def to_json(self) -> dict[str, object]:
        """The record as the control API and the ground-truth log carry it."""
        return {
            "id": self.id,
            "kind": self.kind,
            "target": self.target,
            "injected_at": _text(self.injected_at),
            "expires_at": _text(self.expires_at),
            "cleared_at": _text(self.cleared_at),
            "sites": list(self.hit.sites),
            "circuits": list(self.hit.circuits),
            "sessions": list(self.hit.sessions),
            "devices": list(self.hit.devices),
        }


def check(inv: Inventory, kind: str, target: str) -> tuple[FaultKind, str]:
    """The fault's kind and target, verified against the inventory.

    Raises:
        FaultError: the kind does not exist; the message lists those that do.
        UnknownTargetError: the inventory has no such target; the message proposes near names.
    """
    for word in (kind, target):
        # Before anything repeats or compares it: what is near a long text takes long to find.
        if len(word) > _LONGEST_NAME or not word.isprintable():
            raise FaultError(f"a fault's kind and target are names of at most {_LONGEST_NAME} printable characters")
    if kind not in get_args(FaultKind):
        raise FaultError(f"unknown fault kind '{kind}'; use one of: {', '.join(get_args(FaultKind))}")
    known = cast("FaultKind", kind)
    noun = TARGET_NOUN[known]
    names = _names(inv, noun)
    if target not in names:
        near = difflib.get_close_matches(target, names, n=3)
        remedy = f"did you mean {', '.join(near)}?" if near else f"see `noc inventory list` for {noun} ids"
        raise UnknownTargetError(f"{kind} needs a {noun}, and the inventory has no {noun} '{target}'; {remedy}")
    return known, target


def expiry(injected_at: datetime, for_s: float | None) -> datetime | None:
    """When a fault of `for_s` seconds ends; None lasts until cleared.

    Raises:
        FaultError: the duration is not above zero, or longer than a year.
    """
    if for_s is None:
        return None
    if not 0 < for_s <= 366 * 86400:
        # The number itself is not repeated: it may have hundreds of digits.
        raise FaultError("a fault's duration must be above 0 and at most a year of 31622400 seconds")
    return injected_at + timedelta(seconds=for_s)


def instant(seconds: float) -> datetime:
    """Seconds since the epoch as an aware UTC time."""
    return datetime.fromtimestamp(seconds, tz=UTC)


def _text(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat(timespec="milliseconds")


def _names(inv: Inventory, noun: TargetNoun) -> Iterable[str]:
    tables: Mapping[TargetNoun, Mapping[str, object]] = {
        "site": inv.sites,
        "circuit": inv.circuits,
        "carrier": inv.carriers,
        "hub": inv.hubs,
        "device": inv.devices,
    }
    return tables[noun].keys()
