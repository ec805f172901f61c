"""Azure Policy: our own definitions as data, and the one set that all of them and the chosen built-ins make up.

Each `<id>.json` here is a definition: title, purpose, mode, parameters and the rule in Azure's own language. Fields of
resources are named by aliases; a definition with an alias that Azure does not know is refused whole, so that only those
in `aliases.csv` may be used (where each was seen, 2026-11). What has no such alias is held by the policy pack alone.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

FOLDER = Path(__file__).parent
Rule = Mapping[str, Any]  # Azure's JSON: the one place where its shape is not ours to type

# Built-in definitions, from the public repository Azure/azure-policy, folder built-in-policies (2026-04-29).
BUILT_IN: Mapping[str, str] = MappingProxyType(
    {
        "Allowed locations": "e56962a6-4747-49cd-b67b-bf8b01975c4c",
        "Allowed locations for resource groups": "e765b5de-1225-4ba3-bd56-1ac6695af988",
        "Azure Key Vault should use RBAC permission model": "12d4fa5e-1f9f-4c21-97a9-b99b3c6611b5",
        "Key vaults should have deletion protection enabled": "0b60c0b2-2dc2-4e1c-b5c9-abbed971de53",
        "Network interfaces should not have public IPs": "83a86a26-fd1f-447c-b59d-e51f44264114",
        "Secure transfer to storage accounts should be enabled": "404c3081-a854-4457-ae30-26a93ef643f9",
        "Storage account public access should be disallowed": "4fa4b6c0-31ca-4c0d-b10d-24b96f62a751",
        "Storage accounts should have the specified minimum TLS version": "fe83a0eb-a853-422d-aac2-1bffd182c5d0",
        "Storage accounts should prevent cross tenant object replication": "92a89a79-6c52-4a7e-a03f-61306fc49312",
    }
)


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a definition or of the set: Azure's type, what it means, what it may be."""

    type: str
    description: str
    allowed: tuple[str, ...] = ()
    default: str | None = None


@dataclass(frozen=True, slots=True)
class Definition:
    """A policy of ours. `id` is the file's stem."""

    id: str
    title: str
    purpose: str
    category: str
    mode: str
    parameters: Mapping[str, Parameter]
    rule: Rule


@dataclass(frozen=True, slots=True)
class Member:
    """One policy in the set.

    `reference` is what exemptions name; `values` are its parameters, `[parameters('x')]` passing on the set's. Either
    `custom` (id of a definition of ours) or `built_in` (title) says which policy it is.
    """

    reference: str
    message: str
    custom: str = ""
    built_in: str = ""
    values: Mapping[str, object] = field(default_factory=dict)


def _given(*names: str) -> dict[str, object]:
    return {name: f"[parameters('{name}')]" for name in names}


SET_PARAMETERS: Mapping[str, Parameter] = MappingProxyType(
    {
        "effect": Parameter(
            "String", "Deny, or Audit while the set is tried out", ("Deny", "Audit", "Disabled"), "Deny"
        ),
        "allowedLocations": Parameter("Array", "Regions where data may be"),
        "requiredTags": Parameter("Array", "Names of the tags that must be there"),
        "managedGroups": Parameter("Array", "Patterns of the names of resource groups that Azure services manage"),
        "storageSkus": Parameter("Array", "Kinds of storage account that may be made"),
        "subscriptions": Parameter("Array", "Subscriptions whose storage accounts may take copies"),
        "machineSizes": Parameter("Array", "Patterns of virtual machine sizes"),
        "registryTiers": Parameter("Array", "Tiers of container registries"),
        "firewallTiers": Parameter("Array", "Tiers of firewalls"),
    }
)
_EFFECT = _given("effect")
_LOCATIONS = _EFFECT | {"listOfAllowedLocations": "[parameters('allowedLocations')]"}


