"""Exposure: nothing of ours is reached from, or reaches out to, the Internet by an address of its own.

Sources: Microsoft cloud security benchmark v1 NS-1, NS-2; CIS Microsoft Azure Foundations Benchmark, storage,
database, key vault and network chapters. The addresses of Virtual WAN gateways and of the hub firewall are the
provider's own and no resources of ours [unverified: whether a deny policy on public addresses touches them].
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from ipaddress import IPv4Network

from infra.graph.model import UNKNOWN
from infra.policy.model import Resource
from infra.policy.rules.firewall import firewall
from infra.policy.rules.inbound import inbound
from infra.policy.rules.networks import parse
from infra.policy.rules.want import Want, found_at, wants

REFUSED_TYPES = {
    "azure-native:network:PublicIPAddress": "reach it through a private endpoint or the hub's firewall",
    "azure-native:network:PublicIPPrefix": "reach it through a private endpoint or the hub's firewall",
    "azure-native:network:NatGateway": "leave through the hub's firewall",
}
PUBLIC_KEYS = frozenset({"publicIPAddress", "publicIPAddresses", "publicIPPrefix", "nodePublicIPPrefixID"})
_OFF = ("Disabled",)
_PRIVATE = "use its private endpoint"
_AKS = "azure-native:containerservice:ManagedCluster"
_REGISTRY = "azure-native:containerregistry:Registry"


def _with_rules(registry: Resource) -> bool:
    return registry.inputs.get("networkRuleSet") is not None


WANTS = (
    Want("azure-native:storage:StorageAccount", "networkRuleSet.defaultAction", ("Deny",), _PRIVATE),
    Want("azure-native:storage:StorageAccount", "allowBlobPublicAccess", (False,), "nobody reads anonymously"),
    Want("azure-native:storage:BlobContainer", "publicAccess", ("None",), "nobody reads anonymously", optional=True),
    Want("azure-native:keyvault:Vault", "properties.networkAcls.defaultAction", ("Deny",), _PRIVATE),
    Want("azure-native:dbforpostgresql:Server", "network.publicNetworkAccess", _OFF, _PRIVATE),
    Want(_REGISTRY, "publicNetworkAccess", _OFF, _PRIVATE),
    Want(_REGISTRY, "networkRuleSet.defaultAction", ("Deny",), _PRIVATE, when=_with_rules),
    Want(_REGISTRY, "sku.name", ("Premium",), "only Premium has private endpoints"),
    Want(_REGISTRY, "anonymousPullEnabled", (False,), "no anonymous pull", True),
    Want("azure-native:dashboard:Grafana", "properties.publicNetworkAccess", _OFF, _PRIVATE),
    Want("azure-native:monitor:AzureMonitorWorkspace", "publicNetworkAccess", _OFF, _PRIVATE),
    Want("azure-native:monitor:DataCollectionEndpoint", "networkAcls.publicNetworkAccess", _OFF, _PRIVATE),
    Want("azure-native:operationalinsights:Workspace", "publicNetworkAccessForIngestion", _OFF, _PRIVATE),
    Want("azure-native:operationalinsights:Workspace", "publicNetworkAccessForQuery", _OFF, _PRIVATE),
    Want(
        "azure-native:monitor:PrivateLinkScope",
        "accessModeSettings.ingestionAccessMode",
        ("PrivateOnly",),
        "an open scope lets public traffic in",
    ),
    Want("azure-native:recoveryservices:Vault", "properties.publicNetworkAccess", _OFF, _PRIVATE),
    Want("azure-native:hybridcompute:PrivateLinkScope", "properties.publicNetworkAccess", _OFF, _PRIVATE),
    Want("azure-native:compute:Disk", "networkAccessPolicy", ("DenyAll", "AllowPrivate"), "no export over Internet"),
    Want("azure-native:compute:Disk", "publicNetworkAccess", _OFF, "no export over Internet"),
    Want(_AKS, "apiServerAccessProfile.enablePrivateCluster", (True,), "the API server has a private address"),
    Want(_AKS, "apiServerAccessProfile.enablePrivateClusterPublicFQDN", (False,), "no public name for it"),
    Want(_AKS, "networkProfile.outboundType", ("userDefinedRouting", "none", "block"), "leave through the firewall"),
    Want(_AKS, "agentPoolProfiles[*].enableNodePublicIP", (False,), "nodes have no public address", True),
    Want("azure-native:containerservice:AgentPool", "enableNodePublicIP", (False,), "no public address", True),
    Want("azure-native:network:BastionHost", "enablePrivateOnlyBastion", (True,), "reached over the WAN only"),
)
# The very first run has no private endpoints yet: bootstrap may let named ranges in, until a day in the tag open-until.
DOORS = (
    Want("azure-native:storage:StorageAccount", "publicNetworkAccess", _OFF, _PRIVATE),
    Want("azure-native:keyvault:Vault", "properties.publicNetworkAccess", _OFF, _PRIVATE),
)
DOOR_TAG, DOOR_STACK, LONGEST_OPEN = "open-until", "bootstrap", timedelta(days=14)
NARROW = 24  # the widest range that bootstrap may let in, as in its settings
RANGE_KEYS = ("iPAddressOrRange", "value")
_wanted = wants(WANTS)
_doors = wants(DOORS)


def exposure(resource: Resource, today: date) -> Iterator[str]:
    """No public address, no public network access, no rule that lets the Internet in."""
    if resource.type in REFUSED_TYPES:
        yield f"public addresses are not allowed; {REFUSED_TYPES[resource.type]}"
    for leaf in resource.leaves:
        holders = leaf.path.replace("[", ".").split(".")
        if leaf.value not in (None, False, "") and not PUBLIC_KEYS.isdisjoint(holders):
            yield f"{leaf.path} attaches a public address; remove it"
    yield from inbound(resource)
    yield from firewall(resource)
    yield from _wanted(resource, today)
    yield from _registry(resource)
    yield from _door(resource, today)


def _door(resource: Resource, today: date) -> Iterator[str]:
    """What bootstrap lets in for its first run are public ranges, each of them small; elsewhere the door is shut."""
    shut = list(_doors(resource, today))
    ranges = list(_ranges(resource)) if shut and _may_open(resource, today) else []
    if not ranges:
        yield from shut
    for path, text in ranges:
        network = parse(text)
        if text != UNKNOWN and not (isinstance(network, IPv4Network) and _public_and_small(network)):
            yield f"{path} is '{text}'; name public IPv4 ranges of /{NARROW} or narrower"


def _may_open(resource: Resource, today: date) -> bool:
    """The stack is bootstrap's, and the day in the tag is neither past nor far."""
    if not resource.stack.startswith(f"{DOOR_STACK}-"):
        return False
    try:
        until = date.fromisoformat(str(resource.tag(DOOR_TAG)))
    except ValueError:
        return False
    return today <= until <= today + LONGEST_OPEN


def _ranges(resource: Resource) -> Iterator[tuple[str, object]]:
    """The ranges let in by an account or a vault; an item without a known key as it stands."""
    for steps in (("networkRuleSet", "ipRules"), ("properties", "networkAcls", "ipRules")):
        for path, rules in found_at(resource.inputs, steps):
            if rules == UNKNOWN:
                yield path, UNKNOWN
            for position, rule in enumerate(rules if isinstance(rules, list) else []):
                keys = [k for k in RANGE_KEYS if isinstance(rule, Mapping) and k in rule]
                for key in keys:
                    yield f"{path}[{position}].{key}", rule[key]
                if not keys:
                    yield f"{path}[{position}]", rule


def _public_and_small(network: IPv4Network) -> bool:
    return network.prefixlen >= NARROW and network.is_global and not network.is_multicast


def _registry(resource: Resource) -> Iterator[str]:
    """A registry has no ranges let in, not even behind public access that is off today."""
    if resource.type == _REGISTRY:
        for path, text in _ranges(resource):
            if text != UNKNOWN:
                yield f"{path} lets a range in; remove it and {_PRIVATE}"
