"""Inbound security rules, whether they stand alone or inside their group: who is let in.

Sources are judged as networks. Only private ranges, application security groups (machines of ours) and the service
tags below are let in. The tag VirtualNetwork is not among them: with a default route of our own, and every spoke has
one, it stands for the Internet as well.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from infra.graph.model import UNKNOWN
from infra.policy.model import AZURE, Resource
from infra.policy.rules.networks import is_private, parse

RULE = f"{AZURE}network:SecurityRule"
SERVICE_TAGS = frozenset({"azureloadbalancer"})  # the health probes of the cluster's own load balancer
_REMEDY = "name the WAN's prefixes or a service tag of ours"


def inbound(resource: Resource) -> Iterator[str]:
    """No rule of a resource lets in what is not ours."""
    for path, rule in _rules(resource):
        direction, access = _word(rule.get("direction")), _word(rule.get("access"))
        if direction in ("outbound", UNKNOWN) or access in ("deny", UNKNOWN):
            continue
        start = f"{path} allows" if path else "allows"
        sources = list(_sources(rule))
        if not sources:
            yield f"{start} inbound without a source; {_REMEDY}"
        for source in sources:
            if not _ours(source):
                yield f"{start} inbound from '{source}'; {_REMEDY}"


def _rules(resource: Resource) -> Iterator[tuple[str, Mapping[str, object]]]:
    if resource.type == RULE:
        yield "", resource.inputs
    elif resource.type.startswith(f"{AZURE}network:"):
        yield from _inline(resource.inputs, "")


def _inline(value: object, path: str) -> Iterator[tuple[str, Mapping[str, object]]]:
    """Every item of a list `securityRules`, also that of a group inside a subnet inside a network."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            here = f"{path}.{key}" if path else key
            if key == "securityRules" and isinstance(inner, list):
                yield from ((f"{here}[{n}]", rule) for n, rule in enumerate(inner) if isinstance(rule, Mapping))
            else:
                yield from _inline(inner, here)
    elif isinstance(value, list):
        for position, inner in enumerate(value):
            yield from _inline(inner, f"{path}[{position}]")


def _sources(rule: Mapping[str, object]) -> Iterator[object]:
    single, several = rule.get("sourceAddressPrefix"), rule.get("sourceAddressPrefixes")
    if single not in (None, ""):
        yield single
    if several is not None:
        yield from several if isinstance(several, list) else [several]
    groups = rule.get("sourceApplicationSecurityGroups")
    for group in groups if isinstance(groups, list) else [groups]:
        named = group.get("id") if isinstance(group, Mapping) else group
        if named == UNKNOWN or (isinstance(named, str) and named.startswith("/subscriptions/")):
            yield UNKNOWN  # a group has machines of ours only, whichever they are


def _ours(source: object) -> bool:
    if source == UNKNOWN or (isinstance(source, str) and source.casefold() in SERVICE_TAGS):
        return True
    network = parse(source)
    return network is not None and is_private(network)


def _word(value: object) -> str:
    return value.casefold() if isinstance(value, str) else ""
