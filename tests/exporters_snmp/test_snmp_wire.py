"""The codec: what it encodes is what net-snmp expects, what it decodes is checked to the last octet."""

from __future__ import annotations

import random
import time

import pytest
import snmp_world as w

from exporters.snmp import message as m
from exporters.snmp.config import Metric
from exporters.snmp.errors import Malformed
from exporters.snmp.layout import learn
from exporters.snmp.plan import MTU_BYTES, Variable, build, reply_bytes
from exporters.snmp.values import number, octets_text

COMMUNITY = b"public"
OCTETS = m.oid_content((1, 3, 6, 1, 2, 1, 31, 1, 1, 1, 6))


@pytest.mark.parametrize(
    ("arcs", "content"),
    [
        ((1, 3, 6, 1), "2b0601"),
        ((1, 3, 127, 128, 16383, 16384), "2b7f8100ff7f818000"),
        ((2, 999, 3), "883703"),
        ((0, 39, 4294967295), "278fffffff7f"),
    ],
)
def test_object_identifiers_go_there_and_back(arcs: tuple[int, ...], content: str) -> None:
    assert m.oid_content(arcs).hex() == content
    assert m.decode_oid(bytes.fromhex(content)) == arcs


@pytest.mark.parametrize("content", ["", "2b8001", "2b81", "2b908080807f", "2b" + "01" * 128])
def test_object_identifiers_that_are_cut_padded_or_too_large_are_malformed(content: str) -> None:
    with pytest.raises(Malformed):
        m.decode_oid(bytes.fromhex(content))


def test_a_get_is_encoded_to_the_octet() -> None:
    request = m.encode_get(COMMUNITY, [m.oid_content((1, 3, 6, 1, 2, 1, 1, 3, 0))])
    assert request.data.hex() == (
        "3029020101" "04067075626c6963" "a01c" "020440000000" "020100" "020100" "300e300c06082b060102010103000500"
    )  # fmt: skip
    assert request.data[request.id_offset : request.id_offset + 4].hex() == "40000000"
    ask = w.parse_request(m.encode_bulk(COMMUNITY, OCTETS, 200).data)
    assert (ask.kind, ask.second, ask.third, ask.names) == (0xA5, 0, 200, [(*w.IFX_ENTRY, 6)])


def test_a_reply_is_decoded_in_short_and_long_lengths() -> None:
    rows = [((*w.IFX_ENTRY, 6, i), w.integer(10**9 * i, w.C64)) for i in range(1, 30)]
    data = w.response(0x41424344, rows)
    reply = m.decode_reply(data, COMMUNITY)
    assert (reply.request_id, reply.error_status) == (0x41424344, 0)
    assert m.peek_request_id(data) == 0x41424344
    assert [m.decode_oid(v.oid) for v in reply.varbinds] == [oid for oid, _ in rows]
    assert [number(v.tag, data[v.start : v.end]) for v in reply.varbinds] == [10**9 * i for i in range(1, 30)]


def test_what_is_not_exactly_a_reply_is_malformed() -> None:
    good = w.response(0x41424344, [(w.UPTIME, w.integer(5, w.TICKS))])
    m.decode_reply(good, COMMUNITY)
    wrong = {
        "empty": b"",
        "cut": good[:-1],
        "trailing": good + b"\0",
        "other community": good.replace(b"public", b"sesame"),
        "a request": good.replace(b"\xa2", b"\xa0"),
        "version 1": good.replace(b"\x02\x01\x01\x04", b"\x02\x01\x00\x04", 1),
        "indefinite": b"\x30\x80" + good[2:],
        "huge length": b"\x30\x84\xff\xff\xff\xff" + good[2:],
    }
    for name, data in wrong.items():
        assert not _is_reply(data), name


def _is_reply(data: bytes) -> bool:
    try:
        m.decode_reply(data, COMMUNITY)
    except Malformed:
        return False
    return True


def _batch_and_reply(seed: int) -> tuple[list[Variable], bytes]:
    dice = random.Random(seed)
    metric = Metric("ifHCInOctets", (*w.IFX_ENTRY, 6), "counter", "")
    variables, rows = [], []
    for i in range(1, 31):
        oid = (*w.IFX_ENTRY, 6, i)
        variables.append(Variable(m.oid_content(oid), 30, 0, metric, f'ifIndex="{i}"'))
        rows.append((oid, w.integer(dice.randrange(2 ** dice.randrange(1, 64)), w.C64)))
    return variables, w.response(m.REQUEST_ID_FIRST + seed, rows)


