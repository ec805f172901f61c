"""One site more or less, in all stacks that it could reach: its own resources change, and nothing else."""

from __future__ import annotations

import pytest
from graph_samples import less

from infra.core.stacks import parse
from infra.graph.impact import differences
from infra.graph.world import record_environment
from inventory import Inventory

SHARD = "sites-europe-1-prod"


@pytest.mark.parametrize("site", ["at-vienna", "ch-geneva"])
def test_a_site_that_goes_takes_only_its_own_resources_with_it(shipped: Inventory, site: str) -> None:
    """The gateways stay as they are: their scale is fixed, so that no site rescales what all others use."""
    asked = [parse(SHARD)]
    before = record_environment("prod", shipped, asked)
    after = record_environment("prod", less(shipped, site), asked)
    assert not before.problems
    assert not after.problems
    changes = differences(before.graphs, after.graphs)
    assert changes
    assert {(c.stack, c.kind) for c in changes} == {(SHARD, "delete")}
    assert all(site in c.node.name for c in changes)
