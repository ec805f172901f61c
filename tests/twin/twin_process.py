"""A twin of the simulated network as a process, for the tests."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx

from network_ops.supervisor.state import ChildStatus, RunStatus, StateDir

TOKEN = "a token for the tests"


class RunningTwin:
    """`noc twin run` on free ports; `state_dir` looks as `noc up` leaves it."""

    def __init__(self, tables: Path, state_dir: Path) -> None:
        self.tables = tables
        self.state_dir = state_dir
        (state_dir / "secrets").mkdir(parents=True)
        (state_dir / "secrets" / "internal.token").write_text(TOKEN + "\n")
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "network_ops.cli.main", "twin", "run", "--control", "127.0.0.1:0"]
        command += ["--inventory", str(self.tables), "--state-file", str(self.state_dir / "twin.json")]
        command += ["--token-file", str(self.state_dir / "secrets" / "internal.token")]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        assert self.process.stderr is not None
        self.url = self.process.stderr.readline().rstrip().rpartition(" ")[2]
        children = [ChildStatus("twin", self.url, self.process.pid)]
        status = RunStatus(os.getpid(), "2026-01-01T00:00:00+00:00", "simulated", str(self.tables), children)
        status.write(StateDir(self.state_dir).run_file)
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            try:
                if httpx.get(f"{self.url}/healthz", trust_env=False).is_success:
                    break
            except httpx.TransportError:
                time.sleep(0.05)
        else:
            raise AssertionError(f"the twin does not start: {self.process.poll()}")
        self.map: dict[str, dict[str, str]] = self.call("GET", "/map").json()

    def call(self, method: str, path: str, body: object = None) -> httpx.Response:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        return httpx.request(method, self.url + path, json=body, headers=headers, trust_env=False)

    def noc(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """`noc ARGUMENTS` as an operator types it, with NOC_STATE_DIR set."""
        environment = {**os.environ, "NOC_STATE_DIR": str(self.state_dir)}
        command = [sys.executable, "-m", "network_ops.cli.main", *arguments]
        return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=30, check=False)

    def stop(self, number: int = signal.SIGTERM) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(10)

    def state(self) -> Any:
        return json.loads((self.state_dir / "twin.json").read_text())
