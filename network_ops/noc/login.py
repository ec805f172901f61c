"""Logging in and out: local accounts, a session cookie, and patience with guessers."""

from __future__ import annotations

import asyncio
import math
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.responses import RedirectResponse, Response

from network_ops.noc import browsers
from network_ops.noc.console import Console
from network_ops.noc.pages import own_path, page, set_cookie
from network_ops.noc.security import Anyone, Visitor, check_csrf
from network_ops.noc.store import accounts


def router(console: Console) -> APIRouter:
    """Login and logout."""
    routes = APIRouter(include_in_schema=False)
    doorkeeper = console.doorkeeper
    key = browsers.signing_key(console.settings.token)

    def refuse(request: Request, visitor: Visitor, status: int, error: str, name: str, back: str) -> Response:
        again = {"back": own_path(back), "name": name, "error": error}
        return page(console, request, visitor, "login.html", status=status, **again)

    @routes.get("/login")
    async def form(request: Request, visitor: Anyone, back: str = "/") -> Response:
        if visitor.login:
            return RedirectResponse(own_path(back), 303)
        return page(console, request, visitor, "login.html", back=own_path(back), name="", error="")

    @routes.post("/login")
    async def log_in(
        request: Request,
        visitor: Anyone,
        name: Annotated[str, Form(max_length=64)] = "",
        password: Annotated[str, Form(max_length=1024)] = "",
        back: Annotated[str, Form(max_length=500)] = "/",
        csrf: Annotated[str, Form()] = "",
    ) -> Response:
        check_csrf(visitor, csrf)
        now = datetime.now(UTC)
        cookie = request.cookies.get(doorkeeper.browser_cookie, "")
        browser = browsers.known(cookie, name, key)
        wait = console.throttle.wait(name, visitor.peer, now, browser)
        if wait:
            seconds = math.ceil(wait.total_seconds())
            error = f"Too many tries. Wait {seconds} s, then try again."
            answer = refuse(request, visitor, 429, error, name, back)
            answer.headers["Retry-After"] = str(seconds)
            return answer
        token = await asyncio.to_thread(accounts.log_in, console.database, name, password, visitor.peer, now)
        if token is None:
            return refuse(request, visitor, 401, "Name or password is wrong.", name, back)
        console.throttle.succeeded(name, visitor.peer, browser)
        response = RedirectResponse(own_path(back), 303)
        set_cookie(console, response, doorkeeper.session_cookie, token, int(accounts.SESSION_LIFE.total_seconds()))
        remembered = browsers.remembered(cookie, name, key)
        set_cookie(console, response, doorkeeper.browser_cookie, remembered, int(browsers.LIFE.total_seconds()))
        return response

    @routes.post("/logout")
    async def log_out(request: Request, visitor: Anyone, csrf: Annotated[str, Form()] = "") -> Response:
        check_csrf(visitor, csrf)
        cookie = request.cookies.get(doorkeeper.session_cookie)
        if visitor.login and cookie:
            await asyncio.to_thread(
                accounts.log_out, console.database, cookie, visitor.name, visitor.peer, datetime.now(UTC)
            )
        response = RedirectResponse("/", 303)
        response.delete_cookie(
            doorkeeper.session_cookie, path="/", httponly=True, samesite="strict",
            secure=console.settings.secure_cookies,
        )  # fmt: skip
        return response

    return routes
