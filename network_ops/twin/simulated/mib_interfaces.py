"""IF-MIB (RFC 2863): ifNumber, ifTable, ifXTable and ifTableLastChange from the inventory's interfaces.

A WAN port follows its circuit's line, a tunnel its session, a LAN port the site's power; a port that nothing is plugged
into stays down. Octets are mean rate x active time, packets are octets / mean size; errors grow while a circuit is
degraded.
"""

from __future__ import annotations

import zlib
from typing import Final

from inventory.models import Interface

from . import ber
from .ber import Oid, counter32, counter64
from .history import SiteHistory
from .mib import Column, ValueOf
from .traffic import Gate

INTERFACES: Final = "interfaces"
IF_TABLE: Final = "ifTable"

ETHERNET: Final = 6
LOOPBACK: Final = 24
TUNNEL: Final = 131

_IN_PACKET_BYTES: Final = 640.0
_OUT_PACKET_BYTES: Final = 380.0
_GROUP_SHARE: Final = 0.004  # of packets that are multicast; a quarter as many are broadcast
_UP, _DOWN, _LOWER_LAYER_DOWN = ber.integer(1), ber.integer(2), ber.integer(7)
_ZERO32, _ZERO64 = counter32(0), counter64(0)
_TRUE, _FALSE = ber.integer(1), ber.integer(2)


class InterfaceRow:
    """An interface: `mean_in` and `mean_out` are bytes/s as the device sees them; `gate` is when it carries traffic.

    `line` is the circuit's gate under a tunnel, `weak` the time during which its circuit was degraded, and `lossy` the
    share of packets that arrive damaged even then.
    """

    __slots__ = (
        "alias",
        "connector",
        "description",
        "gate",
        "index",
        "line",
        "lossy",
        "mac",
        "mark",
        "mean_in",
        "mean_out",
        "mtu",
        "name",
        "speed",
        "type",
        "weak",
    )

    def __init__(
        self,
        interface: Interface,
        device: str,
        mark: SiteHistory,
        gate: Gate,
        rates: tuple[float, float],
        line: Gate | None = None,
        weak: Gate | None = None,
        lossy: float = 0.0,
    ) -> None:
        self.index = ber.integer(interface.index)
        self.name = ber.text(interface.name)
        self.description = ber.text(interface.description)
        self.alias = ber.octets(interface.alias.encode()[:64])
        self.type = ber.integer(interface.type)
        self.mtu = ber.integer({TUNNEL: 1400, LOOPBACK: 65535}.get(interface.type, 1500))
        self.speed = interface.speed_bps
        virtual = interface.type != ETHERNET
        self.connector = _FALSE if virtual else _TRUE
        hashed = zlib.crc32(f"{device}/{interface.index}".encode())
        self.mac = b"" if virtual else b"\x02\x59" + hashed.to_bytes(4, "big")
        self.mark = mark
        self.gate = gate
        self.mean_in, self.mean_out = rates
        self.line = line
        self.weak = weak
        self.lossy = lossy

    def oper_status(self) -> bytes:
        """ifOperStatus: up, down, or lowerLayerDown for a tunnel whose line is down."""
        if self.gate.is_open:
            return _UP
        return _LOWER_LAYER_DOWN if self.line is not None and not self.line.is_open else _DOWN

    def last_change(self, _: float) -> bytes:
        """IfLastChange: sysUpTime when the operational state was entered."""
        return ber.timeticks(max(0.0, self.gate.changed_at - self.mark.boot_at))

    def packets_in(self, now: float) -> float:
        """Packets received since boot."""
        return self.mean_in * self.gate.active(now) / _IN_PACKET_BYTES

    def packets_out(self, now: float) -> float:
        """Packets sent since boot."""
        return self.mean_out * self.gate.active(now) / _OUT_PACKET_BYTES

    def errors_in(self, now: float) -> int:
        """Damaged packets: a trickle always, a twentieth of the traffic while the circuit is degraded."""
        weak = self.weak.active(now) * self.mean_in / _IN_PACKET_BYTES * 0.05 if self.weak is not None else 0.0
        return int(self.packets_in(now) * self.lossy + weak)

    def discards_out(self, now: float) -> int:
        """Packets dropped at a full queue."""
        return int(self.packets_out(now) * self.lossy * 2)


