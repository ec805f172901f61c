"""What the console must not lose: accounts, acknowledgements and the audit chain, on real SQLite files."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from noc_rig import REPOSITORY
from sqlalchemy import delete, select

from network_ops.noc.alerts import Alert
from network_ops.noc.errors import BadInputError, StorageError
from network_ops.noc.store import accounts, acknowledgements, audit, database, tables
from network_ops.noc.store.tables import AuditRow

NOW = datetime(2026, 3, 1, 3, 0, tzinfo=UTC)
PASSWORD = "a long enough password"
ALERT = Alert("f1", "SiteDown", "page", "site", {"site": "x"}, "x is down", "", "", NOW)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[database.Database]:
    found = database.open_database(f"sqlite:///{tmp_path / 'console.sqlite'}")
    yield found
    found.close()


def test_the_revisions_build_exactly_the_tables_that_the_program_uses(store: database.Database) -> None:
    migrations = Path(database.__file__).parent / "migrations"
    assert ScriptDirectory(str(migrations)).get_heads() == [tables.HEAD]
    with store.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), tables.Base.metadata) == []


def test_a_login_is_found_by_its_cookie_until_it_expires(store: database.Database) -> None:
    accounts.add(store, "amina", "operator", PASSWORD, "test", NOW)
    token = accounts.log_in(store, "amina", PASSWORD, "192.0.2.1", NOW)
    assert token
    login = accounts.find(store, token, NOW)
    assert login is not None
    assert (login.name, login.may_acknowledge) == ("amina", True)
    assert accounts.find(store, token, NOW + accounts.SESSION_LIFE) is None
    assert accounts.find(store, token + "x", NOW) is None


def test_wrong_passwords_unknown_and_disabled_accounts_get_the_same_answer(store: database.Database) -> None:
    accounts.add(store, "amina", "operator", PASSWORD, "test", NOW)
    assert accounts.log_in(store, "amina", "wrong", "", NOW) is None
    assert accounts.log_in(store, "nobody", PASSWORD, "", NOW) is None
    token = accounts.log_in(store, "amina", PASSWORD, "", NOW)
    accounts.disable(store, "amina", "test", NOW)
    assert token
    assert accounts.find(store, token, NOW) is None
    assert accounts.log_in(store, "amina", PASSWORD, "", NOW) is None


@pytest.mark.parametrize(
    ("name", "role", "password", "says"),
    [
        ("A b", "viewer", PASSWORD, "account name"),
        ("ann", "king", PASSWORD, "role"),
        ("ann", "viewer", "short", "at least 12"),
    ],
)
def test_bad_accounts_are_refused_in_a_sentence(
    store: database.Database, name: str, role: str, password: str, says: str
) -> None:
    with pytest.raises(BadInputError, match=says):
        accounts.add(store, name, role, password, "test", NOW)


def test_acknowledging_again_keeps_the_first_as_history(store: database.Database) -> None:
    acknowledgements.record(store, ALERT, "amina", "calling", "", NOW)
    second = acknowledgements.record(store, ALERT, "boris", "took over", "", NOW + timedelta(minutes=1))
    assert acknowledgements.load_open(store) == {"f1": second}
    with store.session() as session:
        rows = list(session.scalars(select(tables.AcknowledgementRow).order_by(tables.AcknowledgementRow.id)))
    assert [(row.by, row.ended_why) for row in rows] == [("amina", "replaced"), ("boris", None)]
    acknowledgements.end(store, [second.row], "alert gone", NOW)
    assert acknowledgements.load_open(store) == {}


def test_the_audit_chain_holds_and_a_changed_entry_breaks_it(store: database.Database) -> None:
    accounts.add(store, "amina", "operator", PASSWORD, "test", NOW)
    accounts.log_in(store, "amina", "wrong", "192.0.2.9", NOW)
    acknowledgements.record(store, ALERT, "amina", "calling", "192.0.2.1", NOW)
    with store.session() as session:
        rows = list(session.scalars(select(AuditRow).order_by(AuditRow.id)))
    assert [row.action for row in rows] == ["account.add", "login.refused", "alert.acknowledge"]
    found = audit.verify(audit.entries(store))
    assert (found.rows, found.head, found.broken_at) == (3, rows[-1].hash, None)
    with store.session() as session:
        session.get_one(AuditRow, 2).peer = "192.0.2.1"
    assert audit.verify(audit.entries(store)).broken_at == 2


def test_a_head_noted_outside_shows_a_tail_cut_off_and_a_chain_written_anew(store: database.Database) -> None:
    for number in range(3):
        accounts.log_in(store, f"guess{number}", "wrong", "192.0.2.9", NOW)
    noted = audit.verify(audit.entries(store)).head
    accounts.log_in(store, "later", "wrong", "192.0.2.9", NOW)
    assert audit.verify(audit.entries(store), noted).noted_at == 3
    with store.session() as session:
        session.execute(delete(AuditRow).where(AuditRow.id >= 3))
    cut = audit.verify(audit.entries(store), noted)
    assert (cut.rows, cut.broken_at, cut.noted_at) == (2, None, None)
    with store.session() as session:
        session.execute(delete(AuditRow))
    for number in range(3):
        accounts.log_in(store, f"other{number}", "wrong", "192.0.2.9", NOW)
    anew = audit.verify(audit.entries(store), noted)
    assert (anew.rows, anew.broken_at, anew.noted_at) == (3, None, None)


WRITER = """
import sys
from datetime import UTC, datetime
from network_ops.noc.store import audit, database
store = database.open_database(sys.argv[1])
for number in range(60):
    with store.session() as session:
        audit.append(session, datetime.now(UTC), sys.argv[2], "test", str(number), "", "")
