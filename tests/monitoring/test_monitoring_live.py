"""Real Prometheus and Alertmanager on loopback: an alert fires, arrives by webhook and mail, and resolves."""

from __future__ import annotations

import http.server
import json
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiosmtpd.controller import Controller

import inventory
from network_ops.monitoring import Mail, Settings, render

STATE = (
    'wan_session_up{{site="ke-nairobi",circuit="ke-nairobi.a",hub="{hub}",region="africa-east",tier="1",'
    'carrier="geo-one",kind="geo"}} {value}\n'
)


class Fake(http.server.BaseHTTPRequestHandler):
    """Prober, service discovery and webhook sink in one."""

    up = 1
    calls: list[dict[str, Any]] = []  # noqa: RUF012

    def do_GET(self) -> None:
        if self.path == "/metrics/state":
            body = "".join(STATE.format(hub=hub, value=type(self).up) for hub in ("valencia", "brindisi"))
            # Another site that is up, so that this is a dead site and not an isolated hub.
            body += body.replace("ke-nairobi", "so-mogadishu").replace("geo-one", "geo-two").replace("} 0", "} 1")
        elif self.path.startswith("/api/sd/"):
            body = "[]"
        else:
            body = ""
        self._answer(200, body)

    def do_POST(self) -> None:
        data = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Authorization") != "Bearer secret":
            self._answer(403, "")
            return
        type(self).calls.append(json.loads(data))
        self._answer(200, "")

    def _answer(self, status: int, body: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json" if "/api/" in self.path else "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_: object) -> None:
        """Quiet."""


class Inbox:
    """Keeps what the mail server takes."""

    def __init__(self) -> None:
        self.mails: list[str] = []

    async def handle_DATA(self, _server: object, _session: object, envelope: Any) -> str:
        self.mails.append(envelope.content.decode())
        return "250 OK"


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


@contextmanager
def running(log: Path, *command: str) -> Iterator[None]:
    with log.open("w") as file, subprocess.Popen(command, stdout=file, stderr=file) as process:
        try:
            yield
        finally:
            process.terminate()
            process.wait(timeout=20)


def until(condition: Callable[[], bool], limit_s: float, what: str) -> float:
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < limit_s, f"{what}: not within {limit_s} s"
        time.sleep(0.1)
    return time.monotonic() - began


def ready(url: str) -> bool:
    try:
        return httpx.get(url + "/-/ready").status_code == 200
    except httpx.HTTPError:
        return False


def webhook(name: str, status: str) -> bool:
    return any(
        a["labels"]["alertname"] == name and a["status"] == status for call in Fake.calls for a in call["alerts"]
    )


@pytest.fixture
def fake() -> Iterator[str]:
    Fake.up, Fake.calls = 1, []
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Fake)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_an_alert_fires_arrives_by_webhook_and_mail_and_resolves(fake: str, tmp_path: Path) -> None:
    prometheus, alertmanager = shutil.which("prometheus"), shutil.which("prometheus-alertmanager")
    alertmanager = alertmanager or shutil.which("alertmanager")
    assert prometheus, "install Debian's prometheus"
    assert alertmanager, "install Debian's prometheus-alertmanager"
    (tmp_path / "token").write_text("secret")
    prometheus_port, alertmanager_port, mail_port = free_port(), free_port(), free_port()
    inbox = Inbox()
    mail = Controller(inbox, hostname="127.0.0.1", port=mail_port)
    mail.start()
    settings = Settings(
        console_url=fake,
        snmp_url=fake,
        probes_url=fake,
        fleet_url=fake,
        prometheus_url=f"http://127.0.0.1:{prometheus_port}",
        alertmanager_url=f"http://127.0.0.1:{alertmanager_port}",
        token_file=tmp_path / "token",
        mail=Mail(f"127.0.0.1:{mail_port}", "noc@example.org", "duty@example.org"),
    )
    render(inventory.load(inventory.packaged_tables()), settings, tmp_path / "etc")
    try:
        with (
            running(
                tmp_path / "alertmanager.log",
                alertmanager,
                f"--config.file={tmp_path / 'etc' / 'alertmanager.yml'}",
                f"--storage.path={tmp_path / 'am'}",
                f"--web.listen-address=127.0.0.1:{alertmanager_port}",
                "--cluster.listen-address=",
            ),
            running(
                tmp_path / "prometheus.log",
                prometheus,
                f"--config.file={tmp_path / 'etc' / 'prometheus.yml'}",
                f"--storage.tsdb.path={tmp_path / 'tsdb'}",
                f"--web.listen-address=127.0.0.1:{prometheus_port}",
                "--rules.alert.resend-delay=5s",
            ),
        ):
            until(lambda: ready(settings.prometheus_url) and ready(settings.alertmanager_url), 30, "start")
            until(lambda: webhook("Watchdog", "firing"), 30, "Watchdog by webhook")
            time.sleep(7)
            assert not webhook("SiteDown", "firing")
            Fake.up = 0
            assert until(lambda: webhook("SiteDown", "firing"), 20, "SiteDown by webhook") < 12
            until(lambda: any("Site ke-nairobi is down" in text for text in inbox.mails), 30, "SiteDown by mail")
            Fake.up = 1
            until(lambda: webhook("SiteDown", "resolved"), 30, "resolved by webhook")
    finally:
        mail.stop()
    text = next(text for text in inbox.mails if "ke-nairobi" in text)
    assert "Subject: [FIRING:1] Site ke-nairobi is down" in text
    assert "Runbook: docs/runbooks/SiteDown.md" in text
    assert not any("Watchdog" in mail_text for mail_text in inbox.mails)
    (site,) = {a["labels"]["site"] for c in Fake.calls for a in c["alerts"] if a["labels"]["alertname"] == "SiteDown"}
    assert site == "ke-nairobi"
