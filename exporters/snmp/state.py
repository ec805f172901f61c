"""What an engine remembers of its targets, and what a poll gave: plain values."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from exporters.snmp import plan as plans
from exporters.snmp.conversation import Conversation, Layer
from exporters.snmp.discovery import Needs
from exporters.snmp.errors import Reason
from exporters.snmp.path import Path
from exporters.snmp.security import OVERHEAD_BYTES, Security
from exporters.snmp.transport import Address
from exporters.snmp.usm import User
from exporters.snmp.version1 import Version1

Key = tuple[str, int, str, bytes, tuple[str, ...]]  # auth, its version, context, context engine, modules


@dataclass(frozen=True, slots=True)
class PollResult:
    """What one poll gave. Counts by position of the module in `modules`."""

    text: str
    modules: tuple[str, ...]
    duration_s: float
    walk_s: float
    sent: dict[int, int]
    retried: dict[int, int]
    pdus: dict[int, int]
    planned: int
    unanswered: int
    partial: bool


@dataclass(slots=True)
class EngineStats:
    """What the engine did since its start."""

    polls: int = 0
    partial: int = 0
    shared: int = 0
    unanswered: int = 0
    failures: dict[Reason, int] = field(default_factory=dict)
    discoveries: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class Entry:
    """The index cache for one target, auth and set of modules. Times in loop time; `stale` says why to walk again.

    `credentials`: the community, or the user of SNMPv3, who then has a `security`.
    """

    needs: Needs
    credentials: bytes | User
    security: Security | None = None
    version1: Version1 | None = None
    plan: plans.Plan | None = None
    marks: dict[bytes, int] = field(default_factory=dict)
    fingerprint: bytes = b""
    lost_columns: int = 0
    most_rows: int = plans.MOST_ROWS
    stale: str = "first contact"
    discovered_at: float = 0.0
    refresh_at: float = 0.0
    expires_at: float = 0.0
    task: asyncio.Task[None] | None = None
    walking: Conversation | None = None

    @property
    def community(self) -> bytes:
        """Of SNMPv2c; empty with SNMPv3, whose replies are opened before they are read."""
        return self.credentials if isinstance(self.credentials, bytes) else b""

    @property
    def layer(self) -> Layer | None:
        """What its conversations go through; None with SNMPv2c."""
        return self.security or self.version1

    @property
    def limit_bytes(self) -> int:
        """Most that a datagram's message may have."""
        return plans.MTU_BYTES - (OVERHEAD_BYTES if self.security is not None else 0)


@dataclass(slots=True, eq=False)
class Target:
    """What is known of one address. `trace` collects a line for each datagram while somebody debugs."""

    address: Address
    path: Path = field(default_factory=Path)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    entries: dict[Key, Entry] = field(default_factory=dict)
    trace: list[str] | None = None
    running: dict[Key, asyncio.Future[PollResult]] = field(default_factory=dict)
    securities: dict[tuple[User, str, bytes], Security] = field(default_factory=dict)
