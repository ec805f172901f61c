"""Local accounts and sessions: argon2 passwords, cookies of which only the hash is stored."""

from __future__ import annotations

import ctypes
import hashlib
import re
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, get_args

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import delete, select

from network_ops.noc.errors import BadInputError
from network_ops.noc.store import audit
from network_ops.noc.store.database import Database
from network_ops.noc.store.tables import AccountRow, SessionRow

Role = Literal["viewer", "operator", "engineer", "dr-commander"]
ROLES: tuple[Role, ...] = get_args(Role)
SESSION_LIFE = timedelta(hours=12)
"""A shift and its handover; then one logs in again."""
MINIMUM_PASSWORD = 12

_NAME = re.compile(r"[a-z][a-z0-9.-]{1,63}")
# 19 MiB and two passes: the memory-saving set of OWASP's password storage cheat sheet, since the console is small.
_HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
_ONE_AT_A_TIME = threading.Lock()
_NOBODY = _HASHER.hash(secrets.token_urlsafe(16))


@dataclass(frozen=True, slots=True)
class Account:
    """A local account without its password."""

    name: str
    role: str
    created_at: datetime
    disabled_at: datetime | None


@dataclass(frozen=True, slots=True)
class Login:
    """Who a request comes from. `csrf` is what his forms must carry."""

    name: str
    role: str
    csrf: str
    expires_at: datetime

    @property
    def may_acknowledge(self) -> bool:
        """Viewers read; everybody else acts."""
        return self.role in ROLES and self.role != "viewer"


def check_new(name: str, role: str, password: str) -> None:
    """Refuse a name, role or password that would not do.

    Raises:
        BadInputError: with what is allowed.
    """
    if not _NAME.fullmatch(name):
        raise BadInputError(f"{name!r} is no account name: 2 to 64 of a-z, 0-9, dot and dash, a letter first")
    if role not in ROLES:
        raise BadInputError(f"{role!r} is no role: choose one of {', '.join(ROLES)}")
    check_password(password)


def check_password(password: str) -> None:
    """Refuse a password that is too short.

    Raises:
        BadInputError: it is.
    """
    if not MINIMUM_PASSWORD <= len(password) <= 1024:
        raise BadInputError(f"the password has {len(password)} characters: at least {MINIMUM_PASSWORD} are needed")


def add(database: Database, name: str, role: str, password: str, actor: str, now: datetime) -> None:
    """Create an account.

    Raises:
        BadInputError: it exists, or name, role or password will not do.
        StorageError: the database refused.
    """
    check_new(name, role, password)
    hashed = _hash(password)
    with database.session() as session:
        if session.get(AccountRow, name):
            raise BadInputError(f"the account {name} exists: set its password with `noc user password {name}`")
        session.add(AccountRow(name=name, role=role, password_hash=hashed, created_at=now))
        audit.append(session, now, actor, "account.add", name, role, "")


def set_password(database: Database, name: str, password: str, actor: str, now: datetime) -> None:
    """Give an account a new password, end its sessions and enable it again.

    Raises:
        BadInputError: there is no such account, or the password is too short.
    """
    check_password(password)
    hashed = _hash(password)
    with database.session() as session:
        row = _existing(session.get(AccountRow, name), name)
        row.password_hash, row.disabled_at = hashed, None
        session.execute(delete(SessionRow).where(SessionRow.account == name))
        audit.append(session, now, actor, "account.password", name, "", "")


def disable(database: Database, name: str, actor: str, now: datetime) -> None:
    """Close an account and end its sessions at once; the row stays for the audit trail.

    Raises:
        BadInputError: there is no such account.
    """
    with database.session() as session:
        row = _existing(session.get(AccountRow, name), name)
        row.disabled_at = now
        session.execute(delete(SessionRow).where(SessionRow.account == name))
        audit.append(session, now, actor, "account.disable", name, "", "")


def _existing(row: AccountRow | None, name: str) -> AccountRow:
    if row is None:
        raise BadInputError(f"there is no account {name}: `noc user list` shows those that exist")
    return row


def all_accounts(database: Database) -> list[Account]:
    """All accounts by name."""
    with database.reading() as session:
        rows = session.scalars(select(AccountRow).order_by(AccountRow.name))
        return [Account(row.name, row.role, row.created_at, row.disabled_at) for row in rows]


@contextmanager
def _hashing() -> Iterator[None]:
    # One at a time: twenty guesses at once would otherwise take twenty times 19 MiB.
    with _ONE_AT_A_TIME:
        try:
            yield
        finally:
            give_back_memory()


def give_back_memory() -> None:
    """Return freed heap to the system; glibc would otherwise keep what a password check needed for good."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def _hash(password: str) -> str:
    with _hashing():
        return _HASHER.hash(password)


def _verify(stored: str, password: str) -> bool:
    with _hashing():
        try:
            return _HASHER.verify(stored, password)
        except (VerificationError, InvalidHashError):
            return False


def log_in(database: Database, name: str, password: str, peer: str, now: datetime) -> str | None:
    """Open a session and give its cookie value; None when name or password is wrong.

    An unknown or disabled account costs the same time as a wrong password, so that names cannot be found out.
    """
    with database.reading() as session:
        row = session.get(AccountRow, name)
        stored = row.password_hash if row and row.disabled_at is None else None
    right = _verify(stored or _NOBODY, password) and stored is not None
    with database.session() as session:
        session.execute(delete(SessionRow).where(SessionRow.expires_at < now))
        if not right:
            audit.append(session, now, name[:64], "login.refused", "", "", peer)
            return None
        token = secrets.token_urlsafe(32)
        session.add(
            SessionRow(
                token_hash=token_hash(token),
                account=name,
                csrf=secrets.token_urlsafe(24),
                peer=peer,
                created_at=now,
                expires_at=now + SESSION_LIFE,
            )
        )
        audit.append(session, now, name, "login", "", "", peer)
    return token


def log_out(database: Database, token: str, name: str, peer: str, now: datetime) -> None:
    """End a session."""
    with database.session() as session:
        session.execute(delete(SessionRow).where(SessionRow.token_hash == token_hash(token)))
        audit.append(session, now, name, "logout", "", "", peer)


def find(database: Database, token: str, now: datetime) -> Login | None:
    """Who a cookie belongs to; None when it is unknown or expired."""
    with database.reading() as session:
        found = session.execute(
            select(SessionRow, AccountRow).join(AccountRow).where(SessionRow.token_hash == token_hash(token))
        ).first()
        if found is None:
            return None
        row, account = found
        if row.expires_at <= now or account.disabled_at is not None:
            return None
        return Login(account.name, account.role, row.csrf, row.expires_at)


def token_hash(token: str) -> str:
    """SHA-256 of a cookie value; fast is enough, since the value is 256 random bits."""
    return hashlib.sha256(token.encode()).hexdigest()
