"""Peers for the SNMP exporter's tests: a real snmpd, and an agent of our own that misbehaves on request.

The agent shares no code with the exporter: it has its own small BER, so that a common mistake cannot hide.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import socket
import subprocess
import time
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from exporters.snmp import loader
from exporters.snmp.config import Config
from exporters.snmp.engine import Engine
from exporters.snmp.state import PollResult

Oid = tuple[int, ...]
Value = tuple[int, bytes]

INT, STR, C32, G32, TICKS, C64 = 0x02, 0x04, 0x41, 0x42, 0x43, 0x46
UPTIME: Oid = (1, 3, 6, 1, 2, 1, 1, 3, 0)
IF_NUMBER: Oid = (1, 3, 6, 1, 2, 1, 2, 1, 0)
LAST_CHANGE: Oid = (1, 3, 6, 1, 2, 1, 31, 1, 5, 0)
IF_ENTRY: Oid = (1, 3, 6, 1, 2, 1, 2, 2, 1)
IFX_ENTRY: Oid = (1, 3, 6, 1, 2, 1, 31, 1, 1, 1)


def integer(value: int, tag: int = INT) -> Value:
    return tag, value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True)


def octets(text: str) -> Value:
    return STR, text.encode()


def wrap(tag: int, *contents: bytes) -> bytes:
    """An element; longer ones with the two-octet length that net-snmp likes, for variety."""
    content = b"".join(contents)
    if len(content) < 128:
        return bytes([tag, len(content)]) + content
    return bytes([tag, 0x82]) + len(content).to_bytes(2, "big") + content


def unwrap(data: bytes, at: int) -> tuple[int, bytes, int]:
    tag, size, at = data[at], data[at + 1], at + 2
    if size & 0x80:
        count = size & 0x7F
        size, at = int.from_bytes(data[at : at + count], "big"), at + count
    return tag, data[at : at + size], at + size


def pack_oid(oid: Oid) -> bytes:
    out = b""
    for arc in (40 * oid[0] + oid[1], *oid[2:]):
        septets = [arc & 0x7F]
        while arc := arc >> 7:
            septets.append(arc & 0x7F | 0x80)
        out += bytes(reversed(septets))
    return out


def unpack_oid(data: bytes) -> Oid:
    arcs, value = [], 0
    for octet in data:
        value = value << 7 | octet & 0x7F
        if not octet & 0x80:
            arcs.append(value)
            value = 0
    return (arcs[0] // 40, arcs[0] % 40, *arcs[1:])


@dataclass
class Ask:
    """A request as the agent sees it."""

    kind: int
    request_id: int
    second: int
    third: int
    names: list[Oid]


def parse_request(data: bytes) -> Ask:
    _, message, _ = unwrap(data, 0)
    _, _, at = unwrap(message, 0)
    _, _, at = unwrap(message, at)
    kind, pdu, _ = unwrap(message, at)
    numbers, at = [], 0
    for _ in range(3):
        _, content, at = unwrap(pdu, at)
        numbers.append(int.from_bytes(content, "big", signed=True))
    _, rows, _ = unwrap(pdu, at)
    names, at = [], 0
    while at < len(rows):
        _, row, at = unwrap(rows, at)
        names.append(unpack_oid(unwrap(row, 0)[1]))
    return Ask(kind, numbers[0], numbers[1], numbers[2], names)


def response(request_id: int, rows: list[tuple[Oid, Value]], status: int = 0, index: int = 0) -> bytes:
    def number(value: int) -> bytes:
        return wrap(*integer(value))

    bindings = [wrap(0x30, wrap(6, pack_oid(oid)), wrap(*value)) for oid, value in rows]
    pdu = wrap(0xA2, number(request_id), number(status), number(index), wrap(0x30, *bindings))
    return wrap(0x30, number(1), wrap(4, b"public"), pdu)


@dataclass(eq=False)
class Agent(asyncio.DatagramProtocol):
    """An SNMPv2c agent. `alter` may replace the replies to a request: it gets the request and the honest reply."""

    values: dict[Oid, Value | Callable[[], Value]] = field(default_factory=dict)
    alter: Callable[[Ask, bytes], list[tuple[float, bytes]]] | None = None
    asked: list[Ask] = field(default_factory=list)
    port: int = 0
    stranger: socket.socket | None = None
    transport: asyncio.DatagramTransport | None = None

    @property
    def target(self) -> str:
        return f"127.0.0.1:{self.port}"

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.DatagramTransport", transport)
        self.port = transport.get_extra_info("sockname")[1]

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        ask = parse_request(data)
        self.asked.append(ask)
        honest = self.answer(ask)
        replies = [(0.0, honest)] if self.alter is None else self.alter(ask, honest)
        for delay_s, reply in replies:
            asyncio.get_running_loop().call_later(delay_s, self.send, reply, addr)

    def send(self, reply: bytes, addr: tuple[str, int]) -> None:
        if self.stranger is not None:
            self.stranger.sendto(reply, addr)
        elif self.transport is not None and not self.transport.is_closing():
            self.transport.sendto(reply, addr)

    def value(self, oid: Oid) -> Value:
        found = self.values.get(oid)
        if found is None:
            return 0x81, b""
        return found if isinstance(found, tuple) else found()

    def answer(self, ask: Ask) -> bytes:
        if ask.kind == 0xA0:
            return response(ask.request_id, [(oid, self.value(oid)) for oid in ask.names])
        order = sorted(self.values)
        at = bisect_right(order, ask.names[0])
        rows = [(oid, self.value(oid)) for oid in order[at : at + ask.third]]
        if len(rows) < ask.third:
            rows.append((rows[-1][0] if rows else ask.names[0], (0x82, b"")))
        return response(ask.request_id, rows)


class Counters:
    """Values that are different at every reading."""

    def __init__(self, first: int, step: int = 1) -> None:
        self.now = first
        self.step = step

    def __call__(self) -> Value:
        self.now += self.step
        return integer(self.now, C64)


def router(interfaces: int = 6) -> dict[Oid, Value | Callable[[], Value]]:
    """A small router's system group and interface tables; octet counters move at every reading."""
    values: dict[Oid, Value | Callable[[], Value]] = {
        (1, 3, 6, 1, 2, 1, 1, 1, 0): octets('router "one" \\ test'),
        (1, 3, 6, 1, 2, 1, 1, 2, 0): (6, pack_oid((1, 3, 6, 1, 4, 1, 32473, 7))),
        UPTIME: integer(123456, TICKS),
        (1, 3, 6, 1, 2, 1, 1, 5, 0): octets("r1"),
        (1, 3, 6, 1, 2, 1, 1, 6, 0): octets("100 % here"),
        IF_NUMBER: integer(interfaces),
        LAST_CHANGE: integer(77, TICKS),
    }
    for number in range(1, interfaces + 1):
        add_interface(values, number)
    return values


