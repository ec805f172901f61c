"""An agent's protocol: datagram in, datagram or silence out (RFC 3416 4.2, RFC 1157 4.1 for v1).

Pure apart from the counts it keeps. A wrong community, another version or nonsense gets silence, and is counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from .ber import (
    END_OF_MIB_VIEW,
    GET,
    GETBULK,
    GETNEXT,
    NO_SUCH_INSTANCE,
    NO_SUCH_OBJECT,
    RESPONSE_OVERHEAD,
    V1,
    MalformedError,
    Request,
    VersionError,
    decode,
    response,
    varbind,
)
from .mib import Agent, Directory, View

MAX_MESSAGE: Final = 1472
"""Largest reply in bytes: what fits an Ethernet frame over IPv4 and UDP without fragments."""

_TOO_BIG: Final = 1
_NO_SUCH_NAME: Final = 2
_NOT_WRITABLE: Final = 17


@dataclass(slots=True)
class Counts:
    """What came in and went out since the start, over all agents."""

    requests: int = 0
    responses: int = 0
    names: int = 0
    malformed: int = 0
    bad_versions: int = 0
    bad_communities: int = 0
    too_big: int = 0


class Responder:
    """Answers for any agent."""

    def __init__(self, directory: Directory, community: str = "public", max_message: int = MAX_MESSAGE) -> None:
        self._directory = directory
        self._community = community.encode()
        self._limit = max_message - RESPONSE_OVERHEAD - len(self._community)
        self.counts = Counts()

    def answer(self, agent: Agent, datagram: bytes, now: float) -> bytes | None:
        """The reply to `datagram` at `now` (epoch seconds), or None for silence."""
        counts = self.counts
        counts.requests += 1
        try:
            request = decode(datagram)
            if request.community != self._community:
                counts.bad_communities += 1
                return None
            reply = self._respond(agent, request, now)
        except VersionError:
            counts.bad_versions += 1
            return None
        except MalformedError:
            counts.malformed += 1
            return None
        counts.responses += 1
        counts.names += len(request.names)
        return reply

    def _respond(self, agent: Agent, request: Request, now: float) -> bytes:
        if request.pdu == GET:
            varbinds, missing = self._get(agent, request, now)
        elif request.pdu == GETNEXT:
            varbinds, missing = self._get_next(agent, request, now)
        elif request.pdu == GETBULK:
            return response(request, 0, 0, self._get_bulk(agent, request, now))
        else:
            status = _NO_SUCH_NAME if request.version == V1 else _NOT_WRITABLE
            return response(request, status if request.names else 0, min(len(request.names), 1), request.varbinds)
        if missing:
            return response(request, _NO_SUCH_NAME, missing, request.varbinds)
        if len(varbinds) > self._limit:
            self.counts.too_big += 1
            return response(request, _TOO_BIG, 0, request.varbinds if request.version == V1 else b"")
        return response(request, 0, 0, varbinds)

    def _get(self, agent: Agent, request: Request, now: float) -> tuple[bytes, int]:
        """Varbinds, and for SNMPv1 the position (from 1) of the first name that does not exist."""
        directory, tables, v1 = self._directory, agent.tables, request.version == V1
        known = directory.known
        parts = []
        for position, name in enumerate(request.names, 1):
            found = known.get(name) or directory.locate(name)
            table = tables.get(found[0].table) if found else None
            if found is None or table is None:
                value = NO_SUCH_OBJECT
            elif (row := table.rows.get(found[1])) is None:
                value = NO_SUCH_INSTANCE
            else:
                known[name] = found
                if v1 and found[0].counter64:
                    return b"", position
                parts.append(varbind(name, found[0].value(row, now)))
                continue
            if v1:
                return b"", position
            parts.append(varbind(name, value))
        return b"".join(parts), 0

    def _get_next(self, agent: Agent, request: Request, now: float) -> tuple[bytes, int]:
        view = agent.views[request.version]
        parts = []
        for position, name in enumerate(request.names, 1):
            column, row = agent.after(view, name)
            if column < len(view.columns):
                parts.append(_object(agent, view, column, row, now))
            elif request.version == V1:
                return b"", position
            else:
                parts.append(varbind(name, END_OF_MIB_VIEW))
        return b"".join(parts), 0

    def _get_bulk(self, agent: Agent, request: Request, now: float) -> bytes:
        """As many varbinds as fit; repetitions end early once every repeater is past the end."""
        view = agent.views[request.version]
        names = request.names
        single = min(max(request.first, 0), len(names))
        places = [agent.after(view, name) for name in names]
        last = list(names)
        parts: list[bytes] = []
        room = self._limit
        for repetition in range(max(request.second, 0) + 1):  # the first pass is for the non-repeaters
            alive = repetition == 0
            for i in range(single) if repetition == 0 else range(single, len(names)):
                column, row = places[i]
                if column < len(view.columns):
                    kind = view.columns[column]
                    table = agent.tables[kind.table]
                    suffix = table.suffixes[row]
                    last[i] = kind.name(suffix)
                    part = varbind(last[i], kind.value(table.rows[suffix], now))
                    places[i] = agent.settle(view, column, row + 1)
                    alive = True
                else:
                    part = varbind(last[i], END_OF_MIB_VIEW)
                room -= len(part)
                if room < 0:
                    return b"".join(parts)
                parts.append(part)
            if not alive:
                break
        return b"".join(parts)


def _object(agent: Agent, view: View, column: int, row: int, now: float) -> bytes:
    kind = view.columns[column]
    table = agent.tables[kind.table]
    suffix = table.suffixes[row]
    return varbind(kind.name(suffix), kind.value(table.rows[suffix], now))
