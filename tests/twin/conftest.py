"""The small inventory loaded, and a twin of it as a process of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from twin_process import RunningTwin

import inventory
from inventory.models import Inventory


@pytest.fixture(scope="session")
def inv(small_inventory: Path) -> Inventory:
    return inventory.load(small_inventory)


@pytest.fixture(scope="session")
def shipped() -> Inventory:
    return inventory.load(inventory.packaged_tables())


@pytest.fixture
def new_twin(small_inventory: Path, tmp_path: Path) -> Iterator[RunningTwin]:
    """A twin of its own for a test that stops it."""
    twin = RunningTwin(small_inventory, tmp_path / "state")
    twin.start()
    yield twin
    if twin.process is not None and twin.process.poll() is None:
        twin.stop()


@pytest.fixture(scope="module")
def twin(small_inventory: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningTwin]:
    """A twin shared by the tests of a module; each clears its faults."""
    running = RunningTwin(small_inventory, tmp_path_factory.mktemp("twin") / "state")
    running.start()
    yield running
    assert running.stop() == 0
