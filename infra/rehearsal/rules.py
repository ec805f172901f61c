"""Azure Resource Manager's rules about ids: what a resource stands under, what it refers to, what replaces it.

Pure functions over ids and inputs. An id may lead through things that no programme of ours makes (a fabric's networks,
a storage account's `default` blob service): then the nearest thing above it that has a row in `arm_types.csv` counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from infra.core.arm import arm_type, table

# Names that Azure itself gives to things that come with their parent or with a subscription.
_OF_AZURE = {"default", "defaultroutetable", "noneroutetable", "current", "networkwatcherrg"}
_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
# Built-in definitions, and the tenant's own management group, are named by GUIDs and are always there.
_BUILT_IN = {
    "microsoft.authorization/roledefinitions",
    "microsoft.authorization/policydefinitions",
    "microsoft.authorization/policysetdefinitions",
    "microsoft.management/managementgroups",
}
# Inputs beside the id's parts and the location whose change replaces the resource
# (pulumi/pulumi-azure-native, provider/pkg/gen/replacement.go, read 2026-11; only types that we use).
_REPLACING: Mapping[str, frozenset[str]] = {
    "azure-native:authorization:RoleAssignment": frozenset({"principalId", "scope"}),
    "azure-native:containerservice:ManagedCluster": frozenset(
        {"diskEncryptionSetID", "dnsPrefix", "fqdnSubdomain", "linuxProfile", "networkProfile", "nodeResourceGroup"}
    ),
    "azure-native:containerservice:AgentPool": frozenset({"gpuInstanceProfile", "vmSize"}),
    "azure-native:storage:StorageAccount": frozenset({"isHnsEnabled"}),
}


@cache
def replacing(token: str) -> frozenset[str]:
    """The inputs of a type whose change makes a new resource: the parts of its id, its location, and some by type."""
    parts = set(re.findall(r"\{(\w+)\}", arm_type(token).template)) - {"subscription"}
    if "resourceGroup" in parts:
        parts = (parts - {"resourceGroup"}) | {"resourceGroupName"}
    return frozenset(parts | {"location"}) | _REPLACING.get(token, frozenset())


def type_of(arm_id: str) -> str:
    """`microsoft.network/vpngateways/vpnconnections`, lower case; `resourcegroups` and `subscriptions` without one."""
    head, provider, tail = arm_id.lower().strip("/").rpartition("providers/")
    words = tail.split("/")
    if provider and len(words) > 2:
        return "/".join([words[0], *words[1::2]])
    words = (head + tail).strip("/").split("/")
    return words[-2] if len(words) > 1 else ""


def name_of(arm_id: str) -> str:
    """The last name in an id."""
    return arm_id.rstrip("/").rpartition("/")[2]


def above(arm_id: str) -> Iterator[str]:
    """The ids that a resource stands under, nearest first, up to its subscription or management group."""
    words = arm_id.strip("/").split("/")
    while len(words) > 2:
        words = words[:-2]
        if len(words) >= 2 and words[-2].lower() == "providers":
            words = words[:-2]
        if words:
            yield "/" + "/".join(words)


def anchor(arm_id: str) -> str:
    """The nearest of an id and what stands above it that some programme must have made; empty when there is none."""
    for each in (arm_id, *above(arm_id)):
        kind = type_of(each)
        if kind not in _made_by_programmes():
            continue
        name = name_of(each).lower()
        if name in _OF_AZURE:
            continue
        return "" if kind in _BUILT_IN and _GUID.fullmatch(name) else each
    return ""


def parent(arm_id: str) -> str:
    """What must exist before this can: its anchor above; empty when that is Azure's own."""
    return next((found for each in above(arm_id) if (found := anchor(each))), "")


def references(value: Any) -> Iterator[str]:
    """Every resource id inside a value, as written."""
    if isinstance(value, str):
        if value.startswith("/") and value.lower().startswith(("/subscriptions/", "/providers/microsoft.management/")):
            yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from references(item)
    elif isinstance(value, list):
        for item in value:
            yield from references(item)


@cache
def _made_by_programmes() -> frozenset[str]:
    found = set()
    for row in table().values():
        filled = row.template.replace("{subscription}", "/subscriptions/s").replace(
            "{resourceGroup}", "/subscriptions/s/resourceGroups/g"
        )
        found.add(type_of(re.sub(r"\{\w+\}", "x", filled)))
    return frozenset(found)
