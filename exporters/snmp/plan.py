"""The poll plan: known instances packed into datagrams below the path MTU, each encoded once. Pure.

Turns the variables that discovery found into batches, in the order in which their samples will be shown, so
that the texts of the batches only need to be joined. Batches respect the size of the request *and* of the
expected reply. Where instances follow each other in the agent's own order, a slice of them is asked for by GETBULK,
from a known position with a known count: a small request, the same reply, still one round trip.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

from exporters.snmp.config import Metric
from exporters.snmp.message import COUNTER64, OCTET_STRING, OID, OPAQUE, Request, encode_bulk, encode_get, tlv
from exporters.snmp.values import bit, escape_help, escape_label, moment, number, real, text

if TYPE_CHECKING:
    from exporters.snmp.layout import Layout

MTU_BYTES = 1400
LEAST_BYTES = 200
MOST_ROWS = 50  # repetitions of one GETBULK: above 55 a known switch leaves rows out (snmp_exporter, PR 13)
LEAST_ROWS = 4  # a shorter slice costs more than its share of a GET
MOST_VARIABLES = 100  # per datagram, whatever fits: some agents refuse more
_DATAGRAM_BYTES = 73  # of every datagram: IP, UDP and all of the message that is not variables
_MESSAGE_BYTES = 40  # all that is not variables or community, in the longest form


@dataclass(frozen=True, slots=True, eq=False)
class Variable:
    """One instance to read. `labels` is the rendered text between the braces; a check only has no metric.

    `named`: the metric's own name is already one of its labels, so that its value is not added as one.
    `kind`: its own type, where the metric's depends on the row (InetAddress).
    `after`: what stands directly before it in the agent (an instance or its column); empty where that is not known.
    """

    name: bytes
    reply_bytes: int
    module: int = 0
    metric: Metric | None = None
    labels: str = ""
    named: bool = False
    kind: str = ""
    after: bytes = b""

    def render(self, tag: int, content: bytes) -> str | None:
        """The sample lines for a value; None where the value does not suit the metric's type."""
        metric = self.metric
        if metric is None:
            return ""
        shape = metric.shape
        if shape == "number" or shape == "time" or shape == "extract":
            value = self._number(metric, tag, content)
            return None if value is None else f"{self.series()} {scaled(metric, value)}\n"
        if shape == "states":
            state = number(tag, content)
            return None if state is None else self._states(metric, state)
        if shape == "bits":
            if tag not in (OCTET_STRING, OPAQUE):
                return None
            return "".join(f"{self.series(name)} {bit(content, position)}\n" for position, name in metric.enum)
        if self.named:
            return f"{self.series()} {scaled(metric, 1)}\n"
        shown = text(tag, content, self.kind or metric.type, dict(metric.enum) if shape == "info" else None)
        return None if shown is None else f"{self.series(shown)} {1 if shape == 'info' else scaled(metric, 1)}\n"

    def _number(self, metric: Metric, tag: int, content: bytes) -> float | None:
        """The sample's value before scale and offset."""
        if metric.shape == "time":
            return moment(content, metric.type, metric.pattern) if tag == OCTET_STRING else None
        if metric.shape == "extract":
            shown = text(tag, content, self.kind or metric.type) or ""
            return next((v for e in metric.extracts if (v := e.read(shown)) is not None), None)
        value = number(tag, content)
        return real(tag, content) if value is None else value

    def series(self, own: str | None = None) -> str:
        """Metric name and labels; `own` is the value of the label that is named like the metric."""
        assert self.metric is not None
        labels = self.labels
        if own is not None:
            labels += f'{"," if labels else ""}{self.metric.name}="{escape_label(own)}"'
        return f"{self.metric.family}{{{labels}}}" if labels else self.metric.family

    def _states(self, metric: Metric, value: int) -> str:
        """One sample for each state of an enumeration, 1 for the current one; an unknown one is added by number."""
        lines = [f"{self.series(name)} {int(state == value)}\n" for state, name in metric.enum]
        if all(state != value for state, _ in metric.enum):
            lines.append(f"{self.series(str(value))} 1\n")
        return "".join(lines)


