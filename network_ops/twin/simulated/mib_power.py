"""UPS-MIB (RFC 1628): a UPS on mains power whose battery recovers after each power failure of its site.

A site without power is unreachable with all its devices, so nobody sees the battery run down; the UPS shows the failure
afterwards, by its charge.
"""

from __future__ import annotations

from typing import Final

from inventory.models import Device

from . import ber
from .ber import Oid
from .history import SiteHistory
from .mib import Column
from .traffic import curve

UPS: Final = "ups"
UPS_INPUT: Final = "upsInputTable"
UPS_OUTPUT: Final = "upsOutputTable"

_CHARGE_AFTER_FAILURE: Final = 35.0
_CHARGE_PER_S: Final = 65.0 / (4 * 3600)
_LOW_CHARGE: Final = 20.0


class UpsRow:
    """A UPS: `rated_w` is its output power, `load_ratio` its mean load, `volts` the mains it stands on."""

    __slots__ = ("load_ratio", "mark", "model", "name", "rated_w", "volts")

    def __init__(self, device: Device, mark: SiteHistory, spread: float, volts: int) -> None:
        self.name = ber.text(device.id)
        self.model = ber.text(device.model)
        self.mark = mark
        self.rated_w = 3000
        self.load_ratio = 0.2 + 0.35 * spread
        self.volts = volts

    def charge_percent(self, now: float) -> float:
        """Battery charge: full, or on its way there for four hours after a power failure."""
        if not self.mark.power_failures:
            return 100.0
        return min(100.0, _CHARGE_AFTER_FAILURE + (now - self.mark.boot_at) * _CHARGE_PER_S)

    def load_percent(self, now: float) -> float:
        """Output load: follows the site's day, a little."""
        return 100 * self.load_ratio * (0.8 + 0.2 * curve(self.mark.offset_s, 0).rate(now))

    def watts(self, now: float) -> float:
        """Output power."""
        return self.rated_w * self.load_percent(now) / 100

    def minutes_remaining(self, now: float) -> int:
        """How long the battery would carry the present load."""
        return int(14 * self.charge_percent(now) / max(self.load_percent(now), 1.0))

    def input_volts(self, now: float) -> int:
        """Mains voltage, wandering by two per cent."""
        return round(self.volts * (1 + 0.02 * (curve(self.mark.offset_s, 7).rate(now) - 1)))

    def temperature(self, now: float) -> int:
        """Battery temperature in degrees Celsius."""
        return round(24 + 4 * (curve(self.mark.offset_s, 3).rate(now) - 1))


_U: Final[Oid] = (1, 3, 6, 1, 2, 1, 33, 1)

COLUMNS: Final = [
    Column((*_U, 1, 1), UPS, lambda _, __: ber.text("documentation example")),
    Column((*_U, 1, 2), UPS, lambda r, _: r.model),
    Column((*_U, 1, 5), UPS, lambda r, _: r.name),
    Column((*_U, 2, 1), UPS, lambda r, now: ber.integer(2 if r.charge_percent(now) >= _LOW_CHARGE else 3)),
    Column((*_U, 2, 2), UPS, lambda _, __: ber.integer(0)),  # upsSecondsOnBattery: on mains while reachable
    Column((*_U, 2, 3), UPS, lambda r, now: ber.integer(r.minutes_remaining(now))),
    Column((*_U, 2, 4), UPS, lambda r, now: ber.integer(int(r.charge_percent(now)))),
    Column((*_U, 2, 5), UPS, lambda r, now: ber.integer(round(400 + 1.4 * r.charge_percent(now)))),  # 0.1 V
    Column((*_U, 2, 7), UPS, lambda r, now: ber.integer(r.temperature(now))),
    Column((*_U, 3, 1), UPS, lambda r, _: ber.counter32(r.mark.power_failures)),  # upsInputLineBads
    Column((*_U, 3, 2), UPS, lambda _, __: ber.integer(1)),
    Column((*_U, 3, 3, 1, 2), UPS_INPUT, lambda _, __: ber.integer(500)),  # 0.1 Hz
    Column((*_U, 3, 3, 1, 3), UPS_INPUT, lambda r, now: ber.integer(r.input_volts(now))),
    Column((*_U, 3, 3, 1, 4), UPS_INPUT, lambda r, now: ber.integer(round(10 * r.watts(now) / r.volts))),
    Column((*_U, 3, 3, 1, 5), UPS_INPUT, lambda r, now: ber.integer(round(r.watts(now) * 1.06))),
    Column((*_U, 4, 1), UPS, lambda _, __: ber.integer(3)),  # upsOutputSource normal
    Column((*_U, 4, 2), UPS, lambda _, __: ber.integer(500)),
    Column((*_U, 4, 3), UPS, lambda _, __: ber.integer(1)),
    Column((*_U, 4, 4, 1, 2), UPS_OUTPUT, lambda r, _: ber.integer(r.volts)),
    Column((*_U, 4, 4, 1, 3), UPS_OUTPUT, lambda r, now: ber.integer(round(10 * r.watts(now) / r.volts))),
    Column((*_U, 4, 4, 1, 4), UPS_OUTPUT, lambda r, now: ber.integer(round(r.watts(now)))),
    Column((*_U, 4, 4, 1, 5), UPS_OUTPUT, lambda r, now: ber.integer(round(r.load_percent(now)))),
    Column((*_U, 6, 1), UPS, lambda _, __: ber.gauge32(0)),
    Column((*_U, 9, 1), UPS, lambda r, _: ber.integer(r.volts)),
    Column((*_U, 9, 4), UPS, lambda r, _: ber.integer(r.volts)),
    Column((*_U, 9, 5), UPS, lambda r, _: ber.integer(round(r.rated_w / 0.9))),
    Column((*_U, 9, 6), UPS, lambda r, _: ber.integer(r.rated_w)),
]