def add_interface(values: dict[Oid, Value | Callable[[], Value]], number: int) -> None:
    columns: dict[Oid, Value | Callable[[], Value]] = {
        (*IF_ENTRY, 7): integer(1),
        (*IF_ENTRY, 8): integer(1 + number % 2),
        (*IF_ENTRY, 13): integer(0, C32),
        (*IF_ENTRY, 14): integer(number, C32),
        (*IF_ENTRY, 19): integer(3_000_000_000, C32),
        (*IF_ENTRY, 20): integer(70_000, C32),
        (*IFX_ENTRY, 1): octets(f"ge-0/0/{number}"),
        (*IFX_ENTRY, 6): Counters(10**12 * number, 1000),
        (*IFX_ENTRY, 10): Counters(2**53 - 1500, 1000),
        (*IFX_ENTRY, 15): integer(1000, G32),
        (*IFX_ENTRY, 18): octets(f"to circuit {number}"),
    }
    for column, value in columns.items():
        values[(*column, number)] = value


@contextlib.asynccontextmanager
async def agent(values: dict[Oid, Value | Callable[[], Value]] | None = None):  # type: ignore[no-untyped-def]
    """An agent on a free loopback port."""
    loop = asyncio.get_running_loop()
    made = Agent(router() if values is None else values)
    transport, _ = await loop.create_datagram_endpoint(lambda: made, local_addr=("127.0.0.1", 0))
    try:
        yield made
    finally:
        transport.close()


