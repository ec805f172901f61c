"""The pages: map, wallboard, alerts, sites, runbooks.

Each is whole without a script; htmx and the live stream refresh parts.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Form, Query, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response, StreamingResponse

from network_ops.noc import runbooks
from network_ops.noc.alerts import SEVERITIES, Alert, AlertFilter
from network_ops.noc.console import Console, panel
from network_ops.noc.live import MOST_CLIENTS
from network_ops.noc.picture import OpenAlert
from network_ops.noc.security import Acknowledger, Anyone, Reader, Refused, Visitor, check_csrf
from network_ops.noc.states import STATES
from network_ops.noc.store import acknowledgements

MOST_COMMENT = 1000


def page(
    console: Console, request: Request, visitor: Visitor, template: str, *, live: str = "", status: int = 200,
    **values: Any,
) -> HTMLResponse:  # fmt: skip
    """Render a whole page with what all pages show."""
    theme = request.cookies.get("noc_theme", "")
    text = console.templates.get_template(template).render(
        path=request.url.path,
        here=request.url.path + (f"?{request.url.query}" if request.url.query else ""),
        visitor=visitor,
        theme=theme if theme in ("dark", "light") else "",
        live=live,
        health_strip=console.live.text("health"),
        open_count=len(console.picture.open),
        now=datetime.now(UTC),
        **values,
    )
    response = HTMLResponse(text, status)
    if visitor.new_visit:
        set_cookie(console, response, console.doorkeeper.visit_cookie, visitor.new_visit)
    return response


def set_cookie(console: Console, response: Response, name: str, value: str, age_s: int | None = None) -> None:
    """Set a cookie that scripts and other sites cannot use."""
    response.set_cookie(
        name, value, max_age=age_s, httponly=True, samesite="strict", secure=console.settings.secure_cookies, path="/"
    )


def alert_filter(
    region: str = "",
    tier: Annotated[str, Query(pattern=r"^[1-4]?$")] = "",
    carrier: str = "",
    severity: str = "",
    acknowledged: Annotated[str, Query(pattern=r"^(yes|no)?$")] = "",
    text: Annotated[str, Query(max_length=200)] = "",
) -> AlertFilter:
    """The filter in a URL."""
    return AlertFilter(region, int(tier) if tier else None, carrier, severity, acknowledged, text)


Wanted = Annotated[AlertFilter, Depends(alert_filter)]


def router(console: Console) -> APIRouter:  # noqa: C901 - a table of routes
    """All page routes."""
    routes = APIRouter(include_in_schema=False)
    picture, inventory = console.picture, console.inventory

    @routes.get("/")
    async def world(request: Request, visitor: Reader, region: str = "") -> HTMLResponse:
        region = region if region in inventory.regions else ""
        sheet = console.atlas.sheet(region)
        topics = "health,sites" if region else "health,counts,regions,panel,sites"
        return page(
            console, request, visitor, "map.html", live=topics,
            sheet=sheet, region=region, inventory=inventory,
            by_state={s: [m for m in sheet.marks if picture.sites.states[m.site.id] == s] for s in STATES},
            hub_states=picture.hubs.states, draw_order=("unknown", "up", "degraded", "down"),
            overview=picture.overview(region), regions=picture.regions(), chosen=region,
            panel=panel(console, region),
        )  # fmt: skip

    @routes.get("/panel")
    async def panel_part(visitor: Reader, region: str = "") -> HTMLResponse:
        return HTMLResponse(panel(console, region))

    @routes.get("/counts")
    async def counts_part(visitor: Reader, region: str = "") -> HTMLResponse:
        overview = picture.overview(region if region in inventory.regions else "")
        return HTMLResponse(console.templates.get_template("_counts.html").render(overview=overview))

    @routes.get("/regions")
    async def regions_part(visitor: Reader, region: str = "") -> HTMLResponse:
        template = console.templates.get_template("_regions.html")
        return HTMLResponse(template.render(regions=picture.regions(), chosen=region))

    @routes.get("/wallboard")
    async def wallboard(request: Request, visitor: Reader) -> HTMLResponse:
        board = console.live.text("wallboard")
        return page(console, request, visitor, "wallboard.html", live="health,wallboard", board=board)

    @routes.get("/alerts")
    async def alerts(request: Request, visitor: Reader, wanted: Wanted) -> HTMLResponse:
        rows = picture.select(wanted)
        values: dict[str, Any] = {
            "alerts": rows,
            "wanted": wanted,
            "total": len(picture.open),
            "suppressed": picture.suppressed_by_cause(),
            "heard": picture.heard.alerts is not None,
            "inventory": inventory,
            "severities": SEVERITIES,
            "runbook": lambda alert: runbook_of(console, alert),
            "refresh": "/alerts?" + urlencode(wanted.query()),
        }
        if request.headers.get("hx-request"):
            template = console.templates.get_template("_alerts.html")
            return HTMLResponse(template.render(visitor=visitor, **values), headers={"Vary": "HX-Request"})
        return page(console, request, visitor, "alerts.html", live="health,alerts", **values)

    @routes.get("/alerts/{fingerprint}")
    async def alert(request: Request, visitor: Reader, fingerprint: str) -> HTMLResponse:
        row = picture.find(fingerprint)
        if row is None:
            return page(
                console, request, visitor, "message.html", status=404, title="This alert is over",
                text="It is no longer on the list: it has been resolved, or its cause changed its labels.",
            )  # fmt: skip
        values: dict[str, Any] = {
            "row": row,
            "runbook": runbook_of(console, row.alert),
            "site": inventory.sites.get(row.place.site),
        }
        if request.headers.get("hx-request"):
            return HTMLResponse(console.templates.get_template("_ack.html").render(visitor=visitor, **values))
        return page(console, request, visitor, "alert.html", live="health", **values)

    @routes.post("/alerts/{fingerprint}/acknowledge")
    async def acknowledge(
        request: Request,
        visitor: Acknowledger,
        fingerprint: str,
        comment: Annotated[str, Form(max_length=MOST_COMMENT)] = "",
        csrf: Annotated[str, Form()] = "",
    ) -> Response:
        check_csrf(visitor, csrf)
        row = await take(console, visitor, fingerprint, comment)
        if request.headers.get("hx-request"):
            return HTMLResponse("", headers={"HX-Trigger": "noc:acknowledged"})
        return RedirectResponse(f"/alerts/{row.alert.id}", 303)

    @routes.get("/sites")
    async def sites(
        request: Request, visitor: Reader, region: str = "", state: str = "", text: str = "",
        tier: Annotated[str, Query(pattern=r"^[1-4]?$")] = "",
    ) -> HTMLResponse:  # fmt: skip
        words = text.lower().split()
        rank = {s: n for n, s in enumerate(STATES)}
        book = picture.sites
        rows = [
            site
            for site in inventory.sites.values()
            if (not region or site.region == region)
            and (not tier or site.tier == int(tier))
            and (not state or book.states[site.id] == state)
            and all(w in f"{site.id} {site.name} {site.city} {site.country} {site.kind}".lower() for w in words)
        ]
        rows.sort(key=lambda site: (rank[book.states[site.id]], site.tier, site.name))
        query = {k: v for k, v in (("region", region), ("state", state), ("tier", tier), ("text", text)) if v}
        values: dict[str, Any] = {
            "sites": rows, "book": book, "since_start": picture.since_start, "inventory": inventory, "states": STATES,
            "refresh": "/sites?" + urlencode(query),
            "chosen": {"region": region, "state": state, "tier": tier, "text": text},
        }  # fmt: skip
        if request.headers.get("hx-request"):
            return HTMLResponse(console.templates.get_template("_sites.html").render(**values))
        return page(console, request, visitor, "sites.html", live="health,sites", **values)

    @routes.get("/sites/{site_id}")
    async def site(request: Request, visitor: Reader, site_id: str) -> HTMLResponse:
        if site_id not in inventory.sites:
            return page(
                console, request, visitor, "message.html", status=404, title="No such site",
                text=f"The inventory has no site {site_id}.",
            )  # fmt: skip
        now = datetime.now(UTC)
        values: dict[str, Any] = {
            "view": await console.site_views.get(site_id, now.timestamp(), now.date()),
            "state": picture.sites.states[site_id],
            "since": picture.sites.since[site_id],
            "since_start": picture.since_start(site_id),
            "alerts": picture.of_site(site_id),
            "inventory": inventory,
        }
        if request.headers.get("hx-request"):
            return HTMLResponse(console.templates.get_template("_site.html").render(**values))
        return page(console, request, visitor, "site.html", live="health,alerts", **values)

    @routes.get("/runbooks")
    async def all_runbooks(request: Request, visitor: Reader) -> HTMLResponse:
        names = await asyncio.to_thread(runbooks.names, console.settings.runbooks)
        return page(console, request, visitor, "runbooks.html", live="health", names=names)

    @routes.get("/runbooks/{name}")
    async def runbook(request: Request, visitor: Reader, name: str) -> HTMLResponse:
        text = await asyncio.to_thread(runbooks.find, console.settings.runbooks, name)
        if text is None:
            return page(
                console, request, visitor, "message.html", status=404, title="No such runbook",
                text="There is no runbook of that name.",
            )  # fmt: skip
        return page(console, request, visitor, "runbook.html", live="health", name=name, body=runbooks.render(text))

    @routes.get("/help")
    async def help_page(request: Request, visitor: Reader) -> HTMLResponse:
        return page(console, request, visitor, "help.html", live="health")

    @routes.post("/theme")
    async def theme(
        visitor: Anyone,
        to: Annotated[str, Form(pattern="^(dark|light)$")],
        back: Annotated[str, Form(max_length=500)] = "/",
        csrf: Annotated[str, Form()] = "",
    ) -> Response:
        check_csrf(visitor, csrf)
        response = RedirectResponse(own_path(back), 303)
        set_cookie(console, response, "noc_theme", to, age_s=400 * 86400)
        return response

    @routes.get("/events")
    async def events(visitor: Reader, topics: str = "") -> Response:
        if console.live.clients >= MOST_CLIENTS:
            raise Refused(429, f"{MOST_CLIENTS} live streams are open already", 30)
        wanted = console.live.names & frozenset(topics.split(","))
        return StreamingResponse(
            console.live.stream(wanted), media_type="text/event-stream", headers={"X-Accel-Buffering": "no"}
        )

    @routes.get("/static/{name}")
    async def static(request: Request, name: str) -> Response:
        file = console.static.get(name)
        if file is None:
            return Response("no such file", 404, media_type="text/plain")
        kept = "public, max-age=31536000, immutable" if request.query_params.get("v") == file.version else "no-cache"
        headers = {"ETag": file.etag, "Cache-Control": kept}
        if request.headers.get("if-none-match") == file.etag:
            return Response(status_code=304, headers=headers)
        return Response(file.body, media_type=file.media_type, headers=headers)

    return routes


def own_path(back: str) -> str:
    """A path of ours to go back to; anything else becomes the first page (no open redirect)."""
    safe = back.startswith("/") and not back.startswith(("//", "/\\")) and back.isprintable()
    return back if safe else "/"


def runbook_of(console: Console, alert: Alert) -> str:
    """The runbook's page of an alert."""
    return f"/runbooks/{alert.name}"


async def take(console: Console, visitor: Visitor, fingerprint: str, comment: str) -> OpenAlert:
    """Acknowledge an open alert: on the disk first, then in the picture.

    Raises:
        Refused: 401, 403 or 404 as its status says.
        StorageError: nothing was recorded.
    """
    row = console.picture.find(fingerprint)
    if row is None:
        raise Refused(404, "this alert is no longer on the list")
    if not comment.strip():
        raise Refused(422, "write a comment: what you are doing about it")
    now = datetime.now(UTC)
    ack = await asyncio.to_thread(
        acknowledgements.record, console.database, row.alert, visitor.name, comment.strip(), visitor.peer, now
    )
    console.picture.acknowledgements[fingerprint] = ack
    console.picture.refresh_open(now)
    return console.picture.find(fingerprint) or row
