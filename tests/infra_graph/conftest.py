"""One recording of all of prod, as committed, for the tests that look at the whole."""

from __future__ import annotations

import pytest

import inventory
from infra.graph.world import World, record_environment
from inventory import Inventory


@pytest.fixture(scope="session")
def shipped() -> Inventory:
    """The shipped tables."""
    return inventory.load(inventory.packaged_tables())


@pytest.fixture(scope="session")
def prod(shipped: Inventory) -> World:
    """Every stack of prod with its committed configuration."""
    return record_environment("prod", shipped)


@pytest.fixture(scope="session")
def dev(shipped: Inventory) -> World:
    """Every stack of dev with its committed configuration."""
    return record_environment("dev", shipped)
