"""Sessions of a site, and which of them carries its management traffic."""

from __future__ import annotations

from inventory.errors import InventoryError
from inventory.models import Inventory, Session


def sessions_of(inv: Inventory, site_id: str) -> tuple[Session, ...]:
    """All sessions of a site in order of preference: primary circuit first, and on each its preferred hub first.

    Raises:
        InventoryError: there is no such site.
    """
    site = inv.sites.get(site_id)
    if site is None:
        raise InventoryError(f"there is no site '{site_id}'; `noc inventory list` shows them all")
    return tuple(
        Session(circuit, hub)
        for circuit in inv.circuits_of[site_id]
        for hub in sorted(circuit.tunnels, key=lambda h: (h != site.preferred_hub, h != site.standby_hub, h))
    )


def home_session(inv: Inventory, site_id: str) -> Session:
    """The session that carries a site's management traffic: its primary circuit to its preferred hub.

    Raises:
        InventoryError: there is no such site.
    """
    return sessions_of(inv, site_id)[0]
