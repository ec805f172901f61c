"""What Azure answers beside the inputs: ids, addresses, host names and principals, made up but well formed.

Turns (type, inputs, id) into a resource's outputs, the same for the recorder and the rehearsal provider. Everything
made up is derived from the id, so that two runs agree; nothing of it says anything about Azure itself.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Mapping
from typing import Any

Outputs = dict[str, Any]


def outputs(token: str, inputs: Mapping[str, Any], resource_id: str) -> Outputs:
    """The outputs of a resource: its inputs, `name`, and what its type computes."""
    name = resource_id.rpartition("/")[2]
    found: Outputs = {**as_answered(inputs), "name": inputs.get("name", name), "provisioningState": "Succeeded"}
    make = COMPUTED.get(token)
    return found | make(inputs, resource_id) if make else found


def as_answered(inputs: Mapping[str, Any]) -> Outputs:
    """The inputs in the shape of Azure's answer: the list of user-assigned identities comes back as a map by id."""
    identity = inputs.get("identity")
    if not isinstance(identity, Mapping) or not isinstance(identity.get("userAssignedIdentities"), list):
        return dict(inputs)
    ids = {
        i: {"clientId": guid(f"{i}/client"), "principalId": guid(f"{i}/principal")}
        for i in identity["userAssignedIdentities"]
    }
    return {**inputs, "identity": {**identity, "userAssignedIdentities": ids}}


def guid(text: str) -> str:
    """A GUID that is always the same for the same text."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, text))


def host(resource_id: str, salt: str) -> int:
    """A host number from 4 to 250, always the same for the same id."""
    return 4 + hashlib.sha256(f"{resource_id}{salt}".encode()).digest()[0] % 247


def _name(resource_id: str) -> str:
    return resource_id.rpartition("/")[2]


# Types whose computed outputs a programme of ours reads. Names are the SDK's wire names.
COMPUTED: Mapping[str, Callable[[Mapping[str, Any], str], Outputs]] = {
    "azure-native:managedidentity:UserAssignedIdentity": lambda _, i: {
        "principalId": guid(i + "/principal"),
        "clientId": guid(i + "/client"),
        "tenantId": guid("tenant"),
    },
    "azure-native:keyvault:Vault": lambda p, i: {
        "properties": {**p.get("properties", {}), "vaultUri": f"https://{_name(i)}.vault.azure.net/"}
    },
    "azure-native:keyvault:Key": lambda p, i: {
        "keyUri": f"https://{p.get('vaultName')}.vault.azure.net/keys/{_name(i)}",
        "keyUriWithVersion": f"https://{p.get('vaultName')}.vault.azure.net/keys/{_name(i)}/{guid(i).replace('-', '')}",
    },
    "azure-native:containerservice:ManagedCluster": lambda p, i: {
        "oidcIssuerProfile": {
            **p.get("oidcIssuerProfile", {}),
            "issuerURL": f"https://{p.get('location')}.oic.prod-aks.azure.com/{guid('tenant')}/{guid(i)}/",
        }
    },
    "azure-native:containerregistry:Registry": lambda _, i: {"loginServer": f"{_name(i)}.azurecr.io"},
    "azure-native:dashboard:Grafana": lambda p, i: {
        "identity": {**p.get("identity", {}), "principalId": guid(i + "/principal"), "tenantId": guid("tenant")},
        "properties": {
            **p.get("properties", {}),
            "endpoint": f"https://{_name(i)}.{p.get('location')}.grafana.azure.com",
        },
    },
    "azure-native:network:AzureFirewall": lambda _, i: {
        "hubIPAddresses": {"privateIPAddress": f"10.255.0.{host(i, 'firewall')}"}
    },
    "azure-native:storage:ObjectReplicationPolicy": lambda p, i: {
        "policyId": guid(i) if p.get("objectReplicationPolicyId") == "default" else p.get("objectReplicationPolicyId"),
        "rules": [{"ruleId": guid(f"{i}{n}"), **rule} for n, rule in enumerate(p.get("rules", []))],
    },
    "azure-native:authorization:PolicyAssignment": lambda p, i: {
        "identity": {**p.get("identity", {}), "principalId": guid(i + "/principal")}
    },
    "azure-native:network:ExpressRouteCircuit": lambda _, i: {"serviceKey": guid(i + "/service-key")},
    "azure-native:network:ExpressRouteCircuitAuthorization": lambda _, i: {
        "authorizationKey": guid(i + "/authorization-key")
    },
    "azure-native:dbforpostgresql:VirtualEndpoint": lambda _, i: {
        "virtualEndpoints": [f"{_name(i)}.{role}.postgres.database.azure.com" for role in ("writer", "reader")]
    },
}
