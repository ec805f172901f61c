"""An alert as the console knows it: from Alertmanager's JSON to typed rows, where it belongs, and filters.

Refuses answers that are not Alertmanager's API v2; unknown extra fields are ignored because newer releases add some.
Texts are cut to a bounded length here, once, because each is drawn, searched and sent to every browser.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from pydantic import AwareDatetime, BaseModel, TypeAdapter, ValidationError

from inventory.models import Inventory
from network_ops.noc.errors import NonsenseError

SEVERITIES = ("page", "warning", "info")
WATCHDOG = "Watchdog"
MOST_LABEL, MOST_ANNOTATION = 200, 2000
"""Characters kept of a label and of an annotation."""
_RANK = {severity: rank for rank, severity in enumerate(SEVERITIES)}
_SCOPES = ("noc", "hub", "carrier", "site", "circuit", "session", "device")


@dataclass(frozen=True, slots=True)
class Alert:
    """One active alert. `id` is Alertmanager's fingerprint of the labels."""

    id: str
    name: str
    severity: str
    scope: str
    labels: Mapping[str, str]
    summary: str
    description: str
    action: str
    starts_at: datetime

    @property
    def entity(self) -> str:
        """What is hit: the id of the circuit, device, site, carrier, hub."""
        if self.scope == "session" and "circuit" in self.labels:
            return f"{self.labels['circuit']}@{self.labels.get('hub', '')}"
        return self.labels.get(self.scope) or self.labels.get("instance") or self.labels.get("site") or "NOC"


@dataclass(frozen=True, slots=True)
class Suppressed:
    """An alert that nobody is told of, and why: the fingerprints of its cause, or of a silence."""

    alert: Alert
    inhibited_by: tuple[str, ...]
    silenced_by: tuple[str, ...]


class _Status(BaseModel):
    state: str
    inhibitedBy: list[str] = []  # noqa: N815 - the field's name in Alertmanager's API
    silencedBy: list[str] = []  # noqa: N815


class _Row(BaseModel):
    fingerprint: str
    labels: dict[str, str]
    annotations: dict[str, str] = {}
    startsAt: AwareDatetime  # noqa: N815
    status: _Status


_ROWS = TypeAdapter(list[_Row])


def _bounded(texts: Mapping[str, str], most: int) -> dict[str, str]:
    return {name[:MOST_LABEL]: text if len(text) <= most else text[: most - 1] + "…" for name, text in texts.items()}


def _alert(row: _Row) -> Alert:
    labels, notes = _bounded(row.labels, MOST_LABEL), _bounded(row.annotations, MOST_ANNOTATION)
    name = labels.get("alertname", "unnamed")
    scope = labels.get("scope") or next((s for s in reversed(_SCOPES) if s in labels), "noc")
    return Alert(
        id=row.fingerprint,
        name=name,
        severity=labels.get("severity", "warning"),
        scope=scope,
        labels=labels,
        summary=notes.get("summary", name),
        description=notes.get("description", ""),
        action=notes.get("action", ""),
        starts_at=row.startsAt.astimezone(UTC),
    )


def _rows(body: bytes) -> list[_Row]:
    try:
        return _ROWS.validate_json(body)
    except ValidationError as error:
        raise NonsenseError(f"Alertmanager's list of alerts is not API v2: {error.errors()[0]['msg']}") from error


def parse_active(body: bytes) -> tuple[Alert, ...]:
    """Active alerts of an answer of `/api/v2/alerts`, the Watchdog left out.

    Raises:
        NonsenseError: the body is not that list.
    """
    return tuple(alert for row in _rows(body) if (alert := _alert(row)).name != WATCHDOG)


def parse_suppressed(body: bytes) -> tuple[Suppressed, ...]:
    """Suppressed alerts of such an answer; others are skipped.

    Raises:
        NonsenseError: the body is not that list.
    """
    return tuple(
        Suppressed(_alert(row), tuple(row.status.inhibitedBy), tuple(row.status.silencedBy))
        for row in _rows(body)
        if row.status.state == "suppressed"
    )


