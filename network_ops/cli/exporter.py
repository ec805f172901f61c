"""`noc exporter snmp|probes|fleet`: runs one exporter alone, in the foreground, until Ctrl-C or SIGTERM."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from exporters.common.errors import ExporterError

_config = click.option(
    "--config", type=click.Path(path_type=Path, dir_okay=False), help="Configuration file; default: the shipped one."
)
_targets = click.option(
    "--targets", "targets_url", metavar="URL", help="Prometheus http_sd URL of the targets to start with."
)
_token = click.option(
    "--token-file", type=click.Path(path_type=Path, dir_okay=False), help="File with the bearer token for --targets."
)


@click.group(name="exporter")
def cli() -> None:
    """Run an exporter alone (see exporters/README.md)."""


@cli.command()
@click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    multiple=True,
    help="snmp.yml; may be given several times; default: the shipped one. SIGHUP reads it again.",
)
@click.option("--listen", default="127.0.0.1:9116", show_default=True, metavar="HOST:PORT", help="Where to serve.")
@_targets
@_token
@click.option("--allow-remote", is_flag=True, help="Allow --listen on an address that other machines can reach.")
def snmp(
    config: tuple[Path, ...], listen: str, targets_url: str | None, token_file: Path | None, allow_remote: bool
) -> None:
    """Serve /snmp?target=HOST[:PORT]&module=a,b&auth=NAME in snmp_exporter's conventions."""
    from exporters.snmp import server

    try:
        server.run(config, listen, targets_url, token_file, allow_remote=allow_remote)
    except ExporterError as error:
        _fail(error)


@cli.command()
@_config
@click.option("--listen", default="127.0.0.1:9115", show_default=True, metavar="HOST:PORT", help="Where to serve.")
@_targets
@_token
def probes(config: Path | None, listen: str, targets_url: str | None, token_file: Path | None) -> None:
    """Probe every session and device of --targets and serve what was measured."""
    from exporters.probes import server

    try:
        server.run(config, listen, targets_url, token_file)
    except ExporterError as error:
        _fail(error)


@cli.command()
@click.option("--listen", default="127.0.0.1:9595", show_default=True, metavar="HOST:PORT", help="Where to serve.")
@click.option(
    "--records",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(".state/infra/records"),
    show_default=True,
    help="Folder of the records that noc infra writes; may not exist yet.",
)
@click.option(
    "--stacks",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of the Pulumi.<stack>.yaml files, for the dates of policy exemptions; default: without them.",
)
@click.option("--allow-remote", is_flag=True, help="Allow --listen on an address that other machines can reach.")
def fleet(listen: str, records: Path, stacks: Path | None, allow_remote: bool) -> None:
    """Serve how old and how good the last preview of each stack is, drift, and the end of policy exemptions."""
    from exporters.fleet import server

    try:
        server.run(listen, records, stacks, allow_remote=allow_remote)
    except ExporterError as error:
        _fail(error)


def _fail(error: ExporterError) -> None:
    """Say the error in one sentence on stderr and end with its exit code."""
    click.echo(f"noc exporter: {error}", err=True)
    sys.exit(error.exit_code)
