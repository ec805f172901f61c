"""The API: the same picture as JSON, targets for Prometheus, the hook of Alertmanager. OpenAPI at /api/openapi.json."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated
from urllib.parse import quote

import psutil
from fastapi import APIRouter, Depends, Header, Request
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.responses import JSONResponse, PlainTextResponse, Response

from network_ops.noc.alerts import WATCHDOG
from network_ops.noc.console import Console
from network_ops.noc.discovery import Discovery, Document
from network_ops.noc.pages import MOST_COMMENT, Wanted, refuse_unknown, site_view, take
from network_ops.noc.picture import OpenAlert
from network_ops.noc.security import Acknowledger, Anyone, Reader, Refused, check_csrf, part
from network_ops.noc.site_view import SiteView


class AckOut(BaseModel):
    """Who has taken an alert."""

    by: str
    at: datetime
    comment: str


class AlertOut(BaseModel):
    """An open alert; not `confirmed` = Alertmanager has not been heard of it since it went away or restarted."""

    id: str
    name: str
    severity: str
    scope: str
    labels: dict[str, str]
    summary: str
    description: str
    action: str
    runbook: str
    starts_at: datetime
    confirmed: bool
    sites_hit: int
    acknowledged: AckOut | None


class AlertsOut(BaseModel):
    """Open alerts, most urgent first, and how many are held back."""

    alerts: list[AlertOut]
    suppressed: int
    suppressed_by_cause: dict[str, int]


class SiteOut(BaseModel):
    """A site with its state; `since` is when this console first saw that state."""

    id: str
    name: str
    country: str
    region: str
    tier: int
    kind: str
    latitude: float
    longitude: float
    state: str
    since: datetime
    alerts: int


class SessionOut(BaseModel):
    """A session's newest values; null = not measured."""

    id: str
    hub: str
    state: str
    rtt_ms: float | None
    baseline_rtt_ms: float
    jitter_ms: float | None
    loss_ratio: float | None
    baseline_loss_ratio: float


class CircuitOut(BaseModel):
    """A circuit with its sessions and traffic."""

    id: str
    role: str
    kind: str
    carrier: str
    contact: str
    state: str
    in_bps: float | None
    out_bps: float | None
    sessions: list[SessionOut]


class DeviceOut(BaseModel):
    """A device and whether it answers; `endpoint` is where it is polled when that is not its address."""

    id: str
    role: str
    model: str
    address: str
    endpoint: str
    auth: str
    state: str
    word: str
    end_of_support: str
    support: str


class HeldOut(BaseModel):
    """An alert that is held back, and the open one that explains it; null = a silence, or it has just ended."""

    id: str
    name: str
    severity: str
    summary: str
    cause: str | None
    cause_summary: str | None


class SiteDetailOut(SiteOut):
    """A site with what hangs on it; `trouble` says why values are missing."""

    preferred_hub: str
    standby_hub: str
    circuits: list[CircuitOut]
    devices: list[DeviceOut]
    open_alerts: list[AlertOut]
    held_back: list[HeldOut]
    trouble: str


class CheckOut(BaseModel):
    """A field of the health strip; level is ok, warn, bad or wait."""

    id: str
    label: str
    level: str
    word: str
    detail: str
    at: datetime | None


class HealthOut(BaseModel):
    """Whether the NOC itself can see."""

    level: str
    banner: str
    checks: list[CheckOut]
    now: datetime


class CommentIn(BaseModel):
    """What the operator does about an alert."""

    model_config = ConfigDict(extra="forbid")
    comment: str = Field(min_length=1, max_length=MOST_COMMENT)


class SessionInfo(BaseModel):
    """Who is logged in, and the token that changing requests carry as X-CSRF-Token."""

    name: str
    role: str
    csrf: str


class _HookAlert(BaseModel):
    status: str
    labels: dict[str, str]


class _Hook(BaseModel):
    """The part of Alertmanager's webhook that concerns us; the rest is its own business."""

    alerts: list[_HookAlert]


