"""A real Prometheus and a real Alertmanager on free ports, fed with made-up measurements of any inventory."""

from __future__ import annotations

import json
import math
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx

from inventory.models import Inventory

PASSWORD = "a long enough password"
TOKEN = "a token for tests only, long enough"
REPOSITORY = Path(__file__).resolve().parents[2]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(true: Callable[[], Any], patience_s: float = 30.0, what: str = "it") -> Any:
    end = time.monotonic() + patience_s
    while time.monotonic() < end:
        try:
            if found := true():
                return found
        except httpx.HTTPError:
            pass
        time.sleep(0.1)
    raise AssertionError(f"{what} did not happen within {patience_s:.0f} s")


class Measurements:
    """What exporters and rules would give: sites in `down` are down, circuits in `cut` are down, hubs see it."""

    def __init__(self, inventory: Inventory) -> None:
        self.inventory = inventory
        self.down: set[str] = set()
        self.cut: set[str] = set()
        self.silent: set[str] = set()
        self.unmeasured: set[str] = set()
        self.mute = False
        self.alerted: set[str] = set()
        self.detailed: set[str] | None = None

    def rows(self, at: float) -> list[str]:
        inv, out = self.inventory, []
        per_hub: dict[str, list[int]] = {hub: [] for hub in inv.hubs}
        for site in inv.sites.values():
            if site.id in self.unmeasured:
                continue
            circuits = inv.circuits_of[site.id]
            up = [c for c in circuits if site.id not in self.down and c.id not in self.cut]
            for c in circuits:
                for hub in c.tunnels:
                    per_hub[hub].append(int(c in up))
            out.append(f'wan:site_up{{site="{site.id}",region="{site.region}",tier="{site.tier}"}} {int(bool(up))}')
            out.append(f'wan:site_circuits_up:ratio{{site="{site.id}"}} {len(up) / max(1, len(circuits)):g}')
            for device in inv.devices_of[site.id]:
                answers = int(bool(up) and device.id not in self.silent)
                out.append(f'up{{job="snmp",site="{site.id}",device="{device.id}"}} {answers}')
                out.append(f'wan_device_up{{site="{site.id}",device="{device.id}"}} {int(bool(up))}')
            if self.detailed is None or site.id in self.detailed:
                out.extend(self._detail(site.id, [c.id for c in up], at))
        for hub, found in per_hub.items():
            out.append(f'wan:hub_sessions_up:ratio{{hub="{hub}"}} {sum(found) / max(1, len(found)):g}')
        out.append('up{job="probes-state"} 1')
        firing = 'ALERTS{alertname="CircuitDegraded",alertstate="firing",severity="warning"'
        out.extend(f'{firing},site="{site}"}} 1' for site in sorted(self.alerted))
        return out

    def _detail(self, site: str, up: list[str], at: float) -> list[str]:
        out = []
        for c in self.inventory.circuits_of[site]:
            wave = 1 + 0.06 * math.sin(at / 97) + 0.04 * math.sin(at / 31 + len(c.id))
            for hub in c.tunnels:
                names = f'{{circuit="{c.id}",hub="{hub}"}}'
                out.append(f"wan_session_up{names} {int(c.id in up)}")
                out.append(f"wan_session_baseline_rtt_seconds{names} {c.rtt_ms[hub] / 1000:g}")
                out.append(f"wan_session_baseline_loss_ratio{names} {c.loss_ratio:g}")
                out.append(f"wan_session_loss_ratio{names} {0 if c.id in up else 1}")
                if c.id in up:
                    out.append(f"wan_session_rtt_seconds{names} {c.rtt_ms[hub] * wave / 1000:.6f}")
                    out.append(f"wan_session_jitter_seconds{names} {c.jitter_ms / 1000:g}")
            router = next((d.id for d in self.inventory.devices_of[site] if d.role == "router"), "")
            # The integral of a rate that swings around 40 % of the circuit's.
            octets = c.rate_down_bps / 8 * (0.4 * at - 30 * math.cos(at / 300))
            names = f'{{site="{site}",device="{router}",ifName="{c.interface}"}}'
            out.append(f"ifHCInOctets{names} {octets:.0f}")
            out.append(f"ifHCOutOctets{names} {octets / 3:.0f}")
        return out

    def exposition(self) -> bytes:
        return ("\n".join(self.rows(time.time())) + "\n").encode()

    def backfill(self, data: Path, scratch: Path, minutes: int, step_s: int) -> None:
        """An hour of history of the detailed sites as blocks; OpenMetrics wants a metric's samples together."""
        now = int(time.time())
        lines: dict[str, list[str]] = {}
        for at in range(now - minutes * 60, now - 20, step_s):
            for row in self.rows(float(at)):
                series, value = row.rsplit(" ", 1)
                if self.detailed is None or any(f'"{s}' in series for s in self.detailed):
                    lines.setdefault(series, []).append(f"{series.replace('{', chr(123))} {value} {at}")
        scratch.write_text("\n".join("\n".join(lines[s]) for s in sorted(lines)) + "\n# EOF\n")
        subprocess.run(
            ["promtool", "tsdb", "create-blocks-from", "openmetrics", str(scratch), str(data)],
            check=True, capture_output=True,
        )  # fmt: skip


