"""Every policy of ours is well formed, refuses a bad resource and lets a good one pass."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from governance_support import as_arm, recorded
from rule_evaluator import UnknownLanguageError, effect

from infra.core import policies
from infra.core.arm import table
from infra.core.tags import REQUIRED
from infra.settings.governance import Settings

DEFAULTS = Settings(layer="governance", environment="prod")
OURS = "/subscriptions/11111111-1111-1111-1111-111111111111/"
VALUES: dict[str, Any] = {
    "effect": "Deny",
    "allowedLocations": list(DEFAULTS.allowed_locations),
    "requiredTags": list(REQUIRED),
    "managedGroups": list(DEFAULTS.managed_groups),
    "storageSkus": list(DEFAULTS.storage_skus),
    "subscriptions": [OURS],
    "machineSizes": list(DEFAULTS.machine_sizes),
    "registryTiers": list(DEFAULTS.registry_tiers),
    "firewallTiers": list(DEFAULTS.firewall_tiers),
    "tagName": "owner",
}
TAGS = dict.fromkeys(REQUIRED, "x")
FEWER = dict.fromkeys(REQUIRED[1:], "x")
RULE = "Microsoft.Network/networkSecurityGroups/securityRules"
NSG = "Microsoft.Network/networkSecurityGroups"
GROUP = "Microsoft.Resources/subscriptions/resourceGroups"
COPY = "Microsoft.Storage/storageAccounts/objectReplicationPolicies"


def r(kind: str, name: str = "x", **parts: Any) -> dict[str, Any]:
    """A resource; what is not a top-level part is a property."""
    top = {k: parts.pop(k) for k in ("sku", "tags", "resourceGroup", "location") if k in parts}
    return {"type": kind, "name": name, "location": "italynorth", **top, "properties": parts}


def closed(kind: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The service open, and closed."""
    return r(kind, publicNetworkAccess="Enabled"), r(kind, publicNetworkAccess="Disabled")


def inbound(source: str, access: str = "Allow", direction: str = "Inbound") -> dict[str, Any]:
    """The properties of a security rule."""
    return {"access": access, "direction": direction, "sourceAddressPrefix": source}


