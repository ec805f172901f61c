"""Every policy passes a good example and fails each minimal mutation of it, in process and through the pack."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import policy_examples as examples
import pytest
from policy_examples import DROP, STACK, good_stack, graph, node, option, setting, spoilt, with_nodes

from infra.core.limits import REGIONS
from infra.graph.model import UNKNOWN, Graph, Node
from infra.policy import Violation, evaluate
from infra.policy.catalogue import PACK, POLICIES
from infra.policy.driver import PackProcess
from infra.policy.rules import encryption, exposure, hardening, keeping, residency, transport
from infra.policy.rules.secrecy import TABLE as SECRETS
from infra.policy.rules.want import PRESENT, Want
from inventory import load, packaged_tables

TODAY = date(2026, 11, 21)
WANTED: dict[str, tuple[Want, ...]] = {
    "residency": residency.COPIES,
    "encryption": encryption.WANTS,
    "no-public-access": (*exposure.WANTS, *exposure.DOORS),
    "tls": transport.WANTS,
    "recoverable": keeping.RECOVERY,
    "hardening": hardening.WANTS,
}
EVIDENCE = "stwoevidencedev"


@dataclass(frozen=True)
class Mutation:
    """A change to the good stack and the policies that must then be broken, no more and no fewer."""

    what: str
    policies: frozenset[str]
    apply: Callable[[Graph], Graph]


def one(policy: str, what: str, name: str, change: Callable[[Node], Node], *also: str) -> Mutation:
    return Mutation(what, frozenset({policy, *also}), lambda whole: spoilt(whole, name, change))


def added(policy: str, what: str, *new: Node) -> Mutation:
    return Mutation(what, frozenset({policy}), lambda whole: with_nodes(whole, *whole, *new))


def without(policy: str, what: str, name: str) -> Mutation:
    return Mutation(what, frozenset({policy}), lambda whole: with_nodes(whole, *(n for n in whole if n.name != name)))


def example_of(row: Want) -> Node:
    found = [n for n in good_stack().of_type(row.type) if not row.when or row.when(examples_resource(n))]
    assert found, f"no good example of {row.type} in policy_examples.py"
    return found[0]


def examples_resource(found: Node) -> Any:
    from infra.policy.gate import resource_of

    return resource_of(found)


def wrong(row: Want) -> object:
    return not row.allowed[0] if isinstance(row.allowed[0], bool) else "something-else"


def from_tables() -> Iterator[Mutation]:
    """For each wanted value: left out (unless it may be), and wrong."""
    for policy, rows in WANTED.items():
        for row in rows:
            name, path = example_of(row).name, row.path.replace("[*]", "[0]")
            short = row.type.removeprefix("azure-native:")
            if not row.optional:
                yield one(policy, f"{short} without {row.path}", name, setting(path, DROP))
            if row.allowed is not PRESENT:
                yield one(policy, f"{short} with a wrong {row.path}", name, setting(path, wrong(row)))
    for token in keeping.PROTECTED:
        (found, *_) = good_stack().of_type(token)
        yield one("protect-stateful", f"{found.type} unprotected", found.name, option(protect=False))


def az(token: str, name: str, **inputs: Any) -> Node:
    return node(STACK, f"azure-native:{token}", name, inputs)


BY_HAND: tuple[Mutation, ...] = (
    added("packages", "another provider's resource", node(STACK, "aws:s3/bucket:Bucket", "b")),
    one("residency", "a place elsewhere", "vnet-noc-dev", setting("location", "eastus")),
    one("residency", "a place in words", "vnet-noc-dev", setting("location", "East US 2")),
    one("residency", "Azure Local's place for something else", "vnet-noc-dev", setting("location", "westeurope")),
    one("residency", "a replica elsewhere", "bvault-wan-dev", setting("properties.replicatedRegions", ["eastus"])),
    one("residency", "a recovery target", "rsv-wan-dev", setting("properties.x", {"recoveryLocation": "eastus"})),
    added(
        "residency",
        "an Arc machine that is no Azure Local guest",
        az("hybridcompute:Machine", "srv-1", kind="VMware", location="westeurope"),
    ),
    Mutation(
        "Front Door",
        frozenset({"residency", "explicit-names"}),  # and no row: nobody may use it
        lambda whole: with_nodes(
            whole, *whole, Node(f"{STACK}::cdn", "azure-native:cdn:Profile", "afd", "", True, {"location": "global"})
        ),
    ),
    *(
        one("tags", f"no {tag}", "vnet-noc-dev", setting(f"tags.{tag}", DROP))
        for tag in ("environment", "stack", "owner", "cost-centre", "data-class")
    ),
    one("tags", "an empty owner", "vnet-noc-dev", setting("tags.owner", "")),
    one("tags", "no tags at all", "vnet-noc-dev", setting("tags", DROP)),
    one("tags", "another environment", "vnet-noc-dev", setting("tags.environment", "prod")),
    one("tags", "too many", "vnet-noc-dev", setting("tags", examples.TAGS | {f"t{n}": "x" for n in range(8)})),
    added("no-public-access", "a public address", az("network:PublicIPAddress", "pip-noc-dev")),
    one(
        "no-public-access",
        "an address attached",
        "bas-wan-dev",
        setting("ipConfigurations", [{"publicIPAddress": {"id": "/subscriptions/x/pip"}}]),
    ),
    one("no-public-access", "a pool's prefix", "work", setting("nodePublicIPPrefixID", "/subscriptions/x/prefix")),
    one("no-public-access", "the Internet let in", "allow-wan", setting("sourceAddressPrefix", "Internet")),
    one("no-public-access", "everybody let in", "allow-wan", setting("sourceAddressPrefixes", ["10.0.0.0/8", "*"])),
    one("explicit-names", "no name", "vnet-noc-dev", setting("virtualNetworkName", DROP)),
    one("explicit-names", "an empty name", "vnet-noc-dev", setting("virtualNetworkName", "")),
    one("explicit-names", "a name that Azure refuses", EVIDENCE, setting("accountName", "st-wo-evidence-dev")),
    one("explicit-names", "a name with a good start", "vnet-noc-dev", setting("virtualNetworkName", "vnet-noc-dev!")),
    Mutation(
        "a type without a row",
        frozenset({"explicit-names"}),
        lambda whole: with_nodes(whole, *whole, Node(f"{STACK}::x", "azure-native:web:WebApp", "x", "", True, {})),
    ),
    one("secrets-marked", "an unmarked key", "vcn-lima-valencia-dev", option(secrets=frozenset())),
    one("secrets-marked", "an unmarked vault secret", "postgres-admin", option(secrets=frozenset())),
    one("secrets-marked", "a readable output", "postgres-admin", option(additional_secret_outputs=())),
    one("secrets-marked", "a name Python style", "vcn-lima-valencia-dev", option(additional_secret_outputs=("x",))),
    one("secrets-marked", "a key Azure makes", "erc-valencia-dev", option(additional_secret_outputs=())),
    one("secrets-marked", "a secret of another type", "vnet-noc-dev", setting("login", {"adminPassword": "x"})),
    without("evidence-locked", "no lock", "lock-evidence"),
    without("evidence-locked", "no versions", "default-versions"),
    without("evidence-locked", "no immutability policy", "drills-kept"),
    without("evidence-locked", "no container", "drills"),
    one("evidence-locked", "too short", "drills-kept", setting("immutabilityPeriodSinceCreationInDays", 0)),
    one("evidence-locked", "a weak lock", "lock-evidence", setting("level", "NotSpecified")),
    one("evidence-locked", "a lock on something else", "lock-evidence", option(data_edges={})),
)
MUTATIONS = (*from_tables(), *BY_HAND)


def broken_policies(whole: Graph) -> dict[str, list[Violation]]:
    found: dict[str, list[Violation]] = {}
    for violation in evaluate([whole], TODAY):
        found.setdefault(violation.policy, []).append(violation)
    return found


def test_the_good_stack_breaks_no_policy() -> None:
    assert evaluate([good_stack()], TODAY) == []


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda m: f"{'+'.join(sorted(m.policies))}: {m.what}")
def test_a_minimal_mutation_breaks_its_policy_and_no_other(mutation: Mutation) -> None:
    before = good_stack()
    found = broken_policies(mutation.apply(before))
    assert set(found) == mutation.policies
    for violations in found.values():
        assert all("; " in v.message for v in violations), (
            "a message says what is wrong and, after a semicolon, the remedy"
        )


def test_every_policy_and_every_secret_type_has_a_mutation() -> None:
    assert {p for m in MUTATIONS for p in m.policies} == {p.name for p in POLICIES}
    covered = {row.type for rows in WANTED.values() for row in rows}
    assert {n.type for n in good_stack().resources} >= covered | set(keeping.PROTECTED)


@pytest.mark.parametrize("token", SECRETS)
def test_each_type_with_secrets_is_refused_without_marks(token: str) -> None:
    row = SECRETS[token]
    bare = node(STACK, token, "n", {})
    for path in row.inputs:
        holder = path.replace("[*]", "[0]")
        inputs = {"vpnLinkConnections": [{}]} if "[*]" in path else {}
        plain = setting(holder, "x")(node(STACK, token, "n", inputs))
        messages = [v.message for v in evaluate([graph(STACK, plain)], TODAY) if v.policy == "secrets-marked"]
        assert any(holder in m and "not marked" in m for m in messages)
        assert any("additional_secret_outputs" in m for m in messages)
    for output in row.made:
        messages = [v.message for v in evaluate([graph(STACK, bare)], TODAY) if v.policy == "secrets-marked"]
        assert any(f'["{output}"]' in m for m in messages)


def test_an_exception_holds_to_its_last_day_and_then_says_who_renews_it() -> None:
    last = max(a.until for a in residency.EXCEPTIONS)
    assert evaluate([good_stack()], last) == []
    after = evaluate([good_stack()], last + timedelta(days=1))
    assert {v.policy for v in after} == {"residency"}
    assert all(residency.EXCEPTIONS[0].owner in v.message for v in after)


def door(stack: str, **changes: Any) -> list[str]:
    """What the policies say of an account that lets a range in, as in bootstrap's first run."""
    (account,) = good_stack().of_type("azure-native:storage:StorageAccount")
    inputs = dict(account.inputs) | {"publicNetworkAccess": "Enabled", "accountName": "stwostatedev"}
    inputs["networkRuleSet"] = {"defaultAction": "Deny", "ipRules": [{"iPAddressOrRange": "9.9.9.9"}]}
    inputs["tags"] = examples.TAGS | {"open-until": "2026-11-30"}
    opened = node(stack, account.type, "stwostatedev", inputs | changes, protect=True)
    return sorted({v.policy for v in evaluate([graph(stack, opened)], TODAY)})


