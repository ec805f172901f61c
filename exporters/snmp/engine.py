"""Polls targets: decides when to discover, when to trust the index cache, and what a poll's outcome is.

Turns (target, auth, modules, budget) into one `PollResult` whose values were all read in this poll, or a
`PollFailed` with the reason. Never polls a target twice at once: the same question is answered together,
another one waits its turn.
"""

from __future__ import annotations

import asyncio
import random

from exporters.snmp import plan as plans
from exporters.snmp.addresses import Resolver
from exporters.snmp.config import Auth, Config, Module
from exporters.snmp.conversation import Conversation, Layer
from exporters.snmp.discovery import SYS_UPTIME, Discovered, Needs, fingerprint, needs, variables
from exporters.snmp.errors import PollFailed
from exporters.snmp.reading import Reading, ReadStats
from exporters.snmp.security import Security, begin, silent
from exporters.snmp.state import EngineStats, Entry, Key, PollResult, Target
from exporters.snmp.transport import Address, Transport
from exporters.snmp.usm import User
from exporters.snmp.version1 import Version1
from exporters.snmp.walk import Column, Scalars, start_walk

DISCOVERY_LIMIT_S = 60.0
REFRESH_S = 600.0  # look-ups and tables without a change mark are walked again this often
REDISCOVER_S = 6 * 3600.0  # everything is walked again this often
LEAST_PAUSE_S = 60.0  # between discoveries for lost rows or instances, so that a broken agent costs little
MOST_TARGETS = 20_000
_ATTEMPTS = 3