def _ins(share: float) -> ValueOf:
    return lambda r, now: counter32(int(r.packets_in(now) * share))


def _outs(share: float) -> ValueOf:
    return lambda r, now: counter32(int(r.packets_out(now) * share))


def _hc_ins(share: float) -> ValueOf:
    return lambda r, now: counter64(int(r.packets_in(now) * share))


def _hc_outs(share: float) -> ValueOf:
    return lambda r, now: counter64(int(r.packets_out(now) * share))


_BROADCAST: Final = _GROUP_SHARE / 4
_UNICAST: Final = 1 - _GROUP_SHARE - _BROADCAST
_NON_UNICAST: Final = _GROUP_SHARE + _BROADCAST
_ENTRY: Final[Oid] = (1, 3, 6, 1, 2, 1, 2, 2, 1)
_X_ENTRY: Final[Oid] = (1, 3, 6, 1, 2, 1, 31, 1, 1, 1)
_NO_SPECIFIC: Final = ber.object_id((0, 0))

_IF_VALUES: Final[list[ValueOf]] = [  # ifTable, columns 1 to 22
    lambda r, _: r.index,
    lambda r, _: r.description,
    lambda r, _: r.type,
    lambda r, _: r.mtu,
    lambda r, _: ber.gauge32(r.speed),
    lambda r, _: ber.octets(r.mac),
    lambda _, __: _UP,
    lambda r, _: r.oper_status(),
    lambda r, now: r.last_change(now),
    lambda r, now: counter32(int(r.mean_in * r.gate.active(now))),
    _ins(_UNICAST),
    _ins(_NON_UNICAST),
    lambda _, __: _ZERO32,
    lambda r, now: counter32(r.errors_in(now)),
    lambda _, __: _ZERO32,
    lambda r, now: counter32(int(r.mean_out * r.gate.active(now))),
    _outs(_UNICAST),
    _outs(_NON_UNICAST),
    lambda r, now: counter32(r.discards_out(now)),
    lambda _, __: _ZERO32,
    lambda _, __: ber.gauge32(0),
    lambda _, __: _NO_SPECIFIC,
]

_IFX_VALUES: Final[list[tuple[ValueOf, bool]]] = [  # ifXTable, columns 1 to 19; True for Counter64
    (lambda r, _: r.name, False),
    (_ins(_GROUP_SHARE), False),
    (_ins(_BROADCAST), False),
    (_outs(_GROUP_SHARE), False),
    (_outs(_BROADCAST), False),
    (lambda r, now: counter64(int(r.mean_in * r.gate.active(now))), True),
    (_hc_ins(_UNICAST), True),
    (_hc_ins(_GROUP_SHARE), True),
    (_hc_ins(_BROADCAST), True),
    (lambda r, now: counter64(int(r.mean_out * r.gate.active(now))), True),
    (_hc_outs(_UNICAST), True),
    (_hc_outs(_GROUP_SHARE), True),
    (_hc_outs(_BROADCAST), True),
    (lambda r, _: r.connector, False),  # ifLinkUpDownTrapEnable: enabled(1) where there is a link
    (lambda r, _: ber.gauge32(round(r.speed / 1_000_000)), False),
    (lambda _, __: _FALSE, False),
    (lambda r, _: r.connector, False),
    (lambda r, _: r.alias, False),
    (lambda _, __: ber.timeticks(0), False),
]

COLUMNS: Final = [
    Column((1, 3, 6, 1, 2, 1, 2, 1), INTERFACES, lambda count, _: ber.integer(count)),
    Column((1, 3, 6, 1, 2, 1, 31, 1, 5), INTERFACES, lambda _, __: ber.timeticks(0)),
    *(Column((*_ENTRY, number), IF_TABLE, value) for number, value in enumerate(_IF_VALUES, 1)),
    *(Column((*_X_ENTRY, number), IF_TABLE, value, wide) for number, (value, wide) in enumerate(_IFX_VALUES, 1)),
]
