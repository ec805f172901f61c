"""What a plan says: differences of graphs, and whom they touch directly and through what they use."""

from __future__ import annotations

from dataclasses import replace

import pytest
from graph_samples import changed, graph, resource, wan, without
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.graph.impact import Impact, Reachable, differences, impact
from infra.graph.model import Graph

APPLICATIONS = ("erp", "dns")


def touched(old: dict[str, Graph], new: dict[str, Graph]) -> Impact:
    return impact(old, new, APPLICATIONS)


def whom(found: Impact, *, directly: bool) -> dict[str, list[str]]:
    return {k: ids for k in ("site", "application", "rule") if (ids := found.subjects(k, directly=directly))}


def test_equal_graphs_differ_in_nothing_and_touch_nobody() -> None:
    found = touched(wan(), wan())
    assert found.changes == ()
    assert whom(found, directly=True) == whom(found, directly=False) == {}


@pytest.mark.parametrize(
    ("stack", "name", "inputs", "kind", "paths"),
    [
        ("connectivity-prod", "vpng-h1", {"vpnGatewayScaleUnit": 3}, "update", ("vpnGatewayScaleUnit",)),
        ("connectivity-prod", "vhub-h1", {"location": "italynorth"}, "replace", ("location",)),
        ("sites-x-prod", "vcn-a-h1", {"gatewayName": "vpng-h2"}, "replace", ("gatewayName",)),
        ("sites-x-prod", "vst-a", {"tags": {"tier": "1"}}, "update", ("tags",)),
        ("noc-h1-prod", "amw", {"retention": 2, "more": [1]}, "update", ("retention", "more")),
    ],
)
def test_a_changed_input_is_an_update_and_a_changed_place_or_name_a_replacement(
    stack: str, name: str, inputs: dict[str, object], kind: str, paths: tuple[str, ...]
) -> None:
    (change,) = differences(wan(), changed(wan(), stack, name, **inputs))  # type: ignore[arg-type]
    assert (change.kind, change.node.name, change.paths) == (kind, name, paths)


def test_nested_lists_are_compared_by_position_when_they_are_as_long() -> None:
    old = {"noc-h1-prod": graph("noc-h1-prod", [resource("noc-h1-prod", "x:Y", "z", rules=[{"a": 1}, {"a": 2}])])}
    (change,) = differences(old, changed(old, "noc-h1-prod", "z", rules=[{"a": 1}, {"a": 3}]))
    assert change.paths == ("rules[1].a",)
    (longer,) = differences(old, changed(old, "noc-h1-prod", "z", rules=[{"a": 1}]))
    assert longer.paths == ("rules",)


def test_a_gateway_touches_all_sites_that_connect_through_it_but_none_directly() -> None:
    found = touched(wan(), changed(wan(), "connectivity-prod", "vpng-h1", vpnGatewayScaleUnit=3))
    assert whom(found, directly=True) == {}
    assert whom(found, directly=False) == {"site": ["a", "b"]}


def test_a_changed_site_touches_itself_alone_although_another_waits_for_it_in_its_lane() -> None:
    found = touched(wan(), changed(wan(), "sites-x-prod", "vst-a", vpnSiteLinks=[]))
    assert whom(found, directly=True) == {"site": ["a"]}
    assert whom(found, directly=False) == {}


def test_a_removed_site_is_its_own_deletion_and_nothing_else() -> None:
    new = without(wan(), "sites-x-prod", "a")
    later = {u: replace(n, depends_on=()) for u, n in new["sites-x-prod"].nodes.items()}  # b waits for nobody now
    found = touched(wan(), {**new, "sites-x-prod": replace(new["sites-x-prod"], nodes=later)})
    assert {(c.kind, c.node.name) for c in found.changes} == {
        ("delete", "vst-a"),
        ("delete", "vcn-a-h1"),
        ("delete", "vcn-a-h2"),
    }
    assert whom(found, directly=True) == {"site": ["a"]}
    assert whom(found, directly=False) == {}


def test_a_firewall_is_part_of_its_hub_so_that_all_behind_the_hub_are_reached() -> None:
    found = touched(wan(), changed(wan(), "connectivity-prod", "afw-h1", sku={"tier": "Basic"}))
    assert whom(found, directly=False) == {"site": ["a", "b"]}


def test_tags_reach_nobody_indirectly() -> None:
    found = touched(wan(), changed(wan(), "connectivity-prod", "vpng-h1", tags={"owner": "other"}))
    assert [c.kind for c in found.changes] == ["update"]
    assert whom(found, directly=False) == {}


def test_only_the_alert_rules_that_differ_are_touched() -> None:
    rules = [{"alert": "BgpDown", "expression": "up == 0"}, {"alert": "BgpFlaps", "expression": "flaps > 5"}]
    found = touched(wan(), changed(wan(), "noc-h1-prod", "prg-bgp", rules=rules))
    assert whom(found, directly=True) == {"rule": ["BgpFlaps"]}


