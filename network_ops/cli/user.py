"""`noc user`: local accounts of the console. Works beside a running console; a disabled account is out at once."""

from __future__ import annotations

import getpass
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING

import click

from network_ops.cli.console import ConsoleFailure
from network_ops.noc.errors import ConsoleError
from network_ops.noc.settings import default_database

if TYPE_CHECKING:
    from network_ops.noc.store.database import Database

_ROLES = ("viewer", "operator", "engineer", "dr-commander")


@click.group()
def cli() -> None:
    """Local accounts of the console."""


def _database_option(command: Callable[..., None]) -> Callable[..., None]:
    """Give a verb `--state-dir` and `--database`; it gets the URL as `url`."""

    @click.option(
        "--state-dir",
        type=click.Path(path_type=Path),
        envvar="NOC_STATE_DIR",
        default=Path(".state"),
        show_default=True,
        help="State directory of the NOC.",
    )
    @click.option("--database", metavar="URL", help="The console's database, when it is not in the state directory.")
    @wraps(command)
    def verb(state_dir: Path, database: str | None, **options: object) -> None:
        command(database or default_database(state_dir.absolute()), **options)

    return verb


@contextmanager
def _database(url: str) -> Iterator[Database]:
    from network_ops.noc.store.database import open_database

    try:
        database = open_database(url)
        try:
            yield database
        finally:
            database.close()
    except ConsoleError as error:
        raise ConsoleFailure(error) from error


def _actor() -> str:
    return f"cli:{getpass.getuser()}"


def _password(from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\n")
    return str(click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True))


@cli.command()
@click.argument("name")
@click.option("--role", type=click.Choice(_ROLES), required=True)
@click.option("--password-stdin", is_flag=True, help="Read the password from the first line of standard input.")
@_database_option
def add(url: str, name: str, role: str, password_stdin: bool) -> None:
    """Make an account."""
    from network_ops.noc.store import accounts

    with _database(url) as database:
        accounts.add(database, name, role, _password(password_stdin), _actor(), datetime.now(UTC))
    click.echo(f"{name} may log in as {role}", err=True)


@cli.command("password")
@click.argument("name")
@click.option("--password-stdin", is_flag=True, help="Read the password from the first line of standard input.")
@_database_option
def set_password(url: str, name: str, password_stdin: bool) -> None:
    """Give an account a new password; this ends its sessions and enables it again."""
    from network_ops.noc.store import accounts

    with _database(url) as database:
        accounts.set_password(database, name, _password(password_stdin), _actor(), datetime.now(UTC))
    click.echo(f"{name} has a new password", err=True)


@cli.command()
@click.argument("name")
@_database_option
def disable(url: str, name: str) -> None:
    """Close an account at once; it stays in the audit trail."""
    from network_ops.noc.store import accounts

    with _database(url) as database:
        accounts.disable(database, name, _actor(), datetime.now(UTC))
    click.echo(f"{name} is disabled", err=True)


@cli.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@_database_option
def show(url: str, as_json: bool) -> None:
    """List accounts."""
    from network_ops.noc.store import accounts

    with _database(url) as database:
        found = accounts.all_accounts(database)
    if as_json:
        rows = [
            {
                "name": account.name,
                "role": account.role,
                "created_at": account.created_at.isoformat(),
                "disabled": account.disabled_at is not None,
            }
            for account in found
        ]
        click.echo(json.dumps(rows, indent=1))
        return
    for account in found:
        click.echo(f"{account.name:<24} {account.role:<14} {'disabled' if account.disabled_at else 'active'}")
