"""The loops that listen: Alertmanager each second, Prometheus every five, the twin and the parent's run file.

Thin: each asks, hands what it heard to the picture and goes on whatever happened. A feed never ends the console.
"""

from __future__ import annotations

import asyncio
import json
import logging
import shutil
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from network_ops.noc import states
from network_ops.noc.alertmanager import Alertmanager
from network_ops.noc.discovery import Discovery, Twin
from network_ops.noc.errors import ConsoleError, StorageError
from network_ops.noc.health import FEED_STALE, Child
from network_ops.noc.picture import Picture
from network_ops.noc.prometheus import Prometheus, Sample
from network_ops.noc.store import acknowledgements
from network_ops.noc.store.database import Database

ALERTS_S, SUPPRESSED_S, STATES_S, VITALS_S, TWIN_S, RUN_FILE_S = 1.0, 5.0, 5.0, 5.0, 5.0, 5.0
_TOUCH_EVERY = timedelta(seconds=30)
_MAP_EVERY = timedelta(seconds=30)

# One query for both vital signs. timestamp() of a bare selector is the time of the newest sample, so its age is
# the age of what the rules work with; `and ... == 1` leaves out a prober that does not answer.
VITALS_QUERY = (
    'label_replace(sum(up{job=~"snmp|snmp-slow.*"}), "what", "snmp_up", "", "")'
    ' or label_replace(count(up{job=~"snmp|snmp-slow.*"}), "what", "snmp_polled", "", "")'
    ' or label_replace(max(timestamp(up{job="probes-state"}) and up{job="probes-state"} == 1),'
    ' "what", "probes_at", "", "")'
)

_log = logging.getLogger("noc.console")


def utc_now() -> datetime:
    """Now, aware UTC."""
    return datetime.now(UTC)


