"""One poll's or walk's requests to one target: a window of them under way, asked again when lost, until the deadline.

Turns exchanges (a request and what to do with its reply) into answered or unanswered ones. A late or
reordered reply is as good as any: each transmission keeps its request-id until its exchange is answered. It
refuses nothing by itself; whether a reply is good is for the exchange to say, and a bad one is as if it had
been lost.
"""

from __future__ import annotations

import asyncio
import errno
from collections import deque
from collections.abc import Callable
from typing import Literal, Protocol

from exporters.snmp.errors import PollFailed
from exporters.snmp.message import Request
from exporters.snmp.path import Path
from exporters.snmp.transport import Address, Transport

_MOST_AGAIN = 3  # times that an exchange is sent again because of the engine's clock
_GRAIN_S = 0.001  # timers this close are one


class Layer(Protocol):
    """Another version than SNMPv2c between exchanges and datagrams. `trouble` is why the target refuses us."""

    trouble: str

    def sealer(self, request: Request) -> Callable[[int, float], bytes | bytearray]:
        """What makes a request's datagram for each transmission, by request-id and our time."""

    def open(self, data: bytes, number: int, now_s: float) -> bytes | Literal["bad", "again", "end"]:
        """The reply as SNMPv2c would send it; or that it is bad, the request is to be sent again, or the end."""


class Exchange:
    """A request and what takes its reply. `take` returns False for a reply that is not an answer to it."""

    __slots__ = ("again", "ids", "last_id", "owner", "request", "seal", "sent_at", "take", "tries")

    def __init__(self, request: Request, take: Callable[[bytes, int], bool], owner: int = 0) -> None:
        self.request = request
        self.seal: Callable[[int, float], bytes | bytearray] | None = None  # what makes its datagrams
        self.again = 0
        self.take = take
        self.owner = owner  # module that its packets are counted for
        self.tries = 0
        self.ids: list[int] = []
        self.last_id = 0
        self.sent_at = 0.0


def _plain(request: Request) -> Callable[[int, float], bytearray]:
    """What makes an SNMPv2c request's datagram: its request-id is patched in."""
    payload, at = bytearray(request.data), request.id_offset

    def seal(number: int, _: float) -> bytearray:
        payload[at : at + 4] = number.to_bytes(4, "big")
        return payload

    return seal