def alert_out(row: OpenAlert) -> AlertOut:
    """An open alert for the API."""
    alert, ack = row.alert, row.acknowledged
    return AlertOut(
        id=alert.id,
        name=alert.name,
        severity=alert.severity,
        scope=alert.scope,
        labels=dict(alert.labels),
        summary=alert.summary,
        description=alert.description,
        action=alert.action,
        runbook=f"/runbooks/{quote(alert.name, safe='')}",
        starts_at=alert.starts_at,
        confirmed=row.confirmed,
        sites_hit=row.place.sites_hit,
        acknowledged=AckOut(by=ack.by, at=ack.at, comment=ack.comment) if ack else None,
    )


def router(console: Console) -> APIRouter:  # noqa: C901 - a table of routes
    """All API routes."""
    routes = APIRouter()
    picture, inventory = console.picture, console.inventory
    parts_only = [Depends(part)]

    @routes.get("/api/alerts", summary="Open alerts")
    async def alerts(visitor: Reader, wanted: Wanted) -> AlertsOut:
        refuse_unknown(console, wanted.query())
        return AlertsOut(
            alerts=[alert_out(row) for row in picture.select(wanted)],
            suppressed=len(picture.suppressed),
            suppressed_by_cause=picture.suppressed_by_cause(),
        )

    @routes.post("/api/alerts/{fingerprint}/acknowledge", summary="Take an alert")
    async def acknowledge(
        visitor: Acknowledger,
        fingerprint: str,
        body: CommentIn,
        x_csrf_token: Annotated[str, Header()] = "",
    ) -> AlertOut:
        check_csrf(visitor, x_csrf_token)
        return alert_out(await take(console, visitor, fingerprint, body.comment))

    def site_fields(site_id: str, counts: dict[str, int]) -> dict[str, object]:
        site = inventory.sites[site_id]
        return {
            "id": site.id, "name": site.name, "country": site.country, "region": site.region, "tier": site.tier,
            "kind": site.kind, "latitude": site.latitude, "longitude": site.longitude,
            "state": picture.sites.states[site.id], "since": picture.sites.since[site.id],
            "alerts": counts.get(site.id, 0),
        }  # fmt: skip

    def alert_counts() -> dict[str, int]:
        counts: dict[str, int] = {}
        for row in picture.open:
            counts[row.place.site] = counts.get(row.place.site, 0) + 1
        return counts

    @routes.get("/api/sites", summary="All sites with their states")
    async def sites(visitor: Reader) -> list[SiteOut]:
        counts = alert_counts()
        return [SiteOut.model_validate(site_fields(site, counts)) for site in inventory.sites]

    @routes.get("/api/sites/{site_id}", summary="A site with circuits, devices and alerts")
    async def site(visitor: Reader, site_id: str) -> SiteDetailOut:
        if site_id not in inventory.sites:
            raise Refused(404, f"the inventory has no site {site_id}")
        detail = site_detail(await site_view(console, site_id), console.discovery)
        rows = [alert_out(row) for row in picture.of_site(site_id)]
        held = [
            HeldOut(
                id=row.alert.id, name=row.alert.name, severity=row.alert.severity, summary=row.alert.summary,
                cause=row.cause.id if row.cause else None, cause_summary=row.cause.summary if row.cause else None,
            )
            for row in picture.held_of_site(site_id)
        ]  # fmt: skip
        fields = site_fields(site_id, alert_counts())
        return SiteDetailOut.model_validate({**fields, **detail, "open_alerts": rows, "held_back": held})

    @routes.get("/api/health", summary="Whether the NOC itself can see")
    async def health(visitor: Reader) -> HealthOut:
        found = picture.health
        checks = [
            CheckOut(id=c.id, label=c.label, level=c.level, word=c.word, detail=c.detail, at=c.at) for c in found.checks
        ]
        return HealthOut(level=found.level, banner=found.banner, checks=checks, now=datetime.now(UTC))

    @routes.get("/api/session", summary="Who is logged in")
    async def session(visitor: Anyone) -> SessionInfo:
        if visitor.login is None:
            raise Refused(401, "nobody is logged in")
        return SessionInfo(name=visitor.login.name, role=visitor.login.role, csrf=visitor.login.csrf)

    @routes.get("/api/sd/snmp", summary="SNMP targets for Prometheus", dependencies=parts_only)
    async def sd_snmp(request: Request, interval: int | None = None) -> Response:
        return targets(request, console.discovery.snmp(interval))

    @routes.get("/api/sd/probes", summary="Probe targets", dependencies=parts_only)
    async def sd_probes(request: Request) -> Response:
        return targets(request, console.discovery.probes())

    @routes.post("/hooks/alertmanager", summary="Alertmanager's webhook", dependencies=parts_only)
    async def hook(request: Request) -> Response:
        try:
            call = _Hook.model_validate_json(await request.body())
        except ValidationError as error:
            return JSONResponse({"error": f"not Alertmanager's webhook: {error.errors()[0]['msg']}"}, 400)
        if any(a.status == "firing" and a.labels.get("alertname") == WATCHDOG for a in call.alerts):
            now = datetime.now(UTC)
            picture.feel(now, watchdog_at=now)
        if any(a.labels.get("alertname") != WATCHDOG for a in call.alerts):
            console.feeds.wake()
        return Response(status_code=204)

    @routes.get("/healthz", summary="Whether this process answers")
    async def healthz() -> PlainTextResponse:
        return PlainTextResponse("ok\n")

    @routes.get("/metrics", summary="The console's own metrics")
    async def metrics() -> PlainTextResponse:
        return PlainTextResponse(own_metrics(console), media_type="text/plain; version=0.0.4; charset=utf-8")

    return routes


