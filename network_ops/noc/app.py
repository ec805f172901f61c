"""The application: routes, middleware, errors as pages or JSON, and the life of the feeds."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import quote

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from network_ops.noc import api, login, pages
from network_ops.noc.console import Console
from network_ops.noc.errors import StorageError, UnreachableError
from network_ops.noc.security import Bounce, Guard, Refused

_TITLES = {401: "Log in first", 403: "Not allowed", 404: "Not found", 422: "Not understood", 429: "Slow down"}


def create_app(console: Console) -> FastAPI:  # noqa: C901 - a table of error handlers
    """The ASGI application of a console; its feeds run while it runs."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        console.feeds.start()
        try:
            yield
        finally:
            console.live.close()
            await console.feeds.stop()
            await console.prometheus.close()
            console.database.close()

    app = FastAPI(
        title="wan-noc console", version="1", openapi_url="/api/openapi.json", docs_url=None, redoc_url=None,
        lifespan=lifespan,
    )  # fmt: skip
    app.state.doorkeeper = console.doorkeeper
    app.include_router(api.router(console))
    app.include_router(login.router(console))
    app.include_router(pages.router(console))
    app.add_middleware(Guard, settings=console.settings)

    async def sorry(request: Request, status: int, text: str, retry_after_s: int | None = None) -> Response:
        headers = {"Retry-After": str(retry_after_s)} if retry_after_s else None
        if _for_programs(request):
            return JSONResponse({"error": text}, status, headers)
        visitor = await console.doorkeeper.visitor(request)
        answer = pages.page(
            console, request, visitor, "message.html", status=status, title=_TITLES.get(status, "Trouble"), text=text
        )
        if headers:
            answer.headers.update(headers)
        return answer

    @app.exception_handler(Refused)
    async def refused(request: Request, error: Refused) -> Response:
        if error.status == 401 and request.method == "GET" and not _for_programs(request):
            here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
            return RedirectResponse(f"/login?back={quote(here)}", 303)
        return await sorry(request, error.status, str(error), error.retry_after_s)

    @app.exception_handler(Bounce)
    async def bounce(_request: Request, _error: Bounce) -> Response:
        return HTMLResponse('<!doctype html><meta http-equiv="refresh" content="0"><title>wan-noc</title>')

    @app.exception_handler(StorageError)
    async def storage(request: Request, error: StorageError) -> Response:
        if _for_programs(request):
            return JSONResponse({"error": str(error)}, 503)
        # Not through a page: finding out who asks needs the database, too.
        return HTMLResponse(f"<!doctype html><title>Trouble</title><p>{error}</p>", 503)

    @app.exception_handler(UnreachableError)
    async def unreachable(request: Request, error: UnreachableError) -> Response:
        return await sorry(request, 503, str(error), 5)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"][1:])
        return await sorry(request, 422, f"{where}: {first['msg']}")

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> Response:
        return await sorry(request, error.status_code, str(error.detail))

    return app


def _for_programs(request: Request) -> bool:
    path = request.url.path
    return path.startswith(("/api/", "/hooks/", "/metrics", "/healthz", "/events")) or (
        "text/html" not in request.headers.get("accept", "") and not request.headers.get("hx-request")
    )
