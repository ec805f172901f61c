"""Runs the whole NOC: checks, renders, starts the parts in order, reports progress, watches, stops.

Progress goes to standard error; the run file tells other commands what runs. Everything ends with this process.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

import inventory
from network_ops import monitoring
from network_ops.supervisor.children import Child
from network_ops.supervisor.errors import StartError
from network_ops.supervisor.parts import Options, specs, url
from network_ops.supervisor.ports import check_free
from network_ops.supervisor.state import LOW_FREE_BYTES, RunStatus, end_leftovers, utc_now

SITES_SCRAPED_QUERY = 'count(count by (site) (up{job="snmp"} == 1))'
SWEEP_PATIENCE_S = 90.0
FIRST_PASS_PATIENCE_S = 180.0


def say(text: str, *, end: str = "\n") -> None:
    """Progress for the person at the terminal, on standard error."""
    with contextlib.suppress(OSError):  # nobody may be reading any more: that ends nothing
        print(text, end=end, file=sys.stderr, flush=True)  # noqa: T201 - this is the terminal's progress


def render_monitoring(options: Options, inv: inventory.Inventory, mail: monitoring.Mail | None) -> None:
    """Write the Prometheus and Alertmanager configuration below the state directory."""
    settings = monitoring.Settings(
        console_url=url(options, "console"),
        snmp_url=url(options, "snmp"),
        probes_url=url(options, "probes"),
        fleet_url=url(options, "fleet"),
        prometheus_url=url(options, "prometheus"),
        alertmanager_url=url(options, "alertmanager"),
        token_file=options.state.token_file.resolve(),
        mail=mail,
    )
    monitoring.render(inv, settings, options.state.root / "monitoring")


def load_inventory(directory: Path) -> inventory.Inventory:
    """The inventory, with all its problems in one error.

    Raises:
        StartError: lists every problem with file, line, column and remedy.
    """
    try:
        inv = inventory.load(directory)
    except inventory.InventoryError as error:
        raise StartError(f"the inventory in {directory} has problems:\n{error}") from error
    if not inv.sites:
        raise StartError(
            f"the inventory in {directory} has no sites: add rows to sites.csv, or name another --inventory"
        )
    return inv


async def run(options: Options, mail: monitoring.Mail | None = None) -> None:
    """Run the NOC until a signal ends it.

    Raises:
        StartError: it cannot start; what was started is stopped again.
    """
    began = time.monotonic()
    inv = load_inventory(options.inventory)
    children_specs = specs(options)
    options.state.prepare()
    with options.state.locked():
        for pid in end_leftovers(options.state):
            say(f"ended process {pid}, which an earlier NOC on this directory had left behind")
        check_free(options.ports)
        render_monitoring(options, inv, mail)
        say(
            f"wan-noc: {len(inv.sites)} sites, {len(inv.devices)} devices, {len(inv.sessions)} sessions, "
            f"{'on the simulated network' if options.twin == 'simulated' else 'on the REAL network'}"
        )
        status = RunStatus(
            pid=os.getpid(),
            started_at=utc_now(),
            twin=options.twin,
            inventory=str(options.inventory.resolve()),
        )

        def save() -> None:
            # A full disk must not end the watch: the children go on, the file is written at the next change.
            with contextlib.suppress(OSError):
                status.write(options.state.run_file)

        children = [Child(spec, save) for spec in children_specs.values()]
        status.children = [child.status for child in children]
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        async with httpx.AsyncClient(timeout=5.0) as client:
            main = asyncio.create_task(_start_and_watch(options, children, status, save, client, began))
            stopping = asyncio.create_task(stop.wait())
            try:
                await asyncio.wait({main, stopping}, return_when=asyncio.FIRST_COMPLETED)
                if main.done():
                    main.result()
            finally:
                say("\nStopping: ", end="")
                for task in (main, stopping):
                    task.cancel()
                await asyncio.gather(*(child.stop() for child in reversed(children)))
                with contextlib.suppress(OSError):
                    options.state.run_file.unlink(missing_ok=True)
                say("every process has ended.")


async def _start_and_watch(
    options: Options,
    children: list[Child],
    status: RunStatus,
    save: Callable[[], None],
    client: httpx.AsyncClient,
    began: float,
) -> None:
    save()
    for child in children:
        since = time.monotonic()
        await child.start(client)
        say(f"  + {child.spec.name:<13} {child.spec.url:<24} {time.monotonic() - since:5.1f} s")
    status.sweep = await _sweep(options, client)
    sweep = status.sweep
    say(
        f"  Start-up sweep: {sweep['sites_full']} of {sweep['sites']} sites, {sweep['full']} of {sweep['targets']} "
        f"devices answered in full after {sweep['seconds']:.1f} s"
    )
    _name_the_silent(sweep)
    status.ready = True
    save()
    say(f"\n  Console: {url(options, 'console')}/   (after {time.monotonic() - began:.0f} s; Ctrl-C stops everything)")
    _hints(options)
    housekeeping = asyncio.create_task(_housekeeping(options, children, status, save))
    try:
        await _first_pass(options, client, status, save)
        await asyncio.Event().wait()
    finally:
        housekeeping.cancel()


def _name_the_silent(sweep: dict[str, Any]) -> None:
    silent = list(sweep.get("unanswered") or ())
    if silent:
        more = f" and {len(silent) - 5} more" if len(silent) > 5 else ""
        say(f"  No SNMP answer yet from: {', '.join(silent[:5])}{more}")
    if silent and len(silent) == sweep["targets"]:
        say("  None answers: suspect the credentials (auth in devices.csv), an access list or the path.")


def _hints(options: Options) -> None:
    if options.twin == "simulated":
        say("  Break something:   noc fault inject site-power ke-nairobi --for 5m   (.venv/bin/noc, or activate .venv)")
    say("  To acknowledge alerts, make an account:   noc user add NAME --role operator\n")


async def _sweep(options: Options, client: httpx.AsyncClient) -> dict[str, Any]:
    """Wait for the SNMP exporter's start-up sweep and return its last figures."""
    deadline = time.monotonic() + SWEEP_PATIENCE_S
    latest: dict[str, Any] = {
        "targets": 0,
        "answered": 0,
        "full": 0,
        "sites": 0,
        "sites_full": 0,
        "seconds": 0.0,
    }
    while time.monotonic() < deadline:
        with contextlib.suppress(httpx.HTTPError, ValueError):
            latest = (await client.get(url(options, "snmp") + "/sweep")).json()
            if sys.stderr.isatty():
                say(f"\r  Start-up sweep: {latest['answered']} of {latest['targets']} devices ", end="")
            if latest.get("done"):
                break
        await asyncio.sleep(0.25)
    if sys.stderr.isatty():
        say("\r" + " " * 60 + "\r", end="")
    return latest


