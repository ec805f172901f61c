"""`noc smoke`: break things on purpose and time the alerts."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import click

import inventory
from network_ops.cli.options import inventory_option, json_option
from network_ops.supervisor.errors import StartError


@click.command()
@inventory_option
@click.option("--seed", default=1, show_default=True, help="Chooses the faults and their spacing.")
@json_option
def cli(directory: Path, seed: int, as_json: bool) -> None:
    """Start a NOC on free ports, inject and clear 24 faults and more, and time their alerts.

    Exit codes: 0 objectives met, 1 failed to run, 2 bad input, 3 an objective missed.
    """
    from network_ops.trial.smoke import run_smoke

    def say(text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    try:
        report = asyncio.run(run_smoke(directory, seed, say))
    except StartError as error:
        print(f"noc smoke: {error}", file=sys.stderr)
        sys.exit(1)
    except (inventory.InventoryError, ValueError) as error:
        print(f"noc smoke: {error}", file=sys.stderr)
        sys.exit(2)
    if as_json:
        print(json.dumps(report, indent=1))
    else:
        for name in ("found", "resolved"):
            figures = report[name]
            print(
                f"{name:<9} {figures['count']} of {report['faults']}: p50 {figures['p50_s']:.1f} s, "
                f"p95 {figures['p95_s']:.1f} s, max {figures['max_s']:.1f} s"
            )
        print(f"extra     {len(report['extra_alerts'])} alerts that no fault explains")
        for alert in report["extra_alerts"]:
            print(f"            {alert['name']} {alert['labels']}")
        print(f"pages     {report['pages_during_hub_isolation']} while a hub is isolated")
        for name, met in report["objectives"].items():
            print(f"{'met' if met else 'MISSED':<9} {name.replace('_', ' ')}")
    sys.exit(0 if report["met"] else 3)
