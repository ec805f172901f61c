"""The hubs' firewall: no rule that lets everybody reach everything, and none that lets the Internet in.

What is neither a list of addresses nor an IP group counts as everybody, as Azure would have it or refuse it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from infra.graph.model import UNKNOWN
from infra.policy.model import AZURE, Resource
from infra.policy.rules.networks import is_wide

GROUP = f"{AZURE}network:FirewallPolicyRuleCollectionGroup"
ADDRESSES = f"{AZURE}network:IpGroup"
FIREWALL = f"{AZURE}network:AzureFirewall"
CLASSIC = ("applicationRuleCollections", "natRuleCollections", "networkRuleCollections")
MOST_PORTS = 2**15  # half of all: more is no service but everything


def firewall(resource: Resource) -> Iterator[str]:
    """No rule for everybody to everything, none from everybody to an address behind the firewall."""
    if resource.type == GROUP:
        for path, rule, allows in _rules(resource.inputs):
            yield from _rule(path, rule) if allows else ()
    elif resource.type == ADDRESSES and is_wide(_items(resource.inputs.get("ipAddresses"))):
        yield "ipAddresses stand for everybody; name the WAN's prefixes"
    elif resource.type == FIREWALL:
        for key in CLASSIC:
            if resource.inputs.get(key) not in (None, [], UNKNOWN):
                yield f"{key} are rules outside the firewall policy; move them to a rule collection group"


def _rules(inputs: Mapping[str, object]) -> Iterator[tuple[str, Mapping[str, object], bool]]:
    """Each rule with its path, and whether its collection allows or translates."""
    for number, collection in enumerate(_items(inputs.get("ruleCollections"))):
        if not isinstance(collection, Mapping):
            continue
        action = collection.get("action")
        kind = action.get("type") if isinstance(action, Mapping) else action
        for position, rule in enumerate(_items(collection.get("rules"))):
            if isinstance(rule, Mapping):
                path = f"ruleCollections[{number}].rules[{position}]"
                yield path, rule, kind != UNKNOWN and _word(kind) != "deny"


def _rule(path: str, rule: Mapping[str, object]) -> Iterator[str]:
    kind = _word(rule.get("ruleType"))
    if not _open(rule, "sourceAddresses", "sourceIpGroups"):
        return
    if kind == "natrule":
        yield f"{path} lets the Internet in; reach it over the WAN, or name the sources"
    elif kind == "applicationrule":
        if _any_name(rule):
            yield f"{path} allows everybody to reach every name; name the sources or the names"
    elif _open(rule, "destinationAddresses", "destinationIpGroups", "destinationFqdns") and _many_ports(rule):
        yield f"{path} allows everybody to reach everything; name sources, destinations or ports"


def _open(rule: Mapping[str, object], addresses: str, *others: str) -> bool:
    """The rule's sources or destinations are everybody, or are not given."""
    given = _items(rule.get(addresses))
    named = [item for key in others for item in _items(rule.get(key))]
    return is_wide(given) or "*" in named or not (given or named)


def _any_name(rule: Mapping[str, object]) -> bool:
    keys = ("targetFqdns", "targetUrls", "fqdnTags", "webCategories", "destinationAddresses")
    names = [item for key in keys for item in _items(rule.get(key))]
    return not names or any(isinstance(name, str) and re.fullmatch(r"[*./:\s]+", name) for name in names)


def _many_ports(rule: Mapping[str, object]) -> bool:
    ports = _items(rule.get("destinationPorts"))
    covered = 0
    for port in ports:
        if port == UNKNOWN:
            continue
        found = re.fullmatch(r"\s*(\d+)\s*(?:-\s*(\d+)\s*)?", str(port))
        if not found:
            return True  # `*`
        covered += int(found[2] or found[1]) - int(found[1]) + 1
    return not ports or covered > MOST_PORTS


def _items(value: object) -> list[object]:
    return [] if value is None or value == "" else value if isinstance(value, list) else [value]


def _word(value: object) -> str:
    return value.casefold() if isinstance(value, str) else ""
