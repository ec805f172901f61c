"""A UDP path with delay: passes datagrams on to one address and the answers back, each way a fixed time later.

On SIGUSR1 it prints, as one line of JSON, how many datagrams and octets went each way since the last time; the octets
are those on the wire, IPv4 and UDP headers (28) included.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from functools import partial

import uvloop

Address = tuple[str, int]
_HEADERS = 28


class _Back(asyncio.DatagramProtocol):
    """The far side of one client: what the target answers goes back to that client."""

    def __init__(self, relay: Relay, client: Address) -> None:
        self._relay = relay
        self._client = client

    def datagram_received(self, data: bytes, addr: Address) -> None:
        self._relay.count("back", data)
        self._relay.later(partial(self._relay.front.sendto, data, self._client))


class Relay(asyncio.DatagramProtocol):
    """The near side; one far socket for each client address."""

    front: asyncio.DatagramTransport

    def __init__(self, target: Address, one_way_s: float) -> None:
        self._target = target
        self._one_way_s = one_way_s
        self._loop = asyncio.get_running_loop()
        self._far: dict[Address, asyncio.Task[asyncio.DatagramTransport]] = {}
        self._counts: dict[str, list[int]] = {"out": [0, 0], "back": [0, 0]}

    def count(self, way: str, data: bytes) -> None:
        """One more datagram `out` or `back`."""
        self._counts[way][0] += 1
        self._counts[way][1] += len(data) + _HEADERS

    def tell(self) -> None:
        """Print the counts and begin anew."""
        counts = {
            f"{what}_{way}": c[n] for way, c in self._counts.items() for n, what in enumerate(("datagrams", "bytes"))
        }
        print(json.dumps(counts), flush=True)
        self._counts = {"out": [0, 0], "back": [0, 0]}

    def later(self, send: partial[None]) -> None:
        """Do it after the delay of one way."""
        self._loop.call_later(self._one_way_s, send)

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self.front = transport

    def datagram_received(self, data: bytes, addr: Address) -> None:
        self.count("out", data)
        if addr not in self._far:
            self._far[addr] = self._loop.create_task(self._open(addr))
        self.later(partial(self._forward, addr, data))

    def _forward(self, client: Address, data: bytes) -> None:
        far = self._far[client]
        if far.done():
            far.result().sendto(data)
        else:  # its socket is still being opened
            self._loop.call_soon(self._forward, client, data)

    async def _open(self, client: Address) -> asyncio.DatagramTransport:
        transport, _ = await self._loop.create_datagram_endpoint(lambda: _Back(self, client), remote_addr=self._target)
        return transport


async def main(port: int, target_port: int, rtt_ms: float) -> None:
    """Relay 127.0.0.1:`port` to 127.0.0.1:`target_port` until killed."""
    loop = asyncio.get_running_loop()
    _, relay = await loop.create_datagram_endpoint(
        lambda: Relay(("127.0.0.1", target_port), rtt_ms / 2000), local_addr=("127.0.0.1", port)
    )
    loop.add_signal_handler(signal.SIGUSR1, relay.tell)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])))
