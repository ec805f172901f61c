"""One UDP socket per address family for all targets, and the table of requests under way.

Turns datagrams into calls on the conversation that asked: a reply must carry a request-id of the table
**and** come from the address it was sent to; anything else is counted and dropped. ICMP errors (port or host
unreachable) reach the conversation through the socket's error queue where the system has one (Linux).
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import random
import select
import socket
import struct
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from exporters.snmp import v3
from exporters.snmp.message import REQUEST_ID_FIRST, REQUEST_ID_LAST, peek_request_id

RECEIVE_BUFFER_BYTES = 8 << 20
DATAGRAM_BYTES = 65536
BURST = 64  # datagrams read before other work gets its turn

_IP_RECVERR, _IPV6_RECVERR, _SO_RCVBUFFORCE = 11, 25, 33  # <linux/in.h>, <linux/in6.h>, <asm/socket.h>
_EXTENDED_ERROR = struct.Struct("=IBBBxII")  # struct sock_extended_err, <linux/errqueue.h>

Address = tuple[str, int]
Seal = Callable[[int, float], bytes | bytearray]


def peek(data: bytes) -> int | None:
    """The request-id (SNMPv3: msgID, which is the same) of what looks like a message; only a look-up key."""
    second = data[1] if len(data) > 1 else 0
    at = 4 if second < 0x80 else 4 + (second & 0x7F)  # where the version stands
    return v3.peek(data) if data[at : at + 1] == b"\x03" else peek_request_id(data)


class Listener(Protocol):
    """Who asked: gets the replies and errors of its own requests."""

    address: Address

    def received(self, token: object, request_id: int, sent_at: float, data: bytes) -> None:
        """A reply from the right address, not decoded yet."""

    def unreachable(self, number: int) -> None:
        """An ICMP error (its errno) for one of the requests."""


@dataclass(slots=True)
class WireStats:
    """What went over the sockets since the start."""

    sent: int = 0
    received: int = 0
    sent_bytes: int = 0
    received_bytes: int = 0
    unknown: int = 0  # late beyond use, or never asked for
    strangers: int = 0  # a known request-id from a wrong address
    unreachable: int = 0
    send_errors: int = 0


class Transport:
    """The sockets and the request table. Belongs to one event loop."""

    def __init__(self) -> None:
        self.stats = WireStats()
        self._loop = asyncio.get_running_loop()
        self._sockets: dict[int, socket.socket] = {}
        self._table: dict[int, tuple[Listener, object, float]] = {}
        self._next_id = random.randint(REQUEST_ID_FIRST, REQUEST_ID_LAST)
        self._buffer = bytearray(DATAGRAM_BYTES)
        self._view = memoryview(self._buffer)
        self._epoll = select.epoll() if sys.platform == "linux" else None
        if self._epoll is not None:
            # The loop watches this epoll instead of the sockets: libuv would stop watching a socket at its first error.
            self._loop.add_reader(self._epoll.fileno(), self._readable)

    @property
    def in_flight(self) -> int:
        """Request-ids that an answer is still accepted for."""
        return len(self._table)

    def close(self) -> None:
        """Close the sockets and forget all requests."""
        if self._epoll is not None:
            self._loop.remove_reader(self._epoll.fileno())
            self._epoll.close()
        for sock in self._sockets.values():
            if self._epoll is None:
                self._loop.remove_reader(sock.fileno())
            sock.close()
        self._sockets.clear()
        self._table.clear()

    def send(self, listener: Listener, token: object, seal: Seal, now: float) -> int:
        """Send what `seal` makes of a fresh request-id and the time, and return that id.

        Raises:
            OSError: the system refuses to send there at all (no route, for example).
        """
        address = listener.address
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        sock = self._sockets.get(family) or self._open(family)
        request_id = self._next_id
        self._next_id = request_id + 1 if request_id < REQUEST_ID_LAST else REQUEST_ID_FIRST
        payload = seal(request_id, now)
        self._table[request_id] = (listener, token, now)
        stats = self.stats
        stats.sent += 1
        stats.sent_bytes += len(payload)
        try:
            sock.sendto(payload, address)
        except OSError as error:
            self._send_again(sock, payload, address, error)
        return request_id

    def _send_again(self, sock: socket.socket, payload: bytes | bytearray, address: Address, error: OSError) -> None:
        """A failed send: an old ICMP error of any target shows here once; a full buffer is a lost datagram."""
        self.stats.send_errors += 1
        if error.errno in (errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH):
            self._drain_errors(sock)
            with contextlib.suppress(BlockingIOError):
                sock.sendto(payload, address)
        elif error.errno not in (errno.EAGAIN, errno.ENOBUFS):
            raise error

    def forget(self, request_id: int) -> None:
        """No answer to this request is wanted any more."""
        self._table.pop(request_id, None)

    def _open(self, family: int) -> socket.socket:
        sock = socket.socket(family, socket.SOCK_DGRAM)
        sock.setblocking(False)
        try:
            sock.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, RECEIVE_BUFFER_BYTES)  # with CAP_NET_ADMIN
        except OSError:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)  # up to net.core.rmem_max
        if self._epoll is not None:
            level, option = (socket.IPPROTO_IP, _IP_RECVERR)
            if family == socket.AF_INET6:
                level, option = (socket.IPPROTO_IPV6, _IPV6_RECVERR)
            sock.setsockopt(level, option, 1)
        sock.bind(("::" if family == socket.AF_INET6 else "0.0.0.0", 0))
        self._sockets[family] = sock
        if self._epoll is not None:
            self._epoll.register(sock.fileno(), select.EPOLLIN)
        else:
            self._loop.add_reader(sock.fileno(), self._readable)
        return sock

    def _readable(self) -> None:
        for sock in self._sockets.values():
            if not self._drain(sock):
                self._drain_errors(sock)

    def _drain(self, sock: socket.socket) -> int:
        """Read up to `BURST` datagrams; returns how many there were."""
        buffer, view, table, stats = self._buffer, self._view, self._table, self.stats
        for count in range(BURST):
            try:
                size, sender = sock.recvfrom_into(buffer)
            except OSError:  # nothing left, or an ICMP error, which the error queue tells more of
                return count
            stats.received += 1
            stats.received_bytes += size
            data = bytes(view[:size])
            request_id = peek(data)
            entry = table.get(request_id) if request_id is not None else None
            if entry is None or request_id is None:
                stats.unknown += 1
                continue
            listener, token, sent_at = entry
            if sender[:2] != listener.address:
                stats.strangers += 1
                continue
            listener.received(token, request_id, sent_at, data)
        return BURST

    def _drain_errors(self, sock: socket.socket) -> None:
        """Tell conversations of ICMP errors: the queue returns the request that caused each and its destination."""
        if self._epoll is None:
            return
        while True:
            try:
                data, control, _, address = sock.recvmsg(2048, 512, socket.MSG_ERRQUEUE)
            except OSError:
                return
            self.stats.unreachable += 1
            number = next((_EXTENDED_ERROR.unpack_from(c[2])[0] for c in control if len(c[2]) >= 16), 0)
            request_id = peek(data)
            entry = self._table.get(request_id) if request_id is not None else None
            if entry is not None and address[:2] == entry[0].address:
                entry[0].unreachable(number)
