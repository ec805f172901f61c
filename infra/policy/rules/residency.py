"""Residency: where resources and copies of data may be.

Only the two regions and `global` (services without a place: DNS, Traffic Manager), with dated exceptions for the
metadata of Azure Local, whose control plane has no region of ours. Azure's own geo-replication would copy to a region
that Microsoft chooses, so that it is off everywhere; copies go from one of our regions to the other by our own means.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from infra.graph.model import UNKNOWN
from infra.policy.model import Resource
from infra.policy.rules.want import Want, wants

REGIONS = ("spaincentral", "italynorth")
ALLOWED = frozenset({*REGIONS, "global"})
# Inputs that name a place, at any depth: fabric, replica, endpoint, recovery target.
PLACE_KEYS = frozenset(
    {
        "location",
        "endpointLocation",
        "primaryLocation",
        "recoveryLocation",
        "targetLocation",
        "replicatedRegions",
        "secondaryLocation",
        "targetRegion",
    }
)


@dataclass(frozen=True)
class Allowance:
    """A place outside the regions for types that begin with `prefix`, until a day, approved by an owner."""

    prefix: str
    place: str
    until: date
    owner: str
    reason: str
    kind: str = ""  # the input `kind` must be this, where given


_UNTIL = date(2027, 5, 31)  # as the exemption in governance; a test holds them equal
_REASON = "metadata only; Azure Local's control plane is in no region of ours (list of 2024-11, checked 2026-11)"
EXCEPTIONS = tuple(
    Allowance(prefix, "westeurope", _UNTIL, "platform-engineering", _REASON, kind)
    for prefix, kind in (
        ("azure-native:azurestackhci:", ""),
        ("azure-native:extendedlocation:CustomLocation", ""),
        ("azure-native:hybridcompute:MachineExtension", ""),
        ("azure-native:hybridcompute:Machine", "HCI"),
        ("azure-native:kubernetes:ConnectedCluster", "ProvisionedCluster"),
        ("azure-native:guestconfiguration:", ""),
    )
)
# Types that would take data or keys out of the regions whatever their inputs say.
REFUSED = {
    "azure-native:cdn:": "Front Door and CDN end TLS at points of presence all over the world; use Traffic Manager",
}
_SKUS = ("Standard_ZRS", "Premium_ZRS", "Standard_LRS", "Premium_LRS")

COPIES = (
    Want("azure-native:storage:StorageAccount", "sku.name", _SKUS, "geo-redundant copies leave the regions"),
    Want("azure-native:storage:StorageAccount", "allowCrossTenantReplication", (False,), "copies stay with us"),
    Want(
        "azure-native:dbforpostgresql:Server",
        "backup.geoRedundantBackup",
        ("Disabled",),
        "geo-redundant backups leave the regions; the other hub has a replica",
    ),
    Want(
        "azure-native:recoveryservices:Vault",
        "properties.redundancySettings.standardTierStorageRedundancy",
        ("ZoneRedundant", "LocallyRedundant"),
        "geo-redundant vault storage leaves the regions",
    ),
    Want(
        "azure-native:recoveryservices:Vault",
        "properties.redundancySettings.crossRegionRestore",
        ("Disabled",),
        "cross-region restore needs geo-redundant storage",
        optional=True,
    ),
    Want(
        "azure-native:dataprotection:BackupVault",
        "properties.storageSettings[*].type",
        ("ZoneRedundant", "LocallyRedundant"),
        "geo-redundant backups leave the regions",
    ),
    Want("azure-native:compute:Disk", "sku.name", (*_SKUS, "StandardSSD_ZRS", "PremiumV2_LRS"), "no geo copies"),
)
_copies = wants(COPIES)


def residency(resource: Resource, today: date) -> Iterator[str]:
    """Every place named by a resource is allowed for its type, and nothing replicates by itself to elsewhere."""
    for prefix, reason in REFUSED.items():
        if resource.type.startswith(prefix):
            yield f"{resource.type.split(':', 1)[1]} is not allowed; {reason}"
    yield from places(resource, today)
    yield from _copies(resource, today)


def places(resource: Resource, today: date) -> Iterator[str]:
    """Every place that the inputs name is allowed for the type."""
    # inside governance's own policies, places are what they allow, not where something is
    deep = not resource.type.startswith("azure-native:authorization:")
    for leaf in resource.leaves:
        if leaf.key in PLACE_KEYS and isinstance(leaf.value, str) and (deep or leaf.path == "location"):
            yield from _place(resource, leaf.path, leaf.value, today)


def normal(place: str) -> str:
    """`Spain Central` and `spaincentral` are the same place."""
    return place.replace(" ", "").casefold()


def _place(resource: Resource, path: str, value: str, today: date) -> Iterator[str]:
    place = normal(value)
    if place in ALLOWED or value == UNKNOWN:
        return
    for row in EXCEPTIONS:
        if place == row.place and resource.type.startswith(row.prefix) and row.kind in ("", resource.text("kind")):
            if today <= row.until:
                return
            yield (
                f"{path} is '{value}', whose exception ended on {row.until}; have {row.owner} renew it "
                "(infra/policy/rules/residency.py and the exemption in governance), or move the resource"
            )
            return
    yield f"{path} is '{value}'; use one of {', '.join(sorted(ALLOWED))}"
