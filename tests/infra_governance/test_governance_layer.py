"""The governance layer: the tree, policies in force, roles no wider than their duty, budgets that write to someone."""

from __future__ import annotations

import json
import re
from datetime import date, timedelta

import pytest
from governance_support import recorded, refused, tables

from infra.core.outputs import names_of
from infra.core.policies import definitions, members
from infra.core.roles import BUILT_IN, COMMANDER_AREAS, CUSTOM, PIPELINE_MAY_GRANT, may_grant
from infra.core.tags import REQUIRED
from infra.core.tree import groups, leaves
from infra.graph.model import Graph, Node

GROUP = "azure-native:management:ManagementGroup"
PLACE = "azure-native:management:ManagementGroupSubscription"
ROLE = "azure-native:authorization:RoleAssignment"
EXEMPTION = "azure-native:authorization:PolicyExemption"
ASSIGNMENT = "azure-native:authorization:PolicyAssignment"
SET = "azure-native:authorization:PolicySetDefinitionAtManagementGroup"
OWN = "azure-native:authorization:PolicyDefinitionAtManagementGroup"
BUDGET = "azure-native:consumption:Budget"


@pytest.fixture(scope="module")
def graph() -> Graph:
    return recorded("governance-prod")


def only(graph: Graph, token: str) -> Node:
    (node,) = graph.of_type(token)
    return node


def test_it_exports_what_is_declared(graph: Graph) -> None:
    assert set(graph.outputs) == set(names_of("governance", ("valencia", "brindisi")))


def test_a_preview_in_which_nothing_is_known_yet_registers_the_same(graph: Graph) -> None:
    assert set(recorded("governance-prod", preview=True).nodes) == set(graph.nodes)


def test_the_tree_hangs_together_and_each_group_knows_its_parent(graph: Graph) -> None:
    parents = {n.id: n.inputs["details"]["parent"]["id"] for n in graph.of_type(GROUP)}
    root = graph.outputs["root_group_id"]
    for child in parents:
        seen = child
        while seen != root:
            seen = parents[seen]
    assert str(parents[root]).startswith("/providers/Microsoft.Management/managementGroups/")
    assert len(parents) == len(groups(tables().hubs)) + 1


def test_dev_has_a_tree_of_its_own_and_leaves_the_tenants_settings_alone(graph: Graph) -> None:
    dev = recorded("governance-dev")
    assert not {n.id for n in dev.of_type(GROUP)} & {n.id for n in graph.of_type(GROUP)}
    assert not dev.of_type("azure-native:management:HierarchySetting")
    assert graph.of_type("azure-native:management:HierarchySetting")


SEVERAL = json.dumps(
    {
        name: {"id": f"00000000-0000-0000-0000-00000000000{n}", "group": group}
        for n, (name, group) in enumerate([("wan", "connectivity"), ("keys", "management"), ("noc", "noc")])
    }
)


def test_each_subscription_is_placed_by_a_provider_of_its_own(graph: Graph) -> None:
    several = recorded("governance-prod", subscriptions=SEVERAL, budgets='{"noc": 5}', locked='["keys"]')
    placed = several.of_type(PLACE)
    assert len({n.provider for n in placed}) == len(placed) == 3
    assert {str(n.inputs["groupId"]) for n in placed} <= {n.name for n in several.of_type(GROUP)}
    assert len(graph.of_type(PLACE)) == 1


def test_a_locked_subscription_is_locked_and_no_other() -> None:
    several = recorded("governance-prod", subscriptions=SEVERAL, budgets="{}", locked='["keys"]')
    lock = only(several, "azure-native:authorization:ManagementLockByScope")
    assert (lock.inputs["scope"], lock.inputs["level"]) == (
        "/subscriptions/00000000-0000-0000-0000-000000000001",
        "CanNotDelete",
    )


@pytest.mark.parametrize("environment", ["dev", "prod"])
def test_the_shared_subscription_is_not_locked_or_no_site_could_ever_be_removed(environment: str) -> None:
    committed = recorded(f"governance-{environment}")
    assert not committed.of_type("azure-native:authorization:ManagementLockByScope")


def test_no_two_groups_with_groups_of_their_own_are_offered_to_subscriptions() -> None:
    assert not {"platform", "landing"} & set(leaves(tables().hubs))


