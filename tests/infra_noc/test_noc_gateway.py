"""The pod's door: a real nginx with the shipped configuration before a stand-in for the console and Prometheus."""

from __future__ import annotations

import json
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest

from infra.noc.manifests import HERE, fill

HOST = "noc.valencia.wan.example"


class Echo(BaseHTTPRequestHandler):
    """Answers with what it was asked, a cookie and a redirect of its own."""

    protocol_version = "HTTP/1.1"

    def _answer(self) -> None:
        if self.path == "/events":
            self._stream()
            return
        body = json.dumps({"path": self.path, "headers": {k.lower(): v for k, v in self.headers.items()}}).encode()
        self.send_response(303 if self.path == "/away" else 200)
        if self.path == "/away":
            self.send_header("Location", f"http://{self.headers['Host']}/login")
        self.send_header("Set-Cookie", "visit=1; HttpOnly; SameSite=Strict")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = _answer  # noqa: N815 - the library's names

    def _stream(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        for number in range(2):
            self.wfile.write(f"data: {number}\n\n".encode())
            self.wfile.flush()
            time.sleep(1.0)

    def log_message(self, *_: Any) -> None:
        pass


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, int]]:
    """nginx with the shipped configuration; only paths and ports are this test's own."""
    nginx = shutil.which("nginx", path="/usr/sbin:/usr/bin:/sbin:/bin")
    assert nginx, "nginx is missing: make debian-test installs it (nginx-light)"
    folder = tmp_path_factory.mktemp("gateway")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={HOST}",
         "-addext", f"subjectAltName=DNS:{HOST},DNS:localhost", "-keyout", "key.pem", "-out", "cert.pem"],
        cwd=folder, check=True, capture_output=True,
    )  # fmt: skip
    (folder / "console.pem").write_text((folder / "cert.pem").read_text() + (folder / "key.pem").read_text())
    behind = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    threading.Thread(target=behind.serve_forever, daemon=True).start()
    ports = {"https": free_port(), "federate": free_port(), "behind": behind.server_port}
    text = fill((HERE / "gateway.conf").read_text(), {"console_host": HOST})
    for old, new in {
        "/tmp/": f"{folder}/",
        "/tls/": f"{folder}/",
        "listen 8443": f"listen 127.0.0.1:{ports['https']}",
        "listen 9091": f"listen 127.0.0.1:{ports['federate']}",
        "127.0.0.1:8594": f"127.0.0.1:{behind.server_port}",
        "127.0.0.1:9090": f"127.0.0.1:{behind.server_port}",
    }.items():
        assert old in text, f"the configuration no longer has {old!r}"
        text = text.replace(old, new)
    (folder / "nginx.conf").write_text(text)
    command = [nginx, "-c", str(folder / "nginx.conf"), "-p", str(folder), "-e", "stderr"]
    subprocess.run([*command, "-t"], check=True, capture_output=True)
    process = subprocess.Popen([*command, "-g", "daemon off;"], stderr=subprocess.DEVNULL)
    try:
        for _ in range(100):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", ports["https"])) == 0:
                    break
            time.sleep(0.05)
        yield ports | {"pem": 0}
    finally:
        process.terminate()
        process.wait(10)
        behind.shutdown()
        behind.server_close()


def ask(door: dict[str, int], path: str, name: str = HOST, method: str = "GET", **headers: str) -> httpx.Response:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # a certificate of our own, made above
    with httpx.Client(verify=context) as client:
        url = f"https://127.0.0.1:{door['https']}{path}"
        return client.request(method, url, headers={"Host": name} | headers, extensions={"sni_hostname": name})


def test_the_console_sees_its_loopback_name_and_our_public_origin_as_its_own(door: dict[str, int]) -> None:
    answer = ask(door, "/alerts", method="POST", Origin=f"https://{HOST}", Authorization="Bearer stolen")
    seen = answer.json()["headers"]
    own = f"127.0.0.1:{door['behind']}"
    assert (seen["host"], seen["origin"]) == (own, f"http://{own}")
    assert "authorization" not in seen


@pytest.mark.parametrize("origin", ["https://evil.example", f"https://{HOST}.evil.example", f"http://{HOST}", "null"])
def test_a_foreign_origin_stays_foreign(door: dict[str, int], origin: str) -> None:
    assert ask(door, "/alerts", method="POST", Origin=origin).json()["headers"]["origin"] == origin


def test_a_foreign_name_gets_no_page(door: dict[str, int]) -> None:
    assert ask(door, "/alerts", name="rebound.evil.example").status_code == 421
    assert ask(door, "/healthz", name="10.248.16.5").json()["path"] == "/healthz"  # as the kubelet asks


@pytest.mark.parametrize("path", ["/metrics", "/hooks/alertmanager", "/api/sd/snmp", "/api/sd"])
def test_what_the_parts_say_among_themselves_is_not_for_people(door: dict[str, int], path: str) -> None:
    assert ask(door, path).status_code == 404


def test_pages_with_names_that_only_begin_alike_pass(door: dict[str, int]) -> None:
    assert ask(door, "/api/sdwan").json()["path"] == "/api/sdwan"


def test_cookies_are_for_tls_only_and_browsers_are_told_to_stay_there(door: dict[str, int]) -> None:
    answer = ask(door, "/")
    assert "secure" in answer.headers["set-cookie"].lower()
    assert "samesite=strict" in answer.headers["set-cookie"].lower()
    assert "max-age" in answer.headers["strict-transport-security"]


def test_redirects_lead_to_the_public_name(door: dict[str, int]) -> None:
    assert ask(door, "/away").headers["location"] == f"https://{HOST}/login"


def test_live_updates_are_passed_on_as_they_come(door: dict[str, int]) -> None:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    began = time.monotonic()
    with (
        httpx.Client(verify=context) as client,
        client.stream("GET", f"https://127.0.0.1:{door['https']}/events", headers={"Host": HOST}) as answer,
    ):
        assert next(answer.iter_lines()) == "data: 0"
        assert time.monotonic() - began < 0.9


def test_old_tls_is_refused(door: dict[str, int]) -> None:
    old = [
        "openssl",
        "s_client",
        "-connect",
        f"127.0.0.1:{door['https']}",
        "-servername",
        HOST,
        "-cipher",
        "ALL@SECLEVEL=0",
    ]
    for version, taken in (("-tls1_1", False), ("-tls1_2", True), ("-tls1_3", True)):
        done = subprocess.run([*old, version], input=b"", capture_output=True, timeout=20, check=False)
        assert (done.returncode == 0) == taken, (version, done.stderr[-300:])


def test_the_other_port_gives_the_newest_samples_and_nothing_else(door: dict[str, int]) -> None:
    base = f"http://127.0.0.1:{door['federate']}"
    answer = httpx.get(f"{base}/federate", params={"match[]": 'up{job="snmp"}'})
    assert answer.json()["path"].startswith("/federate?match")
    assert httpx.post(f"{base}/federate").status_code == 403
    for path in ("/api/v1/query?query=up", "/", "/federate/..%2fapi", "/-/quit"):
        assert httpx.get(base + path).status_code == 404
