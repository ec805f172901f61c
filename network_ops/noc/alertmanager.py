"""Looks at Alertmanager each second, cheaply: an answer that is the same as the last one is not even parsed."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta

import httpx

from network_ops.noc.alerts import Alert, Suppressed, parse_active, parse_suppressed
from network_ops.noc.continuity import Heard
from network_ops.noc.errors import NonsenseError, UnreachableError

_ACTIVE = "/api/v2/alerts?active=true&silenced=false&inhibited=false&unprocessed=true"
_SUPPRESSED = "/api/v2/alerts?active=false&silenced=true&inhibited=true&unprocessed=false"


class Alertmanager:
    """A client of one Alertmanager; keeps its connection open."""

    def __init__(self, url: str, timeout_s: float = 3.0) -> None:
        self._client = httpx.AsyncClient(
            base_url=url, timeout=timeout_s, trust_env=False, limits=httpx.Limits(max_keepalive_connections=2)
        )
        self._digest = b""
        self._alerts: tuple[Alert, ...] | None = None
        self._suppressed_digest = b""
        self._suppressed: tuple[Suppressed, ...] = ()
        self._instance = ""

    async def close(self) -> None:
        """Give the connections back."""
        await self._client.aclose()

    async def look(self, rules_alive: bool, now: datetime) -> Heard:
        """One look at the active alerts; no answer is an answer too (`alerts` None).

        The process's age is asked again after a gap and whenever an alert is missing, because a restarted
        Alertmanager must not be taken for good news.

        Raises:
            NonsenseError: the answer is not API v2.
        """
        try:
            body = await self._get(_ACTIVE)
            digest = hashlib.blake2b(body, digest_size=16).digest()
            before = self._alerts
            if digest != self._digest or before is None:
                self._alerts = parse_active(body)
                self._digest = digest
            if before is None or {a.id for a in before} - {a.id for a in self._alerts or ()}:
                self._instance = await self._started_at()
        except UnreachableError:
            self._alerts = None
            return Heard(None, rules_alive=rules_alive)
        age = now - datetime.fromisoformat(self._instance)
        return Heard(self._alerts, self._instance, max(age, timedelta()), rules_alive)

    async def suppressed(self) -> tuple[Suppressed, ...]:
        """Alerts held back by others or by silences.

        Raises:
            UnreachableError: no answer.
            NonsenseError: the answer is not API v2.
        """
        body = await self._get(_SUPPRESSED)
        digest = hashlib.blake2b(body, digest_size=16).digest()
        if digest != self._suppressed_digest:
            self._suppressed = parse_suppressed(body)
            self._suppressed_digest = digest
        return self._suppressed

    async def _started_at(self) -> str:
        body = await self._get("/api/v2/status")
        try:
            return datetime.fromisoformat(json.loads(body)["uptime"]).astimezone(UTC).isoformat()
        except (ValueError, KeyError, TypeError) as error:
            raise NonsenseError("Alertmanager's status has no `uptime`: is this its API v2?") from error

    async def _get(self, path: str) -> bytes:
        try:
            answer = await self._client.get(path)
        except httpx.HTTPError as error:
            raise UnreachableError(f"Alertmanager does not answer ({type(error).__name__})") from error
        if answer.status_code != 200:
            raise UnreachableError(f"Alertmanager answers {answer.status_code}")
        return answer.content
