"""SNMPv3 messages (RFC 3412 section 6, RFC 3414 section 2.4): encoded once and patched, decoded and checked. Pure.

A `Request` of `message` is taken over as it is: its PDU becomes part of a scopedPDU. A reply comes back as an SNMPv2c
message with an empty community and the same PDU, so that `decode_reply(data, b"")` and layouts work on it. One
number is both msgID and request-id. Nothing of an authenticated message is believed before its HMAC is right; what
an engine may say without one, an unauthenticated Report, is marked so.

How a conversation begins: `encode_discovery`, `open_discovery` (engineID, a first clock), `User.localize`, `Session`,
then `Outgoing.seal` and `open_reply`. A Report notInTimeWindows brings the clock to continue with.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from exporters.snmp.errors import Malformed
from exporters.snmp.message import (
    GET,
    INTEGER,
    OCTET_STRING,
    OID,
    RESPONSE,
    SEQUENCE,
    VERSION_2C,
    Request,
    encode_get,
    expect,
    header,
    integer,
    oid_content,
    small_integer,
    tlv,
)
from exporters.snmp.usm import MAX_INTEGER, MAX_NAME_OCTETS, SALT_OCTETS, EngineTime, LocalizedUser

VERSION_3 = 3
REPORT = 0xA8
SECURITY_MODEL_USM = 3
MAX_MESSAGE_OCTETS = 65507  # msgMaxSize that we announce: the largest UDP payload
AUTH_FLAG, PRIV_FLAG, REPORTABLE_FLAG = 1, 2, 4  # msgFlags
MIN_ENGINE_ID_OCTETS, MAX_ENGINE_ID_OCTETS = 5, 32  # SnmpEngineID (RFC 3411 section 5)
_PADDING_OCTETS = 16  # less than one cipher block of padding may follow a decrypted scopedPDU
_V2C_HEAD = integer(VERSION_2C) + tlv(OCTET_STRING, b"")


class ReportKind(StrEnum):
    """What a Report counts (RFC 3414 section 5, RFC 3412 section 5, RFC 3413 section 4.1.2)."""

    UNSUPPORTED_SEC_LEVELS = "usmStatsUnsupportedSecLevels"
    NOT_IN_TIME_WINDOWS = "usmStatsNotInTimeWindows"
    UNKNOWN_USER_NAMES = "usmStatsUnknownUserNames"
    UNKNOWN_ENGINE_IDS = "usmStatsUnknownEngineIDs"
    WRONG_DIGESTS = "usmStatsWrongDigests"
    DECRYPTION_ERRORS = "usmStatsDecryptionErrors"
    UNKNOWN_SECURITY_MODELS = "snmpUnknownSecurityModels"
    INVALID_MSGS = "snmpInvalidMsgs"
    UNKNOWN_PDU_HANDLERS = "snmpUnknownPDUHandlers"
    UNAVAILABLE_CONTEXTS = "snmpUnavailableContexts"
    UNKNOWN_CONTEXTS = "snmpUnknownContexts"
    OTHER = "other"


_KINDS = {
    oid_content((1, 3, 6, 1, 6, 3, *arcs, 0)): kind
    for arcs, kind in (
        ((15, 1, 1, 1), ReportKind.UNSUPPORTED_SEC_LEVELS),
        ((15, 1, 1, 2), ReportKind.NOT_IN_TIME_WINDOWS),
        ((15, 1, 1, 3), ReportKind.UNKNOWN_USER_NAMES),
        ((15, 1, 1, 4), ReportKind.UNKNOWN_ENGINE_IDS),
        ((15, 1, 1, 5), ReportKind.WRONG_DIGESTS),
        ((15, 1, 1, 6), ReportKind.DECRYPTION_ERRORS),
        ((11, 2, 1, 1), ReportKind.UNKNOWN_SECURITY_MODELS),
        ((11, 2, 1, 2), ReportKind.INVALID_MSGS),
        ((11, 2, 1, 3), ReportKind.UNKNOWN_PDU_HANDLERS),
        ((12, 1, 4), ReportKind.UNAVAILABLE_CONTEXTS),
        ((12, 1, 5), ReportKind.UNKNOWN_CONTEXTS),
    )
}

_MEANINGS = {
    ReportKind.UNSUPPORTED_SEC_LEVELS: "the user has no such security_level there",
    ReportKind.NOT_IN_TIME_WINDOWS: "the engine's boots or time are not those that were sent",
    ReportKind.UNKNOWN_USER_NAMES: "the username is not known there",
    ReportKind.UNKNOWN_ENGINE_IDS: "the engineID is another one",
    ReportKind.WRONG_DIGESTS: "the password or auth_protocol is wrong",
    ReportKind.DECRYPTION_ERRORS: "the priv_password or priv_protocol is wrong",
    ReportKind.UNAVAILABLE_CONTEXTS: "the context is not available there now",
    ReportKind.UNKNOWN_CONTEXTS: "the context is not known there",
}


@dataclass(frozen=True, slots=True)
class Session:
    """A user at an engine, and the context asked for; `context_engine_id` is the engine itself unless it is a proxy."""

    user: LocalizedUser
    context_name: bytes = b""
    context_engine_id: bytes = b""

    @property
    def context(self) -> tuple[bytes, bytes]:
        """The contextEngineID and contextName of all scopedPDUs."""
        return self.context_engine_id or self.user.engine_id, self.context_name


@dataclass(frozen=True, slots=True)
class Answer:
    """A checked Response: `data` is an SNMPv2c message with an empty community; `clock` is to be kept."""

    data: bytes
    clock: EngineTime


@dataclass(frozen=True, slots=True)
class Report:
    """What an engine says instead of an answer. Without `authentic` it is a hint that anyone could have sent."""

    kind: ReportKind
    engine_id: bytes
    boots: int
    time: int
    authentic: bool

    @property
    def meaning(self) -> str:
        """What is wrong, in words of the configuration."""
        return _MEANINGS.get(self.kind, self.kind.value)

    def clock(self, now_s: float) -> EngineTime:
        """The engine's clock as this report has it; take one that goes back only if the report is `authentic`."""
        return EngineTime(self.boots, self.time, now_s, self.authentic)