def test_every_policy_is_defined_in_the_set_and_the_set_is_in_force(graph: Graph) -> None:
    inside = {d["policyDefinitionId"] for d in only(graph, SET).inputs["policyDefinitions"]}
    assert {n.id for n in graph.of_type(OWN)} <= inside
    assert len(graph.of_type(OWN)) == len(definitions())
    assignment = only(graph, ASSIGNMENT)
    assert assignment.inputs["scope"] == graph.outputs["root_group_id"]
    assert assignment.inputs["enforcementMode"] == "Default"
    assert assignment.inputs["policyDefinitionId"] == only(graph, SET).id


def test_the_assignment_gives_every_parameter_of_the_set_that_has_no_default(graph: Graph) -> None:
    declared = only(graph, SET).inputs["parameters"]
    given = only(graph, ASSIGNMENT).inputs["parameters"]
    assert set(given) == {k for k, v in declared.items() if "defaultValue" not in v}
    assert given["allowedLocations"]["value"] == ["spaincentral", "italynorth", "global"]
    assert given["requiredTags"]["value"] == list(REQUIRED)
    assert given["subscriptions"]["value"] == ["/subscriptions/00000000-0000-0000-0000-000000000000/"]


def test_rules_reach_azure_as_they_are_written(graph: Graph) -> None:
    for node in graph.of_type(OWN):
        written = definitions()[str(node.inputs["policyDefinitionName"])].rule
        assert node.inputs["policyRule"] == json.loads(json.dumps(written))


def test_the_identity_of_the_assignment_may_set_tags_and_nothing_else(graph: Graph) -> None:
    principal = [n for n in graph.of_type(ROLE) if only(graph, ASSIGNMENT).urn in n.dependencies]
    assert [str(n.inputs["roleDefinitionId"]).rpartition("/")[2] for n in principal] == [BUILT_IN["Tag Contributor"]]
    asked = json.dumps(definitions()["inherit-tag"].rule["then"])
    assert BUILT_IN["Tag Contributor"] in asked


def test_the_exemption_is_for_azure_locals_types_in_one_region_until_a_day(graph: Graph) -> None:
    exemption = only(graph, EXEMPTION)
    assert exemption.inputs["expiresOn"] == "2027-05-31T23:59:59Z"
    assert exemption.inputs["policyDefinitionReferenceIds"] == ["allowed-locations"]
    ((selector),) = exemption.inputs["resourceSelectors"]
    kinds = {s["kind"]: s["in"] for s in selector["selectors"]}
    assert kinds["resourceLocation"] == ["westeurope"]
    assert all(t.startswith("Microsoft.") for t in kinds["resourceType"])
    assert "Microsoft.Storage/storageAccounts" not in kinds["resourceType"]
    assert exemption.inputs["policyAssignmentId"] == only(graph, ASSIGNMENT).id


def exemptions(**changes: object) -> str:
    """The configuration value of one exemption."""
    one = {
        "id": "x-one",
        "policy": "allowed-locations",
        "types": ["Microsoft.AzureStackHCI/clusters"],
        "until": "2027-01-31",
        "owner": "noc",
        "reason": "because it has to be",
    }
    return json.dumps([{**one, **changes}])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"exemptions": exemptions(until="2026-11-20")}, "exemptions: x-one is '2026-11-20': ended 11 days ago"),
        ({"exemptions": exemptions(until="2028-11-20")}, "more than 366 days ahead"),
        ({"exemptions": exemptions(policy="allowed-location")}, "is not a policy of the set"),
        ({"exemptions": exemptions(types=[])}, "exemptions.0.types"),
        ({"exemptions": exemptions(types=["clusters"])}, "exemptions.0.types.0"),
        ({"exemptions": exemptions(reason="")}, "exemptions.0.reason"),
        ({"exemptions": exemptions(until="soon")}, "exemptions.0.until"),
        ({"exemptions": exemptions(untill="2027-01-01")}, "extra inputs are not permitted"),
        (
            {"exemptions": json.dumps(json.loads(exemptions()) * 2)},
            "exemptions: x-one: is listed twice",
        ),
        (
            {"subscriptions": '{"a": {"id": "00000000-0000-0000-0000-000000000001", "group": "platform"}}'},
            "management group",
        ),
        ({"subscriptions": '{"a": {"id": "x", "group": "noc"}}'}, "subscriptions.a.id"),
        ({"locked": '["nowhere"]'}, "is not a subscription of this stack"),
        ({"budgets": '{"nowhere": 5}'}, "is not a subscription of this stack"),
        ({"budgetStart": "2026-12-15"}, "is not the first of a month"),
        ({"tenant": "11111111-1111-1111-1111-111111111111"}, "groups.nocOperators: must be set for a real tenant"),
        ({"allowedLocations": "[]"}, "allowedLocations"),
    ],
)
def test_bad_configuration_is_refused_before_anything_is_made(changes: dict[str, str], words: str) -> None:
    assert words in refused("governance-prod", **changes)


