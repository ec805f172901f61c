"""The interfaces of a device, as its ifTable (RFC 2863) lists them, derived from the tables.

Port names follow the platform; a router has its loopback, its ports and one tunnel per session. Nothing here is
stored: two readers of the same tables see the same ifIndex for the same port.
"""

from __future__ import annotations

from dataclasses import dataclass

from inventory.models import Circuit, Device, Interface, Inventory, Session

# IANAifType (https://www.iana.org/assignments/ianaiftype-mib)
ETHERNET_CSMACD = 6
SOFTWARE_LOOPBACK = 24
TUNNEL = 131
L3_IP_VLAN = 136
DVB_RCS_MAC_LAYER = 239  # the satellite side of a VSAT terminal (RFC 5728)

GIGABIT = 1_000_000_000


@dataclass(frozen=True, slots=True)
class _Naming:
    """How a platform names its interfaces. `first` is the number of the first port and tunnel."""

    port: str
    first: int
    tunnel: str
    loopback: str
    management: str


_GENERIC = _Naming("eth{}", 0, "tun{}", "lo", "vlan1")
_NAMING = {
    "cisco_ios": _Naming("GigabitEthernet0/{}", 0, "Tunnel{}", "Loopback0", "Vlan1"),
    "cisco_xe": _Naming("GigabitEthernet0/0/{}", 0, "Tunnel{}", "Loopback0", "Vlan1"),
    "juniper_junos": _Naming("ge-0/0/{}", 0, "st0.{}", "lo0.0", "irb.1"),
    "mikrotik_routeros": _Naming("ether{}", 1, "gre-tunnel{}", "lo", "bridge1"),
    "aruba_osswitch": _Naming("{}", 1, "tunnel{}", "lo0", "vlan1"),
    "arista_eos": _Naming("Ethernet{}", 1, "Tunnel{}", "Loopback0", "Vlan1"),
}


def port_names(platform: str, ports: int) -> tuple[str, ...]:
    """The ifNames of the `ports` physical ports on a netmiko platform; eth0, eth1 ... on one we do not know."""
    naming = _NAMING.get(platform, _GENERIC)
    return tuple(naming.port.format(n + naming.first) for n in range(ports))


def routers_of(inv: Inventory, site_id: str) -> tuple[Device, ...]:
    """The routers of a site by id; the first one carries the primary circuit."""
    return tuple(sorted((d for d in inv.devices_of[site_id] if d.role == "router"), key=lambda device: device.id))


def router_of(inv: Inventory, circuit: Circuit) -> Device | None:
    """The router that a circuit ends on: the first of the site for its primary, the last for the others."""
    routers = routers_of(inv, circuit.site)
    if not routers:
        return None
    return routers[0] if circuit.role == "primary" else routers[-1]


def circuits_on(inv: Inventory, router: Device) -> tuple[Circuit, ...]:
    """The circuits that end on a router, primary first; none for another role of device."""
    return tuple(c for c in inv.circuits_of[router.site] if router_of(inv, c) == router)


def sessions_on(inv: Inventory, router: Device) -> tuple[Session, ...]:
    """The sessions (BGP peers) of a router in the order of its tunnels."""
    return tuple(Session(c, hub) for c in circuits_on(inv, router) for hub in c.tunnels)


def interfaces(inv: Inventory, device: Device) -> tuple[Interface, ...]:
    """The rows of the device's ifTable by ifIndex, which counts from 1 without gaps."""
    if device.role == "router":
        return _router_interfaces(inv, device)
    if device.role == "switch":
        return _switch_interfaces(inv, device)
    if device.role == "vsat-modem":
        return _modem_interfaces(inv, device)
    names = port_names(device.platform, device.ports)
    return tuple(
        Interface(n, name, f"{device.model} port {n}", "management", ETHERNET_CSMACD, GIGABIT // 10)
        for n, name in enumerate(names, 1)
    )


def _router_interfaces(inv: Inventory, device: Device) -> tuple[Interface, ...]:
    naming = _NAMING.get(device.platform, _GENERIC)
    circuits = circuits_on(inv, device)
    wan = {c.interface: c for c in circuits}
    names = port_names(device.platform, device.ports)
    lan = next((name for name in reversed(names) if name not in wan), "")
    found = [Interface(1, naming.loopback, "loopback", "router id", SOFTWARE_LOOPBACK, 0)]
    for name in names:
        circuit = wan.get(name)
        alias = f"WAN {circuit.id} {circuit.carrier}" if circuit else "LAN" if name == lan else ""
        owner = circuit.id if circuit else ""
        index = len(found) + 1
        found.append(Interface(index, name, name, alias, ETHERNET_CSMACD, GIGABIT, owner))
    for number, session in enumerate((Session(c, h) for c in circuits for h in c.tunnels), naming.first):
        name = naming.tunnel.format(number)
        alias = f"session {session.id}"
        rate, circuit_id = session.circuit.rate_down_bps, session.circuit.id
        found.append(Interface(len(found) + 1, name, name, alias, TUNNEL, rate, circuit_id, session.hub))
    return tuple(found)


def _switch_interfaces(inv: Inventory, device: Device) -> tuple[Interface, ...]:
    naming = _NAMING.get(device.platform, _GENERIC)
    names = port_names(device.platform, device.ports)
    uplinks = [f"uplink {r.id}" for r in routers_of(inv, device.site)]
    others = [f"{d.role} {d.id}" for d in inv.devices_of[device.site] if d.role not in ("router", "switch")]
    aliases = [*uplinks, *others]
    found = [
        Interface(n, name, name, aliases[n - 1] if n <= len(aliases) else "", ETHERNET_CSMACD, GIGABIT)
        for n, name in enumerate(names, 1)
    ]
    found.append(Interface(len(found) + 1, naming.management, "management", "management", L3_IP_VLAN, GIGABIT))
    return tuple(found)


def _modem_interfaces(inv: Inventory, device: Device) -> tuple[Interface, ...]:
    lan = [
        Interface(n, name, name, "LAN", ETHERNET_CSMACD, GIGABIT // 10)
        for n, name in enumerate(port_names(device.platform, device.ports), 1)
    ]
    sky = next((c for c in inv.circuits_of[device.site] if c.kind == "geo"), None)
    alias = f"WAN {sky.id} {sky.carrier}" if sky else ""
    rate, circuit_id = (sky.rate_down_bps, sky.id) if sky else (0, "")
    return (*lan, Interface(len(lan) + 1, "sat0", "satellite link", alias, DVB_RCS_MAC_LAYER, rate, circuit_id))
