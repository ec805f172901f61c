"""Roles: Azure's own by name, ours as data, and who may hand out which.

Turns (role, scope) into role definition ids and (what an assignment is for) into its name, which Azure wants as a
GUID. Built-in ids: "Azure built-in roles" (learn.microsoft.com/azure/role-based-access-control), 2026-11.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

_SPACE = uuid.UUID("5d0c7a50-5c5b-4d7e-9f10-6b3f1c1f7a11")  # ours: names of assignments are made in it

BUILT_IN: Mapping[str, str] = MappingProxyType(
    {
        "Contributor": "b24988ac-6180-42a0-ab88-20f7382dd24c",
        "Key Vault Contributor": "f25e0fa2-a7c8-4377-a976-54943a77a395",
        "Key Vault Crypto Service Encryption User": "e147488a-f6f5-4113-8e2d-b22465e65bf6",
        "Key Vault Crypto User": "12338af0-0e69-4776-bea7-57ae8d297424",
        "Key Vault Secrets User": "4633458b-17de-408a-b874-0445c86b69e6",
        "Monitoring Data Reader": "b0d8363b-8ddd-447d-831f-62ca05bff136",
        "Monitoring Reader": "43d0d8ad-25c7-4714-9337-8ba259a9fe05",
        "Reader": "acdd72a7-3385-48ef-bd42-f606fba81ae7",
        "Role Based Access Control Administrator": "f58310d9-a9f6-439a-9e8d-f62e7b41a168",
        "Storage Blob Data Contributor": "ba92f5b4-2d11-453d-a403-e96b0029c9fe",
        "Storage Blob Data Reader": "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1",
        "Tag Contributor": "4a9ae827-6dc8-4573-8ac7-8239d42aa03f",
        "AcrPull": "7f951dda-4ed3-4680-a7ca-43fe172d538d",
        "AcrPush": "8311e382-0749-4cb8-b61a-304f252e45ec",
        "Managed Identity Operator": "f1a07417-d97a-45cb-824c-7a7467783830",
        "Network Contributor": "4d97b98b-1d4f-4787-a291-c67834d212e7",
        "Grafana Admin": "22926164-76b3-42b3-bc55-97df8dab3e41",
        "Grafana Editor": "a79a5197-3a5c-4973-a920-486035ffd60f",
        "Grafana Viewer": "60921a7e-fef1-4a43-9b16-a26c52ad4769",
        "Private DNS Zone Contributor": "b12aa53e-6015-4669-85d0-8515ebb3ae7f",
    }
)

# What the deployment pipeline may hand out: the roles that the layers' own identities need, and none that could
# hand out more (no Owner, no access administrator).
PIPELINE_MAY_GRANT = (
    "AcrPull",
    "AcrPush",
    "Grafana Admin",
    "Grafana Editor",
    "Grafana Viewer",
    "Key Vault Crypto Service Encryption User",
    "Key Vault Secrets User",
    "Managed Identity Operator",
    "Monitoring Data Reader",
    "Monitoring Reader",
    "Network Contributor",
    "Private DNS Zone Contributor",
    "Reader",
    "Storage Blob Data Contributor",
)


@dataclass(frozen=True, slots=True)
class CustomRole:
    """A role of ours: what its holders may do on the management side and with data."""

    id: str
    title: str
    purpose: str
    actions: tuple[str, ...]
    not_actions: tuple[str, ...] = ()
    data_actions: tuple[str, ...] = ()


_FAILOVER = "Microsoft.RecoveryServices/vaults/replicationRecoveryPlans"
CUSTOM: tuple[CustomRole, ...] = (
    CustomRole(
        "noc-operator",
        "NOC operator",
        "Sees everything that runs, its metrics and health; changes nothing, reads no secret and no data.",
        actions=(
            "*/read",
            "Microsoft.Insights/alertRules/incidents/read",
            "Microsoft.Network/vpnGateways/getbgppeerstatus/action",
            "Microsoft.Network/vpnGateways/getlearnedroutes/action",
            "Microsoft.Network/vpnGateways/getadvertisedroutes/action",
            "Microsoft.Network/virtualHubs/effectiveRoutes/action",
            "Microsoft.OperationalInsights/workspaces/search/action",
            "Microsoft.ResourceHealth/availabilityStatuses/read",
            "Microsoft.Support/*",
        ),
        not_actions=("Microsoft.KeyVault/vaults/secrets/read", "Microsoft.KeyVault/vaults/keys/read"),
    ),
    CustomRole(
        "dr-commander",
        "Disaster recovery commander",
        "Moves applications from one hub to the other: Traffic Manager, recovery plans, PostgreSQL's writer. No more.",
        actions=(
            "*/read",
            "Microsoft.Network/trafficManagerProfiles/write",
            "Microsoft.Network/trafficManagerProfiles/azureEndpoints/write",
            "Microsoft.Network/trafficManagerProfiles/externalEndpoints/write",
            "Microsoft.Network/trafficManagerProfiles/nestedEndpoints/write",
            f"{_FAILOVER}/plannedFailover/action",
            f"{_FAILOVER}/unplannedFailover/action",
            f"{_FAILOVER}/failoverCommit/action",
            f"{_FAILOVER}/failoverCancel/action",
            f"{_FAILOVER}/reProtect/action",
            f"{_FAILOVER}/testFailover/action",
            f"{_FAILOVER}/testFailoverCleanup/action",
            "Microsoft.DBforPostgreSQL/flexibleServers/write",  # a replica is promoted by a write to it
            "Microsoft.DBforPostgreSQL/flexibleServers/restart/action",  # forced failover to the other zone
            "Microsoft.DBforPostgreSQL/flexibleServers/virtualendpoints/write",
        ),
        not_actions=("Microsoft.KeyVault/vaults/secrets/read", "Microsoft.KeyVault/vaults/keys/read"),
    ),
)
# What the commander may change, as the prefixes that a test holds the role to.
COMMANDER_AREAS = (
    "Microsoft.Network/trafficManagerProfiles/",
    "Microsoft.RecoveryServices/vaults/replicationRecoveryPlans/",
    "Microsoft.DBforPostgreSQL/flexibleServers/",
)


def definition_id(role: str, subscription: str = "") -> str:
    """The id of a built-in role: the tenant's, or as a subscription's resources name it.

    Raises:
        KeyError: the role is not in `BUILT_IN` (a mistake in our code).
    """
    scope = f"/subscriptions/{subscription}" if subscription else ""
    return f"{scope}/providers/Microsoft.Authorization/roleDefinitions/{BUILT_IN[role]}"


def assignment_name(*parts: str) -> str:
    """The GUID that names an assignment or a role of ours: always the same for the same parts."""
    return str(uuid.uuid5(_SPACE, "/".join(parts)))


def may_grant(roles: Iterable[str]) -> str:
    """The condition of an assignment whose holder may give and take these roles only.

    Azure's language of conditions, version 2.0 ("Delegate Azure access management to others").
    """
    allowed = ", ".join(BUILT_IN[r] for r in sorted(roles))
    write = "Microsoft.Authorization/roleAssignments/write"
    delete = "Microsoft.Authorization/roleAssignments/delete"
    attribute = "[Microsoft.Authorization/roleAssignments:RoleDefinitionId]"
    return (
        f"((!(ActionMatches{{'{write}'}})) OR (@Request{attribute} ForAnyOfAnyValues:GuidEquals {{{allowed}}}))"
        f" AND ((!(ActionMatches{{'{delete}'}})) OR (@Resource{attribute} ForAnyOfAnyValues:GuidEquals {{{allowed}}}))"
    )
