"""Opens the database, brings its tables up to date, and turns its complaints into sentences."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.orm import Session

from network_ops.noc.errors import BadInputError, StorageError
from network_ops.noc.store.tables import HEAD

_MIGRATIONS = Path(__file__).parent / "migrations"
_WRITES = "noc_writes"
_WRITER_LOCK = 594_0001
"""Key of PostgreSQL's advisory lock; any number does that nobody else takes in this database."""


class Database:
    """One engine; `session()` gives a transaction that commits at its end or raises StorageError.

    Each entry of the audit chain names the one before, so there is one writer at a time: `session()` takes the
    database's write lock before its first statement, against other processes as well (`noc user` beside a running
    console). What it then reads is the newest, and two writers cannot conflict; the second waits.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._writer = engine.execution_options(**{_WRITES: True})
        # Within this process we queue ourselves: fewer connections, and no polling for the database's lock.
        self._writing, self._reading = threading.Lock(), threading.Lock()

    @contextmanager
    def session(self) -> Iterator[Session]:
        """A transaction that may write.

        Raises:
            StorageError: the database refused, or another process has held the write lock for five seconds;
                nothing was recorded.
        """
        try:
            with self._writing, Session(self._writer, expire_on_commit=False) as session, session.begin():
                yield session
        except SQLAlchemyError as error:
            raise StorageError(f"the console's database refused: {_reason(error)}; nothing was recorded") from error

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A transaction that only reads; on SQLite it waits for no writer.

        Raises:
            StorageError: the database refused.
        """
        try:
            with self._reading, Session(self.engine, expire_on_commit=False) as session, session.begin():
                yield session
        except SQLAlchemyError as error:
            raise StorageError(f"the console's database refused: {_reason(error)}") from error

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()


def _reason(error: Exception) -> str:
    origin = getattr(error, "orig", None) or error
    return str(origin).splitlines()[0]


def _sqlite_pragmas(connection: Any, _record: Any) -> None:
    # Python's driver would begin transactions by itself, late and without the write lock: `_sqlite_begin` does it.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute("PRAGMA busy_timeout=5000")
    cursor.execute("PRAGMA journal_mode=WAL")
    # Writes are few and each is a person's word: it is on the disk before he is told so.
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.execute("PRAGMA cache_size=-1024")
    cursor.close()


def _sqlite_begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get(_WRITES)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _postgresql_begin(connection: Connection) -> None:
    if connection.get_execution_options().get(_WRITES):
        connection.exec_driver_sql("SET LOCAL lock_timeout = '5s'")
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_WRITER_LOCK})")


def open_database(url: str, must_exist: bool = False) -> Database:
    """Open a database and bring its tables to the newest revision; an SQLite file is its owner's alone (0600).

    Args:
        url: an SQLAlchemy URL, `sqlite:////path/console.sqlite` or `postgresql+psycopg://...`.
        must_exist: refuse an SQLite file that is not there rather than make an empty one.

    Raises:
        BadInputError: the URL is none, the driver is missing, the file is no database, is newer than this
            program, or cannot be written.
    """
    try:
        parsed = make_url(url)
        engine = create_engine(parsed, pool_size=3, max_overflow=5)
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError, TypeError) as error:
        raise BadInputError(f"--database is not usable ({_reason(error)}): for example sqlite:////path/file") from error
    shown = parsed.render_as_string(hide_password=True)
    if parsed.get_backend_name() == "sqlite":
        event.listen(engine, "connect", _sqlite_pragmas)
        event.listen(engine, "begin", _sqlite_begin)
        if path := _file_of(parsed):
            if must_exist and not path.exists():
                raise BadInputError(f"there is no database {path}: name the right one with --state-dir or --database")
            _make_folder(path.parent)
            _keep_private(path)
    elif parsed.get_backend_name() == "postgresql":
        event.listen(engine, "begin", _postgresql_begin)
    try:
        _upgrade(engine, shown)
    except SQLAlchemyError as error:
        engine.dispose()
        raise BadInputError(
            f"the database {shown} cannot be used ({_reason(error)}): check the file, its permissions and the "
            "free space, restore a backup or name another with --database"
        ) from error
    return Database(engine)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInputError(f"the folder {folder} cannot be created ({error.strerror}): see --state-dir") from error


def _file_of(url: URL) -> Path | None:
    if not url.database or url.database == ":memory:" or url.database.startswith("file:"):
        return None
    return Path(url.database)


def _keep_private(path: Path) -> None:
    # The file holds password hashes. SQLite gives its journals the mode of the file itself. Where we may not do
    # this, the file is not ours: what SQLite then says is the better sentence.
    with contextlib.suppress(OSError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        if path.stat().st_mode & 0o077:
            path.chmod(0o600)


def _revision(connection: Connection) -> str | None:
    known = inspect(connection).has_table("alembic_version")
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar() if known else None


def _upgrade(engine: Engine, shown: str) -> None:
    with engine.connect() as connection:
        at = _revision(connection)
    if at == HEAD:
        return
    if at is not None and at > HEAD:
        raise BadInputError(f"the database {shown} has revision {at}, this program knows {HEAD}: install a newer noc")
    # Imported here: Alembic costs memory that a console with a current database does not need.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    with engine.execution_options(**{_WRITES: True}).begin() as connection:
        if _revision(connection) == HEAD:
            return  # another process was faster
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
