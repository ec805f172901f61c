"""The twin's control API on loopback HTTP: its map, its faults, its counts. All but /healthz need the bearer token."""

from __future__ import annotations

import hmac
import json
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from network_ops.twin.faults import Fault, FaultError, UnknownTargetError

from .store import StateError


class Twin(Protocol):
    """What the API needs of a twin."""

    def endpoints(self) -> dict[str, dict[str, str]]:
        """{"snmp" | "echo": {inventory address: "host:port"}}."""

    def health(self) -> dict[str, object]:
        """What is being simulated, for /healthz."""

    def statistics(self) -> dict[str, dict[str, int]]:
        """Counts since the start."""

    def faults(self, ended: bool) -> list[Fault]:
        """Active faults, or with `ended` those that were cleared since the start as well."""

    def inject(self, kind: str, target: str, for_s: float | None) -> Fault:
        """Break something now; FaultError if that makes no sense."""

    def clear(self, fault_id: str) -> Fault:
        """End a fault now; UnknownTargetError if it is not active."""

    def clear_all(self) -> list[Fault]:
        """End all faults now; those that ended."""


class _TooLargeError(Exception):
    """The body is larger than any fault."""


_MOST_BODY: Final = 64 * 1024

Handler = Callable[[Request], Awaitable[Response]]


def application(twin: Twin, token: str) -> Starlette:
    """The ASGI application."""
    api = _Api(twin)

    async def healthz(_: Request) -> Response:
        return JSONResponse(twin.health())

    guarded: list[tuple[str, str, Handler]] = [
        ("GET", "/map", api.map),
        ("GET", "/statistics", api.statistics),
        ("GET", "/faults", api.faults),
        ("POST", "/faults", api.inject),
        ("DELETE", "/faults", api.clear_all),
        ("DELETE", "/faults/{id}", api.clear),
    ]
    routes = [Route(path, _guard(handler, token), methods=[method]) for method, path, handler in guarded]
    return Starlette(routes=[Route("/healthz", healthz), *routes])


class _Api:
    """The handlers behind the token."""

    def __init__(self, twin: Twin) -> None:
        self._twin = twin

    async def map(self, _: Request) -> Response:
        return JSONResponse(self._twin.endpoints())

    async def statistics(self, _: Request) -> Response:
        return JSONResponse(self._twin.statistics())

    async def faults(self, request: Request) -> Response:
        ended = request.query_params.get("all", "") in ("1", "true")
        return JSONResponse([f.to_json() for f in self._twin.faults(ended)])

    async def inject(self, request: Request) -> Response:
        kind, target, for_s = _fault_wanted(await _body(request))
        return JSONResponse(self._twin.inject(kind, target, for_s).to_json(), status_code=201)

    async def clear(self, request: Request) -> Response:
        return JSONResponse(self._twin.clear(request.path_params["id"]).to_json())

    async def clear_all(self, _: Request) -> Response:
        return JSONResponse([f.to_json() for f in self._twin.clear_all()])


def _guard(handler: Handler, token: str) -> Handler:
    """The handler for those who know the token; our errors become a status and a sentence."""
    expected = f"Bearer {token}".encode()

    async def checked(request: Request) -> Response:
        if not hmac.compare_digest(request.headers.get("authorization", "").encode(), expected):
            return _error(401, "this needs the bearer token of the twin's --token-file")
        try:
            return await handler(request)
        except UnknownTargetError as e:
            return _error(404, str(e))
        except FaultError as e:
            return _error(400, str(e))
        except _TooLargeError:
            return _error(413, f"the body is larger than {_MOST_BODY // 1024} KiB, which no fault is")
        except ClientDisconnect:
            return _error(400, "the request was not sent to its end")
        except StateError as e:
            return _error(500, str(e))

    return checked


def _error(status: int, sentence: str) -> JSONResponse:
    return JSONResponse({"error": sentence}, status_code=status)


async def _body(request: Request) -> bytes:
    """The body, read no further than it may be long."""
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > _MOST_BODY:
            raise _TooLargeError
    return bytes(body)


def _fault_wanted(body: bytes) -> tuple[str, str, float | None]:
    """Kind, target and duration in seconds of a POST body.

    Raises:
        FaultError: it is not the object that we expect.
    """
    remedy = 'send {"kind": ..., "target": ..., "for_s": seconds or null}'
    try:
        wanted = json.loads(body)
    except (ValueError, RecursionError) as e:
        raise FaultError(f"the body is not JSON: {e}; {remedy}") from e
    if not isinstance(wanted, dict) or not set(wanted) <= {"kind", "target", "for_s"}:
        raise FaultError(f"the body must be an object without other keys; {remedy}")
    kind, target, for_s = wanted.get("kind"), wanted.get("target"), wanted.get("for_s")
    if not isinstance(kind, str) or not isinstance(target, str):
        raise FaultError(f"kind and target must be text; {remedy}")
    if for_s is not None and (isinstance(for_s, bool) or not isinstance(for_s, (int, float))):
        raise FaultError(f"for_s must be a number of seconds or null; {remedy}")
    return kind, target, for_s
