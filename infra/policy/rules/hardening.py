"""Hardening: advice that does not stop a deployment; each line is a recommendation of a published benchmark.

Sources: CIS Microsoft Azure Foundations Benchmark and CIS Microsoft Azure Kubernetes Service Benchmark; Microsoft
cloud security benchmark v1 IM-1 (no local accounts), NS-1 (segmentation).
"""

from __future__ import annotations

from infra.policy.model import Resource
from infra.policy.rules.want import PRESENT, Want, wants

_AKS = "azure-native:containerservice:ManagedCluster"
_ENTRA = "identities of people and workloads instead of shared keys"
_NO_NSG = ("GatewaySubnet", "AzureBastionSubnet", "AzureFirewallSubnet", "RouteServerSubnet")


def _takes_nsg(subnet: Resource) -> bool:
    return subnet.text("subnetName") not in _NO_NSG


WANTS = (
    Want("azure-native:storage:StorageAccount", "allowSharedKeyAccess", (False,), _ENTRA),
    Want("azure-native:keyvault:Vault", "properties.enableRbacAuthorization", (True,), "one place for rights"),
    Want("azure-native:containerregistry:Registry", "adminUserEnabled", (False,), _ENTRA),
    Want("azure-native:dbforpostgresql:Server", "authConfig.passwordAuth", ("Disabled",), _ENTRA),
    Want(_AKS, "disableLocalAccounts", (True,), _ENTRA),
    Want(_AKS, "aadProfile.enableAzureRBAC", (True,), "one place for rights"),
    Want(_AKS, "oidcIssuerProfile.enabled", (True,), "workload identity needs it"),
    Want(_AKS, "networkProfile.networkPolicy", PRESENT, "pods see only what they need"),
    Want("azure-native:network:Subnet", "defaultOutboundAccess", (False,), "leave through the hub's firewall"),
    Want("azure-native:network:Subnet", "networkSecurityGroup.id", PRESENT, "a wall inside the wall", when=_takes_nsg),
    Want("azure-native:network:FirewallPolicy", "threatIntelMode", ("Deny",), "known bad addresses are refused"),
)
hardening = wants(WANTS)