def targets(request: Request, document: Document) -> Response:
    """A list of targets, or 304."""
    headers = {"ETag": document.etag}
    if request.headers.get("if-none-match") == document.etag:
        return Response(status_code=304, headers=headers)
    return Response(document.body, media_type="application/json", headers=headers)


def site_detail(view: SiteView, discovery: Discovery) -> dict[str, object]:
    """The measured part of a site for the API."""
    return {
        "preferred_hub": view.site.preferred_hub,
        "standby_hub": view.site.standby_hub,
        "trouble": view.trouble,
        "circuits": [
            {
                "id": c.circuit.id, "role": c.circuit.role, "kind": c.circuit.kind, "carrier": c.circuit.carrier,
                "contact": c.contact,
                "state": c.state, "in_bps": c.in_bps, "out_bps": c.out_bps,
                "sessions": [
                    {
                        "id": s.id, "hub": s.hub, "state": s.state, "rtt_ms": s.rtt_ms,
                        "baseline_rtt_ms": s.baseline_rtt_ms, "jitter_ms": s.jitter_ms, "loss_ratio": s.loss,
                        "baseline_loss_ratio": s.baseline_loss,
                    }
                    for s in c.sessions
                ],
            }
            for c in view.circuits
        ],
        "devices": [
            {
                "id": d.device.id, "role": d.device.role, "model": d.device.model, "state": d.state, "word": d.word,
                "address": str(d.device.address), "endpoint": discovery.endpoint(d.device.address),
                "auth": d.device.auth, "end_of_support": d.device.end_of_support.isoformat(), "support": d.support,
            }
            for d in view.devices
        ],
    }  # fmt: skip


def own_metrics(console: Console) -> str:
    """What Prometheus may know of the console itself."""
    picture, process = console.picture, psutil.Process()
    cpu = process.cpu_times()
    acknowledged = sum(row.acknowledged is not None for row in picture.open)
    rows = (
        ("noc_open_alerts", "gauge", "Open alerts on the console's list.", len(picture.open)),
        ("noc_acknowledged_alerts", "gauge", "Open alerts that somebody has taken.", acknowledged),
        ("noc_suppressed_alerts", "gauge", "Alerts held back by others or by silences.", len(picture.suppressed)),
        ("noc_live_clients", "gauge", "Browsers on the live stream.", console.live.clients),
        ("noc_can_see", "gauge", "1 = every check of the health strip is ok.", int(picture.health.level == "ok")),
        ("process_cpu_seconds_total", "counter", "CPU time of the console.", cpu.user + cpu.system),
        ("process_resident_memory_bytes", "gauge", "Resident memory of the console.", process.memory_info().rss),
        ("process_start_time_seconds", "gauge", "Unix time of the console's start.", process.create_time()),
    )
    return "".join(f"# HELP {n} {text}\n# TYPE {n} {kind}\n{n} {value}\n" for n, kind, text, value in rows)
