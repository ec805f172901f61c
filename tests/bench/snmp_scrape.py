"""One exporter scrape beside the real snmp_exporter: the same snmpd, the same module file, in one run.

Measures CPU seconds per scrape (user and system, of the whole exporter process, HTTP included) on loopback, and the
time of a scrape at 600 ms round-trip time. As root it runs in a network namespace of its own with 50 interfaces;
otherwise with what the machine has. `python -m tests.bench.snmp_scrape` prints the result alone.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from exporters.snmp.loader import SHIPPED
from tests.bench.snmp_peer import VERSION, PeerMissingError, snmp_exporter

PAIRS = 24  # veth pairs: 48 interfaces beside the namespace's own
SCRAPES = 100
WARM_UP = 10
RTT_MS = 600
_CHILD = "WAN_NOC_BENCH_CHILD"
_USER = "{version: 3, username: bench, security_level: authPriv, auth_protocol: SHA256, password: bench-auth-secret, "
_USER += "priv_protocol: AES, priv_password: bench-priv-secret}"  # of an agent that lives for this run


def measure() -> dict[str, object]:
    """The comparison as JSON-ready values; without the peer only ours, with the reason."""
    command = [sys.executable, "-m", "tests.bench.snmp_scrape"]
    if os.geteuid() == 0:
        command = ["unshare", "-n", *command]
    try:
        peer = str(snmp_exporter())
    except PeerMissingError as error:
        peer = f"missing: {error}"
    done = subprocess.run(command, env=os.environ | {_CHILD: peer}, stdout=subprocess.PIPE, check=True)
    result: dict[str, object] = json.loads(done.stdout)
    return result


def main() -> None:
    """Inside the namespace: start everything, measure, print one JSON object."""
    peer = os.environ[_CHILD]
    _make_interfaces()
    with tempfile.TemporaryDirectory() as directory, _snmpd(Path(directory)) as port:
        file = Path(directory) / "bench.yml"
        file.write_text(SHIPPED.read_text().replace("auths:\n", f"auths:\n  bench_v3: {_USER}\n", 1))
        ours = [sys.executable, "-m", "network_ops.cli.main", "exporter", "snmp", "--config", str(file), "--listen"]
        with _exporter([*ours, f"127.0.0.1:{(free := _free_port(socket.SOCK_STREAM))}"], free) as process:
            result: dict[str, object] = {"ours": _figures(process, free, port)}
        if peer.startswith("missing"):
            result["peer"] = {"skipped": peer.removeprefix("missing: ")}
        else:
            free = _free_port(socket.SOCK_STREAM)
            command = [peer, f"--config.file={file}", "--log.level=error", f"--web.listen-address=127.0.0.1:{free}"]
            with _exporter(command, free) as process:
                result["peer"] = {"version": VERSION} | _figures(process, free, port)
            result |= _compared(result)
    for side in ("ours", "peer"):
        result[side].pop("body", None)  # type: ignore[attr-defined]
    print(json.dumps(result))


def _make_interfaces() -> None:
    """In an empty namespace: loopback up and many interfaces. Does nothing where there are others already."""
    if os.geteuid() != 0 or len(socket.if_nameindex()) > 4:
        return
    lines = ["link set lo up"]
    for number in range(PAIRS):
        lines.append(f"link add name wan{number:02}a type veth peer name wan{number:02}b")
        lines += [f"link set wan{number:02}{end} up" for end in "ab"]
    subprocess.run(["ip", "-batch", "-"], input="\n".join(lines), text=True, check=True)


def _free_port(kind: socket.SocketKind) -> int:
    with socket.socket(socket.AF_INET, kind) as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@contextlib.contextmanager
def _process(command: list[str], **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(command, env=os.environ | environment)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(10)


@contextlib.contextmanager
def _snmpd(directory: Path) -> Iterator[int]:
    port = _free_port(socket.SOCK_DGRAM)
    conf = directory / "agent.conf"  # not snmpd.conf: that name is for what snmpd itself keeps here
    user = "createUser bench SHA-256 bench-auth-secret AES bench-priv-secret\nrouser bench priv\n"
    conf.write_text(f"rocommunity public 127.0.0.1\n{user}")
    path = os.environ.get("PATH", "") + ":/usr/sbin"
    command = ["snmpd", "-f", "-Lf", "/dev/null", "-C", "-c", str(conf), "-p", str(directory / "pid")]
    with _process([*command, f"udp:127.0.0.1:{port}"], MIBS="", SNMP_PERSISTENT_DIR=str(directory), PATH=path):
        time.sleep(1.0)
        yield port


@contextlib.contextmanager
def _exporter(command: list[str], port: int) -> Iterator[psutil.Process]:
    with _process(command) as process:
        until = time.monotonic() + 20
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            if time.monotonic() > until:
                raise SystemExit(f"{command[0]} did not start to listen on port {port}")
            time.sleep(0.1)
        yield psutil.Process(process.pid)


def _scrape(connection: http.client.HTTPConnection, agent: int, auth: str = "public_v2") -> str:
    """One scrape over a kept connection, not compressed."""
    headers = {"X-Prometheus-Scrape-Timeout-Seconds": "120"}
    connection.request("GET", f"/snmp?target=127.0.0.1:{agent}&module=if_mib&auth={auth}", headers=headers)
    answer = connection.getresponse()
    body = answer.read().decode()
    if answer.status != 200:
        raise SystemExit(f"the scrape was answered {answer.status}: {body}")
    return body


def _figures(process: psutil.Process, port: int, agent: int) -> dict[str, object]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    v3_cpu_s, _, _ = _cpu(process, connection, agent, "bench_v3")
    cpu_s, wall_s, body = _cpu(process, connection, agent, "public_v2")
    wire = _on_the_wire(connection, agent)
    relay = _free_port(socket.SOCK_DGRAM)
    with _process([sys.executable, "-m", "tests.bench.snmp_relay", str(relay), str(agent), str(RTT_MS)]):
        time.sleep(1.0)
        times = []
        for _ in range(3):
            began = time.perf_counter()
            _scrape(connection, relay)
            times.append(round(time.perf_counter() - began, 3))
            if times[0] > 20:
                break  # no cache to warm: the next one is the same
    return {
        "samples": len(_samples(body)),
        "cpu_ms_per_scrape": round(cpu_s * 1000, 3),
        "v3_cpu_ms_per_scrape": round(v3_cpu_s * 1000, 3),
        "loopback_wall_ms_per_scrape": round(wall_s * 1000, 3),
        "scrapes_at_600_ms_rtt": len(times),  # the peer keeps no state: one scrape stands for first and next
        "first_scrape_at_600_ms_rtt_s": times[0],
        "next_scrape_at_600_ms_rtt_s": times[-1],
        "wire": wire,
        "memory_rss_mb": round(process.memory_info().rss / 1e6, 1),
        "body": body,
    }


def _cpu(
    process: psutil.Process, connection: http.client.HTTPConnection, agent: int, auth: str
) -> tuple[float, float, str]:
    """CPU and wall seconds of one scrape, and the last body."""
    body = ""
    for _ in range(WARM_UP):
        body = _scrape(connection, agent, auth)
    before, began = process.cpu_times(), time.perf_counter()
    for _ in range(SCRAPES):
        body = _scrape(connection, agent, auth)
    wall_s, after = time.perf_counter() - began, process.cpu_times()
    return (after.user + after.system - before.user - before.system) / SCRAPES, wall_s / SCRAPES, body


def _on_the_wire(connection: http.client.HTTPConnection, agent: int) -> dict[str, int]:
    """Datagrams and octets each way of one steady scrape: the second over a path that counts."""
    port = _free_port(socket.SOCK_DGRAM)
    command = [sys.executable, "-m", "tests.bench.snmp_relay", str(port), str(agent), "0"]
    relay = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        time.sleep(1.0)
        assert relay.stdout is not None
        counts: dict[str, int] = {}
        for _ in range(2):
            _scrape(connection, port)
            relay.send_signal(signal.SIGUSR1)
            counts = json.loads(relay.stdout.readline())
        return counts | {"bytes": counts["bytes_out"] + counts["bytes_back"]}
    finally:
        relay.terminate()
        relay.wait(10)


def _samples(body: str) -> dict[str, float]:
    """Samples of the device (not the exporters' own), labels in one order."""
    found = {}
    for line in body.splitlines():
        match = re.match(r"([^#{ ]+)(?:\{(.*)\})? (\S+)$", line)
        if match is not None and not match[1].startswith("snmp_"):
            labels = ",".join(sorted(re.findall(r'\w+="(?:[^"\\]|\\.)*"', match[2] or "")))
            found[f"{match[1]}{{{labels}}}"] = float(match[3])
    return found


def _compared(result: dict[str, object]) -> dict[str, object]:
    ours, peer = result["ours"], result["peer"]
    assert isinstance(ours, dict)
    assert isinstance(peer, dict)
    a, b = _samples(ours["body"]), _samples(peer["body"])
    still = [key for key in a.keys() & b.keys() if "Octets" not in key and "Pkts" not in key and "Time" not in key]
    return {
        "bytes_share_of_peer": round(ours["wire"]["bytes"] / peer["wire"]["bytes"], 4),
        "cpu_share_of_peer": round(ours["cpu_ms_per_scrape"] / peer["cpu_ms_per_scrape"], 4),
        "v3_cpu_share_of_peer": round(ours["v3_cpu_ms_per_scrape"] / peer["v3_cpu_ms_per_scrape"], 4),
        "round_trips_at_600_ms_rtt": {
            "ours_first": round(ours["first_scrape_at_600_ms_rtt_s"] / RTT_MS * 1000, 2),
            "ours_next": round(ours["next_scrape_at_600_ms_rtt_s"] / RTT_MS * 1000, 2),
            "peer": round(peer["next_scrape_at_600_ms_rtt_s"] / RTT_MS * 1000, 2),
        },
        "only_ours": sorted(a.keys() - b.keys())[:20],
        "only_peer": sorted(b.keys() - a.keys())[:20],
        "different_values": sorted(key for key in still if a[key] != b[key])[:20],
    }


if __name__ == "__main__":
    if _CHILD in os.environ:
        main()
    else:
        print(json.dumps(measure(), indent=1))