def scaled(metric: Metric, value: float) -> str:
    """The sample's value: scale and offset as the module says, whole numbers without a point."""
    if metric.extracts or (not metric.scale and not metric.offset):
        return str(value)
    return repr(value * (metric.scale or 1.0) + metric.offset)


@dataclass(slots=True, eq=False)
class Batch:
    """Variables of one datagram: a GET, or (`bulk`) a slice of a GETBULK walk.

    `heads`: HELP and TYPE lines by the position before which they stand.
    `carried` is the head of the first variable's metric where that began in a batch before: it is needed when that
    one was not answered. `layout` is what the last whole reply looked like.
    """

    variables: tuple[Variable, ...]
    request: Request
    heads: dict[int, str]
    carried: str
    per_module: tuple[tuple[int, int], ...]
    last_family: str
    bulk: bool = False
    layout: Layout | None = None

    @property
    def first_family(self) -> str:
        """The metric that the batch begins in."""
        metric = self.variables[0].metric
        return metric.family if metric is not None else ""

    def render(self, answers: dict[bytes, tuple[int, bytes]]) -> str:
        """The text of what was answered, variable by variable; what was not is left out."""
        parts: list[str] = []
        for position, variable in enumerate(self.variables):
            if position in self.heads:
                parts.append(self.heads[position])
            answer = answers.get(variable.name)
            if answer is not None:
                parts.append(variable.render(*answer) or "")
        return "".join(parts)


@dataclass(slots=True, eq=False)
class Plan:
    """All batches for one target and set of modules, with how they were packed."""

    variables: tuple[Variable, ...]
    batches: tuple[Batch, ...]
    limit_bytes: int
    isolated: frozenset[bytes] = field(default_factory=frozenset)
    most_rows: int = MOST_ROWS


def build(
    variables: Sequence[Variable],
    community: bytes,
    limit_bytes: int = MTU_BYTES,
    isolated: frozenset[bytes] = frozenset(),
    most_rows: int = MOST_ROWS,
) -> Plan:
    """Pack variables into batches.

    Args:
        variables: those to read, grouped by metric, in the order of the exposition.
        community: for the encoded requests.
        limit_bytes: most that a request or an expected reply may have (UDP payload).
        isolated: names that get a datagram of their own, because the agent fails whole requests over them.
        most_rows: repetitions of a GETBULK at most; below `LEAST_ROWS` everything is read by GET.
    """
    batches: list[Batch] = []
    before: Metric | None = None
    for chunk, bulk in _chunks(variables, limit_bytes - _MESSAGE_BYTES - len(community), isolated, most_rows):
        heads: dict[int, str] = {}
        carried = head(before) if before is not None and _same(chunk[0].metric, before) else ""
        counts: dict[int, int] = {}
        for position, variable in enumerate(chunk):
            if variable.metric is not None and not _same(variable.metric, before):
                heads[position] = head(variable.metric)
                before = variable.metric
            counts[variable.module] = counts.get(variable.module, 0) + 1
        if bulk:
            request = encode_bulk(community, chunk[0].after, len(chunk))
        else:
            request = encode_get(community, [v.name for v in chunk])
        family = before.family if before is not None else ""
        batches.append(Batch(tuple(chunk), request, heads, carried, tuple(counts.items()), family, bulk))
    return Plan(tuple(variables), tuple(batches), limit_bytes, isolated, most_rows)


def _same(metric: Metric | None, other: Metric | None) -> bool:
    """Tell whether the samples of both stand under one HELP and TYPE."""
    return metric is other or (metric is not None and other is not None and metric.family == other.family)


