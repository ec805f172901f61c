"""SNMPv1: the same poll in its older form, and what is not there is no error."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import snmp_world as w

from exporters.snmp import message as m
from exporters.snmp.config import Auth
from exporters.snmp.version1 import Version1

AUTH = Auth("public_v1", "public", 1)


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with w.snmpd(tmp_path_factory.mktemp("snmpd1")) as port:
        yield port


async def test_a_real_agent_gives_all_but_counter64_over_version_1(port: int) -> None:
    async with w.engine() as engine:
        modules = (engine.config.module("system"), engine.config.module("if_mib"))
        for _ in range(2):
            old = await engine.poll(f"127.0.0.1:{port}", AUTH, modules, 10.0)
            assert not old.partial
        new = await engine.poll(f"127.0.0.1:{port}", engine.config.auth("public_v2"), modules, 10.0)
        names = {name for name, _ in w.samples(new.text)} - {name for name, _ in w.samples(old.text)}
        assert names
        assert all(name.startswith("ifHC") for name in names)
        assert engine.read_stats.fast > 0
        assert old.walk_s == 0.0


def test_a_walk_goes_out_as_getnext_and_a_get_stays_one() -> None:
    name = m.oid_content((1, 3, 6, 1, 2, 1, 2))
    layer = Version1()
    step = bytes(layer.sealer(m.encode_bulk(b"public", name, 25))(0x41424344, 0.0))
    assert step[:5] == bytes([0x30, len(step) - 2, 2, 1, 0])
    assert step[13] == 0xA1
    assert b"\x02\x04ABCD\x02\x01\x00\x02\x01\x00" in step
    got = bytes(layer.sealer(m.encode_get(b"public", [name]))(0x41424344, 0.0))
    assert got[13] == 0xA0
    long = m.encode_bulk(b"c" * 120, name, 1000)
    assert bytes(layer.sealer(long)(0x41424344, 0.0)).endswith(m.tlv(6, name) + b"\x05\x00")


@pytest.mark.parametrize("data", [b"", b"\x30", b"\x30\x82", b"\x30\x03\x02\x01\x01", b"\x30\x03\x04\x01\x00"])
def test_what_is_no_version_1_is_bad(data: bytes) -> None:
    assert Version1().open(data, 1, 0.0) == "bad"
