"""What every request passes: the Host header, the size of its body, security headers; and who is asking.

The content security policy allows our own files and nothing else: no inline script or style, no frame, no foreign host.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, Request
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from network_ops.noc.settings import Settings
from network_ops.noc.store import accounts
from network_ops.noc.store.accounts import Login
from network_ops.noc.store.database import Database

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "content-security-policy": CSP,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
_MOST_BODY, _MOST_HOOK = 64 * 1024, 2 * 1024 * 1024
"""The hook only tells that something happened, the list itself is asked for: it needs no room for every alert."""
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


class Refused(Exception):  # noqa: N818 - an answer rather than an error
    """This request is not allowed; `status` is 401, 403 or 429 and the message says why."""

    def __init__(self, status: int, message: str, retry_after_s: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after_s = retry_after_s


class Bounce(Exception):  # noqa: N818 - an answer rather than an error
    """A link from elsewhere: SameSite=Strict kept the cookie back, so the browser is to ask again from here."""


class Guard:
    """ASGI middleware: refuses foreign hosts, foreign origins and large bodies; adds the headers."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        most = _MOST_HOOK if scope["path"].startswith("/hooks/") else _MOST_BODY
        refusal = self._refusal(scope["method"], headers, most)
        read = 0

        async def limited() -> Message:
            nonlocal read
            message = await receive()
            if message["type"] == "http.request":
                read += len(message.get("body", b""))
                if read > most:
                    # A body without Content-Length: only now is it known to be too large.
                    raise HTTPException(413, _too_large(most))
            return message

        async def sealed(message: Message) -> None:
            if message["type"] == "http.response.start":
                out = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    out[name] = value
                out.setdefault("cache-control", "no-store")
            await send(message)

        if refusal:
            await JSONResponse({"error": refusal[1]}, refusal[0])(scope, receive, sealed)
        else:
            await self._app(scope, limited, sealed)

    def _refusal(self, method: str, headers: Headers, most: int) -> tuple[int, str] | None:
        host = headers.get("host", "").lower()
        allowed = self._settings.allowed_hosts
        if allowed and host_name(host) not in allowed:
            return 421, f"this console is not called {host_name(host)!r}: see --allowed-host"
        if method not in _SAFE:
            origin = headers.get("origin")
            if origin is not None and urlsplit(origin).netloc.lower() != host:
                return 403, "the request comes from another site"
            length = headers.get("content-length", "0")
            # By its length first: Python refuses to read numbers of thousands of digits.
            if not (length.isascii() and length.isdecimal()) or len(length) > 12 or int(length) > most:
                return 413, _too_large(most)
        return None


def _too_large(most: int) -> str:
    return f"the body is larger than {most // 1024} KiB"


def host_name(host: str) -> str:
    """The name in a Host header, without its port."""
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return host.partition(":")[0]


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who is asking: a login, the internal token, or nobody. `csrf` is what his forms carry."""

    login: Login | None
    internal: bool
    csrf: str
    new_visit: str | None
    peer: str

    @property
    def name(self) -> str:
        """For pages."""
        return self.login.name if self.login else ""

    @property
    def may_acknowledge(self) -> bool:
        """Operators and above."""
        return self.login is not None and self.login.may_acknowledge


class Doorkeeper:
    """Finds out who is asking and what he may."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self.settings = settings
        self.database = database
        prefix = "__Host-" if settings.secure_cookies else ""
        self.session_cookie = f"{prefix}noc_session"
        self.visit_cookie = f"{prefix}noc_visit"
        self.browser_cookie = f"{prefix}noc_browser"
        self._token = settings.token.encode()

    def shows_token(self, request: Request) -> bool:
        """Whether the request carries the internal bearer token."""
        scheme, _, shown = request.headers.get("authorization", "").partition(" ")
        return scheme.lower() == "bearer" and hmac.compare_digest(shown.strip().encode(), self._token)

    async def visitor(self, request: Request) -> Visitor:
        """Who is asking; nobody is an answer too."""
        peer = request.client.host if request.client else ""
        cookie = request.cookies.get(self.session_cookie)
        if cookie:
            login = await asyncio.to_thread(accounts.find, self.database, cookie, datetime.now(UTC))
            if login:
                return Visitor(login, False, login.csrf, None, peer)
        visit = request.cookies.get(self.visit_cookie, "")
        new = None if len(visit) >= 32 else secrets.token_urlsafe(32)
        return Visitor(None, self.shows_token(request), visit_csrf(new or visit), new, peer)

    async def reader(self, request: Request) -> Visitor:
        """Who may read pages and the API.

        Raises:
            Refused: 401, a login is needed.
            Bounce: the browser should ask again from our own page.
        """
        visitor = await self.visitor(request)
        if visitor.login or visitor.internal:
            return visitor
        if request.method == "GET" and request.headers.get("sec-fetch-site") == "cross-site" and _is_page(request):
            raise Bounce
        if not self.settings.anonymous_view:
            raise Refused(401, "log in first")
        return visitor

    async def acknowledger(self, request: Request) -> Visitor:
        """Who may acknowledge; his CSRF token is checked by the route, which knows where it is.

        Raises:
            Refused: 401 without login, 403 for viewers and the internal token.
        """
        visitor = await self.visitor(request)
        if visitor.login is None:
            if visitor.internal:
                raise Refused(403, "the internal token only reads: log in as operator to acknowledge")
            raise Refused(401, "log in as operator to acknowledge")
        if not visitor.may_acknowledge:
            raise Refused(403, f"{visitor.name} is a {visitor.login.role}: acknowledging needs an operator")
        return visitor

    async def part(self, request: Request) -> None:
        """Let only the other parts of the NOC in.

        Raises:
            Refused: 401, the token is missing or wrong.
        """
        if not self.shows_token(request):
            raise Refused(401, "show the internal token as bearer")


def visit_csrf(visit: str) -> str:
    """The form token of a browser without login: follows from its cookie, which another site cannot read."""
    return hashlib.sha256(b"noc form " + visit.encode()).hexdigest()


def check_csrf(visitor: Visitor, shown: str) -> None:
    """Refuse a form that did not come from our page.

    Raises:
        Refused: 403.
    """
    if visitor.new_visit is not None or not hmac.compare_digest(shown.encode(), visitor.csrf.encode()):
        raise Refused(403, "the form is too old or not ours: load the page again and repeat")


def _is_page(request: Request) -> bool:
    return "text/html" in request.headers.get("accept", "")


def _doorkeeper(request: Request) -> Doorkeeper:
    doorkeeper: Doorkeeper = request.app.state.doorkeeper
    return doorkeeper


async def _visitor(request: Request) -> Visitor:
    return await _doorkeeper(request).visitor(request)


async def _reader(request: Request) -> Visitor:
    return await _doorkeeper(request).reader(request)


async def _acknowledger(request: Request) -> Visitor:
    return await _doorkeeper(request).acknowledger(request)


async def part(request: Request) -> None:
    """Route dependency: only the other parts of the NOC."""
    await _doorkeeper(request).part(request)


Anyone = Annotated[Visitor, Depends(_visitor)]
Reader = Annotated[Visitor, Depends(_reader)]
Acknowledger = Annotated[Visitor, Depends(_acknowledger)]
