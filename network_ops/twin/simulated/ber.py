"""BER for SNMP (RFC 1157, RFC 3416): datagram -> `Request`, values -> TLVs, varbinds -> response.

The twin's own code, written from the RFCs and shared with nothing that polls it, so that no bug can cancel out.
Anything malformed raises `MalformedError` and never another exception: the input comes from the network.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

Oid = tuple[int, ...]

GET: Final = 0xA0
GETNEXT: Final = 0xA1
RESPONSE: Final = 0xA2
SET: Final = 0xA3
GETBULK: Final = 0xA5
INFORM: Final = 0xA6
_CLOSED_PDUS: Final = frozenset((GET, GETNEXT, SET, GETBULK))

V1: Final = 0
V2C: Final = 1

COUNTER32: Final = 0x41
GAUGE32: Final = 0x42
TIMETICKS: Final = 0x43
COUNTER64: Final = 0x46

NO_SUCH_OBJECT: Final = b"\x80\x00"
NO_SUCH_INSTANCE: Final = b"\x81\x00"
END_OF_MIB_VIEW: Final = b"\x82\x00"
NULL: Final = b"\x05\x00"

_MAX_SUBIDENTIFIERS: Final = 128
_HEADERS: Final = {
    tag: tuple(bytes((tag, n)) for n in range(10)) for tag in (0x02, COUNTER32, GAUGE32, TIMETICKS, COUNTER64)
}


class MalformedError(ValueError):
    """The datagram is not SNMP as we understand it; the only right answer is silence."""


class VersionError(MalformedError):
    """The message is of an SNMP version that agents do not speak here."""


@dataclass(slots=True)
class Request:
    """A decoded request.

    `request_id` is the request-id's whole TLV, echoed as it came. `first` and `second` are error-status and
    error-index, or non-repeaters and max-repetitions of a GETBULK. `names` holds each varbind's OID as BER contents,
    `varbinds` the contents of the varbind list as they came.
    """

    version: int
    community: bytes
    pdu: int
    request_id: bytes
    first: int
    second: int
    names: list[bytes]
    varbinds: bytes


def decode(datagram: bytes) -> Request:
    """The request in `datagram`.

    Raises:
        MalformedError: it is not a well-formed SNMPv1 or v2c request (GET, GETNEXT, GETBULK or SET).
    """
    try:
        start, stop = _expect(datagram, 0, len(datagram), 0x30)
        at, end = _expect(datagram, start, stop, 0x02)
        version = _signed(datagram, at, end)
        if version not in (V1, V2C):
            raise VersionError(f"SNMP version field {version}")
        at, end = _expect(datagram, end, stop, 0x04)
        community = datagram[at:end]
        pdu = datagram[end]
        if pdu not in _CLOSED_PDUS or (pdu == GETBULK and version == V1):
            raise MalformedError(f"PDU type {pdu:#x} is not a request")
        at, stop = _expect(datagram, end, stop, pdu)
        id_start, id_end = _expect(datagram, at, stop, 0x02)
        _signed(datagram, id_start, id_end)
        request_id = datagram[at:id_end]
        at, end = _expect(datagram, id_end, stop, 0x02)
        first = _signed(datagram, at, end)
        at, end = _expect(datagram, end, stop, 0x02)
        second = _signed(datagram, at, end)
        at, end = _expect(datagram, end, stop, 0x30)
        return Request(version, community, pdu, request_id, first, second, _names(datagram, at, end), datagram[at:end])
    except IndexError as e:
        raise MalformedError("datagram ends inside a field") from e


def _names(data: bytes, at: int, end: int) -> list[bytes]:
    """The OID contents of each varbind in data[at:end]; values are checked only to fill their varbind."""
    names: list[bytes] = []
    append = names.append
    while at < end:
        if data[at] != 0x30:
            raise MalformedError("varbind is not a SEQUENCE")
        length = data[at + 1]
        if length < 0x80:
            at += 2
        else:
            at, stop = _expect(data, at, end, 0x30)
            length = stop - at
        stop = at + length
        if stop > end or data[at] != 0x06:
            raise MalformedError("varbind does not begin with an OID")
        length = data[at + 1]
        if length < 0x80:
            at += 2
        else:
            at, oid_end = _expect(data, at, stop, 0x06)
            length = oid_end - at
        oid_end = at + length
        append(data[at:oid_end])
        length = data[oid_end + 1]
        value_end = oid_end + 2 + length if length < 0x80 else _expect(data, oid_end, stop, data[oid_end])[1]
        if value_end != stop:
            raise MalformedError("varbind does not end with its value")
        at = stop
    return names


def _expect(data: bytes, at: int, end: int, tag: int) -> tuple[int, int]:
    """Start and end of the contents of the TLV at `at`, which must have `tag` and fit before `end`."""
    if at >= end or data[at] != tag:
        raise MalformedError(f"expected tag {tag:#x} at byte {at}")
    length = data[at + 1]
    start = at + 2
    if length >= 0x80:
        size = length & 0x7F
        if not 0 < size <= 4:
            raise MalformedError("indefinite or absurd length")
        length = int.from_bytes(data[start : start + size], "big")
        start += size
    stop = start + length
    if stop > end:
        raise MalformedError("contents longer than what holds them")
    return start, stop


def _signed(data: bytes, start: int, stop: int) -> int:
    if not 0 < stop - start <= 5:  # five: some peers send an unsigned 32-bit value with its leading zero
        raise MalformedError("integer of no or more than 32 bits")
    return int.from_bytes(data[start:stop], "big", signed=True)


def decode_oid(contents: bytes) -> Oid:
    """The OID whose BER contents these are.

    Raises:
        MalformedError: empty, unfinished, padded, above 32 bits a sub-identifier or longer than 128 of them.
    """
    if not contents or contents[-1] & 0x80:
        raise MalformedError("OID is empty or unfinished")
    subs: list[int] = []
    value, fresh = 0, True
    for byte in contents:
        if fresh and byte == 0x80:
            raise MalformedError("sub-identifier is padded")
        value = value << 7 | byte & 0x7F
        if value > 0xFFFFFFFF:
            raise MalformedError("sub-identifier above 32 bits")
        fresh = byte < 0x80
        if fresh:
            subs.append(value)
            value = 0
    if len(subs) >= _MAX_SUBIDENTIFIERS:
        raise MalformedError("OID longer than 128 sub-identifiers")
    top = min(subs[0] // 40, 2)
    return (top, subs[0] - 40 * top, *subs[1:])


@lru_cache(maxsize=16384)
def encode_subs(subs: Oid) -> bytes:
    """Sub-identifiers in base 128, as they stand inside an OID's contents."""
    out = bytearray()
    for sub in subs:
        groups = [sub & 0x7F]
        while sub := sub >> 7:
            groups.append(sub & 0x7F | 0x80)
        out += bytes(reversed(groups))
    return bytes(out)


