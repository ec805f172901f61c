"""The prober's engine: decides at each tick what to send, and turns replies and time-outs into verdicts.

It owns no socket and no clock: `send` and `now` come from outside, so that hours of probing are tested in milliseconds.
A tick sends what is due, first the schedule, then confirmations, then suspicions, never above the packet rate.
"""

from __future__ import annotations

import errno
import heapq
from collections import Counter, deque
from collections.abc import Callable, Iterable
from enum import IntEnum

from exporters.probes.judgement import REPROBE_GAP_S, Event, Judgement, State, judge
from exporters.probes.live import Live, Purpose, Sent, phases
from exporters.probes.settings import Settings
from exporters.probes.suspicion import Cause, Neighbours, Suspicion, causes_of, worth_probing
from exporters.probes.targets import ProbeTarget

Send = Callable[[Live, int], float]

STALL_S = 1.0
HOLD_S = 4.0
ASK_AGAIN_S = 1.0
BURST_S = 0.05


class _Due(IntEnum):
    PROBE = 0
    TIMEOUT = 1
    REPROBE = 2


class Engine:
    """Schedules, sends, judges and publishes for all targets.

    Args:
        send: sends one probe (target, sequence) and returns the time of sending; raises OSError when it cannot.
        settings: intervals and packet rate.
        now: seconds of the clock that all later calls use.
    """

    def __init__(self, send: Send, settings: Settings, now: float) -> None:
        self._send_packet = send
        self._settings = settings
        self._last_tick = now
        self._tokens = 0.0
        self._order = 0
        self._next_index = 1
        self._due: list[tuple[float, int, _Due, Live, int]] = []
        self._waiting: tuple[deque[tuple[Live, int]], ...] = (deque(), deque(), deque(), deque())
        self._lives: dict[tuple[str, str], Live] = {}
        self._by_index: dict[int, Live] = {}
        self._neighbours = Neighbours({}, {})
        self._suspicion = Suspicion()
        self._sweeping: dict[Cause, float] = {}
        self._unpublished: dict[str, float] = {}
        self.sent: Counter[str] = Counter()
        self.replies: Counter[str] = Counter()
        self.send_errors: Counter[str] = Counter()
        self.changes: Counter[str] = Counter()
        self.stalls = 0
        self.longest_lag_s = 0.0

    # -- what is watched -------------------------------------------------------------------------------------

    @property
    def lives(self) -> Iterable[Live]:
        """All targets, in the order of the list."""
        return self._lives.values()

    def set_targets(self, targets: Iterable[ProbeTarget], now: float) -> None:
        """Watch exactly these targets. Unchanged ones keep state, figures and rhythm; new ones are probed at once."""
        wanted: dict[tuple[str, str], ProbeTarget] = {(t.kind, t.id): t for t in targets}
        for key, live in list(self._lives.items()):
            if wanted.get(key) != live.target:
                live.gone = True
                del self._lives[key], self._by_index[live.index]
        place = phases(wanted.values())
        kept, self._lives = self._lives, {}
        for key, target in wanted.items():
            self._lives[key] = kept.get(key) or self._begin(target, place[key], now)
        self._neighbours = Neighbours.of(wanted.values())

    def _begin(self, target: ProbeTarget, phase: float, now: float) -> Live:
        session = target.kind == "session"
        interval_s = self._settings.session_interval_s if session else self._settings.device_interval_s
        # The rhythm is fixed by the phase alone, so that the load stays flat whenever targets are added.
        first_due = (now // interval_s + phase) * interval_s
        live = Live(target, self._next_index, interval_s, first_due + interval_s * (first_due <= now))
        self._next_index += 1
        self._by_index[live.index] = live
        self._at(live.next_due, _Due.PROBE, live, 0)
        self._ask(live, now)
        return live

    # -- what happens ----------------------------------------------------------------------------------------

    def tick(self, now: float) -> None:
        """Do what is due: time-outs, then sending. Replies received so far must have been handed in before."""
        lag_s = now - self._last_tick
        self.longest_lag_s = max(self.longest_lag_s, lag_s)
        rate = self._settings.packets_per_second
        self._tokens = min(self._tokens + lag_s * rate, max(1.0, BURST_S * rate))
        self._last_tick = now
        if lag_s > STALL_S:
            self._stalled(now)
        due = self._due
        while due and due[0][0] <= now:
            _, _, what, live, number = heapq.heappop(due)
            if live.gone:
                continue
            if what is _Due.PROBE:
                self._waiting[0].append((live, 0))
                while live.next_due <= now:
                    live.next_due += live.interval_s
                self._at(live.next_due, _Due.PROBE, live, 0)
            elif what is _Due.TIMEOUT:
                self._timed_out(live, number, now)
            elif live.judgement.awaiting and live.judgement.round == number:
                self._waiting[1].append((live, number))
        self._send_waiting(now)

    def reply(self, index: int, sequence: int, host: str, port: int, at: float) -> None:
        """Take a reply received at `at`. One from another address, or not expected (any more), is only counted."""
        live = self._by_index.get(index)
        if live is None:
            self.replies["unknown"] += 1
            return
        target = live.target
        if host != target.host or (target.port and port != target.port):
            self.replies["wrong source"] += 1
            return
        sent = live.under_way.pop(sequence, None)
        if sent is None:
            self.replies["duplicate or too late"] += 1
            return
        self.replies["late" if sent.late else "in time"] += 1
        live.evidence_at = live.replied_at = at
        if live.unresolved == sequence:
            live.unresolved = None
        if sequence == live.scheduled_sequence:
            live.scheduled_sequence = None
            live.quality.settle(True)
            live.quality.sample(max(at - sent.at, 0.0))
        self._judge(live, Event.REPLY, at)

    def _timed_out(self, live: Live, sequence: int, now: float) -> None:
        sent = live.under_way.get(sequence)
        if sent is None:
            return
        live.under_way[sequence] = sent._replace(late=True)  # a late reply is still an answer
        live.evidence_at = now
        if live.unresolved == sequence:
            live.unresolved = None
        if sent.purpose is not Purpose.CONFIRM:
            self._judge(live, Event.LOSS, now)
        elif sent.round == live.judgement.round:
            self._judge(live, Event.ROUND_LOSS, now)

    def _stalled(self, now: float) -> None:
        """We slept: whatever was under way and has no reply yet is void, neither received nor lost."""
        self.stalls += 1
        for live in self._lives.values():
            if live.under_way:
                self._void(live, now)

    def _void(self, live: Live, now: float) -> None:
        live.under_way.clear()
        live.scheduled_sequence = None
        live.unresolved = None
        confirming = live.judgement.awaiting > 0
        self._judge(live, Event.GAP, now)
        if confirming:
            self._ask(live, now)

    def _judge(self, live: Live, event: Event, now: float) -> None:
        before = live.judgement
        if event is Event.REPLY and before.state is State.UP and not before.awaiting:
            return  # nearly every reply; judge() would return the same
        after = live.judgement = judge(before, event, now, live.quality.loss_ratio or 0.0)
        if after is before:
            return
        if after.round != before.round:
            self._confirm(live, after, now)
            self._suspect_site(live, State.DOWN if event is Event.LOSS else State.UP, now, sessions_only=True)
        if after.state is not before.state:
            self._changed(live, before.state, after.state, now)

    def _confirm(self, live: Live, judgement: Judgement, now: float) -> None:
        for number in range(judgement.awaiting):
            self._at(now + number * REPROBE_GAP_S, _Due.REPROBE, live, judgement.round)

    def _changed(self, live: Live, before: State, state: State, now: float) -> None:
        self.changes[state.value] += 1
        self._unpublished.setdefault(live.target.site, now)
        if before is State.UNKNOWN and state is State.UP:
            return  # the first look at it: no news about its neighbours
        self._suspect_site(live, state, now, sessions_only=False)
        for cause in self._suspicion.change(live.target, state, now):
            self._sweeping[cause] = now
            for other in self._neighbours.cause[cause]:
                self._suspect(other, state, now)

    def _suspect_site(self, live: Live, state: State, now: float, *, sessions_only: bool) -> None:
        for other in self._neighbours.site.get(live.target.site, ()):
            if other is not live.target and not (sessions_only and other.kind == "device"):
                self._suspect(other, state, now)

    def _suspect(self, target: ProbeTarget, state: State, now: float) -> None:
        live = self._lives.get((target.kind, target.id))
        if live is not None and worth_probing(live.judgement.state, state) and not live.judgement.awaiting:
            self._ask(live, now)

    def _ask(self, live: Live, now: float) -> None:
        """Queue one extra probe, unless one was asked for within the last second."""
        if live.queued or now - live.asked_at < ASK_AGAIN_S:
            return
        live.asked_at = now
        live.queued = True
        self._waiting[2 if live.target.kind == "session" else 3].append((live, 0))

    # -- sending ---------------------------------------------------------------------------------------------

    def _send_waiting(self, now: float) -> None:
        for place, waiting in enumerate(self._waiting):
            purpose = Purpose(min(place, Purpose.EXTRA))
            while waiting and self._tokens >= 1.0:
                live, number = waiting.popleft()
                if purpose is Purpose.EXTRA:
                    live.queued = False
                stale = purpose is Purpose.CONFIRM and (live.judgement.round != number or not live.judgement.awaiting)
                if not live.gone and not stale:
                    self._tokens -= 1.0
                    self._send(live, purpose, number, now)

    def _send(self, live: Live, purpose: Purpose, number: int, now: float) -> None:
        live.sequence = sequence = (live.sequence + 1) & 0xFFFFFFFF
        if purpose is Purpose.SCHEDULED:
            if live.scheduled_sequence is not None:
                live.quality.settle(False)  # nothing came until now: it was lost
                live.scheduled_sequence = None
            if live.under_way:
                oldest = now - live.interval_s
                live.under_way = {s: sent for s, sent in live.under_way.items() if sent.at > oldest or not sent.late}
        try:
            at = self._send_packet(live, sequence)
        except OSError as error:
            self.send_errors[errno.errorcode.get(error.errno or 0, "unknown")] += 1
            self._void(live, now)
            return
        self.sent[purpose.name.lower()] += 1
        if purpose is Purpose.SCHEDULED:
            live.scheduled_sequence = sequence
        elif purpose is Purpose.EXTRA:
            live.unresolved = sequence
        live.under_way[sequence] = Sent(purpose, number, at, False)
        self._at(at + live.quality.timeout_s(live.target.rtt_s), _Due.TIMEOUT, live, sequence)

    def _at(self, when: float, what: _Due, live: Live, number: int) -> None:
        self._order += 1
        heapq.heappush(self._due, (when, self._order, what, live, number))

    # -- what is published -----------------------------------------------------------------------------------

    def publish(self, now: float) -> None:
        """Make verdicts visible, a whole site at a time.

        A change is held while another session of the site, or of a carrier or hub being swept, may still change, for
        4 s at most: a dead site is then seen as a dead site, not first as a dead circuit, and its return likewise.
        """
        self._sweeping = {
            cause: since
            for cause, since in self._sweeping.items()
            if now - since < HOLD_S and any(self._unsettled(t) for t in self._neighbours.cause.get(cause, ()))
        }
        for site, since in list(self._unpublished.items()):
            members = self._neighbours.site.get(site, ())
            if now - since < HOLD_S and self._held(members):
                continue
            del self._unpublished[site]
            for target in members:
                live = self._lives[target.kind, target.id]
                if live.published is not live.judgement.state:
                    live.published = live.judgement.state
                    live.changed_at = now

    def _held(self, members: Iterable[ProbeTarget]) -> bool:
        return any(
            target.kind == "session"
            and (self._unsettled(target) or any(cause in self._sweeping for cause in causes_of(target)))
            for target in members
        )

    def _unsettled(self, target: ProbeTarget) -> bool:
        live = self._lives.get((target.kind, target.id))
        return live is not None and live.unsettled
