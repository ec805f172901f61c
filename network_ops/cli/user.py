"""`noc user`: local accounts of the console. Works beside a running console; a disabled account is out at once."""

from __future__ import annotations

import getpass
import json
import re
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
def _database(url: str, must_exist: bool = False) -> Iterator[Database]:
    from network_ops.noc.store.database import open_database

    try:
        database = open_database(url, must_exist)
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


@cli.command("audit")
@click.option("--verify", "check", is_flag=True, help="Check the chain of hashes instead of listing; 3 = it is broken.")
@click.option(
    "--head", metavar="HASH", default="", help="With --verify: a head noted earlier, which must still be there."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@_database_option
def trail(url: str, check: bool, head: str, as_json: bool) -> None:
    """Show who did what in the console, or check that nobody changed that record.

    Each entry carries the hash of the one before. Note the head that --verify prints somewhere else, on paper or in
    another system: shown again with --head it proves that no later hand has cut off or rewritten what was there.
    """
    if head and not check:
        raise click.UsageError("--head goes with --verify")
    if head and not re.fullmatch("[0-9a-f]{64}", head):
        raise click.UsageError("--head is a hash of 64 hexadecimal digits, as --verify prints it")
    with _database(url, must_exist=True) as database:
        if check:
            _verify(database, head, as_json)
        else:
            _list(database, as_json)


def _list(database: Database, as_json: bool) -> None:
    from network_ops.noc.store import audit

    if as_json:
        fields = ("id", "actor", "action", "subject", "detail", "peer", "previous_hash", "hash")
        rows = [
            {"at": row.at.isoformat(), **{name: getattr(row, name) for name in fields}}
            for row in audit.entries(database)
        ]
        click.echo(json.dumps(rows, indent=1))
        return
    for row in audit.entries(database):
        said = " ".join(json.dumps(text, ensure_ascii=False) for text in (row.subject, row.detail) if text)
        line = f"{row.id:>6} {row.at:%Y-%m-%d %H:%M:%SZ} {row.actor:<20} {row.action:<18} {row.peer:<15} {said}"
        # Names of refused logins are a stranger's words: none of them may steer the reader's terminal.
        click.echo("".join(sign if sign.isprintable() else "?" for sign in line))


def _verify(database: Database, noted: str, as_json: bool) -> None:
    from network_ops.noc.store import audit

    found = audit.verify(audit.entries(database), noted or audit.GENESIS)
    lost = bool(noted) and found.noted_at is None
    holds = found.broken_at is None and not lost
    if as_json:
        verdict = {"holds": holds, "rows": found.rows, "head": found.head, "broken_at": found.broken_at}
        click.echo(json.dumps({**verdict, "noted_at": found.noted_at if noted else None}))
    else:
        click.echo(f"rows {found.rows}\nhead {found.head}")
    if found.broken_at is not None:
        click.echo(f"broken at entry {found.broken_at}: it or one before it was changed, added or removed", err=True)
    elif lost:
        click.echo("the noted head is gone: the end of the trail was cut off, or all of it written anew", err=True)
    else:
        click.echo("the chain holds" + ("" if noted else "; note rows and head elsewhere, for --head later"), err=True)
    if not holds:
        raise SystemExit(3)
