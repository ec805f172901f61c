"""The fast way to read a reply: compare it with the last one's skeleton, then take all numbers out in one step. Pure.

A layout is learnt from a reply that was decoded and checked octet by octet. It knows which octets are the
request-id or the content of a number; **all others** (lengths, tags, names, error fields, text values) must
equal the learnt ones, which one comparison of long integers tells. Then the numbers lie where they lay,
`struct` unpacks them together, and one formatting writes the samples. Any octet that differs sends the reply
to the full decoder, which teaches a new layout. Nothing is taken from the earlier reply but its shape: an
unchanged text is known from this reply's own octets.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import partial

from exporters.snmp.config import Metric
from exporters.snmp.message import COUNTER64, INTEGER, Reply
from exporters.snmp.plan import Batch, scaled
from exporters.snmp.values import UNSIGNED, WRAP, number, real

_SIGNED = {1: "b", 2: "h", 4: "i", 8: "q"}
_PLAIN = {1: "B", 2: "H", 4: "I", 8: "Q"}


class Layout:
    """The shape of one batch's reply. `read` is the hot path of the exporter."""

    __slots__ = ("_convert", "_mask", "_size", "_skeleton", "_subtract", "_template", "_unpack", "checks")

    def __init__(
        self,
        data: bytes,
        free: bytearray,
        pattern: str,
        template: str,
        subtract: tuple[tuple[int, int], ...],
        convert: tuple[tuple[int, Callable[[int], object]], ...],
        checks: tuple[tuple[bytes, int], ...],
    ) -> None:
        self._size = len(data)
        self._mask = int.from_bytes(free, "big")
        self._skeleton = int.from_bytes(data, "big") & self._mask
        self._unpack = struct.Struct(pattern).unpack_from
        self._template = template
        self._subtract = subtract
        self._convert = convert
        self.checks = checks  # names of validity checks, and which of the numbers is theirs

    def read(self, data: bytes) -> tuple[str, tuple[object, ...]] | None:
        """The samples' text and all numbers of a reply of this shape; None where any fixed octet differs."""
        if len(data) != self._size or int.from_bytes(data, "big") & self._mask != self._skeleton:
            return None
        values: tuple[object, ...] = self._unpack(data)
        if self._subtract or self._convert:
            changed: list[int] = list(values)  # type: ignore[arg-type]  # struct's integers
            for position, constant in self._subtract:
                changed[position] -= constant
            shown: list[object] = list(changed)
            for position, function in self._convert:
                shown[position] = function(changed[position])
            values = tuple(shown)
        return self._template % values, values


def learn(batch: Batch, reply: Reply, checks: frozenset[bytes]) -> Layout | None:
    """The layout of a reply that answers exactly the batch's variables in their order; None where it cannot be one."""
    data = reply.data
    free = bytearray(b"\xff" * len(data))
    free[reply.id_offset : reply.id_offset + 4] = bytes(4)
    parts: list[str] = []
    pattern = [">"]
    at = 0  # octets that the pattern covers
    count = 0
    subtract: list[tuple[int, int]] = []
    convert: list[tuple[int, Callable[[int], object]]] = []
    found: list[tuple[bytes, int]] = []
    for position, (variable, varbind) in enumerate(zip(batch.variables, reply.varbinds, strict=True)):
        parts.append(batch.heads.get(position, "").replace("%", "%%"))
        tag, start, end = varbind.tag, varbind.start, varbind.end
        metric = variable.metric
        content = data[start:end]
        if metric is not None and metric.shape != "number":
            shown = variable.render(tag, content) if tag < 0x80 else ""
            parts.append((shown or "").replace("%", "%%"))
            continue  # its octets stay fixed: the same octets give the same text
        if metric is not None and real(tag, content) is not None:
            size = len(content)
            pattern.append(f"{start + 3 - at}x{'f' if size == 7 else 'd'}")
            at = end
            free[start + 3 : end] = bytes(size - 3)
            convert.append((count, partial(_shown, metric)))
            count += 1
            parts.append(f"{variable.series().replace('%', '%%')} %s\n")
            continue
        if number(tag, content) is None:
            continue  # no such instance, or not a number: its octets stay fixed too, and show nothing
        if tag in UNSIGNED and tag != COUNTER64 and end - start > 5:
            return None  # padded beyond any need: not worth a fast way
        code, first, constant = _field(data, tag, start, end)
        pattern.append(f"{first - at}x{code}")
        at = first + struct.calcsize(">" + code)
        fixed = 1 if tag in UNSIGNED and end - start in (5, 9) and data[start] == 0 else 0
        free[start + fixed : end] = bytes(end - start - fixed)
        if constant:
            subtract.append((count, constant))
        function = _converter(tag, end - start, metric)
        if function is not None:
            convert.append((count, function))
        if variable.name in checks:
            found.append((variable.name, count))
        count += 1
        if metric is None:
            parts.append("%.0s")  # read, but not shown
        else:
            series = variable.series().replace("%", "%%")
            parts.append(f"{series} {'%s' if metric.scale or metric.offset else '%d'}\n")
    return Layout(data, free, "".join(pattern), "".join(parts), tuple(subtract), tuple(convert), tuple(found))


def _shown(metric: Metric, value: float) -> str:
    return scaled(metric, value)


def _field(data: bytes, tag: int, start: int, end: int) -> tuple[str, int, int]:
    """Struct code that covers a number, where it starts, and what to subtract.

    Sizes without a code (3, 5, 6, 7 octets) are read with the fixed octets before them as part of the number; those are
    the same in every reply of this layout, so that subtracting their share leaves the value.
    """
    size = end - start
    unsigned = tag in UNSIGNED
    if unsigned and size in (5, 9) and data[start] == 0:
        return _PLAIN[size - 1], start + 1, 0
    codes = _PLAIN if unsigned else _SIGNED
    if size in codes:
        return codes[size], start, 0
    width = 4 if size == 3 else 8
    first = end - width
    return _PLAIN[width], first, int.from_bytes(data[first:start], "big") << (8 * size)


def _converter(tag: int, size: int, metric: Metric | None) -> Callable[[int], object] | None:
    """What else a number needs: sign, the wrap of Counter64 at 2^53, scale and offset."""
    steps: list[Callable[[int], int]] = []
    if tag == INTEGER and size in (3, 5, 6, 7):
        half = 1 << (8 * size - 1)
        steps.append(lambda value: value - 2 * half if value >= half else value)
    if tag == COUNTER64 and size >= 7:
        steps.append(lambda value: value % WRAP)
    scale = metric if metric is not None and (metric.scale or metric.offset) else None
    if not steps and scale is None:
        return None

    def convert(value: int) -> object:
        for step in steps:
            value = step(value)
        return value if scale is None else scaled(scale, value)

    return convert
