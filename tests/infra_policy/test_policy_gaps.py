"""What once slipped through: each way around a policy is refused, in process and through the pack."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any, get_args

import policy_examples as examples
import pytest
from policy_examples import DROP, STACK, good_stack, graph, node, setting, spoilt, urn_of, with_nodes

from infra.graph.model import UNKNOWN, Graph, Node
from infra.policy import evaluate
from infra.policy.driver import PackProcess
from infra.policy.rules.encryption import AZURE_KEYS
from infra.policy.rules.packages import ALLOWED
from infra.policy.rules.tagging import DATA_CLASSES
from infra.settings.base import Common

TODAY = date(2026, 11, 21)
ACCOUNT, RULE, TUNNEL, GROUP = "stwoevidencedev", "allow-wan", "vcn-lima-valencia-dev", "nsg-noc-dev"
REGISTRY, VAULT = "crwonocdev", "kv-wo-continuity-dev"
NETWORK = "ruleCollections[0].rules[0]"
MACHINES = [{"id": "/subscriptions/x/applicationSecurityGroups/probes"}]
EVERYTHING = {
    "ruleType": "NetworkRule",
    "ipProtocols": ["Any"],
    "sourceAddresses": ["*"],
    "destinationAddresses": ["*"],
    "destinationPorts": ["*"],
}
TO_EVERY_NAME = {"ruleType": "ApplicationRule", "sourceAddresses": ["*"], "targetFqdns": ["*"]}
FROM_OUTSIDE = EVERYTHING | {"ruleType": "NatRule", "destinationPorts": ["443"], "translatedAddress": "10.0.0.4"}


@dataclass(frozen=True)
class Gap:
    """A way around a policy: what it is called, the policies it must break, and the stack that has it."""

    what: str
    policies: frozenset[str]
    whole: Graph


def gap(policy: str, what: str, name: str, *changes: Callable[[Node], Node]) -> Gap:
    whole = good_stack()
    for change in changes:
        whole = spoilt(whole, name, change)
    return Gap(what, frozenset({policy}), whole)


def rule(**inputs: Any) -> dict[str, Any]:
    return {"direction": "Inbound", "access": "Allow", "priority": 100} | inputs


def sources(*given: str) -> Callable[[Node], Node]:
    return setting("sourceAddressPrefixes", list(given))


def foreign(token: str, custom: bool = True) -> Gap:
    made = Node(urn_of(STACK, token, "x"), token, "x", "", custom, {"location": "eastus"})
    return Gap(token, frozenset({"packages"}), with_nodes(good_stack(), *good_stack(), made))


def door(what: str, token: str, path: str, ranges: list[Any]) -> Gap:
    """An account or vault of bootstrap that lets ranges in during the first run."""
    (found,) = good_stack().of_type(f"azure-native:{token}")
    access = "publicNetworkAccess" if token.startswith("storage") else "properties.publicNetworkAccess"
    for at, value in ((path, ranges), (access, "Enabled"), ("tags.open-until", "2026-11-30")):
        found = setting(at, value)(found)
    moved = node("bootstrap-dev", found.type, "stwostatedev", found.inputs, protect=True)
    return Gap(what, frozenset({"no-public-access"}), graph("bootstrap-dev", moved))


def account(text: Any) -> Gap:
    return door(f"an account open to {text}", "storage:StorageAccount", "networkRuleSet.ipRules", [
        {"iPAddressOrRange": "9.9.9.9"}, {"iPAddressOrRange": text},
    ])  # fmt: skip


def vault(text: Any) -> Gap:
    return door(f"a vault open to {text}", "keyvault:Vault", "properties.networkAcls.ipRules", [{"value": text}])


EXPOSED, ENCRYPTION = "no-public-access", "encryption"
BAD_RANGES = ("0.0.0.0/0", "0.0.0.0/00", "0.0.0.0", "9.9.8.0/23", "10.1.2.0/24", "2620:fe::/64", "", None)
GAPS: tuple[Gap, ...] = (
    *(
        gap(EXPOSED, f"a group's own rule from {source}", GROUP, setting("securityRules", [rule(**source)]))
        for source in (
            {"sourceAddressPrefix": "*"},
            {"sourceAddressPrefix": "Internet"},
            {"sourceAddressPrefixes": ["10.0.0.0/8", "0.0.0.0/1"]},
            {},
        )
    ),
    gap(
        EXPOSED,
        "a rule of a group inside a subnet of a network",
        "vnet-noc-dev",
        setting("subnets", [{"networkSecurityGroup": {"securityRules": [rule(sourceAddressPrefix="*")]}}]),
    ),
    *(
        gap(EXPOSED, f"a rule from {source!r}", RULE, sources("10.0.0.0/8", source))
        for source in (
            *(
                "0.0.0.0/1",
                "::/1",
                "0.0.0.0/00",
                "0.0.0.0",
                " *",
                "* ",
                "8.8.8.0/24",
                "AzureCloud",
                "10.0.0.0/7",
            ),
            *("VirtualNetwork", "10.0.0.0/8,0.0.0.0/0", "::ffff:0:0/96", "AzureCloud.spaincentral", " ", "172.0.0.0/8"),
        )
    ),
    gap(EXPOSED, "one prefix that is all", RULE, sources(), setting("sourceAddressPrefix", "0.0.0.0/1")),
    gap(EXPOSED, "no source at all", RULE, setting("sourceAddressPrefixes", DROP)),
    gap(EXPOSED, "an empty list of sources", RULE, sources()),
    gap(EXPOSED, "a group of no machines", RULE, sources(), setting("sourceApplicationSecurityGroups", [{}])),
    gap(EXPOSED, "no direction", RULE, sources("*"), setting("direction", DROP)),
    *(account(text) for text in BAD_RANGES),
    *(vault(text) for text in BAD_RANGES),
    gap(ENCRYPTION, "no suite", TUNNEL, setting("vpnLinkConnections[0].ipsecPolicies", [])),
    gap(ENCRYPTION, "suites that are no list", TUNNEL, setting("vpnLinkConnections[0].ipsecPolicies", {"a": 1})),
    gap(ENCRYPTION, "a tunnel without links", TUNNEL, setting("vpnLinkConnections", DROP)),
    gap(ENCRYPTION, "a tunnel with an empty list of links", TUNNEL, setting("vpnLinkConnections", [])),
    gap(ENCRYPTION, "no pools", "aks-noc-dev", setting("agentPoolProfiles", [])),
    gap("residency", "no storage settings", "bvault-wan-dev", setting("properties.storageSettings", [])),
    *(
        gap(ENCRYPTION, f"a key that is {key!r}", "rsv-wan-dev", setting(path, key))
        for path in ("properties.encryption.keyVaultProperties.keyUri",)
        for key in ("", " ")
    ),
    gap("tags", "a data class that nobody knows", "vnet-noc-dev", setting("tags.data-class", "public")),
    gap("tags", "a data class in other letters", "vnet-noc-dev", setting("tags.data-class", "Confidential")),
    *(
        gap("tags", f"a blank {tag}", "vnet-noc-dev", setting(f"tags.{tag}", " "))
        for tag in examples.TAGS
        if tag != "environment"
    ),
    gap("tags", "one tag twice", "vnet-noc-dev", setting("tags.Data-Class", "unclassified")),
    *(
        gap(EXPOSED, f"a firewall rule: {what}", "snmp", setting(NETWORK, made))
        for what, made in {
            "everybody to everything": EVERYTHING,
            "in two halves": EVERYTHING | {"sourceAddresses": ["0.0.0.0/1", "128.0.0.0/1"]},
            "as ranges": EVERYTHING | {"destinationAddresses": ["0.0.0.0-255.255.255.255"]},
            "with every port named": EVERYTHING | {"destinationPorts": ["1-32767", "32768-65535"]},
            "with every private address": EVERYTHING | {"sourceAddresses": ["10.0.0.0/8"]},
            "with neither sources nor destinations": {"ruleType": "NetworkRule", "destinationPorts": ["*"]},
            "to every name": TO_EVERY_NAME,
            "the Internet let in": FROM_OUTSIDE,
        }.items()
    ),
    gap(EXPOSED, "an IP group of everybody", "ipg-sites-dev", setting("ipAddresses", ["10.0.0.0/9", "0.0.0.0/0"])),
    gap(
        EXPOSED,
        "rules outside the firewall policy",
        "afw-valencia-dev",
        setting("networkRuleCollections", [{"rules": [EVERYTHING]}]),
    ),
    gap(EXPOSED, "a registry open to all", REGISTRY, setting("networkRuleSet.defaultAction", "Allow")),
    gap(EXPOSED, "a registry that does not say", REGISTRY, setting("networkRuleSet", {})),
    gap(
        EXPOSED,
        "a registry open to a range",
        REGISTRY,
        setting("networkRuleSet.ipRules", [{"iPAddressOrRange": "9.9.9.9"}]),
    ),
    *(
        foreign(token)
        for token in (
            "aws:s3/bucket:Bucket",
            "kubernetes:core/v1:Service",
            "azure:storage/account:Account",
            "azure-native_storage_v20230101:storage:StorageAccount",
            "pulumi-python:dynamic:Resource",
            "pulumi:providers:aws",
            "Azure-Native:storage:StorageAccount",
        )
    ),
    foreign("kubernetes:helm.sh/v3:Chart", custom=False),
)


def broken(whole: Graph) -> set[str]:
    return {v.policy for v in evaluate([whole], TODAY)}


@pytest.mark.parametrize("found", GAPS, ids=lambda g: g.what)
def test_no_way_around_a_policy(found: Gap) -> None:
    violations = evaluate([found.whole], TODAY)
    assert {v.policy for v in violations} == found.policies
    assert {v.level for v in violations} == {"mandatory"}
    assert all("; " in v.message for v in violations)


def test_the_pack_refuses_every_way_around_a_policy() -> None:
    graphs = [found.whole for found in GAPS]
    with PackProcess() as pack:
        assert pack.evaluate(graphs, TODAY) == evaluate(graphs, TODAY)


@pytest.mark.parametrize("token", ["aws:s3/bucket:Bucket", "kubernetes:core/v1:Service"])
def test_a_foreign_package_is_refused_by_name(token: str) -> None:
    (violation,) = evaluate([foreign(token).whole], TODAY)
    assert f"'{token.partition(':')[0]}'" in violation.message
    assert all(name in violation.message for name in ALLOWED)


GOOD_SOURCES: tuple[Callable[[Node], Node], ...] = (
    sources("10.0.0.0/8", "172.16.0.0/12", "192.168.7.0/24", "100.64.0.0/16", "fd00:1::/64", "10.1.2.3"),
    sources("AzureLoadBalancer"),
    sources(UNKNOWN),
    setting("sourceAddressPrefixes", UNKNOWN),
    lambda found: setting("sourceApplicationSecurityGroups", MACHINES)(sources()(found)),
    lambda found: setting("access", "Deny")(sources("*")(found)),
    lambda found: setting("direction", "Outbound")(sources("*")(found)),
)


@pytest.mark.parametrize("change", GOOD_SOURCES, ids=range(len(GOOD_SOURCES)))
def test_what_is_ours_is_let_in(change: Callable[[Node], Node]) -> None:
    assert broken(spoilt(good_stack(), RULE, change)) == set()
    inline = {k: v for k, v in change(alone(RULE)).inputs.items() if k in KEYS}
    assert broken(spoilt(good_stack(), GROUP, setting("securityRules", [inline]))) == set()


KEYS = ("direction", "access", "sourceAddressPrefixes", "sourceApplicationSecurityGroups")


def alone(name: str) -> Node:
    (found,) = [n for n in good_stack() if n.name == name]
    return found


def test_small_public_ranges_open_bootstrap_s_door() -> None:
    for text in ("9.9.9.9", "9.9.9.0/24", "9.9.9.128/25", UNKNOWN):
        assert broken(account(text).whole) == set(), text
        assert broken(vault(text).whole) == set(), text


def own_key_faults(data_class: Any) -> list[str]:
    """What is said of an account with Azure's own key."""
    whole = spoilt(good_stack(), ACCOUNT, setting("encryption.keySource", "Microsoft.Storage"))
    whole = spoilt(whole, ACCOUNT, setting("tags.data-class", data_class))
    return sorted(broken(whole))


