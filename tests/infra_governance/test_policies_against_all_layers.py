"""What the governance layer forbids, no other layer asks for: else a deployment would end half-way, denied by Azure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from governance_support import as_arm
from rule_evaluator import effect

import inventory
from infra.core import policies
from infra.core.arm import arm_type, table
from infra.core.roles import BUILT_IN, PIPELINE_MAY_GRANT
from infra.core.tags import REQUIRED
from infra.graph import world
from infra.graph.model import Graph, Node
from infra.settings.governance import Settings

pytestmark = pytest.mark.timeout(300)  # records an environment
ROLE = "azure-native:authorization:RoleAssignment"
GROUP = "azure-native:resources:ResourceGroup"
ENVIRONMENTS: tuple[world.Environment, ...] = ("prod", "dev")


@pytest.fixture(scope="module")
def graphs(small_inventory: Path) -> list[Graph]:
    known = inventory.load(small_inventory)
    return [g for e in ENVIRONMENTS for g in world.record_environment(e, known).graphs.values()]


@pytest.fixture(scope="module")
def settings(graphs: list[Graph]) -> dict[str, Settings]:
    """The governance settings of each environment."""
    names = [g.stack.name for g in graphs if g.stack.kind == "governance"]
    found = world.settings_by_stack(names)
    return {s.environment: s for s in found.values() if isinstance(s, Settings)}


def denied(graph: Graph, s: Settings) -> list[str]:
    """Each resource that one of our definitions would refuse."""
    values: dict[str, Any] = {
        "effect": "Deny",
        "requiredTags": list(REQUIRED),
        "managedGroups": list(s.managed_groups),
        "storageSkus": list(s.storage_skus),
        "subscriptions": ["/subscriptions/00000000-0000-0000-0000-000000000000/"],
        "machineSizes": list(s.machine_sizes),
        "registryTiers": list(s.registry_tiers),
        "firewallTiers": list(s.firewall_tiers),
        "tagName": REQUIRED[0],
    }
    groups = {n.name: {"name": n.name, "tags": n.inputs["tags"]} for n in graph.of_type(GROUP)}
    found = []
    for node in graph.resources:
        row, resource = table()[node.type], as_arm(node, groups)
        for definition in policies.definitions().values():
            seen = definition.mode == "All" or (row.tags and row.location)
            if seen and effect(definition.rule, values, resource) == "deny":
                found.append(f"{graph.stack} {node.name}: {definition.id}")
    return found


def test_no_layer_asks_for_what_a_policy_denies(graphs: list[Graph], settings: dict[str, Settings]) -> None:
    assert not [d for g in graphs for d in denied(g, settings[g.stack.environment])]


def place(node: Node) -> str:
    """Where a resource is; empty where policies of mode Indexed, as the built-in on locations is, do not look."""
    row, found = table()[node.type], node.inputs.get("location")
    return found if isinstance(found, str) and row.location and row.tags else ""


def test_every_place_is_allowed_or_exempt_by_type(graphs: list[Graph], settings: dict[str, Settings]) -> None:
    for graph in graphs:
        s = settings[graph.stack.environment]
        exempt = {t.lower() for e in s.exemptions if e.policy == "allowed-locations" for t in e.types}
        for node in graph.resources:
            where = place(node)
            if where and where not in s.allowed_locations:
                assert where == s.control_plane_location, node.urn
                assert arm_type(node.type).arm_type.lower() in exempt, f"{node.urn}: no exemption for its type"


def test_some_resource_needs_the_exemption(graphs: list[Graph], settings: dict[str, Settings]) -> None:
    far = {place(n) for g in graphs for n in g.resources} - {"", *settings["prod"].allowed_locations}
    assert far == {"westeurope"}


def test_the_pipeline_may_grant_every_role_that_a_layer_grants(graphs: list[Graph]) -> None:
    by_id = {guid: role for role, guid in BUILT_IN.items()}
    for graph in graphs:
        if graph.stack.kind in {"bootstrap", "governance"}:  # deployed by people: they make the pipeline's own rights
            continue
        for node in graph.of_type(ROLE):
            guid = str(node.inputs["roleDefinitionId"]).rpartition("/")[2]
            assert by_id.get(guid) in PIPELINE_MAY_GRANT, f"{graph.stack} {node.name} grants {by_id.get(guid, guid)}"


def test_a_resource_without_tags_would_be_denied_here_too(graphs: list[Graph], settings: dict[str, Settings]) -> None:
    import dataclasses

    graph = next(g for g in graphs if g.stack.name == "connectivity-prod")
    (wan,) = graph.of_type("azure-native:network:VirtualWan")
    bare = dataclasses.replace(wan, inputs={k: v for k, v in wan.inputs.items() if k != "tags"})
    broken = dataclasses.replace(graph, nodes={**graph.nodes, wan.urn: bare})
    assert denied(broken, settings["prod"]) == [f"connectivity-prod {wan.name}: required-tags"]
