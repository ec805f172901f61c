"""User-based Security Model of SNMPv3 (RFC 3414): keys from passwords, authentication, privacy, engine time. Pure.

Authentication: HMAC with MD5 or SHA-1 (RFC 3414 sections 6 and 7) and with SHA-2 (RFC 7860). Privacy: CBC-DES
(RFC 3414 section 8), AES-128 in CFB mode (RFC 3826), and AES-192 and AES-256 with either extension of a localized
key that is too short: AES192 and AES256 as draft-blumenthal-aes-usm-04 section 3.1.2.1 has it, AES192C and AES256C
as draft-reeder-snmpv3-usm-3desede-00 section 2.1 has it (Cisco and others). Names are those of snmp_exporter's
`auths`.
"""

from __future__ import annotations

import hashlib
import hmac
import itertools
import os
import secrets
from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import Literal

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.decrepit.ciphers.modes import CFB
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC

from exporters.common.errors import BadInput
from exporters.snmp.errors import Malformed

LEVELS: dict[str, int] = {"noAuthNoPriv": 0, "authNoPriv": 1, "authPriv": 3}  # as in msgFlags (RFC 3412 section 6.4)

EXPANDED_OCTETS = 1 << 20  # of a repeated password (RFC 3414 section A.2)
MIN_PASSWORD_CHARACTERS = 8  # RFC 3414 section 11.2
MAX_NAME_OCTETS = 32  # RFC 3414 section 5, usmUserName
SALT_OCTETS = 8
TIME_WINDOW_S = 150  # RFC 3414 section 2.2.3
MAX_INTEGER = 0x7FFFFFFF  # of engineBoots and engineTime
DES_BLOCK_OCTETS = 8


@dataclass(frozen=True, slots=True)
class AuthProtocol:
    """An authentication protocol: hashlib's name of its hash, and octets of its msgAuthenticationParameters."""

    name: str
    hash: str
    mac_octets: int


@dataclass(frozen=True, slots=True)
class PrivProtocol:
    """A privacy protocol: octets of its localized key (DES: key and pre-IV), and how a shorter one is extended."""

    name: str
    key_octets: int
    extension: Literal["", "blumenthal", "reeder"] = ""


AUTH_PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        AuthProtocol("MD5", "md5", 12),
        AuthProtocol("SHA", "sha1", 12),
        AuthProtocol("SHA224", "sha224", 16),
        AuthProtocol("SHA256", "sha256", 24),
        AuthProtocol("SHA384", "sha384", 32),
        AuthProtocol("SHA512", "sha512", 48),
    )
}
PRIV_PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        PrivProtocol("DES", 16),
        PrivProtocol("AES", 16),
        PrivProtocol("AES192", 24, "blumenthal"),
        PrivProtocol("AES192C", 24, "reeder"),
        PrivProtocol("AES256", 32, "blumenthal"),
        PrivProtocol("AES256C", 32, "reeder"),
    )
}
WEAK_PROTOCOLS = frozenset({"MD5", "DES"})  # for a configuration to refuse or to allow


# ------------------------------------------------------------------------------------------------- keys


def _hash(protocol: AuthProtocol, data: bytes) -> bytes:
    return hashlib.new(protocol.hash, data, usedforsecurity=False).digest()


