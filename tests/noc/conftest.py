"""A small inventory, a rig of real peers and one browser for all tests of the console."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from noc_rig import PASSWORD, ConsoleProcess, Rig, add_user, free_port

import inventory
from inventory.models import Inventory


@pytest.fixture(scope="session")
def tables() -> Inventory:
    return inventory.load(inventory.packaged_tables())


@pytest.fixture(scope="session")
def rig(tmp_path_factory: pytest.TempPathFactory, tables: Inventory) -> Iterator[Rig]:
    """Prometheus and Alertmanager for all tests of this session; each test uses sites of its own."""
    port = free_port()
    rig = Rig(tmp_path_factory.mktemp("rig"), tables, f"http://127.0.0.1:{port}/hooks/alertmanager")
    rig.measurements.detailed = set(list(tables.sites)[:3])
    rig.console_port = port
    try:
        rig.start("2s")
        yield rig
    finally:
        rig.stop()


@pytest.fixture(scope="session")
def console(tmp_path_factory: pytest.TempPathFactory, rig: Rig) -> Iterator[ConsoleProcess]:
    """One console for all tests, with an operator `amina` and a viewer `viola`."""
    folder: Path = tmp_path_factory.mktemp("console")
    add_user(folder, "amina", "operator", PASSWORD)
    add_user(folder, "viola", "viewer", PASSWORD)
    found = ConsoleProcess(folder, rig, inventory.packaged_tables(), port=rig.console_port)
    found.start()
    try:
        yield found
    finally:
        if found.process is not None:
            assert found.stop() == 0