# ---------------------------------------------------------------------------------------------- encoding


def _message(msg_id: int, flags: int, security: bytes, payload: bytes) -> bytes:
    head = integer(msg_id) + integer(MAX_MESSAGE_OCTETS) + tlv(OCTET_STRING, bytes((flags,)))
    head = tlv(SEQUENCE, head + integer(SECURITY_MODEL_USM))
    return tlv(SEQUENCE, integer(VERSION_3) + head + tlv(OCTET_STRING, tlv(SEQUENCE, security)) + payload)


def _security(engine_id: bytes, boots: int, time: int, name: bytes, mac: bytes, salt: bytes) -> bytes:
    engine = tlv(OCTET_STRING, engine_id) + integer(boots) + integer(time)
    return engine + tlv(OCTET_STRING, name) + tlv(OCTET_STRING, mac) + tlv(OCTET_STRING, salt)


def encode_discovery(msg_id: int) -> bytes:
    """The request for an engine's identity (RFC 3414 section 4): answered by a Report, see `open_discovery`."""
    pdu = tlv(GET, integer(msg_id) + integer(0) + integer(0) + tlv(SEQUENCE, b""))
    scoped = tlv(SEQUENCE, tlv(OCTET_STRING, b"") + tlv(OCTET_STRING, b"") + pdu)
    return _message(msg_id, REPORTABLE_FLAG, _security(b"", 0, 0, b"", b"", b""), scoped)


def encode_probe(session: Session, msg_id: int) -> bytes:
    """A request outside the time window, which an engine answers before it decrypts anything.

    An authentic Report notInTimeWindows says that the authentication is right. Engines that are silent where they
    cannot decrypt, as net-snmp is, can so be told from dead ones.
    """
    return bytes(Outgoing(encode_get(b"", ()), session).seal(msg_id, EngineTime(), 0.0))


