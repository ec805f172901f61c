"""Echo packets: turns (id, sequence, send time) into bytes and back; pure.

The payload is the same for UDP echo (RFC 862) and ICMP echo (RFC 792, RFC 4443): a nonce that is new at every start,
so that a reply to an earlier process is never taken for ours, then id, sequence and the monotonic send time.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

_PAYLOAD = struct.Struct("!8sIIQ")
_ICMP = struct.Struct("!BBHHH8sIIQ")
_WORDS = struct.Struct(f"!{_ICMP.size // 2}H")
PAYLOAD_SIZE = _PAYLOAD.size
NONCE_SIZE = 8

ECHO_REQUEST_V4, ECHO_REPLY_V4 = 8, 0
ECHO_REQUEST_V6, ECHO_REPLY_V6 = 128, 129


class Echo(NamedTuple):
    """What an echoed payload says: which target, which probe, when sent (monotonic nanoseconds)."""

    target: int
    sequence: int
    sent_ns: int


def udp_request(nonce: bytes, index: int, sequence: int, sent_ns: int) -> bytes:
    """The datagram of one UDP echo probe."""
    return _PAYLOAD.pack(nonce, index, sequence, sent_ns)


def icmp_request(version: int, ident: int, nonce: bytes, index: int, sequence: int, sent_ns: int) -> bytes:
    """The ICMP message of one probe, checksum included (IPv6: left 0, the kernel fills it in, RFC 3542)."""
    kind = ECHO_REQUEST_V4 if version == 4 else ECHO_REQUEST_V6
    message = _ICMP.pack(kind, 0, 0, ident, sequence & 0xFFFF, nonce, index, sequence, sent_ns)
    if version == 6:
        return message
    return message[:2] + checksum(message).to_bytes(2, "big") + message[4:]


def checksum(message: bytes) -> int:
    """The Internet checksum (RFC 1071) of a message of `icmp_request`'s size whose checksum field is 0."""
    total: int = sum(_WORDS.unpack(message))
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF


def payload_echo(payload: bytes, nonce: bytes) -> Echo | None:
    """Read an echoed payload; None where it is not ours (other length or nonce)."""
    if len(payload) != PAYLOAD_SIZE or not payload.startswith(nonce):
        return None
    _, index, sequence, sent_ns = _PAYLOAD.unpack(payload)
    return Echo(index, sequence, sent_ns)


def icmp_echo(message: bytes, version: int, with_ip_header: bool, nonce: bytes) -> Echo | None:
    """Read an ICMP echo reply; None where it is another message or not ours.

    Args:
        message: as received.
        version: 4 or 6.
        with_ip_header: a raw IPv4 socket hands over the IP header too; its length is in its first byte.
        nonce: of this process.
    """
    if with_ip_header and version == 4:
        if not message:
            return None
        message = message[(message[0] & 0x0F) * 4 :]
    reply = ECHO_REPLY_V4 if version == 4 else ECHO_REPLY_V6
    if len(message) != _ICMP.size or message[0] != reply or message[1] != 0:
        return None
    return payload_echo(message[8:], nonce)
