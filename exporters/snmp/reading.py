"""One poll of a plan: takes the replies to its batches and turns them into text, exact and only from this poll.

A reply of the known shape goes through its `Layout`; any other is decoded fully, matched by name, and teaches
the next layout. Errors split the request; variables that an agent drops are asked for once more; what stays
unanswered is left out and counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

from exporters.snmp.conversation import Conversation, Exchange
from exporters.snmp.errors import Malformed
from exporters.snmp.layout import learn
from exporters.snmp.message import AUTHORIZATION_ERROR, NO_SUCH_NAME, TOO_BIG, Reply, decode_reply, encode_get
from exporters.snmp.plan import Batch, Plan
from exporters.snmp.values import number
from exporters.snmp.walk import split


@dataclass(slots=True)
class ReadStats:
    """How replies were read since the start."""

    fast: int = 0
    full: int = 0
    refilled: int = 0  # variables that an agent dropped and was asked for again
    split: int = 0  # requests that an agent answered with an error, such as tooBig


@dataclass(slots=True, eq=False)
class Reading:
    """State of one poll. After `start` and the conversation's `run`, `text` and the counts tell what came."""

    plan: Plan
    community: bytes
    checks: frozenset[bytes]
    conversation: Conversation
    stats: ReadStats
    checked: dict[bytes, int] = field(default_factory=dict)
    absent: set[bytes] = field(default_factory=set)
    failing: set[bytes] = field(default_factory=set)
    too_big: bool = False
    skipped: bool = False  # a slice came back without some of its rows
    denied: bool = False
    unanswered: int = 0
    pdus: dict[int, int] = field(default_factory=dict)
    _texts: list[str | None] = field(default_factory=list)
    _answers: dict[int, dict[bytes, tuple[int, bytes]]] = field(default_factory=dict)

    def start(self) -> None:
        """Queue the requests of all batches."""
        self._texts = [None] * len(self.plan.batches)
        for slot, batch in enumerate(self.plan.batches):
            owner = batch.per_module[0][0]
            self.conversation.submit(Exchange(batch.request, partial(self._take, slot, batch), owner))

    def _take(self, slot: int, batch: Batch, data: bytes, request_id: int) -> bool:
        """Take the reply to a whole batch: the hot path."""
        layout = batch.layout
        if layout is not None:
            read = layout.read(data)
            if read is not None:
                self._texts[slot], values = read
                for name, position in layout.checks:
                    self.checked[name] = int(values[position])  # type: ignore[call-overload]
                self.stats.fast += 1
                return True
        reply = self._decode(data, request_id)
        if reply is None:
            return False
        names = [variable.name for variable in batch.variables]
        if not self._take_reply(slot, names, reply, batch.per_module[0][0], again=True, bulk=batch.bulk):
            return False
        if not reply.error_status and [varbind.oid for varbind in reply.varbinds] == names:
            batch.layout = learn(batch, reply, self.checks)
        return True

    def _decode(self, data: bytes, request_id: int) -> Reply | None:
        self.stats.full += 1
        try:
            reply = decode_reply(data, self.community)
        except Malformed:
            return None
        return reply if reply.request_id == request_id else None

    def _take_reply(
        self, slot: int, names: Sequence[bytes], reply: Reply, owner: int, *, again: bool, bulk: bool = False
    ) -> bool:
        """Take a decoded reply for `names`, whole or in part; False where it answers none of them."""
        if reply.error_status:
            self._split(slot, names, reply, owner)
            return True
        answers = self._answers.setdefault(slot, {})
        wanted = dict.fromkeys(names)
        for oid, tag, start, end in reply.varbinds:
            if oid not in wanted:
                continue
            del wanted[oid]
            if tag >= 0x80:
                self.absent.add(oid)
                continue
            content = reply.data[start:end]
            answers[oid] = (tag, content)
            if oid in self.checks:
                value = number(tag, content)
                if value is not None:
                    self.checked[oid] = value
        if len(wanted) == len(names) and not (bulk and reply.varbinds):
            return False
        if wanted and again:
            self.skipped = self.skipped or bulk
            self.stats.refilled += len(wanted)
            self._ask(slot, list(wanted), owner, again=False)
        return True

    def _split(self, slot: int, names: Sequence[bytes], reply: Reply, owner: int) -> None:
        self.stats.split += 1
        self._answers.setdefault(slot, {})
        self.denied = self.denied or reply.error_status == AUTHORIZATION_ERROR
        if reply.error_status == TOO_BIG:
            self.too_big = self.too_big or len(names) > 1
        elif len(names) == 1 or 1 <= reply.error_index <= len(names):
            named = names[reply.error_index - 1] if 1 <= reply.error_index <= len(names) else names[0]
            (self.absent if reply.error_status == NO_SUCH_NAME else self.failing).add(named)
        for part in split(names, reply):
            self._ask(slot, part, owner, again=True)

    def _ask(self, slot: int, names: Sequence[bytes], owner: int, *, again: bool) -> None:
        """Ask for some names apart from their batch."""

        def take(data: bytes, request_id: int) -> bool:
            reply = self._decode(data, request_id)
            return reply is not None and self._take_reply(slot, names, reply, owner, again=again)

        self.conversation.submit(Exchange(encode_get(self.community, names), take, owner))

    def text(self) -> str:
        """All samples of this poll; sets `unanswered` and `pdus` (answered variables by module)."""
        parts: list[str] = []
        headed = ""  # the metric under whose HELP and TYPE lines we are
        pdus = self.pdus
        for slot, batch in enumerate(self.plan.batches):
            part = self._texts[slot]
            if part is not None:
                for module, count in batch.per_module:
                    pdus[module] = pdus.get(module, 0) + count
            else:
                part = self._slow_text(slot, batch)
            if part:
                if batch.carried and headed != batch.first_family:
                    parts.append(batch.carried)
                parts.append(part)
                headed = batch.last_family
        return "".join(parts)

    def _slow_text(self, slot: int, batch: Batch) -> str:
        answers = self._answers.get(slot)
        if answers is None:
            self.unanswered += len(batch.variables)
            return ""
        for variable in batch.variables:
            if variable.name in answers:
                self.pdus[variable.module] = self.pdus.get(variable.module, 0) + 1
            elif variable.name not in self.absent:
                self.unanswered += 1
        return batch.render(answers)