def test_only_a_known_class_without_the_need_does_without_our_key() -> None:
    assert own_key_faults("unclassified") == []
    assert own_key_faults("confidential") == ["encryption"]
    for unknown in ("Confidential", "public", " ", "", DROP):
        assert own_key_faults(unknown) == ["encryption", "tags"], unknown


def test_a_tag_s_name_in_other_letters_is_the_same_tag() -> None:
    tags = {"Data-Class" if k == "data-class" else k: v for k, v in examples.TAGS.items()}
    whole = spoilt(good_stack(), ACCOUNT, setting("tags", tags))
    assert broken(whole) == set()
    assert broken(spoilt(whole, ACCOUNT, setting("encryption.keySource", "Microsoft.Storage"))) == {"encryption"}


def test_the_data_classes_are_those_of_the_settings() -> None:
    assert get_args(Common.model_fields["data_class"].annotation) == DATA_CLASSES
    assert set(AZURE_KEYS) < set(DATA_CLASSES)


GOOD_RULES: tuple[dict[str, Any], ...] = (
    EVERYTHING | {"destinationPorts": ["443"]},
    EVERYTHING | {"sourceAddresses": ["10.0.0.0/9"]},
    EVERYTHING | {"sourceAddresses": [], "sourceIpGroups": ["/subscriptions/x/ipGroups/noc"]},
    EVERYTHING | {"destinationAddresses": ["AzureMonitor"]},
    TO_EVERY_NAME | {"targetFqdns": ["mcr.microsoft.com"]},
    FROM_OUTSIDE | {"sourceAddresses": ["10.0.0.0/24"]},
)


