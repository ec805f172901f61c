"""`noc soak`: run quietly for a while; report false alerts, CPU and memory."""

from __future__ import annotations

import asyncio
import json
import sys
from datetime import timedelta
from pathlib import Path

import click

from network_ops.cli.options import Duration, inventory_option, json_option
from network_ops.supervisor.errors import StartError


@click.command()
@inventory_option
@click.option("--for", "length", default="60m", type=Duration(), show_default=True, help="How long in all.")
@click.option("--settle", default="15m", type=Duration(), show_default=True, help="Not measured, at the start.")
@json_option
def cli(directory: Path, length: timedelta, settle: timedelta, as_json: bool) -> None:
    """Run a NOC on free ports without any fault; every alert is one too many.

    Exit codes: 0 objectives met, 1 failed to run, 3 an objective missed.
    """
    from network_ops.trial.soak import run_soak

    def say(text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    try:
        report = asyncio.run(run_soak(directory, length, settle, say))
    except StartError as error:
        print(f"noc soak: {error}", file=sys.stderr)
        sys.exit(1)
    if as_json:
        print(json.dumps(report, indent=1))
    else:
        print(f"{report['cpu_ratio_of_one_core']:.0%} of one core over {report['measured_for_s']} s")
        print(f"{report['memory_pss_bytes'] / 1e6:.0f} MB (PSS), {report['active_series']:.0f} active series")
        for name, part in report["parts"].items():
            print(f"  {name:<13} {part['cpu_ratio']:6.1%} of a core  {part['pss_MB']:7.1f} MB")
        print(f"{len(report['alerts'])} alerts in {report['quiet_for_s']} quiet seconds")
        for alert in report["alerts"]:
            print(f"  {alert['name']} {alert['labels']}")
        for name, met in report["objectives"].items():
            print(f"{'met' if met else 'MISSED':<9} {name.replace('_', ' ')}")
    sys.exit(0 if report["met"] else 3)