def test_the_committed_exemption_is_refused_on_the_day_after_its_last() -> None:
    last = date(2027, 5, 31)
    assert not refused("governance-prod", last)
    assert "ended 1 days ago" in refused("governance-prod", last + timedelta(days=1))


@pytest.mark.parametrize("environment", ["dev", "prod"])
def test_the_committed_exemption_has_the_shape_that_the_fleet_exporter_reads(environment: str) -> None:
    from infra.core.stacks import parse
    from infra.graph.world import read_config

    listed = json.loads(read_config(parse(f"governance-{environment}")).values["exemptions"])
    assert [set(e) for e in listed] == [{"id", "policy", "types", "until", "owner", "reason"}]
    assert listed[0]["policy"] in {m.reference for m in members(REQUIRED)}


def test_the_commander_can_change_only_what_a_failover_changes() -> None:
    commander = next(r for r in CUSTOM if r.id == "dr-commander")
    changing = [a for a in commander.actions if not a.endswith("/read")]
    assert changing
    assert all(a.startswith(COMMANDER_AREAS) for a in changing)
    assert not [a for a in commander.actions if a.endswith(("/delete", "/*"))]
    assert not commander.data_actions


def test_an_operator_can_change_nothing() -> None:
    operator = next(r for r in CUSTOM if r.id == "noc-operator")
    verbs = {a.rpartition("/")[2] for a in operator.actions if not a.startswith("Microsoft.Support/")}
    assert verbs <= {"read", "action"}
    assert {a.rpartition("/")[0].rpartition("/")[2] for a in operator.actions if a.endswith("/action")} == {
        "getbgppeerstatus",
        "getlearnedroutes",
        "getadvertisedroutes",
        "effectiveRoutes",
        "search",
    }


@pytest.mark.parametrize(("group", "scope"), [("connectivity", "mg-wo-prod"), ("continuity", "mg-continuity-prod")])
def test_the_commanders_role_reaches_the_subscription_that_continuity_is_in(group: str, scope: str) -> None:
    one = json.dumps({"wan": {"id": "00000000-0000-0000-0000-000000000001", "group": group}})
    found = recorded("governance-prod", subscriptions=one, budgets="{}", locked="[]")
    role = next(n for n in found.of_type(ROLE) if n.name == "dr-commanders")
    assert str(role.inputs["scope"]).endswith(f"/{scope}")


def test_the_pipeline_cannot_change_the_place_of_the_state_or_give_itself_more(graph: Graph) -> None:
    mine = [n for n in graph.of_type(ROLE) if n.name.startswith("deploy-")]
    assert {str(n.inputs["scope"]).rpartition("/")[2] for n in mine} == {
        "mg-connectivity-prod",
        "mg-continuity-prod",
        "mg-landing-prod",
    }
    delegating = [n for n in mine if BUILT_IN["Role Based Access Control Administrator"] in str(n.inputs)]
    assert len(delegating) == 3
    for node in delegating:
        listed = set(re.findall(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", str(node.inputs["condition"])))
        assert listed == {BUILT_IN[r] for r in PIPELINE_MAY_GRANT}
        assert node.inputs["conditionVersion"] == "2.0"
    wide = {"Contributor", "Role Based Access Control Administrator"}
    assert not wide & set(PIPELINE_MAY_GRANT)


def test_a_condition_has_balanced_brackets_and_guards_giving_and_taking() -> None:
    text = may_grant(["Reader", "AcrPull"])
    assert all(text.count(a) == text.count(b) for a, b in ("()", "{}", "[]"))
    assert "roleAssignments/write" in text
    assert "roleAssignments/delete" in text


def test_budgets_write_to_the_contact_before_the_money_is_gone(graph: Graph) -> None:
    assert len(graph.of_type(BUDGET)) == 2
    for budget in graph.of_type(BUDGET):
        notices = budget.inputs["notifications"]
        assert {n["thresholdType"] for n in notices.values()} == {"Actual", "Forecasted"}
        assert all(n["contactEmails"] == ["noc@wan.example"] and n["threshold"] <= 110 for n in notices.values())
        assert budget.inputs["timePeriod"]["startDate"] == "2026-12-01T00:00:00Z"


def test_built_in_role_ids_are_guids_and_no_two_are_the_same() -> None:
    assert len(set(BUILT_IN.values())) == len(BUILT_IN)
    assert all(re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", g) for g in BUILT_IN.values())
