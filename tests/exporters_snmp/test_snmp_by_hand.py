"""`noc snmp walk|get|explain` against a real snmpd: what it prints, and its exit codes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import snmp_world as w
from click.testing import CliRunner, Result

from network_ops.cli.snmp import cli


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with w.snmpd(tmp_path_factory.mktemp("by-hand")) as port:
        yield f"127.0.0.1:{port}"


def noc(*arguments: str) -> Result:
    return CliRunner().invoke(cli, arguments, catch_exceptions=False)


def test_a_walk_prints_what_snmpwalk_finds(target: str) -> None:
    found = noc("walk", target)
    assert found.exit_code == 0
    theirs = w.snmpwalk(int(target.rpartition(":")[2]), "1.3.6.1.2.1.1")
    lines = dict(line.split(" = ", 1) for line in found.stdout.splitlines())
    assert {f".{name}" for name in lines} == theirs.keys()
    assert lines["1.3.6.1.2.1.1.5.0"] == 'OCTET STRING: "real-agent"'
    assert lines["1.3.6.1.2.1.1.3.0"].startswith("TimeTicks: ")
    plain = json.loads(noc("walk", target, "--json").stdout)
    assert {row["oid"] for row in plain} == lines.keys()


def test_a_get_prints_what_there_is_and_names_what_there_is_not(target: str) -> None:
    found = noc("get", target, "1.3.6.1.2.1.1.5.0", "1.3.6.1.2.1.1.99.0")
    assert found.stdout == '1.3.6.1.2.1.1.5.0 = OCTET STRING: "real-agent"\n'
    assert found.exit_code == 1
    assert "has no 1.3.6.1.2.1.1.99.0" in found.stderr


def test_explain_shows_the_second_poll(target: str) -> None:
    found = noc("explain", target, "--module", "system")
    assert found.exit_code == 0
    assert "ok       " in found.stdout
    assert "walking" not in found.stdout
    assert "known shape" in found.stdout


def test_a_dead_target_is_1_and_wrong_input_2(tmp_path: Path) -> None:
    dead = noc("get", "127.0.0.1:9", "1.3.6.1.2.1.1.3.0", "--timeout", "1")
    assert (dead.exit_code, dead.stdout) == (1, "")
    assert noc("explain", "127.0.0.1:9", "--timeout", "1").exit_code == 1
    assert noc("walk", "127.0.0.1:9", "sysName").exit_code == 2
    assert noc("walk", "tcp://192.0.2.1").exit_code == 2
    assert noc("walk", "no-such-host.invalid").exit_code == 1
    assert noc("get", "127.0.0.1:9", "1.3.6.1.2.1.1.3.0", "--auth", "nobody").exit_code == 2
    missing = noc("walk", "127.0.0.1:9", "--config", str(tmp_path / "none.yml"))
    assert missing.exit_code == 2
    assert "cannot be read" in missing.stderr
