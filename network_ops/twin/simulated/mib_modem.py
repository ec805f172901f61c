"""The VSAT modem's own scalars, under the documentation enterprise number (RFC 5612).

Es/No and transmit power follow the circuit: rain (a degraded circuit) lowers the first and raises the second, a cut
unlocks the receiver.
"""

from __future__ import annotations

from typing import Final

from . import ber
from .ber import Oid
from .history import SiteHistory
from .mib import Column
from .mib_system import ENTERPRISE
from .traffic import curve
from .world import CircuitState

MODEM: Final = "vsatModem"
RAIN_FADE: Final = 55
"""How much Es/No a degraded circuit loses, in 0.1 dB."""


class ModemRow:
    """A modem on `circuit`; `clear_sky` is its Es/No without rain in 0.1 dB, `satellite` the carrier's."""

    __slots__ = ("circuit", "clear_sky", "mark", "satellite")

    def __init__(self, circuit: CircuitState, clear_sky: int, satellite: str, mark: SiteHistory) -> None:
        self.circuit = circuit
        self.clear_sky = clear_sky
        self.satellite = ber.text(satellite)
        self.mark = mark

    def es_no(self, now: float) -> int:
        """Es/No in 0.1 dB: 0 unlocked, else clear sky, less the rain, give or take 0.3 dB."""
        if not self.circuit.up:
            return 0
        fade = RAIN_FADE if self.circuit.degraded else 0
        return round(self.clear_sky - fade + 3 * (curve(self.mark.offset_s, 5).rate(now) - 1))

    def tx_power(self) -> int:
        """Transmit power in 0.1 dBm; uplink power control fights the rain."""
        return 270 if self.circuit.degraded else 230

    def temperature(self, now: float) -> int:
        """Degrees Celsius, with the day."""
        return round(38 + 6 * (curve(self.mark.offset_s, 1).rate(now) - 1))


_MODEM: Final[Oid] = (*ENTERPRISE, 594, 1)

COLUMNS: Final = [
    Column((*_MODEM, 1), MODEM, lambda r, _: ber.integer(1 if r.circuit.up else 2)),
    Column((*_MODEM, 2), MODEM, lambda r, now: ber.integer(r.es_no(now))),
    Column((*_MODEM, 3), MODEM, lambda r, _: ber.integer(r.tx_power())),
    Column((*_MODEM, 4), MODEM, lambda r, now: ber.integer(r.temperature(now))),
    Column((*_MODEM, 5), MODEM, lambda r, _: r.satellite),
]
