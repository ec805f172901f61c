"""One good resource of every type that a policy or an invariant looks at, and tools to spoil a copy of it."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from infra.core.arm import resource_id, table
from infra.core.stacks import StackId, parse
from infra.graph.model import Graph, Node

DROP = object()
STACK = "continuity-dev"
TAGS = {
    "environment": "dev",
    "stack": "continuity",
    "owner": "platform-engineering",
    "cost-centre": "ict-network",
    "data-class": "confidential",
}
COMPONENT = "Example"


def urn_of(stack: str, token: str, name: str) -> str:
    return f"urn:pulumi:{stack}::wan-noc::{token}::{name}"


def node(stack: str, token: str, name: str, inputs: Mapping[str, Any] | None = None, **more: Any) -> Node:
    """A node as the recorder makes it: name input, resource group, tags and place filled in from the type's row."""
    if not token.startswith("azure-native:"):
        return Node(urn_of(stack, token, name), token, name, "", False, {}, **more)
    if token not in table():
        return Node(urn_of(stack, token, name), token, name, "", True, dict(inputs or {}), **more)
    row = table()[token]
    filled: dict[str, Any] = {}
    for placeholder in re.findall(r"\{(\w+)\}", row.template):
        if placeholder == "resourceGroup":
            filled["resourceGroupName"] = "rg-wan-dev"
        elif placeholder != "subscription":
            filled[placeholder] = "parent"
    if row.template.endswith("}"):
        filled[row.name_input] = name
    if row.tags:
        filled["tags"] = dict(TAGS)
    if row.location:
        filled["location"] = "spaincentral"
    filled |= copy.deepcopy(dict(inputs or {}))
    filled = {k: v for k, v in filled.items() if v is not DROP}
    more.setdefault("parent", urn_of(stack, "wan-noc:continuity:Example", COMPONENT))
    more.setdefault("version", "3.29.0")
    more.setdefault("id", resource_id(token, filled))
    return Node(urn_of(stack, token, name), token, name, custom=True, inputs=filled, **more)


def graph(stack: StackId | str, *nodes: Node, **more: Any) -> Graph:
    identity = parse(stack) if isinstance(stack, str) else stack
    component = node(identity.name, "wan-noc:continuity:Example", COMPONENT)
    more.setdefault("outputs", {})
    return Graph(identity, {n.urn: n for n in (component, *nodes)}, **more)


def spoilt(whole: Graph, name: str, change: Callable[[Node], Node]) -> Graph:
    """A copy of the graph in which the node of that name is changed."""
    (found,) = [n for n in whole if n.name == name]
    return with_nodes(whole, *[change(found) if n is found else n for n in whole])


def with_nodes(whole: Graph, *nodes: Node) -> Graph:
    return Graph(
        whole.stack,
        {n.urn: n for n in nodes},
        whole.outputs,
        whole.secret_outputs,
        whole.reads,
        whole.duplicates,
    )


def setting(path: str, value: Any) -> Callable[[Node], Node]:
    """A change that sets (or drops) the input at `path`, `a.b[0].c`."""

    def change(found: Node) -> Node:
        inputs: Any = copy.deepcopy(dict(found.inputs))
        *steps, last = [int(w) if w.isdecimal() else w for w in re.findall(r"[^.\[\]]+", path)]
        holder = inputs
        for step in steps:
            holder = holder.setdefault(step, {}) if isinstance(holder, dict) else holder[step]
        if value is DROP:
            del holder[last]
        else:
            holder[last] = value
        return replace(found, inputs=inputs)

    return change


def option(**options: Any) -> Callable[[Node], Node]:
    """A change of resource options: `option(protect=False)`."""
    return lambda found: replace(found, **options)


_POOL = {"name": "system", "enableEncryptionAtHost": True, "enableNodePublicIP": False}
_SUITE = {
    "ipsecEncryption": "GCMAES256",
    "ipsecIntegrity": "GCMAES256",
    "ikeEncryption": "GCMAES256",
    "ikeIntegrity": "SHA384",
    "dhGroup": "ECP384",
    "pfsGroup": "ECP384",
}
_HOST = {
    "bitlockerBootVolume": True,
    "bitlockerDataVolumes": True,
    "smbSigningEnforced": True,
    "smbClusterEncryption": True,
}
_ACCOUNT = {
    "sku": {"name": "Standard_ZRS"},
    "kind": "StorageV2",
    "allowCrossTenantReplication": False,
    "publicNetworkAccess": "Disabled",
    "networkRuleSet": {"defaultAction": "Deny"},
    "allowBlobPublicAccess": False,
    "allowSharedKeyAccess": False,
    "enableHttpsTrafficOnly": True,
    "minimumTlsVersion": "TLS1_2",
    "encryption": {"requireInfrastructureEncryption": True, "keySource": "Microsoft.Keyvault"},
}
SLOW = {"create": "60m"}