def test_only_bootstrap_may_let_named_ranges_in_and_only_for_some_days() -> None:
    refused = ["no-public-access"]
    assert door("bootstrap-dev") == []
    assert door("connectivity-dev") == refused
    assert door("bootstrap-dev", networkRuleSet={"defaultAction": "Deny"}) == refused
    assert door("bootstrap-dev", networkRuleSet={"defaultAction": "Allow", "ipRules": [{"x": "y"}]}) == refused
    for until in ("2026-11-20", "2026-12-06", "soon"):
        assert door("bootstrap-dev", tags=examples.TAGS | {"open-until": until}) == refused


def test_the_places_allowed_are_those_of_the_hubs() -> None:
    assert set(residency.REGIONS) == set(REGIONS)
    assert {hub.azure_region for hub in load(packaged_tables()).hubs.values()} == set(residency.REGIONS)


def test_evidence_is_kept_for_a_year_in_prod() -> None:
    def renamed(found: Node) -> Node:
        edges = {k: tuple(u.replace("-dev::", "-prod::") for u in v) for k, v in found.data_edges.items()}
        return replace(found, urn=found.urn.replace("-dev::", "-prod::"), data_edges=edges)

    def kept(days: int) -> list[str]:
        whole = spoilt(good_stack(), "drills-kept", setting("immutabilityPeriodSinceCreationInDays", days))
        prod = with_nodes(whole, *map(renamed, whole))
        return [v.message for v in evaluate([prod], TODAY) if v.policy == "evidence-locked"]

    assert kept(365) == []
    assert kept(364) == ["evidence is immutable for 364 days; keep it for 365 at least"]


