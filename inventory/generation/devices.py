"""Sites and circuits to the rows of devices.csv, and the router port of each circuit.

Platforms are netmiko's names, because commands are sent to them; models and serial numbers are invented.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta

from inventory.generation.circuits import chance
from inventory.generation.sites import Seed
from inventory.ports import port_names

# model, platform, ports, years of support left at the reference day (lowest, highest)
Model = tuple[str, str, int, float, float]
ROUTERS: Mapping[int, tuple[Model, ...]] = {
    1: (("WR-8500", "cisco_xe", 8, 3, 7),),
    2: (("WR-4460", "cisco_xe", 6, 1, 6), ("SR-4300", "juniper_junos", 6, 1, 6)),
    3: (("WR-4330", "cisco_xe", 4, -0.5, 5), ("SR-1500", "juniper_junos", 4, 0.5, 6)),
    4: (
        ("WR-1110", "cisco_xe", 4, 0, 5),
        ("WR-1940", "cisco_ios", 3, -3, 1),
        ("FB-3011", "mikrotik_routeros", 5, 0, 4),
    ),
}
SWITCHES: Mapping[int, Model] = {
    1: ("CS-9348", "arista_eos", 48, 3, 7),
    2: ("CS-3824", "cisco_xe", 24, 0.5, 6),
    3: ("CS-2916", "cisco_ios", 16, -1, 4),
    4: ("CS-2508", "aruba_osswitch", 8, -1.5, 4),
}
UPS: Mapping[int, Model] = {
    1: ("PX-20K", "generic", 1, 2, 8),
    2: ("PX-6000", "generic", 1, 1, 7),
    3: ("PX-3000", "generic", 1, 0, 6),
    4: ("PX-1500", "generic", 1, -1, 5),
}
MODEMS: tuple[Model, ...] = (("VT-900", "generic", 1, 1, 5), ("VT-520", "generic", 1, -1, 3))
REFERENCE_DAY = date(2026, 1, 1)


def device_rows(
    by_id: Mapping[str, Seed], site_order: list[str], circuits: list[dict[str, str]]
) -> list[dict[str, str]]:
    """Rows of devices.csv in the order of the sites; also fills the `interface` of each circuit."""
    by_site: dict[str, list[dict[str, str]]] = {}
    for circuit in circuits:
        by_site.setdefault(circuit["site"], []).append(circuit)
    rows: list[dict[str, str]] = []
    for site in site_order:
        seed = by_id[site]
        its_circuits = by_site[site]
        choice = ROUTERS[seed.tier]
        router = choice[int(chance(site, "router") * len(choice))]
        routers = 2 if seed.tier == 1 else 1
        rows.extend(_row(site, f"r{n}", "router", router) for n in range(1, routers + 1))
        rows.append(_row(site, "sw1", "switch", SWITCHES[seed.tier]))
        if any(c["kind"] == "geo" for c in its_circuits):
            modem = MODEMS[int(chance(site, "modem") * len(MODEMS))]
            rows.append(_row(site, "vm1", "vsat-modem", modem))
        rows.append(_row(site, "ups", "ups", UPS[seed.tier]))
        names = port_names(router[1], router[2])
        for number, circuit in enumerate(its_circuits):
            circuit["interface"] = names[0 if routers == 2 else number]
    return rows


def _row(site: str, suffix: str, role: str, model: Model) -> dict[str, str]:
    name, platform, ports, low, high = model
    device = f"{site}-{suffix}"
    years = low + (high - low) * chance(device, "support")
    quarter = REFERENCE_DAY + timedelta(days=years * 365.25)
    number = int(chance(device, "serial") * 36**6)
    return {
        "id": device,
        "site": site,
        "role": role,
        "model": name,
        "platform": platform,
        "serial": f"{name.replace('-', '')[:3]}{_base36(number):0>6}",
        "ports": str(ports),
        "end_of_support": quarter.replace(day=1).isoformat(),
        "auth": "public_v2",
    }


def _base36(number: int) -> str:
    digits = "0123456789ABCDEFGHJKLMNPQRSTUVWXYZIO"
    found = ""
    while number:
        number, rest = divmod(number, 36)
        found = digits[rest] + found
    return found or "0"
