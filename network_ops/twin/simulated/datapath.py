"""Sockets and time: datagrams of all endpoints in, answers out when the circuit would have brought them back.

Every device and session has its own loopback address, yet a handful of sockets serve them all: each is bound to the
loopback *interface* rather than to an address (SO_BINDTODEVICE), learns from IP_PKTINFO which address was meant, and
answers from it. So 3,600 endpoints need no 3,600 descriptors, and nothing listens outside loopback. Several sockets
per service spread the kernel's receive buffers for the moments when everything is polled at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import heapq
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Final

from .links import round_trip
from .mib import Agent
from .responder import Responder
from .world import DeviceState, SessionState, SiteState

SNMP_PORT: Final = 16161
ECHO_PORT: Final = 16007
_PORTS_TO_TRY: Final = 512
_IP_PKTINFO: Final = 8  # linux/in.h; the socket module has no name for it
_RECEIVE_BUFFER: Final = 4 << 20
_MAX_DATAGRAM: Final = 9000
_READS_PER_EVENT: Final = 32
_MAX_PENDING: Final = 100_000
_ANCILLARY_SPACE: Final = socket.CMSG_SPACE(12)

Sender = tuple[str, int]


class PortError(Exception):
    """The twin cannot get the sockets that it needs."""


@dataclass(slots=True)
class Traffic:
    """Datagrams since the start: `lost` by the circuit's loss, `unreachable` by a fault, `stray` to no endpoint."""

    received: int = 0
    sent: int = 0
    lost: int = 0
    unreachable: int = 0
    stray: int = 0
    refused: int = 0


class Endpoint:
    """An address that answers. Exactly one of `session` and `site` says by which path; no `agent` means echo."""

    __slots__ = ("address", "agent", "device", "session", "site", "source")

    def __init__(
        self,
        address: str,
        session: SessionState | None = None,
        site: SiteState | None = None,
        device: DeviceState | None = None,
        agent: Callable[[], Agent] | None = None,
    ) -> None:
        self.address = address
        self.session = session
        self.site = site
        self.device = device
        self.agent = agent
        packed = socket.inet_aton(address)
        self.source = [(socket.IPPROTO_IP, _IP_PKTINFO, struct.pack("@i4s4s", 0, packed, bytes(4)))]

    def path(self) -> SessionState | None:
        """The session that carries a round trip now; None if there is none, or the agent is silenced."""
        if self.session is not None:
            return self.session if self.session.up else None
        assert self.site is not None
        if self.device is not None and self.device.silences:
            return None
        return self.site.path


class Datapath:
    """Serves endpoints on an event loop. `responder` answers SNMP; `seed` fixes jitter and loss."""

    def __init__(self, loop: asyncio.AbstractEventLoop, responder: Responder, seed: int) -> None:
        self._loop = loop
        self._responder = responder
        self._random = Random(seed).random
        self._slots: dict[int, list[tuple[Endpoint, socket.socket, bytes, Sender]]] = {}
        self._due: list[int] = []
        self._armed: int | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._pending = 0
        self._sockets: list[socket.socket] = []
        self.traffic = Traffic()

    def serve(self, sock: socket.socket, endpoints: list[Endpoint]) -> None:
        """Answer for `endpoints` on a socket of `open_socket` until `close`."""
        points = {socket.inet_aton(e.address): e for e in endpoints}
        assert len(points) == len(endpoints), "two endpoints with one address on one socket"
        self._sockets.append(sock)
        self._loop.add_reader(sock, self._readable, sock, points)

    def close(self) -> None:
        """Stop at once; answers under way are dropped."""
        for sock in self._sockets:
            self._loop.remove_reader(sock)
            sock.close()
        self._sockets.clear()
        if self._timer is not None:
            self._timer.cancel()

    def _readable(self, sock: socket.socket, points: dict[bytes, Endpoint]) -> None:
        traffic, random = self.traffic, self._random
        for _ in range(_READS_PER_EVENT):
            try:
                datagram, ancillary, _, sender = sock.recvmsg(_MAX_DATAGRAM, _ANCILLARY_SPACE)
            except BlockingIOError:
                return
            traffic.received += 1
            point = points.get(ancillary[0][2][8:12]) if ancillary else None
            if point is None:
                traffic.stray += 1
                continue
            path = point.path()
            if path is None:
                traffic.unreachable += 1
                continue
            delay_s = round_trip(path, random)
            if delay_s is None:
                traffic.lost += 1
            elif self._pending < _MAX_PENDING:
                self._later(delay_s, (point, sock, datagram, sender))
            else:
                traffic.refused += 1

    def _later(self, delay_s: float, item: tuple[Endpoint, socket.socket, bytes, Sender]) -> None:
        """Keep the datagram for the millisecond slot nearest to its time; one timer, for the earliest slot."""
        self._pending += 1
        now = time.monotonic()
        slot = int((now + delay_s) * 1000 + 0.5)
        waiting = self._slots.get(slot)
        if waiting is not None:
            waiting.append(item)
            return
        self._slots[slot] = [item]
        heapq.heappush(self._due, slot)
        if self._armed is None or slot < self._armed:
            self._arm(slot, now)

    def _arm(self, slot: int, now: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._armed = slot
        self._timer = self._loop.call_later(max(0.0, slot / 1000 - now), self._release)

    def _release(self) -> None:
        """Answer everything due. A circuit that failed meanwhile brings nothing back."""
        self._armed = self._timer = None
        now = time.monotonic()
        limit = now * 1000 + 0.5
        wall = time.time()
        while self._due and self._due[0] <= limit:
            for point, sock, datagram, sender in self._slots.pop(heapq.heappop(self._due)):
                self._pending -= 1
                if point.path() is None:
                    self.traffic.unreachable += 1
                    continue
                reply: bytes | None = datagram
                if point.agent is not None:
                    reply = self._responder.answer(point.agent(), datagram, wall)
                if reply is not None:
                    self._send(point, sock, reply, sender)
            if time.monotonic() - now > 0.005:  # let requests in before the kernel's buffers fill
                break
        if self._due:
            self._arm(self._due[0], time.monotonic())

    def _send(self, point: Endpoint, sock: socket.socket, reply: bytes, sender: Sender) -> None:
        try:
            sock.sendmsg([reply], point.source, 0, sender)
            self.traffic.sent += 1
        except OSError:  # a full buffer or a sender on port 0: UDP promises nothing
            self.traffic.refused += 1


def open_socket(first_port: int, wanted: int | None = None) -> socket.socket:
    """A datagram socket for all loopback addresses on `wanted` if it is free, else on the first free port.

    Raises:
        PortError: no port of the range is free, or the system refuses the options; the message says which.
    """
    candidates = [*([wanted] if wanted else []), *range(first_port, first_port + _PORTS_TO_TRY)]
    for port in candidates:
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.setblocking(False)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"lo\0")
            sock.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
            sock.bind(("", port))
        except OSError as e:
            sock.close()
            if e.errno == errno.EADDRINUSE:
                continue
            raise PortError(
                f"cannot open UDP port {port} on the loopback interface: {e.strerror}; "
                "the simulated twin needs Linux 5.7 or newer with an interface named lo"
            ) from e
        return sock
    last = first_port + _PORTS_TO_TRY - 1
    raise PortError(f"no free UDP port from {first_port} to {last}; stop other twins on this machine")
