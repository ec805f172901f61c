"""Echo sockets: one UDP and one ICMP socket (per IP version) carry the probes of all targets.

Both have one shape: `send` one probe, `drain` what came back. The kernel stamps each arrival, so that replies may wait
until the next tick (one wake-up for many) without spoiling the RTT. A socket that may not be opened says the remedy.
"""

from __future__ import annotations

import os
import socket
import struct
import time
from collections.abc import Callable
from typing import Protocol

from exporters.common.errors import BadInput
from exporters.probes import packets

Deliver = Callable[[int, int, str, int, float], None]
"""(index, sequence, source host, source port (0 for ICMP), time of arrival in seconds of the monotonic clock)."""

RECEIVE_BUFFER = 4 * 1024 * 1024
_SO_RCVBUFFORCE = 33
_SO_TIMESTAMPNS = 35  # asm-generic/socket.h; SCM_TIMESTAMPNS is the same number
_ICMP_FILTER = 1  # linux/icmp.h, level SOL_RAW
_SOL_RAW = 255
_TIMESPEC = struct.Struct("@ll")
_ANCILLARY = socket.CMSG_SPACE(_TIMESPEC.size)
_BUFFER = 256
_OLDEST_STAMP_S = 60.0


class EchoSocket(Protocol):
    """Where probes go out and replies come in; the same for UDP and ICMP."""

    kernel_stamps: bool

    def send(self, host: str, port: int, index: int, sequence: int) -> float:
        """Send one probe; returns the time of sending (monotonic seconds).

        Raises:
            OSError: the probe could not be sent.
        """
        ...

    def drain(self, deliver: Deliver) -> None:
        """Hand over every reply that has arrived."""
        ...

    def fileno(self) -> int:
        """The descriptor, for the event loop."""
        ...

    def close(self) -> None:
        """Close the socket."""
        ...


