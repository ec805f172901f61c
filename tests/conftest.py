"""Shared fixtures."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_tables import cut_inventory


@pytest.fixture(scope="session")
def small_inventory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tables of 60 sites, cut from the shipped ones."""
    return cut_inventory(tmp_path_factory.mktemp("inventory"), 60)
