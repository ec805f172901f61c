"""Imports point one way: inventory <- exporters, infra, network_ops; only the command line may import everything."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# package -> top-level packages of ours that it may import
ALLOWED = {
    "inventory": {"inventory"},
    "exporters": {"inventory", "exporters"},
    "infra": {"inventory", "infra"},
    "network_ops": {"inventory", "network_ops"},
}


def imported_packages(path: Path) -> set[str]:
    tree = ast.parse(path.read_text())
    names = {a.name for node in ast.walk(tree) if isinstance(node, ast.Import) for a in node.names}
    names |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and not node.level}
    return {name.split(".")[0] for name in names} & set(ALLOWED)


@pytest.mark.parametrize("package", ALLOWED)
def test_a_package_imports_only_what_stands_before_it(package: str) -> None:
    files = list((ROOT / package).rglob("*.py"))
    assert files, f"{package} has no modules: this test would prove nothing"
    wrong = {
        str(path.relative_to(ROOT)): sorted(imported_packages(path) - ALLOWED[package])
        for path in files
        if "cli" not in path.relative_to(ROOT / package).parts and imported_packages(path) - ALLOWED[package]
    }
    assert wrong == {}


def test_the_check_sees_a_forbidden_import(tmp_path: Path) -> None:
    bad = tmp_path / "bad.py"
    bad.write_text("from network_ops.noc import app\n")
    assert imported_packages(bad) - ALLOWED["exporters"] == {"network_ops"}


def test_no_file_names_a_package_registry() -> None:
    hosts = [
        "pypi" + ".org",
        "files.python" + "hosted",
        "registry.npm" + "js",
        "deb.deb" + "ian.org",
        "proxy.go" + "lang",
    ]
    tracked = [
        p for p in ROOT.rglob("*") if p.is_file() and not {".git", ".venv", "node_modules", ".state"} & set(p.parts)
    ]
    found = [
        (str(path.relative_to(ROOT)), host)
        for path in tracked
        if path.suffix not in {".png", ".pyc", ".woff2"}
        for host in hosts
        if host in path.read_text(errors="ignore")
    ]
    assert found == []
