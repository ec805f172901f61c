"""The audit trail: who did what, when, from where; each entry sealed with the hash of the one before.

Appending is the only verb. Changing or dropping an entry breaks the chain from there on, which `verify` finds. What
the chain alone cannot show, because nothing follows, is a tail that was cut off or a chain that was written anew: for
that its head is noted outside from time to time (`noc user audit --verify`) and shown again later (`--head`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from network_ops.noc.store.database import Database
from network_ops.noc.store.tables import AuditRow

GENESIS = "0" * 64


def entry_hash(row: AuditRow) -> str:
    """SHA-256 over the previous hash and all fields, in a fixed form."""
    fields = [row.previous_hash, row.at.isoformat(), row.actor, row.action, row.subject, row.detail, row.peer]
    return hashlib.sha256(json.dumps(fields, ensure_ascii=False).encode()).hexdigest()


def append(session: Session, at: datetime, actor: str, action: str, subject: str, detail: str, peer: str) -> None:
    """Add an entry within a transaction of `Database.session`, whose write lock makes the head read here the last.

    The unique index on the previous hash stays as the guard against a writer without that lock.
    """
    last = session.scalar(select(AuditRow.hash).order_by(AuditRow.id.desc()).limit(1))
    row = AuditRow(
        at=at, actor=actor, action=action, subject=subject, detail=detail, peer=peer, previous_hash=last or GENESIS
    )
    row.hash = entry_hash(row)
    session.add(row)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a look at the whole chain found.

    `head` is the hash of the last entry (GENESIS of an empty trail), `broken_at` the id of the first entry that does
    not follow from the one before. `noted_at` says how many entries lead to the head that was noted outside; None
    when none was given, or when the chain does not contain it.
    """

    rows: int
    head: str
    broken_at: int | None
    noted_at: int | None


def verify(rows: Iterable[AuditRow], noted: str = GENESIS) -> Verdict:
    """Follow the chain from its first entry; `noted` is a head seen earlier, which it must still contain."""
    previous, count, broken = GENESIS, 0, None
    noted_at = 0 if noted == GENESIS else None
    for count, row in enumerate(rows, 1):
        if broken is None and (row.previous_hash != previous or row.hash != entry_hash(row)):
            broken = row.id
        if row.hash == noted and broken is None:
            noted_at = count
        previous = row.hash
    return Verdict(count, previous, broken, noted_at)


def entries(database: Database) -> Iterator[AuditRow]:
    """All entries, oldest first, a thousand at a time in memory.

    Raises:
        StorageError: the database refused.
    """
    with database.reading() as session:
        yield from session.scalars(select(AuditRow).order_by(AuditRow.id).execution_options(yield_per=1000))