async def _first_pass(options: Options, client: httpx.AsyncClient, status: RunStatus, save: Callable[[], None]) -> None:
    """Say when Prometheus has scraped every site once, shown apart from the sweep."""
    began = time.monotonic()
    wanted = int((status.sweep or {}).get("sites", 0))
    seen = 0
    while time.monotonic() - began < FIRST_PASS_PATIENCE_S:
        with contextlib.suppress(httpx.HTTPError, ValueError, LookupError):
            answer = await client.get(
                url(options, "prometheus") + "/api/v1/query", params={"query": SITES_SCRAPED_QUERY}
            )
            seen = int(float(answer.json()["data"]["result"][0]["value"][1]))
        if seen >= wanted > 0:
            status.first_pass_s = round(time.monotonic() - began, 1)
            save()
            say(f"  Prometheus' first full pass: {seen} sites after {status.first_pass_s:.0f} s")
            return
        await asyncio.sleep(1.0)
    say(
        f"  Prometheus has had answers from {seen} of {wanted} sites in {FIRST_PASS_PATIENCE_S:.0f} s; the rest is mute"
    )


async def _housekeeping(options: Options, children: list[Child], status: RunStatus, save: Callable[[], None]) -> None:
    """Every five seconds: room on the disk (said loudly when it ends), logs bounded."""
    low = False
    while True:
        with contextlib.suppress(OSError):
            status.disk_free_bytes = options.state.free_bytes()
            was, low = low, status.disk_free_bytes < LOW_FREE_BYTES
            if low and not was:
                free = status.disk_free_bytes // 2**20
                say(f"  ! the disk of {options.state.root} has {free} MiB left: free some, or alerting will stop")
        save()
        for child in children:
            with contextlib.suppress(OSError):
                child.trim_running_log()
        await asyncio.sleep(5.0)
