"""SNMPv2c messages on the wire: encodes GET and GETBULK once, checks and decodes replies. Pure.

BER (X.690) as SNMP uses it (RFC 3417 section 8): definite lengths only, one-octet tags. Everything is bounded
by the datagram: a length that leaves its container, bytes after the end, an OID of more than 128 arcs or an
arc above 2^32-1 are `Malformed`. Request-ids are always four octets, so that a request is encoded once and
only these patched.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from exporters.snmp.errors import Malformed

INTEGER, OCTET_STRING, NULL, OID, SEQUENCE = 0x02, 0x04, 0x05, 0x06, 0x30
IP_ADDRESS, COUNTER32, GAUGE32, TIME_TICKS, OPAQUE, COUNTER64 = 0x40, 0x41, 0x42, 0x43, 0x44, 0x46
NO_SUCH_OBJECT, NO_SUCH_INSTANCE, END_OF_MIB_VIEW = 0x80, 0x81, 0x82
GET, RESPONSE, GET_BULK = 0xA0, 0xA2, 0xA5
VERSION_2C = 1

TOO_BIG = 1
NO_SUCH_NAME = 2  # of SNMPv1: any variable that is not there
ERROR_NAMES = (
    "noError", "tooBig", "noSuchName", "badValue", "readOnly", "genErr", "noAccess", "wrongType", "wrongLength",
    "wrongEncoding", "wrongValue", "noCreation", "inconsistentValue", "resourceUnavailable", "commitFailed",
    "undoFailed", "authorizationError", "notWritable", "inconsistentName",
)  # fmt: skip
AUTHORIZATION_ERROR = 16

MAX_ARCS = 128
MAX_ARC = 0xFFFFFFFF
REQUEST_ID_FIRST, REQUEST_ID_LAST = 0x40000000, 0x7FFFFFFF  # four octets in their shortest form


class Varbind(NamedTuple):
    """One variable of a reply: its name's content octets, the value's tag, and where the value lies in the datagram."""

    oid: bytes
    tag: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Reply:
    """A checked Response-PDU. Values stay in `data`, so that a caller decodes only what it needs."""

    data: bytes
    request_id: int
    id_offset: int
    error_status: int
    error_index: int
    varbinds: tuple[Varbind, ...]

    @property
    def error(self) -> str:
        """The error-status by its name (RFC 3416)."""
        status = self.error_status
        return ERROR_NAMES[status] if 0 <= status < len(ERROR_NAMES) else f"error {status}"


@dataclass(frozen=True, slots=True)
class Request:
    """An encoded request; octets `id_offset` to `id_offset + 4` are the request-id."""

    data: bytes
    id_offset: int


# ---------------------------------------------------------------------------------------------- encoding


def oid_content(arcs: Iterable[int]) -> bytes:
    """Content octets of an OBJECT IDENTIFIER.

    Raises:
        Malformed: fewer than two arcs, more than 128, or one out of range.
    """
    numbers = tuple(arcs)
    if not 2 <= len(numbers) <= MAX_ARCS or numbers[0] > 2 or (numbers[0] < 2 and numbers[1] > 39):
        raise Malformed(f"{'.'.join(map(str, numbers))} is not an object identifier")
    return arcs_content((numbers[0] * 40 + numbers[1], *numbers[2:]))


def arcs_content(arcs: Iterable[int]) -> bytes:
    """Base-128 octets of arcs that follow the first two, for example of an instance below its column."""
    out = bytearray()
    for arc in arcs:
        if not 0 <= arc <= MAX_ARC:
            raise Malformed(f"{arc} is out of range for an arc of an object identifier")
        if arc < 0x80:
            out.append(arc)
            continue
        shift = (arc.bit_length() - 1) // 7 * 7
        while shift:
            out.append(0x80 | (arc >> shift) & 0x7F)
            shift -= 7
        out.append(arc & 0x7F)
    return bytes(out)


def parse_oid(text: str) -> tuple[int, ...]:
    """Arcs of "1.3.6.1...", with or without the leading dot.

    Raises:
        Malformed: not dotted numbers.
    """
    try:
        arcs = tuple(int(part) for part in text.strip().removeprefix(".").split("."))
    except ValueError as error:
        raise Malformed(f"{text!r} is not an object identifier in dotted numbers") from error
    oid_content(arcs)
    return arcs


def tlv(tag: int, content: bytes) -> bytes:
    """One BER element in its shortest form."""
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(octets))) + octets + content


def integer(value: int) -> bytes:
    """An INTEGER in its shortest form."""
    return tlv(INTEGER, value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True))


def encode_get(community: bytes, names: Sequence[bytes]) -> Request:
    """A GetRequest-PDU for the instances `names` (content octets of their OIDs)."""
    return _encode(GET, community, 0, 0, names)


def encode_bulk(community: bytes, name: bytes, repetitions: int) -> Request:
    """A GetBulkRequest-PDU that walks on from `name` (content octets) by `repetitions` rows."""
    return _encode(GET_BULK, community, 0, repetitions, (name,))


def _encode(kind: int, community: bytes, second: int, third: int, names: Sequence[bytes]) -> Request:
    rows = b"".join(tlv(SEQUENCE, tlv(OID, name) + b"\x05\x00") for name in names)
    request_id = tlv(INTEGER, REQUEST_ID_FIRST.to_bytes(4, "big"))
    after = integer(second) + integer(third) + tlv(SEQUENCE, rows)
    pdu = tlv(kind, request_id + after)
    data = tlv(SEQUENCE, integer(VERSION_2C) + tlv(OCTET_STRING, community) + pdu)
    return Request(data, len(data) - len(after) - 4)


# ---------------------------------------------------------------------------------------------- decoding


def header(data: bytes, at: int, end: int) -> tuple[int, int, int]:
    """Tag, start and end of the element at `at`, which must lie before `end`."""
    if at + 2 > end:
        raise Malformed("cut short")
    tag, size = data[at], data[at + 1]
    at += 2
    if size >= 0x80:
        count = size & 0x7F
        if not 1 <= count <= 4 or at + count > end:
            raise Malformed("a length that is indefinite, reserved or cut short")
        size = int.from_bytes(data[at : at + count], "big")
        at += count
    if at + size > end:
        raise Malformed("an element longer than what holds it")
    return tag, at, at + size


def expect(data: bytes, at: int, end: int, tag: int, what: str) -> tuple[int, int]:
    """Start and end of the element at `at`, whose tag must be `tag`; `what` it is, for the error.

    Raises:
        Malformed: cut short, or another tag.
    """
    found, start, stop = header(data, at, end)
    if found != tag:
        raise Malformed(f"{what} has tag {found:#04x} instead of {tag:#04x}")
    return start, stop


def small_integer(data: bytes, at: int, end: int, what: str) -> tuple[int, int, int]:
    """Value, start and end of an INTEGER of at most 4 octets."""
    start, stop = expect(data, at, end, INTEGER, what)
    if not 1 <= stop - start <= 4:
        raise Malformed(f"{what} has {stop - start} octets")
    return int.from_bytes(data[start:stop], "big", signed=True), start, stop


def peek_request_id(data: bytes) -> int | None:
    """The request-id of what looks like an SNMPv2c reply, None otherwise; only a look-up key, checked later."""
    try:
        second = data[1]
        at = 2 if second < 0x80 else 2 + (second & 0x7F)  # behind the outer header
        at += 5 + data[at + 4]  # version and community, whose length is one octet
        second = data[at + 1]
        at += 2 if second < 0x80 else 2 + (second & 0x7F)  # behind the PDU's header
        if data[at] != INTEGER or data[at + 1] != 4:
            return None
        return int.from_bytes(data[at + 2 : at + 6], "big")
    except IndexError:
        return None


def decode_reply(data: bytes, community: bytes) -> Reply:
    """Check a whole datagram as the Response to a request with `community`.

    Raises:
        Malformed: not exactly one SNMPv2c message with a Response-PDU and our community.
    """
    total = len(data)
    at, end = expect(data, 0, total, SEQUENCE, "the message")
    if end != total:
        raise Malformed(f"{total - end} bytes behind the message")
    version, _, at = small_integer(data, at, end, "the version")
    if version != VERSION_2C:
        raise Malformed(f"version {version} instead of {VERSION_2C} (SNMPv2c)")
    start, at = expect(data, at, end, OCTET_STRING, "the community")
    if data[start:at] != community:
        raise Malformed("a community that is not ours")
    at, pdu_end = expect(data, at, end, RESPONSE, "the PDU")
    if pdu_end != end:
        raise Malformed("bytes behind the PDU")
    request_id, id_offset, at = small_integer(data, at, end, "the request-id")
    error_status, _, at = small_integer(data, at, end, "the error-status")
    error_index, _, at = small_integer(data, at, end, "the error-index")
    at, list_end = expect(data, at, end, SEQUENCE, "the variable bindings")
    if list_end != end:
        raise Malformed("bytes behind the variable bindings")
    varbinds: list[Varbind] = []
    append = varbinds.append
    while at < end:
        at, row_end = expect(data, at, end, SEQUENCE, "a variable binding")
        start, stop = expect(data, at, row_end, OID, "a name")
        tag, value_start, value_end = header(data, stop, row_end)
        if value_end != row_end:
            raise Malformed("bytes behind a value")
        append(Varbind(data[start:stop], tag, value_start, value_end))
        at = row_end
    return Reply(data, request_id, id_offset, error_status, error_index, tuple(varbinds))


def decode_arcs(content: bytes) -> tuple[int, ...]:
    """Arcs from base-128 octets, without splitting the first one in two (see `decode_oid`).

    Raises:
        Malformed: empty, cut short, an arc above 2^32-1 or with leading zeros, or more than 128 arcs.
    """
    arcs: list[int] = []
    value = 0
    fresh = True
    for octet in content:
        if fresh and octet == 0x80:
            raise Malformed("an arc with leading zeros")
        value = value << 7 | octet & 0x7F
        if value > MAX_ARC:
            raise Malformed("an arc above 4294967295")
        fresh = octet < 0x80
        if fresh:
            arcs.append(value)
            value = 0
    if not fresh or not arcs or len(arcs) > MAX_ARCS:
        raise Malformed("an object identifier that is empty, cut short or too long")
    return tuple(arcs)


def decode_oid(content: bytes) -> tuple[int, ...]:
    """All arcs of an OBJECT IDENTIFIER from its content octets.

    Raises:
        Malformed: as `decode_arcs`.
    """
    first, *rest = decode_arcs(content)
    top = min(first // 40, 2)
    return (top, first - 40 * top, *rest)


def rising(names: Sequence[tuple[int, ...]]) -> bool:
    """Tell whether object identifiers stand in strictly rising order, as a walk must return them."""
    return all(a < b for a, b in pairwise(names))
