"""Which browsers have logged in to which account before: a signed cookie, so that strangers cannot lock an owner out.

The cookie is `ID.MARK.MARK...`: a random id of the browser, and a mark for each account that has logged in on it. A
mark is an HMAC of id and account, so it can neither be made up nor moved to another browser or account. It opens
nothing; it only counts its browser's tries apart from everybody else's.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from datetime import timedelta

LIFE = timedelta(days=180)
"""How long a browser is remembered after its last login."""
MOST_ACCOUNTS = 16
"""A shared desk in the NOC has a browser and many operators; the last ones are remembered."""

_COOKIE = re.compile(r"[A-Za-z0-9_-]{22}(\.[A-Za-z0-9_-]{22})*")


def signing_key(token: str) -> bytes:
    """The key of the marks, derived from the internal token: it survives restarts and is no second secret to keep."""
    return hmac.digest(token.encode(), b"noc known browsers", "sha256")


def known(cookie: str, account: str, key: bytes) -> str | None:
    """The id of a browser that has logged in to this account before; None for all others.

    Takes as long for an account that does not exist, and for a mark that is nearly right.
    """
    browser, *marks = _parts(cookie) or [""]
    wanted = _mark(browser, account, key)
    found = False
    for mark in marks:
        found |= hmac.compare_digest(mark.encode(), wanted.encode())
    return browser if found else None


def remembered(cookie: str, account: str, key: bytes) -> str:
    """The cookie after a login to this account: the same browser's with one mark more, or a new one."""
    browser, *marks = _parts(cookie) or [secrets.token_urlsafe(16)]
    mark = _mark(browser, account, key)
    return ".".join([browser, mark, *(m for m in marks if m != mark)][: MOST_ACCOUNTS + 1])


def _parts(cookie: str) -> list[str] | None:
    longest = 23 * (MOST_ACCOUNTS + 1)
    return cookie.split(".") if len(cookie) < longest and _COOKIE.fullmatch(cookie) else None


def _mark(browser: str, account: str, key: bytes) -> str:
    digest = hmac.digest(key, f"{browser} {account}".encode("utf-8", "surrogatepass"), hashlib.sha256)[:16]
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
