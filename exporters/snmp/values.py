"""Values: turns one variable of a reply into a number or into the text of a label, as snmp_exporter does. Pure.

A value whose tag or length does not suit is None (left out and counted by the caller), never a guess.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from datetime import UTC, datetime

from exporters.snmp.errors import Malformed
from exporters.snmp.message import (
    COUNTER32,
    COUNTER64,
    GAUGE32,
    INTEGER,
    IP_ADDRESS,
    OCTET_STRING,
    OID,
    OPAQUE,
    TIME_TICKS,
    decode_oid,
)

UNSIGNED = frozenset({COUNTER32, GAUGE32, TIME_TICKS, COUNTER64, 0x47})
_ADDRESS_SIZES = {"PhysAddress48": 6, "InetAddressIPv4": 4, "IpAddr": 4, "InetAddressIPv6": 16}
FLOAT, DOUBLE = b"\x9f\x78\x04", b"\x9f\x79\x08"  # inside an Opaque: tag and length
_NTP_EPOCH = 2_208_988_800  # seconds from 1900 to 1970
WRAP = 1 << 53  # Counter64 wraps here, as the peer's default does, so that a float holds every step


def number(tag: int, content: bytes) -> int | None:
    """The number of an integer variable; None where it is none.

    Counter64 is taken modulo 2^53 (the precision of Prometheus' samples), so that `rate()` stays exact.
    Unsigned types sent without their leading zero octet are read as unsigned (RFC 3416 section 2 ranges).
    """
    size = len(content)
    if tag == INTEGER:
        return int.from_bytes(content, "big", signed=True) if 1 <= size <= 8 else None
    if tag not in UNSIGNED or not 1 <= size <= 9:
        return None
    value = int.from_bytes(content, "big")
    if tag == COUNTER64:
        return value % WRAP if value < 1 << 64 else None
    return value if value < 1 << 32 else None


def real(tag: int, content: bytes) -> float | None:
    """The number of an Opaque that wraps a float or double (net-snmp's extension, draft-perkins-float); None else."""
    if tag != OPAQUE:
        return None
    if len(content) == 7 and content.startswith(FLOAT):
        return float(struct.unpack(">f", content[3:])[0])
    if len(content) == 11 and content.startswith(DOUBLE):
        return float(struct.unpack(">d", content[3:])[0])
    return None


def moment(content: bytes, kind: str, pattern: str = "") -> float | None:
    """Unix seconds of octets that hold a time; None where they hold none.

    Args:
        content: the octets.
        kind: DateAndTime (RFC 2579, 8 octets or 11 with the zone), NTPTimeStamp (RFC 5905), or ParseDateAndTime.
        pattern: of ParseDateAndTime, as strptime takes it; without a zone it is UTC.
    """
    try:
        if kind == "NTPTimeStamp":
            return float(int.from_bytes(content[:4], "big") - _NTP_EPOCH) if len(content) == 8 else None
        if kind == "ParseDateAndTime":
            found = datetime.strptime(content.decode("utf-8", errors="replace"), pattern)  # noqa: DTZ007
            return float((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp() // 1)
        if len(content) not in (8, 11):
            return None
        month, day, hour, minute, second = content[2:7]
        days = _days(int.from_bytes(content[:2], "big"), month, day)
        ahead = 0
        if len(content) == 11:
            if content[8] not in b"+-" or content[9] > 24 or content[10] > 59:
                return None
            ahead = (content[9] * 60 + content[10]) * 60 * (1 if content[8] == ord("+") else -1)
        return float(days * 86_400 + hour * 3600 + minute * 60 + second - ahead)
    except (ValueError, OverflowError):
        return None


def _days(year: int, month: int, day: int) -> int:
    """Days from 1970-01-01 in the Gregorian calendar, year 0 too (agents say 0000-01-01 for "never").

    Months and days that do not exist count on, as with the peer. The year begins in March, so that its last day is the
    leap day.
    """
    year, month = year + (month - 1) // 12, (month - 1) % 12 + 1
    year -= month <= 2
    in_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    return year * 365 + year // 4 - year // 100 + year // 400 + in_year - 719_468


def bit(content: bytes, number: int) -> int:
    """A bit of BITS (RFC 2578 section 7.1.4): 0 is the highest of the first octet."""
    return int(number < 8 * len(content) and bool(content[number // 8] & (128 >> number % 8)))


def text(tag: int, content: bytes, kind: str, enum: Mapping[int, str] | None = None) -> str | None:
    """The text of a variable as a label's value.

    Args:
        tag: BER tag of the value.
        content: its octets.
        kind: type of snmp.yml: OctetString, DisplayString, PhysAddress48, InetAddressIPv4, InetAddressIPv6, IpAddr,
            EnumAsInfo, gauge, counter.
        enum: names of numbers for EnumAsInfo.

    Returns:
        The text, or None where the value does not suit.
    """
    value = real(tag, content)
    if value is not None:
        return repr(value).removesuffix(".0")
    if tag in (OCTET_STRING, OPAQUE):
        return octets_text(content, kind)
    if tag == IP_ADDRESS:
        return ".".join(map(str, content)) if len(content) == 4 else None
    if tag == OID:
        try:
            return ".".join(map(str, decode_oid(content)))
        except Malformed:
            return None
    whole = number(tag, content)
    if whole is None:
        return None
    return enum.get(whole, str(whole)) if enum else str(whole)


def octets_text(content: bytes, kind: str) -> str:
    """Octets by the type that a module declares; addresses are padded or cut to their size, as the peer does."""
    if kind == "DisplayString":
        return content.decode("utf-8", errors="replace")
    size = _ADDRESS_SIZES.get(kind)
    if size is None:
        return "0x" + content.hex().upper() if content else ""
    octets = content[:size].ljust(size, b"\0")
    if size == 4:
        return ".".join(map(str, octets))
    if size == 6:
        return octets.hex(":").upper()
    return octets.hex(":", 2).upper()


def escape_label(value: str) -> str:
    """A label's value in Prometheus' text format."""
    if "\\" in value or '"' in value or "\n" in value:
        return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
    return value


def escape_help(value: str) -> str:
    """A HELP text in Prometheus' text format."""
    return value.replace("\\", "\\\\").replace("\n", "\\n")