class Conversation:
    """See the module. Counts are of this conversation only."""

    def __init__(
        self,
        transport: Transport,
        address: Address,
        path: Path,
        deadline: float,
        retries: int,
        timeout_s: float,
        layer: Layer | None = None,
        trace: list[str] | None = None,
    ) -> None:
        """Args: `deadline` in loop time; `retries` per request; `timeout_s` bounds the wait for one answer.

        With a `layer`, everything goes through it. `trace` gets a line for each datagram.
        """
        self._loop = asyncio.get_running_loop()
        self.address = address
        self.heard = 0
        self.malformed = 0
        self.refused = 0
        self.unanswered: list[Exchange] = []
        self.sent: dict[int, int] = {}
        self.retried: dict[int, int] = {}
        self._transport = transport
        self._path = path
        self._deadline = deadline
        self._retries = retries
        self._timeout_s = timeout_s
        self._layer = layer
        self._trace = trace
        self._began = self._loop.time() if trace is not None else 0.0
        self._queue: deque[Exchange] = deque()
        self._flying: dict[Exchange, None] = {}  # in order of their last transmission
        self._newest_answered = 0
        self._done: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self._send_error: OSError | None = None

    def submit(self, exchange: Exchange) -> None:
        """Queue an exchange; also while the conversation runs (a walk's next step, a split)."""
        if exchange.seal is None:
            request = exchange.request
            exchange.seal = _plain(request) if self._layer is None else self._layer.sealer(request)
        self._queue.append(exchange)

    async def run(self) -> None:
        """Perform all exchanges, or as many as the deadline and the target allow."""
        self._done = self._loop.create_future()
        try:
            self._pump(self._loop.time())
            if not self._done.done():
                await self._done
        finally:
            self._stop()

    def failure(self) -> PollFailed:
        """Why nothing was heard, or nothing that makes sense."""
        host, port = self.address
        if self._layer is not None and self._layer.trouble:
            return PollFailed("credentials", f"{host}:{port} refuses us: {self._layer.trouble}")
        if self._send_error is not None:
            return PollFailed("network", f"cannot send to {host}: {self._send_error.strerror}")
        if self.malformed:
            return PollFailed("nonsense", f"{self.malformed} replies of {host}:{port} are not valid answers")
        if self.refused:
            return PollFailed("refused", f"nothing listens on {host} UDP port {port} (ICMP port unreachable)")
        return PollFailed("timeout", f"timeout: {host}:{port} gave no answer (dead, or wrong community)")

    # ------------------------------------------------------------------ from the transport

    def received(self, token: object, request_id: int, sent_at: float, data: bytes) -> None:
        """Take a reply (see `transport.Listener`)."""
        exchange = token
        assert isinstance(exchange, Exchange)
        now = self._loop.time()
        if self._trace is not None:
            self._say(now, f"received  id {request_id} after {(now - sent_at) * 1000:.1f} ms, {len(data)} octets")
        if self._layer is not None:
            opened = self._layer.open(data, request_id, now)
            if opened == "end":
                self._give_up()
                return
            if opened == "again" and exchange.again < _MOST_AGAIN:
                self._again(exchange, now - sent_at, now)
                return
            data = opened if isinstance(opened, bytes) else b""
        if not exchange.take(data, request_id):
            self.malformed += 1
            if not self.heard and self.malformed > self._retries:
                self._give_up()
            return
        self.heard += 1
        self._path.on_reply(now - sent_at)
        for number in exchange.ids:
            self._transport.forget(number)
        if exchange in self._flying:
            del self._flying[exchange]
        else:  # given up for lost and queued again meanwhile: the late reply is the answer
            self._queue.remove(exchange)
        self._newest_answered = max(self._newest_answered, request_id)
        if self._queue:
            self._pump(now)
        elif not self._flying:
            self._finish()
        else:
            self._expect_losses(now)

    def _say(self, now: float, text: str) -> None:
        assert self._trace is not None
        self._trace.append(f"{(now - self._began) * 1000:8.1f} ms  {text}")

    def _again(self, exchange: Exchange, rtt_s: float, now: float) -> None:
        """Send an exchange again at once, with the clock that the engine has just told; it counts as no loss."""
        self._path.on_reply(rtt_s)
        exchange.again += 1
        exchange.tries = max(exchange.tries - 1, 0)
        for number in exchange.ids:
            self._transport.forget(number)
        exchange.ids.clear()
        if exchange in self._flying:
            del self._flying[exchange]
            self._queue.appendleft(exchange)
        self._pump(now)

    def unreachable(self, number: int) -> None:
        """Take an ICMP error: the second refusal of a target that has answered nothing ends the conversation."""
        if number == errno.ECONNREFUSED:
            self.refused += 1
            if not self.heard and (self.refused > 1 or len(self._flying) == 1):
                self._give_up()

    # ------------------------------------------------------------------ sending and waiting

    def _pump(self, now: float) -> None:
        """Send what the window allows and set the timer."""
        room = int(self._path.window) - len(self._flying)
        while self._queue and room > 0:
            if not self._send(self._queue.popleft(), now):
                return
            room -= 1
        if not self._flying and not self._queue:
            self._finish()
        elif self._timer is None:
            self._arm(self._next_due(now))
        else:
            self._expect_losses(now)

    def _send(self, exchange: Exchange, now: float) -> bool:
        exchange.tries += 1
        owner = exchange.owner
        self.sent[owner] = self.sent.get(owner, 0) + 1
        if exchange.tries > 1:
            self.retried[owner] = self.retried.get(owner, 0) + 1
        try:
            assert exchange.seal is not None
            request_id = self._transport.send(self, exchange, exchange.seal, now)
        except OSError as error:
            self._send_error = error
            self._abandon(exchange)
            self._give_up()
            return False
        if self._trace is not None:
            size = len(exchange.request.data)
            self._say(now, f"sent      id {request_id} try {exchange.tries}, {size} octets of request")
        exchange.ids.append(request_id)
        exchange.last_id = request_id
        exchange.sent_at = now
        self._flying[exchange] = None
        return True

    def _due(self, exchange: Exchange) -> float:
        """When to give this transmission up for lost."""
        if exchange.last_id < self._newest_answered:
            return exchange.sent_at + self._path.early_s()
        return exchange.sent_at + self._path.rto_s(exchange.tries, self._timeout_s)

    def _next_due(self, now: float) -> float:
        return min(map(self._due, self._flying), default=now)

    def _expect_losses(self, now: float) -> None:
        """Bring the timer forward where the oldest request seems to have been overtaken."""
        oldest = next(iter(self._flying), None)
        if oldest is not None and oldest.last_id < self._newest_answered:
            due = self._due(oldest)
            if due < self._timer_at - _GRAIN_S:
                self._arm(max(due, now))

    def _arm(self, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = min(when, self._deadline)
        self._timer = self._loop.call_at(self._timer_at, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        now = self._loop.time()
        if now >= self._deadline - _GRAIN_S:
            self._give_up()
            return
        late = [e for e in self._flying if self._due(e) <= now + _GRAIN_S]
        if late and not self.heard:
            self._path.on_silence()
        for exchange in late:
            del self._flying[exchange]
            if self.heard:
                self._path.on_loss(now)
            if exchange.tries > self._retries:
                self._abandon(exchange)
                if not self.heard:
                    self._give_up()
                    return
        self._queue.extendleft(e for e in reversed(late) if e.tries <= self._retries)
        self._pump(now)

    def _abandon(self, exchange: Exchange) -> None:
        self.unanswered.append(exchange)
        for number in exchange.ids:
            self._transport.forget(number)

    def _give_up(self) -> None:
        """The deadline, or a target that is not there: whatever is left stays unanswered."""
        for exchange in (*self._flying, *self._queue):
            self._abandon(exchange)
        self._flying.clear()
        self._queue.clear()
        self._finish()

    def _finish(self) -> None:
        if self._done is not None and not self._done.done():
            self._done.set_result(None)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for exchange in (*self._flying, *self._queue):
            self._abandon(exchange)
        self._flying.clear()
        self._queue.clear()
