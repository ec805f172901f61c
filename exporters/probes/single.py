"""/probe: one check on request, in blackbox_exporter's conventions (`probe_success`, `probe_duration_seconds`).

ICMP and UDP go through the same sockets as the regular probes; TCP is one connection, closed at once. A target that
fails is HTTP 200 with `probe_success 0`; a bad request is HTTP 400 with a sentence.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
import time
from dataclasses import dataclass, field

from exporters.common.errors import ExporterError
from exporters.probes.settings import Module
from exporters.probes.sockets import Sockets
from exporters.probes.targets import ECHO_PORT

FIRST_INDEX = 0x80000000


@dataclass(slots=True)
class Outcome:
    """What one probe found; durations in seconds, `log` for `debug=true`."""

    success: bool = False
    duration_s: float = 0.0
    lookup_s: float = 0.0
    rtt_s: float | None = None
    version: int = 0
    log: list[str] = field(default_factory=list)


class SingleProber:
    """Sends single probes through the shared sockets and waits for their replies."""

    def __init__(self, sockets: Sockets) -> None:
        self._sockets = sockets
        self._waiting: dict[int, tuple[str, int, asyncio.Future[float]]] = {}
        self._next = FIRST_INDEX

    def reply(self, index: int, host: str, port: int, at: float) -> None:
        """Take a reply to a single probe; one from another address than asked is ignored."""
        expected = self._waiting.get(index)
        if expected is None or (host, port) != expected[:2] or expected[2].done():
            return
        expected[2].set_result(at)

    async def probe(self, target: str, module: Module, budget_s: float) -> Outcome:
        """Probe `target` (HOST or HOST:PORT) within the budget in seconds; failures are outcomes, not exceptions."""
        outcome = Outcome()
        started = time.monotonic()
        allowed_s = min(module.timeout_s, budget_s)
        outcome.log.append(f"probing {target} by {module.prober} within {allowed_s:.3f} s")
        try:
            async with asyncio.timeout(allowed_s):
                await self._run(target, module, outcome)
        except TimeoutError:
            outcome.log.append(f"no answer within {allowed_s:.3f} s")
        except (OSError, ValueError, ExporterError) as error:
            outcome.log.append(f"failed: {error}")
        outcome.duration_s = time.monotonic() - started
        outcome.log.append(f"{'succeeded' if outcome.success else 'failed'} after {outcome.duration_s:.6f} s")
        return outcome

    async def _run(self, target: str, module: Module, outcome: Outcome) -> None:
        host, port = _split(target, module)
        started = time.monotonic()
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port or None, type=socket.SOCK_STREAM)
        outcome.lookup_s = time.monotonic() - started
        address = str(found[0][4][0])
        outcome.version = ipaddress.ip_address(address).version
        outcome.log.append(f"{host} is {address}")
        if module.prober == "tcp":
            await self._connect(address, port, outcome)
        else:
            await self._echo(address, port, module.prober, outcome)
        outcome.success = True

    async def _connect(self, address: str, port: int, outcome: Outcome) -> None:
        started = time.monotonic()
        _, writer = await asyncio.open_connection(address, port)
        outcome.rtt_s = time.monotonic() - started
        outcome.log.append(f"connected to port {port} in {outcome.rtt_s:.6f} s")
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()

    async def _echo(self, address: str, port: int, prober: str, outcome: Outcome) -> None:
        index = self._next
        self._next = FIRST_INDEX + (index + 1 - FIRST_INDEX) % 0x7FFFFFFF
        answer: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self._waiting[index] = (address, port, answer)
        try:
            sent_at = self._sockets.get(prober, outcome.version).send(address, port, index, 1)
            outcome.rtt_s = max(await answer - sent_at, 0.0)
        finally:
            del self._waiting[index]
        outcome.log.append(f"reply in {outcome.rtt_s:.6f} s")


def _split(target: str, module: Module) -> tuple[str, int]:
    """Host and port of a /probe target. Raises ValueError with the remedy where a port is missing or senseless."""
    if module.prober == "icmp":
        return target.removeprefix("[").removesuffix("]"), 0
    bracketed = target.startswith("[")
    host, colon, port = target.rpartition(":")
    if not colon or (bracketed and not host.endswith("]")) or (not bracketed and ":" in host):
        host, port = target, str(ECHO_PORT) if module.prober == "udp" else ""
    if not port.isdecimal() or not 0 < int(port) < 65536:
        raise ValueError(f"target {target} needs a port from 1 to 65535, as in {host}:443")
    return host.removeprefix("[").removesuffix("]"), int(port)


def outcome_text(outcome: Outcome, module: Module) -> str:
    """The metrics of one outcome, named as blackbox_exporter names them."""
    lines = [
        "# HELP probe_success Displays whether or not the probe was a success",
        "# TYPE probe_success gauge",
        f"probe_success {int(outcome.success)}",
        "# HELP probe_duration_seconds Returns how long the probe took to complete in seconds",
        "# TYPE probe_duration_seconds gauge",
        f"probe_duration_seconds {outcome.duration_s:.9f}",
        "# HELP probe_dns_lookup_time_seconds Returns the time taken for probe dns lookup in seconds",
        "# TYPE probe_dns_lookup_time_seconds gauge",
        f"probe_dns_lookup_time_seconds {outcome.lookup_s:.9f}",
        "# HELP probe_ip_protocol Specifies whether probe ip protocol is IP4 or IP6",
        "# TYPE probe_ip_protocol gauge",
        f"probe_ip_protocol {outcome.version}",
    ]
    if outcome.rtt_s is not None and module.prober != "tcp":
        name = f"probe_{module.prober}_duration_seconds"
        lines += [f"# HELP {name} Duration of request by phase", f"# TYPE {name} gauge"]
        lines += [f'{name}{{phase="resolve"}} {outcome.lookup_s:.9f}', f'{name}{{phase="rtt"}} {outcome.rtt_s:.9f}']
    return "\n".join(lines) + "\n"
