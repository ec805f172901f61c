"""SNMPv1 (RFC 1157) for devices that know nothing newer: the same requests in its form, its replies in ours. Pure.

A GETBULK goes out as GETNEXT (one row at a time), and there is no Counter64. The error noSuchName, which
stands for everything that is not there, is for whoever reads the reply.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from exporters.snmp.message import GET_BULK, Request, tlv

GET_NEXT = 0xA1


class Version1:
    """What a `Conversation` speaks through with an SNMPv1 agent."""

    trouble = ""

    def sealer(self, request: Request) -> Callable[[int, float], bytearray]:
        """What makes a request's datagram for each transmission, by request-id and our time."""
        data, at = bytearray(request.data), request.id_offset
        data[_version_at(data)] = 0
        pdu_at = _pdu_at(data)
        if data[pdu_at] == GET_BULK:
            data = _as_next(data, pdu_at, at)
            at = data.index(b"\x02\x04", pdu_at) + 2

        def seal(number: int, _: float) -> bytearray:
            data[at : at + 4] = number.to_bytes(4, "big")
            return data

        return seal

    def open(self, data: bytes, number: int, now_s: float) -> bytes | Literal["bad", "again", "end"]:
        """The reply as SNMPv2c would send it; `bad` where it is none of SNMPv1."""
        try:
            at = _version_at(data)
            if data[at - 2 : at + 1] != b"\x02\x01\x00":
                return "bad"
        except IndexError:
            return "bad"
        return data[:at] + b"\x01" + data[at + 1 :]


def _version_at(data: bytes | bytearray) -> int:
    return 4 if data[1] < 0x80 else 4 + (data[1] & 0x7F)


def _pdu_at(data: bytearray) -> int:
    community = _version_at(data) + 1
    return community + 2 + data[community + 1]


def _as_next(data: bytearray, pdu_at: int, id_offset: int) -> bytearray:
    """A GETBULK's message as a GETNEXT: its two counts become the two error fields, which are zero."""
    at = id_offset + 4
    for _ in range(2):  # non-repeaters and max-repetitions
        at += 2 + data[at + 1]
    pdu = tlv(GET_NEXT, bytes(data[id_offset - 2 : id_offset + 4]) + b"\x02\x01\x00\x02\x01\x00" + bytes(data[at:]))
    version = _version_at(data)
    return bytearray(tlv(0x30, bytes(data[version - 2 : pdu_at]) + pdu))
