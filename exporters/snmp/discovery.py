"""Which instances a target has: turns modules and walked columns into variables with rendered labels. Mostly pure.

`needs` says what to walk and get for a set of modules; `variables` joins what was found with indexes and
look-ups, as snmp_exporter does. A row whose index does not fit its declaration is left out and counted.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise

from exporters.snmp.config import COMBINED, INTEGERS, Arcs, Index, Lookup, Metric, Module
from exporters.snmp.errors import Malformed
from exporters.snmp.message import arcs_content, decode_arcs, oid_content
from exporters.snmp.plan import Variable, reply_bytes
from exporters.snmp.values import escape_label, number, octets_text, text
from exporters.snmp.walk import Column, Found

SYS_UPTIME = oid_content((1, 3, 6, 1, 2, 1, 1, 3, 0))  # SNMPv2-MIB
IF_NUMBER = oid_content((1, 3, 6, 1, 2, 1, 2, 1, 0))  # IF-MIB
IF_TABLE_LAST_CHANGE = oid_content((1, 3, 6, 1, 2, 1, 31, 1, 5, 0))  # IF-MIB
IF_TABLES: tuple[Arcs, ...] = ((1, 3, 6, 1, 2, 1, 2, 2, 1), (1, 3, 6, 1, 2, 1, 31, 1, 1, 1))
SCALAR = b"\x00"


@lru_cache(maxsize=10_000)
def _content(oid: Arcs) -> bytes:
    """Content octets of an OID of the configuration."""
    return oid_content(oid)


@dataclass(frozen=True, slots=True)
class Needs:
    """What must be walked and got for a set of modules.

    `columns` maps a subtree to its repetitions; `scalars` are instances; `checks` those that tell whether the index
    still holds; `sentinels` the columns that are walked again now and then, because nothing tells when they change.
    """

    modules: tuple[Module, ...]
    columns: Mapping[bytes, int]
    scalars: tuple[bytes, ...]
    checks: tuple[bytes, ...]
    sentinels: frozenset[bytes]


def needs(modules: tuple[Module, ...]) -> Needs:
    """Work out what to ask a target for these modules."""
    columns: dict[bytes, int] = {}
    scalars: dict[bytes, None] = {}
    sentinels: dict[Arcs, bytes] = {}
    lookups: set[bytes] = set()
    has_interfaces = False
    for module in modules:
        for metric in module.metrics:
            starts, instances = _where(metric, module)
            scalars.update(dict.fromkeys(instances))
            for start in starts:
                columns[start] = max(columns.get(start, 1), module.max_repetitions)
            table = metric.oid[:-1]
            if table in IF_TABLES and metric.indexes:
                has_interfaces = True
            elif starts:
                sentinels.setdefault(table, starts[0])
            labels = [lookup.oid for lookup in metric.lookups if lookup.oid and metric.indexes]
            labels += [before(x.oid) for x in metric.lookups if x.oid and metric.indexes and x.type in COMBINED]
            if metric.type in COMBINED and metric.indexes:
                labels.append(before(metric.oid))
            for oid in labels:
                columns[oid_content(oid)] = max(columns.get(oid_content(oid), 1), module.max_repetitions)
                lookups.add(oid_content(oid))
        for rule in module.filters:
            columns[oid_content(rule.oid)] = module.max_repetitions
            lookups.add(oid_content(rule.oid))
    checks = (SYS_UPTIME, IF_NUMBER, IF_TABLE_LAST_CHANGE) if has_interfaces else (SYS_UPTIME,)
    scalars.update(dict.fromkeys(checks))
    return Needs(modules, columns, tuple(scalars), checks, frozenset(lookups | set(sentinels.values())))


def before(oid: Arcs) -> Arcs:
    """The column to the left, which holds the type of a combined one."""
    return (*oid[:-1], max(oid[-1] - 1, 0))


def _where(metric: Metric, module: Module) -> tuple[list[bytes], list[bytes]]:
    """Subtrees to walk and instances to get for one metric."""
    size = len(metric.oid)
    instances = [oid_content(oid) for oid in module.get if oid[:size] == metric.oid]
    starts: list[bytes] = []
    for walk in module.walk:
        if metric.oid[: len(walk)] == walk:
            if metric.indexes:
                starts.append(oid_content(metric.oid))
            else:
                instances.append(oid_content(metric.oid) + SCALAR)
        elif walk[:size] == metric.oid:
            starts.append(oid_content(walk))
    return list(dict.fromkeys(starts)), list(dict.fromkeys(instances))


@dataclass(slots=True)
class Discovered:
    """Everything found on a target: by column and by instance."""

    columns: dict[bytes, Column]
    scalars: dict[bytes, Found]
    bad_rows: int = 0
    _lookup: dict[bytes, Found] = field(default_factory=dict)

    def order(self) -> dict[bytes, bytes]:
        """For each walked row what stands directly before it in the agent: the row above, else its column.

        Before the first row of a column stands the last one of the column to the left, if that was walked and has rows:
        nothing can lie between them.
        """
        before: dict[bytes, bytes] = {}
        for prefix, column in self.columns.items():
            if not column.done or column.disordered or not column.rows:
                continue
            names = [row.name for row in column.rows]
            left = self.columns.get(prefix[:-1] + bytes([prefix[-1] - 1])) if 0 < prefix[-1] < 0x80 else None
            stands = left is not None and left.done and bool(left.rows)
            before[names[0]] = left.rows[-1].name if left is not None and stands else prefix
            before.update((name, above) for above, name in pairwise(names))
        return before

    def allowed(self, module: Module, start: bytes) -> frozenset[bytes] | None:
        """Names of the instances that the module's filters leave of a column; None where none of them is about it.

        A filter whose own column could not be walked filters nothing, as with the peer; of two the last one counts.
        """
        rules = [r for r in module.filters if any(_content(target) == start for target in r.targets)]
        rules = [r for r in rules if _content(r.oid) in self.columns and self.columns[_content(r.oid)].done]
        if not rules:
            return None
        rule = rules[-1]
        names = set()
        for row in self.columns[_content(rule.oid)].rows:
            shown = text(row.tag, row.content, "DisplayString") or ""
            if any(pattern.search(shown) for pattern in rule.values):
                names.add(start + arcs_content(decode_arcs(row.name)[-1:]))
        return frozenset(names)

    def find(self, name: bytes) -> Found | None:
        """The variable of that name, wherever it was found."""
        if not self._lookup:
            self._lookup = {row.name: row for column in self.columns.values() for row in column.rows}
            self._lookup.update(self.scalars)
        return self._lookup.get(name)


def fingerprint(needs: Needs, columns: Mapping[bytes, Column]) -> bytes:
    """What the sentinel columns looked like: rows of all, and values where they are look-ups (labels)."""
    labels = {oid_content(rule.oid) for module in needs.modules for rule in module.filters}
    for metric in (metric for module in needs.modules for metric in module.metrics):
        for oid, kind in ((metric.oid, metric.type), *((x.oid, x.type) for x in metric.lookups if x.oid)):
            labels |= {oid_content(before(oid))} if kind in COMBINED else set()
        labels |= {oid_content(x.oid) for x in metric.lookups if x.oid}
    digest = hashlib.blake2b(digest_size=16)
    for prefix in sorted(needs.sentinels):
        for row in columns[prefix].rows:
            digest.update(len(row.name).to_bytes(2, "big") + row.name)
            if prefix in labels:
                digest.update(len(row.content).to_bytes(2, "big") + row.content)
    return digest.digest()


def variables(needs: Needs, found: Discovered) -> list[Variable]:
    """All variables to read, grouped by metric in the order of the modules, validity checks first.

    The first of two samples with the same name and labels wins, so that modules may overlap.
    """
    order = found.order()
    groups: dict[str, list[Variable]] = {}
    seen: set[tuple[str, str]] = set()
    rows: dict[tuple[tuple[Index, ...], tuple[Lookup, ...]], dict[bytes, tuple[str, frozenset[str]] | None]] = {}
    for number_, module in enumerate(needs.modules):
        for metric in module.metrics:
            group = groups.setdefault(metric.family, [])
            column_size = len(_content(metric.oid))
            table = (metric.indexes, metric.lookups)
            known = rows.setdefault(table, {})
            for instance in _instances(metric, module, found):
                suffix = instance.name[column_size:]
                key = suffix if metric.indexes else b""
                if key not in known:
                    known[key] = _labels(metric, suffix, found)
                row = known[key]
                if row is None:
                    found.bad_rows += 1
                    continue
                labels, names = row
                if (metric.family, labels) in seen:
                    continue
                seen.add((metric.family, labels))
                size = reply_bytes(instance.name, instance.tag, len(instance.content))
                kind = _kind(metric.type, metric.oid, suffix, found) if metric.type in COMBINED else ""
                named = metric.name in names and not metric.extracts
                after = order.get(instance.name, b"")
                group.append(Variable(instance.name, size, number_, metric, labels, named, kind, after))
    shown = [variable for group in groups.values() for variable in group]
    names_shown = {variable.name for variable in shown}
    hidden = [
        Variable(name, reply_bytes(name, found.scalars[name].tag, 8))
        for name in needs.checks
        if name in found.scalars and name not in names_shown
    ]
    return hidden + shown


def _instances(metric: Metric, module: Module, found: Discovered) -> Iterable[Found]:
    starts, instances = _where(metric, module)
    for start in starts:
        allowed = found.allowed(module, start)
        rows = found.columns[start].rows
        yield from rows if allowed is None else (row for row in rows if row.name in allowed)
    for name in instances:
        if name in found.scalars:
            yield found.scalars[name]


def _labels(metric: Metric, suffix: bytes, found: Discovered) -> tuple[str, frozenset[str]] | None:
    """Rendered labels of one row and their names, sorted; None where the index does not fit."""
    if not metric.indexes:
        return "", frozenset()
    try:
        arcs = decode_arcs(suffix)
        labels, by_label = parse_index(metric.indexes, arcs)
    except Malformed:
        return None
    for lookup in metric.lookups:
        _look_up(lookup, labels, by_label, found)
    rendered = ",".join(f'{name}="{escape_label(labels[name])}"' for name in sorted(labels))
    return rendered, frozenset(labels)


def _look_up(lookup: Lookup, labels: dict[str, str], by_label: dict[str, Arcs], found: Discovered) -> None:
    """Add the label of a look-up (empty where the agent has none), or drop one; its number may serve the next."""
    if not lookup.labels:
        labels.pop(lookup.label, None)
        return
    arcs = tuple(arc for label in lookup.labels for arc in by_label.get(label, ()))
    try:
        row = found.find(_content(lookup.oid) + arcs_content(arcs))
    except Malformed:
        row = None
    labels[lookup.label] = ""
    if row is not None:
        kind = lookup.type
        if kind in COMBINED:
            kind = _kind(kind, lookup.oid, arcs_content(arcs), found)
        labels[lookup.label] = text(row.tag, row.content, kind) or ""
        value = number(row.tag, row.content)
        if value is not None and value >= 0:
            by_label[lookup.label] = (value,)


def _kind(kind: str, oid: Arcs, suffix: bytes, found: Discovered) -> str:
    """The type of one row of a combined column, by the number to its left; OctetString where that says nothing."""
    row = found.find(_content(before(oid)) + suffix)
    value = number(row.tag, row.content) if row is not None else None
    return COMBINED[kind].get(-1 if value is None else value, "OctetString")


def parse_index(indexes: Sequence[Index], arcs: Arcs) -> tuple[dict[str, str], dict[str, Arcs]]:
    """Labels from a row's index, and the arcs of each (RFC 2578 section 7.7).

    Raises:
        Malformed: fewer arcs than declared, or octets above 255.
    """
    labels: dict[str, str] = {}
    by_label: dict[str, Arcs] = {}
    for index in indexes:
        taken = _take(index, arcs)
        arcs = arcs[len(taken) :]
        labels[index.label] = _index_text(index, taken)
        by_label[index.label] = taken
    return labels, by_label


_FIXED = dict.fromkeys(INTEGERS, 1) | {"PhysAddress48": 6, "InetAddressIPv6": 16, "InetAddressIPv4": 4, "IpAddr": 4}


def _combined(index: Index, arcs: Arcs) -> tuple[Arcs, Index]:
    """Of an index that begins with its own type: the arcs that say so, and the index that follows them.

    InetAddress and LldpPortId have a length between type and value, InetAddressMissingSize has none. What is of
    no known type is octets, by that length or all that is left, as the peer shows it.
    """
    if not arcs:
        raise Malformed("an index without arcs")
    kind = COMBINED[index.type].get(arcs[0])
    if index.type == "InetAddressMissingSize":
        return (arcs[:1], Index(index.label, kind)) if kind else ((), Index(index.label, "OctetString", implied=True))
    if len(arcs) < 2:
        raise Malformed("an index of one arc where a type and a length are needed")
    if kind is None:
        return (), Index(index.label, "OctetString", arcs[1] + 2)
    size = 0 if kind in _FIXED else arcs[1]
    return arcs[:2], Index(index.label, kind, size)


def _take(index: Index, arcs: Arcs) -> Arcs:
    if index.type in COMBINED:
        head, rest = _combined(index, arcs)
        return head + _take(rest, arcs[len(head) :])
    size = _FIXED.get(index.type) or index.size
    if not size:
        if not arcs:
            raise Malformed("an index without arcs")
        size = len(arcs) if index.implied else 1 + arcs[0]
    if len(arcs) < size:
        raise Malformed(f"an index of {len(arcs)} arcs where {size} are needed")
    return arcs[:size]


def _index_text(index: Index, arcs: Arcs) -> str:
    if index.type in COMBINED:
        head, rest = _combined(index, arcs)
        return _index_text(rest, arcs[len(head) :])
    if _FIXED.get(index.type) == 1:
        return dict(index.enum).get(arcs[0], str(arcs[0]))
    octets = arcs if index.type in _FIXED or index.size or index.implied else arcs[1:]
    if any(arc > 255 for arc in octets):
        raise Malformed("an index octet above 255")
    return octets_text(bytes(octets), index.type)
