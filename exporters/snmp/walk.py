"""Walking: reads whole columns of an agent by GETBULK, and single instances by GET, several at a time.

Turns OIDs into found variables. It refuses columns that do not rise (an agent that loops for ever) or that
have more than `MOST_ROWS` rows; such a column is lost and named, the others go on.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from exporters.snmp.conversation import Conversation, Exchange
from exporters.snmp.errors import Malformed
from exporters.snmp.message import (
    AUTHORIZATION_ERROR,
    END_OF_MIB_VIEW,
    NO_SUCH_NAME,
    TOO_BIG,
    Reply,
    decode_arcs,
    decode_reply,
    encode_bulk,
    encode_get,
)

MOST_ROWS = 10_000
_REPLY_BYTES = 1400
_ROW_BYTES = 24  # guess for what a row takes beside its column's name
_GET_NAMES = 12


@dataclass(frozen=True, slots=True)
class Found:
    """A variable that the agent has."""

    name: bytes
    tag: int
    content: bytes


@dataclass(slots=True, eq=False)
class Column:
    """A subtree to walk, `prefix` in content octets, and what was found. `trouble` is why it could not be finished.

    `disordered`: an agent whose rows do not rise is followed, until it repeats one (allow_nonincreasing_oids).
    """

    prefix: bytes
    repetitions: int
    rows: list[Found] = field(default_factory=list)
    done: bool = False
    trouble: str = ""
    disordered: bool = False
    _seen: set[tuple[int, ...]] = field(default_factory=set)
    _last: tuple[int, ...] = ()

    def start(self, conversation: Conversation, community: bytes) -> None:
        """Ask for the first rows."""
        room = max(1, (_REPLY_BYTES - 60) // (len(self.prefix) + _ROW_BYTES))
        self.repetitions = min(self.repetitions, room)
        self._ask(conversation, community, self.prefix)

    def _ask(self, conversation: Conversation, community: bytes, name: bytes) -> None:
        def take(data: bytes, request_id: int) -> bool:
            try:
                reply = decode_reply(data, community)
                if reply.request_id != request_id:
                    return False
                again = self.take(reply)
            except Malformed:
                return False
            if again is not None:
                self._ask(conversation, community, again)
            return True

        conversation.submit(Exchange(encode_bulk(community, name, self.repetitions), take))

    def take(self, reply: Reply) -> bytes | None:
        """Take one reply of the walk and return the name to go on from, None at the end.

        Raises:
            Malformed: an answer without variables, or with a name that is no object identifier.
        """
        if reply.error_status:
            return self._error(reply)
        if not reply.varbinds:
            raise Malformed("a walk's answer without variables")
        arcs, fresh, ended = self._last, [], False
        for oid, tag, start, end in reply.varbinds:
            if tag == END_OF_MIB_VIEW or not oid.startswith(self.prefix) or oid == self.prefix:
                ended = True
                break
            before, arcs = arcs, decode_arcs(oid[len(self.prefix) :])
            if self.disordered and arcs not in self._seen:
                self._seen.add(arcs)
            elif arcs <= before or self.disordered:
                self.trouble = "its object identifiers do not rise: the agent repeats itself"
                return None
            fresh.append(Found(oid, tag, reply.data[start:end]))
        self._last = arcs
        self.rows.extend(fresh)
        if len(self.rows) > MOST_ROWS:
            self.trouble = f"more than {MOST_ROWS} rows"
            return None
        if ended:
            self.done = True
            return None
        return self.rows[-1].name

    def _error(self, reply: Reply) -> bytes | None:
        if reply.error_status == TOO_BIG and self.repetitions > 1:
            self.repetitions = max(1, self.repetitions // 2)
            return self.rows[-1].name if self.rows else self.prefix
        if reply.error_status == NO_SUCH_NAME:  # how SNMPv1 says that nothing follows
            self.done = True
            return None
        self.trouble = f"the agent answers {reply.error}"
        return None


@dataclass(slots=True, eq=False)
class Scalars:
    """Single instances to look for. `denied` tells that the agent refused our credentials by name."""

    found: dict[bytes, Found] = field(default_factory=dict)
    denied: bool = False

    def start(self, conversation: Conversation, community: bytes, names: Sequence[bytes]) -> None:
        """Ask for all `names`, a few per datagram."""
        for first in range(0, len(names), _GET_NAMES):
            self._ask(conversation, community, names[first : first + _GET_NAMES])

    def _ask(self, conversation: Conversation, community: bytes, names: Sequence[bytes]) -> None:
        def take(data: bytes, request_id: int) -> bool:
            try:
                reply = decode_reply(data, community)
            except Malformed:
                return False
            if reply.request_id != request_id:
                return False
            if reply.error_status:
                self.denied = self.denied or reply.error_status == AUTHORIZATION_ERROR
                for part in split(names, reply):
                    self._ask(conversation, community, part)
                return True
            wanted = set(names)
            for oid, tag, start, end in reply.varbinds:
                if oid in wanted and tag < 0x80:
                    self.found[oid] = Found(oid, tag, reply.data[start:end])
            return True

        conversation.submit(Exchange(encode_get(community, names), take))


def split(names: Sequence[bytes], reply: Reply) -> list[Sequence[bytes]]:
    """What to ask instead when a GET for `names` was answered with an error.

    tooBig: two halves. An error that names a variable: all but that one. Anything else: two halves, until the one that
    the agent cannot answer stands alone and is left out.
    """
    if len(names) < 2:
        return []
    if reply.error_status != TOO_BIG and 1 <= reply.error_index <= len(names):
        at = reply.error_index - 1
        return [part for part in (names[:at], names[at + 1 :]) if part]
    middle = len(names) // 2
    return [names[:middle], names[middle:]]


def start_walk(conversation: Conversation, community: bytes, columns: Iterable[Column]) -> None:
    """Start walking all columns side by side; `conversation.run()` then performs it."""
    for column in columns:
        column.start(conversation, community)
