"""Builds the agents: inventory + world + history -> each device's tables, the first time it is asked.

Which interface follows which circuit, and how much traffic it carries, is decided here and fixed by the seed.
"""

from __future__ import annotations

import inventory
from inventory.models import Circuit, Device, Interface, Inventory

from . import mib_bgp, mib_interfaces, mib_modem, mib_power, mib_system
from .engine import Engine
from .mib import SCALAR, Agent, Directory, Table
from .mib_bgp import BgpRow, PeerRow
from .mib_interfaces import InterfaceRow
from .mib_modem import ModemRow
from .mib_power import UpsRow
from .mib_system import SystemRow
from .traffic import Gate, curve, share

_FIRST_SITE_AS = 64512
_SITE_AS_NUMBERS = 1000
_MAX_LAN_LOAD = 0.3
_PLUGGED_SHARE = 0.7  # of the switch ports that the inventory assigns to nothing
_LOW_VOLTAGE_ZONES = ("America/", "US/", "Canada/")

Rates = tuple[float, float]


class Fleet:
    """All agents by device id."""

    def __init__(self, inv: Inventory, engine: Engine, seed: int) -> None:
        self._inv = inv
        self._engine = engine
        self._seed = seed
        self._site_number = {site: n for n, site in enumerate(inv.sites)}
        self._agents: dict[str, Agent] = {}
        self._unplugged = Gate(curve(0.0, 0), engine.born)
        self._unplugged.reset(False, 0.0)
        self.directory = Directory(
            [
                *mib_system.COLUMNS,
                *mib_interfaces.COLUMNS,
                *mib_bgp.COLUMNS,
                *mib_power.COLUMNS,
                *mib_modem.COLUMNS,
            ]
        )

    def agent(self, device_id: str) -> Agent:
        """The device's agent; built on first use."""
        made = self._agents.get(device_id)
        if made is None:
            made = self._agents[device_id] = self._build(self._inv.devices[device_id])
        return made

    def _build(self, device: Device) -> Agent:
        site = self._inv.sites[device.site]
        mark = self._engine.history.sites[site.id]
        rows = {i.index: self._interface(device, i) for i in inventory.interfaces(self._inv, device)}
        tables = {
            mib_system.SYSTEM: Table({SCALAR: SystemRow(device, site, mark)}),
            mib_interfaces.INTERFACES: Table({SCALAR: len(rows)}),
            mib_interfaces.IF_TABLE: Table({(index,): row for index, row in rows.items()}),
        }
        if device.role == "router":
            tables |= self._bgp(device)
        elif device.role == "ups":
            volts = 120 if site.timezone.startswith(_LOW_VOLTAGE_ZONES) else 230
            ups = UpsRow(device, mark, share(self._seed, device.id, "load"), volts)
            tables[mib_power.UPS] = Table({SCALAR: ups})
            tables[mib_power.UPS_INPUT] = Table({(1,): ups})
            tables[mib_power.UPS_OUTPUT] = Table({(1,): ups})
        elif device.role == "vsat-modem":
            tables |= self._modem(device)
        return Agent(device.id, tables, self.directory.views(frozenset(tables)))

    def _bgp(self, device: Device) -> dict[str, Table]:
        peers: dict[tuple[int, ...], object] = {}
        mark = self._engine.history.sites[device.site]
        for session in inventory.sessions_on(self._inv, device):
            if session.hub_address.version != 4:
                continue
            remote = session.hub_address.packed
            gate = self._engine.history.sessions[session.id]
            asn = self._inv.hubs[session.hub].asn
            peers[tuple(remote)] = PeerRow(session.site_address.packed, remote, asn, gate, mark)
        local_as = _FIRST_SITE_AS + self._site_number[device.site] % _SITE_AS_NUMBERS
        speaker = BgpRow(device.address.packed[-4:], local_as)
        return {mib_bgp.BGP: Table({SCALAR: speaker}), mib_bgp.BGP_PEERS: Table(peers)}

    def _modem(self, device: Device) -> dict[str, Table]:
        circuits = sorted(self._inv.circuits_of[device.site], key=lambda c: {"geo": 0, "leo": 1}.get(c.kind, 2))
        if not circuits:
            return {}
        sky = circuits[0]
        clear_sky = 95 + round(40 * share(self._seed, device.id, "es/no"))
        satellite = self._inv.carriers[sky.carrier].satellite
        mark = self._engine.history.sites[device.site]
        row = ModemRow(self._engine.world.circuits[sky.id], clear_sky, satellite, mark)
        return {mib_modem.MODEM: Table({SCALAR: row})}

    def _interface(self, device: Device, interface: Interface) -> InterfaceRow:
        history = self._engine.history
        mark = history.sites[device.site]
        circuit = self._inv.circuits.get(interface.circuit)
        if circuit is not None:
            line, weak = history.lines[circuit.id], history.degraded[circuit.id]
            rates, lossy = self._circuit_rates(circuit), circuit.loss_ratio * 0.02
            if not interface.hub:
                return InterfaceRow(interface, device.id, mark, line, rates, None, weak, lossy)
            gate = history.sessions[f"{circuit.id}@{interface.hub}"]
            part = 0.85 if interface.hub == self._inv.sites[device.site].preferred_hub else 0.12
            rates = (rates[0] * part, rates[1] * part)
            return InterfaceRow(interface, device.id, mark, gate, rates, line, weak, lossy)
        spread = share(self._seed, device.id, str(interface.index))
        if not interface.alias and (device.role != "switch" or spread > _PLUGGED_SHARE):
            return InterfaceRow(interface, device.id, mark, self._unplugged, (0.0, 0.0))
        gate = mark.lan[interface.index % len(mark.lan)]
        return InterfaceRow(interface, device.id, mark, gate, self._lan_rates(device, interface, spread))

    def _circuit_rates(self, circuit: Circuit) -> Rates:
        """Mean bytes/s (down, up) of a circuit: 12 to 36 % of its rate, so that the peak stays below 70 %.

        A duty station receives more than it sends: upwards it is 30 to 70 % of that share.
        """
        load = 0.12 + 0.24 * share(self._seed, circuit.id, "load")
        if circuit.role == "backup":
            load /= 3
        upwards = 0.3 + 0.4 * share(self._seed, circuit.id, "upwards")
        return circuit.rate_down_bps / 8 * load, circuit.rate_up_bps / 8 * load * upwards

    def _lan_rates(self, device: Device, interface: Interface, spread: float) -> Rates:
        """Mean bytes/s (in, out) of a LAN port: what its site's circuits carry, shared among the ports."""
        if interface.type == mib_interfaces.LOOPBACK:
            return 0.0, 0.0
        pairs = [self._circuit_rates(c) for c in self._inv.circuits_of[device.site]]
        down, up = sum(p[0] for p in pairs), sum(p[1] for p in pairs)
        most = interface.speed_bps / 8 * _MAX_LAN_LOAD
        if device.role == "router":  # its LAN port sends what the circuits receive
            return min(up, most), min(down, most)
        if interface.alias.startswith("uplink"):
            return min(down, most), min(up, most)
        part = 2 * spread / max(device.ports, 1) if device.role == "switch" else 0.001
        return min(up * part, most), min(down * part, most)
