"""`noc status`: what a running NOC consists of and whether it can see."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path

import click

from network_ops.cli.options import json_option, state_dir_option
from network_ops.supervisor.errors import StartError
from network_ops.supervisor.state import StateDir, read_run_file


@click.command()
@state_dir_option
@json_option
def cli(state_dir: Path, as_json: bool) -> None:
    """Show the parts of the running NOC with their state, restarts and addresses."""
    try:
        status = read_run_file(StateDir(state_dir.absolute()))
    except StartError as error:
        print(f"noc status: {error}", file=sys.stderr)
        sys.exit(error.code)
    if as_json:
        print(json.dumps(asdict(status), indent=1))
        return
    print(f"pid {status.pid}, up since {status.started_at}, network: {status.twin}, inventory: {status.inventory}")
    for child in status.children:
        print(f"  {child.name:<13} {child.state:<10} {child.url:<24} restarts {child.restarts}, since {child.since}")
    sweep = status.sweep
    if sweep:
        print(f"  start-up sweep: {sweep['sites_full']} of {sweep['sites']} sites in {sweep['seconds']:.1f} s")
    if status.first_pass_s is not None:
        print(f"  Prometheus' first full pass: {status.first_pass_s:.0f} s")
