"""`noc twin`: runs the simulated wide area network."""

from __future__ import annotations

import re
import socket
from pathlib import Path

import click


class Refused(click.ClickException):
    """Bad input or bad luck at the start: one sentence, exit code 2."""

    exit_code = 2


@click.group()
def cli() -> None:
    """The WAN without the WAN."""


@cli.command()
@click.option("--inventory", "tables", type=click.Path(path_type=Path), required=True, help="Folder of tables.")
@click.option("--control", default="127.0.0.1:9594", show_default=True, help="HOST:PORT of the control API.")
@click.option("--token-file", type=click.Path(path_type=Path), required=True, help="Bearer token of the API.")
@click.option("--state-file", type=click.Path(path_type=Path), required=True, help="Faults that survive a restart.")
@click.option("--fault-log", type=click.Path(path_type=Path), help="Ground truth; default beside the state file.")
@click.option("--seed", type=int, default=594, show_default=True, help="Fixes traffic, boot times and loss.")
@click.option("--community", default="public", show_default=True, help="SNMP community of all agents.")
def run(
    tables: Path,
    control: str,
    token_file: Path,
    state_file: Path,
    fault_log: Path | None,
    seed: int,
    community: str,
) -> None:
    """Simulate every device of the inventory until SIGTERM or Ctrl-C."""
    import uvloop

    import inventory
    from network_ops.twin.simulated.datapath import PortError
    from network_ops.twin.simulated.process import Settings, serve
    from network_ops.twin.simulated.store import StateError

    host, port = _endpoint(control)
    try:
        inv = inventory.load(tables)
        token = token_file.read_text(encoding="utf-8").strip()
    except inventory.InventoryError as e:
        raise Refused(str(e)) from e
    except (OSError, UnicodeDecodeError) as e:
        raise Refused(f"{token_file}: cannot read the token: {e}; `noc up` makes one") from e
    if not token:
        raise Refused(f"{token_file}: the token file is empty; write a secret into it")
    try:
        listener = socket.create_server((host, port), backlog=64)
    except OSError as e:
        raise Refused(f"cannot listen on {control}: {e.strerror}; choose another --control") from e
    log = fault_log or state_file.with_name(f"{state_file.stem}-faults.jsonl")
    settings = Settings(token, state_file, log, seed, community)
    shown = "{}:{}".format(*listener.getsockname()[:2])
    click.echo(f"twin of {len(inv.sites)} sites, {len(inv.devices)} devices; control on http://{shown}", err=True)
    try:
        uvloop.run(serve(inv, settings, listener))
    except (PortError, StateError) as e:
        raise Refused(str(e)) from e


def _endpoint(text: str) -> tuple[str, int]:
    """Host and port of HOST:PORT; loopback only, because the control API breaks networks."""
    host, _, port = text.rpartition(":")
    if not re.fullmatch("[0-9]{1,5}", port) or int(port) > 65535:
        raise click.BadParameter(f"'{text}' is not HOST:PORT", param_hint="--control")
    if host != "localhost" and not host.startswith("127."):
        raise click.BadParameter(f"'{host}' is not a loopback address", param_hint="--control")
    return host, int(port)
