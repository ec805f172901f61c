"""The audit trail: who did what, when, from where; each entry sealed with the hash of the one before.

Appending is the only verb. Changing or dropping an entry breaks the chain from there on, which `broken_at` finds.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from network_ops.noc.store.tables import AuditRow

GENESIS = "0" * 64


def entry_hash(row: AuditRow) -> str:
    """SHA-256 over the previous hash and all fields, in a fixed form."""
    fields = [row.previous_hash, row.at.isoformat(), row.actor, row.action, row.subject, row.detail, row.peer]
    return hashlib.sha256(json.dumps(fields, ensure_ascii=False).encode()).hexdigest()


def append(session: Session, at: datetime, actor: str, action: str, subject: str, detail: str, peer: str) -> None:
    """Add an entry within a transaction.

    Two writers at once would carry the same previous hash; the unique index refuses the second, whose whole
    transaction fails with StorageError and can be tried again.
    """
    last = session.scalar(select(AuditRow.hash).order_by(AuditRow.id.desc()).limit(1))
    row = AuditRow(
        at=at, actor=actor, action=action, subject=subject, detail=detail, peer=peer, previous_hash=last or GENESIS
    )
    row.hash = entry_hash(row)
    session.add(row)


def broken_at(rows: Iterable[AuditRow]) -> int | None:
    """The id of the first entry that does not follow from the one before; None when the chain holds."""
    previous = GENESIS
    for row in rows:
        if row.previous_hash != previous or row.hash != entry_hash(row):
            return row.id
        previous = row.hash
    return None