def test_unknown_values_are_passed_over() -> None:
    whole = spoilt(good_stack(), EVIDENCE, setting("publicNetworkAccess", UNKNOWN))
    whole = spoilt(whole, "vnet-noc-dev", setting("virtualNetworkName", UNKNOWN))
    assert evaluate([whole], TODAY) == []


@pytest.fixture(scope="module")
def pack() -> Iterator[PackProcess]:
    with PackProcess() as process:
        yield process


def test_the_pack_announces_every_policy(pack: PackProcess) -> None:
    info = pack.info()
    assert info.name == PACK
    assert [p.name for p in info.policies] == [p.name for p in POLICIES]


def test_the_pack_says_over_grpc_exactly_what_the_gate_says(pack: PackProcess) -> None:
    graphs = [good_stack(), *(m.apply(good_stack()) for m in BY_HAND)]
    expected = evaluate(graphs, TODAY)
    assert len(expected) > len(BY_HAND)
    assert pack.evaluate(graphs, TODAY) == expected


def test_the_pack_and_the_gate_agree_on_every_table_row(pack: PackProcess) -> None:
    pack.configure(today=TODAY)
    for mutation in from_tables():
        whole = mutation.apply(good_stack())
        (changed,) = [n for n in whole if n not in good_stack().nodes.values()]
        expected = [v for v in evaluate([whole], TODAY) if v.urn == changed.urn]
        assert sorted(pack.analyze(STACK, changed)) == expected, mutation.what


