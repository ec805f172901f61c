"""Children: restarted when killed, stopped with the parent, quoted when they fail to start."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import psutil
import pytest

from network_ops.supervisor.children import Child, ChildSpec
from network_ops.supervisor.errors import StartError
from network_ops.supervisor.ports import free_ports

SERVER = """
import http.server, sys
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers()
    def log_message(self, *a): pass
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Answer).serve_forever()
"""


def spec(tmp_path: Path, *argv: str, start_timeout_s: float = 20.0) -> ChildSpec:
    port = free_ports(("x",))["x"]
    url = f"http://127.0.0.1:{port}"
    return ChildSpec("part", (*argv, str(port)), url, url + "/", tmp_path / "part.log", {}, start_timeout_s)


async def test_a_killed_child_is_back_within_five_seconds_and_counted(tmp_path: Path) -> None:
    child = Child(spec(tmp_path, sys.executable, "-c", SERVER), lambda: None)
    async with httpx.AsyncClient() as client:
        await child.start(client)
        try:
            first = child.status.pid
            assert first is not None
            os.kill(first, signal.SIGKILL)
            killed = time.monotonic()
            while child.status.pid == first or not (await answers(client, child)):
                assert time.monotonic() - killed < 5.0
                await asyncio.sleep(0.05)
            assert child.status.restarts == 1
        finally:
            await child.stop()
    assert child.status.state == "stopped"


async def answers(client: httpx.AsyncClient, child: Child) -> bool:
    try:
        return (await client.get(child.spec.health)).is_success
    except httpx.HTTPError:
        return False


async def test_a_child_that_fails_to_start_is_quoted(tmp_path: Path) -> None:
    child = Child(spec(tmp_path, sys.executable, "-c", "raise SystemExit('bad table in line 7')"), lambda: None)
    async with httpx.AsyncClient() as client:
        with pytest.raises(StartError, match="part ended at once: bad table in line 7"):
            await child.start(client)


async def test_a_child_that_never_gets_ready_is_reported(tmp_path: Path) -> None:
    child = Child(
        spec(tmp_path, sys.executable, "-c", "import time; time.sleep(60)", start_timeout_s=0.5), lambda: None
    )
    async with httpx.AsyncClient() as client:
        with pytest.raises(StartError, match="not ready after"):
            await child.start(client)
        await child.stop()


async def test_a_child_that_ignores_term_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("network_ops.supervisor.children.STOP_S", 0.5)
    stubborn = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + SERVER
    child = Child(spec(tmp_path, sys.executable, "-c", stubborn), lambda: None)
    async with httpx.AsyncClient() as client:
        await child.start(client)
        pid = child.status.pid
        assert pid is not None
        await child.stop()
    assert not psutil.pid_exists(pid)


@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_PDEATHSIG is Linux")
def test_children_end_when_the_parent_is_killed(tmp_path: Path) -> None:
    program = f"""
import asyncio, httpx, pathlib
from network_ops.supervisor.children import Child, ChildSpec
async def main():
    spec = ChildSpec("part", ({sys.executable!r}, "-c", {SERVER!r}, "{{port}}"), "u", "http://127.0.0.1:{{port}}/",
                     pathlib.Path({str(tmp_path / "part.log")!r}))
    child = Child(spec, lambda: None)
    async with httpx.AsyncClient() as client:
        await child.start(client)
        print(child.status.pid, flush=True)
        await asyncio.sleep(60)
asyncio.run(main())
""".replace("{port}", str(free_ports(("x",))["x"]))
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert psutil.pid_exists(pid)
        parent.kill()
        parent.wait()
    deadline = time.monotonic() + 5.0
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline, "the child outlived its parent"
        time.sleep(0.05)


async def test_a_child_that_cannot_be_started_again_is_tried_until_it_can(tmp_path: Path) -> None:
    program = tmp_path / "part.py"
    program.write_text(f"#!{sys.executable}\n{SERVER}")
    program.chmod(0o755)
    child = Child(spec(tmp_path, str(program)), lambda: None)
    async with httpx.AsyncClient() as client:
        await child.start(client)
        try:
            first = child.status.pid
            assert first is not None
            program.rename(tmp_path / "being-upgraded.py")
            os.kill(first, signal.SIGKILL)
            await asyncio.sleep(2.0)
            assert child.status.state == "restarting"
            (tmp_path / "being-upgraded.py").rename(program)
            deadline = time.monotonic() + 8.0
            while not (await answers(client, child)):
                assert time.monotonic() < deadline
                await asyncio.sleep(0.1)
        finally:
            await child.stop()


async def test_a_child_that_hangs_is_killed_and_started_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("network_ops.supervisor.children.HEALTH_INTERVAL_S", 0.3)
    monkeypatch.setattr("network_ops.supervisor.children.HEALTH_TIMEOUT_S", 0.3)
    child = Child(spec(tmp_path, sys.executable, "-c", SERVER), lambda: None)
    async with httpx.AsyncClient() as client:
        await child.start(client)
        try:
            first = child.status.pid
            assert first is not None
            os.kill(first, signal.SIGSTOP)
            deadline = time.monotonic() + 8.0
            while child.status.pid == first or not (await answers(client, child)):
                assert time.monotonic() < deadline
                await asyncio.sleep(0.1)
            assert child.status.restarts == 1
        finally:
            await child.stop()
