"""Values: turns one variable of a reply into a number or into the text of a label, as snmp_exporter does. Pure.

A value whose tag or length does not suit is None (left out and counted by the caller), never a guess.
"""

from __future__ import annotations

from collections.abc import Mapping

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
    if tag in (OCTET_STRING, OPAQUE):
        return octets_text(content, kind)
    if tag == IP_ADDRESS:
        return ".".join(map(str, content)) if len(content) == 4 else None
    if tag == OID:
        try:
            return ".".join(map(str, decode_oid(content)))
        except Malformed:
            return None
    value = number(tag, content)
    if value is None:
        return None
    return enum.get(value, str(value)) if enum else str(value)


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