def test_a_removed_alert_rule_is_touched_too() -> None:
    found = touched(
        wan(), changed(wan(), "noc-h1-prod", "prg-bgp", rules=[{"alert": "BgpDown", "expression": "up == 0"}])
    )
    assert whom(found, directly=True) == {"rule": ["BgpFlaps"]}


def test_a_workspace_reaches_all_rules_evaluated_in_it() -> None:
    found = touched(wan(), changed(wan(), "noc-h1-prod", "amw", retention=5))
    assert whom(found, directly=False) == {"rule": ["BgpDown", "BgpFlaps"]}


def test_an_endpoint_touches_the_application_it_is_named_for() -> None:
    found = touched(wan(), changed(wan(), "continuity-prod", "erp-h1", priority=1001))
    assert whom(found, directly=True) == {"application": ["erp"]}


def test_a_component_of_another_name_is_no_application() -> None:
    assert whom(impact(wan(), changed(wan(), "continuity-prod", "erp-h1", priority=2), ("dns",)), directly=True) == {}


def test_the_engine_refuses_what_is_protected_and_the_plan_says_so() -> None:
    found = touched(wan(), without(wan(), "connectivity-prod", "h1"))
    assert {c.node.name: c.refused for c in found.changes} == {"vhub-h1": True, "vpng-h1": True, "afw-h1": False}
    assert whom(found, directly=False) == {"site": ["a", "b"]}


def test_losing_protection_is_a_change_of_its_own() -> None:
    old = wan()["connectivity-prod"]
    nodes = {u: replace(n, protect=False) if n.name == "vhub-h1" else n for u, n in old.nodes.items()}
    (change,) = differences(wan(), {**wan(), "connectivity-prod": replace(old, nodes=nodes)})
    assert (change.kind, change.paths, change.is_cosmetic) == ("update", ("(protect)",), True)


def test_a_site_that_changes_its_shard_is_one_azure_resource_under_two_names() -> None:
    old, new = wan(), wan()
    moving = [n for n in old["sites-x-prod"] if "-a" in n.name or n.name == "a"]
    moved = [
        replace(n, urn=n.urn.replace("sites-x", "sites-y"), parent=n.parent.replace("sites-x", "sites-y"))
        for n in moving
    ]
    new = {**without(wan(), "sites-x-prod", "a"), "sites-y-prod": graph("sites-y-prod", moved)}
    found = touched(old, new)
    assert sorted((a.stack, b.stack, a.node.name) for a, b in found.moved) == [
        ("sites-x-prod", "sites-y-prod", name) for name in ("vcn-a-h1", "vcn-a-h2", "vst-a")
    ]


def test_values_that_a_preview_does_not_know_are_no_difference() -> None:
    assert differences(wan(), changed(wan(), "sites-x-prod", "vst-a", vpnSiteName="<unknown>")) == []


names = st.sampled_from(sorted({n.name for g in wan().values() for n in g.resources}))


@settings(deadline=None)  # machines differ
@given(st.sets(names))
def test_deleting_is_the_mirror_of_creating(gone: set[str]) -> None:
    old, new = wan(), wan()
    for stack in wan():
        new = without(new, stack, *gone)
    there = {c.node.urn for c in differences(old, new)}
    back = differences(new, old)
    assert {c.node.urn for c in back} == there
    assert {c.kind for c in back} <= {"create"}
    assert len(there) == sum(n.name in gone for g in old.values() for n in g.resources)


@settings(deadline=None)  # machines differ
@given(st.sets(names, min_size=1))
def test_nobody_is_touched_directly_and_indirectly_at_once(some: set[str]) -> None:
    new = wan()
    for stack, one in wan().items():
        for node in one.resources:
            if node.name in some:
                new = changed(new, stack, node.name, changed=True)
    found = touched(wan(), new)
    assert {c.node.name for c in found.changes} == some
    assert not set(found.direct) & set(found.indirect)


@settings(deadline=None)  # machines differ
@given(st.sets(names, min_size=1), st.sets(names))
def test_more_changes_never_touch_fewer(some: set[str], more: set[str]) -> None:
    def subjects(these: set[str]) -> set[object]:
        new = wan()
        for stack, one in wan().items():
            for node in one.resources:
                if node.name in these:
                    new = changed(new, stack, node.name, changed=True)
        found = touched(wan(), new)
        return {*found.direct, *found.indirect}

    assert subjects(some) <= subjects(some | more)


def test_the_walk_ends_where_resources_use_each_other() -> None:
    reach = Reachable(wan(), APPLICATIONS)
    hub = next(n for n in wan()["connectivity-prod"].resources if n.name == "vhub-h1")
    assert {s.id for s in reach.reached(hub.urn)} == {"a", "b"}
