"""Encryption: at rest twice over, at the host, with our own keys where the data class asks for it; on the wire IPsec.

Sources: Microsoft cloud security benchmark v1 DP-4, DP-5; CIS Microsoft Azure Foundations Benchmark (storage, AKS);
IPsec suites: RFC 8247 (2017), which asks not to use Diffie-Hellman groups 1, 2 and 24.
"""

from __future__ import annotations

from infra.graph.model import UNKNOWN
from infra.policy.model import Resource
from infra.policy.rules.want import PRESENT, Want, wants

AZURE_KEYS = ("unclassified",)  # the data classes for which Azure's keys will do; all others need keys of ours
_HOST = "temporary disks and caches hold data too"
_OURS = "this data class needs a key of ours"
_AKS = "azure-native:containerservice:ManagedCluster"
_LOCAL = "azure-native:azurestackhci:DeploymentSetting"
_LOCAL_PATH = "deploymentConfiguration.scaleUnits[*].deploymentData.securitySettings"
_VPN = "azure-native:network:VpnConnection"
_STRONG_CIPHERS = ("GCMAES256", "AES256")
_STRONG_HASHES = ("SHA256", "SHA384", "GCMAES256")
_STRONG_GROUPS = ("ECP384", "ECP256", "DHGroup14", "DHGroup2048")
_STRONG_PFS = ("ECP384", "ECP256", "PFS14", "PFS2048")


def own_keys(resource: Resource) -> bool:
    """The resource's data class needs keys of ours, and so does one that is missing or that nobody knows."""
    if resource.inputs.get("tags") == UNKNOWN:
        return False
    return resource.tag("data-class") not in (*AZURE_KEYS, UNKNOWN)


WANTS = (
    Want("azure-native:storage:StorageAccount", "enableHttpsTrafficOnly", (True,), "plain HTTP is not allowed"),
    Want(
        "azure-native:storage:StorageAccount",
        "encryption.requireInfrastructureEncryption",
        (True,),
        "encrypt a second time below the service; can be chosen only when the account is made",
    ),
    Want("azure-native:storage:StorageAccount", "encryption.keySource", ("Microsoft.Keyvault",), _OURS, when=own_keys),
    Want("azure-native:dbforpostgresql:Server", "dataEncryption.type", ("AzureKeyVault",), _OURS, when=own_keys),
    Want("azure-native:dbforpostgresql:Server", "dataEncryption.primaryKeyURI", PRESENT, _OURS, when=own_keys),
    Want(
        "azure-native:recoveryservices:Vault",
        "properties.encryption.keyVaultProperties.keyUri",
        PRESENT,
        "copies of other hubs' machines are encrypted with a key of ours",
    ),
    Want(
        "azure-native:recoveryservices:Vault",
        "properties.encryption.infrastructureEncryption",
        ("Enabled",),
        "encrypt a second time below the service",
    ),
    Want("azure-native:containerregistry:Registry", "encryption.status", ("enabled",), _OURS, when=own_keys),
    Want(_AKS, "agentPoolProfiles[*].enableEncryptionAtHost", (True,), _HOST),
    Want(_AKS, "diskEncryptionSetID", PRESENT, _OURS, when=own_keys),
    Want("azure-native:containerservice:AgentPool", "enableEncryptionAtHost", (True,), _HOST),
    Want("azure-native:compute:VirtualMachine", "securityProfile.encryptionAtHost", (True,), _HOST),
    Want(_LOCAL, f"{_LOCAL_PATH}.bitlockerBootVolume", (True,), "hub hosts can be stolen"),
    Want(_LOCAL, f"{_LOCAL_PATH}.bitlockerDataVolumes", (True,), "hub hosts can be stolen"),
    Want(_LOCAL, f"{_LOCAL_PATH}.smbSigningEnforced", (True,), "storage traffic is signed"),
    Want(_LOCAL, f"{_LOCAL_PATH}.smbClusterEncryption", (True,), "storage traffic between hosts is encrypted"),
    *(
        Want(_VPN, f"vpnLinkConnections[*].ipsecPolicies[*].{key}", allowed, "weaker suites are broken or fading")
        for key, allowed in (
            ("ipsecEncryption", _STRONG_CIPHERS),
            ("ikeEncryption", _STRONG_CIPHERS),
            ("ipsecIntegrity", _STRONG_HASHES),
            ("ikeIntegrity", _STRONG_HASHES),
            ("dhGroup", _STRONG_GROUPS),
            ("pfsGroup", _STRONG_PFS),
        )
    ),
    Want(_VPN, "vpnLinkConnections", PRESENT, "a tunnel without links has no policy of ours"),
    Want(_VPN, "vpnLinkConnections[*].ipsecPolicies", PRESENT, "without a policy Azure negotiates down to SHA-1"),
    Want(_VPN, "vpnLinkConnections[*].vpnConnectionProtocolType", ("IKEv2",), "IKEv1 is obsolete"),
)
encryption = wants(WANTS)