"""


def test_three_processes_write_into_one_unbroken_chain(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'console.sqlite'}"  # not there yet: its tables are made by the first of the three
    argv = [sys.executable, "-c", WRITER, url]
    writers = [subprocess.Popen([*argv, name], cwd=REPOSITORY, stderr=subprocess.PIPE, text=True) for name in "abc"]
    for writer in writers:
        _, errors = writer.communicate(timeout=60)
        assert (writer.returncode, errors) == (0, "")
    store = database.open_database(url)
    actors = [row.actor for row in audit.entries(store)]
    assert {name: actors.count(name) for name in "abc"} == {"a": 60, "b": 60, "c": 60}
    assert audit.verify(audit.entries(store)).broken_at is None
    store.close()


def test_a_database_that_another_process_holds_is_an_error_and_works_again_afterwards(tmp_path: Path) -> None:
    path = tmp_path / "console.sqlite"
    store = database.open_database(f"sqlite:///{path}")
    accounts.add(store, "amina", "operator", PASSWORD, "test", NOW)
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(StorageError, match="nothing was recorded"):
        accounts.disable(store, "amina", "test", NOW)
    assert [account.disabled_at for account in accounts.all_accounts(store)] == [None]
    holder.execute("ROLLBACK")
    holder.close()
    accounts.disable(store, "amina", "test", NOW)
    store.close()


def test_the_database_and_its_journals_are_for_their_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "console.sqlite"
    old = os.umask(0)
    try:
        path.touch(0o644)
        store = database.open_database(f"sqlite:///{path}")
        accounts.add(store, "amina", "operator", PASSWORD, "test", NOW)
        modes = {file.name: file.stat().st_mode & 0o777 for file in tmp_path.iterdir()}
        store.close()
    finally:
        os.umask(old)
    assert modes == {"console.sqlite": 0o600, "console.sqlite-wal": 0o600, "console.sqlite-shm": 0o600}


def test_a_file_that_is_no_database_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("this is not a database, but it is long enough to be looked at" * 40)
    with pytest.raises(BadInputError, match=r"not a database.*restore a backup"):
        database.open_database(f"sqlite:///{tmp_path / 'x'}")


def test_a_database_of_a_newer_program_is_left_alone(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'x'}"
    store = database.open_database(url)
    with store.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    store.close()
    with pytest.raises(BadInputError, match="install a newer noc"):
        database.open_database(url)


@pytest.mark.parametrize("url", ["nonsense", "oracle+nothing://x", "sqlite:////proc/none/x"])
def test_an_unusable_database_url_is_a_sentence(url: str) -> None:
    with pytest.raises(BadInputError):
        database.open_database(url)


def run(*argv: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "network_ops.cli.main", *argv]
    return subprocess.run(command, input=stdin, capture_output=True, text=True, cwd=REPOSITORY)


def test_accounts_are_made_listed_and_closed_on_the_command_line(tmp_path: Path) -> None:
    where = ("--state-dir", str(tmp_path))
    assert run("user", "add", "amina", "--role", "operator", "--password-stdin", *where, stdin=PASSWORD).returncode == 0
    again = run("user", "add", "amina", "--role", "operator", "--password-stdin", *where, stdin=PASSWORD)
    assert (again.returncode, again.stderr.count("\n")) == (2, 1)
    assert "noc user password amina" in again.stderr
    assert run("user", "disable", "amina", *where).returncode == 0
    assert '"disabled": true' in run("user", "list", "--json", *where).stdout
    assert run("user", "disable", "nobody", *where).returncode == 2


def test_the_audit_trail_is_shown_and_verified_on_the_command_line(tmp_path: Path) -> None:
    where = ("--state-dir", str(tmp_path))
    missing = run("user", "audit", *where)
    assert (missing.returncode, "there is no database" in missing.stderr) == (2, True)
    assert list(tmp_path.iterdir()) == []
    path = tmp_path / "console.sqlite"
    store = database.open_database(f"sqlite:///{path}")
    accounts.add(store, "amina", "operator", PASSWORD, "test", NOW)
    accounts.log_in(store, "red\x1b[31m", "wrong", "192.0.2.9", NOW)
    store.close()
    shown = run("user", "audit", *where)
    assert [line.split()[3:5] for line in shown.stdout.splitlines()] == [
        ["test", "account.add"],
        ["red?[31m", "login.refused"],
    ]
    rows = json.loads(run("user", "audit", "--json", *where).stdout)
    verdict = json.loads(run("user", "audit", "--verify", "--json", *where).stdout)
    head = rows[-1]["hash"]
    assert verdict == {"holds": True, "rows": 2, "head": head, "broken_at": None, "noted_at": None}
    held = run("user", "audit", "--verify", "--head", head, *where)
    assert (held.returncode, held.stdout) == (0, f"rows 2\nhead {head}\n")
    with sqlite3.connect(path) as connection:
        connection.execute("DELETE FROM audit WHERE id = 2")
    assert run("user", "audit", "--verify", *where).returncode == 0
    cut = run("user", "audit", "--verify", "--head", head, *where)
    assert (cut.returncode, "cut off" in cut.stderr) == (3, True)
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE audit SET detail = 'dr-commander'")
    broken = run("user", "audit", "--verify", *where)
    assert (broken.returncode, "broken at entry 1" in broken.stderr) == (3, True)
    assert run("user", "audit", "--verify", "--head", "x", *where).returncode == 2
    assert run("user", "audit", "--head", head, *where).returncode == 2
