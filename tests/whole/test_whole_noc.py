"""The whole NOC on sixty simulated sites: every part real, driven as an operator and an unlucky night would."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import pytest_asyncio
from small_tables import cut_inventory

import inventory
from network_ops.supervisor.ports import free_ports
from network_ops.supervisor.state import read_run_file
from network_ops.trial.subject import Subject, running_noc

NOC = (sys.executable, "-m", "network_ops.cli.main")
PATIENCE_S = 40.0

pytestmark = [pytest.mark.timeout(300), pytest.mark.asyncio(loop_scope="module")]


@pytest.fixture(scope="module")
def noc_inventory(small_inventory: Path) -> inventory.Inventory:
    return inventory.load(small_inventory)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def noc(small_inventory: Path) -> AsyncIterator[Subject]:
    async with running_noc(small_inventory, quiet=True) as subject:
        yield subject


async def until(question: Callable[[], Awaitable[bool]], what: str, patience_s: float = PATIENCE_S) -> None:
    deadline = time.monotonic() + patience_s
    while True:
        try:
            if await question():
                return
        except httpx.HTTPError:
            pass
        assert time.monotonic() < deadline, f"not within {patience_s:.0f} s: {what}"
        await asyncio.sleep(0.25)


def shown(subject: Subject, name: str, **labels: str) -> Callable[[], Awaitable[bool]]:
    async def question() -> bool:
        return any(
            a["name"] == name and all(a["labels"].get(k) == v for k, v in labels.items())
            for a in await subject.alerts()
        )

    return question


def gone(subject: Subject, name: str, **labels: str) -> Callable[[], Awaitable[bool]]:
    seen = shown(subject, name, **labels)

    async def question() -> bool:
        return not await seen()

    return question


async def test_the_sweep_has_a_full_answer_from_every_site(noc: Subject, noc_inventory: inventory.Inventory) -> None:
    sweep = noc.status.sweep
    assert sweep is not None
    assert (sweep["sites_full"], sweep["sites"]) == (len(noc_inventory.sites), len(noc_inventory.sites))
    assert sweep["full"] == sweep["targets"] == len(noc_inventory.devices)
    assert sweep["seconds"] <= 30.0


async def test_a_power_cut_stands_on_the_screen_and_goes_when_power_is_back(
    noc: Subject, noc_inventory: inventory.Inventory
) -> None:
    site = list(noc_inventory.sites)[-1]
    fault = await noc.inject("site-power", site)
    await until(shown(noc, "SiteDown", site=site), f"SiteDown of {site}")
    states = (await noc.console.get(f"/api/sites/{site}")).json()
    assert states["state"] == "down"
    await noc.clear(fault["id"])
    await until(gone(noc, "SiteDown", site=site), f"SiteDown of {site} resolved")


async def test_a_fault_injected_by_the_command_line_ends_by_itself(
    noc: Subject, noc_inventory: inventory.Inventory
) -> None:
    circuit = next(c for c in noc_inventory.circuits.values() if len(noc_inventory.circuits_of[c.site]) > 1)
    command = (*NOC, "fault", "inject", "circuit-cut", circuit.id, "--for", "20s", "--state-dir", str(noc.state.root))
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    await until(shown(noc, "CircuitDown", circuit=circuit.id), "CircuitDown")
    await until(gone(noc, "CircuitDown", circuit=circuit.id), "CircuitDown resolved by --for", 60.0)


async def test_an_unknown_target_is_refused_with_a_sentence(noc: Subject) -> None:
    command = (*NOC, "fault", "inject", "site-power", "atlantis", "--state-dir", str(noc.state.root))
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "atlantis" in done.stderr
    assert "Traceback" not in done.stderr


async def test_every_child_killed_comes_back_within_five_seconds_and_the_acknowledgement_is_kept(
    noc: Subject, noc_inventory: inventory.Inventory
) -> None:
    site = list(noc_inventory.sites)[-2]
    fault = await noc.inject("site-power", site)
    await until(shown(noc, "SiteDown", site=site), f"SiteDown of {site}")
    operator = await signed_in(noc)
    try:
        alert = next(a for a in await noc.alerts() if a["labels"].get("site") == site and a["name"] == "SiteDown")
        answer = await operator.post(f"/api/alerts/{alert['id']}/acknowledge", json={"comment": "power company called"})
        assert answer.is_success, answer.text
    finally:
        await operator.aclose()
    for name in [child.name for child in noc.status.children]:
        before = child_of(noc, name)
        os.kill(before.pid, signal.SIGKILL)
        killed = time.monotonic()
        while child_of(noc, name).restarts == before.restarts or child_of(noc, name).pid == before.pid:
            assert time.monotonic() - killed < 5.0, f"{name} was not restarted within 5 s"
            await asyncio.sleep(0.1)

        async def acknowledged() -> bool:
            return any(
                a["labels"].get("site") == site and (a["acknowledged"] or {}).get("comment") == "power company called"
                for a in await noc.alerts()
            )

        await until(acknowledged, f"the acknowledged alert after kill -9 of {name}", 60.0)

    async def restarts_are_shown() -> bool:
        return "restart" in (await noc.console.get("/api/health")).text.lower()

    await until(restarts_are_shown, "the restarts in the health strip")
    await noc.clear(fault["id"])
    await until(gone(noc, "SiteDown", site=site), "resolved after all those restarts", 90.0)


def child_of(noc: Subject, name: str) -> Any:
    return next(child for child in read_run_file(noc.state).children if child.name == name)


async def signed_in(noc: Subject) -> httpx.AsyncClient:
    """A browser-like client with an operator's session and CSRF token."""
    command = (*NOC, "user", "add", "olga", "--role", "operator", "--password-stdin")
    command += ("--state-dir", str(noc.state.root))
    done = await asyncio.to_thread(
        subprocess.run, command, input="correct horse battery", capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    client = httpx.AsyncClient(base_url=str(noc.console.base_url), follow_redirects=True)
    form = re.search(r'name="csrf" value="([^"]+)"', (await client.get("/login")).text)
    assert form is not None
    fields = {"name": "olga", "password": "correct horse battery", "csrf": form[1]}
    assert (await client.post("/login", data=fields)).is_success
    session = (await client.get("/api/session")).json()
    assert (session["name"], session["role"]) == ("olga", "operator")
    client.headers["X-CSRF-Token"] = session["csrf"]
    return client


async def test_a_second_noc_on_the_same_directory_is_refused_with_code_4(noc: Subject, small_inventory: Path) -> None:
    command = (*NOC, "up", "--free-ports", "--state-dir", str(noc.state.root), "--inventory", str(small_inventory))
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 4
    assert re.search(r"a NOC already runs on .* \(pid \d+\).*--state-dir", done.stderr)


async def test_a_taken_port_is_refused_with_code_2(noc: Subject, small_inventory: Path, tmp_path: Path) -> None:
    ports = free_ports(("console", "twin", "snmp", "probes", "fleet", "alertmanager"))
    taken = child_of(noc, "prometheus").url.rsplit(":", 1)[1]
    options = [f"--port={name}={port}" for name, port in ports.items()]
    command = (*NOC, "up", *options, f"--port=prometheus={taken}", "--state-dir", str(tmp_path))
    done = await asyncio.to_thread(
        subprocess.run, (*command, "--inventory", str(small_inventory)), capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert f"port {taken} (prometheus) is taken" in done.stderr


async def test_a_broken_table_is_refused_with_all_its_problems(small_inventory: Path, tmp_path: Path) -> None:
    for path in small_inventory.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    lines = (tmp_path / "sites.csv").read_text().splitlines()
    lines[1], lines[2] = lines[1].replace(lines[1].split(",")[0], "Bad Id", 1), lines[3]
    (tmp_path / "sites.csv").write_text("\n".join(lines) + "\n")
    command = (*NOC, "up", "--free-ports", "--state-dir", str(tmp_path / "state"), "--inventory", str(tmp_path))
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert re.search(r"sites\.csv:2", done.stderr)
    assert re.search(r"sites\.csv:[34]", done.stderr)
    assert "Traceback" not in done.stderr


async def test_ctrl_c_leaves_no_process_behind(small_inventory: Path, tmp_path: Path) -> None:
    command = (*NOC, "up", "--free-ports", "--state-dir", str(tmp_path), "--inventory", str(small_inventory))
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        family: list[psutil.Process] = []
        deadline = time.monotonic() + 60.0
        while len(family) < 6:
            assert time.monotonic() < deadline, "six children did not start"
            await asyncio.sleep(0.2)
            family = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGINT)
        await asyncio.to_thread(process.wait, 30)
        assert process.returncode == 0
    left = [p for p in family if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]
    assert left == []
    assert not (tmp_path / "run.json").exists()


async def test_the_real_network_mode_starts_and_says_that_nothing_answers(tmp_path: Path) -> None:
    """Ten sites whose addresses are on loopback, where no device is: the NOC runs and tells the truth."""
    tables = cut_inventory(tmp_path / "inventory", 10)
    _move_addresses_to_loopback(tables)
    command = (*NOC, "up", "--twin", "none", "--free-ports", "--state-dir", str(tmp_path / "s"))
    with subprocess.Popen((*command, "--inventory", str(tables)), stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        said = ""
        while "Console: http" not in said:
            line = await asyncio.to_thread(process.stderr.readline)
            assert line, f"it ended: {said}"
            said += line
        process.send_signal(signal.SIGINT)
        said += await asyncio.to_thread(process.stderr.read)
        assert process.wait() == 0
    assert "on the REAL network" in said
    assert "Start-up sweep: 0 of 10 sites" in said
    assert "suspect the credentials" in said


def _move_addresses_to_loopback(tables: Path) -> None:
    """10.x.y.z becomes 127.x.y.z in every table, so that no packet of this test can leave the machine."""
    for name in ("sites.csv", "circuits.csv", "devices.csv", "hubs.yaml", "regions.yaml"):
        path = tables / name
        path.write_text(re.sub(r"\b10\.(\d+\.\d+\.\d+)", r"127.\1", path.read_text()))