def oid_contents(oid: Oid) -> bytes:
    """BER contents of a whole OID."""
    return encode_subs((oid[0] * 40 + oid[1], *oid[2:]))


def length(n: int) -> bytes:
    """A definite length in its shortest form."""
    if n < 0x80:
        return bytes((n,))
    if n < 0x100:
        return bytes((0x81, n))
    return bytes((0x82, n >> 8, n & 0xFF))


def integer(value: int) -> bytes:
    """INTEGER, as a TLV."""
    size = (value if value >= 0 else ~value).bit_length() // 8 + 1
    return _HEADERS[0x02][size] + value.to_bytes(size, "big", signed=True)


def unsigned(tag: int, value: int) -> bytes:
    """Counter32, Gauge32, TimeTicks or Counter64 as a TLV; `value` must already be within the type."""
    size = value.bit_length() // 8 + 1
    return _HEADERS[tag][size] + value.to_bytes(size, "big")


def counter32(value: int) -> bytes:
    """Counter32 as a TLV, wrapped at 2^32."""
    return unsigned(COUNTER32, value & 0xFFFFFFFF)


def gauge32(value: int) -> bytes:
    """Gauge32 as a TLV, held at its maximum (RFC 2578 7.1.7)."""
    return unsigned(GAUGE32, min(value, 0xFFFFFFFF))


def timeticks(seconds: float) -> bytes:
    """TimeTicks as a TLV: hundredths of a second, wrapped at 2^32 (497 days)."""
    return unsigned(TIMETICKS, int(seconds * 100) & 0xFFFFFFFF)


def counter64(value: int) -> bytes:
    """Counter64 as a TLV."""
    return unsigned(COUNTER64, value & 0xFFFFFFFFFFFFFFFF)


def octets(value: bytes) -> bytes:
    """OCTET STRING as a TLV."""
    return b"\x04" + length(len(value)) + value


def text(value: str) -> bytes:
    """DisplayString (at most 255 octets) as a TLV."""
    return octets(value.encode()[:255])


def object_id(oid: Oid) -> bytes:
    """OBJECT IDENTIFIER as a TLV."""
    contents = oid_contents(oid)
    return b"\x06" + length(len(contents)) + contents


def ip_address(packed: bytes) -> bytes:
    """IpAddress as a TLV."""
    return b"\x40\x04" + packed


def varbind(name: bytes, value: bytes) -> bytes:
    """A varbind from OID contents and value TLV."""
    size = len(name)
    if size < 0x80:
        total = size + 2 + len(value)
        if total < 0x80:
            return b"\x30%c\x06%c%b%b" % (total, size, name, value)
    inner = b"\x06" + length(size) + name + value
    return b"\x30" + length(len(inner)) + inner


def response(request: Request, status: int, index: int, varbinds: bytes) -> bytes:
    """The Response-PDU to `request` as a datagram; `varbinds` is the contents of its varbind list."""
    pdu = b"".join((request.request_id, integer(status), integer(index), b"\x30", length(len(varbinds)), varbinds))
    body = b"".join(
        (
            integer(request.version),
            b"\x04",
            length(len(request.community)),
            request.community,
            bytes((RESPONSE,)),
            length(len(pdu)),
            pdu,
        )
    )
    return b"\x30" + length(len(body)) + body


RESPONSE_OVERHEAD: Final = 40
"""Upper bound of what `response` adds around the varbinds, without the community."""
