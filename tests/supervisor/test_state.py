"""The state directory: lock, token, run file, ports."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from network_ops.supervisor.children import restart_delay
from network_ops.supervisor.errors import GuardError, StartError
from network_ops.supervisor.ports import DEFAULT_PORTS, check_free, free_ports, parse_ports
from network_ops.supervisor.state import ChildStatus, RunStatus, StateDir, end_leftovers, read_run_file


def test_a_second_noc_on_the_same_directory_is_refused_with_the_owner_named(tmp_path: Path) -> None:
    state = StateDir(tmp_path)
    state.prepare()
    refusal = rf"already runs on .* \(pid {os.getpid()}\).*--state-dir"
    with state.locked(), pytest.raises(GuardError, match=refusal), StateDir(tmp_path).locked():
        pytest.fail("a second NOC got the lock")
    with state.locked():
        pass  # free again afterwards
    assert GuardError.code == 4


def test_the_token_is_secret_and_kept(tmp_path: Path) -> None:
    state = StateDir(tmp_path)
    state.prepare()
    first = state.token_file.read_text()
    assert len(first.strip()) >= 32
    assert stat.S_IMODE(state.token_file.stat().st_mode) == 0o600
    state.prepare()
    assert state.token_file.read_text() == first


def test_a_directory_that_cannot_be_made_is_a_sentence_with_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StartError, match=r"cannot be written .*choose another with --state-dir"):
        StateDir(tmp_path / "file" / "state").prepare()


def test_a_full_disk_is_refused_before_anything_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("network_ops.supervisor.state.MINIMUM_FREE_BYTES", 2**62)
    with pytest.raises(StartError, match="MiB free and at least"):
        StateDir(tmp_path).prepare()


def test_the_run_file_survives_a_round_trip_and_is_refused_when_its_noc_is_gone(tmp_path: Path) -> None:
    state = StateDir(tmp_path)
    status = RunStatus(os.getpid(), "2026-01-01T00:00:00+00:00", "simulated", "/inv", [ChildStatus("twin", "http://x")])
    status.write(state.run_file)
    assert read_run_file(state) == status
    gone = os.spawnvp(os.P_NOWAIT, "true", ["true"])
    os.waitpid(gone, 0)
    status.pid = gone
    status.write(state.run_file)
    with pytest.raises(StartError, match="no NOC runs on"):
        read_run_file(state)


def test_a_taken_port_is_named_with_the_option_that_moves_it() -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        with pytest.raises(StartError, match=rf"port {port} \(prometheus\) is taken.*--port prometheus=PORT"):
            check_free({"prometheus": port})


@pytest.mark.parametrize("choice", ["prometheus", "prometheus=x", "nothing=80", "snmp=0", "snmp=65536"])
def test_a_wrong_port_choice_is_refused_with_the_known_names(choice: str) -> None:
    with pytest.raises(StartError, match="NAME=PORT with a name of: console, twin"):
        parse_ports((choice,), tuple(DEFAULT_PORTS))


def test_one_port_for_two_parts_is_refused() -> None:
    with pytest.raises(StartError, match="given to both"):
        parse_ports(("snmp=9090",), ("prometheus", "snmp"))


def test_free_ports_are_all_different() -> None:
    ports = free_ports(tuple(DEFAULT_PORTS))
    assert len(set(ports.values())) == len(DEFAULT_PORTS)
    check_free(ports)


def test_restarts_come_within_five_seconds_however_often() -> None:
    delays = [restart_delay(n) for n in range(12)]
    assert delays[0] == 0.5
    assert delays == sorted(delays)
    assert max(delays) < 5.0


def test_what_a_killed_parent_left_behind_is_ended_and_nothing_else(tmp_path: Path) -> None:
    state = StateDir(tmp_path)
    state.prepare()
    idle = "import time; time.sleep(60)"
    with (
        subprocess.Popen([sys.executable, "-c", idle, f"--token-file={state.token_file}"]) as ours,
        subprocess.Popen([sys.executable, "-c", idle]) as stranger,
    ):
        try:
            os.kill(ours.pid, signal.SIGSTOP)
            children = [ChildStatus("probes", "u", ours.pid), ChildStatus("snmp", "u", stranger.pid)]
            RunStatus(1, "t", "simulated", "i", children).write(state.run_file)
            assert end_leftovers(state) == [ours.pid]
            assert not psutil.pid_exists(ours.pid)
            assert stranger.poll() is None
        finally:
            ours.kill()
            stranger.kill()


def test_an_empty_token_file_is_filled_again_and_the_directory_is_private(tmp_path: Path) -> None:
    state = StateDir(tmp_path / "s")
    state.prepare()
    state.token_file.write_text("\n")
    state.prepare()
    assert len(state.token_file.read_text().strip()) >= 32
    assert stat.S_IMODE((tmp_path / "s").stat().st_mode) == 0o700