class Engine:
    """See the module. Belongs to one event loop; `close` ends it."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.stats = EngineStats()
        self.read_stats = ReadStats()
        self.transport = Transport()
        self._loop = asyncio.get_running_loop()
        self._resolver = Resolver()
        self._targets: dict[Address, Target] = {}
        self._needs: dict[tuple[str, ...], Needs] = {}

    @property
    def target_count(self) -> int:
        """Targets with something remembered."""
        return len(self._targets)

    def close(self) -> None:
        """Close the sockets and end discoveries under way."""
        for target in self._targets.values():
            for entry in target.entries.values():
                if entry.task is not None:
                    entry.task.cancel()
        self.transport.close()

    async def poll(self, target: str, auth: Auth, modules: tuple[Module, ...], budget_s: float) -> PollResult:
        """Poll a target once within `budget_s` seconds.

        Raises:
            UnknownName: the target's text or the auth's secret cannot be used; nothing was sent.
            PollFailed: nothing could be read; the reason is also counted.
        """
        started = self._loop.time()
        deadline = started + budget_s
        credentials = auth.user() if auth.version == 3 else auth.secret()
        key = key_of(auth, modules)
        try:
            known = self._target(await self._resolver.resolve(target))
            running = known.running.get(key)
            if running is not None:
                self.stats.shared += 1
                return await self._join(running, deadline)
            running = known.running[key] = self._loop.create_future()
            try:
                result = await self._in_turn(known, key, modules, auth, credentials, deadline)
            except PollFailed as error:
                running.set_exception(error)
                running.exception()  # seen: it is raised here too
                raise
            else:
                running.set_result(result)
            finally:
                known.running.pop(key, None)
                running.cancel()
        except PollFailed as error:
            self.stats.polls += 1
            self.stats.failures[error.reason] = self.stats.failures.get(error.reason, 0) + 1
            raise
        self.stats.polls += 1
        self.stats.partial += result.partial
        self.stats.unanswered += result.unanswered
        return result

    async def look(self, target: str, auth: Auth, modules: tuple[Module, ...]) -> tuple[Target, Entry | None]:
        """What is remembered of a target, and of this question to it.

        Raises:
            UnknownName, PollFailed: the target's text means no address.
        """
        known = self._target(await self._resolver.resolve(target))
        return known, known.entries.get(key_of(auth, modules))

    async def forget(self, target: str) -> None:
        """Forget what is known of a target, unless it is being polled."""
        address = await self._resolver.resolve(target)
        known = self._targets.get(address)
        if known is not None and not known.running:
            del self._targets[address]

    def _target(self, address: Address) -> Target:
        known = self._targets.get(address)
        if known is None:
            if len(self._targets) >= MOST_TARGETS:
                idle = next((a for a, t in self._targets.items() if not t.running), None)
                if idle is not None:
                    del self._targets[idle]
            known = self._targets[address] = Target(address)
        return known

    async def _join(self, running: asyncio.Future[PollResult], deadline: float) -> PollResult:
        """Wait for the same poll that another scrape began."""
        try:
            return await asyncio.wait_for(asyncio.shield(running), max(0.0, deadline - self._loop.time()))
        except TimeoutError:
            raise PollFailed("busy", "a poll of this target is still under way; it is not started twice") from None

    async def _in_turn(
        self,
        target: Target,
        key: Key,
        modules: tuple[Module, ...],
        auth: Auth,
        credentials: bytes | User,
        deadline: float,
    ) -> PollResult:
        try:
            await asyncio.wait_for(target.lock.acquire(), max(0.0, deadline - self._loop.time())) if (
                target.lock.locked()
            ) else await target.lock.acquire()
        except TimeoutError:
            raise PollFailed("busy", "another poll of this target took all the time there was") from None
        try:
            entry = target.entries.get(key)
            if entry is None or entry.credentials != credentials or entry.needs.modules != modules:
                entry = target.entries[key] = self._new_entry(target, auth, credentials, modules)
            return await self._poll(target, entry, deadline)
        finally:
            target.lock.release()

    def _new_entry(self, target: Target, auth: Auth, credentials: bytes | User, modules: tuple[Module, ...]) -> Entry:
        security: Security | None = None
        if isinstance(credentials, User):
            known = (credentials, auth.context, auth.context_engine_id)
            security = target.securities.setdefault(known, Security(credentials, known[1].encode(), known[2]))
        entry = Entry(self._needs_of(modules), credentials, security)
        if auth.version == 1:
            entry.version1, entry.most_rows = Version1(), 0
        return entry

    async def talk(self, target: str, auth: Auth, budget_s: float) -> tuple[Conversation, bytes]:
        """A conversation with a target, ready for exchanges, and the community for them: for people's own questions.

        Raises:
            UnknownName: the target's text or the auth's secret cannot be used.
            PollFailed: no address, or SNMPv3 could not begin.
        """
        deadline = self._loop.time() + budget_s
        known = self._target(await self._resolver.resolve(target))
        entry = self._new_entry(known, auth, auth.user() if auth.version == 3 else auth.secret(), ())
        await self._begin_session(known, entry, deadline)
        return self._conversation(known, entry.needs, deadline, entry.layer), entry.community

    def _needs_of(self, modules: tuple[Module, ...]) -> Needs:
        names = tuple(module.name for module in modules)
        known = self._needs.get(names)
        if known is None or known.modules != modules:
            known = self._needs[names] = needs(modules)
        return known

    # ------------------------------------------------------------------ one poll

    async def _poll(self, target: Target, entry: Entry, deadline: float) -> PollResult:
        """Discover if need be, read, and do both again where the reading shows that the index does not hold."""
        started = self._loop.time()
        walk_s = 0.0
        sent: dict[int, int] = {}
        retried: dict[int, int] = {}
        for attempt in range(_ATTEMPTS):
            now = self._loop.time()
            fresh = entry.plan is None or bool(entry.stale) or now >= entry.expires_at
            try:
                await self._begin_session(target, entry, deadline)
                if fresh:
                    await self._discovered(target, entry, deadline)
                    walk_s += self._loop.time() - now
            except PollFailed:
                if self._lost_session(entry) and attempt < _ATTEMPTS - 1:
                    continue
                raise
            plan = entry.plan
            assert plan is not None
            if not plan.variables:
                entry.stale = "nothing found"  # answered, but with none of these: look again next time
                return self._nothing(entry, walk_s)
            try:
                reading, sentinels = await self._read(target, entry, plan, deadline)
            except PollFailed:
                if self._lost_session(entry) and attempt < _ATTEMPTS - 1:
                    entry.stale = "another engine"
                    continue
                raise
            _add(sent, reading.conversation.sent)
            _add(retried, reading.conversation.retried)
            text = reading.text()
            cause = self._index_change(entry, reading, sentinels)
            if cause and attempt < _ATTEMPTS - 1:
                entry.stale = cause
                continue
            self._judge(entry, reading, fresh=fresh)
            self._learn(entry, plan, reading)
            partial = reading.unanswered > 0 or entry.lost_columns > 0
            return PollResult(
                text,
                tuple(module.name for module in entry.needs.modules),
                self._loop.time() - started,
                walk_s,
                sent,
                retried,
                reading.pdus,
                len(plan.variables),
                reading.unanswered,
                partial,
            )
        raise AssertionError("the last attempt returns or raises")

    # ------------------------------------------------------------------ SNMPv3

    @staticmethod
    def _lost_session(entry: Entry) -> bool:
        """Tell whether the engine at the address is another one than we knew."""
        return entry.security is not None and entry.security.session is None

    async def _begin_session(self, target: Target, entry: Entry, deadline: float) -> None:
        """Where SNMPv3 needs it: learn who the engine is, and its clock."""
        if entry.security is not None:
            await begin(entry.security, lambda: self._conversation(target, entry.needs, deadline), self._loop.time)

    def _nothing(self, entry: Entry, walk_s: float) -> PollResult:
        """The result for an agent that answers and has nothing of what was asked for: no samples, as with the peer."""
        modules = tuple(module.name for module in entry.needs.modules)
        return PollResult("", modules, walk_s, walk_s, {}, {}, {}, 0, 0, entry.lost_columns > 0)

    async def _read(
        self, target: Target, entry: Entry, plan: plans.Plan, deadline: float
    ) -> tuple[Reading, dict[bytes, Column]]:
        """One reading of the plan; where a refresh is due, the sentinel columns are walked in the same conversation."""
        conversation = self._conversation(target, entry.needs, deadline, entry.layer)
        reading = Reading(plan, entry.community, frozenset(entry.needs.checks), conversation, self.read_stats)
        reading.start()
        columns: dict[bytes, Column] = {}
        if entry.needs.sentinels and self._loop.time() >= entry.refresh_at:
            columns = {prefix: Column(prefix, entry.needs.columns[prefix]) for prefix in entry.needs.sentinels}
            start_walk(conversation, entry.community, columns.values())
        await conversation.run()
        if not conversation.heard:
            raise silent(entry.security, conversation.failure())
        return reading, columns

    def _index_change(self, entry: Entry, reading: Reading, sentinels: dict[bytes, Column]) -> str:
        """Why the index cache does not hold any more, empty where it does; remembers what it compared."""
        cause = ""
        for name, value in reading.checked.items():
            before = entry.marks.get(name)
            if before is not None and (value < before if name == SYS_UPTIME else value != before):
                cause = "agent restarted" if name == SYS_UPTIME else "interface table changed"
        if reading.absent & entry.marks.keys():
            cause = cause or "change marks vanished"
        entry.marks.update(reading.checked)
        if sentinels and all(column.done for column in sentinels.values()):
            entry.refresh_at = self._loop.time() + _about(REFRESH_S)
            if fingerprint(entry.needs, sentinels) != entry.fingerprint:
                cause = cause or "rows or labels changed"
        return cause

    def _judge(self, entry: Entry, reading: Reading, *, fresh: bool) -> None:
        """Fail a reading that gave nothing, or whose values cannot be told from those of another index."""
        if not reading.pdus and not reading.absent:
            if reading.denied:
                raise PollFailed("credentials", "the agent answers authorizationError: these credentials may not read")
            raise PollFailed("nonsense", "the agent answers every request with an error")
        if not fresh and entry.marks.keys() - reading.checked.keys():
            raise PollFailed("timeout", "timeout: the answer that tells whether the index still holds did not come")

    def _learn(self, entry: Entry, plan: plans.Plan, reading: Reading) -> None:
        """Change the plan for the next poll where this one showed that it does not suit the agent."""
        if reading.too_big:
            entry.plan = plans.halved(plan, entry.community)
        if reading.skipped and not reading.absent:
            rows = plan.most_rows // 2
            entry.plan = plans.with_rows(entry.plan or plan, rows, entry.community)
            entry.most_rows = rows
        if reading.failing - plan.isolated:
            entry.plan = plans.isolating(entry.plan or plan, frozenset(reading.failing), entry.community)
        now = self._loop.time()
        if (reading.absent or entry.lost_columns) and now - entry.discovered_at >= LEAST_PAUSE_S:
            entry.stale = "instances vanished" if reading.absent else "columns lost"

    # ------------------------------------------------------------------ discovery

    async def _discovered(self, target: Target, entry: Entry, deadline: float) -> None:
        """Have the target discovered; the walk goes on past this scrape's deadline, for the next one to use."""
        if entry.task is None:
            entry.task = self._loop.create_task(self._discover(target, entry))
            entry.task.add_done_callback(_seen)
        task = entry.task
        try:
            await asyncio.wait_for(asyncio.shield(task), max(0.0, deadline - self._loop.time()))
        except TimeoutError:
            if entry.walking is not None and not entry.walking.heard:
                raise silent(entry.security, entry.walking.failure()) from None
            raise PollFailed(
                "discovery", "first walk of this target not finished by the scrape's deadline; it goes on by itself"
            ) from None
        finally:
            if task.done():
                entry.task = entry.walking = None

    async def _discover(self, target: Target, entry: Entry) -> None:
        """Walk all columns and get all scalars, side by side, and make the plan."""
        wanted, community, cause = entry.needs, entry.community, entry.stale or "age"
        until = self._loop.time() + DISCOVERY_LIMIT_S
        conversation = entry.walking = self._conversation(target, wanted, until, entry.layer)
        scalars = Scalars()
        scalars.start(conversation, community, wanted.scalars)
        disordered = any(module.disordered for module in wanted.modules)
        columns = {p: Column(p, count, disordered=disordered) for p, count in wanted.columns.items()}
        start_walk(conversation, community, columns.values())
        await conversation.run()
        if not conversation.heard:
            raise silent(entry.security, conversation.failure())
        if scalars.denied and not scalars.found:
            raise PollFailed("credentials", "the agent answers authorizationError: these credentials may not read")
        troubles = [column.trouble for column in columns.values() if column.trouble]
        lost = sum(not column.done for column in columns.values())
        if lost == len(columns) and lost and not scalars.found:
            raise PollFailed("nonsense", f"no column could be walked: {troubles[0] if troubles else 'no answer'}")
        for column in columns.values():
            if not column.done:
                column.rows.clear()
        found = Discovered(columns, scalars.found)
        entry.plan = plans.build(variables(wanted, found), community, entry.limit_bytes, most_rows=entry.most_rows)
        entry.fingerprint = fingerprint(wanted, columns)
        entry.lost_columns = lost + bool(found.bad_rows)
        entry.marks = {}
        for name in wanted.checks:
            if name in scalars.found:
                entry.marks[name] = int.from_bytes(scalars.found[name].content, "big")
        now = self._loop.time()
        entry.stale = ""
        entry.discovered_at = now
        entry.refresh_at = now + _about(REFRESH_S)
        entry.expires_at = now + _about(REDISCOVER_S)
        self.stats.discoveries[cause] = self.stats.discoveries.get(cause, 0) + 1

    def _conversation(self, target: Target, wanted: Needs, deadline: float, layer: Layer | None = None) -> Conversation:
        retries = max((module.retries for module in wanted.modules), default=3)
        timeout_s = min((module.timeout_s for module in wanted.modules), default=5.0)
        path, trace = target.path, target.trace
        return Conversation(self.transport, target.address, path, deadline, retries, timeout_s, layer, trace)


def key_of(auth: Auth, modules: tuple[Module, ...]) -> Key:
    """What tells one question to a target from another."""
    names = tuple(module.name for module in modules)
    return auth.name, auth.version, auth.context, auth.context_engine_id, names


def _add(total: dict[int, int], more: dict[int, int]) -> None:
    for key, count in more.items():
        total[key] = total.get(key, 0) + count


def _about(seconds: float) -> float:
    """Roughly that long: between three and five quarters, so that targets do not keep step."""
    return seconds * random.uniform(0.75, 1.25)


def _seen(task: asyncio.Task[None]) -> None:
    """Mark a failed discovery as seen: whoever still waits for it gets its error, and if nobody does that is fine."""
    if not task.cancelled():
        task.exception()
