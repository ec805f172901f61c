"""Which children make a NOC, and their command lines."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from network_ops.supervisor.errors import StartError
from network_ops.supervisor.parts import Options, TwinKind, part_names, specs
from network_ops.supervisor.ports import free_ports
from network_ops.supervisor.state import StateDir


def options(tmp_path: Path, twin: TwinKind) -> Options:
    return Options(twin, tmp_path / "inventory", StateDir(tmp_path), free_ports(part_names(twin)))


def test_the_simulated_network_has_a_twin_and_the_console_knows_it(tmp_path: Path) -> None:
    chosen = options(tmp_path, "simulated")
    found = specs(chosen)
    assert list(found) == ["twin", "console", "snmp", "probes", "fleet", "alertmanager", "prometheus"]
    assert f"http://127.0.0.1:{chosen.ports['twin']}" in found["console"].argv


def test_the_real_network_has_no_twin(tmp_path: Path) -> None:
    found = specs(options(tmp_path, "none"))
    assert list(found) == ["console", "snmp", "probes", "fleet", "alertmanager", "prometheus"]
    assert "--twin" not in found["console"].argv


def test_everything_listens_on_loopback(tmp_path: Path) -> None:
    for spec in specs(options(tmp_path, "simulated")).values():
        listening = [a for a in spec.argv if a.startswith(("--web.listen-address=", "127.0.0.1:"))]
        assert listening, f"{spec.name} has no address to check"
        assert all("127.0.0.1:" in a for a in listening)


def test_a_missing_program_is_named_with_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    with pytest.raises(StartError, match="program prometheus-alertmanager is missing: install the Debian package"):
        specs(options(tmp_path, "simulated"))
