"""The commands that the documents give work as they stand."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import inventory

ROOT = Path(__file__).parents[2]


def commands(document: str, heading: str) -> str:
    """The indented block of commands below a heading."""
    section = (ROOT / document).read_text("utf-8").partition(f"{heading}\n")[2].partition("\n## ")[0]
    block = re.findall(r"^    (.*)$", section, re.MULTILINE)
    assert block, f"{document} has no commands below {heading!r}"
    return "\n".join(block)


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A PATH on which `noc` is ours, and an editor that changes nothing."""
    noc = tmp_path / "bin" / "noc"
    noc.parent.mkdir()
    noc.write_text(f'#!/bin/sh\nexec {sys.executable} -m network_ops.cli.main "$@"\n')
    noc.chmod(0o755)
    path = f"{noc.parent}:{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "EDITOR": "true", "PYTHONPATH": str(ROOT)}


def run(script: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    shell = ["bash", "-euo", "pipefail", "-c", script]
    return subprocess.run(shell, env=environment, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)


def test_step_two_of_the_deployment_gives_ten_sites(tmp_path: Path, environment: dict[str, str]) -> None:
    script = commands("docs/deploy/README.md", "## 2. Describe ten sites")
    for written, here in (
        (".venv/bin/noc", "noc"),
        ("/etc/wan-noc", str(tmp_path)),
        ("/opt/wan-noc", str(ROOT)),
    ):
        assert written in script
        script = script.replace(written, here)
    done = run(script, environment)
    assert done.returncode == 0, done.stderr
    assert "valid; 10 sites" in done.stderr
    assert "filled nothing: no cell is empty" in done.stderr
    assert len(inventory.load(tmp_path / "inventory").sites) == 10


def test_the_first_ten_sites_of_the_inventory_guide_are_ten(tmp_path: Path, environment: dict[str, str]) -> None:
    text = (ROOT / "docs/inventory.md").read_text("utf-8")
    (export,) = re.findall(r"`(noc inventory export csv --to mine [^`]+)`", text)
    rest = re.findall(r"^       (noc inventory .*)$", text, re.MULTILINE)
    assert len(rest) == 3
    done = run("\n".join([f"cd {tmp_path}", export, *rest]), environment)
    assert done.returncode == 0, done.stderr
    assert "valid; 10 sites" in done.stderr
