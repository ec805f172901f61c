"""Target addresses: turns `target=` texts into socket addresses, resolving host names now and then."""

from __future__ import annotations

import asyncio
import ipaddress
import socket

from exporters.snmp.errors import PollFailed, UnknownName
from exporters.snmp.transport import Address

SNMP_PORT = 161
NAME_LIFE_S = 60.0
_MOST_NAMES = 20_000


def parse_target(target: str) -> tuple[str, int]:
    """Host and UDP port of HOST, HOST:PORT, [V6]:PORT or udp://HOST:PORT; the port is 161 where none is given.

    Raises:
        UnknownName: another transport than UDP, or not such a text.
    """
    scheme, separator, rest = target.rpartition("://")
    if separator and scheme != "udp":
        raise UnknownName(f"target '{target}': {scheme} is not supported yet, use udp://HOST:PORT or HOST:PORT")
    host, port = rest, str(SNMP_PORT)
    if rest.startswith("["):
        host, bracket, after = rest[1:].partition("]")
        if not bracket or (after and not after.startswith(":")):
            raise UnknownName(f"target '{target}' is not HOST, HOST:PORT or [IPV6]:PORT")
        port = after[1:] or port
    elif rest.count(":") == 1:
        host, _, port = rest.partition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise UnknownName(f"target '{target}' is not HOST, HOST:PORT or [IPV6]:PORT")
    return host, int(port)


class Resolver:
    """Remembers what target texts mean: addresses for good, host names for `NAME_LIFE_S`."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[Address, float]] = {}

    async def resolve(self, target: str) -> Address:
        """The socket address of a target.

        Raises:
            UnknownName: the text is no target.
            PollFailed: the host name does not resolve (reason "unresolved").
        """
        loop = asyncio.get_running_loop()
        known = self._known.get(target)
        if known is not None and loop.time() < known[1]:
            return known[0]
        host, port = parse_target(target)
        try:
            address, until = (str(ipaddress.ip_address(host)), port), float("inf")
        except ValueError:
            address, until = await self._ask(loop, host, port), loop.time() + NAME_LIFE_S
        if len(self._known) >= _MOST_NAMES:
            self._known.clear()
        self._known[target] = (address, until)
        return address

    async def _ask(self, loop: asyncio.AbstractEventLoop, host: str, port: int) -> Address:
        try:
            answers = await loop.getaddrinfo(host, port, type=socket.SOCK_DGRAM)
        except (OSError, UnicodeError) as error:
            raise PollFailed("unresolved", f"the host name {host} does not resolve: {error}") from error
        first = answers[0][4]
        return (str(first[0]), port)
