"""Exposure: nothing of ours is reached from, or reaches out to, the Internet by an address of its own.

Sources: Microsoft cloud security benchmark v1 NS-1, NS-2; CIS Microsoft Azure Foundations Benchmark, storage,
database, key vault and network chapters. The addresses of Virtual WAN gateways and of the hub firewall are the
provider's own and no resources of ours [unverified: whether a deny policy on public addresses touches them].
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

from infra.policy.model import Resource
from infra.policy.rules.want import Want, wants

REFUSED_TYPES = {
    "azure-native:network:PublicIPAddress": "reach it through a private endpoint or the hub's firewall",
    "azure-native:network:PublicIPPrefix": "reach it through a private endpoint or the hub's firewall",
    "azure-native:network:NatGateway": "leave through the hub's firewall",
}
PUBLIC_KEYS = frozenset({"publicIPAddress", "publicIPAddresses", "publicIPPrefix", "nodePublicIPPrefixID"})
ANYWHERE = frozenset({"*", "internet", "0.0.0.0/0", "::/0", "any"})
_OFF = ("Disabled",)
_PRIVATE = "use its private endpoint"
_AKS = "azure-native:containerservice:ManagedCluster"

WANTS = (
    Want("azure-native:storage:StorageAccount", "networkRuleSet.defaultAction", ("Deny",), _PRIVATE),
    Want("azure-native:storage:StorageAccount", "allowBlobPublicAccess", (False,), "nobody reads anonymously"),
    Want("azure-native:storage:BlobContainer", "publicAccess", ("None",), "nobody reads anonymously", optional=True),
    Want("azure-native:keyvault:Vault", "properties.networkAcls.defaultAction", ("Deny",), _PRIVATE),
    Want("azure-native:dbforpostgresql:Server", "network.publicNetworkAccess", _OFF, _PRIVATE),
    Want("azure-native:containerregistry:Registry", "publicNetworkAccess", _OFF, _PRIVATE),
    Want("azure-native:containerregistry:Registry", "sku.name", ("Premium",), "only Premium has private endpoints"),
    Want("azure-native:containerregistry:Registry", "anonymousPullEnabled", (False,), "no anonymous pull", True),
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
    if resource.type == "azure-native:network:SecurityRule":
        yield from _rule(resource)
    yield from _wanted(resource, today)
    if not _open_door(resource, today):
        yield from _doors(resource, today)


def _open_door(resource: Resource, today: date) -> bool:
    """Named ranges are let in for the first run, and the day is neither past nor far."""
    if not resource.stack.startswith(f"{DOOR_STACK}-"):
        return False
    try:
        until = date.fromisoformat(str(resource.tags.get(DOOR_TAG)))
    except ValueError:
        return False
    ranges = any(".ipRules[" in leaf.path for leaf in resource.leaves)
    return ranges and today <= until <= today + LONGEST_OPEN


def _rule(rule: Resource) -> Iterator[str]:
    if (rule.text("direction").casefold(), rule.text("access").casefold()) != ("inbound", "allow"):
        return
    several = rule.inputs.get("sourceAddressPrefixes")
    sources = [rule.text("sourceAddressPrefix"), *(several if isinstance(several, list) else [])]
    for source in sources:
        if isinstance(source, str) and source.casefold() in ANYWHERE:
            yield f"allows inbound from '{source}'; name the WAN's prefixes or a service tag of ours"
