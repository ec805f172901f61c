"""Tells Prometheus and the prober what to ask: the inventory's views, with the twin's endpoints where there is a twin.

While the twin's map is not known there is no answer (503) rather than an empty one: Prometheus then keeps the
targets it has.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import httpx

from inventory import views
from inventory.models import Address, Inventory
from network_ops.noc.errors import UnreachableError


@dataclass(frozen=True, slots=True)
class Document:
    """A rendered list of targets with its ETag."""

    body: bytes
    etag: str


class Discovery:
    """The lists of targets, rendered once for each map."""

    def __init__(self, inventory: Inventory, with_twin: bool) -> None:
        self._inventory = inventory
        self._with_twin = with_twin
        self._map: Mapping[str, Mapping[str, str]] | None = None
        self._rendered: dict[tuple[str, int | None], Document] = {}

    def learn(self, endpoints: Mapping[str, Mapping[str, str]] | None) -> bool:
        """Take the twin's map (None = it does not answer); gives whether targets may have moved."""
        if endpoints == self._map:
            return False
        self._map = endpoints
        self._rendered.clear()
        return True

    @property
    def ready(self) -> bool:
        """Whether targets can be told."""
        return not self._with_twin or self._map is not None

    def snmp(self, interval_s: int | None) -> Document:
        """Targets of the SNMP exporter polled every `interval_s` seconds; None = all.

        Raises:
            UnreachableError: the twin's map is not known, or lacks an address.
        """
        key = ("snmp", interval_s)
        return self._document(key, lambda: views.snmp_targets(self._inventory, self._locate, interval_s))

    def probes(self) -> Document:
        """Targets of the prober.

        Raises:
            UnreachableError: the twin's map is not known, or lacks an address.
        """
        return self._document(("probes", None), lambda: views.probe_targets(self._inventory, self._locate))

    def endpoint(self, address: Address) -> str:
        """Where the SNMP agent of an address is asked, when that is elsewhere; empty when it is not, or not known."""
        try:
            found = self._locate(address, "snmp") if self.ready else ""
        except UnreachableError:
            return ""
        return "" if found == views.direct(address, "snmp") else found

    def _document(self, key: tuple[str, int | None], targets: Callable[[], object]) -> Document:
        if not self.ready:
            raise UnreachableError("the twin's map is not known yet: ask again")
        if key not in self._rendered:
            body = json.dumps(targets(), separators=(",", ":")).encode()
            self._rendered[key] = Document(body, f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"')
        return self._rendered[key]

    def _locate(self, address: Address, service: views.Service) -> str:
        if self._map is None:
            return views.direct(address, service)
        try:
            return self._map[service][str(address)]
        except KeyError:
            raise UnreachableError(
                f"the twin has no {service} endpoint for {address}: it runs another inventory, restart it"
            ) from None


class Twin:
    """A client of the twin's control API."""

    def __init__(self, url: str, token: str) -> None:
        self._client = httpx.AsyncClient(
            base_url=url, timeout=10.0, trust_env=False, headers={"Authorization": f"Bearer {token}"}
        )

    async def close(self) -> None:
        """Give the connections back."""
        await self._client.aclose()

    async def alive(self) -> bool:
        """Whether it answers."""
        try:
            return (await self._client.get("/healthz")).status_code == 200
        except httpx.HTTPError:
            return False

    async def map(self) -> Mapping[str, Mapping[str, str]] | None:
        """Inventory address to loopback endpoint, by service; None while it cannot be had."""
        try:
            answer = await self._client.get("/map")
            if answer.status_code != 200:
                return None
            endpoints: Mapping[str, Mapping[str, str]] = json.loads(answer.content)
        except (httpx.HTTPError, ValueError):
            return None
        return endpoints if {"snmp", "echo"} <= endpoints.keys() else None
