"""One agent's protocol, against replies read by a decoder of the test's own."""

from __future__ import annotations

import random
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inventory.models import Inventory
from network_ops.twin.simulated import ber
from network_ops.twin.simulated.engine import Engine
from network_ops.twin.simulated.fleet import Fleet
from network_ops.twin.simulated.mib import Agent
from network_ops.twin.simulated.responder import MAX_MESSAGE, Responder

BORN = 1_790_000_000.0
UPTIME = (1, 3, 6, 1, 2, 1, 1, 3, 0)
IF_DESCR = (1, 3, 6, 1, 2, 1, 2, 2, 1, 2)
HC_IN = (1, 3, 6, 1, 2, 1, 31, 1, 1, 1, 6)


def read(data: bytes) -> list[tuple[int, bytes]]:
    """The TLVs side by side in `data`."""
    found, at = [], 0
    while at < len(data):
        tag, size, at = data[at], data[at + 1], at + 2
        if size & 0x80:
            wide = size & 0x7F
            size, at = int.from_bytes(data[at : at + wide], "big"), at + wide
        assert at + size <= len(data)
        found.append((tag, data[at : at + size]))
        at += size
    return found


class Reply:
    def __init__(self, datagram: bytes) -> None:
        ((_, message),) = read(datagram)
        (_, self.version), _, (pdu, body) = read(message)
        assert pdu == 0xA2
        request_id, status, index, (_, varbinds) = read(body)
        self.request_id = request_id[1]
        self.status, self.index = status[1][-1], index[1][-1]
        self.varbinds = [tuple(read(v)) for _, v in read(varbinds)]
        self.tags = [value[0] for _, value in self.varbinds]


def request(names: list[ber.Oid], pdu: int = ber.GET, first: int = 0, second: int = 0, version: int = 1) -> bytes:
    varbinds = b"".join(ber.varbind(ber.oid_contents(n), ber.NULL) for n in names)
    body = b"\x02\x04\x12\x34\x56\x78" + ber.integer(first) + ber.integer(second)
    body += b"\x30" + ber.length(len(varbinds)) + varbinds
    inner = ber.integer(version) + ber.octets(b"public") + bytes((pdu,)) + ber.length(len(body)) + body
    return b"\x30" + ber.length(len(inner)) + inner


class Lab:
    def __init__(self, inv: Inventory) -> None:
        self.inv = inv
        self.engine = Engine(inv, BORN)
        self.fleet = Fleet(inv, self.engine, 594)
        self.responder = Responder(self.fleet.directory)

    def device(self, role: str) -> Agent:
        return self.fleet.agent(next(d.id for d in self.inv.devices.values() if d.role == role))

    def ask(self, agent: Agent, *args: object, now: float = BORN + 100, **more: int) -> Reply:
        datagram = self.responder.answer(agent, request(*args, **more), now)  # type: ignore[arg-type]
        assert datagram is not None
        assert len(datagram) <= MAX_MESSAGE
        return Reply(datagram)


@pytest.fixture(scope="module")
def lab(inv: Inventory) -> Lab:
    return Lab(inv)


def test_a_get_says_apart_what_does_not_exist(lab: Lab) -> None:
    reply = lab.ask(lab.device("router"), [UPTIME, UPTIME[:-1], (*IF_DESCR, 999), (1, 3, 6, 1, 2, 1, 99, 1, 0)])
    assert reply.request_id == b"\x12\x34\x56\x78"
    assert reply.tags == [0x43, 0x81, 0x81, 0x80]


def test_a_switch_has_no_bgp_object_at_all(lab: Lab) -> None:
    assert lab.ask(lab.device("switch"), [(1, 3, 6, 1, 2, 1, 15, 1, 0)]).tags == [0x80]


def test_version_one_names_the_first_missing_object_and_returns_the_names(lab: Lab) -> None:
    reply = lab.ask(lab.device("router"), [UPTIME, (*IF_DESCR, 999)], version=0)
    assert (reply.status, reply.index, reply.tags) == (2, 2, [5, 5])


def test_version_one_sees_no_counter64(lab: Lab) -> None:
    agent = lab.device("router")
    assert lab.ask(agent, [(*HC_IN, 1)], version=0).status == 2
    ((name, _),) = lab.ask(agent, [HC_IN], ber.GETNEXT, version=0).varbinds
    assert name[1].startswith(ber.oid_contents((*HC_IN[:-1], 14)))


