"""Options and parameter types that several nouns share, so that they read the same everywhere."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import click

import inventory

state_dir_option = click.option(
    "--state-dir",
    type=click.Path(path_type=Path),
    envvar="NOC_STATE_DIR",
    default=Path(".state"),
    show_default=True,
    help="Where the NOC keeps accounts, acknowledgements, metrics and logs.",
)

inventory_option = click.option(
    "--inventory",
    "directory",
    type=click.Path(path_type=Path),
    envvar="NOC_INVENTORY",
    default=inventory.packaged_tables(),
    help="Folder of the tables (default: the shipped 594 sites).",
)

json_option = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON on standard output.")

environment_option = click.option(
    "--env",
    "environment",
    type=click.Choice(["prod", "dev"]),
    help="Only the stacks of this environment.",
)

stacks_option = click.option(
    "--stacks",
    "stacks_dir",
    type=click.Path(path_type=Path),
    envvar="NOC_INFRA_STACKS",
    help="Folder of the stacks' configuration (default: infra/stacks).",
)

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)([smhd])")


class Duration(click.ParamType[timedelta]):
    """90s, 10m, 1h30m or 1d."""

    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """Parse a duration; a bare number is refused, because its unit would be a guess."""
        if isinstance(value, timedelta):
            return value
        text = str(value)
        parts = _DURATION.findall(text)
        if not parts or "".join(number + unit for number, unit in parts) != text:
            self.fail(f"'{text}' is no duration; write it like 90s, 10m or 1h30m", param, ctx)
        return timedelta(seconds=sum(float(number) * _SECONDS[unit] for number, unit in parts))
