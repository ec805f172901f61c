"""Every type of a snmp.yml: what one value becomes, as snmp_exporter 0.30 shows it."""

from __future__ import annotations

import calendar
import re
import struct
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporters.snmp import loader
from exporters.snmp.config import Extract, Filter, Index, Lookup, Metric, Module
from exporters.snmp.discovery import Discovered, needs, parse_index, variables
from exporters.snmp.errors import ConfigError
from exporters.snmp.layout import learn
from exporters.snmp.message import INTEGER, OCTET_STRING, OPAQUE, Reply, Varbind, oid_content, tlv
from exporters.snmp.plan import Variable, build
from exporters.snmp.request import parse_query
from exporters.snmp.values import bit, moment, real
from exporters.snmp.walk import Column, Found

OID = (1, 3, 6, 1, 4, 1, 99999, 1)
NAME = oid_content(OID) + b"\x00"


def shown(metric: Metric, tag: int, content: bytes, labels: str = "") -> str | None:
    return Variable(NAME, 50, 0, metric, labels).render(tag, content)


def metric(kind: str, **more: object) -> Metric:
    return Metric("m", OID, kind, "what it is.", **more)  # type: ignore[arg-type]


FLOAT = b"\x9f\x78\x04" + struct.pack(">f", 0.25)
DOUBLE = b"\x9f\x79\x08" + struct.pack(">d", -1.5e300)


@pytest.mark.parametrize(
    ("kind", "tag", "content", "text"),
    [
        ("Float", OPAQUE, FLOAT, "m 0.25\n"),
        ("Double", OPAQUE, DOUBLE, "m -1.5e+300\n"),
        ("gauge", OPAQUE, FLOAT, "m 0.25\n"),
        ("Float", INTEGER, b"\x07", "m 7\n"),
        ("Float", OPAQUE, b"\x9f\x78\x05abcd", None),
        ("DisplayString", OPAQUE, FLOAT, 'm{m="0.25"} 1\n'),
        ("DateAndTime", OCTET_STRING, bytes([0x07, 0xEA, 11, 21, 14, 0, 0, 0]), "m 1795269600.0\n"),
        ("DateAndTime", OCTET_STRING, bytes([0x07, 0xEA, 11, 21, 14, 0, 0, 0]) + b"+\x02\x00", "m 1795262400.0\n"),
        ("DateAndTime", OCTET_STRING, bytes([0, 0, 1, 1, 0, 0, 0, 0]), "m -62167219200.0\n"),
        ("DateAndTime", OCTET_STRING, b"short", None),
        ("DateAndTime", INTEGER, b"\x07", None),
        ("NTPTimeStamp", OCTET_STRING, (2_208_988_800 + 5).to_bytes(4, "big") + bytes(4), "m 5.0\n"),
        ("Bits", INTEGER, b"\x07", None),
        ("InetAddress", OCTET_STRING, bytes([10, 0, 0, 1]), 'm{m="0x0A000001"} 1\n'),
    ],
)
def test_a_value_becomes_its_sample_or_nothing(kind: str, tag: int, content: bytes, text: str | None) -> None:
    assert shown(metric(kind), tag, content) == text


def test_bits_are_one_sample_each_highest_first() -> None:
    m = metric("Bits", enum=((0, "a"), (7, "b"), (9, "c")))
    assert shown(m, OCTET_STRING, b"\x81") == 'm{m="a"} 1\nm{m="b"} 1\nm{m="c"} 0\n'
    assert m.shown_help == "what it is. (Bits)"


@given(st.binary(max_size=4), st.integers(0, 40))
def test_a_bit_is_that_of_the_octets_as_one_number(content: bytes, number: int) -> None:
    text = "".join(f"{octet:08b}" for octet in content)
    assert bit(content, number) == int(text[number : number + 1] or "0")


@given(st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31)))  # noqa: DTZ001 - read as UTC
def test_a_date_is_what_the_calendar_says(day: datetime) -> None:
    octets = day.year.to_bytes(2, "big") + bytes([day.month, day.day, day.hour, day.minute, day.second, 0])
    assert moment(octets, "DateAndTime") == calendar.timegm(day.timetuple())


def test_a_date_in_words_is_parsed_by_its_pattern() -> None:
    pattern = "%b %d %Y %H:%M:%S"
    wanted = datetime(2026, 11, 21, 14, tzinfo=UTC).timestamp()
    assert moment(b"Nov 21 2026 14:00:00", "ParseDateAndTime", pattern) == wanted
    assert moment(b"yesterday", "ParseDateAndTime", pattern) is None