# policy -> pairs (refused, allowed)
SAMPLES: dict[str, list[tuple[dict[str, Any], dict[str, Any]]]] = {
    "no-public-addresses": [
        (r("Microsoft.Network/publicIPAddresses"), r("Microsoft.Network/privateEndpoints")),
        (r("Microsoft.Network/publicIPPrefixes"), r("Microsoft.Network/virtualNetworks")),
    ],
    "no-public-network": [
        closed("Microsoft.KeyVault/vaults"),
        closed("Microsoft.Storage/storageAccounts"),
        closed("Microsoft.ContainerRegistry/registries"),
        closed("Microsoft.Dashboard/grafana"),
        closed("Microsoft.RecoveryServices/vaults"),
        (r("Microsoft.KeyVault/vaults"), closed("Microsoft.KeyVault/vaults")[1]),  # silent: open by default
        (
            r("Microsoft.DBforPostgreSQL/flexibleServers", network={"publicNetworkAccess": "Enabled"}),
            r("Microsoft.DBforPostgreSQL/flexibleServers", network={"publicNetworkAccess": "Disabled"}),
        ),
        (
            r(
                "Microsoft.OperationalInsights/workspaces",
                publicNetworkAccessForIngestion="Disabled",
                publicNetworkAccessForQuery="Enabled",
            ),
            r(
                "Microsoft.OperationalInsights/workspaces",
                publicNetworkAccessForIngestion="Disabled",
                publicNetworkAccessForQuery="Disabled",
            ),
        ),
        (
            r("Microsoft.OperationalInsights/workspaces", publicNetworkAccessForQuery="Disabled"),
            r("Microsoft.Network/virtualNetworks"),
        ),
        (
            r("Microsoft.ContainerService/managedClusters", apiServerAccessProfile={"enablePrivateCluster": False}),
            r("Microsoft.ContainerService/managedClusters", apiServerAccessProfile={"enablePrivateCluster": True}),
        ),
    ],
    "no-open-inbound": [
        (r(RULE, **inbound("*")), r(RULE, **inbound("10.0.0.0/8"))),
        (r(RULE, **inbound("0.0.0.0/0")), r(RULE, **inbound("Internet", access="Deny"))),
        (r(RULE, **inbound("internet")), r(RULE, **inbound("*", direction="Outbound"))),
        (
            r(RULE, access="Allow", direction="Inbound", sourceAddressPrefixes=["10.0.0.0/8", "*"]),
            r(RULE, access="Allow", direction="Inbound", sourceAddressPrefixes=["10.0.0.0/8"]),
        ),
        (
            r(NSG, securityRules=[inbound("10.0.0.0/8"), inbound("Internet")]),
            r(NSG, securityRules=[inbound("10.0.0.0/8"), inbound("Internet", access="Deny")]),
        ),
    ],
    "no-geo-redundancy": [
        (
            r("Microsoft.Storage/storageAccounts", sku={"name": "Standard_GRS"}),
            r("Microsoft.Storage/storageAccounts", sku={"name": "Standard_ZRS"}),
        ),
        (
            r("Microsoft.Storage/storageAccounts", sku={"name": "Standard_RAGZRS"}),
            r("Microsoft.Storage/storageAccounts", sku={"name": "Premium_ZRS"}),
        ),
        (
            r(
                "Microsoft.RecoveryServices/vaults",
                redundancySettings={"standardTierStorageRedundancy": "GeoRedundant"},
            ),
            r(
                "Microsoft.RecoveryServices/vaults",
                redundancySettings={"standardTierStorageRedundancy": "ZoneRedundant"},
            ),
        ),
        (
            r("Microsoft.DBforPostgreSQL/flexibleServers", backup={"geoRedundantBackup": "Enabled"}),
            r("Microsoft.DBforPostgreSQL/flexibleServers", backup={"geoRedundantBackup": "Disabled"}),
        ),
    ],
    "replication-targets": [
        (
            r(COPY, destinationAccount="/subscriptions/99999999-1111-1111-1111-111111111111/x/storageAccounts/theirs"),
            r(COPY, destinationAccount=f"{OURS.upper()}resourceGroups/x/storageAccounts/ours"),
        ),
        (r(COPY, destinationAccount="justaname"), r("Microsoft.Storage/storageAccounts")),
        (r(COPY), r(COPY, destinationAccount=f"{OURS}x")),
    ],
    "required-tags": [
        (r("Microsoft.Network/virtualWans", tags=FEWER), r("Microsoft.Network/virtualWans", tags=TAGS)),
        (
            r("Microsoft.Network/virtualWans", resourceGroup={"name": "rg-wan"}),
            r("Microsoft.Compute/disks", resourceGroup={"name": "MC_noc_aks"}),
        ),
    ],
    "required-group-tags": [
        (r(GROUP, "rg-wan", tags=FEWER), r(GROUP, "rg-wan", tags=TAGS)),
        (r(GROUP, "rg-wan"), r(GROUP, "MA_workspace_x_managed")),
        (r(GROUP, "myMC_x"), r("Microsoft.Compute/disks")),
    ],
    "allowed-sizes": [
        (
            r("Microsoft.Compute/virtualMachines", sku={"name": "Standard_M416ms_v2"}),
            r("Microsoft.Compute/virtualMachines", sku={"name": "Standard_D4ds_v5"}),
        ),
        (
            r("Microsoft.Compute/virtualMachines"),
            r("Microsoft.Compute/virtualMachines", sku={"name": "standard_e8s_v5"}),
        ),
        (
            r("Microsoft.ContainerRegistry/registries", sku={"name": "Basic"}),
            r("Microsoft.ContainerRegistry/registries", sku={"name": "Premium"}),
        ),
        (
            r("Microsoft.Network/azureFirewalls", sku={"tier": "Basic"}),
            r("Microsoft.Network/azureFirewalls", sku={"tier": "Premium"}),
        ),
    ],
}
PAIRS = [(name, *pair) for name, pairs in SAMPLES.items() for pair in pairs]


def run(name: str, resource: dict[str, Any], **changed: Any) -> str | None:
    """What our policy does to the resource."""
    return effect(policies.definitions()[name].rule, VALUES | changed, resource)


@pytest.mark.parametrize(("name", "bad", "good"), PAIRS)
def test_a_rule_denies_the_bad_resource_and_not_the_good_one(name: str, bad: Any, good: Any) -> None:
    assert run(name, bad) == "deny"
    assert run(name, good) is None


def test_every_rule_that_denies_has_samples() -> None:
    denying = {d.id for d in policies.definitions().values() if d.rule["then"]["effect"] == "[parameters('effect')]"}
    assert denying == set(SAMPLES)
    assert set(policies.definitions()) - denying == {"inherit-tag"}


def branches(rule: Any) -> list[Any]:
    """The alternatives of a rule's outermost anyOf; the rule itself where there is none."""
    return list(rule["if"].get("anyOf", [rule["if"]]))


@pytest.mark.parametrize("name", SAMPLES)
def test_each_alternative_of_a_rule_is_needed_by_a_sample(name: str) -> None:
    rule = policies.definitions()[name].rule
    for n, _ in enumerate(branches(rule)):
        kept = [b for m, b in enumerate(branches(rule)) if m != n]
        weaker = {"if": {"anyOf": kept}, "then": rule["then"]}
        assert any(effect(weaker, VALUES, bad) is None for bad, _ in SAMPLES[name]), f"alternative {n} is untested"


def test_audit_instead_of_deny_is_possible_for_every_rule_that_denies() -> None:
    for name, pairs in SAMPLES.items():
        assert run(name, pairs[0][0], effect="Audit") == "audit"


