"""Configuration: what is wrong is said by file, module, metric and remedy; what is not done yet is refused by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from exporters.snmp import loader
from exporters.snmp.config import Index, Lookup, Metric, Module
from exporters.snmp.discovery import Discovered, needs, parse_index, variables
from exporters.snmp.errors import ConfigError, Malformed, UnknownName
from exporters.snmp.message import oid_content
from exporters.snmp.request import parse_query
from exporters.snmp.walk import Column, Found

GOOD = """
auths:
  public_v2: {community: public, version: 2}
modules:
  m:
    walk: [1.3.6.1.2.1.2.2.1.10]
    metrics:
      - {name: ifInOctets, oid: 1.3.6.1.2.1.2.2.1.10, type: counter, help: x,
         indexes: [{labelname: ifIndex, type: gauge}]}
"""


def load(tmp_path: Path, text: str) -> loader.c.Config:
    path = tmp_path / "snmp.yml"
    path.write_text(text)
    return loader.load([path])


def test_the_shipped_file_is_whole_and_has_the_modules_of_every_role() -> None:
    config = loader.load([loader.SHIPPED])
    assert config.refusals() == []
    assert {"system", "if_mib", "if_wan", "if_port", "bgp4", "ups_mib", "vsat_modem"} <= config.modules.keys()
    assert len(config.module("if_mib").metrics) >= 37


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("type: counter", "type: countre", "module m: metric ifInOctets: unknown type 'countre'"),
        (
            "oid: 1.3.6.1.2.1.2.2.1.10,",
            "oid: ifInOctets,",
            "module m: metric ifInOctets: 'ifInOctets' is not an object",
        ),
        ("    walk:", "    wlak: []\n    walk:", "module m: unknown key 'wlak'"),
        ("help: x", "help: x, colour: red", "metric ifInOctets: unknown key 'colour'"),
        ("type: gauge}", "type: number}", "index ifIndex: unknown type 'number'"),
        ("    walk:", "    timeout: soon\n    walk:", "timeout 'soon'; expected a duration such as 5s"),
        ("    walk:", "    version: 2\n    walk:", "'version' in a module is the old dialect; move it"),
        ("modules:", "modulse:", "modulse: unknown top-level key"),
        ("{community: public, version: 2}", "{community: public, version: 4}", "auth public_v2: version 4; expected"),
    ],
)
def test_a_wrong_file_is_refused_with_the_place_and_the_remedy(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert load(tmp_path, GOOD).modules["m"].metrics[0].name == "ifInOctets"
    with pytest.raises(ConfigError) as failed:
        load(tmp_path, GOOD.replace(old, new, 1))
    assert said in str(failed.value)
    assert str(failed.value).startswith(str(tmp_path / "snmp.yml"))


def test_all_errors_of_a_file_are_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as failed:
        load(tmp_path, GOOD.replace("type: counter", "type: x").replace("type: gauge", "type: y"))
    assert str(failed.value).count("\n") == 1


def test_a_file_that_is_missing_or_no_yaml_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        loader.load([tmp_path / "none.yml"])
    with pytest.raises(ConfigError, match="is not YAML"):
        load(tmp_path, "auths: [")


def test_a_module_that_would_read_nothing_is_refused_by_name_and_spoils_nothing_else(tmp_path: Path) -> None:
    later = GOOD + (
        "  n:\n    walk: [1.3.6.1.2.1.25.1.2]\n    metrics:\n"
        "      - {name: hrSystemDate, oid: 1.3.6.1.2.1.25.1.1, type: DateAndTime, help: x}\n"
    )
    config = load(tmp_path, later.replace("auths:", "auths:\n  v1: {version: 1}"))
    assert config.module("m")
    with pytest.raises(UnknownName, match="module 'n' cannot be used: metric 'hrSystemDate' lies under none of walk"):
        config.module("n")
    assert config.auth("v1").version == 1
    assert len(config.refusals()) == 1


def test_a_secret_comes_from_the_environment_and_its_absence_is_named(tmp_path: Path) -> None:
    auth = load(tmp_path, GOOD.replace("community: public", "community: 'a${SECRET_X}b'")).auth("public_v2")
    assert auth.secret({"SECRET_X": "-"}) == b"a-b"
    with pytest.raises(UnknownName, match="environment variable SECRET_X, which is not set"):
        auth.secret({})


@pytest.mark.parametrize(
    ("query", "said"),
    [
        (b"", "'target' parameter must be specified once"),
        (b"target=a&target=b", "'target' parameter must be specified once"),
        (b"target=192.0.2.1&module=nope", "Unknown module 'nope'"),
        (b"target=192.0.2.1&auth=nope", "Unknown auth 'nope'"),
        (b"target=192.0.2.1&module=", "'module' parameter must not be empty"),
        (b"target=tcp://192.0.2.1", "tcp is not supported yet"),
        (b"target=192.0.2.1:x", "is not HOST, HOST:PORT"),
    ],
)
def test_bad_questions_are_told_apart(query: bytes, said: str) -> None:
    with pytest.raises(UnknownName) as failed:
        parse_query(loader.load([loader.SHIPPED]), query)
    assert said in str(failed.value)


def test_a_question_has_the_peers_defaults() -> None:
    asked = parse_query(loader.load([loader.SHIPPED]), b"target=192.0.2.1")
    assert (asked.auth.name, [m.name for m in asked.modules]) == ("public_v2", ["if_mib"])


@pytest.mark.parametrize(
    ("index", "arcs", "shown"),
    [
        (Index("i", "gauge"), (7,), "7"),
        (Index("i", "InetAddressIPv4"), (192, 0, 2, 9), "192.0.2.9"),
        (Index("i", "DisplayString"), (2, 97, 98), "ab"),
        (Index("i", "DisplayString", implied=True), (97, 98), "ab"),
        (Index("i", "OctetString", size=2), (1, 255), "0x01FF"),
        (Index("i", "PhysAddress48"), (0, 1, 2, 3, 4, 255), "00:01:02:03:04:FF"),
        (Index("i", "EnumAsInfo", enum=((1, "one"),)), (1,), "one"),
    ],
)
def test_indexes_become_labels(index: Index, arcs: tuple[int, ...], shown: str) -> None:
    assert parse_index([index], arcs)[0] == {"i": shown}


def test_an_index_that_does_not_fit_is_malformed() -> None:
    with pytest.raises(Malformed):
        parse_index([Index("i", "InetAddressIPv4")], (192, 0, 2))
    with pytest.raises(Malformed):
        parse_index([Index("i", "OctetString", size=1)], (256,))


def test_lookups_chain_and_drop_labels() -> None:
    index = (Index("a", "gauge"),)
    lookups = (
        Lookup(("a",), "b", (1, 3, 6, 2), "gauge"),
        Lookup(("b",), "c", (1, 3, 6, 3), "DisplayString"),
        Lookup((), "a"),
    )
    module = Module("m", walk=((1, 3, 6),), metrics=(Metric("x", (1, 3, 6, 1), "gauge", "", index, lookups),))
    wanted = needs((module,))
    columns = {prefix: Column(prefix, 10, done=True) for prefix in wanted.columns}

    def row(arcs: tuple[int, ...], tag: int, content: bytes) -> None:
        columns[oid_content(arcs[:-1])].rows.append(Found(oid_content(arcs), tag, content))

    row((1, 3, 6, 1, 5), 2, b"\x01")
    row((1, 3, 6, 2, 5), 2, b"\x09")
    row((1, 3, 6, 3, 9), 4, b"nine")
    (found,) = [v for v in variables(wanted, Discovered(columns, {})) if v.metric]
    assert found.labels == 'b="9",c="nine"'