def halved(plan: Plan, community: bytes) -> Plan:
    """The same plan in datagrams half as large (after tooBig)."""
    return build(plan.variables, community, max(LEAST_BYTES, plan.limit_bytes // 2), plan.isolated, plan.most_rows)


def isolating(plan: Plan, names: frozenset[bytes], community: bytes) -> Plan:
    """The same plan with `names` in datagrams of their own (after an error that named them)."""
    return build(plan.variables, community, plan.limit_bytes, plan.isolated | names, plan.most_rows)


def with_rows(plan: Plan, most_rows: int, community: bytes) -> Plan:
    """The same plan with shorter slices (after an agent that leaves rows out of longer ones)."""
    return build(plan.variables, community, plan.limit_bytes, plan.isolated, most_rows)


def _chunks(
    variables: Sequence[Variable], room: int, isolated: frozenset[bytes], most_rows: int
) -> list[tuple[list[Variable], bool]]:
    """The variables of each datagram, and whether they are a slice; in order."""
    chunks: list[tuple[list[Variable], bool]] = []
    single: list[Variable] = []

    def flush() -> None:
        chunks.extend((chunk, False) for chunk in _gets(single, room, isolated))
        single.clear()

    for run in _runs(variables, isolated):
        parts = _slices(run, room, most_rows) if min(len(run), most_rows) >= LEAST_ROWS else []
        if not parts or not _pays(run, len(parts)):
            single += run
            continue
        flush()
        chunks.extend((chunk, True) for chunk in parts)
    flush()
    return chunks


def _pays(run: list[Variable], count: int) -> bool:
    """Tell whether `count` slices cost clearly less than the names that a GET would send; each is a datagram more."""
    names = sum(len(variable.name) + 6 for variable in run)
    return names >= 2 * count * (2 * _DATAGRAM_BYTES + len(run[0].after))


def _runs(variables: Sequence[Variable], isolated: frozenset[bytes]) -> list[list[Variable]]:
    """Stretches of variables that follow each other in the agent too; what fails by itself stands alone."""
    runs: list[list[Variable]] = []
    before = b""
    for variable in variables:
        alone = not variable.after or variable.name in isolated
        if alone or not before or variable.after != before:
            runs.append([])
        runs[-1].append(variable)
        before = b"" if alone else variable.name
    return runs


def _slices(run: list[Variable], room: int, most_rows: int) -> list[list[Variable]]:
    """A stretch in equal parts, as few as fit: a short last one would cost a datagram of its own."""
    size = sum(v.reply_bytes for v in run)
    count = max(-(-size // room), -(-len(run) // most_rows))
    while True:
        cuts = [len(run) * n // count for n in range(count + 1)]
        parts = [run[a:b] for a, b in pairwise(cuts)]
        if all(sum(v.reply_bytes for v in part) <= room or len(part) == 1 for part in parts):
            return parts
        count += 1


def _gets(variables: Sequence[Variable], room: int, isolated: frozenset[bytes]) -> list[list[Variable]]:
    chunks: list[list[Variable]] = []
    used = room + 1
    for variable in variables:
        size = max(variable.reply_bytes, len(variable.name) + 8)
        alone = variable.name in isolated
        if alone or used + size > room or len(chunks[-1]) >= MOST_VARIABLES:
            chunks.append([])
            used = 0
        chunks[-1].append(variable)
        used += room + 1 if alone else size
    return chunks


def reply_bytes(name: bytes, tag: int, size: int) -> int:
    """Most octets that this variable takes in a reply, given the value that discovery saw."""
    content = size + 8 if tag in (OCTET_STRING, OID, OPAQUE) else 9 if tag == COUNTER64 else 5
    return len(tlv(0x30, tlv(0x06, name) + tlv(tag, bytes(content))))


def head(metric: Metric) -> str:
    """HELP and TYPE lines of a metric."""
    return f"# HELP {metric.family} {escape_help(metric.shown_help)}\n# TYPE {metric.family} {metric.prometheus_type}\n"
