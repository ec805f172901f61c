"""`noc snmp walk|get|explain`: ask one device by hand, with the exporter's own engine and credentials."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Coroutine, Sequence
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec

import click

from network_ops.cli.options import json_option

if TYPE_CHECKING:
    from exporters.snmp.config import Config
    from exporters.snmp.engine import Engine
    from exporters.snmp.state import PollResult
    from exporters.snmp.walk import Found

P = ParamSpec("P")
EXIT_FAILED, EXIT_BAD_INPUT = 1, 2

_config = click.option(
    "--config",
    "files",
    type=click.Path(path_type=Path, dir_okay=False),
    multiple=True,
    help="snmp.yml with the credentials and modules; default: the shipped one.",
)
_auth = click.option("--auth", default="public_v2", show_default=True, help="Which credentials of the file.")
_timeout = click.option(
    "--timeout", "timeout_s", default=10.0, show_default=True, type=click.FloatRange(0.1, 600), help="Seconds in all."
)


def _guarded(function: Callable[P, None]) -> Callable[P, None]:
    """Exporter errors as a sentence: wrong input is 2, a device that does not answer 1."""

    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        from exporters.common.errors import BadInput, ExporterError
        from exporters.snmp.errors import UnknownName

        try:
            function(*args, **kwargs)
        except ExporterError as error:
            click.echo(f"noc snmp: {error}", err=True)
            sys.exit(EXIT_BAD_INPUT if isinstance(error, BadInput | UnknownName) else EXIT_FAILED)

    return run


@click.group()
def cli() -> None:
    """Ask one device by hand, with the exporter's engine: TARGET is HOST or HOST:PORT."""


def _with_engine(files: Sequence[Path], ask: Callable[[Engine, Config], Coroutine[None, None, None]]) -> None:
    from exporters.snmp import loader
    from exporters.snmp.engine import Engine

    config = loader.load(files or (loader.SHIPPED,))

    async def run() -> None:
        engine = Engine(config)
        try:
            await ask(engine, config)
        finally:
            engine.close()

    asyncio.run(run())


def _print(rows: Sequence[Found], as_json: bool) -> None:
    from exporters.snmp.ask import shown

    if as_json:
        click.echo(json.dumps([dict(zip(("oid", "type", "value"), shown(row), strict=True)) for row in rows], indent=1))
        return
    for row in rows:
        name, kind, value = shown(row)
        click.echo(f"{name} = {kind}: {value}")


def _oid(text: str) -> tuple[int, ...]:
    from exporters.snmp.errors import Malformed
    from exporters.snmp.message import parse_oid

    try:
        return parse_oid(text)
    except Malformed as error:
        raise click.BadParameter(f"{error}; write it as 1.3.6.1.2.1.1") from error


@cli.command()
@click.argument("target")
@click.argument("oid", default="1.3.6.1.2.1.1")
@_config
@_auth
@_timeout
@json_option
@_guarded
def walk(target: str, oid: str, files: tuple[Path, ...], auth: str, timeout_s: float, as_json: bool) -> None:
    """Walk a subtree of TARGET (default: the system group) and print every variable."""
    from exporters.snmp import ask
    from exporters.snmp.addresses import parse_target

    arcs = _oid(oid)
    parse_target(target)

    async def run(engine: Engine, config: Config) -> None:
        column = await ask.walk(engine, target, config.auth(auth), arcs, timeout_s)
        _print(column.rows, as_json)
        if column.trouble:
            click.echo(f"noc snmp: ended early after {len(column.rows)} variables: {column.trouble}", err=True)
            sys.exit(EXIT_FAILED)
        if not column.rows:
            click.echo(f"noc snmp: {target} has nothing under {oid}", err=True)

    _with_engine(files, run)


@cli.command()
@click.argument("target")
@click.argument("oids", nargs=-1, required=True, metavar="OID...")
@_config
@_auth
@_timeout
@json_option
@_guarded
def get(
    target: str, oids: tuple[str, ...], files: tuple[Path, ...], auth: str, timeout_s: float, as_json: bool
) -> None:
    """Get single instances of TARGET (1.3.6.1.2.1.1.3.0); exit 1 where one of them is missing."""
    from exporters.snmp import ask
    from exporters.snmp.addresses import parse_target

    wanted = [_oid(oid) for oid in oids]
    parse_target(target)

    async def run(engine: Engine, config: Config) -> None:
        found = await ask.get(engine, target, config.auth(auth), wanted, timeout_s)
        _print([found[arcs] for arcs in wanted if arcs in found], as_json)
        missing = [text for text, arcs in zip(oids, wanted, strict=True) if arcs not in found]
        if missing:
            click.echo(f"noc snmp: {target} has no {', '.join(missing)}", err=True)
            sys.exit(EXIT_FAILED)

    _with_engine(files, run)


@cli.command()
@click.argument("target")
@click.option("--module", "modules", default="system,if_mib", show_default=True, help="Modules, by commas.")
@_config
@_auth
@_timeout
@_guarded
def explain(target: str, modules: str, files: tuple[Path, ...], auth: str, timeout_s: float) -> None:
    """Poll TARGET twice as the exporter would, and show path, plan, every datagram and the samples of the second."""
    from exporters.snmp.debug import report
    from exporters.snmp.errors import PollFailed
    from exporters.snmp.request import parse_query

    async def run(engine: Engine, config: Config) -> None:
        wanted = parse_query(config, f"target={target}&module={modules}&auth={auth}".encode())
        known, _ = await engine.look(wanted.target, wanted.auth, wanted.modules)
        outcome: PollResult | PollFailed
        for _ in range(2):  # the first one walks, the second is what every later one is like
            trace = known.trace = []
            try:
                outcome = await engine.poll(wanted.target, wanted.auth, wanted.modules, timeout_s)
            except PollFailed as error:
                outcome = error
                break
        _, entry = await engine.look(wanted.target, wanted.auth, wanted.modules)
        click.echo(report(wanted, outcome, known, entry, trace, asyncio.get_running_loop().time()), nl=False)
        if isinstance(outcome, PollFailed):
            sys.exit(EXIT_FAILED)

    _with_engine(files, run)