def test_the_pack_marks_a_secret_that_it_cannot_refuse(pack: PackProcess) -> None:
    pack.configure(today=TODAY)
    whole = spoilt(good_stack(), "vcn-lima-valencia-dev", option(secrets=frozenset()))
    (connection,) = whole.of_type("azure-native:network:VpnConnection")
    (violation,) = pack.analyze(STACK, connection)
    assert violation.policy == "secrets-marked"
    assert violation.message.startswith("vpnLinkConnections[0].sharedKey is a secret and not marked")


def test_a_policy_can_be_turned_down_by_configuration(pack: PackProcess) -> None:
    bare = setting("tags", DROP)(good_stack().of_type("azure-native:network:VirtualNetwork")[0])
    levels = []
    for level in ("mandatory", "advisory", "disabled"):
        pack.configure({"tags": level}, TODAY)
        levels.append([v.level for v in pack.analyze(STACK, bare)])
    assert levels == [["mandatory"], ["advisory"], []]


def test_a_preview_s_unknown_values_reach_the_rules_as_unknown(pack: PackProcess) -> None:
    pack.configure(today=TODAY)
    (account,) = good_stack().of_type("azure-native:storage:StorageAccount")
    unknown = setting("accountName", UNKNOWN)(setting("allowBlobPublicAccess", True)(account))
    (violation,) = pack.analyze(STACK, unknown)  # the known fault is still found
    assert violation.policy == "no-public-access"
    assert violation.message.startswith("allowBlobPublicAccess is true")


def test_importing_the_pack_serves_nothing() -> None:
    code = "import infra.policy.__main__, infra.policy.pack; print('imported')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "imported"


def test_the_pack_folder_is_what_the_engine_expects() -> None:
    import yaml

    folder = Path(residency.__file__).parents[1]
    project = yaml.safe_load((folder / "PulumiPolicy.yaml").read_text())
    assert project["runtime"] == "python"
    assert (folder / "__main__.py").is_file()


def test_the_gate_needs_less_than_a_millisecond_a_resource() -> None:
    whole = good_stack()
    started = time.process_time()
    for _ in range(20):
        evaluate([whole], TODAY)
    assert (time.process_time() - started) / (20 * len(whole)) < 0.001