def test_a_walk_past_the_end_is_end_of_mib_view(lab: Lab) -> None:
    agent = lab.device("router")
    assert lab.ask(agent, [(2, 5)], ber.GETNEXT).tags == [0x82]
    assert lab.ask(agent, [(2, 5)], ber.GETNEXT, version=0).status == 2


def test_a_reply_that_does_not_fit_is_too_big(lab: Lab) -> None:
    names = [(*IF_DESCR, 1)] * 200
    reply = lab.ask(lab.device("router"), names)
    assert (reply.status, reply.index, reply.varbinds) == (1, 0, [])
    assert lab.responder.answer(lab.device("router"), request(names, version=0), BORN) is not None


def test_a_bulk_reply_is_cut_where_it_would_not_fit(lab: Lab) -> None:
    reply = lab.ask(lab.device("switch"), [IF_DESCR], ber.GETBULK, first=0, second=10_000)
    assert reply.status == 0
    assert 30 < len(reply.varbinds) < 120


def test_a_bulk_request_separates_non_repeaters(lab: Lab) -> None:
    reply = lab.ask(lab.device("router"), [UPTIME[:-1], IF_DESCR, HC_IN], ber.GETBULK, first=1, second=3)
    assert reply.tags == [0x43, 4, 0x46, 4, 0x46, 4, 0x46]
    nothing = lab.ask(lab.device("router"), [UPTIME[:-1], IF_DESCR], ber.GETBULK, first=1, second=0)
    assert nothing.tags == [0x43]
    negative = lab.ask(lab.device("router"), [IF_DESCR], ber.GETBULK, first=-1, second=-5)
    assert negative.varbinds == []


def test_a_bulk_request_at_the_end_stops_repeating(lab: Lab) -> None:
    assert lab.ask(lab.device("ups"), [(1, 3, 7)], ber.GETBULK, first=0, second=50).tags == [0x82]


def test_a_set_is_refused(lab: Lab) -> None:
    assert (lab.ask(lab.device("ups"), [UPTIME], ber.SET).status) == 17
    assert (lab.ask(lab.device("ups"), [UPTIME], ber.SET, version=0).status) == 2


def test_a_wrong_community_and_version_three_get_silence_and_are_counted(inv: Inventory) -> None:
    lab = Lab(inv)
    agent = lab.device("ups")
    assert lab.responder.answer(agent, request([UPTIME]).replace(b"public", b"secret"), BORN) is None
    assert lab.responder.answer(agent, request([UPTIME], version=3), BORN) is None
    counts = lab.responder.counts
    assert (counts.bad_communities, counts.bad_versions, counts.responses) == (1, 1, 0)


def test_all_walks_of_all_roles_move_strictly_forward(lab: Lab) -> None:
    for role in ("router", "switch", "vsat-modem", "ups"):
        agent, at, seen = lab.device(role), (1, 3), []
        while True:
            (((_, name), (tag, _)),) = lab.ask(agent, [at], ber.GETNEXT).varbinds
            if tag == 0x82:
                break
            following = ber.decode_oid(name)
            assert following > at
            at = following
            seen.append(at)
        assert len(seen) > 40
        for oid in seen:
            assert lab.ask(agent, [oid]).tags[0] < 0x80


@given(st.lists(st.integers(0, 0xFFFFFFFF), min_size=0, max_size=20), st.integers(0, 2), st.integers(0, 39))
def test_an_oid_survives_encoding(rest: list[int], top: int, second: int) -> None:
    oid = (top, second, *rest)
    assert ber.decode_oid(ber.oid_contents(oid)) == oid


@given(st.integers(-(2**31), 2**31 - 1))
def test_an_integer_is_encoded_in_the_fewest_octets(value: int) -> None:
    tlv = ber.integer(value)
    assert int.from_bytes(tlv[2:], "big", signed=True) == value
    assert len(tlv) == 3 or tlv[2] not in (0x00, 0xFF) or (tlv[2] ^ tlv[3]) & 0x80