def test_a_missing_tag_is_taken_from_the_group_unless_the_group_has_none() -> None:
    group = {"name": "MC_x", "tags": {"owner": "noc"}}
    assert run("inherit-tag", r("Microsoft.Compute/disks", resourceGroup=group)) == "modify"
    assert run("inherit-tag", r("Microsoft.Compute/disks", tags={"owner": "me"}, resourceGroup=group)) is None
    assert run("inherit-tag", r("Microsoft.Compute/disks", resourceGroup={"name": "x"})) is None


def strings(value: Any) -> list[str]:
    """Every text inside a JSON value."""
    if isinstance(value, dict):
        return [s for v in value.values() for s in strings(v)]
    if isinstance(value, list):
        return [s for v in value for s in strings(v)]
    return [value] if isinstance(value, str) else []


@pytest.mark.parametrize("definition", policies.definitions().values(), ids=lambda d: d.id)
def test_a_definition_declares_exactly_the_parameters_that_it_uses(definition: policies.Definition) -> None:
    used = set(re.findall(r"parameters\('(\w+)'\)", json.dumps(definition.rule)))
    assert used == set(definition.parameters)
    assert definition.mode in {"All", "Indexed"}
    assert len(definition.title) <= 128
    assert len(definition.purpose) <= 512


def fields(value: Any) -> list[str]:
    """Every field that a rule looks at or changes."""
    if isinstance(value, dict):
        own = [value["field"]] if isinstance(value.get("field"), str) else []
        return own + [f for v in value.values() for f in fields(v)]
    return [f for v in value for f in fields(v)] if isinstance(value, list) else []


@pytest.mark.parametrize("definition", policies.definitions().values(), ids=lambda d: d.id)
def test_a_rule_uses_only_aliases_that_were_seen_in_azure(definition: policies.Definition) -> None:
    plain = {"type", "name", "location", "tags"}
    used = {f for f in fields(definition.rule) if f not in plain and not f.startswith("[")}
    assert used <= policies.aliases()


def test_no_alias_is_listed_that_no_rule_uses() -> None:
    used = {f for d in policies.definitions().values() for f in fields(d.rule)}
    assert policies.aliases() <= used


def test_a_rule_with_words_unknown_to_the_evaluator_is_an_error_here_not_a_pass() -> None:
    with pytest.raises(UnknownLanguageError):
        effect({"if": {"field": "type", "match": "x"}, "then": {"effect": "deny"}}, {}, r("a/b"))
    with pytest.raises(UnknownLanguageError):
        effect({"if": {"value": "[utcNow()]", "equals": "x"}, "then": {"effect": "deny"}}, {}, r("a/b"))


def test_the_set_gives_every_custom_member_all_its_parameters_and_nothing_else() -> None:
    for member in policies.members(REQUIRED):
        assert bool(member.custom) != bool(member.built_in)
        if member.custom:
            needed = policies.definitions()[member.custom].parameters
            assert set(member.values) == set(needed), member.reference
    passed = {p for m in policies.members(REQUIRED) for p in re.findall(r"parameters\('(\w+)'\)", json.dumps(m.values))}
    assert passed == set(policies.SET_PARAMETERS)


def test_references_in_the_set_are_unique_and_every_definition_is_in_it() -> None:
    references = [m.reference for m in policies.members(REQUIRED)]
    assert len(references) == len(set(references))
    assert {m.custom for m in policies.members(REQUIRED) if m.custom} == set(policies.definitions())
    assert {m.built_in for m in policies.members(REQUIRED) if m.built_in} == set(policies.BUILT_IN)


@pytest.mark.parametrize("stack", ["bootstrap-prod", "bootstrap-dev", "governance-prod"])
def test_our_own_layers_pass_our_own_policies(stack: str) -> None:
    graph = recorded(stack)
    ours = VALUES | {"subscriptions": ["/subscriptions/00000000-0000-0000-0000-000000000000/"]}
    groups: dict[str, Any] = {
        n.name: {"name": n.name, "tags": n.inputs["tags"]}
        for n in graph.of_type("azure-native:resources:ResourceGroup")
    }
    for node in graph.resources:
        row = table()[node.type]
        resource = as_arm(node, groups)
        for definition in policies.definitions().values():
            if definition.mode == "All" or (row.tags and row.location):
                found = effect(definition.rule, ours, resource)
                assert found in {None, "modify"}, f"{node.urn}: {definition.id}"


def test_an_open_door_of_the_first_run_would_be_denied_once_the_policies_stand() -> None:
    graph = recorded("bootstrap-prod", bootstrapAddresses='["20.50.1.0/28"]', bootstrapUntil="2026-12-05")
    vault = as_arm(graph.of_type("azure-native:keyvault:Vault")[0], {})
    assert effect(policies.definitions()["no-public-network"].rule, VALUES, vault) == "deny"
