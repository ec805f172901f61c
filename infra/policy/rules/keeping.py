"""Keeping: what must not be lost by a slip. Protection in Pulumi, recovery in Azure, and evidence under lock.

Protection stops Pulumi; a lock stops everybody else; soft delete and purge protection undo what both let through.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date

from infra.policy.model import Resource
from infra.policy.rules.want import Want, wants

# Types whose loss costs data, or hours of an outage of the whole network. Sites are not here: they come and go.
PROTECTED: Mapping[str, str] = {
    f"azure-native:{token}": why
    for token, why in {
        "azurestackhci:Cluster": "a hub's hosting",
        "azurestackhci:StorageContainer": "disks of the hub's machines",
        "containerregistry:Registry": "images that a recovery starts from",
        "dataprotection:BackupVault": "backups",
        "dbforpostgresql:Server": "the NOC's data",
        "keyvault:Key": "without it, what it encrypts is lost",
        "keyvault:Vault": "keys and secrets",
        "management:ManagementGroup": "every policy and assignment below it",
        "monitor:AzureMonitorWorkspace": "metrics history",
        "network:AzureFirewall": "all traffic between sites",
        "network:ExpressRouteCircuit": "weeks to order again",
        "network:ExpressRouteGateway": "a hub site's line to its region",
        "network:VirtualHub": "the routes of every site",
        "network:VirtualWan": "the whole network",
        "network:VpnGateway": "the tunnels of every site",
        "operationalinsights:Workspace": "logs",
        "recoveryservices:Vault": "the other hub's recovery points",
        "storage:StorageAccount": "state, evidence or flow logs",
    }.items()
}
EVIDENCE = "evidence"  # in the name of the account, of its component or of a container: then the account holds some
EVIDENCE_DAYS = {"prod": 365, "dev": 1}  # at least; in dev a stack must be removable the day after
_ACCOUNT = "azure-native:storage:StorageAccount"
_CONTAINER = "azure-native:storage:BlobContainer"
_IMMUTABLE = "azure-native:storage:BlobContainerImmutabilityPolicy"
_SERVICE = "azure-native:storage:BlobServiceProperties"
_LOCK = "azure-native:authorization:ManagementLockByScope"
_GROUP = "azure-native:resources:ResourceGroup"


def protection(resource: Resource, _: date) -> Iterator[str]:
    """Resources of the table cannot be deleted by Pulumi until somebody unprotects them on purpose."""
    if resource.type in PROTECTED and not resource.protect:
        yield f"is not protected, and holds {PROTECTED[resource.type]}; register it with protect=True"


_UNDO = "a deletion must be possible to undo"
RECOVERY = (
    Want("azure-native:keyvault:Vault", "properties.enablePurgeProtection", (True,), _UNDO),
    Want("azure-native:keyvault:Vault", "properties.enableSoftDelete", (True,), _UNDO, optional=True),
    Want(
        "azure-native:recoveryservices:Vault",
        "properties.securitySettings.softDeleteSettings.softDeleteState",
        ("Enabled", "AlwaysON"),
        _UNDO,
        optional=True,
    ),
    Want(_SERVICE, "isVersioningEnabled", (True,), _UNDO),
    Want(_SERVICE, "deleteRetentionPolicy.enabled", (True,), _UNDO),
    Want(_SERVICE, "containerDeleteRetentionPolicy.enabled", (True,), _UNDO),
)
recovery = wants(RECOVERY)


def evidence(resources: Sequence[Resource]) -> Iterator[tuple[str, str]]:
    """Evidence can neither be changed nor deleted: immutable containers, versions, and a lock on the account.

    Edges between resources are read from where inputs come from, and from equal names where a name is given as text:
    what the engine shows the pack after a deployment are outputs, which lack the names of parents.
    """
    for account in (r for r in resources if r.type == _ACCOUNT and _holds_evidence(r, resources)):
        if not any(_locks(r, account, resources) for r in resources):
            yield account.urn, "evidence account has no lock; add ManagementLockByScope at CanNotDelete on its id"
        if not any(r.type == _SERVICE and _of(r, "accountName", account) for r in resources):
            yield account.urn, "evidence account keeps no versions; add BlobServiceProperties with versioning on"
        containers = [r for r in resources if r.type == _CONTAINER and _of(r, "accountName", account)]
        if not containers:
            yield account.urn, "evidence account has no container; add one with an immutability policy"
        for container in containers:
            yield from _immutable(container, resources)


def _holds_evidence(account: Resource, resources: Sequence[Resource]) -> bool:
    named = EVIDENCE in account.urn.casefold()  # the URN has the components' types and the name
    return named or any(
        EVIDENCE in r.name for r in resources if r.type == _CONTAINER and _of(r, "accountName", account)
    )


def _immutable(container: Resource, resources: Sequence[Resource]) -> Iterator[tuple[str, str]]:
    policies = [r for r in resources if r.type == _IMMUTABLE and _of(r, "containerName", container)]
    days = [r.inputs.get("immutabilityPeriodSinceCreationInDays") for r in policies]
    least = EVIDENCE_DAYS[container.environment]
    if not policies:
        yield container.urn, "evidence container can be changed; add BlobContainerImmutabilityPolicy"
    elif not any(isinstance(d, (int, float)) and d >= least for d in days):
        yield container.urn, f"evidence is immutable for {days[0]} days; keep it for {least} at least"


def _of(child: Resource, key: str, parent: Resource) -> bool:
    """The child's input `key` names the parent."""
    return parent.urn in child.edges.get(key, ()) or child.inputs.get(key) == parent.name


def _locks(lock: Resource, account: Resource, resources: Sequence[Resource]) -> bool:
    if lock.type != _LOCK or lock.text("level") not in ("CanNotDelete", "ReadOnly"):
        return False
    scope = lock.edges.get("scope", ())
    groups = account.edges.get("resourceGroupName", ())
    return account.urn in scope or any(r.type == _GROUP and r.urn in groups and r.urn in scope for r in resources)
