"""The prober against real sockets: a UDP echo with delay and loss, ICMP on loopback, HTTP, and the whole process."""

from __future__ import annotations

import asyncio
import http.server
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from probe_world import device, session

from exporters.common.errors import BadInput, Refused
from exporters.common.targets import Target
from exporters.probes import server, sockets
from exporters.probes.server import Prober, application
from exporters.probes.settings import Settings


class Echo:
    """A UDP echo server in a thread; answers after `delay_s`, drops what `drop` says."""

    def __init__(self) -> None:
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind(("127.0.0.1", 0))
        self.other = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.other.bind(("127.0.0.1", 0))
        self.delay_s = 0.0
        self.seen = 0
        self.drop: Callable[[int], bool] = lambda _: False
        self.from_elsewhere = False
        self.closing = False
        self.address = f"127.0.0.1:{self.sock.getsockname()[1]}"
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self) -> None:
        self.sock.settimeout(0.1)
        while not self.closing:
            try:
                data, source = self.sock.recvfrom(2048)
            except TimeoutError:
                continue
            except OSError:
                return
            self.seen += 1
            if self.drop(self.seen):
                continue
            sender = self.other if self.from_elsewhere else self.sock
            if self.delay_s:
                threading.Timer(self.delay_s, sender.sendto, (data, source)).start()
            else:
                sender.sendto(data, source)

    def close(self) -> None:
        self.closing = True
        self.thread.join()
        self.sock.close()
        self.other.close()


@pytest.fixture
def echo() -> Iterator[Echo]:
    found = Echo()
    yield found
    found.close()


def at(target: Target, address: str, **labels: str) -> Target:
    return Target(address, {**target.labels, **labels})


def groups(*targets: Target) -> list[dict[str, Any]]:
    return [{"targets": [t.address], "labels": dict(t.labels)} for t in targets]


def prober_of(*targets: Target, **settings: Any) -> Prober:
    return Prober(Settings.model_validate({"targets": groups(*targets), **settings}), None, None)


def client_of(prober: Prober) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(application(prober)), base_url="http://prober")


async def state(client: httpx.AsyncClient) -> str:
    return (await client.get("/metrics/state")).text


async def until(condition: Callable[[], Any], limit_s: float = 10) -> float:
    began = time.monotonic()
    while not await condition():
        assert time.monotonic() - began < limit_s, "did not happen in time"
        await asyncio.sleep(0.02)
    return time.monotonic() - began


async def test_rtt_is_measured_right_though_replies_wait_for_the_tick(echo: Echo) -> None:
    echo.delay_s = 0.033
    prober = prober_of(at(session("ke-nairobi", rtt_ms=30), echo.address), session_interval_s=0.2)
    async with prober.running(), client_of(prober) as client:
        await asyncio.sleep(3)
        text = (await client.get("/metrics")).text
    rtt = float(re.search(r"wan_session_rtt_seconds\{.*\} (\S+)", text)[1])  # type: ignore[index]
    assert 0.033 <= rtt < 0.045
    assert 'wan_prober_targets_judged{probe="session"} 1.0' in text


async def test_an_echo_that_dies_is_down_and_comes_back(echo: Echo) -> None:
    prober = prober_of(at(session("ke-nairobi", rtt_ms=20), echo.address), session_interval_s=1)
    async with prober.running(), client_of(prober) as client:

        async def shows(value: int) -> bool:
            return f" {value}\n" in re.sub(r"#.*\n", "", await state(client))

        await until(lambda: shows(1), 5)
        echo.drop = lambda _: True
        assert await until(lambda: shows(0), 5) < 4
        echo.drop = lambda _: False
        assert await until(lambda: shows(1), 5) < 4


async def test_loss_on_the_wire_is_the_loss_reported_and_calls_nobody_down(echo: Echo) -> None:
    echo.drop = lambda n: n % 5 == 0
    prober = prober_of(at(session("ke-nairobi", rtt_ms=1), echo.address), session_interval_s=0.1)
    async with prober.running(), client_of(prober) as client:
        await asyncio.sleep(8)
        text = (await client.get("/metrics")).text
        assert " 1\n" in await state(client)
    loss = float(re.search(r"wan_session_loss_ratio\{.*\} (\S+)", text)[1])  # type: ignore[index]
    assert 0.03 < loss < 0.35
    assert 'wan_prober_probes_sent_total{purpose="confirm"}' in text