@pytest.mark.parametrize(
    ("pattern", "template", "text", "value"),
    [
        (r"Temp: ([0-9.]+)C", "$1", "Temp: 41.5C", 41.5),
        (r"(\d+)/(\d+)", "${2}", "3/8", 8.0),
        (r"on", "1", "on", 1.0),
        (r"on", "1", "on fire", None),  # the whole text must match
        (r"(?P<n>\d+)", "$n", "7", 7.0),
        (r"(\d+)", "$1x", "7", None),  # Go reads the longest name: there is no group 1x
        (r"(\w+)", "$1", "seven", None),
    ],
)
def test_a_number_is_taken_out_of_a_text(pattern: str, template: str, text: str, value: float | None) -> None:
    assert Extract(re.compile(pattern), template).read(text) == value


EXTRACTS = r"""
auths: {public_v2: {version: 2}}
modules:
  m:
    get: [1.3.6.1.4.1.99999.1.0]
    metrics:
      - {name: state, oid: 1.3.6.1.4.1.99999.1, type: DisplayString, help: h, scale: 9,
         regex_extracts: {_ok: [{regex: "up", value: "1"}, {regex: ".*", value: "0"}], _n: [{regex: 'n=(\d+)'}]}}
"""


def test_the_first_extract_that_matches_counts_and_the_metric_has_its_own_name_and_help(tmp_path: Path) -> None:
    path = tmp_path / "snmp.yml"
    path.write_text(EXTRACTS)
    made = {m.name: m for m in loader.load([path]).module("m").metrics}
    assert made.keys() == {"state_ok", "state_n"}
    assert shown(made["state_ok"], OCTET_STRING, b"up") == "state_ok 1.0\n"
    assert shown(made["state_ok"], OCTET_STRING, b"down") == "state_ok 0.0\n"
    assert shown(made["state_n"], OCTET_STRING, b"n=12") == "state_n 12.0\n"
    assert shown(made["state_n"], OCTET_STRING, b"up") is None
    assert made["state_n"].shown_help == "h (regex extracted)"
    path.write_text(EXTRACTS.replace(r"'n=(\d+)'", r"'n=(\d+'"))
    with pytest.raises(ConfigError, match=r"metric state: 'n=.* is no regular expression"):
        loader.load([path])


# -- rows -----------------------------------------------------------------------------------------------------------


def column(oid: tuple[int, ...], rows: dict[tuple[int, ...], tuple[int, bytes]]) -> tuple[bytes, Column]:
    prefix = oid_content(oid)
    found = [Found(oid_content(oid + suffix), tag, content) for suffix, (tag, content) in rows.items()]
    return prefix, Column(prefix, 10, found, done=True)


TABLE = (1, 3, 6, 1, 4, 1, 99999, 2, 1)
ROW = (Index("i", "gauge"),)


def test_an_address_is_shown_by_the_type_in_the_column_before_it() -> None:
    address = Metric("addr", (*TABLE, 3), "InetAddress", "h", ROW)
    module = Module("m", walk=(TABLE,), metrics=(address,))
    wanted = needs((module,))
    kinds = {(1,): (INTEGER, b"\x01"), (2,): (INTEGER, b"\x02"), (3,): (INTEGER, b"\x10")}
    values = {(1,): (4, bytes([10, 1, 2, 3])), (2,): (4, bytes(15) + b"\x01"), (3,): (4, b"ab"), (4,): (4, b"c")}
    found = Discovered(dict([column((*TABLE, 2), kinds), column((*TABLE, 3), values)]), {})
    assert oid_content((*TABLE, 2)) in wanted.columns
    rows = [v for v in variables(wanted, found) if v.metric]
    assert [v.render(4, values[n,][1]) for n, v in enumerate(rows, 1)] == [
        'addr{i="1",addr="10.1.2.3"} 1\n',
        'addr{i="2",addr="0000:0000:0000:0000:0000:0000:0000:0001"} 1\n',
        'addr{i="3",addr="0x6162"} 1\n',
        'addr{i="4",addr="0x63"} 1\n',
    ]


