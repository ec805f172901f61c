"""The twin as a process: net-snmp's clients, real echoes, the fault command, restarts and bad luck."""

from __future__ import annotations

import signal
import socket
import statistics
import subprocess
import time
from pathlib import Path

import httpx
import pytest
from twin_process import RunningTwin

import inventory
from inventory.models import Inventory, Session


def snmp(twin: RunningTwin, program: str, address: str, *names: str, options: tuple[str, ...] = ("-v2c",)) -> str:
    """What net-snmp's `program` prints about `names` at an inventory address."""
    command = [program, "-On", "-m", "", "-c", "public", "-t", "3", "-r", "3", *options, twin.map["snmp"][address]]
    done = subprocess.run([*command, *names], capture_output=True, text=True, timeout=100, check=False)
    return done.stdout + done.stderr


def echo(twin: RunningTwin, addresses: list[str], wait_s: float) -> dict[str, list[float]]:
    """Round-trip seconds of one echo to each address (listed as often as wanted), all sent at once."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sent: dict[bytes, tuple[str, float]] = {}
        for number, address in enumerate(addresses):
            host, _, port = twin.map["echo"][address].partition(":")
            payload = f"{number} to {address}".encode()
            sent[payload] = (address, time.monotonic())
            sock.sendto(payload, (host, int(port)))
        found: dict[str, list[float]] = {}
        deadline = time.monotonic() + wait_s
        while len(sent) and (left := deadline - time.monotonic()) > 0:
            sock.settimeout(left)
            try:
                payload, (host, port) = sock.recvfrom(2048)
            except TimeoutError:
                break
            address, at = sent.pop(payload)
            assert twin.map["echo"][address] == f"{host}:{port}"
            found.setdefault(address, []).append(time.monotonic() - at)
        return found


def quiet_sessions(inv: Inventory, count: int) -> list[Session]:
    """Sessions of different circuits with the shortest round trips."""
    found = {s.circuit.id: s for s in sorted(inv.sessions.values(), key=lambda s: -s.rtt_ms)}
    return sorted(found.values(), key=lambda s: s.rtt_ms)[:count]


@pytest.fixture(autouse=True)
def _no_faults_left(request: pytest.FixtureRequest) -> None:
    if "twin" in request.fixturenames:
        request.getfixturevalue("twin").call("DELETE", "/faults")


def test_the_map_names_every_device_and_session_once(twin: RunningTwin, inv: Inventory) -> None:
    devices = {str(d.address) for d in inv.devices.values()}
    assert set(twin.map["snmp"]) == devices
    assert set(twin.map["echo"]) == devices | {str(s.site_address) for s in inv.sessions.values()}
    for endpoints in twin.map.values():
        assert len(set(endpoints.values())) == len(endpoints)
        assert all(e.startswith("127.") for e in endpoints.values())


@pytest.mark.parametrize(
    ("role", "subtree", "objects"),
    [
        ("ups", ".", 60),
        ("router", ".1.3.6.1.2.1.15", 51),
        ("switch", ".1.3.6.1.2.1.2.2.1.2", 9),
        ("vsat-modem", ".1.3.6.1.4.1.32473", 5),
    ],
)
def test_net_snmp_walks_the_same_by_getnext_and_by_getbulk(
    twin: RunningTwin, inv: Inventory, role: str, subtree: str, objects: int
) -> None:
    home = {s: inventory.home_session(inv, s).rtt_ms for s in inv.sites}
    device = min((d for d in inv.devices.values() if d.role == role), key=lambda d: (home[d.site], d.ports))
    by_next = snmp(twin, "snmpwalk", str(device.address), subtree).splitlines()
    by_bulk = snmp(twin, "snmpbulkwalk", str(device.address), subtree, options=("-v2c", "-Cr25")).splitlines()
    assert [line.split(" = ")[0] for line in by_bulk] == [line.split(" = ")[0] for line in by_next]
    assert len(by_next) >= objects
    assert not any("Timeout" in line or "No Such" in line for line in by_next)
    if subtree == ".":
        assert f'.1.3.6.1.2.1.1.5.0 = STRING: "{device.id}"' in by_next
        assert "past the end of the MIB" in by_next[-1]


def test_net_snmp_reads_version_one(twin: RunningTwin, inv: Inventory) -> None:
    device = next(iter(inv.devices.values()))
    said = snmp(twin, "snmpget", str(device.address), ".1.3.6.1.2.1.1.5.0", options=("-v1",))
    assert f'"{device.id}"' in said


def test_a_wrong_community_gets_silence(twin: RunningTwin, inv: Inventory) -> None:
    endpoint = twin.map["snmp"][str(next(iter(inv.devices.values())).address)]
    before = twin.call("GET", "/statistics").json()["snmp"]["bad_communities"]
    command = ["snmpget", "-v2c", "-c", "guess", "-t", "1", "-r", "0", endpoint, ".1.3.6.1.2.1.1.5.0"]
    assert subprocess.run(command, capture_output=True, check=False).returncode != 0
    assert twin.call("GET", "/statistics").json()["snmp"]["bad_communities"] == before + 1


def test_echoes_take_the_circuits_round_trip(twin: RunningTwin, inv: Inventory) -> None:
    sessions = quiet_sessions(inv, 12)
    found = echo(twin, [str(s.site_address) for s in sessions for _ in range(40)], wait_s=2)
    for session in sessions:
        trips = found[str(session.site_address)]
        expected = (session.rtt_ms + 1.33 * session.circuit.jitter_ms) / 1000
        assert min(trips) > session.rtt_ms / 1000 - 0.002, session.id
        assert abs(statistics.fmean(trips) - expected) < 0.012 + 0.6 * session.circuit.jitter_ms / 1000, session.id


def test_a_degraded_circuit_loses_three_in_ten_and_is_slower(twin: RunningTwin, inv: Inventory) -> None:
    (session,) = quiet_sessions(inv, 1)
    assert twin.call("POST", "/faults", {"kind": "circuit-degrade", "target": session.circuit.id}).status_code == 201
    found = echo(twin, [str(session.site_address)] * 400, wait_s=1.5)[str(session.site_address)]
    assert 0.6 < len(found) / 400 < 0.8  # 4.4 standard deviations each way
    assert min(found) > (session.rtt_ms * 1.5 + 80) / 1000 - 0.002


def test_power_loss_silences_the_site_and_restarts_its_counters(twin: RunningTwin, inv: Inventory) -> None:
    session = quiet_sessions(inv, 1)[0]
    device = inv.devices_of[session.site][0]
    fault = twin.call("POST", "/faults", {"kind": "site-power", "target": session.site}).json()
    assert set(fault["devices"]) == {d.id for d in inv.devices_of[session.site]}
    assert echo(twin, [str(session.site_address), str(device.address)], wait_s=1) == {}
    twin.call("DELETE", f"/faults/{fault['id']}")
    assert len(echo(twin, [str(session.site_address)] * 5, wait_s=1)) == 1
    said = snmp(twin, "snmpget", str(device.address), ".1.3.6.1.2.1.1.3.0")
    ticks = int(said.partition("(")[2].partition(")")[0])
    assert 0 < ticks < 2000


def test_a_silent_agent_echoes_but_does_not_speak(twin: RunningTwin, inv: Inventory) -> None:
    device = inv.devices_of[quiet_sessions(inv, 1)[0].site][0]
    assert twin.noc("fault", "inject", "agent-silent", device.id).returncode == 0
    assert echo(twin, [str(device.address)] * 5, wait_s=1)
    endpoint = twin.map["snmp"][str(device.address)]
    command = ["snmpget", "-v2c", "-c", "public", "-t", "1", "-r", "0", endpoint, ".1.3.6.1.2.1.1.5.0"]
    assert subprocess.run(command, capture_output=True, check=False).returncode != 0


def test_the_fault_command_injects_lists_and_clears(twin: RunningTwin, inv: Inventory) -> None:
    circuit = next(iter(inv.circuits))
    done = twin.noc("fault", "inject", "circuit-cut", circuit, "--for", "10m")
    assert done.returncode == 0
    assert done.stdout == ""
    fault_id = done.stderr.split()[0]
    listed = twin.noc("fault", "list")
    assert fault_id in listed.stdout
    assert circuit in listed.stdout
    assert "." not in listed.stdout.partition("since ")[2], "times are whole seconds"
    another = twin.noc("fault", "inject", "circuit-cut", circuit)
    until = listed.stdout.partition(" until ")[2].split()[0]
    warning, injected = another.stderr.splitlines()
    assert warning == f"already active as {fault_id} until {until}; this adds another"
    assert "1 circuit, 2 sessions" in injected
    assert twin.noc("fault", "clear", injected.split()[0]).returncode == 0
    assert twin.noc("fault", "clear", fault_id).returncode == 0
    again = twin.noc("fault", "clear", fault_id)
    assert again.returncode == 2
    assert f"no active fault '{fault_id}'" in again.stderr
    wrong = twin.noc("fault", "inject", "site-power", "atlantis")
    assert wrong.returncode == 2
    assert "has no site 'atlantis'" in wrong.stderr
    assert twin.noc("fault", "inject", "site-power", "x", "--for", "soon").returncode == 2


def test_without_a_noc_fault_and_status_say_the_same_and_exit_2(twin: RunningTwin) -> None:
    for words in (("fault", "list"), ("status",)):
        done = twin.noc(*words, "--state-dir", "/nonexistent")
        assert done.returncode == 2
        assert done.stderr.startswith(f"noc {words[0]}: no NOC runs on /nonexistent: start one with `noc up`")


def test_a_fault_ends_by_itself_at_its_time(twin: RunningTwin, inv: Inventory) -> None:
    body = {"kind": "hub-isolation", "target": "valencia", "for_s": 0.5}
    fault = twin.call("POST", "/faults", body).json()
    assert len(fault["sessions"]) == len(inv.sites) + sum(len(c) - 1 for c in inv.circuits_of.values())
    time.sleep(0.7)
    assert twin.call("GET", "/faults").json() == []
    ended = next(f for f in twin.call("GET", "/faults?all=1").json() if f["id"] == fault["id"])
    assert ended["cleared_at"] == ended["expires_at"]
    log = (twin.state_dir / "twin-faults.jsonl").read_text()
    assert f'"event": "expired", "id": "{fault["id"]}"' in log


@pytest.mark.parametrize(
    ("body", "status", "sentence"),
    [
        ({"kind": "meteorite", "target": "x"}, 400, "use one of"),
        ({"kind": "hub-isolation", "target": "paris"}, 404, "no hub 'paris'"),
        ({"kind": "hub-isolation", "target": "valencia", "for_s": -1}, 400, "above 0"),
        ({"kind": "hub-isolation", "target": "valencia", "for_s": "10m"}, 400, "seconds"),
        ({"kind": "hub-isolation"}, 400, "must be text"),
        ({"kind": "hub-isolation", "target": "valencia", "loud": True}, 400, "other keys"),
        ([], 400, "object"),
    ],
)
def test_bad_faults_get_a_sentence(twin: RunningTwin, body: object, status: int, sentence: str) -> None:
    answer = twin.call("POST", "/faults", body)
    assert answer.status_code == status
    assert sentence in answer.json()["error"]


def test_nothing_is_told_or_broken_without_the_token(twin: RunningTwin) -> None:
    for method, path in (("GET", "/map"), ("GET", "/faults"), ("POST", "/faults"), ("DELETE", "/faults")):
        answer = httpx.request(method, twin.url + path, trust_env=False)
        assert answer.status_code == 401
    assert httpx.get(twin.url + "/healthz", trust_env=False).json()["ok"] is True


def test_a_killed_twin_comes_back_with_its_faults_and_its_map(new_twin: RunningTwin, inv: Inventory) -> None:
    session = quiet_sessions(inv, 1)[0]
    for kind, target in (("site-power", session.site), ("flap", next(reversed(inv.circuits)))):
        assert new_twin.call("POST", "/faults", {"kind": kind, "target": target}).is_success
    faults, endpoints = new_twin.call("GET", "/faults").json(), new_twin.map
    new_twin.stop(signal.SIGKILL)
    new_twin.start()
    assert new_twin.call("GET", "/faults").json() == faults
    assert new_twin.map == endpoints
    assert echo(new_twin, [str(session.site_address)], wait_s=1) == {}


def test_two_twins_on_one_machine_do_not_hear_each_other(
    twin: RunningTwin, new_twin: RunningTwin, inv: Inventory
) -> None:
    assert set(twin.map["echo"].values()).isdisjoint(new_twin.map["echo"].values())
    session = quiet_sessions(inv, 1)[0]
    new_twin.call("POST", "/faults", {"kind": "site-power", "target": session.site})
    assert len(echo(twin, [str(session.site_address)] * 5, wait_s=1)) == 1


def test_bad_luck_at_the_start_is_one_sentence(twin: RunningTwin, tmp_path: Path) -> None:
    token = str(twin.state_dir / "secrets" / "internal.token")
    port = twin.url.rpartition(":")[2]
    common = ["twin", "run", "--inventory", str(twin.tables), "--state-file", str(tmp_path / "s.json")]
    taken = twin.noc(*common, "--token-file", token, "--control", f"127.0.0.1:{port}")
    assert taken.returncode == 2
    assert "choose another --control" in taken.stderr
    (tmp_path / "s.json").write_text("{half a state")
    broken = twin.noc(*common, "--token-file", token, "--control", "127.0.0.1:0")
    assert broken.returncode == 2
    assert "remove the file to start a fresh world" in broken.stderr
    missing = twin.noc(*common, "--token-file", str(tmp_path / "none"), "--control", "127.0.0.1:0")
    assert missing.returncode == 2
    exposed = twin.noc(*common, "--token-file", token, "--control", "0.0.0.0:9594")
    assert exposed.returncode == 2
    assert "loopback" in exposed.stderr
    assert not any("Traceback" in done.stderr for done in (taken, broken, missing, exposed))


def test_garbage_from_the_network_is_survived(twin: RunningTwin, inv: Inventory) -> None:
    host, _, port = twin.map["snmp"][str(next(iter(inv.devices.values())).address)].partition(":")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for size in (0, 1, 60, 1472, 9000, 60_000):
            sock.sendto(b"\x30" * size, (host, int(port)))
        sock.sendto(b"to nobody", ("127.9.9.9", int(port)))
    time.sleep(1)
    counted = twin.call("GET", "/statistics").json()
    assert counted["snmp"]["malformed"] > 0
    assert counted["datagrams"]["stray"] > 0
    assert twin.process is not None
    assert twin.process.poll() is None