@pytest.mark.parametrize("made", GOOD_RULES, ids=range(len(GOOD_RULES)))
def test_a_firewall_rule_that_names_something_passes(made: dict[str, Any]) -> None:
    assert broken(spoilt(good_stack(), "snmp", setting(NETWORK, made))) == set()


def test_a_rule_that_denies_everything_passes() -> None:
    whole = spoilt(good_stack(), "snmp", setting(NETWORK, EVERYTHING))
    assert broken(spoilt(whole, "snmp", setting("ruleCollections[0].action.type", "Deny"))) == set()


def unknowns() -> Iterator[tuple[str, str]]:
    yield "snmp", "ruleCollections"
    yield "snmp", NETWORK
    yield "snmp", f"{NETWORK}.sourceIpGroups"
    yield "ipg-sites-dev", "ipAddresses"
    yield REGISTRY, "networkRuleSet"
    yield TUNNEL, "vpnLinkConnections[0].ipsecPolicies"
    yield TUNNEL, "vpnLinkConnections[0].ipsecPolicies[0]"
    yield GROUP, "securityRules"
    yield ACCOUNT, "tags"


@pytest.mark.parametrize(("name", "path"), unknowns())
def test_what_only_the_deployment_knows_is_passed_over(name: str, path: str) -> None:
    assert broken(spoilt(good_stack(), name, setting(path, UNKNOWN))) == set()
