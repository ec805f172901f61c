"""`noc infra check`: what makes it green, and that each fault takes the green away."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from infra import check
from infra.check import Report, Row
from infra.core.errors import Problem
from infra.core.limits import Headroom
from infra.graph.view import Broken
from infra.graph.world import World
from infra.policy import Violation
from inventory import Inventory

TODAY = date(2026, 11, 21)
ROW = Row(
    "sites-x-prod", 261, 0.4, 120.0, 0, 0, 0, (Headroom("links", 60, 100, "links"), Headroom("sites", 65, 75, "sites"))
)
GREEN = Report((ROW,), (), (), (), ("a note",))


def test_nothing_wrong_is_green() -> None:
    assert GREEN.exit_code == 0
    assert check.verdict(GREEN) == "green: 1 stacks, 261 resources"


def test_advice_refuses_nothing_but_is_shown() -> None:
    advised = replace(GREEN, violations=(Violation("sites-x-prod", "u::v", "p", "advisory", "do better"),))
    assert advised.exit_code == 0
    assert "[advisory p] do better" in check.text(advised)


@pytest.mark.parametrize(
    ("fault", "code", "said"),
    [
        ({"problems": (Problem("s", "k", "v", "is wrong", "mend it"),)}, 2, "1 wrong input"),
        ({"violations": (Violation("s", "u", "p", "mandatory", "m"),)}, 4, "1 broken policy"),
        ({"broken": (Broken("s", "u", "parents", "m"),) * 2}, 4, "2 broken invariants"),
    ],
)
def test_each_fault_takes_the_green_away(fault: dict[str, object], code: int, said: str) -> None:
    found = replace(GREEN, **fault)  # type: ignore[arg-type]
    assert found.exit_code == code
    assert check.verdict(found).startswith(f"NOT green: {said} in ")


def test_a_wrong_input_is_told_before_a_refusal() -> None:
    both = replace(GREEN, problems=(Problem("s", "k", "", "r", "x"),), broken=(Broken("s", "u", "i", "m"),))
    assert both.exit_code == 2


def test_the_tightest_limit_is_the_one_of_which_most_is_used() -> None:
    assert ROW.tightest is not None
    assert ROW.tightest.name == "sites"
    assert replace(ROW, headroom=()).tightest is None


def test_more_than_twenty_faults_are_counted_and_not_hidden() -> None:
    many = replace(GREEN, broken=tuple(Broken("s", f"u::{n}", "i", "m") for n in range(25)))
    assert "broken invariants: 25" in check.text(many)
    assert "… and 5 more" in check.text(many)


@pytest.mark.timeout(600)
def test_the_whole_of_prod_and_dev_is_green(prod: World, dev: World, shipped: Inventory) -> None:
    found = check.report([prod, dev], shipped, TODAY)
    assert check.verdict(found).startswith("green:"), check.text(found)
    assert {r.stack for r in found.rows} == {*prod.graphs, *dev.graphs}
    shards = [r for r in found.rows if r.stack.startswith("sites-")]
    assert all({"link connections per gateway", "sites per shard"} <= {h.name for h in r.headroom} for r in shards)


@pytest.mark.timeout(600)
def test_one_duplicate_name_breaks_an_invariant_of_its_stack_alone(prod: World, shipped: Inventory) -> None:
    graph = prod.graphs["bootstrap-prod"]
    twice = replace(graph, duplicates=(next(iter(graph.nodes)),))
    world = replace(prod, graphs={**prod.graphs, "bootstrap-prod": twice})
    found = check.report([world], shipped, TODAY)
    assert {b.stack for b in found.broken} == {"bootstrap-prod"}
    assert found.exit_code == 4


@pytest.mark.timeout(600)
def test_the_table_fits_the_terminal(prod: World, shipped: Inventory) -> None:
    found = replace(check.report([prod], shipped, TODAY), violations=(), broken=(), warnings=())
    assert max(len(line) for line in check.text(found).splitlines()) <= check.WIDTH
