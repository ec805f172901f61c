"""What may pass the hubs' firewalls: one table; whatever is not in it is dropped.

Turns groups of addresses (sites, hubs, the NOC, Azure's spokes) into network rules. The table is the network's
segmentation: sites reach applications, the NOC reaches devices, sites reach each other for voice only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, collapse_addresses
from typing import Literal

from infra.core import addressing
from infra.core.stacks import Environment
from inventory import Inventory

Group = Literal["sites", "hubs", "noc", "services", "continuity"]


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: from groups to groups, protocols and ports as Azure Firewall writes them."""

    name: str
    sources: tuple[Group, ...]
    destinations: tuple[Group, ...]
    ports: tuple[str, ...]
    protocols: tuple[str, ...] = ("TCP",)


# collection -> (priority, rules); lower priorities are looked at first
RULES: Mapping[str, tuple[int, tuple[Rule, ...]]] = {
    "monitoring": (
        200,
        (
            Rule("snmp-poll", ("noc", "hubs"), ("sites", "hubs"), ("161",), ("UDP",)),
            Rule("snmp-trap", ("sites", "hubs"), ("noc", "hubs"), ("162",), ("UDP",)),
            Rule("syslog", ("sites", "hubs"), ("noc", "hubs"), ("6514",)),
            Rule("icmp", ("noc", "hubs"), ("sites", "hubs", "services", "continuity"), ("*",), ("ICMP",)),
            Rule("device-ssh", ("noc", "hubs"), ("sites", "hubs"), ("22",)),
            Rule("exporters", ("noc",), ("hubs", "continuity"), ("9100-9199", "443")),
        ),
    ),
    "names-and-time": (
        300,
        (
            Rule("dns", ("sites", "hubs", "noc", "continuity"), ("services", "hubs"), ("53",), ("UDP", "TCP")),
            Rule("ntp", ("sites", "noc", "continuity"), ("hubs",), ("123",), ("UDP",)),
        ),
    ),
    "applications": (
        400,
        (
            Rule("https", ("sites",), ("hubs", "continuity"), ("443",)),
            Rule("directory", ("sites",), ("hubs", "continuity"), ("88", "636"), ("TCP", "UDP")),
            Rule("mail", ("sites", "noc"), ("hubs", "continuity"), ("465", "587", "993")),
            Rule("voice-signalling", ("sites",), ("sites", "hubs", "continuity"), ("5061",)),
            Rule("voice-media", ("sites",), ("sites", "hubs", "continuity"), ("16384-32767",), ("UDP",)),
        ),
    ),
    "replication": (
        500,
        (
            Rule("site-recovery", ("hubs",), ("continuity", "services"), ("443", "9443")),
            Rule("database", ("hubs", "continuity"), ("hubs", "continuity"), ("5432",)),
            Rule("platform-services", ("noc", "hubs", "continuity"), ("services", "noc", "continuity"), ("443",)),
        ),
    ),
}
EGRESS_TAGS = ("AzureKubernetesService", "AzureBackup")  # what the NOC and continuity spokes fetch over the Internet


def groups(inventory: Inventory, environment: Environment) -> Mapping[Group, list[str]]:
    """The prefixes of each group, collapsed, in order; sites by their regions' pools so that a new site fits."""
    ranges = addressing.plan(inventory, environment).values()
    sites = [r.prefix_pool for r in inventory.regions.values() if r.prefix_pool]
    sites += [h.tunnel_pool for h in inventory.hubs.values() if h.tunnel_pool]
    pools = [p for p in sites if isinstance(p, IPv4Network)]
    outside = [p for s in inventory.sites.values() for p in s.prefixes if not any(_inside(p, pool) for pool in pools)]
    return {
        "sites": _text([*pools, *outside]),
        "hubs": _text([p for h in inventory.hubs.values() for p in h.prefixes]),
        "noc": _text([r.noc for r in ranges]),
        "services": _text([r.services for r in ranges]),
        "continuity": _text([n for r in ranges for n in (r.continuity, r.recovery)]),
    }


def _inside(prefix: object, pool: IPv4Network) -> bool:
    return isinstance(prefix, IPv4Network) and prefix.subnet_of(pool)


def _text(networks: list[object]) -> list[str]:
    return [str(n) for n in collapse_addresses(n for n in networks if isinstance(n, IPv4Network))]