class Feeds:
    """All loops of one console."""

    def __init__(self, picture: Picture, database: Database, prometheus: Prometheus, discovery: Discovery) -> None:
        self.picture = picture
        self.database = database
        self.prometheus = prometheus
        self.discovery = discovery
        self.alertmanager = Alertmanager(picture.settings.alertmanager)
        self.twin = Twin(picture.settings.twin, picture.settings.token) if picture.settings.twin else None
        self._wake = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._complaints: dict[str, str] = {}
        self._touched = utc_now()
        self._map_at: datetime | None = None
        self._twin_process: object = None

    def start(self) -> None:
        """Start all loops in the running event loop."""
        loops: list[tuple[str, float, Callable[[], Awaitable[None]]]] = [
            ("alerts", ALERTS_S, self.hear_alerts),
            ("suppressed", SUPPRESSED_S, self.hear_suppressed),
            ("states", STATES_S, self.read_states),
            ("vitals", VITALS_S, self.read_vitals),
        ]
        if self.picture.settings.run_file:
            loops.append(("run file", RUN_FILE_S, self.read_run_file))
        if self.twin:
            loops.append(("twin", TWIN_S, self.hear_twin))
        self._tasks = [asyncio.create_task(self._forever(*loop), name=f"noc-{loop[0]}") for loop in loops]

    async def stop(self) -> None:
        """Stop all loops and note when acknowledged alerts were last seen."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        try:
            await self._note_seen()
        except StorageError as error:
            _log.warning("%s", error)
        await self.alertmanager.close()
        if self.twin:
            await self.twin.close()

    def wake(self) -> None:
        """Look at Alertmanager at once: it has just called."""
        self._wake.set()

    async def _forever(self, name: str, every_s: float, once: Callable[[], Awaitable[None]]) -> None:
        clock = asyncio.get_running_loop()
        while True:
            began = clock.time()
            try:
                await once()
                self._complain(name, "")
            except ConsoleError as error:
                self._complain(name, str(error))
            except Exception:
                # Our own mistake in one round must not blind the console for good.
                _log.exception("the feed of %s failed, going on", name)
            rest = max(0.05, every_s - (clock.time() - began))
            if name != "alerts":
                await asyncio.sleep(rest)
                continue
            try:
                await asyncio.wait_for(self._wake.wait(), rest)
                # Alertmanager notifies in bursts: one look for all of them.
                await asyncio.sleep(0.05)
            except TimeoutError:
                pass
            self._wake.clear()

    def _complain(self, name: str, text: str) -> None:
        if text != self._complaints.get(name, ""):
            _log.warning("%s: %s", name, text or "answers again")
        self._complaints[name] = text

    async def hear_alerts(self) -> None:
        """Look at Alertmanager and keep the acknowledgements in step."""
        picture, now = self.picture, utc_now()
        fed = picture.vitals.prometheus_at
        rules_alive = fed is not None and now - fed <= FEED_STALE
        heard = await self.alertmanager.look(rules_alive, now)
        now = utc_now()
        ended = picture.hear(heard, now)
        picture.feel(now, **({} if heard.alerts is None else {"alertmanager_at": now}))
        if ended:
            await asyncio.to_thread(acknowledgements.end, self.database, [ack.row for ack in ended], "alert gone", now)
        if now - self._touched >= _TOUCH_EVERY:
            self._touched = now
            await self._note_seen()

    async def _note_seen(self) -> None:
        by_time: dict[datetime, list[int]] = {}
        for ack in self.picture.acknowledgements.values():
            by_time.setdefault(ack.last_seen, []).append(ack.row)
        for seen, rows in by_time.items():
            await asyncio.to_thread(acknowledgements.touch, self.database, rows, seen)

    async def hear_suppressed(self) -> None:
        """Ask what is held back."""
        self.picture.hear_suppressed(await self.alertmanager.suppressed(), utc_now())

    async def read_states(self) -> None:
        """Read the recorded series; the picture itself notices when they, or what they come from, are too old."""
        samples = await self.prometheus.query(states.STATE_QUERY)
        now = utc_now()
        self.picture.read(states.reading_of(samples), now)
        self.picture.feel(now, prometheus_at=now, states_at=now)

    async def read_vitals(self) -> None:
        """Read how well the exporters do."""
        samples = await self.prometheus.query(VITALS_QUERY)
        self.picture.feel(utc_now(), **vital_signs(samples))

    async def read_run_file(self) -> None:
        """Read which children the parent runs, and how much room the state directory has."""
        free = shutil.disk_usage(self.picture.settings.state_dir).free
        self.picture.feel(utc_now(), disk_free_bytes=free)
        path = self.picture.settings.run_file
        if path is None:
            return
        found = await asyncio.to_thread(children_of, path)
        if found is None:
            return
        children, twin_process = found
        self.picture.feel(utc_now(), children=children)
        if twin_process != self._twin_process:
            self._twin_process, self._map_at = twin_process, None

    async def hear_twin(self) -> None:
        """Ask the twin for its map when it is new, was away, or the map is half a minute old."""
        if self.twin is None:
            return
        now = utc_now()
        if not await self.twin.alive():
            self._map_at = None
            self.discovery.learn(None)
            return
        self.picture.feel(now, twin_at=now)
        if self._map_at is None or now - self._map_at > _MAP_EVERY:
            endpoints = await self.twin.map()
            self.discovery.learn(endpoints)
            self._map_at = now if endpoints is not None else None


def vital_signs(samples: list[Sample]) -> dict[str, object]:
    """Fields of `health.Vitals` from the answer to `VITALS_QUERY`."""
    found = {sample.labels.get("what", ""): sample.value for sample in samples}
    signs: dict[str, object] = {
        "snmp_up": int(found.get("snmp_up", 0)),
        "snmp_polled": int(found.get("snmp_polled", 0)),
        "probes_up": "probes_at" in found,
    }
    if "probes_at" in found:
        signs["probes_at"] = datetime.fromtimestamp(found["probes_at"], UTC)
    return signs


def children_of(path: Path) -> tuple[tuple[Child, ...], object] | None:
    """The children in a run file and which process the twin is; None while there is no whole file."""
    try:
        rows = json.loads(path.read_bytes())["children"]
        children = tuple(Child(str(r["name"]), str(r["state"]), int(r["restarts"])) for r in rows)
        twin = next((r.get("pid") for r in rows if r["name"] == "twin"), None)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return children, twin
