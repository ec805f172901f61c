"""SNMPv2-MIB system group (RFC 3418): who the device is and since when it runs."""

from __future__ import annotations

from typing import Final

from inventory.models import Device, Site

from . import ber
from .ber import Oid
from .history import SiteHistory
from .mib import Column

SYSTEM: Final = "system"
ENTERPRISE: Final[Oid] = (1, 3, 6, 1, 4, 1, 32473)
"""The enterprise number reserved for documentation (RFC 5612)."""

_ROLE_PRODUCT: Final = {"router": 1, "switch": 2, "vsat-modem": 3, "ups": 4}
_ROLE_SERVICES: Final = {"router": 78, "switch": 2, "vsat-modem": 6, "ups": 72}


class SystemRow:
    """The one row of the system group."""

    __slots__ = ("contact", "description", "location", "mark", "name", "object_id", "services")

    def __init__(self, device: Device, site: Site, mark: SiteHistory) -> None:
        self.mark = mark
        self.name = ber.text(device.id)
        self.description = ber.text(f"{device.platform} on {device.model}, serial {device.serial}")
        self.object_id = ber.object_id((*ENTERPRISE, 594, 2, _ROLE_PRODUCT.get(device.role, 9)))
        self.contact = ber.text(f"service desk {site.desk}")
        self.location = ber.text(f"{site.city}, {site.country}")
        self.services = ber.integer(_ROLE_SERVICES.get(device.role, 72))

    def uptime_s(self, now: float) -> float:
        """Seconds since the device booted."""
        return max(0.0, now - self.mark.boot_at)


_BASE: Final[Oid] = (1, 3, 6, 1, 2, 1, 1)

COLUMNS: Final = [
    Column((*_BASE, 1), SYSTEM, lambda r, _: r.description),
    Column((*_BASE, 2), SYSTEM, lambda r, _: r.object_id),
    Column((*_BASE, 3), SYSTEM, lambda r, now: ber.timeticks(r.uptime_s(now))),
    Column((*_BASE, 4), SYSTEM, lambda r, _: r.contact),
    Column((*_BASE, 5), SYSTEM, lambda r, _: r.name),
    Column((*_BASE, 6), SYSTEM, lambda r, _: r.location),
    Column((*_BASE, 7), SYSTEM, lambda r, _: r.services),
]