def test_every_octet_but_id_and_numbers_is_checked_on_the_fast_path() -> None:
    variables, data = _batch_and_reply(1)
    (batch,) = build(variables, COMMUNITY).batches
    reply = m.decode_reply(data, COMMUNITY)
    layout = learn(batch, reply, frozenset())
    assert layout is not None
    free = set(range(reply.id_offset, reply.id_offset + 4))
    for _, _, start, end in reply.varbinds:
        free |= set(range(start, end))
    exact = layout.read(data)
    assert exact is not None
    for at in range(len(data)):
        other = bytearray(data)
        other[at] ^= 1
        read = layout.read(bytes(other))
        if at not in free:
            assert read is None, f"octet {at} is not checked"
        elif read is not None and at not in range(reply.id_offset, reply.id_offset + 4):
            answers = {
                v.oid: (v.tag, bytes(other[v.start : v.end])) for v in m.decode_reply(bytes(other), COMMUNITY).varbinds
            }
            assert read[0] == batch.render(answers)


def test_fast_and_full_path_give_the_same_text() -> None:
    for seed in range(200):
        variables, data = _batch_and_reply(seed)
        (batch,) = build(variables, COMMUNITY).batches
        reply = m.decode_reply(data, COMMUNITY)
        layout = learn(batch, reply, frozenset())
        assert layout is not None
        read = layout.read(data)
        answers = {v.oid: (v.tag, data[v.start : v.end]) for v in reply.varbinds}
        assert read is not None
        assert read[0] == batch.render(answers)


def test_300_000_mutated_datagrams_neither_crash_nor_hang_the_decoder() -> None:
    dice = random.Random(594)
    seeds = [_batch_and_reply(seed)[1] for seed in range(3)]
    seeds += [w.response(0x40000001 + i, [(w.UPTIME, w.integer(i * 77, w.TICKS))]) for i in range(20)]
    seeds += [w.response(0x40000001, [((*w.IFX_ENTRY, 18, 3), w.octets("x" * 90)), (w.UPTIME, (0x81, b""))])]
    refused = 0
    began = time.process_time()
    for step in range(300_000):
        data = bytearray(seeds[0] if step % 100 == 0 else seeds[3 + step % 21])
        kind = step % 4
        at = dice.randrange(len(data))
        if kind == 0:
            data[at] = dice.randrange(256)
        elif kind == 1:
            del data[at:]
        elif kind == 2:
            data[at:at] = dice.randbytes(dice.randrange(1, 5))
        else:
            data[at : at + 2] = b"\x84\xff"
        mutated = bytes(data)
        m.peek_request_id(mutated)
        try:
            reply = m.decode_reply(mutated, COMMUNITY)
            for varbind in reply.varbinds:
                number(varbind.tag, mutated[varbind.start : varbind.end])
                m.decode_oid(varbind.oid)
        except Malformed:
            refused += 1
    assert 100_000 < refused < 300_000
    assert time.process_time() - began < 30


def test_datagrams_stay_below_the_path_mtu_both_ways() -> None:
    metric = Metric("ifHCInOctets", (*w.IFX_ENTRY, 6), "counter", "")
    variables = []
    for i in range(1, 2001):
        name = m.oid_content((*w.IFX_ENTRY, 6, i))
        variables.append(Variable(name, reply_bytes(name, m.COUNTER64, 1), 0, metric, f'ifIndex="{i}"'))
    plan = build(variables, COMMUNITY)
    assert [v for batch in plan.batches for v in batch.variables] == variables
    assert len(plan.batches) <= 45
    for batch in plan.batches:
        assert len(batch.request.data) <= MTU_BYTES
        rows = [(m.decode_oid(v.name), w.integer(2**64 - 1, w.C64)) for v in batch.variables]
        assert len(w.response(0x7FFFFFFF, rows)) <= MTU_BYTES


@pytest.mark.parametrize(
    ("content", "kind", "shown"),
    [
        (b"eth0", "DisplayString", "eth0"),
        (b"\xff\x00", "OctetString", "0xFF00"),
        (b"", "OctetString", ""),
        (bytes(range(6)), "PhysAddress48", "00:01:02:03:04:05"),
        (b"", "PhysAddress48", "00:00:00:00:00:00"),
        (bytes((192, 0, 2, 1)), "InetAddressIPv4", "192.0.2.1"),
        (bytes(range(16)), "InetAddressIPv6", "0001:0203:0405:0607:0809:0A0B:0C0D:0E0F"),
        (b"caf\xc3\xa9", "DisplayString", "café"),
    ],
)
def test_octets_are_shown_by_their_type(content: bytes, kind: str, shown: str) -> None:
    assert octets_text(content, kind) == shown
