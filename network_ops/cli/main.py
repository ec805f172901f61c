"""Entry point of the `noc` command: turns a noun into the module that knows its verbs, imported only then.

Exit codes everywhere: 0 fine, 1 failed, 2 usage or bad input, 3 difference or objective missed, 4 refused by a guard.
"""

from __future__ import annotations

import errno
import importlib
import os
import sys
from importlib.metadata import version

import click

# noun -> (module, one line for `noc --help`); the module's attribute `cli` is the command
NOUNS: dict[str, tuple[str, str]] = {
    "up": ("network_ops.cli.up", "Run the whole NOC under one parent."),
    "status": ("network_ops.cli.status", "Show what a running NOC consists of and whether it can see."),
    "inventory": ("network_ops.cli.inventory", "Validate, query, complete, import and export the inventory."),
    "infra": ("network_ops.cli.infra", "Draw, plan, check, price and deploy the Azure side."),
    "fault": ("network_ops.cli.fault", "Inject, list and clear faults in the twin."),
    "user": ("network_ops.cli.user", "Local accounts of the console."),
    "smoke": ("network_ops.cli.smoke", "Break things on purpose and time the alerts."),
    "soak": ("network_ops.cli.soak", "Run quietly for a while; report false alerts, CPU and memory."),
    "snmp": ("network_ops.cli.snmp", "Ask one device by hand: walk, get, explain."),
    "exporter": ("network_ops.cli.exporter", "Run one exporter alone: snmp, probes or fleet."),
    "twin": ("network_ops.cli.twin", "Run the simulated wide area network alone."),
    "console": ("network_ops.cli.console", "Run the console alone."),
}


class LazyGroup(click.Group):
    """A group whose commands are imported when they are asked for, so that `noc --help` stays quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All nouns, in the order of the table."""
        return list(NOUNS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the module of a noun; unknown nouns give None, which click reports."""
        if cmd_name not in NOUNS:
            return None
        command: click.Command = importlib.import_module(NOUNS[cmd_name][0]).cli
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the table of nouns without importing any of them."""
        with formatter.section("Nouns"):
            formatter.write_dl([(noun, text) for noun, (_, text) in NOUNS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(version("wan-noc"), "--version", prog_name="noc")
def cli() -> None:
    """Run and watch a wide area network: noc NOUN VERB [QUERY] [options]."""


def main() -> None:
    """Run the command line; a full disk or a missing permission is a sentence, not a stack trace."""
    try:
        cli(prog_name="noc")
    except BrokenPipeError:
        # The reader of our output went away (`noc inventory list | head`): nothing to tell anybody.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EACCES, errno.EROFS, errno.EDQUOT):
            raise
        where = f" ({error.filename})" if error.filename else ""
        print(f"noc: {error.strerror}{where}: free some space or choose another --state-dir", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
