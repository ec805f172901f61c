"""What a site's page asks Prometheus: the PromQL for its sessions, devices, traffic and the states of the last hour.

Pure. The state asked for the last hour follows the same rule as `states.site_states` does for now.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

import inventory as inventory_api
from inventory.models import Inventory

_SESSION_SERIES = (
    "wan_session_(up_seconds|rtt_seconds|jitter_seconds|loss_ratio|baseline_rtt_seconds|baseline_loss_ratio)"
)


def wan_ports(inventory: Inventory, site: str) -> dict[tuple[str, str], str]:
    """Circuit by (device, ifName) for the physical WAN ports of a site."""
    circuits = {circuit.id: circuit for circuit in inventory.circuits_of[site]}
    found: dict[tuple[str, str], str] = {}
    for device in inventory.devices_of[site]:
        if device.role != "router":
            continue
        for port in inventory_api.interfaces(inventory, device):
            if port.circuit in circuits and port.name == circuits[port.circuit].interface:
                found[(device.id, port.name)] = port.circuit
    return found


def _either(values: Iterable[str]) -> str:
    """A PromQL regular expression for any of these, as a quoted string."""
    text = "|".join(re.escape(value).replace("\\-", "-") for value in sorted(set(values)))
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


@dataclass(frozen=True, slots=True)
class Questions:
    """The four queries of a site's page."""

    now: str
    rtt: str
    traffic: str
    state: str


def questions(inventory: Inventory, site: str) -> Questions:
    """The queries for a site; its ids are [a-z0-9-.], so they may stand in PromQL."""
    circuits = _either(circuit.id for circuit in inventory.circuits_of[site])
    ports = wan_ports(inventory, site)
    where = (
        f'site="{site}",device=~{_either(device for device, _ in ports)},ifName=~{_either(name for _, name in ports)}'
    )

    def bits(octets: str, direction: str) -> str:
        # Counters are polled each minute; three minutes hold at least two samples.
        return f'label_replace(rate({octets}{{{where}}}[3m]) * 8, "direction", "{direction}", "", "")'

    # Only fresh samples: a selector looks back over five minutes, in which nobody may have measured.
    def fresh(series: str, age_s: int = 30) -> str:
        return f"({series} and timestamp({series}) > time() - {age_s})"

    def of_site(series: str, age_s: int = 30) -> str:
        return f"max by (site) {fresh(series, age_s)}"

    where_site = f'site="{site}"'
    polls = f'up{{job=~"snmp|snmp-slow.*",{where_site}}}'
    ratio = of_site(f"wan:site_circuits_up:ratio{{{where_site}}}")
    up = f"({of_site(f'wan:site_up{{{where_site}}}')} + ({ratio} == bool 1))"
    # The slowest group of rules is evaluated each minute.
    alerted = of_site(f'ALERTS{{{where_site},alertstate="firing",severity=~"page|warning"}}', 90)
    both = f"{bits('ifHCInOctets', 'in')} or {bits('ifHCOutOctets', 'out')}"
    return Questions(
        # States must be fresh; the other figures are shown only beside a state.
        # The label `what` keeps apart what `or` would take for the same series.
        now=f'label_replace({fresh(f"wan_session_up{{circuit=~{circuits}}}")}, "what", "state", "", "")'
        f" or {fresh(f'wan_device_up{{{where_site}}}')}"
        f' or {{__name__=~"{_SESSION_SERIES}",circuit=~{circuits}}}'
        f' or {polls} or label_replace(timestamp({polls}), "what", "polled_at", "", "") or {both}',
        rtt=f"wan_session_rtt_seconds{{circuit=~{circuits}}}",
        traffic=f"sum by (direction) ({both})",
        # 0 down, 1 some circuit down or a page or warning of the site fired, 2 all up; as `states.site_states` has it.
        state=f"({up} unless on (site) {alerted}) or clamp_max({up}, 1)",
    )
