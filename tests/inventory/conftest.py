"""A copy of the shipped tables that a test may spoil, and small tables of one's own."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests_inventory_support import DECISIONS, TEN, Tables, copy_tables, keep_sites

import inventory


@pytest.fixture(scope="session")
def shipped() -> inventory.Inventory:
    return inventory.load(inventory.packaged_tables())


@pytest.fixture
def tables(tmp_path: Path) -> Tables:
    """A copy of the shipped tables."""
    return copy_tables(tmp_path / "tables")


@pytest.fixture
def ten(tmp_path: Path) -> Tables:
    """Ten of the shipped sites, which are a valid inventory of their own."""
    return keep_sites(copy_tables(tmp_path / "ten"), TEN)


@pytest.fixture
def undecided(ten: Tables) -> Tables:
    """Ten sites without any decision taken."""
    for file, columns in DECISIONS.items():
        ten.clear(file, columns)
    return ten
