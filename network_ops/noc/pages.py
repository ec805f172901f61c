"""The pages: map, wallboard, alerts, sites, runbooks.

Each is whole without a script; htmx and the live stream refresh parts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Depends, Form, Query, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response, StreamingResponse

from network_ops.noc import runbooks
from network_ops.noc.alerts import SEVERITIES, Alert, AlertFilter
from network_ops.noc.console import Console, counts, panel
from network_ops.noc.live import MOST_CLIENTS
from network_ops.noc.picture import OpenAlert
from network_ops.noc.security import Acknowledger, Anyone, Reader, Refused, Visitor, check_csrf
from network_ops.noc.site_filter import SiteFilter, unknown_value
from network_ops.noc.site_view import SiteView, seen_now
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


def site_filter(
    region: str = "",
    state: str = "",
    tier: Annotated[str, Query(pattern=r"^[1-4]?$")] = "",
    carrier: str = "",
    hub: str = "",
    alert: Annotated[str, Query(max_length=64)] = "",
    text: Annotated[str, Query(max_length=200)] = "",
) -> SiteFilter:
    """The filter of sites in a URL."""
    return SiteFilter(region, state, tier, carrier, hub, alert, text)


WantedSites = Annotated[SiteFilter, Depends(site_filter)]


def refuse_unknown(console: Console, wanted: Mapping[str, str]) -> None:
    """Refuse a filter's value that the inventory does not know: shown as "any" it would hide that nothing fits.

    Raises:
        Refused: 422, with the values that are known.
    """
    if text := unknown_value(wanted, console.inventory):
        raise Refused(422, text)


async def site_view(console: Console, site_id: str) -> SiteView:
    """A site as measured, in step with the alerts and states that the other pages show."""
    picture, now = console.picture, datetime.now(UTC)
    view = await console.site_views.get(site_id, now.timestamp(), now.date())
    alerts = [row.alert for row in picture.of_site(site_id)]
    alerts += [row.alert for row in picture.held_of_site(site_id) if not row.silenced]
    return seen_now(view, picture.sites.states[site_id], picture.sites.since[site_id], alerts, now)


def router(console: Console) -> APIRouter:  # noqa: C901 - a table of routes
    """All page routes."""
    routes = APIRouter(include_in_schema=False)
    picture, inventory = console.picture, console.inventory

    @routes.get("/")
    async def world(request: Request, visitor: Reader, region: str = "") -> HTMLResponse:
        refuse_unknown(console, {"region": region})
        sheet = console.atlas.sheet(region)
        topics = "health,sites" if region else "health,counts,regions,panel,sites"
        return page(
            console, request, visitor, "map.html", live=topics,
            sheet=sheet, region=region, inventory=inventory,
            by_state={s: [m for m in sheet.marks if picture.sites.states[m.site.id] == s] for s in STATES},
            hub_states=picture.hubs.states, draw_order=("unknown", "up", "degraded", "down"),
            counts=counts(console, region), regions=picture.regions(), chosen=region,
            panel=panel(console, region),
        )  # fmt: skip

    @routes.get("/panel")
    async def panel_part(visitor: Reader, region: str = "") -> HTMLResponse:
        return HTMLResponse(panel(console, region))

    @routes.get("/counts")
    async def counts_part(visitor: Reader, region: str = "") -> HTMLResponse:
        return HTMLResponse(counts(console, region if region in inventory.regions else ""))

    @routes.get("/regions")
    async def regions_part(visitor: Reader, region: str = "") -> HTMLResponse:
        template = console.templates.get_template("_regions.html")
        return HTMLResponse(template.render(regions=picture.regions(), chosen=region))

    @routes.get("/wallboard")
    async def wallboard(request: Request, visitor: Reader) -> HTMLResponse:
        board = console.live.text("wallboard")
        return page(console, request, visitor, "wallboard.html", live="health,wallboard", board=board)

    @routes.get("/alerts")
    async def alerts(
        request: Request, visitor: Reader, wanted: Wanted, held: Annotated[str, Query(pattern=r"^1?$")] = ""
    ) -> HTMLResponse:
        refuse_unknown(console, wanted.query())
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
            "refresh": "/alerts?" + urlencode(wanted.query() | ({"held": "1"} if held else {})),
            "blind": picture.health.blind,
            "held_list": bool(held),
            "held": [row for row in picture.held if wanted.wants(row.alert, row.place, acknowledged=False)],
        }
        if request.headers.get("hx-request"):
            template = console.templates.get_template("_alerts.html")
            return HTMLResponse(template.render(visitor=visitor, **values), headers={"Vary": "HX-Request"})
        return page(console, request, visitor, "alerts.html", live="health,alerts", **values)

    @routes.get("/alerts/{fingerprint}")
    async def alert(request: Request, visitor: Reader, fingerprint: str) -> HTMLResponse:
        row = picture.find(fingerprint)
        if row is None:
            held = next((h for h in picture.held if h.alert.id == fingerprint), None)
            if held is not None:
                cause = f" by: {held.cause.summary}" if held.cause else ""
                return page(
                    console, request, visitor, "message.html", title=held.alert.summary, text=f"It is held back{cause}."
                )
            return page(
                console, request, visitor, "message.html", status=404, title="This alert is over",
                text="It is no longer on the list: it has been resolved, or its cause changed its labels.",
            )  # fmt: skip
        values: dict[str, Any] = {
            "row": row,
            "runbook": runbook_of(console, row.alert),
            "site": inventory.sites.get(row.place.site),
            "held": picture.held_by(fingerprint),
            "inventory": inventory,
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
    async def sites(request: Request, visitor: Reader, wanted: WantedSites) -> HTMLResponse:
        refuse_unknown(console, wanted.query())
        cause = picture.find(wanted.alert) if wanted.alert else None
        if wanted.alert and cause is None:
            raise Refused(404, "That alert is no longer on the list, so which sites it hit is not known any more.")
        hit = cause.place.sites if cause else None
        rank = {s: n for n, s in enumerate(STATES)}
        book = picture.sites
        rows = [s for s in inventory.sites.values() if wanted.wants(s, book.states[s.id], hit, inventory)]
        rows.sort(key=lambda site: (rank[book.states[site.id]], site.tier, site.name))
        values: dict[str, Any] = {
            "sites": rows, "book": book, "since_start": picture.since_start, "inventory": inventory, "states": STATES,
            "refresh": "/sites?" + urlencode(wanted.query()), "chosen": asdict(wanted), "cause": cause,
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
        values: dict[str, Any] = {
            "view": await site_view(console, site_id),
            "state": picture.sites.states[site_id],
            "since": picture.sites.since[site_id],
            "since_start": picture.since_start(site_id),
            "alerts": picture.of_site(site_id),
            "held": picture.held_of_site(site_id),
            "around": picture.around(site_id),
            "isolated": picture.isolated(),
            "endpoints": {d.id: console.discovery.endpoint(d.address) for d in inventory.devices_of[site_id]},
            "inventory": inventory,
        }
        if request.headers.get("hx-request"):
            return HTMLResponse(console.templates.get_template("_site.html").render(**values))
        return page(console, request, visitor, "site.html", live="health,alerts", **values)

    @routes.get("/runbooks")
    async def all_runbooks(request: Request, visitor: Reader) -> HTMLResponse:
        index = await asyncio.to_thread(runbooks.index, console.settings.runbooks)
        return page(console, request, visitor, "runbooks.html", live="health", index=index)

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
        if request.headers.get("hx-request"):
            return HTMLResponse(console.templates.get_template("_help_dialog.html").render())
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
    return f"/runbooks/{quote(alert.name, safe='')}"


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
