"""Debugging a poll and reloading the configuration: what people need at night, without a secret and without a gap."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import snmp_world as w

from exporters.snmp import loader
from exporters.snmp.engine import Engine
from exporters.snmp.server import SnmpExporter

SECRET = "a-community-nobody-may-see"
FILE = f"""
auths:
  public_v2: {{community: public, version: 2}}
  hidden: {{community: {SECRET}, version: 2}}
  v3: {{version: 3, username: somebody-hidden, security_level: authPriv, auth_protocol: SHA256,
       password: hidden-auth-secret, priv_protocol: AES, priv_password: hidden-priv-secret, context_name: c}}
modules:
  one: {{get: [1.3.6.1.2.1.1.3.0], metrics: [{{name: up_time, oid: 1.3.6.1.2.1.1.3, type: gauge, help: x}}]}}
"""


@asynccontextmanager
async def exporter(*files: Path) -> AsyncIterator[SnmpExporter]:
    config = loader.load(files or (loader.SHIPPED,))
    made = SnmpExporter(config, files=files or (loader.SHIPPED,))
    made.engine = Engine(config)
    try:
        yield made
    finally:
        made.engine.close()


def question(agent: w.Agent, module: str = "system,if_wan", auth: str = "public_v2") -> bytes:
    return f"target={agent.target}&module={module}&auth={auth}&debug=true".encode()


async def test_a_debugged_poll_shows_path_cache_plan_datagrams_and_samples() -> None:
    async with w.agent(w.router(50)) as agent, exporter() as made:
        await made.debug(question(agent), None)
        status, kind, body = await made.debug(question(agent), None)
        text = body.decode()
        assert (status, kind) == (200, "text/plain; charset=utf-8")
        assert re.search(r"^ok +\d+ variables in [\d.]+ ms; \d+ datagrams sent, 0 of them again$", text, re.MULTILINE)
        assert re.search(r"^path +round trip [\d.]+ ms", text, re.MULTILINE)
        assert re.search(r"^cache +walked \d+ s ago; labels are compared in \d+ s", text, re.MULTILINE)
        assert "mark 1.3.6.1.2.1.1.3.0 = 123456" in text
        assert re.search(r"GETBULK +50 variables, +\d+ octets out, up to +\d+ back, known shape", text)
        sent = re.findall(r"ms  sent +id (\d+) try 1", text)
        assert sent
        assert sorted(sent) == sorted(re.findall(r"ms  received  id (\d+) after", text))
        assert 'sysName{sysName="r1"} 1' in text


async def test_no_secret_is_shown_and_a_failure_is_told(tmp_path: Path) -> None:
    path = tmp_path / "snmp.yml"
    path.write_text(FILE)
    async with w.agent() as agent, exporter(path) as made:
        for auth, said in (
            ("hidden", "hidden: SNMPv2c, community not shown"),
            ("v3", "SNMPv3, authPriv, SHA256 and AES"),
        ):
            agent.alter = lambda ask, reply: []
            _, _, body = await made.debug(question(agent, "one", auth), b"1.0")
            text = body.decode()
            assert said in text
            assert "FAILED" in text
            assert "[reason: timeout]" in text
            assert not re.search("nobody-may-see|somebody-hidden|hidden-auth|hidden-priv", text)
        assert (await made.debug(b"target=&debug=true", None))[0] == 400


async def test_a_reload_brings_new_modules_keeps_the_index_and_survives_a_wrong_file(tmp_path: Path) -> None:
    path = tmp_path / "snmp.yml"
    path.write_text(FILE)
    async with w.agent() as agent, exporter(path) as made:
        ask = f"target={agent.target}&module=one&auth=public_v2".encode()
        assert (await made.scrape(ask, None))[0] == 200
        path.write_text(FILE.replace("name: up_time", "name: uptime_now"))
        assert await made.reload() == ""
        status, _, body = await made.scrape(ask, None)
        assert status == 200
        assert b"uptime_now 123456" in body
        assert made.engine is not None
        discoveries = dict(made.engine.stats.discoveries)
        path.write_text(FILE.replace("type: gauge", "type: gaugge"))
        assert "unknown type 'gaugge'" in await made.reload()
        assert b"uptime_now 123456" in (await made.scrape(ask, None))[2]
        path.write_text(FILE.replace("name: up_time", "name: uptime_now"))
        assert await made.reload() == ""
        await made.scrape(ask, None)
        assert made.engine.stats.discoveries == discoveries  # the same modules: nothing is walked again


async def test_polls_go_on_while_a_large_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "snmp.yml"
    rows = "".join(f"  m{n}: {{get: [1.3.6.1.2.1.1.3.0], metrics: []}}\n" for n in range(20_000))
    path.write_text(FILE + rows)
    async with w.agent() as agent, exporter(path) as made:
        ask = f"target={agent.target}&module=one&auth=public_v2".encode()
        reloading = asyncio.create_task(made.reload())
        answered = 0
        while not reloading.done():
            assert (await made.scrape(ask, b"5.0"))[0] == 200
            answered += 1
            await asyncio.sleep(0.02)
        assert await reloading == ""
        assert answered >= 5


def test_sighup_and_post_reload_a_running_exporter(tmp_path: Path) -> None:
    path = tmp_path / "snmp.yml"
    path.write_text(FILE)
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    command = [sys.executable, "-m", "network_ops.cli.main", "exporter", "snmp", "--config", str(path)]
    process = subprocess.Popen([*command, "--listen", f"127.0.0.1:{port}"], stderr=subprocess.PIPE)
    try:

        def page(name: str = "", data: bytes | None = None) -> str:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/{name}", data, timeout=5) as answer:
                return str(answer.read().decode())

        def until(text: str, name: str = "") -> None:
            last = time.monotonic() + 15
            while True:
                try:
                    if text in page(name):
                        return
                except OSError:
                    pass
                assert time.monotonic() < last, text
                time.sleep(0.1)

        until("<code>one</code>")
        path.write_text(FILE.replace("  one:", "  two:"))
        os.kill(process.pid, signal.SIGHUP)
        until("<code>two</code>")
        path.write_text("modules: [")
        os.kill(process.pid, signal.SIGHUP)
        until("snmp_config_last_reload_successful 0.0", "metrics")
        path.write_text(FILE.replace("  one:", "  three:"))
        assert page("-/reload", b"") == "reloaded\n"
        assert "<code>three</code>" in page()
        with pytest.raises(OSError, match="405"):
            page("-/reload")
    finally:
        process.terminate()
        process.communicate(timeout=10)