def _expand(protocol: AuthProtocol, password: bytes) -> bytes:
    """The key of a password (RFC 3414 section A.2): about 1 to 3 ms."""
    return _hash(protocol, (password * (EXPANDED_OCTETS // len(password) + 1))[:EXPANDED_OCTETS])


@lru_cache(maxsize=1024)
def password_key(protocol: AuthProtocol, password: bytes) -> bytes:
    """The key Ku of a password, the same for all engines; computed once per protocol and password."""
    return _expand(protocol, password)


def localized_key(protocol: AuthProtocol, key: bytes, engine_id: bytes) -> bytes:
    """The localized key Kul for one engineID (RFC 3414 section 2.6)."""
    return _hash(protocol, key + engine_id + key)


def localized_priv_key(auth: AuthProtocol, priv: PrivProtocol, password: bytes, engine_id: bytes) -> bytes:
    """The localized privacy key, cut or extended to what the cipher needs; Reeder's extension costs 1 to 3 ms."""
    key = last = localized_key(auth, password_key(auth, password), engine_id)
    while len(key) < priv.key_octets:
        reeder = priv.extension == "reeder"
        last = localized_key(auth, _expand(auth, last), engine_id) if reeder else _hash(auth, key)
        key += last
    return key[: priv.key_octets]


# ------------------------------------------------------------------------------------------------- salts


class _Salts:
    """One 64-bit counter for all keys of the process, from a random start: no salt comes twice with any key."""

    def __init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        self._numbers = itertools.count(secrets.randbits(64))

    def take(self) -> bytes:
        return (next(self._numbers) & 0xFFFFFFFFFFFFFFFF).to_bytes(SALT_OCTETS, "big")


_salts = _Salts()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_salts.restart)


# ------------------------------------------------------------------------------------------------- time


@dataclass(frozen=True, slots=True)
class EngineTime:
    """Our notion of an engine's clock (RFC 3414 section 2.3): engineTime was `time` s at `at_s` of our own clock.

    `authentic` tells whether an authenticated message said so; until then any time is accepted once.
    """

    boots: int = 0
    time: int = 0
    at_s: float = 0.0
    authentic: bool = False

    def time_at(self, now_s: float) -> int:
        """The engineTime in s that is to be expected now."""
        return max(0, min(self.time + int(now_s - self.at_s), MAX_INTEGER))

    def accepts(self, boots: int, time: int, now_s: float) -> bool:
        """Tell whether an authenticated message of that time is fresh (RFC 3414 section 3.2 step 7b)."""
        if boots == MAX_INTEGER:
            return False
        if not self.authentic or boots > self.boots:
            return True
        return boots == self.boots and time >= self.time_at(now_s) - TIME_WINDOW_S

    def heard(self, boots: int, time: int, now_s: float) -> EngineTime:
        """The clock after an authenticated and accepted message; itself where that tells nothing newer."""
        if self.authentic and (boots, time) <= (self.boots, self.time):
            return self
        return EngineTime(boots, time, now_s, authentic=True)


# ------------------------------------------------------------------------------------------------- users


@dataclass(frozen=True, slots=True)
class User:
    """A user as configured. Passwords are never shown.

    Raises:
        BadInput: a name, level, protocol or password that is missing, unknown or not usable.
    """

    name: str
    level: str = "noAuthNoPriv"
    auth_protocol: str = ""
    auth_password: str = field(default="", repr=False)
    priv_protocol: str = ""
    priv_password: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        if not 1 <= len(self.name.encode()) <= MAX_NAME_OCTETS:
            raise BadInput(f"username {self.name!r} must have 1 to {MAX_NAME_OCTETS} octets")
        if self.level not in LEVELS:
            raise BadInput(f"security_level {self.level!r} is not one of {', '.join(LEVELS)}")
        if self.flags & 1:
            self._check("auth", self.auth_protocol, self.auth_password, tuple(AUTH_PROTOCOLS))
        if self.flags & 2:
            self._check("priv", self.priv_protocol, self.priv_password, tuple(PRIV_PROTOCOLS))

    def _check(self, kind: str, protocol: str, password: str, known: tuple[str, ...]) -> None:
        if protocol not in known:
            raise BadInput(f"{kind}_protocol {protocol!r} of user {self.name} is not one of {', '.join(known)}")
        if not _offered(protocol):
            raise BadInput(f"{kind}_protocol {protocol} of user {self.name} is not offered by this system's OpenSSL")
        if len(password) < MIN_PASSWORD_CHARACTERS:
            raise BadInput(f"{kind} password of user {self.name} has less than {MIN_PASSWORD_CHARACTERS} characters")

    @property
    def flags(self) -> int:
        """The level as the two lower bits of msgFlags."""
        return LEVELS[self.level]

    @property
    def weak(self) -> tuple[str, ...]:
        """Which of the protocols that this level uses are broken (MD5, DES)."""
        used = (self.auth_protocol, self.priv_protocol)[: self.flags.bit_count()]
        return tuple(name for name in used if name in WEAK_PROTOCOLS)

    def localize(self, engine_id: bytes) -> LocalizedUser:
        """This user at one engine; computed once per user and engine."""
        return _localize(self, engine_id)


@dataclass(frozen=True, slots=True, eq=False)
class LocalizedUser:
    """A user with the localized keys for one engineID. Keys are never shown."""

    user: User
    engine_id: bytes
    name: bytes
    flags: int
    mac_octets: int
    priv_protocol: str
    _hash: str
    _auth_key: bytes = field(repr=False)
    _cipher: AES | TripleDES | None = field(repr=False)
    _pre_iv: bytes = field(repr=False)

    def mac(self, message: bytes | bytearray) -> bytes:
        """The msgAuthenticationParameters of a whole message, in which their own octets must be zero."""
        return hmac.digest(self._auth_key, message, self._hash)[: self.mac_octets]

    def authentic(self, message: bytes, start: int, end: int) -> bool:
        """Tell, in constant time, whether octets `start` to `end` of `message` are its right authentication."""
        if end - start != self.mac_octets:
            return False
        blank = b"".join((message[:start], bytes(end - start), message[end:]))
        return hmac.compare_digest(self.mac(blank), message[start:end])

    def sealed_size(self, size: int) -> int:
        """Octets of the encrypted form of `size` octets."""
        return size + -size % DES_BLOCK_OCTETS if self.priv_protocol == "DES" else size

    def encrypt(self, plain: bytes | bytearray, boots: int, time: int) -> tuple[bytes, bytes]:
        """Encrypt a scopedPDU; returns it and the salt (msgPrivacyParameters), which is new each time."""
        salt = _salts.take()
        if self.priv_protocol == "DES":
            plain = plain + bytes(-len(plain) % DES_BLOCK_OCTETS)
        return self._crypt(boots, time, salt).encryptor().update(plain), salt

    def decrypt(self, sealed: bytes, boots: int, time: int, salt: bytes) -> bytes:
        """Decrypt a scopedPDU (with padding behind it, if any).

        Raises:
            Malformed: a salt or a text whose length cannot be.
        """
        if len(salt) != SALT_OCTETS:
            raise Malformed(f"msgPrivacyParameters of {len(salt)} octets")
        if self.priv_protocol == "DES" and len(sealed) % DES_BLOCK_OCTETS:
            raise Malformed(f"{len(sealed)} encrypted octets are not whole blocks")
        return self._crypt(boots, time, salt).decryptor().update(sealed)

    def _crypt(self, boots: int, time: int, salt: bytes) -> Cipher[CFB] | Cipher[CBC]:
        """The cipher with its IV: RFC 3826 section 3.1.2.1, RFC 3414 section 8.1.1.1."""
        assert self._cipher is not None, "only at level authPriv"
        if self.priv_protocol == "DES":
            mixed = int.from_bytes(self._pre_iv, "big") ^ int.from_bytes(salt, "big")
            return Cipher(self._cipher, CBC(mixed.to_bytes(SALT_OCTETS, "big")))
        return Cipher(self._cipher, CFB((boots << 32 | time).to_bytes(8, "big") + salt))


@lru_cache(maxsize=8192)
def _localize(user: User, engine_id: bytes) -> LocalizedUser:
    flags = user.flags
    auth = AUTH_PROTOCOLS[user.auth_protocol] if flags & 1 else None
    auth_key = pre_iv = b""
    cipher: AES | TripleDES | None = None
    if auth is not None:
        auth_key = localized_key(auth, password_key(auth, user.auth_password.encode()), engine_id)
    if auth is not None and flags & 2:
        priv = PRIV_PROTOCOLS[user.priv_protocol]
        key = localized_priv_key(auth, priv, user.priv_password.encode(), engine_id)
        if priv.name == "DES":
            cipher, pre_iv = _des(key[:8]), key[8:]
        else:
            cipher = AES(key)
    return LocalizedUser(
        user=user,
        engine_id=engine_id,
        name=user.name.encode(),
        flags=flags,
        mac_octets=auth.mac_octets if auth is not None else 0,
        priv_protocol=user.priv_protocol if flags & 2 else "",
        _hash=auth.hash if auth is not None else "",
        _auth_key=auth_key,
        _cipher=cipher,
        _pre_iv=pre_iv,
    )


def _des(key: bytes) -> TripleDES:
    """DES as triple DES with three equal keys: encrypt, decrypt, encrypt leaves one encryption."""
    return TripleDES(key * 3)


@cache
def _offered(protocol: str) -> bool:
    """Tell whether the system's OpenSSL still has what a protocol needs; MD5 and DES may be switched off."""
    try:
        if protocol in AUTH_PROTOCOLS:
            hmac.digest(b"key", b"", AUTH_PROTOCOLS[protocol].hash)
        elif protocol == "DES":
            Cipher(_des(bytes(range(8))), CBC(bytes(DES_BLOCK_OCTETS))).encryptor()
    except (UnsupportedAlgorithm, ValueError):
        return False
    return True
