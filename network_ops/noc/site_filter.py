"""Which sites a reader wants to see, from the query of a URL.

Pure. A value that nobody knows is said, never taken for "any".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields

from inventory.models import Inventory, Site
from network_ops.noc.alerts import SEVERITIES
from network_ops.noc.states import STATES


@dataclass(frozen=True, slots=True)
class SiteFilter:
    """What of the sites is wanted; an empty field wants all. `alert` is the fingerprint of an alert that hits them."""

    region: str = ""
    state: str = ""
    tier: str = ""
    carrier: str = ""
    hub: str = ""
    alert: str = ""
    text: str = ""

    def query(self) -> dict[str, str]:
        """The filter as query parameters, empty ones left out."""
        return {f.name: value for f in fields(self) if (value := getattr(self, f.name))}

    def wants(self, site: Site, state: str, hit: frozenset[str] | None, inventory: Inventory) -> bool:
        """Whether this site is to be shown; `hit` are the sites of the alert asked for, None = no alert asked for."""
        text = f"{site.id} {site.name} {site.city} {site.country} {site.kind}".lower()
        return (
            (not self.region or site.region == self.region)
            and (not self.tier or site.tier == int(self.tier))
            and (not self.state or state == self.state)
            and (not self.carrier or any(c.carrier == self.carrier for c in inventory.circuits_of[site.id]))
            and (not self.hub or site.preferred_hub == self.hub)
            and (hit is None or site.id in hit)
            and all(word in text for word in self.text.lower().split())
        )


def unknown_value(wanted: Mapping[str, str], inventory: Inventory) -> str:
    """A sentence about the first value of a filter that nobody knows; empty when all are known or empty."""
    known: dict[str, Iterable[str]] = {
        "region": inventory.regions, "carrier": inventory.carriers, "hub": inventory.hubs,
        "severity": SEVERITIES, "state": STATES,
    }  # fmt: skip
    for name, values in known.items():
        value = wanted.get(name, "")
        if value and value not in values:
            return f"There is no {name} {value}; known: {', '.join(values)}."
    return ""
