"""Acknowledgements in the database: open ones are loaded at start, each change is written before it is shown."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import select, update

from network_ops.noc.alerts import Alert
from network_ops.noc.continuity import Acknowledgement
from network_ops.noc.store import audit
from network_ops.noc.store.database import Database
from network_ops.noc.store.tables import AcknowledgementRow


def load_open(database: Database) -> dict[str, Acknowledgement]:
    """Open acknowledgements by fingerprint."""
    with database.reading() as session:
        rows = session.scalars(
            select(AcknowledgementRow).where(AcknowledgementRow.ended_at.is_(None)).order_by(AcknowledgementRow.id)
        )
        return {row.fingerprint: _value(row) for row in rows}


def _value(row: AcknowledgementRow) -> Acknowledgement:
    return Acknowledgement(row.id, row.fingerprint, row.by, row.at, row.comment, row.last_seen)


def record(database: Database, alert: Alert, by: str, comment: str, peer: str, now: datetime) -> Acknowledgement:
    """Write an acknowledgement; an open one of the same alert ends, and stays as history.

    Raises:
        StorageError: nothing was recorded.
    """
    with database.session() as session:
        session.execute(
            update(AcknowledgementRow)
            .where(AcknowledgementRow.fingerprint == alert.id, AcknowledgementRow.ended_at.is_(None))
            .values(ended_at=now, ended_why="replaced")
        )
        row = AcknowledgementRow(
            fingerprint=alert.id,
            alert=alert.name[:128],
            entity=alert.entity[:128],
            by=by,
            at=now,
            comment=comment,
            last_seen=now,
        )
        session.add(row)
        session.flush()
        audit.append(session, now, by, "alert.acknowledge", f"{alert.name} {alert.entity}"[:255], comment, peer)
        return _value(row)


def end(database: Database, rows: Iterable[int], why: str, now: datetime) -> None:
    """Close acknowledgements whose alert is gone."""
    with database.session() as session:
        session.execute(
            update(AcknowledgementRow).where(AcknowledgementRow.id.in_(list(rows))).values(ended_at=now, ended_why=why)
        )


def touch(database: Database, rows: Iterable[int], seen: datetime) -> None:
    """Note when the alerts of these acknowledgements were last on the list."""
    with database.session() as session:
        session.execute(update(AcknowledgementRow).where(AcknowledgementRow.id.in_(list(rows))).values(last_seen=seen))
