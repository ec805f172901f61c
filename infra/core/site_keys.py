"""The IPsec pre-shared keys of the sites: one secret seed per stack, one key per tunnel, all derived.

Turns (seed, circuit, hub, generation) into a key with HKDF (RFC 5869, SHA-256), so that nothing but the seed is kept,
a site's keys do not depend on other sites, and raising a site's generation rotates its keys alone.
"""

from __future__ import annotations

import base64
import hashlib
import hmac

SEED_LENGTH = 32  # characters at least; make one with: openssl rand -base64 48
_SALT = b"wan-noc site keys v1"


def derive(seed: str, circuit: str, hub: str, generation: int) -> str:
    """The key of one tunnel: 43 characters of base64url (256 bits); Azure allows 1 to 128 printable characters."""
    key = hmac.new(_SALT, seed.encode(), hashlib.sha256).digest()
    info = f"{circuit}@{hub}/{generation}".encode()
    block = hmac.new(key, info + b"\x01", hashlib.sha256).digest()
    return base64.urlsafe_b64encode(block).decode().rstrip("=")