class Rig:
    """Prometheus, Alertmanager and the measurements, all real but the network."""

    def __init__(self, folder: Path, inventory: Inventory, hook: str = "") -> None:
        self.folder = folder
        self.measurements = Measurements(inventory)
        self.ports = {name: free_port() for name in ("prometheus", "alertmanager")}
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self._hook = hook
        self._exposition = _expose(self.measurements)
        self.console_port = 0

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.ports[name]}"

    def start(self, scrape: str = "1s") -> None:
        port = self._exposition.server_address[1]
        (self.folder / "prometheus.yml").write_text(
            f"global: {{scrape_interval: {scrape}}}\nscrape_configs:\n  - job_name: made-up\n    honor_labels: true\n"
            f"    static_configs: [{{targets: ['127.0.0.1:{port}']}}]\n"
            "    metric_relabel_configs: [{regex: instance, action: labeldrop},"
            " {source_labels: [job], regex: made-up, target_label: job, replacement: ''}]\n"
        )
        receiver: dict[str, Any] = {"name": "console"}
        if self._hook:
            auth = {"authorization": {"credentials": TOKEN}}
            receiver["webhook_configs"] = [{"url": self._hook, "http_config": auth}]
        route = {"receiver": "console", "group_wait": "0s", "group_interval": "1s", "repeat_interval": "30s"}
        config = {"route": route, "receivers": [receiver]}
        (self.folder / "alertmanager.yml").write_text(json.dumps(config))
        self.start_prometheus()
        self.start_alertmanager()

    def start_prometheus(self) -> None:
        self._run(
            "prometheus", shutil.which("prometheus"), f"--config.file={self.folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={self.folder / 'tsdb'}", f"--web.listen-address=127.0.0.1:{self.ports['prometheus']}",
            "--log.level=error",
        )  # fmt: skip

    def start_alertmanager(self) -> None:
        self._run(
            "alertmanager", shutil.which("prometheus-alertmanager"),
            f"--config.file={self.folder / 'alertmanager.yml'}", f"--storage.path={self.folder / 'am'}",
            f"--web.listen-address=127.0.0.1:{self.ports['alertmanager']}", "--cluster.listen-address=",
            "--log.level=error",
        )  # fmt: skip

    def _run(self, name: str, *argv: str | None) -> None:
        assert argv[0], f"the Debian package of {name} is missing"
        self.processes[name] = subprocess.Popen([str(a) for a in argv], stderr=(self.folder / f"{name}.log").open("ab"))
        wait_until(lambda: httpx.get(self.url(name) + "/-/ready").status_code == 200, what=f"{name} being ready")

    def stop_one(self, name: str, how: signal.Signals = signal.SIGKILL) -> None:
        process = self.processes.pop(name)
        process.send_signal(how)
        process.wait(10)

    def stop(self) -> None:
        for name in list(self.processes):
            self.stop_one(name)
        self._exposition.shutdown()
        self._exposition.server_close()

    def alert(
        self, name: str, summary: str, severity: str = "page", ago: timedelta = timedelta(), **labels: str
    ) -> None:
        """Raise (or keep up) an alert in Alertmanager for ten minutes."""
        now = datetime.now(UTC)
        self._post(name, summary, severity, now - ago, now + timedelta(minutes=10), labels)

    def resolve(self, name: str, severity: str = "page", **labels: str) -> None:
        now = datetime.now(UTC)
        self._post(name, "", severity, now - timedelta(minutes=1), now - timedelta(seconds=1), labels)

    def _post(
        self, name: str, summary: str, severity: str, start: datetime, end: datetime, labels: dict[str, str]
    ) -> None:
        action = "Call the carrier with the circuit id; check the power of the site with the local office."
        body = [{
            "labels": {"alertname": name, "severity": severity, "team": "noc", **labels},
            "annotations": {"summary": summary, "description": "Made up for a test.", "action": action},
            "startsAt": start.isoformat(), "endsAt": end.isoformat(),
        }]  # fmt: skip
        httpx.post(self.url("alertmanager") + "/api/v2/alerts", json=body).raise_for_status()


def _expose(measurements: Measurements) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if measurements.mute:
                self.send_error(503)
                return
            body = measurements.exposition()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


class ConsoleProcess:
    """A console started as users start it."""

    def __init__(self, folder: Path, rig: Rig, inventory: Path, *more: str, port: int | None = None) -> None:
        self.folder, self.port = folder, port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        (folder / "token").write_text(TOKEN)
        self.argv = [
            sys.executable, "-m", "network_ops.cli.main", "console", "serve", "--inventory", str(inventory),
            "--prometheus", rig.url("prometheus"), "--alertmanager", rig.url("alertmanager"),
            "--state-dir", str(folder), "--listen", f"127.0.0.1:{self.port}", "--token-file", str(folder / "token"),
            *more,
        ]  # fmt: skip
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        log = (self.folder / "console.log").open("ab")
        self.process = subprocess.Popen(self.argv, stderr=log, stdout=log, cwd=REPOSITORY, env=dict(os.environ))
        wait_until(self._answers, what="the console answering")

    def _answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, (self.folder / "console.log").read_text()[-2000:]
        return httpx.get(self.url + "/healthz").status_code == 200

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        assert self.process is not None
        self.process.send_signal(how)
        code = self.process.wait(15)
        self.process = None
        return code


def add_user(folder: Path, name: str, role: str, password: str) -> None:
    argv = [sys.executable, "-m", "network_ops.cli.main", "user", "add", name, "--role", role, "--password-stdin"]
    subprocess.run([*argv, "--state-dir", str(folder)], input=f"{password}\n", text=True, check=True, cwd=REPOSITORY)