async def test_a_reply_from_another_port_is_not_believed(echo: Echo) -> None:
    echo.from_elsewhere = True
    prober = prober_of(at(session("ke-nairobi", rtt_ms=1), echo.address), session_interval_s=1)
    async with prober.running(), client_of(prober) as client:

        async def down() -> bool:
            return " 0\n" in await state(client)

        await until(down)
        assert 'wan_prober_replies_total{verdict="wrong source"}' in (await client.get("/metrics")).text


def icmp_allowed() -> bool:
    try:
        sockets.IcmpEcho(4).close()
    except BadInput:
        return False
    return True


needs_icmp = pytest.mark.skipif(not icmp_allowed(), reason="neither ping nor raw sockets are allowed to this user")


@needs_icmp
async def test_icmp_to_loopback_is_measured() -> None:
    targets = [at(session("s1", rtt_ms=1), "127.0.0.1", module="icmp"), at(device("s1"), "127.0.0.2", module="icmp")]
    prober = prober_of(*targets, session_interval_s=0.2, device_interval_s=0.2)
    async with prober.running(), client_of(prober) as client:

        async def both() -> bool:
            return (await state(client)).count(" 1\n") == 2

        await until(both)
        await asyncio.sleep(1)
        text = (await client.get("/metrics")).text
    rtt = float(re.search(r"wan_session_rtt_seconds\{.*\} (\S+)", text)[1])  # type: ignore[index]
    assert 0 < rtt < 0.02


def test_without_the_right_to_icmp_the_remedy_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(sockets.socket, "socket", refuse)
    with pytest.raises(BadInput, match=r"ping_group_range.*CAP_NET_RAW.*module udp"):
        sockets.IcmpEcho(4)


async def test_a_stalled_event_loop_calls_nobody_down(echo: Echo) -> None:
    prober = prober_of(*(at(session(f"s{n}", rtt_ms=5), echo.address) for n in range(50)), session_interval_s=0.5)
    async with prober.running(), client_of(prober) as client:

        async def all_up() -> bool:
            return (await state(client)).count(" 1\n") == 50

        await until(all_up)
        time.sleep(2.5)  # noqa: ASYNC251 - the stall is the test
        await asyncio.sleep(1.5)
        assert await all_up()
    assert prober.engine.stalls >= 1
    assert prober.engine.changes["down"] == 0
    assert sum(live.quality.lost for live in prober.engine.lives) == 0


async def probe(prober: Prober, query: str, headers: dict[str, str] | None = None) -> httpx.Response:
    async with client_of(prober) as client:
        return await client.get(f"/probe?{query}", headers=headers or {})