@contextlib.asynccontextmanager
async def engine(config: Config | None = None):  # type: ignore[no-untyped-def]
    """An engine with the shipped modules."""
    made = Engine(config or loader.load([loader.SHIPPED]))
    try:
        yield made
    finally:
        made.close()


async def poll(made: Engine, target: str, modules: str = "system,if_wan", budget_s: float = 5.0) -> PollResult:
    chosen = tuple(made.config.module(name) for name in modules.split(","))
    return await made.poll(target, made.config.auth("public_v2"), chosen, budget_s)


_LINE = re.compile(r"([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)\Z")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


def samples(text: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Samples of an exposition; fails on a repeated sample and on a metric whose lines do not stand together."""
    found: dict[tuple[str, frozenset[tuple[str, str]]], float] = {}
    typed: set[str] = set()
    current = ""
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            current = line.split()[2]
            assert current not in typed, f"{current} is declared twice"
            typed.add(current)
        if line.startswith("#"):
            continue
        match = _LINE.match(line)
        assert match is not None, line
        assert match[1] == current, f"{match[1]} stands under {current}"
        key = (match[1], frozenset(_LABEL.findall(match[2] or "")))
        assert key not in found, f"{key} twice"
        found[key] = float(match[3])
    return found


def sample(text: str, name: str, **labels: str) -> float:
    """The one sample of that name with (at least) these labels."""
    hits = [v for (n, ls), v in samples(text).items() if n == name and set(labels.items()) <= ls]
    assert len(hits) == 1, (name, labels, hits)
    return hits[0]


def free_udp_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@contextlib.contextmanager
def snmpd(directory: Path) -> Iterator[int]:
    """A real net-snmp agent on a free loopback port, without privileges or the system's configuration."""
    port = free_udp_port()
    conf = directory / "agent.conf"  # not snmpd.conf: that name is for what snmpd itself keeps here
    conf.write_text('rocommunity public 127.0.0.1\nsysName real-agent\nsysLocation "test bench"\n')
    environment = os.environ | {"MIBS": "", "SNMP_PERSISTENT_DIR": str(directory)}
    command = ["snmpd", "-f", "-Lf", str(directory / "log"), "-C", "-c", str(conf), "-p", str(directory / "pid")]
    path = environment.get("PATH", "") + ":/usr/sbin"
    process = subprocess.Popen([*command, f"udp:127.0.0.1:{port}"], env=environment | {"PATH": path})
    try:
        until = time.monotonic() + 10
        while not snmpwalk(port, "1.3.6.1.2.1.1.3", check=False):
            assert time.monotonic() < until, (directory / "log").read_text()
            time.sleep(0.1)
        yield port
    finally:
        process.terminate()
        process.wait(10)


def snmpwalk(port: int, oid: str, *, check: bool = True) -> dict[str, str]:
    """net-snmp's own view: OID to value, numbers plain, without names (-Oqn)."""
    command = ["snmpwalk", "-v2c", "-c", "public", "-t", "1", "-r", "1", "-Oqnet", f"127.0.0.1:{port}", oid]
    done = subprocess.run(command, capture_output=True, text=True, check=check, env=os.environ | {"MIBS": ""})
    rows = (line.partition(" ") for line in done.stdout.splitlines() if line.startswith("."))
    return {name: value.strip().strip('"').strip() for name, _, value in rows}