# (type without the prefix, name, inputs, options)
EXAMPLES: tuple[tuple[str, str, dict[str, Any], dict[str, Any]], ...] = (
    ("resources:ResourceGroup", "rg-wan-dev", {}, {}),
    ("storage:StorageAccount", "stwoevidencedev", _ACCOUNT, {"protect": True}),
    (
        "storage:BlobServiceProperties",
        "default-versions",
        {
            "blobServicesName": "default",
            "accountName": "stwoevidencedev",
            "isVersioningEnabled": True,
            "deleteRetentionPolicy": {"enabled": True},
            "containerDeleteRetentionPolicy": {"enabled": True},
        },
        {},
    ),
    ("storage:BlobContainer", "drills", {"accountName": "stwoevidencedev", "publicAccess": "None"}, {}),
    (
        "storage:BlobContainerImmutabilityPolicy",
        "drills-kept",
        {
            "accountName": "stwoevidencedev",
            "containerName": "drills",
            "immutabilityPolicyName": "default",
            "immutabilityPeriodSinceCreationInDays": 365,
        },
        {},
    ),
    (
        "authorization:ManagementLockByScope",
        "lock-evidence",
        {"level": "CanNotDelete", "scope": "/subscriptions/x/evidence"},
        {"data_edges": {"scope": (urn_of(STACK, "azure-native:storage:StorageAccount", "stwoevidencedev"),)}},
    ),
    (
        "keyvault:Vault",
        "kv-wo-continuity-dev",
        {
            "properties": {
                "publicNetworkAccess": "Disabled",
                "networkAcls": {"defaultAction": "Deny"},
                "enablePurgeProtection": True,
                "enableSoftDelete": True,
                "enableRbacAuthorization": True,
            }
        },
        {"protect": True},
    ),
    ("keyvault:Key", "disks", {}, {"protect": True}),
    (
        "keyvault:Secret",
        "postgres-admin",
        {"properties": {"value": "placeholder"}},
        {"secrets": frozenset({"properties.value"}), "additional_secret_outputs": ("properties",)},
    ),
    (
        "dbforpostgresql:Server",
        "psql-wo-noc-dev",
        {
            "administratorLoginPassword": "placeholder",
            "network": {"publicNetworkAccess": "Disabled"},
            "backup": {"geoRedundantBackup": "Disabled"},
            "dataEncryption": {"type": "AzureKeyVault", "primaryKeyURI": "https://kv/keys/disks"},
            "authConfig": {"passwordAuth": "Disabled"},
        },
        {
            "protect": True,
            "timeouts": SLOW,
            "secrets": frozenset({"administratorLoginPassword"}),
            "additional_secret_outputs": ("administratorLoginPassword",),
        },
    ),
    ("dbforpostgresql:Configuration", "require_secure_transport", {"value": "on"}, {}),
    ("dbforpostgresql:Configuration", "ssl_min_protocol_version", {"value": "TLSv1.2"}, {}),
    (
        "recoveryservices:Vault",
        "rsv-wan-dev",
        {
            "properties": {
                "publicNetworkAccess": "Disabled",
                "redundancySettings": {
                    "standardTierStorageRedundancy": "ZoneRedundant",
                    "crossRegionRestore": "Disabled",
                },
                "encryption": {
                    "infrastructureEncryption": "Enabled",
                    "keyVaultProperties": {"keyUri": "https://kv/keys/disks"},
                },
                "securitySettings": {"softDeleteSettings": {"softDeleteState": "AlwaysON"}},
            }
        },
        {"protect": True},
    ),
    (
        "dataprotection:BackupVault",
        "bvault-wan-dev",
        {"properties": {"storageSettings": [{"type": "ZoneRedundant"}]}},
        {"protect": True},
    ),
    (
        "containerregistry:Registry",
        "crwonocdev",
        {
            "sku": {"name": "Premium"},
            "publicNetworkAccess": "Disabled",
            "anonymousPullEnabled": False,
            "adminUserEnabled": False,
            "encryption": {"status": "enabled"},
            "networkRuleSet": {"defaultAction": "Deny"},
        },
        {"protect": True},
    ),
    ("dashboard:Grafana", "amg-wo-noc-dev", {"properties": {"publicNetworkAccess": "Disabled"}}, {}),
    ("monitor:AzureMonitorWorkspace", "amw-noc-dev", {"publicNetworkAccess": "Disabled"}, {"protect": True}),
    ("monitor:DataCollectionEndpoint", "dce-noc-dev", {"networkAcls": {"publicNetworkAccess": "Disabled"}}, {}),
    (
        "monitor:PrivateLinkScope",
        "ampls-wan-dev",
        {"location": "global", "accessModeSettings": {"ingestionAccessMode": "PrivateOnly"}},
        {},
    ),
    (
        "operationalinsights:Workspace",
        "log-wan-dev",
        {"publicNetworkAccessForIngestion": "Disabled", "publicNetworkAccessForQuery": "Disabled"},
        {"protect": True},
    ),
    (
        "containerservice:ManagedCluster",
        "aks-noc-dev",
        {
            "agentPoolProfiles": [_POOL],
            "apiServerAccessProfile": {"enablePrivateCluster": True, "enablePrivateClusterPublicFQDN": False},
            "networkProfile": {"outboundType": "userDefinedRouting", "networkPolicy": "cilium"},
            "diskEncryptionSetID": "/subscriptions/x/des",
            "disableLocalAccounts": True,
            "aadProfile": {"enableAzureRBAC": True},
            "oidcIssuerProfile": {"enabled": True},
        },
        {"timeouts": SLOW},
    ),
    ("containerservice:AgentPool", "work", {k: v for k, v in _POOL.items() if k != "name"}, {}),
    (
        "compute:Disk",
        "disk-tool-dev",
        {"sku": {"name": "Premium_ZRS"}, "networkAccessPolicy": "DenyAll", "publicNetworkAccess": "Disabled"},
        {},
    ),
    ("compute:VirtualMachine", "vm-tool-dev", {"securityProfile": {"encryptionAtHost": True}}, {}),
    ("network:BastionHost", "bas-wan-dev", {"enablePrivateOnlyBastion": True}, {}),
    ("network:VirtualWan", "vwan-wan-dev", {}, {"protect": True}),
    ("network:VirtualHub", "vhub-valencia-dev", {}, {"protect": True, "timeouts": SLOW}),
    ("network:VpnGateway", "vpng-valencia-dev", {}, {"protect": True, "timeouts": SLOW}),
    ("network:ExpressRouteGateway", "ergw-valencia-dev", {}, {"protect": True, "timeouts": SLOW}),
    (
        "network:ExpressRouteCircuit",
        "erc-valencia-dev",
        {},
        {"protect": True, "additional_secret_outputs": ("serviceKey",)},
    ),
    ("network:AzureFirewall", "afw-valencia-dev", {}, {"protect": True, "timeouts": SLOW}),
    ("network:FirewallPolicy", "afwp-wan-dev", {"threatIntelMode": "Deny"}, {}),
    (
        "network:FirewallPolicyRuleCollectionGroup",
        "snmp",
        {
            "ruleCollections": [
                {
                    "ruleCollectionType": "FirewallPolicyFilterRuleCollection",
                    "action": {"type": "Allow"},
                    "rules": [
                        {
                            "ruleType": "NetworkRule",
                            "ipProtocols": ["UDP"],
                            "sourceIpGroups": ["/subscriptions/x/ipGroups/noc"],
                            "destinationIpGroups": ["/subscriptions/x/ipGroups/sites"],
                            "destinationPorts": ["161"],
                        }
                    ],
                }
            ]
        },
        {},
    ),
    ("network:IpGroup", "ipg-sites-dev", {"ipAddresses": ["10.0.0.0/9", "10.128.0.0/12"]}, {}),
    (
        "network:VpnConnection",
        "vcn-lima-valencia-dev",
        {
            "vpnLinkConnections": [
                {"sharedKey": "placeholder", "vpnConnectionProtocolType": "IKEv2", "ipsecPolicies": [_SUITE]}
            ]
        },
        {
            "timeouts": SLOW,
            "secrets": frozenset({"vpnLinkConnections[0].sharedKey"}),
            "additional_secret_outputs": ("vpnLinkConnections",),
        },
    ),
    ("network:VirtualNetwork", "vnet-noc-dev", {}, {}),
    (
        "network:Subnet",
        "snet-noc-dev",
        {"defaultOutboundAccess": False, "networkSecurityGroup": {"id": "/subscriptions/x/nsg"}},
        {},
    ),
    ("network:NetworkSecurityGroup", "nsg-noc-dev", {}, {}),
    ("network:RouteTable", "rt-noc-dev", {}, {}),
    (
        "network:SecurityRule",
        "allow-wan",
        {"direction": "Inbound", "access": "Allow", "sourceAddressPrefixes": ["10.0.0.0/8"]},
        {},
    ),
    ("trafficmanager:Profile", "traf-wo-noc-dev", {"location": "global", "monitorConfig": {"protocol": "HTTPS"}}, {}),
    (
        "azurestackhci:DeploymentSetting",
        "deployment",
        {
            "deploymentSettingsName": "default",
            "deploymentConfiguration": {"scaleUnits": [{"deploymentData": {"securitySettings": _HOST}}]},
        },
        {"timeouts": SLOW},
    ),
    ("azurestackhci:Cluster", "hci-valencia-dev", {"location": "westeurope"}, {"protect": True}),
    ("azurestackhci:StorageContainer", "sc-valencia-dev", {"location": "westeurope"}, {"protect": True}),
    ("management:ManagementGroup", "mg-wan-dev", {}, {"protect": True}),
    ("hybridcompute:PrivateLinkScope", "hpls-wan-dev", {"properties": {"publicNetworkAccess": "Disabled"}}, {}),
)


def good_stack() -> Graph:
    """A stack of every example that breaks no policy."""
    nodes = [node(STACK, f"azure-native:{token}", name, inputs, **more) for token, name, inputs, more in EXAMPLES]
    return graph(STACK, *nodes)
