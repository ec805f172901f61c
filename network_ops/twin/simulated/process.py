"""The running twin: wires inventory, engine, agents, sockets, control API and disk, until it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import math
import signal
import socket
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import uvicorn

from inventory.models import Inventory
from network_ops.twin.faults import Fault

from .control import application
from .datapath import ECHO_PORT, SNMP_PORT, Datapath, Endpoint, open_socket
from .engine import Engine, FaultEvent
from .fleet import Fleet
from .mib import Agent
from .responder import MAX_MESSAGE, Responder
from .store import StateError, append_event, read_state, take_back, write_state

_log = logging.getLogger("noc.twin")

_SOCKETS: Final = {"snmp": 4, "echo": 2}
_FIRST_PORT: Final = {"snmp": SNMP_PORT, "echo": ECHO_PORT}
_DEVICE_BLOCK: Final = 1
_SESSION_BLOCK: Final = 64
_HOSTS: Final = 254
_ENDED_KEPT: Final = 2000
_RETRY_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Settings:
    """How to run: `fault_log` gets one JSON line per event; `max_message` bounds SNMP replies, bytes."""

    token: str
    state_file: Path
    fault_log: Path
    seed: int = 594
    community: str = "public"
    max_message: int = MAX_MESSAGE


class SimulatedTwin:
    """The twin on an event loop; `faults`, `inject`, `clear` and `clear_all` are what the control API calls."""

    def __init__(self, inv: Inventory, settings: Settings, loop: asyncio.AbstractEventLoop) -> None:
        """Open all sockets and take up the saved state, if there is one.

        Raises:
            PortError: no sockets to be had.
            StateError: the state file cannot be used.
        """
        self._loop = loop
        self._settings = settings
        now = time.time()
        saved = read_state(settings.state_file)
        if saved is None:
            self.engine = Engine(inv, now, settings.seed)
        else:
            self.engine = Engine.restored(inv, saved["engine"])
        self._ended: deque[Fault] = deque(maxlen=_ENDED_KEPT)
        self._unwritten: deque[tuple[FaultEvent, Fault]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._fleet = Fleet(inv, self.engine, settings.seed)
        self._responder = Responder(self._fleet.directory, settings.community, settings.max_message)
        self._datapath = Datapath(loop, self._responder, settings.seed)
        self._ports: dict[str, list[int]] = {}
        self._map: dict[str, dict[str, str]] = {"snmp": {}, "echo": {}}
        self._open(inv, saved["ports"] if saved else {})
        self._counts = {"sites": len(inv.sites), "devices": len(inv.devices), "sessions": len(inv.sessions)}
        self._catch_up()
        self._persist()

    def endpoints(self) -> dict[str, dict[str, str]]:
        """{"snmp" | "echo": {inventory address: "host:port"}}."""
        return self._map

    def health(self) -> dict[str, object]:
        """What is being simulated."""
        return {"ok": True, **self._counts, "faults": len(self.engine.faults)}

    def statistics(self) -> dict[str, dict[str, int]]:
        """Counts since the start."""
        return {"datagrams": asdict(self._datapath.traffic), "snmp": asdict(self._responder.counts)}

    def faults(self, ended: bool) -> list[Fault]:
        """Active faults, oldest first; with `ended` after those that ended since the start (the last 2,000)."""
        return [*self._ended, *self.engine.faults] if ended else self.engine.faults

    def inject(self, kind: str, target: str, for_s: float | None) -> Fault:
        """Break something now.

        Raises:
            FaultError: that makes no sense.
            StateError: it could not be noted on the disk, and therefore is not in force.
        """
        self._catch_up()
        # A trial of the disk before the world changes: a site whose power was cut and given back has rebooted.
        self._persist()
        fault = self.engine.inject(kind, target, for_s, time.time())
        try:
            size = append_event(self._settings.fault_log, "injected", fault)
            try:
                self._save()
            except StateError:
                take_back(self._settings.fault_log, size)
                raise
        except StateError:
            self.engine.clear(fault.id, time.time())
            raise
        finally:
            self._plan()
        return fault

    def clear(self, fault_id: str) -> Fault:
        """End a fault now.

        Raises:
            UnknownTargetError: it is not active.
            StateError: it has ended, but that could not be noted on the disk yet.
        """
        self._catch_up()
        return self._clear([fault_id])[0]

    def clear_all(self) -> list[Fault]:
        """End all faults now.

        Raises:
            StateError: they have ended, but that could not be noted on the disk yet.
        """
        self._catch_up()
        return self._clear([fault.id for fault in self.engine.faults])

    def _clear(self, fault_ids: list[str]) -> list[Fault]:
        cleared = [self.engine.clear(fault_id, time.time()) for fault_id in fault_ids]
        self._plan()
        for fault in cleared:
            self._over("cleared", fault)
        try:
            self._persist()
        except StateError as e:
            names = ", ".join(fault_ids)
            raise StateError(f"{names} ended, but a twin that restarts now would have it again: {e}") from e
        return cleared

    def close(self) -> None:
        """Save and let go of all sockets.

        Raises:
            StateError: the last state could not be saved.
        """
        try:
            self._catch_up()
            self._persist()
        finally:
            if self._timer is not None:
                self._timer.cancel()
            self._datapath.close()

    def _open(self, inv: Inventory, last_ports: dict[str, list[int]]) -> None:
        """Give every device and session its address, and open the sockets that serve them."""
        world = self.engine.world
        shards: dict[str, list[list[Endpoint]]] = {name: [[] for _ in range(n)] for name, n in _SOCKETS.items()}
        known: dict[str, list[tuple[str, Endpoint]]] = {name: [] for name in _SOCKETS}
        for number, device in enumerate(inv.devices.values()):
            address = _loopback(_DEVICE_BLOCK, number)
            state = world.devices[device.id]
            build = _agent_of(self._fleet, device.id)
            known["snmp"].append((str(device.address), Endpoint(address, None, state.site, state, build)))
            known["echo"].append((str(device.address), Endpoint(address, None, state.site)))
        for number, session in enumerate(inv.sessions.values()):
            point = Endpoint(_loopback(_SESSION_BLOCK, number), world.sessions[session.id])
            known["echo"].append((str(session.site_address), point))
        for service, points in known.items():
            wanted = last_ports.get(service, [])
            ports = []
            for shard in range(_SOCKETS[service]):
                sock = open_socket(_FIRST_PORT[service], wanted[shard] if shard < len(wanted) else None)
                ports.append(sock.getsockname()[1])
                shards[service][shard] = [p for _, p in points[shard :: _SOCKETS[service]]]
                self._datapath.serve(sock, shards[service][shard])
            self._ports[service] = ports
            for position, (address, point) in enumerate(points):
                self._map[service][address] = f"{point.address}:{ports[position % len(ports)]}"

    def _catch_up(self) -> None:
        """Do what fell due, exactly as of its time, and plan the next.

        A disk that is full stops no time: what could not be noted stays in line, in order, for the next try.
        """
        for fault in self.engine.advance(time.time()):
            self._over("expired", fault)
        if self._unwritten:
            try:
                self._persist()
            except StateError as e:
                _log.warning("%s; trying again within %.0f s", e, _RETRY_S)
        self._plan()

    def _plan(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        due = self.engine.next_event()
        if self._unwritten:
            due = min(time.time() + _RETRY_S, due or math.inf)
        if due is not None:
            self._timer = self._loop.call_later(max(0.0, min(due - time.time(), 3600.0)), self._catch_up)

    def _over(self, event: FaultEvent, fault: Fault) -> None:
        self._ended.append(fault)
        self._unwritten.append((event, fault))

    def _persist(self) -> None:
        """Write the ends of faults that are not in the log yet, then the state.

        Raises:
            StateError: the disk would not; what is unwritten stays in line.
        """
        while self._unwritten:
            append_event(self._settings.fault_log, *self._unwritten[0])
            self._unwritten.popleft()
        self._save()

    def _save(self) -> None:
        write_state(self._settings.state_file, self.engine.saved(time.time()), self._ports)


class _Server(uvicorn.Server):
    """Uvicorn without its signal handling, which would end the process before the last state is saved."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the caller."""
        yield


async def serve(inv: Inventory, settings: Settings, control: socket.socket) -> None:
    """Run the twin until SIGTERM or SIGINT. `control` is a bound, listening socket for the API.

    Raises:
        PortError: no sockets to be had.
        StateError: the state file cannot be used or written.
    """
    loop = asyncio.get_running_loop()
    twin = SimulatedTwin(inv, settings, loop)
    config = uvicorn.Config(
        application(twin, settings.token), access_log=False, log_level="warning", lifespan="off", ws="none"
    )
    server = _Server(config)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, setattr, server, "should_exit", True)
    gc.collect()
    gc.freeze()  # the tables live as long as we do: no collection walks them again
    try:
        await server.serve([control])
    finally:
        twin.close()


def _agent_of(fleet: Fleet, device: str) -> Callable[[], Agent]:
    return lambda: fleet.agent(device)


def _loopback(block: int, number: int) -> str:
    """The number-th endpoint address from 127.`block`.0.1 on, without 0 and 255 as last octet."""
    upper, host = divmod(number, _HOSTS)
    extra, third = divmod(upper, 256)
    return f"127.{block + extra}.{third}.{host + 1}"
