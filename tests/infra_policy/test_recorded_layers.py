"""The layers as they are: green as recorded, and each policy and invariant that applies catches a fault in them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
import yaml
from policy_examples import DROP, option, setting

from infra.core.arm import table
from infra.graph.invariants import INLINE, SLOW, broken
from infra.graph.model import UNKNOWN, Graph, Node
from infra.graph.site_invariants import VPN_CONNECTION, VPN_SITE
from infra.graph.world import STACKS, World, record_environment, settings_by_stack
from infra.policy import evaluate
from infra.policy.driver import PackProcess
from infra.policy.model import AZURE
from infra.policy.rules import encryption, exposure, hardening, keeping, residency, transport
from infra.policy.rules.secrecy import TABLE as SECRETS
from infra.policy.rules.want import MISSING, PRESENT, Want, found_at
from inventory import Inventory, load, packaged_tables

TODAY = date(2026, 11, 21)
ROWS: tuple[tuple[str, Want], ...] = tuple(
    (policy, row)
    for policy, rows in (
        ("residency", residency.COPIES),
        ("encryption", encryption.WANTS),
        ("no-public-access", (*exposure.WANTS, *exposure.DOORS)),
        ("tls", transport.WANTS),
        ("recoverable", keeping.RECOVERY),
        ("hardening", hardening.WANTS),
    )
    for row in rows
)
Fault = tuple[str, str, Callable[[Node], Node]]  # policy, what, change


@pytest.fixture(scope="module")
def known() -> Inventory:
    return load(packaged_tables())


@pytest.fixture(scope="module")
def world(known: Inventory) -> World:
    return record_environment("dev", known)


@pytest.fixture(scope="module")
def graphs(world: World) -> list[Graph]:
    assert world.problems == ()
    assert {g.stack.kind for g in world.graphs.values()} == {
        "bootstrap",
        "governance",
        "connectivity",
        "sites",
        "hub",
        "continuity",
        "noc",
    }
    return list(world.graphs.values())


def test_no_layer_breaks_a_policy_or_an_invariant(graphs: list[Graph], known: Inventory) -> None:
    settings = settings_by_stack(g.stack.name for g in graphs)
    assert [str(v) for v in evaluate(graphs, TODAY)] == []
    assert [str(b) for b in broken(graphs, known, settings, today=TODAY)] == []


def test_no_layer_breaks_an_invariant_in_a_preview(known: Inventory) -> None:
    previewed = record_environment("dev", known, preview=True)
    settings = settings_by_stack(previewed.graphs)
    found = broken(previewed.graphs.values(), known, settings, preview=True, today=TODAY)
    assert [str(b) for b in found] == []


def test_the_pack_agrees_with_the_gate_on_every_layer(graphs: list[Graph]) -> None:
    spoilt = [changed(g, n, option(protect=False, secrets=frozenset())) for g in graphs for n in g.resources[:1]]
    with PackProcess() as pack:
        assert pack.evaluate(graphs, TODAY) == []
        assert pack.evaluate(spoilt, TODAY) == evaluate(spoilt, TODAY)


def changed(graph: Graph, node: Node, change: Callable[[Node], Node]) -> Graph:
    return replace(graph, nodes=dict(graph.nodes) | {node.urn: change(node)})


def faults(node: Node) -> Iterator[Fault]:
    """Every fault of the tables that can be made in a recorded resource."""
    for policy, row in ROWS:
        if row.type != node.type:
            continue
        for path, value in found_at(node.inputs, row.steps):
            if value is MISSING or (row.when and not row.when(as_resource(node))):
                continue
            if row.allowed is not PRESENT:
                wrong: Any = not row.allowed[0] if isinstance(row.allowed[0], bool) else "something-else"
                yield policy, f"wrong {path}", setting(path, wrong)
            if not row.optional:
                yield policy, f"no {path}", setting(path, DROP)
    row_of = table()[node.type]
    if row_of.location and "location" in node.inputs:
        yield "residency", "elsewhere", setting("location", "eastus")
    if row_of.tags:
        yield "tags", "untagged", setting("tags", DROP)
    if row_of.name_input in node.inputs and row_of.name_input != "subscriptionId":
        yield "explicit-names", "unnamed", setting(row_of.name_input, DROP)
    if node.type in keeping.PROTECTED:
        yield "protect-stateful", "unprotected", option(protect=False)
    if node.type in SECRETS and node.secrets:
        yield "secrets-marked", "unmarked", option(secrets=frozenset())
        yield "secrets-marked", "readable", option(additional_secret_outputs=())


def as_resource(node: Node) -> Any:
    from infra.policy.gate import resource_of

    return resource_of(node)


def test_a_fault_in_any_recorded_type_breaks_its_policy(graphs: list[Graph]) -> None:
    seen: set[tuple[str, str, str]] = set()
    quiet = []
    for graph in graphs:
        for node in graph.resources:
            for policy, what, change in faults(node):
                if (node.type, policy, what) in seen:
                    continue
                seen.add((node.type, policy, what))
                alone = replace(graph, nodes={node.urn: change(node)})
                if policy not in {v.policy for v in evaluate([alone], TODAY) if v.urn == node.urn}:
                    quiet.append((node.name, policy, what))
    assert quiet == []
    assert len(seen) > 200, "too few faults were tried for this to prove anything"
    assert {policy for _, policy, _ in seen} == {p for p, _ in ROWS} | {
        "tags",
        "explicit-names",
        "protect-stateful",
        "secrets-marked",
    }


def test_evidence_without_its_lock_or_its_immutability_is_found(graphs: list[Graph]) -> None:
    (continuity,) = [g for g in graphs if g.stack.kind == "continuity"]
    for token in ("authorization:ManagementLockByScope", "storage:BlobContainerImmutabilityPolicy"):
        left = {n.urn: n for n in continuity if n.type != f"{AZURE}{token}"}
        assert len(left) < len(continuity), f"the layer has no {token}: this test would prove nothing"
        found = evaluate([replace(continuity, nodes=left)], TODAY)
        assert {v.policy for v in found} == {"evidence-locked"}


def without(graph: Graph, *gone: Node) -> Graph:
    return replace(graph, nodes={n.urn: n for n in graph if n not in gone})


def invariant_faults(graph: Graph) -> Iterator[tuple[str, Graph]]:
    """(invariant, the stack with one fault) for everything of this stack that a fault can be made in."""
    node = next(n for n in graph.resources if "location" in n.inputs or n.inputs)
    yield "urns-unique", replace(graph, duplicates=(node.urn,))
    yield "parents", changed(graph, node, option(parent=""))
    yield "dependencies", changed(graph, node, option(depends_on=("urn:pulumi:gone",)))
    yield "ids-unique", replace(graph, nodes=dict(graph.nodes) | {"urn:twin": replace(node, urn="urn:twin")})
    yield "provider-version", changed(graph, node, option(version="", provider=""))
    yield "environments", changed(graph, node, setting("extra", "/resourceGroups/rg-wan-prod"))
    yield "known", changed(graph, node, setting("extra", UNKNOWN))
    yield "outputs", replace(graph, outputs={})
    yield "reads", replace(graph, reads=("connectivity-prod",))
    for found in graph.resources:
        if found.type in keeping.PROTECTED:
            yield "protected", changed(graph, found, option(protect=False))
        if found.type in SECRETS and found.secrets:
            yield "secrets", changed(graph, found, option(secrets=frozenset()))
        if found.type in SLOW:
            yield "timeouts", changed(graph, found, option(timeouts={}))
        for path in INLINE.get(found.type, ()):
            yield "children-standalone", changed(graph, found, setting(path, [{"name": "x"}]))
        if "location" in found.inputs:
            yield "locations", changed(graph, found, setting("location", "eastus"))
        if found.type == VPN_SITE:
            yield "sites-complete", without(graph, found)
            yield "links-complete", changed(graph, found, setting("vpnSiteLinks", []))
        if found.type == VPN_CONNECTION and found.depends_on:
            yield "lanes", changed(graph, found, option(depends_on=()))
        name = table()[found.type].name_input
        if name in found.inputs and name != "subscriptionId":
            yield "names", changed(graph, found, setting(name, "?"))


def test_a_fault_in_any_recorded_stack_breaks_its_invariant(graphs: list[Graph], known: Inventory) -> None:
    settings = settings_by_stack(g.stack.name for g in graphs)
    seen: set[tuple[str, str, str]] = set()
    for graph in graphs:
        for invariant, spoilt in invariant_faults(graph):
            differs = next((n for n in spoilt if graph.nodes.get(n.urn) is not n), None)
            kind = (graph.stack.kind, invariant, differs.type if differs else "")
            if kind in seen:
                continue
            seen.add(kind)
            found = {b.invariant for b in broken([spoilt], known, settings, today=TODAY)}
            assert invariant in found, f"{graph.stack}: {kind} stays quiet"
    assert len(seen) > 100


def test_one_resource_in_two_stacks_has_no_single_owner(graphs: list[Graph], known: Inventory) -> None:
    first, second = graphs[0], graphs[1]
    taken = first.resources[0]
    both = replace(second, nodes=dict(second.nodes) | {taken.urn: taken})
    assert "one-owner" in {b.invariant for b in broken([first, both], known, today=TODAY)}


def test_what_is_outside_the_regions_is_exempt_in_governance_until_the_same_day(graphs: list[Graph]) -> None:
    outside = {n.type for g in graphs for n in g.resources if n.inputs.get("location") == "westeurope"}
    assert outside, "nothing is outside the regions: the exceptions can go"
    # Azure's "allowed locations" looks only at types that take tags and a location
    looked_at = {table()[t].arm_type.casefold() for t in outside if table()[t].tags and table()[t].location}
    for path in STACKS.glob("Pulumi.governance-*.yaml"):
        config = yaml.safe_load(path.read_text())["config"]
        exemptions = [e for e in config["wan-noc:exemptions"] if e["policy"] == "allowed-locations"]
        assert looked_at <= {t.casefold() for e in exemptions for t in e["types"]}, path.name
        assert {str(e["until"]) for e in exemptions} == {str(a.until) for a in residency.EXCEPTIONS}, path.name
        assert {e["owner"] for e in exemptions} == {a.owner for a in residency.EXCEPTIONS}, path.name