class Outgoing:
    """A request in one session, encoded once; `seal` redoes only what differs between transmissions."""

    __slots__ = (
        "_boots_at", "_flags", "_id_at", "_mac_at", "_message", "_payload_at", "_salt_at", "_scoped", "_scoped_id_at",
        "_time_at", "_user", "_widths",
    )  # fmt: skip

    def __init__(self, request: Request, session: Session) -> None:
        """Args: `request` as `message` encodes it, with any community."""
        data = request.data
        _, at, end = header(data, 0, len(data))
        for _ in range(2):  # version and community
            _, _, at = header(data, at, end)
        engine_id, name = session.context
        scoped = tlv(SEQUENCE, tlv(OCTET_STRING, engine_id) + tlv(OCTET_STRING, name) + data[at:end])
        self._scoped = bytearray(scoped)
        self._scoped_id_at = len(scoped) - (end - request.id_offset)
        self._user = session.user
        self._flags = session.user.flags
        self._widths = (0, 0)
        self._message = bytearray()

    def seal(self, msg_id: int, clock: EngineTime, now_s: float) -> bytearray:
        """The datagram for one transmission; `msg_id` has four octets (`REQUEST_ID_FIRST` to `REQUEST_ID_LAST`).

        The next `seal` of this request overwrites it.
        """
        user, flags, scoped, boots, time = self._user, self._flags, self._scoped, clock.boots, clock.time_at(now_s)
        widths = (boots.bit_length() // 8 + 1, time.bit_length() // 8 + 1)
        if widths != self._widths:
            self._lay_out(boots, time)
        message, number = self._message, msg_id.to_bytes(4, "big")
        message[self._id_at : self._id_at + 4] = number
        message[self._boots_at : self._boots_at + widths[0]] = boots.to_bytes(widths[0], "big")
        message[self._time_at : self._time_at + widths[1]] = time.to_bytes(widths[1], "big")
        scoped[self._scoped_id_at : self._scoped_id_at + 4] = number
        if flags & PRIV_FLAG:
            sealed, salt = user.encrypt(scoped, boots, time)
            message[self._salt_at : self._salt_at + SALT_OCTETS] = salt
            message[self._payload_at :] = sealed
        else:
            message[self._payload_at :] = scoped
        if flags & AUTH_FLAG:
            size = user.mac_octets
            message[self._mac_at : self._mac_at + size] = bytes(size)
            message[self._mac_at : self._mac_at + size] = user.mac(message)
        return message

    def _lay_out(self, boots: int, time: int) -> None:
        """Encode the message around the scopedPDU for this many octets of engineBoots and engineTime."""
        user = self._user
        salt_octets = SALT_OCTETS if self._flags & PRIV_FLAG else 0
        security = _security(user.engine_id, boots, time, user.name, bytes(user.mac_octets), bytes(salt_octets))
        size = user.sealed_size(len(self._scoped)) if salt_octets else len(self._scoped)
        payload = tlv(OCTET_STRING, bytes(size)) if salt_octets else bytes(self._scoped)
        data = _message(MAX_INTEGER, self._flags | REPORTABLE_FLAG, security, payload)
        self._message = bytearray(data)
        self._widths = (boots.bit_length() // 8 + 1, time.bit_length() // 8 + 1)
        self._id_at = header(data, 0, len(data))[1] + 7  # behind version, and two headers with one octet of length
        self._payload_at = len(data) - size
        self._salt_at = len(data) - len(payload) - salt_octets
        self._mac_at = self._salt_at - 2 - user.mac_octets
        self._time_at = self._mac_at - 4 - len(user.name) - self._widths[1]
        self._boots_at = self._time_at - 2 - self._widths[0]


# ---------------------------------------------------------------------------------------------- decoding


class _Envelope(NamedTuple):
    """A message whose structure is checked and nothing else; the payload's element starts at `payload_at`."""

    msg_id: int
    flags: int
    engine_id: bytes
    boots: int
    time: int
    name: bytes
    mac_start: int
    mac_end: int
    salt: bytes
    payload_at: int


def peek(data: bytes) -> int | None:
    """The msgID of what looks like an SNMPv3 message, None otherwise; only a look-up key, checked later."""
    try:
        second = data[1]
        at = 2 if second < 0x80 else 2 + (second & 0x7F)  # behind the outer header
        if data[at] != INTEGER or data[at + 1] != 1 or data[at + 2] != VERSION_3:
            return None
        second = data[at + 4]
        at += 5 if second < 0x80 else 5 + (second & 0x7F)  # behind the version and the header of msgGlobalData
        if data[at] != INTEGER or data[at + 1] != 4 or at + 6 > len(data):
            return None
        return int.from_bytes(data[at + 2 : at + 6], "big")
    except IndexError:
        return None


def _natural(data: bytes, at: int, end: int, what: str) -> tuple[int, int]:
    """Value and end of an INTEGER from 0 to 2^31-1."""
    value, _, at = small_integer(data, at, end, what)
    if value < 0:
        raise Malformed(f"{what} is negative")
    return value, at


def _octets(data: bytes, at: int, end: int, what: str) -> tuple[bytes, int]:
    start, at = expect(data, at, end, OCTET_STRING, what)
    return data[start:at], at


def _open_envelope(data: bytes, msg_id: int) -> _Envelope:
    """Take a message apart up to its payload (RFC 3412 section 7.2 steps 2 to 5, RFC 3414 section 3.2 step 1)."""
    total = len(data)
    at, end = expect(data, 0, total, SEQUENCE, "the message")
    if end != total:
        raise Malformed(f"{total - end} bytes behind the message")
    version, _, at = small_integer(data, at, end, "msgVersion")
    if version != VERSION_3:
        raise Malformed(f"msgVersion {version} instead of {VERSION_3}")
    at, head_end = expect(data, at, end, SEQUENCE, "msgGlobalData")
    found, at = _natural(data, at, head_end, "msgID")
    if found != msg_id:
        raise Malformed("a msgID that is not the request's")
    _, at = _natural(data, at, head_end, "msgMaxSize")
    flags, at = _octets(data, at, head_end, "msgFlags")
    model, at = _natural(data, at, head_end, "msgSecurityModel")
    if len(flags) != 1 or flags[0] & 3 == PRIV_FLAG:
        raise Malformed("msgFlags that cannot be")
    if model != SECURITY_MODEL_USM or at != head_end:
        raise Malformed("a msgSecurityModel other than USM, or bytes behind it")
    at, payload_at = expect(data, at, end, OCTET_STRING, "msgSecurityParameters")
    at, security_end = expect(data, at, payload_at, SEQUENCE, "the security parameters")
    engine_id, at = _octets(data, at, security_end, "msgAuthoritativeEngineID")
    boots, at = _natural(data, at, security_end, "msgAuthoritativeEngineBoots")
    time, at = _natural(data, at, security_end, "msgAuthoritativeEngineTime")
    name, at = _octets(data, at, security_end, "msgUserName")
    mac_start, mac_end = expect(data, at, security_end, OCTET_STRING, "msgAuthenticationParameters")
    salt, at = _octets(data, mac_end, security_end, "msgPrivacyParameters")
    if at != security_end or security_end != payload_at:
        raise Malformed("bytes behind the security parameters")
    if len(engine_id) > MAX_ENGINE_ID_OCTETS or len(name) > MAX_NAME_OCTETS:
        raise Malformed("an engineID or user name that is too long")
    return _Envelope(found, flags[0] & 3, engine_id, boots, time, name, mac_start, mac_end, salt, payload_at)


def _open_scoped(data: bytes, at: int, padding: int) -> tuple[tuple[bytes, bytes], int, int, int]:
    """Context, PDU tag, and where the PDU's element starts and ends, of the scopedPDU at `at`."""
    at, end = expect(data, at, len(data), SEQUENCE, "the scopedPDU")
    if len(data) - end > padding:
        raise Malformed("bytes behind the scopedPDU")
    engine_id, at = _octets(data, at, end, "contextEngineID")
    name, at = _octets(data, at, end, "contextName")
    tag, _, pdu_end = header(data, at, end)
    if pdu_end != end:
        raise Malformed("bytes behind the PDU")
    return (engine_id, name), tag, at, end


def _report(envelope: _Envelope, scoped: bytes, at: int, end: int) -> Report:
    """The Report whose PDU is at `at`: its first variable tells the kind."""
    _, at, _ = header(scoped, at, end)
    for what in ("the request-id", "the error-status", "the error-index"):
        _, _, at = small_integer(scoped, at, end, what)
    at, list_end = expect(scoped, at, end, SEQUENCE, "the variable bindings")
    at, row_end = expect(scoped, at, list_end, SEQUENCE, "a variable binding")
    start, stop = expect(scoped, at, row_end, OID, "a name")
    kind = _KINDS.get(scoped[start:stop], ReportKind.OTHER)
    authentic = bool(envelope.flags & AUTH_FLAG)
    return Report(kind, envelope.engine_id, envelope.boots, envelope.time, authentic)


def open_discovery(data: bytes, msg_id: int) -> Report:
    """The Report that answers `encode_discovery(msg_id)`: brings engineID and clock, not authenticated.

    Raises:
        Malformed: anything else, or an engineID that cannot be.
    """
    envelope = _open_envelope(data, msg_id)
    if envelope.flags:
        raise Malformed("an answer to discovery above noAuthNoPriv")
    if len(envelope.engine_id) < MIN_ENGINE_ID_OCTETS:
        raise Malformed(f"an engineID of {len(envelope.engine_id)} octets")
    _, tag, at, end = _open_scoped(data, envelope.payload_at, 0)
    if tag != REPORT:
        raise Malformed(f"the PDU has tag {tag:#04x} instead of {REPORT:#04x} (Report)")
    return _report(envelope, data, at, end)


def open_reply(data: bytes, session: Session, clock: EngineTime, msg_id: int, now_s: float) -> Answer | Report:
    """Check, authenticate and decrypt a whole datagram as what the engine says to our request `msg_id`.

    Raises:
        Malformed: not exactly one message to this session and request, forged, replayed or not to be decrypted.
    """
    user = session.user
    envelope = _open_envelope(data, msg_id)
    flags = envelope.flags
    if flags & ~user.flags:
        raise Malformed("a security level above ours")
    known = envelope.engine_id == user.engine_id and envelope.name == user.name
    if flags & AUTH_FLAG and not (known and user.authentic(data, envelope.mac_start, envelope.mac_end)):
        raise Malformed("a wrong digest" if known else "another engine or another user")
    scoped, at = _decrypted(data, envelope, user) if flags & PRIV_FLAG else (data, envelope.payload_at)
    context, tag, at, end = _open_scoped(scoped, at, _PADDING_OCTETS - 1 if flags & PRIV_FLAG else 0)
    if tag == REPORT:
        return _report(envelope, scoped, at, end)
    if tag != RESPONSE:
        raise Malformed(f"the PDU has tag {tag:#04x} instead of {RESPONSE:#04x}")
    if flags != user.flags or not known or context != session.context:  # RFC 3412 section 7.2 step 12
        raise Malformed("a Response with another level, engine, user or context than the request")
    if small_integer(scoped, header(scoped, at, end)[1], end, "the request-id")[0] != msg_id:
        raise Malformed("a request-id that is not the request's")
    if flags & AUTH_FLAG:
        if not clock.accepts(envelope.boots, envelope.time, now_s):
            raise Malformed("a Response outside the time window")
        clock = clock.heard(envelope.boots, envelope.time, now_s)
    return Answer(tlv(SEQUENCE, _V2C_HEAD + scoped[at:end]), clock)


def _decrypted(data: bytes, envelope: _Envelope, user: LocalizedUser) -> tuple[bytes, int]:
    start, stop = expect(data, envelope.payload_at, len(data), OCTET_STRING, "the encrypted scopedPDU")
    if stop != len(data):
        raise Malformed("bytes behind the encrypted scopedPDU")
    return user.decrypt(data[start:stop], envelope.boots, envelope.time, envelope.salt), 0