@pytest.mark.parametrize("value", [0, 127, 128, 2**31, 2**32 - 1, 2**32, 2**63, 2**64 - 1])
def test_a_counter64_is_never_negative(value: int) -> None:
    tlv = ber.counter64(value)
    assert int.from_bytes(tlv[2:], "big", signed=True) == value


@given(st.binary(max_size=200))
def test_any_bytes_are_answered_or_called_malformed(data: bytes) -> None:
    try:
        ber.decode(data)
    except ber.MalformedError:
        return


def test_two_hundred_thousand_mutated_requests_never_crash_an_agent(lab: Lab) -> None:
    draw, agent = random.Random(594), lab.device("router")
    originals = [
        request([UPTIME, (*HC_IN, 1)]),
        request([IF_DESCR, HC_IN], ber.GETNEXT),
        request([UPTIME[:-1], IF_DESCR], ber.GETBULK, first=1, second=4),
    ]
    begun, tried, answered = time.monotonic(), 0, 0
    while tried < 200_000 and time.monotonic() - begun < 9:
        data = bytearray(draw.choice(originals))
        for _ in range(draw.randint(1, 3)):
            match draw.randrange(4):
                case 0:
                    data[draw.randrange(len(data))] = draw.randrange(256)
                case 1:
                    data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
                case 2:
                    del data[draw.randrange(len(data)) :]
                case _:
                    at = draw.randrange(len(data) + 1)
                    data[at:at] = draw.randbytes(draw.randint(1, 4))
            data = data or bytearray(b"\x30")
        reply = lab.responder.answer(agent, bytes(data), BORN + tried)
        answered += reply is not None
        assert reply is None or len(reply) <= MAX_MESSAGE
        tried += 1
    assert tried > 50_000  # all of them, unless the machine is very busy
    assert 0 < answered < tried


def test_interfaces_modem_and_bgp_follow_a_cut_and_rain(inv: Inventory) -> None:
    lab = Lab(inv)
    site = next(s for s in inv.sites if any(c.kind == "geo" for c in inv.circuits_of[s]))
    circuit = next(c for c in inv.circuits_of[site] if c.kind == "geo")
    modem = lab.fleet.agent(next(d.id for d in inv.devices_of[site] if d.role == "vsat-modem"))
    vsat = (1, 3, 6, 1, 4, 1, 32473, 594, 1)

    def modem_says(now: float) -> tuple[int, int]:
        reply = lab.ask(modem, [(*vsat, 1, 0), (*vsat, 2, 0)], now=now)
        return reply.varbinds[0][1][1][-1], int.from_bytes(reply.varbinds[1][1][1], "big")

    locked, clear_sky = modem_says(BORN + 10)
    assert locked == 1
    assert clear_sky > 80
    rain = lab.engine.inject("circuit-degrade", circuit.id, None, BORN + 20)
    assert modem_says(BORN + 21)[1] < clear_sky - 40
    lab.engine.clear(rain.id, BORN + 30)
    router = next(
        a
        for d in inv.devices_of[site]
        if d.role == "router"
        for a in [lab.fleet.agent(d.id)]
        if "bgpPeerTable" in a.tables and len(a.tables["bgpPeerTable"].suffixes)
    )
    oper = (1, 3, 6, 1, 2, 1, 2, 2, 1, 8)
    rows = [row for (row,) in router.tables["ifTable"].suffixes]
    hub_ends = {tuple(tunnel[0].packed) for tunnel in circuit.tunnels.values()}
    peers = [p for p in router.tables["bgpPeerTable"].suffixes if p in hub_ends]

    def states(now: float) -> tuple[list[int], list[int]]:
        ports = [v[1][1][-1] for v in lab.ask(router, [(*oper, r) for r in rows], now=now).varbinds]
        bgp = lab.ask(router, [(1, 3, 6, 1, 2, 1, 15, 3, 1, 2, *p) for p in peers], now=now)
        return ports, [v[1][1][-1] for v in bgp.varbinds]

    before, established = states(BORN + 40)
    assert set(established) <= {6}
    lab.engine.inject("circuit-cut", circuit.id, None, BORN + 50)
    after, idle = states(BORN + 51)
    assert set(idle) <= {1}
    assert modem_says(BORN + 52) == (2, 0)
    if peers:
        assert len(idle) == 2
        assert sum(a != b for a, b in zip(before, after, strict=True)) == 3  # the port and two tunnels