def members(tags: tuple[str, ...]) -> tuple[Member, ...]:
    """The set. One member a tag inherits it, because a definition of that kind can only add one.

    Args:
        tags: the required tags.
    """
    fixed = (
        Member(
            "allowed-locations",
            "Data stay in Spain and Italy: use spaincentral or italynorth",
            built_in="Allowed locations",
            values=_LOCATIONS,
        ),
        Member(
            "allowed-group-locations",
            "Data stay in Spain and Italy: use spaincentral or italynorth",
            built_in="Allowed locations for resource groups",
            values=_LOCATIONS,
        ),
        Member("no-geo-redundancy", "Use zone redundancy", "no-geo-redundancy", values=_given("effect", "storageSkus")),
        Member(
            "replication-targets",
            "Copies go to our own accounts only",
            "replication-targets",
            values=_given("effect", "subscriptions"),
        ),
        Member(
            "no-cross-tenant-copies",
            "Copies do not leave the tenant",
            built_in="Storage accounts should prevent cross tenant object replication",
            values=_EFFECT,
        ),
        Member("no-public-addresses", "Use a private endpoint or a hub", "no-public-addresses", values=_EFFECT),
        Member(
            "no-public-interfaces",
            "Use a private endpoint or a hub",
            built_in="Network interfaces should not have public IPs",
        ),
        Member(
            "no-public-network", "Disable public network access; add an endpoint", "no-public-network", values=_EFFECT
        ),
        Member("no-open-inbound", "Name the sources", "no-open-inbound", values=_EFFECT),
        Member(
            "no-anonymous-blobs",
            "Blobs are never public",
            built_in="Storage account public access should be disallowed",
            values=_EFFECT,
        ),
        Member(
            "storage-https",
            "Use HTTPS",
            built_in="Secure transfer to storage accounts should be enabled",
            values=_EFFECT,
        ),
        Member(
            "storage-tls",
            "Use TLS 1.2 or later",
            built_in="Storage accounts should have the specified minimum TLS version",
            values=_EFFECT | {"minimumTlsVersion": "TLS1_2"},
        ),
        Member(
            "vault-protection",
            "Turn purge protection on",
            built_in="Key vaults should have deletion protection enabled",
            values=_EFFECT,
        ),
        Member(
            "vault-roles",
            "Use roles, not access policies",
            built_in="Azure Key Vault should use RBAC permission model",
            values=_EFFECT,
        ),
        Member(
            "required-tags",
            "Add the required tags",
            "required-tags",
            values=_given("effect", "requiredTags", "managedGroups"),
        ),
        Member(
            "required-group-tags",
            "Add the required tags",
            "required-group-tags",
            values=_given("effect", "requiredTags", "managedGroups"),
        ),
        Member(
            "allowed-sizes",
            "Use an agreed size or tier",
            "allowed-sizes",
            values=_given("effect", "machineSizes", "registryTiers", "firewallTiers"),
        ),
    )
    inherited = (Member(f"inherit-{t}", f"Tag {t} is taken over", "inherit-tag", values={"tagName": t}) for t in tags)
    return (*fixed, *inherited)


@cache
def definitions() -> Mapping[str, Definition]:
    """Our definitions by id."""
    found = {}
    for path in sorted(FOLDER.glob("*.json")):
        raw = json.loads(path.read_text(encoding="utf-8"))
        parameters = {
            name: Parameter(p["type"], p["description"], tuple(p.get("allowedValues", ())), p.get("defaultValue"))
            for name, p in raw["parameters"].items()
        }
        found[path.stem] = Definition(
            path.stem, raw["title"], raw["purpose"], raw["category"], raw["mode"], parameters, raw["rule"]
        )
    return found


@cache
def aliases() -> frozenset[str]:
    """The aliases that rules may use."""
    with (FOLDER / "aliases.csv").open(newline="", encoding="utf-8") as file:
        return frozenset(row["alias"] for row in csv.DictReader(file))


def built_in_id(title: str) -> str:
    """The id of a built-in definition; they live at the tenant."""
    return f"/providers/Microsoft.Authorization/policyDefinitions/{BUILT_IN[title]}"
