"""What explains what: which open alert holds others back, which alert from outside a site hits it, and by what name.

Pure. An alert that is held back is never lost from sight: it is found under its cause and on the page of its site.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from inventory.models import Inventory
from network_ops.noc.alerts import Alert, Place, Suppressed

ALL_HUBS = "AllHubsIsolated"
_HUB_CAUSES = ("HubIsolated", ALL_HUBS)


@dataclass(frozen=True, slots=True)
class Held:
    """An alert that is held back: where it belongs, and the open alert that explains it (None = a silence or gone)."""

    alert: Alert
    place: Place
    cause: Alert | None
    silenced: bool


def cause_of(row: Suppressed, known: Mapping[str, Alert], suppressed: Mapping[str, Suppressed]) -> Alert | None:
    """The open alert at the end of the chain of those that hold a row back; None when none of them is open."""
    seen: set[str] = set()
    ahead = list(row.inhibited_by)
    while ahead:
        fingerprint = ahead.pop(0)
        if fingerprint in known:
            return known[fingerprint]
        if fingerprint not in seen and fingerprint in suppressed:
            ahead.extend(suppressed[fingerprint].inhibited_by)
        seen.add(fingerprint)
    return None


def explain(rows: Sequence[tuple[Suppressed, Place]], known: Mapping[str, Alert]) -> tuple[Held, ...]:
    """Each row that is held back with its cause; `known` are the open alerts by fingerprint."""
    by_id = {row.alert.id: row for row, _ in rows}
    return tuple(Held(r.alert, where, cause_of(r, known, by_id), bool(r.silenced_by)) for r, where in rows)


def touches(alert: Alert, site: str, inventory: Inventory) -> bool:
    """Whether an alert of a carrier, a hub or of all hubs hits a site that it does not name."""
    circuits = inventory.circuits_of[site]
    match alert.scope:
        case "carrier":
            return alert.labels.get("carrier") in {circuit.carrier for circuit in circuits}
        case "hub":
            return any(alert.labels.get("hub") in circuit.tunnels for circuit in circuits)
    return alert.name == ALL_HUBS


def isolated_hubs(alerts: Iterable[Alert], hubs: Collection[str]) -> dict[str, Alert]:
    """The alert that says so for each hub that is isolated."""
    found: dict[str, Alert] = {}
    for alert in alerts:
        if alert.name in _HUB_CAUSES:
            for hub in hubs if alert.name == ALL_HUBS else [alert.labels.get("hub", "")]:
                found.setdefault(hub, alert)
    return found


def named(alert: Alert, inventory: Inventory) -> Alert:
    """The alert with a summary that says names as well as ids, as people and carriers know the former."""
    labels = alert.labels
    circuit = inventory.circuits.get(labels.get("circuit", ""))
    device = inventory.devices.get(labels.get("device", ""))
    site_id = labels.get("site") or (circuit.site if circuit else device.site if device else "")
    carrier_id = labels.get("carrier", "") or (circuit.carrier if circuit else "")
    if alert.scope not in ("carrier", "circuit", "session"):
        carrier_id = ""
    site, carrier = inventory.sites.get(site_id), inventory.carriers.get(carrier_id)
    hub = inventory.hubs.get(labels.get("hub", ""))
    names = [(found.id, found.name) for found in (site, carrier, hub) if found]
    text, missing = alert.summary, []
    for key, name in names:
        if name.lower() in text.lower():
            continue
        both = name if name.lower() == key else f"{name} ({key})"
        # The id of a site begins those of its circuits and devices: only a whole id is replaced.
        whole = re.search(rf"(?<![\w.@-]){re.escape(key)}(?![\w@-]|\.\w)", text)
        said = text[: whole.start()] + both + text[whole.end() :] if whole else text
        if said == text:
            missing.append(name)
        text = said
    if missing:
        text += " · " + ", ".join(missing)
    return alert if text == alert.summary else replace(alert, summary=text)