class _Base:
    """What both sockets share: reading everything with the kernel's time stamps."""

    def __init__(self, sock: socket.socket, version: int) -> None:
        self._sock = sock
        self._version = version
        self.foreign = 0
        sock.setblocking(False)
        self._nonce = os.urandom(packets.NONCE_SIZE)
        self.kernel_stamps = _try_option(sock, socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        if not _try_option(sock, socket.SOL_SOCKET, _SO_RCVBUFFORCE, RECEIVE_BUFFER):
            _try_option(sock, socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)

    def fileno(self) -> int:
        return self._sock.fileno()

    def close(self) -> None:
        self._sock.close()

    def _echo(self, data: bytes) -> packets.Echo | None:
        raise NotImplementedError

    def drain(self, deliver: Deliver) -> None:
        receive = self._sock.recvmsg
        while True:
            try:
                data, ancillary, _, source = receive(_BUFFER, _ANCILLARY)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                continue  # a pending error of an earlier send (it clears when read); the probe will time out
            echo = self._echo(data)
            if echo is None:
                self.foreign += 1
                continue
            deliver(echo.target, echo.sequence, source[0], source[1], _arrival(ancillary))


class UdpEcho(_Base):
    """UDP echo (RFC 862) to all targets of one IP version from one port."""

    def __init__(self, version: int) -> None:
        family = socket.AF_INET if version == 4 else socket.AF_INET6
        sock = socket.socket(family, socket.SOCK_DGRAM)
        super().__init__(sock, version)
        sock.bind(("0.0.0.0" if version == 4 else "::", 0))

    def send(self, host: str, port: int, index: int, sequence: int) -> float:
        """See `EchoSocket.send`."""
        sent_ns = time.monotonic_ns()
        self._sock.sendto(packets.udp_request(self._nonce, index, sequence, sent_ns), (host, port))
        return sent_ns / 1e9

    def _echo(self, data: bytes) -> packets.Echo | None:
        return packets.payload_echo(data, self._nonce)


class IcmpEcho(_Base):
    """ICMP echo to all targets of one IP version: a ping socket where the system allows it, otherwise a raw one.

    Raises:
        BadInput: neither is allowed; the message says what to do.
    """

    def __init__(self, version: int) -> None:
        sock, self._raw = _open_icmp(version)
        super().__init__(sock, version)
        self._ident = int.from_bytes(self._nonce[:2], "big")
        if self._raw and version == 4:
            keep = ~(1 << packets.ECHO_REPLY_V4) & 0xFFFFFFFF
            _try_option(sock, _SOL_RAW, _ICMP_FILTER, struct.pack("@I", keep))

    def send(self, host: str, port: int, index: int, sequence: int) -> float:
        """See `EchoSocket.send`."""
        sent_ns = time.monotonic_ns()
        message = packets.icmp_request(self._version, self._ident, self._nonce, index, sequence, sent_ns)
        self._sock.sendto(message, (host, 0))
        return sent_ns / 1e9

    def drain(self, deliver: Deliver) -> None:
        """See `EchoSocket.drain`; ICMP has no ports, so 0 is handed over."""
        super().drain(lambda index, sequence, host, _port, at: deliver(index, sequence, host, 0, at))

    def _echo(self, data: bytes) -> packets.Echo | None:
        return packets.icmp_echo(data, self._version, self._raw, self._nonce)


class Sockets:
    """Opens each socket when the first probe needs it, and drains them all."""

    def __init__(self, opened: Callable[[EchoSocket], None] = lambda _: None) -> None:
        self._open: dict[tuple[str, int], UdpEcho | IcmpEcho] = {}
        self._opened = opened

    def get(self, module: str, version: int) -> EchoSocket:
        """The socket for `udp` or `icmp` and IP version 4 or 6.

        Raises:
            BadInput: it may not be opened.
        """
        found = self._open.get((module, version))
        if found is None:
            found = UdpEcho(version) if module == "udp" else IcmpEcho(version)
            self._open[module, version] = found
            self._opened(found)
        return found

    def drain(self, deliver: Deliver) -> None:
        """Hand over every reply that has arrived on any socket."""
        for sock in self._open.values():
            sock.drain(deliver)

    @property
    def foreign(self) -> int:
        """Datagrams that were not replies to our probes."""
        return sum(sock.foreign for sock in self._open.values())

    def close(self) -> None:
        """Close all sockets."""
        for sock in self._open.values():
            sock.close()
        self._open.clear()


def _open_icmp(version: int) -> tuple[socket.socket, bool]:
    family = socket.AF_INET if version == 4 else socket.AF_INET6
    protocol = socket.IPPROTO_ICMP if version == 4 else socket.IPPROTO_ICMPV6
    try:
        return socket.socket(family, socket.SOCK_DGRAM, protocol), False
    except PermissionError:
        pass
    try:
        return socket.socket(family, socket.SOCK_RAW, protocol), True
    except PermissionError as error:
        raise BadInput(
            f"ICMP probes over IPv{version} are not allowed for this user: let its group use ping sockets "
            '(sysctl -w net.ipv4.ping_group_range="0 2147483647"), give the service CAP_NET_RAW '
            "(systemd: AmbientCapabilities=CAP_NET_RAW), or use module udp"
        ) from error


def _try_option(sock: socket.socket, level: int, option: int, value: int | bytes) -> bool:
    try:
        sock.setsockopt(level, option, value)
    except OSError:
        return False
    return True


def _arrival(ancillary: list[tuple[int, int, bytes]]) -> float:
    """Monotonic time of arrival from the kernel's stamp (wall clock), or now where there is no sensible one."""
    now = time.monotonic()
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == _SO_TIMESTAMPNS and len(data) >= _TIMESPEC.size:
            seconds, nanoseconds = _TIMESPEC.unpack_from(data)
            age_s: float = time.time() - seconds - nanoseconds / 1e9
            if 0.0 <= age_s < _OLDEST_STAMP_S:  # outside: somebody set the clock
                return now - age_s
    return now
