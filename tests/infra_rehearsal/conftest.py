"""The engine for the tests that need one."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from rehearsal_support import opened, wan

from infra.engine import find
from infra.rehearsal.world import World


@pytest.fixture(scope="session")
def engine() -> None:
    """There is a real Pulumi engine; a machine that can have none skips in words, except in CI."""
    if find.find() is not None:
        return
    if os.environ.get("CI") or find.buildable():
        pytest.fail("the Pulumi engine is not there yet; run: make engine (make test does it first)")
    pytest.skip("this machine has neither pulumi nor Go; install one of them, then run: make engine")


@pytest.fixture(scope="session")
def standing_once(engine: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a stack of two sites that is up, made once."""
    folder = tmp_path_factory.mktemp("standing")
    with opened(folder, wan(), World(folder / "world.jsonl")) as stack:
        stack.up()
    return folder


@pytest.fixture
def standing(standing_once: Path, tmp_path: Path) -> World:
    """The world of a stack of two sites that is up; its state is in `tmp_path`."""
    shutil.copytree(standing_once, tmp_path, dirs_exist_ok=True)
    return World(tmp_path / "world.jsonl")
