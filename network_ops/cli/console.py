"""`noc console`: run the console alone, beside a Prometheus and an Alertmanager of one's own."""

from __future__ import annotations

import logging
from pathlib import Path

import click

from network_ops.noc.errors import ConsoleError
from network_ops.noc.settings import (
    REPOSITORY,
    Settings,
    default_database,
    hosts_of,
    is_loopback,
    parse_listen,
    read_token,
)

_PATH = click.Path(path_type=Path)


class ConsoleFailure(click.ClickException):
    """An error of the console as one sentence with its exit code."""

    def __init__(self, error: ConsoleError) -> None:
        super().__init__(str(error))
        self.error = error

    @property
    def exit_code(self) -> int:  # type: ignore[override] # click reads it, nobody writes it
        """The exit code of the error's family."""
        return self.error.exit_code


@click.group()
def cli() -> None:
    """Run the console alone."""


@cli.command()
@click.option("--inventory", type=_PATH, default=REPOSITORY / "inventory", help="Folder of the tables.")
@click.option("--prometheus", required=True, metavar="URL", help="Prometheus.")
@click.option("--alertmanager", required=True, metavar="URL", help="Alertmanager.")
@click.option("--twin", metavar="URL", help="The twin's control API; without it the network is the real one.")
@click.option("--state-dir", type=_PATH, required=True, help="Where the database and the lock live.")
@click.option("--database", metavar="URL", help="SQLAlchemy URL; default SQLite in the state directory.")
@click.option("--listen", default="127.0.0.1:8080", show_default=True, metavar="HOST:PORT")
@click.option("--token-file", type=_PATH, required=True, help="Bearer token of the parts among themselves.")
@click.option("--run-file", type=_PATH, help="The parent's run.json, for the health strip.")
@click.option(
    "--anonymous-view/--no-anonymous-view",
    default=None,
    help="Whether pages can be read without login; default: only when listening on loopback.",
)
@click.option(
    "--allowed-host", "allowed", multiple=True, metavar="NAME", help="Name the Host header may carry; repeatable."
)
@click.option("--https", is_flag=True, help="The console is behind https: cookies are marked Secure.")
def serve(
    inventory: Path,
    prometheus: str,
    alertmanager: str,
    twin: str | None,
    state_dir: Path,
    database: str | None,
    listen: str,
    token_file: Path,
    run_file: Path | None,
    anonymous_view: bool | None,
    allowed: tuple[str, ...],
    https: bool,
) -> None:
    """Serve pages and API until stopped."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    from network_ops.noc.server import serve as run

    try:
        host, port = parse_listen(listen)
        run(
            Settings(
                inventory=inventory,
                prometheus=prometheus.rstrip("/"),
                alertmanager=alertmanager.rstrip("/"),
                twin=twin.rstrip("/") if twin else None,
                state_dir=state_dir,
                database=database or default_database(state_dir),
                host=host,
                port=port,
                token=read_token(token_file),
                run_file=run_file,
                anonymous_view=is_loopback(host) if anonymous_view is None else anonymous_view,
                allowed_hosts=hosts_of(host, allowed),
                secure_cookies=https,
            )
        )
    except ConsoleError as error:
        raise ConsoleFailure(error) from error
