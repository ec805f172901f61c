"""The inventory as other programs want it: Prometheus HTTP service discovery and an Ansible inventory.

Pure and derived: nothing here is stored or edited. Where an address is reached is the caller's business
(`locate`), because a twin answers on loopback what a real network answers at the address itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypedDict

from inventory.models import Address, Device, Inventory
from inventory.sessions import home_session

Service = Literal["snmp", "echo"]
Locate = Callable[[Address, Service], str]


class TargetGroup(TypedDict):
    """An entry of Prometheus HTTP or file service discovery."""

    targets: list[str]
    labels: dict[str, str]


def direct(address: Address, service: Service) -> str:
    """Where a real network answers: SNMP on port 161 of the address, echo (ICMP) at the address itself."""
    host = f"[{address}]" if address.version == 6 else str(address)
    return f"{host}:161" if service == "snmp" else str(address)


def snmp_targets(inv: Inventory, locate: Locate = direct, interval_s: float | None = None) -> list[TargetGroup]:
    """One target per device with the modules of its role.

    Args:
        inv: the inventory.
        locate: where the SNMP agent of an address is reached, as host:port.
        interval_s: only devices polled every so many seconds; None for all.
    """
    found: list[TargetGroup] = []
    for device in inv.devices.values():
        role = inv.roles[device.role]
        if interval_s is None or role.interval.total_seconds() == interval_s:
            site = inv.sites[device.site]
            labels = {
                "__param_module": ",".join(role.modules),
                "__param_auth": device.auth,
                "device": device.id,
                "site": site.id,
                "region": site.region,
                "tier": str(site.tier),
                "role": device.role,
            }
            found.append({"targets": [locate(device.address, "snmp")], "labels": labels})
    return found


def probe_targets(inv: Inventory, locate: Locate = direct) -> list[TargetGroup]:
    """One target per session (its site's end of the tunnel) and one per device (its address).

    The probing module follows from what `locate` returns: a host with a port is a UDP echo, one without is pinged.
    """
    found: list[TargetGroup] = []
    for session in inv.sessions.values():
        circuit, site = session.circuit, inv.sites[session.site]
        target = locate(session.site_address, "echo")
        labels = {
            "probe": "session",
            "module": _module(target),
            "site": site.id,
            "circuit": circuit.id,
            "hub": session.hub,
            "peer": str(session.hub_address),
            "region": site.region,
            "tier": str(site.tier),
            "carrier": circuit.carrier,
            "kind": circuit.kind,
            "rtt_ms": _decimal(session.rtt_ms),
            "loss_ratio": _decimal(circuit.loss_ratio),
        }
        found.append({"targets": [target], "labels": labels})
    for device in inv.devices.values():
        site = inv.sites[device.site]
        target = locate(device.address, "echo")
        labels = {
            "probe": "device",
            "module": _module(target),
            "site": site.id,
            "device": device.id,
            "role": device.role,
            "region": site.region,
            "tier": str(site.tier),
            "rtt_ms": _decimal(home_session(inv, site.id).rtt_ms),
        }
        found.append({"targets": [target], "labels": labels})
    return found


def _module(target: str) -> str:
    host, colon, port = target.rpartition(":")
    is_port = bool(colon) and port.isdecimal() and (":" not in host or host.endswith("]"))
    return "udp" if is_port else "icmp"


def _decimal(value: float) -> str:
    return f"{value:.6f}".rstrip("0").rstrip(".")


def ansible_inventory(inv: Inventory) -> dict[str, object]:
    """An Ansible inventory as a dynamic inventory script prints it.

    Groups: role_*, region_*, tier_*, hub_* (preferred) and shard_*; group names have underscores, as Ansible wants.
    """
    groups: dict[str, list[str]] = {}
    for device in inv.devices.values():
        site = inv.sites[device.site]
        for group in (
            f"role_{device.role}",
            f"region_{site.region}",
            f"tier_{site.tier}",
            f"hub_{site.preferred_hub}",
            f"shard_{site.shard}",
        ):
            groups.setdefault(group.replace("-", "_"), []).append(device.id)
    hosts = {d.id: _host_variables(inv, d) for d in inv.devices.values()}
    found: dict[str, object] = {"_meta": {"hostvars": hosts}, "all": {"children": sorted(groups)}}
    found.update((name, {"hosts": members}) for name, members in sorted(groups.items()))
    return found


def _host_variables(inv: Inventory, device: Device) -> dict[str, object]:
    site = inv.sites[device.site]
    return {
        "ansible_host": str(device.address),
        "ansible_network_os": device.platform,
        "site": site.id,
        "city": site.city,
        "country": site.country,
        "region": site.region,
        "tier": site.tier,
        "role": device.role,
        "model": device.model,
        "preferred_hub": site.preferred_hub,
        "standby_hub": site.standby_hub,
        "site_prefixes": [str(p) for p in site.prefixes],
        "site_asn": site.asn,
    }
