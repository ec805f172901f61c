"""BGP4-MIB (RFC 4273): the router's own scalars and one peer per session, indexed by the hub's address.

The MIB knows IPv4 peers only. BFD takes a session down with its path, so a peer is established(6) or idle(1).
"""

from __future__ import annotations

from typing import Final

from . import ber
from .ber import Oid, counter32
from .history import SiteHistory
from .mib import Column
from .traffic import Gate

BGP: Final = "bgp"
BGP_PEERS: Final = "bgpPeerTable"

_IDLE, _ESTABLISHED = ber.integer(1), ber.integer(6)
_KEEPALIVE_S: Final = 20
_HOLD_S: Final = 60
_NO_ERROR, _HOLD_EXPIRED = ber.octets(b"\0\0"), ber.octets(b"\4\0")
_TABLE_SIZE: Final = 640  # updates that carry a full table when a session comes up
_UPDATES_PER_S: Final = 0.02
AS_TRANS: Final = 23456
"""Stands for an AS number above 65535 in a MIB that has only 16 bits for it (RFC 6793)."""


class BgpRow:
    """The BGP speaker itself."""

    __slots__ = ("identifier", "local_as")

    def __init__(self, identifier: bytes, local_as: int) -> None:
        self.identifier = ber.ip_address(identifier)
        self.local_as = ber.integer(_short(local_as))


class PeerRow:
    """A peer: addresses packed, the session's gate."""

    __slots__ = ("gate", "identifier", "local", "local_port", "mark", "remote", "remote_as")

    def __init__(self, local: bytes, remote: bytes, remote_as: int, gate: Gate, mark: SiteHistory) -> None:
        self.local = ber.ip_address(local)
        self.remote = ber.ip_address(remote)
        self.identifier = self.remote
        self.remote_as = ber.integer(_short(remote_as))
        self.local_port = ber.integer(49152 + int.from_bytes(remote[2:], "big") % 16384)
        self.gate = gate
        self.mark = mark

    def since(self, now: float) -> int:
        """Seconds in, or since, the established state; 0 if never since boot."""
        return int(max(0.0, now - self.gate.changed_at)) if self.gate.openings else 0

    def updates(self, now: float, share: float) -> int:
        """UPDATE messages since boot: a table at each establishment, then a trickle."""
        return int(self.gate.openings * _TABLE_SIZE * share + self.gate.active(now) * _UPDATES_PER_S * share)

    def messages(self, now: float, share: float) -> int:
        """All messages since boot, keepalives included."""
        return self.updates(now, share) + int(self.gate.active(now) / _KEEPALIVE_S)


def _short(asn: int) -> int:
    return asn if asn <= 0xFFFF else AS_TRANS


_ENTRY: Final[Oid] = (1, 3, 6, 1, 2, 1, 15, 3, 1)

_VALUES: Final = [  # bgpPeerTable, columns 1 to 24
    lambda r, _: r.identifier if r.gate.is_open else ber.ip_address(bytes(4)),
    lambda r, _: _ESTABLISHED if r.gate.is_open else _IDLE,
    lambda _, __: ber.integer(2),  # bgpPeerAdminStatus start
    lambda _, __: ber.integer(4),
    lambda r, _: r.local,
    lambda r, _: r.local_port,
    lambda r, _: r.remote,
    lambda _, __: ber.integer(179),
    lambda r, _: r.remote_as,
    lambda r, now: counter32(r.updates(now, 1.0)),
    lambda r, now: counter32(r.updates(now, 0.01)),
    lambda r, now: counter32(r.messages(now, 1.0)),
    lambda r, now: counter32(r.messages(now, 0.01)),
    lambda r, _: _NO_ERROR if r.gate.openings < 2 and r.gate.is_open else _HOLD_EXPIRED,
    lambda r, _: counter32(r.gate.openings),
    lambda r, now: ber.gauge32(r.since(now)),
    lambda _, __: ber.integer(120),
    lambda r, _: ber.integer(_HOLD_S if r.gate.is_open else 0),
    lambda r, _: ber.integer(_KEEPALIVE_S if r.gate.is_open else 0),
    lambda _, __: ber.integer(_HOLD_S),
    lambda _, __: ber.integer(_KEEPALIVE_S),
    lambda _, __: ber.integer(15),
    lambda _, __: ber.integer(30),
    lambda r, now: ber.gauge32(int(now) % 97 if r.gate.is_open else r.since(now)),
]

COLUMNS: Final = [
    Column((1, 3, 6, 1, 2, 1, 15, 1), BGP, lambda _, __: ber.octets(b"\x10")),  # bgpVersion: 4
    Column((1, 3, 6, 1, 2, 1, 15, 2), BGP, lambda r, _: r.local_as),
    Column((1, 3, 6, 1, 2, 1, 15, 4), BGP, lambda r, _: r.identifier),
    *(Column((*_ENTRY, number), BGP_PEERS, value) for number, value in enumerate(_VALUES, 1)),
]
