"""Serves one ASGI application on one address: binds first, then runs uvicorn until SIGTERM or SIGINT.

Shared by all exporters. Turns "HOST:PORT" into a listening socket, refuses addresses beyond loopback unless
told otherwise, says a taken port in one sentence, and stops gracefully: the signal ends accepting, requests
under way get `STOP_TIMEOUT_S` to finish, then `on_stop` of the application's lifespan runs.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ipaddress
import signal
import socket
import sys
from collections.abc import Generator
from typing import TYPE_CHECKING

import uvicorn

from exporters.common.errors import BadInput, Refused

if TYPE_CHECKING:
    from starlette.types import ASGIApp

STOP_TIMEOUT_S = 3
BACKLOG = 1024


def parse_address(text: str, option: str = "--listen") -> tuple[str, int]:
    """Split HOST:PORT (an IPv6 host in brackets) into host and port; port 0 lets the system choose.

    Raises:
        BadInput: the text has no port, or the port is not a number from 0 to 65535.
    """
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isdecimal() or int(port) > 65535:
        raise BadInput(f"{option} {text}: expected HOST:PORT, for example 127.0.0.1:9116 or [::1]:9116")
    return host.removeprefix("[").removesuffix("]"), int(port)


def is_loopback(host: str) -> bool:
    """Tell whether a host name or address stays on this machine (`localhost`, 127.0.0.0/8, ::1)."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def bind(listen: str, *, allow_remote: bool = False) -> socket.socket:
    """Bind and listen on HOST:PORT.

    Args:
        listen: HOST:PORT; an IPv6 host in brackets.
        allow_remote: accept an address that other machines can reach.

    Raises:
        BadInput: the text is no HOST:PORT, the port is taken, or the address is not one of this machine.
        Refused: the address is not loopback and `allow_remote` is false.
    """
    host, port = parse_address(listen)
    if not allow_remote and not is_loopback(host):
        raise Refused(
            f"--listen {listen} can be reached by other machines and the exporter asks nobody who he is; "
            "listen on 127.0.0.1, or add --allow-remote if a firewall guards this port"
        )
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except socket.gaierror as error:
        raise BadInput(f"--listen {listen}: the host name {host} does not resolve; use an address") from error
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind(address)
        sock.listen(BACKLOG)
    except OSError as error:
        sock.close()
        raise BadInput(_bind_sentence(listen, error)) from error
    sock.setblocking(False)
    return sock


def _bind_sentence(listen: str, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"--listen {listen}: the port is taken by another program; stop it or choose another port"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"--listen {listen}: this machine has no such address; use 127.0.0.1 or one of its own"
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"--listen {listen}: not allowed to use this port; choose one above 1023"
    return f"--listen {listen}: cannot listen there: {error.strerror}"


class _Server(uvicorn.Server):
    """uvicorn's server, except that a signal means a clean end (exit code 0) and is not raised again."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        try:
            yield
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(number)


def serve(app: ASGIApp, listen: str, *, name: str, allow_remote: bool = False) -> None:
    """Serve `app` until SIGTERM or SIGINT, then return.

    Args:
        app: ASGI application; its lifespan starts and stops what runs beside the requests.
        listen: HOST:PORT.
        name: what listens, for the line on stderr that says the address (port 0 shows the chosen port).
        allow_remote: accept an address that other machines can reach.

    Raises:
        BadInput, Refused: as `bind`.
    """
    sock = bind(listen, allow_remote=allow_remote)
    host, port = sock.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    print(f"{name} listens on http://{shown}:{port}/", file=sys.stderr, flush=True)  # noqa: T201
    config = uvicorn.Config(
        app,
        http="httptools",
        ws="none",
        lifespan="on",
        access_log=False,
        log_level="warning",
        server_header=False,
        date_header=False,
        timeout_keep_alive=300,  # longer than the slowest scrape interval, so that connections are kept
        timeout_graceful_shutdown=STOP_TIMEOUT_S,
        backlog=BACKLOG,
    )
    server = _Server(config)
    with contextlib.closing(sock), asyncio.Runner(loop_factory=_new_loop) as runner:
        runner.run(server.serve(sockets=[sock]))


def _new_loop() -> asyncio.AbstractEventLoop:
    """A uvloop where there is one (Linux), otherwise the standard loop."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop
