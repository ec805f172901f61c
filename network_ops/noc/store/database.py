"""Opens the database, brings its tables up to date, and turns its complaints into sentences."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, event, inspect, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.orm import Session

from network_ops.noc.errors import BadInputError, StorageError
from network_ops.noc.store.tables import HEAD

_MIGRATIONS = Path(__file__).parent / "migrations"


class Database:
    """One engine; `session()` gives a transaction that commits at its end or raises StorageError."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        # The audit chain wants one writer at a time; transactions last a millisecond, so readers may wait too.
        self._one_at_a_time = threading.Lock()

    @contextmanager
    def session(self) -> Iterator[Session]:
        """A transaction.

        Raises:
            StorageError: the database refused; nothing was recorded.
        """
        try:
            with self._one_at_a_time, Session(self.engine, expire_on_commit=False) as session, session.begin():
                yield session
        except SQLAlchemyError as error:
            raise StorageError(f"the console's database refused: {_reason(error)}; nothing was recorded") from error

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()


def _reason(error: Exception) -> str:
    origin = getattr(error, "orig", None) or error
    return str(origin).splitlines()[0]


def _sqlite_pragmas(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA busy_timeout=5000")
    cursor.execute("PRAGMA journal_mode=WAL")
    # Writes are few and each is a person's word: it is on the disk before he is told so.
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.execute("PRAGMA cache_size=-1024")
    cursor.close()


def open_database(url: str) -> Database:
    """Open a database and bring its tables to the newest revision.

    Args:
        url: an SQLAlchemy URL, `sqlite:////path/console.sqlite` or `postgresql+psycopg://...`.

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
        if parsed.database and parsed.database != ":memory:":
            _make_folder(Path(parsed.database).parent)
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


def _upgrade(engine: Engine, shown: str) -> None:
    with engine.connect() as connection:
        known = inspect(connection).has_table("alembic_version")
        at = connection.execute(text("SELECT version_num FROM alembic_version")).scalar() if known else None
    if at == HEAD:
        return
    if at is not None and at > HEAD:
        raise BadInputError(f"the database {shown} has revision {at}, this program knows {HEAD}: install a newer noc")
    # Imported here: Alembic costs memory that a console with a current database does not need.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