@pytest.mark.parametrize(
    ("kind", "arcs", "text", "left"),
    [
        ("InetAddress", (1, 4, 10, 0, 0, 1, 9), "10.0.0.1", (9,)),
        ("InetAddressMissingSize", (1, 10, 0, 0, 1, 9), "10.0.0.1", (9,)),
        ("InetAddressMissingSize", (7, 1, 2), "0x070102", ()),
        ("InetAddress", (16, 2, 97, 98, 9), "0x10026162", (9,)),
        ("LldpPortId", (3, 6, 0, 1, 2, 3, 4, 5), "00:01:02:03:04:05", ()),
        ("LldpPortId", (5, 3, 97, 98, 99, 9), "abc", (9,)),
    ],
)
def test_an_index_that_begins_with_its_own_type(
    kind: str, arcs: tuple[int, ...], text: str, left: tuple[int, ...]
) -> None:
    labels, taken = parse_index([Index("a", kind)], arcs)
    assert labels == {"a": text}
    assert arcs[len(taken["a"]) :] == left


def test_a_filter_leaves_the_rows_whose_value_it_finds_and_the_last_of_two_counts() -> None:
    octets_in = Metric("octets", (*TABLE, 10), "counter", "h", ROW)
    status = (*TABLE, 8)
    two, one = (Filter(status, ((*TABLE, 10),), (re.compile(text),)) for text in ("2", "^1$"))
    module = Module("m", walk=((*TABLE, 10),), metrics=(octets_in,), filters=(two, one))
    states = {(1,): (INTEGER, b"\x01"), (2,): (INTEGER, b"\x02"), (3,): (INTEGER, b"\x01")}
    counts = {(n,): (0x41, b"\x05") for n in (1, 2, 3, 4)}
    found = Discovered(dict([column(status, states), column((*TABLE, 10), counts)]), {})
    wanted = needs((module,))
    assert [v.labels for v in variables(wanted, found) if v.metric] == ['i="1"', 'i="3"']
    found.columns[oid_content(status)].done = False  # could not be walked: nothing is filtered
    assert len([v for v in variables(wanted, found) if v.metric]) == 4


def test_a_label_may_be_an_address_too() -> None:
    lookup = Lookup(("i",), "peer", (*TABLE, 3), "InetAddress")
    state = Metric("state", (*TABLE, 5), "gauge", "h", ROW, (lookup,))
    wanted = needs((Module("m", walk=((*TABLE, 5),), metrics=(state,)),))
    columns = dict(
        [
            column((*TABLE, 2), {(1,): (INTEGER, b"\x01")}),
            column((*TABLE, 3), {(1,): (4, bytes([10, 1, 2, 3]))}),
            column((*TABLE, 5), {(1,): (INTEGER, b"\x06")}),
        ]
    )
    assert [v.labels for v in variables(wanted, Discovered(columns, {})) if v.metric] == ['i="1",peer="10.1.2.3"']


def test_a_real_number_goes_the_fast_way_too() -> None:
    """A layout learnt from one float reads the next one, and nothing that is not one."""
    batch = build([Variable(NAME, 50, 0, metric("Float", scale=2.0))], b"public").batches[0]

    def reply(value: bytes) -> Reply:
        data = bytes(10) + tlv(OPAQUE, value)
        return Reply(data, 0, 0, 0, 0, (Varbind(NAME, OPAQUE, len(data) - len(value), len(data)),))

    layout = learn(batch, reply(FLOAT), frozenset())
    assert layout is not None
    other = b"\x9f\x78\x04" + struct.pack(">f", -3.5)
    read = layout.read(reply(other).data)
    assert read is not None
    assert read[0].endswith("m -7.0\n")
    assert layout.read(reply(b"\x9f\x79\x04abcd").data) is None
    assert real(OPAQUE, other) == -3.5


OLD = """
if_mib:
  version: 2
  auth: {community: elsewhere}
  walk: [1.3.6.1.2.1.2.2.1.10]
  metrics:
    - {name: ifInOctets, oid: 1.3.6.1.2.1.2.2.1.10, type: counter, help: x, indexes: [{labelname: i, type: gauge}]}
"""


def test_the_old_dialect_has_its_credentials_in_the_module(tmp_path: Path) -> None:
    path = tmp_path / "snmp.yml"
    path.write_text(OLD)
    asked = parse_query(loader.load([path]), b"target=192.0.2.1&module=if_mib")
    assert asked.auth.secret({}) == b"elsewhere"
