"""Shared fixtures."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from small_tables import cut_inventory

from infra.core import clock

# The committed price table and exemptions end one day; what the code does then has tests of its own.
os.environ.setdefault(clock.VARIABLE, "2026-11-21")


@pytest.fixture(scope="session")
def small_inventory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tables of 60 sites, cut from the shipped ones."""
    return cut_inventory(tmp_path_factory.mktemp("inventory"), 60)
