"""The NOC under trial: started on free ports with a state directory of its own, driven through its public APIs."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from network_ops.supervisor.errors import StartError
from network_ops.supervisor.state import RunStatus, StateDir, read_run_file

START_PATIENCE_S = 180.0


@dataclass(slots=True)
class Subject:
    """A running NOC: its clients and its run file."""

    state: StateDir
    status: RunStatus
    console: httpx.AsyncClient
    twin: httpx.AsyncClient
    prometheus: httpx.AsyncClient

    async def alerts(self) -> list[dict[str, Any]]:
        """The alerts that the console shows now."""
        answer = await self.console.get("/api/alerts")
        answer.raise_for_status()
        alerts: list[dict[str, Any]] = answer.json()["alerts"]
        return alerts

    async def inject(self, kind: str, target: str) -> dict[str, Any]:
        """Inject a fault; the twin's ground truth of it."""
        answer = await self.twin.post("/faults", json={"kind": kind, "target": target, "for_s": None})
        answer.raise_for_status()
        fault: dict[str, Any] = answer.json()
        return fault

    async def clear(self, fault_id: str) -> None:
        """Clear a fault."""
        (await self.twin.delete(f"/faults/{fault_id}")).raise_for_status()

    async def active_series(self) -> int:
        """Series in Prometheus' head block, from its own status page."""
        answer = await self.prometheus.get("/api/v1/status/tsdb", params={"limit": "1"})
        answer.raise_for_status()
        return int(answer.json()["data"]["headStats"]["numSeries"])

    async def query(self, expression: str) -> float | None:
        """The value of a PromQL expression that gives one sample; None when it gives none."""
        answer = await self.prometheus.get("/api/v1/query", params={"query": expression})
        answer.raise_for_status()
        result = answer.json()["data"]["result"]
        return float(result[0]["value"][1]) if result else None


@asynccontextmanager
async def running_noc(inventory: Path, *, quiet: bool) -> AsyncIterator[Subject]:
    """Start a NOC on free ports, wait until it is ready, and stop it in the end whatever happens.

    Raises:
        StartError: it did not get ready; the message quotes what it said.
    """
    with tempfile.TemporaryDirectory(prefix="noc-trial-") as folder:
        state = StateDir(Path(folder))
        argv = [sys.executable, "-m", "network_ops.cli.main", "up", "--free-ports"]
        argv += ["--state-dir", folder, "--inventory", str(inventory)]
        log = Path(folder) / "up.log"
        with log.open("wb") as output:
            process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stderr=output if quiet else None)
        try:
            status = await _ready(state, process, log)
            token = state.token_file.read_text().strip()
            urls = {child.name: child.url for child in status.children}
            auth = {"Authorization": f"Bearer {token}"}
            async with (
                httpx.AsyncClient(base_url=urls["console"], headers=auth, timeout=10.0) as console,
                httpx.AsyncClient(base_url=urls["twin"], headers=auth, timeout=10.0) as twin,
                httpx.AsyncClient(base_url=urls["prometheus"], timeout=10.0) as prometheus,
            ):
                yield Subject(state, status, console, twin, prometheus)
        finally:
            process.send_signal(signal.SIGINT)
            await asyncio.to_thread(process.wait)


async def _ready(state: StateDir, process: subprocess.Popen[bytes], log: Path) -> RunStatus:
    deadline = time.monotonic() + START_PATIENCE_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise StartError(f"the NOC ended while starting: {log.read_text(errors='replace')[-2000:].strip()}")
        try:
            status = read_run_file(state)
        except StartError:
            status = None
        if status is not None and status.ready:
            return status
        await asyncio.sleep(0.25)
    raise StartError(f"the NOC was not ready after {START_PATIENCE_S:.0f} s")