async def test_probe_answers_in_the_conventions_of_blackbox_exporter(echo: Echo) -> None:
    prober = prober_of()
    listener = await asyncio.start_server(lambda _r, w: w.close(), "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    async with prober.running():
        udp = await probe(prober, f"target={echo.address}&module=udp")
        tcp = await probe(prober, f"target=localhost:{port}&module=tcp_connect")
        listener.close()
        await listener.wait_closed()
        refused = await probe(prober, f"target=127.0.0.1:{port}&module=tcp")
        debug = await probe(prober, f"target={echo.address}&module=udp&debug=true")
        no_port = await probe(prober, "target=127.0.0.1&module=tcp")
    assert "probe_success 1\n" in udp.text
    assert 'probe_udp_duration_seconds{phase="rtt"}' in udp.text
    assert float(re.search(r"^probe_duration_seconds (\S+)", udp.text, re.MULTILINE)[1]) < 1  # type: ignore[index]
    assert "probe_success 1\n" in tcp.text
    assert "probe_success 0\n" in refused.text
    assert refused.status_code == 200
    assert debug.text.startswith("Logs for the probe:\n")
    assert "Metrics that would have been returned:\n" in debug.text
    assert "probe_success 0\n" in no_port.text


@needs_icmp
async def test_probe_does_icmp_too() -> None:
    prober = prober_of()
    async with prober.running():
        assert "probe_success 1\n" in (await probe(prober, "target=127.0.0.1&module=icmp")).text


async def test_probe_ends_before_the_scraper_gives_up(echo: Echo) -> None:
    echo.drop = lambda _: True
    prober = prober_of()
    began = time.monotonic()
    async with prober.running():
        header = {"X-Prometheus-Scrape-Timeout-Seconds": "1"}
        answer = await probe(prober, f"target={echo.address}&module=udp", header)
    assert "probe_success 0\n" in answer.text
    assert time.monotonic() - began < 1


@pytest.mark.parametrize("query", ["", "module=udp", "target=127.0.0.1&module=nonsense"])
async def test_a_senseless_probe_request_is_400_with_a_sentence(query: str) -> None:
    answer = await probe(prober_of(), query)
    assert answer.status_code == 400
    assert len(answer.text.splitlines()) == 1


class Discovery(http.server.BaseHTTPRequestHandler):
    """Serves a target list to whoever has the token."""

    body = b"[]"
    asked: list[str] = []  # noqa: RUF012

    def do_GET(self) -> None:
        type(self).asked.append(self.headers.get("Authorization", ""))
        good = self.headers.get("Authorization") == "Bearer secret"
        self.send_response(200 if good else 403)
        self.end_headers()
        self.wfile.write(self.body if good else b"")

    def log_message(self, *_: object) -> None:
        """Quiet."""


def test_the_process_takes_its_targets_from_service_discovery_and_stops_cleanly(echo: Echo, tmp_path: Path) -> None:
    Discovery.body = json.dumps(
        groups(at(session("ke-nairobi", rtt_ms=5), echo.address), at(device("ke-nairobi"), "name.example:7"))
    ).encode()
    discovery = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Discovery)
    threading.Thread(target=discovery.serve_forever, daemon=True).start()
    token = tmp_path / "token"
    token.write_text("secret\n")
    code = (
        "import sys; from pathlib import Path; from exporters.probes.server import run; "
        "run(None, '127.0.0.1:0', sys.argv[1], Path(sys.argv[2]))"
    )
    url = f"http://127.0.0.1:{discovery.server_port}/api/sd/probes"
    with subprocess.Popen(
        [sys.executable, "-c", code, url, str(token)], stderr=subprocess.PIPE, text=True, env={**os.environ}
    ) as process:
        try:
            assert process.stderr is not None
            first = process.stderr.readline()
            address = re.search(r"http://127\.0\.0\.1:\d+/", first)
            assert address, first
            deadline = time.monotonic() + 15
            text = ""
            while " 1\n" not in text and time.monotonic() < deadline:
                time.sleep(0.1)
                text = httpx.get(address[0] + "metrics/state").text
            assert 'wan_session_up{site="ke-nairobi",circuit="ke-nairobi.a",hub="valencia",' in text
            own = httpx.get(address[0] + "metrics").text
            assert "wan_prober_targets_refused 1.0" in own
            assert "process_cpu_seconds_total" in own
            assert httpx.get(address[0] + "healthz").json()["status"] == "ok"
        finally:
            process.send_signal(signal.SIGTERM)
            rest = process.communicate(timeout=10)[1]
            discovery.shutdown()
            discovery.server_close()
    assert process.returncode == 0
    assert "'name.example' is not a numeric IP address" in rest
    assert "Traceback" not in rest


def test_bad_input_ends_with_one_sentence_before_anything_is_sent(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot be read"):
        server.run(None, "127.0.0.1:0", None, tmp_path / "missing")
    with pytest.raises(BadInput, match="expected HOST:PORT"):
        server.run(None, "9115", None, None)
    with pytest.raises(Refused, match="other machines"):
        server.run(None, "0.0.0.0:9115", None, None)


@pytest.mark.nightly
async def test_four_hundred_probes_a_second_cost_at_most_six_per_cent_of_a_core(echo: Echo) -> None:
    targets = [
        at(session(f"s{n}", leg, hub, rtt_ms=5), echo.address)
        for n in range(400) for leg in "ab" for hub in ("valencia", "brindisi")
    ]  # fmt: skip
    targets += [at(device(f"s{n}", f"d{k}", rtt_ms=5), echo.address) for n in range(400) for k in range(5)]
    prober = prober_of(*targets)
    async with prober.running():
        await asyncio.sleep(8)
        cpu, began = time.thread_time(), time.monotonic()
        await asyncio.sleep(30)
        share = (time.thread_time() - cpu) / (time.monotonic() - began)
    assert share < 0.06, f"{share:.1%} of a core"
