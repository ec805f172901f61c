"""The running twin: wires inventory, engine, agents, sockets, control API and disk, until it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import gc
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
from .store import append_event, read_state, write_state

_SOCKETS: Final = {"snmp": 4, "echo": 2}
_FIRST_PORT: Final = {"snmp": SNMP_PORT, "echo": ECHO_PORT}
_DEVICE_BLOCK: Final = 1
_SESSION_BLOCK: Final = 64
_HOSTS: Final = 254
_ENDED_KEPT: Final = 2000


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
    """The twin on an event loop; `faults`, `inject` and `clear` are what the control API calls."""

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
        self._timer: asyncio.TimerHandle | None = None
        self._fleet = Fleet(inv, self.engine, settings.seed)
        self._responder = Responder(self._fleet.directory, settings.community, settings.max_message)
        self._datapath = Datapath(loop, self._responder, settings.seed)
        self._ports: dict[str, list[int]] = {}
        self._map: dict[str, dict[str, str]] = {"snmp": {}, "echo": {}}
        self._open(inv, saved["ports"] if saved else {})
        self._counts = {"sites": len(inv.sites), "devices": len(inv.devices), "sessions": len(inv.sessions)}
        self._catch_up()
        self._save()

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
        """Break something now; FaultError if that makes no sense."""
        self._catch_up()
        fault = self.engine.inject(kind, target, for_s, time.time())
        self._plan()
        self._happened("injected", fault)
        return fault

    def clear(self, fault_id: str) -> Fault:
        """End a fault now; UnknownTargetError if it is not active."""
        self._catch_up()
        fault = self.engine.clear(fault_id, time.time())
        self._happened("cleared", fault)
        return fault

    def close(self) -> None:
        """Save and let go of all sockets."""
        self._catch_up()
        if self._timer is not None:
            self._timer.cancel()
        self._save()
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
        """Do what fell due, exactly as of its time, and plan the next."""
        expired = self.engine.advance(time.time())
        self._plan()
        for fault in expired:
            self._happened("expired", fault)

    def _plan(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        due = self.engine.next_event()
        if due is not None:
            self._timer = self._loop.call_later(max(0.0, min(due - time.time(), 3600.0)), self._catch_up)

    def _happened(self, event: FaultEvent, fault: Fault) -> None:
        if event != "injected":
            self._ended.append(fault)
        append_event(self._settings.fault_log, event, fault)
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
