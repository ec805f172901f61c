"""SNMPv3 for one target, user and context: who the engine is, what its clock says, and what its Reports mean.

Turns requests into sealed datagrams and datagrams into plain replies for a `Conversation`. A Report ends a poll with
words of the configuration (wrong password, unknown user), or brings the clock to go on with; one that anybody could
have sent changes neither clock nor engine unless nothing authentic was heard before.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from exporters.snmp.conversation import Conversation, Exchange
from exporters.snmp.errors import Malformed, PollFailed
from exporters.snmp.message import Request
from exporters.snmp.usm import EngineTime, User
from exporters.snmp.v3 import (
    Answer,
    Outgoing,
    Report,
    ReportKind,
    Session,
    encode_discovery,
    encode_probe,
    open_discovery,
    open_reply,
)

OVERHEAD_BYTES = 150  # of an authPriv message beside the PDU, more than SNMPv2c's
_MOST_KEPT = 400  # sealed requests whose encoding is kept: more than a plan has datagrams
Verdict = Literal["bad", "again", "end"]


@dataclass(slots=True, eq=False)
class Security:
    """See the module. `trouble` is why the engine refuses us; `answered` tells that it ever gave us an answer."""

    user: User
    context_name: bytes = b""
    context_engine_id: bytes = b""
    session: Session | None = None
    clock: EngineTime = field(default_factory=EngineTime)
    trouble: str = ""
    answered: bool = False
    _outgoing: dict[bytes, Outgoing] = field(default_factory=dict)

    @property
    def needs_probe(self) -> bool:
        """Whether the passwords are still to be told apart: net-snmp is silent where it cannot decrypt."""
        return self.session is not None and self.user.level == "authPriv" and not self.clock.authentic

    def begin(self, report: Report, now_s: float) -> None:
        """Take an engine's identity and first clock from the answer to a discovery."""
        localized = self.user.localize(report.engine_id)
        self.session = Session(localized, self.context_name, self.context_engine_id)
        self.clock = report.clock(now_s)
        self._outgoing.clear()

    def sealer(self, request: Request) -> Callable[[int, float], bytearray]:
        """What makes a request's datagram for each transmission, by request-id and our time."""
        assert self.session is not None
        outgoing = self._outgoing.get(request.data)
        if outgoing is None:
            if len(self._outgoing) >= _MOST_KEPT:
                self._outgoing.clear()
            outgoing = self._outgoing[request.data] = Outgoing(request, self.session)
        made = outgoing
        return lambda number, now_s: made.seal(number, self.clock, now_s)

    def open(self, data: bytes, number: int, now_s: float) -> bytes | Verdict:
        """The plain reply in a datagram; or that it is `bad`, that its request is to be sent `again`, or the `end`."""
        assert self.session is not None
        try:
            found = open_reply(data, self.session, self.clock, number, now_s)
        except Malformed:
            return "bad"
        if isinstance(found, Answer):
            self.clock = found.clock
            self.answered = True
            return found.data
        return self._heed(found, now_s)

    def _heed(self, report: Report, now_s: float) -> Verdict:
        if report.kind is ReportKind.NOT_IN_TIME_WINDOWS:
            if not report.authentic:
                return "bad"
            self.clock = report.clock(now_s)
            return "again"
        if report.kind is ReportKind.UNKNOWN_ENGINE_IDS:
            self.session = None  # another device, or the same with another engineID: it is discovered anew
            return "end"
        if self.answered and not report.authentic:
            return "bad"  # it has answered us with these credentials: a hint from anybody does not undo that
        self.trouble = report.meaning
        return "end"


class Discovery(Exchange):
    """Asks who the engine is (RFC 3414 section 4)."""

    __slots__ = ()

    def __init__(self, security: Security, clock: Callable[[], float]) -> None:
        def take(data: bytes, number: int) -> bool:
            try:
                report = open_discovery(data, number)
            except Malformed:
                return False
            security.begin(report, clock())
            return True

        super().__init__(Request(b"", 0), take)
        self.seal = lambda number, _: encode_discovery(number)


class Probe(Exchange):
    """Asks outside the time window: answered before anything is decrypted, with an authentic clock."""

    __slots__ = ()

    def __init__(self, security: Security, clock: Callable[[], float]) -> None:
        def take(data: bytes, number: int) -> bool:
            verdict = security.open(data, number, clock())
            if verdict == "end":
                return True  # `trouble` says why
            return verdict == "again"

        super().__init__(Request(b"", 0), take)
        self.seal = lambda number, _: self._sealed(security, number)

    @staticmethod
    def _sealed(security: Security, number: int) -> bytes:
        assert security.session is not None
        return encode_probe(security.session, number)


async def begin(security: Security, conversation: Callable[[], Conversation], clock: Callable[[], float]) -> None:
    """Learn who the engine is, and its clock; with privacy also that the password is right.

    Raises:
        PollFailed: no answer, or one that refuses us (`credentials`).
    """
    security.trouble = ""
    for kind in (Discovery, Probe):
        if security.needs_probe if kind is Probe else security.session is None:
            talk = conversation()
            talk.submit(kind(security, clock))
            await talk.run()
            if security.trouble:
                raise PollFailed("credentials", f"{talk.address[0]} refuses us: {security.trouble}")
            if not talk.heard or security.session is None:
                raise talk.failure()


def silent(security: Security | None, failure: PollFailed) -> PollFailed:
    """The failure; or, of an engine whose authentication was right and that never answered, why: it cannot decrypt."""
    if failure.reason == "timeout" and security is not None and security.clock.authentic and not security.answered:
        return PollFailed(
            "credentials",
            f"the password of user '{security.user.name}' is right, but nothing comes back: the priv_password or "
            "priv_protocol is wrong, or the context is not known there",
        )
    return failure
