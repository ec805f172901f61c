"""The exporter as a process against a real net-snmp agent, compared with net-snmp's own tools."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import snmp_world as w

IF = "1.3.6.1.2.1.2.2.1"
IFX = "1.3.6.1.2.1.31.1.1.1"
COMMAND = [sys.executable, "-m", "network_ops.cli.main", "exporter", "snmp"]


@contextmanager
def exporter(*options: str) -> Iterator[str]:
    """`noc exporter snmp` on a free port; yields its URL and checks that SIGTERM ends it cleanly."""
    process = subprocess.Popen([*COMMAND, "--listen", "127.0.0.1:0", *options], stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        line = process.stderr.readline()
        match = re.search(r"http://\S+(?=/)", line)
        assert match is not None, line + process.stderr.read()
        yield match[0]
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0


def get(url: str, timeout_s: float | None = None) -> tuple[int, str]:
    headers = {} if timeout_s is None else {"X-Prometheus-Scrape-Timeout-Seconds": str(timeout_s)}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with w.snmpd(tmp_path_factory.mktemp("snmpd")) as port:
        yield port


@pytest.fixture(scope="module")
def url(agent: int) -> Iterator[str]:
    with exporter() as base:
        yield base


def plain(value: str) -> float:
    return float(re.split(r"[ (]", value.strip())[0])


def test_every_value_of_the_interface_tables_is_what_snmpwalk_shows(agent: int, url: str) -> None:
    for _ in range(2):  # the second answer comes over the fast path
        before = w.snmpwalk(agent, IF) | w.snmpwalk(agent, IFX)
        status, body = get(f"{url}/snmp?target=127.0.0.1:{agent}&module=if_mib")
        after = w.snmpwalk(agent, IF) | w.snmpwalk(agent, IFX)
        assert status == 200
        names = {oid.rpartition(".")[2]: value for oid, value in before.items() if oid.startswith(f".{IFX}.1.")}
        compared = 0
        config = w.loader.load([w.loader.SHIPPED])
        for metric in config.module("if_mib").metrics:
            column = "." + ".".join(map(str, metric.oid))
            rows = {oid.rpartition(".")[2]: oid for oid in before if oid.rpartition(".")[0] == column}
            shown = {
                dict(ls)["ifIndex"]: (dict(ls), v) for (n, ls), v in w.samples(body).items() if n == metric.name and ls
            }
            assert shown.keys() == rows.keys(), metric.name
            for index, oid in rows.items():
                labels, value = shown[index]
                assert labels["ifName"] == names[index]
                if metric.type in ("gauge", "counter"):
                    assert plain(before[oid]) % 2**53 <= value <= plain(after[oid]) % 2**53, oid
                    compared += 1
        assert compared >= 20 * len(names)


def test_the_system_group_is_what_snmpwalk_shows(agent: int, url: str) -> None:
    seen = w.snmpwalk(agent, "1.3.6.1.2.1.1")
    _, body = get(f"{url}/snmp?target=127.0.0.1:{agent}&module=system")
    labels = {n: dict(ls).get(n) for (n, ls) in w.samples(body) if n.startswith("sys")}
    assert labels["sysName"] == seen[".1.3.6.1.2.1.1.5.0"] == "real-agent"
    assert labels["sysDescr"] == seen[".1.3.6.1.2.1.1.1.0"]
    assert f".{labels['sysObjectID']}" == seen[".1.3.6.1.2.1.1.2.0"]
    assert plain(seen[".1.3.6.1.2.1.1.3.0"]) <= w.sample(body, "sysUpTime") <= plain(seen[".1.3.6.1.2.1.1.3.0"]) + 3000


def test_self_metrics_have_the_peers_names_and_several_modules_share_a_poll(agent: int, url: str) -> None:
    _, body = get(f"{url}/snmp?target=127.0.0.1:{agent}&module=system,if_wan")
    for name in ("duration_seconds", "walk_duration_seconds", "packets_sent", "packets_retried", "pdus_returned"):
        for module in ("system", "if_wan"):
            assert w.sample(body, f"snmp_scrape_{name}", module=module) >= 0
    assert w.sample(body, "snmp_scrape_pdus_returned", module="if_wan") >= 9
    assert w.sample(body, "snmp_scrape_partial") == 0
    checked = subprocess.run(["promtool", "check", "metrics"], input=body, text=True, capture_output=True, check=False)
    assert checked.returncode in (0, 3)  # 3: style only (names and labels are the MIB's own)
    assert "error while linting" not in checked.stderr + checked.stdout


def test_a_wrong_community_is_a_500_within_the_scrapers_deadline(agent: int, tmp_path: Path) -> None:
    config = tmp_path / "snmp.yml"
    config.write_text(w.loader.SHIPPED.read_text().replace("community: public", "community: wrong"))
    with exporter("--config", str(config)) as base:
        began = time.monotonic()
        status, body = get(f"{base}/snmp?target=127.0.0.1:{agent}&module=system", timeout_s=2)
        assert status == 500
        assert "dead, or wrong community" in body
        assert time.monotonic() - began < 2
        _, own = get(f"{base}/metrics")
        failures = re.findall(r'snmp_target_failures_total\{reason="\w+"\} (\S+)', own)
        assert sum(map(float, failures)) == 1


def test_bad_questions_are_400_dead_targets_500_with_the_reason(url: str) -> None:
    assert get(f"{url}/snmp")[0] == 400
    assert get(f"{url}/snmp?target=127.0.0.1&module=nope") == (400, get(f"{url}/snmp?target=127.0.0.1&module=nope")[1])
    assert get(f"{url}/snmp?target=127.0.0.1&auth=site_v2")[0] == (
        400 if "NOC_SNMP_COMMUNITY" not in os.environ else 500
    )
    status, body = get(f"{url}/snmp?target=127.0.0.1:{w.free_udp_port()}&module=system")
    assert status == 500
    assert "[reason: refused]" in body
    assert get(f"{url}/healthz") == (200, "ok\n")
    assert "if_mib" in get(f"{url}/")[1]


def test_a_taken_port_an_open_address_and_a_bad_file_are_one_sentence_with_their_exit_codes(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for options, code, said in (
            (["--listen", f"127.0.0.1:{port}"], 2, "the port is taken by another program"),
            (["--listen", "0.0.0.0:0"], 4, "add --allow-remote"),
            (["--listen", "nowhere"], 2, "expected HOST:PORT"),
            (["--config", str(tmp_path / "none.yml")], 2, "cannot be read"),
            (["--token-file", str(tmp_path / "none"), "--targets", "http://127.0.0.1:1/"], 2, "cannot be read"),
        ):
            done = subprocess.run([*COMMAND, *options], capture_output=True, text=True, check=False, timeout=30)
            assert done.returncode == code, done.stderr
            assert said in done.stderr
            assert len(done.stderr.strip().splitlines()) == 1


def test_the_start_up_sweep_reads_every_target_and_names_the_silent_ones(agent: int, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("sesame\n")
    dead = w.free_udp_port()

    class Discovery(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            allowed = self.headers["Authorization"] == "Bearer sesame"
            groups = [
                {
                    "targets": [f"{host}:{port}"],
                    "labels": {"__param_module": "system,if_wan", "device": name, "site": site},
                }
                for host, port, name, site in (
                    ("127.0.0.1", agent, "a-r1", "a"),
                    ("localhost", agent, "b-r1", "b"),
                    ("127.0.0.1", dead, "b-sw1", "b"),
                )
            ]
            self.send_response(200 if allowed else 401)
            self.end_headers()
            self.wfile.write(json.dumps(groups).encode())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Discovery)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        with exporter("--targets", f"http://127.0.0.1:{server.server_port}/", "--token-file", str(token)) as base:
            until = time.monotonic() + 30
            while not (status := json.loads(get(f"{base}/sweep")[1]))["done"]:
                assert time.monotonic() < until
                time.sleep(0.1)
    finally:
        server.shutdown()
        server.server_close()
    assert status.pop("seconds") > 0
    counts = {"targets": 3, "answered": 2, "full": 2, "sites": 2, "sites_full": 1}
    assert status == counts | {"unanswered": ["b-sw1"], "done": True, "error": ""}
