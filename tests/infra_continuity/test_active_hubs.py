"""Which hub serves an application, what its endpoints' priorities are, and in which order applications come back."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import permutations

import pytest
from continuity_support import HUBS, application, shipped, with_applications
from hypothesis import given
from hypothesis import strategies as st

from infra import programme
from infra.core import continuity
from infra.core.errors import InfraError
from inventory import Application, Inventory

names = st.sampled_from([f"app-{n}" for n in range(8)])


@st.composite
def inventories(draw: st.DrawFn) -> Inventory:
    """Applications that depend only on earlier ones, so that there is no circle."""
    found: list[Application] = []
    for n in range(draw(st.integers(1, 10))):
        needs = draw(st.lists(st.sampled_from([a.id for a in found]), unique=True, max_size=3)) if found else []
        tier, home = draw(st.integers(1, 3)), draw(st.sampled_from(HUBS))
        found.append(application(f"app-{n}", tier=tier, home=home, needs=needs))
    order = draw(st.permutations(found))
    return with_applications(*order)


@given(inventories(), st.dictionaries(names, st.sampled_from(HUBS)))
def test_an_application_is_where_it_was_put_and_else_at_home(tables: Inventory, chosen: dict[str, str]) -> None:
    active = continuity.active_hubs(tables, chosen)
    assert list(active) == sorted(tables.applications)
    for name, hub in active.items():
        assert hub == chosen.get(name, tables.applications[name].home_hub)


@given(inventories(), names, st.sampled_from(HUBS))
def test_moving_one_application_moves_no_other(tables: Inventory, moved: str, to: str) -> None:
    before = continuity.active_hubs(tables, {})
    after = continuity.active_hubs(tables, {moved: to})
    assert {n for n in before if before[n] != after[n]} <= {moved}


def test_the_output_is_sorted_text() -> None:
    assert continuity.as_text({"erp": "valencia", "dns": "brindisi"}) == "dns=brindisi,erp=valencia"


@pytest.mark.parametrize("hubs", [("valencia", "brindisi"), ("a", "b", "c"), ("a", "b", "c", "d")])
def test_no_order_of_single_writes_ever_makes_two_priorities_equal(hubs: tuple[str, ...]) -> None:
    for old in hubs:
        for new in hubs:
            before = {h: continuity.priority(hubs, h, old) for h in hubs}
            after = {h: continuity.priority(hubs, h, new) for h in hubs}
            for order in permutations(hubs):
                now = dict(before)
                for hub in order:
                    now[hub] = after[hub]
                    assert len(set(now.values())) == len(hubs)
                assert min(now, key=lambda h: now[h]) == new
            assert all(1 <= p <= 1000 for p in after.values())


def test_simply_swapping_1_and_2_would_collide_which_is_why_it_is_not_done() -> None:
    swapped = {"valencia": 1, "brindisi": 2} | {"valencia": 2}
    assert len(set(swapped.values())) == 1


@pytest.mark.parametrize(
    ("active", "said"),
    [
        ('{"erq": "valencia"}', "activeHubs.erq is 'valencia': there is no such application; did you mean 'erp'?"),
        ('{"zzz": "valencia"}', "the applications are identity, dns"),
        ('{"erp": "malaga"}', "activeHubs.erp is 'malaga': there is no such hub; the hubs are valencia, brindisi"),
    ],
)
def test_an_unknown_application_or_hub_is_refused_before_any_resource(active: str, said: str) -> None:
    raw = {"layer": "continuity", "environment": "prod", "activeHubs": active}
    with pytest.raises(InfraError) as caught:
        programme.prepare(raw, "continuity-prod", shipped())
    assert said in str(caught.value)


@given(inventories())
def test_in_the_recovery_order_everything_stands_after_what_it_depends_on(tables: Inventory) -> None:
    order = continuity.recovery_order(tables)
    assert sorted(order) == sorted(tables.applications)
    for name in order:
        assert all(order.index(n) < order.index(name) for n in tables.applications[name].depends_on)


@given(inventories())
def test_boot_groups_hold_every_application_once_and_never_with_what_it_depends_on(tables: Inventory) -> None:
    seen: list[str] = []
    for hub in HUBS:
        for tier in (1, 2, 3):
            groups = continuity.boot_groups(tables, hub, tier)
            place = {a.id: n for n, group in enumerate(groups) for a in group}
            seen += place
            for group in groups:
                assert group
                for a in group:
                    assert (a.home_hub, a.tier) == (hub, tier)
                    assert all(place[n] < place[a.id] for n in a.depends_on if n in place)
    assert sorted(seen) == sorted(tables.applications)


def test_the_shipped_tier_1_of_valencia_starts_with_the_directory_and_the_database() -> None:
    groups = continuity.boot_groups(shipped(), "valencia", 1)
    assert [[a.id for a in group] for group in groups] == [["identity", "erp-database"], ["mail", "erp"]]


def test_a_circle_of_dependencies_is_named() -> None:
    tables = with_applications(
        application("a", needs=["b"]), application("b", needs=["c"]), application("c", needs=["a"])
    )
    with pytest.raises(InfraError, match="a -> b -> c -> a"):
        continuity.levels(tables)


def test_a_plan_of_too_many_groups_or_machines_is_refused() -> None:
    chain = [application(f"s{n}", needs=[f"s{n - 1}"] if n else []) for n in range(9)]
    problems = [str(p) for p in continuity.too_large("continuity-prod", with_applications(*chain))]
    assert any("recovery plan of valencia, tier 1 is '9 groups': a plan has at most 7 groups" in p for p in problems)
    crowd = with_applications(application("crowd", machines=101))
    problems = [str(p) for p in continuity.too_large("continuity-prod", crowd)]
    assert any("is '101 machines': a plan has at most 100 machines" in p for p in problems)


def test_the_shipped_objectives_are_kept_and_a_shorter_one_is_refused() -> None:
    assert list(continuity.unkept("s", shipped())) == []
    maps = replace(shipped().applications["maps"], rpo=timedelta(minutes=1))
    tables = replace(shipped(), applications={**shipped().applications, "maps": maps})
    (problem,) = continuity.unkept("s", tables)
    assert str(problem).startswith(
        "s: applications.yaml: maps.rpo_minutes is '0:01:00': tier 2 is copied every 0:05:00"
    )