def order(alert: Alert, where: Place) -> tuple[int, int, int, float, str]:
    """Sort key: severity, then how much is hit, then the tier (1 is the largest site), then the newest first."""
    scope = _SCOPES.index(alert.scope) if alert.scope in _SCOPES else len(_SCOPES)
    tier = min(where.tiers, default=0)
    return (_RANK.get(alert.severity, len(_RANK)), scope, tier, -alert.starts_at.timestamp(), alert.id)


@dataclass(frozen=True, slots=True)
class Place:
    """Where an alert belongs: the site if it has one, and the regions, tiers and carriers it touches.

    `sites` are those it hits; none are named for alerts of the NOC itself.
    """

    site: str = ""
    regions: frozenset[str] = field(default_factory=frozenset)
    tiers: frozenset[int] = field(default_factory=frozenset)
    carriers: frozenset[str] = field(default_factory=frozenset)
    sites: frozenset[str] = field(default_factory=frozenset)

    @property
    def sites_hit(self) -> int:
        """How many sites it hits."""
        return len(self.sites)


def place(alert: Alert, inventory: Inventory) -> Place:
    """Look an alert up in the inventory: a carrier's outage belongs to every region where it has circuits."""
    labels = alert.labels
    circuit = inventory.circuits.get(labels.get("circuit", ""))
    device = inventory.devices.get(labels.get("device", ""))
    site_id = labels.get("site") or (circuit.site if circuit else device.site if device else "")
    if site := inventory.sites.get(site_id):
        carriers = {circuit.carrier} if circuit else {c.carrier for c in inventory.circuits_of[site.id]}
        return Place(
            site.id, frozenset({site.region}), frozenset({site.tier}), frozenset(carriers), frozenset({site.id})
        )
    if carrier := labels.get("carrier"):
        ids = {c.site for c in inventory.circuits.values() if c.carrier == carrier}
        carriers = {carrier}
    elif hub := labels.get("hub"):
        ids = {s.id for s in inventory.sites.values() if s.preferred_hub == hub}
        carriers = set(inventory.carriers)
    else:
        ids, carriers = set(inventory.sites), set(inventory.carriers)
    sites = [inventory.sites[i] for i in ids]
    return Place(
        "",
        frozenset(s.region for s in sites),
        frozenset(s.tier for s in sites),
        frozenset(carriers),
        frozenset(ids) if labels.get("carrier") or labels.get("hub") else frozenset(),
    )


@dataclass(frozen=True, slots=True)
class AlertFilter:
    """What of the alerts is wanted; an empty field wants all. `acknowledged` is "yes", "no" or empty."""

    region: str = ""
    tier: int | None = None
    carrier: str = ""
    severity: str = ""
    acknowledged: str = ""
    text: str = ""

    @property
    def empty(self) -> bool:
        """Whether this lets everything through."""
        return self == AlertFilter()

    def query(self) -> dict[str, str]:
        """The filter as query parameters, empty ones left out."""
        fields = {
            "region": self.region,
            "tier": "" if self.tier is None else str(self.tier),
            "carrier": self.carrier,
            "severity": self.severity,
            "acknowledged": self.acknowledged,
            "text": self.text,
        }
        return {name: value for name, value in fields.items() if value}

    def wants(self, alert: Alert, where: Place, acknowledged: bool) -> bool:
        """Whether this alert is to be shown."""
        return (
            (not self.region or self.region in where.regions)
            and (self.tier is None or self.tier in where.tiers)
            and (not self.carrier or self.carrier in where.carriers)
            and (not self.severity or self.severity == alert.severity)
            and (not self.acknowledged or (self.acknowledged == "yes") == acknowledged)
            and (not self.text or all(word in _haystack(alert) for word in self.text.lower().split()))
        )


def _haystack(alert: Alert) -> str:
    return " ".join((alert.name, alert.summary, alert.description, *alert.labels.values())).lower()


def count_by_cause(suppressed: Iterable[Suppressed], names: Mapping[str, str]) -> dict[str, int]:
    """How many alerts each cause holds back; `names` maps the fingerprint of a known alert to its summary.

    An alert with several causes is counted once, under the first one that is known.
    """
    counts: dict[str, int] = {}
    for row in suppressed:
        if row.silenced_by:
            cause = "a silence"
        else:
            cause = next((names[i] for i in row.inhibited_by if i in names), "another alert")
        counts[cause] = counts.get(cause, 0) + 1
    return dict(sorted(counts.items(), key=lambda item: -item[1]))
