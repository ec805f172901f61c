"""The start-up sweep: polls every target of the list at once, so that the first picture does not wait for a schedule.

Turns an http_sd list into warm index caches and a status. A target is tried up to `ATTEMPTS` times, until
every planned variable was answered; a slow or dead one holds nobody up, because each target has its own
tries. At most `AT_ONCE` polls are under way, which bounds memory, not time: links are slower than we are. The
list is fetched again every minute; targets that are new in it are swept, those that are gone are forgotten.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from exporters.common.targets import REFRESH_S, Target, TargetsUnavailable, fetch_targets
from exporters.snmp.config import Auth, Module
from exporters.snmp.engine import Engine
from exporters.snmp.errors import PollFailed, UnknownName
from exporters.snmp.request import DEFAULT_AUTH, DEFAULT_MODULE

ATTEMPTS = 3
ATTEMPT_S = 8.0
PAUSE_S = 0.5
AT_ONCE = 500
_RETRY_LIST_S = (0.25, 0.5, 1.0, 2.0, 5.0)
_STARTED_TOGETHER = 20  # polls started before replies get their turn


@dataclass(slots=True)
class Status:
    """What `/sweep` shows. Sets hold addresses of targets; `seconds` stops when the first sweep is done."""

    targets: dict[str, Target] = field(default_factory=dict)
    answered: set[str] = field(default_factory=set)
    full: set[str] = field(default_factory=set)
    started_at: float | None = None
    seconds: float = 0.0
    done: bool = True
    error: str = ""

    def as_json(self, now: float) -> dict[str, object]:
        """The contract of `/sweep`; a site counts as full when all its targets do."""
        sites: dict[str, bool] = {}
        for address, target in self.targets.items():
            site = target.label("site")
            if site:
                sites[site] = sites.get(site, True) and address in self.full
        unanswered = [t.label("device") or a for a, t in self.targets.items() if a not in self.answered]
        running = now - self.started_at if self.started_at is not None else 0.0
        return {
            "targets": len(self.targets),
            "answered": len(self.answered),
            "full": len(self.full),
            "sites": len(sites),
            "sites_full": sum(sites.values()),
            "unanswered": unanswered,
            "done": self.done,
            "seconds": round(self.seconds if self.done else running, 3),
            "error": self.error,
        }


class Sweep:
    """See the module; `run` goes on until it is cancelled."""

    def __init__(self, engine: Engine, url: str, token_file: Path | None) -> None:
        self.status = Status(done=False)
        self._engine = engine
        self._url = url
        self._token_file = token_file
        self._places = asyncio.Semaphore(AT_ONCE)

    async def run(self) -> None:
        """Sweep once, then follow the list."""
        loop = asyncio.get_running_loop()
        self.status.started_at = loop.time()
        async with httpx.AsyncClient() as client:
            targets = await self._first_list(client)
            await self._sweep(targets)
            self.status.seconds = loop.time() - self.status.started_at
            self.status.done = True
            while True:
                await asyncio.sleep(REFRESH_S)
                try:
                    await self._follow(await fetch_targets(client, self._url, self._token_file))
                except TargetsUnavailable as error:
                    self._say(str(error))

    async def _first_list(self, client: httpx.AsyncClient) -> tuple[Target, ...]:
        """The target list, asked for until it comes: the server that gives it may be starting too."""
        attempt = 0
        while True:
            try:
                targets = await fetch_targets(client, self._url, self._token_file)
            except TargetsUnavailable as error:
                if attempt >= len(_RETRY_LIST_S) - 1:
                    self._say(f"{error}; trying again every {_RETRY_LIST_S[-1]:.0f} s")
            else:
                self._say("")
                return targets
            await asyncio.sleep(_RETRY_LIST_S[min(attempt, len(_RETRY_LIST_S) - 1)])
            attempt += 1

    def _say(self, error: str) -> None:
        """Keep an error for `/sweep`, and log it once."""
        if error and error != self.status.error:
            print(f"noc exporter snmp: {error}", file=sys.stderr, flush=True)  # noqa: T201
        self.status.error = error

    async def _follow(self, targets: tuple[Target, ...]) -> None:
        """Sweep what is new in the list and forget what is gone."""
        self._say("")
        listed = {target.address for target in targets}
        for address in self.status.targets.keys() - listed:
            del self.status.targets[address]
            self.status.answered.discard(address)
            self.status.full.discard(address)
            await self._forget(address)
        await self._sweep([target for target in targets if target.address not in self.status.targets])

    async def _forget(self, address: str) -> None:
        try:
            await self._engine.forget(address)
        except (PollFailed, UnknownName):
            return  # it never meant anything, so nothing is remembered of it

    async def _sweep(self, targets: Iterable[Target]) -> None:
        tasks: list[asyncio.Task[None]] = []
        async with asyncio.TaskGroup() as group:
            for target in targets:
                self.status.targets[target.address] = target
                tasks.append(group.create_task(self._try(target)))
                if len(tasks) % _STARTED_TOGETHER == 0:
                    await asyncio.sleep(0)

    async def _try(self, target: Target) -> None:
        """Poll one target until it answered in full, or `ATTEMPTS` times."""
        try:
            auth, modules = self._question(target)
        except UnknownName as error:
            self._say(f"target {target.address}: {error}")
            return
        for attempt in range(ATTEMPTS):
            if attempt:
                await asyncio.sleep(PAUSE_S)
            async with self._places:
                try:
                    result = await self._engine.poll(target.address, auth, modules, ATTEMPT_S)
                except PollFailed:
                    continue
                except UnknownName as error:
                    self._say(f"target {target.address}: {error}")
                    return
            self.status.answered.add(target.address)
            if not result.partial:
                self.status.full.add(target.address)
                return

    def _question(self, target: Target) -> tuple[Auth, tuple[Module, ...]]:
        config = self._engine.config
        names = (target.label("__param_module") or DEFAULT_MODULE).split(",")
        modules = tuple(config.module(name.strip()) for name in dict.fromkeys(names))
        return config.auth(target.label("__param_auth") or DEFAULT_AUTH), modules
