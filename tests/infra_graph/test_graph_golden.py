"""Each stack of prod on one page, compared with the committed page: a reviewer sees what a commit changes.

Renew them with `NOC_RENEW_GOLDEN=1 pytest tests/infra_graph/test_graph_golden.py`, then read the diff.
"""

from __future__ import annotations

import difflib
import os
from pathlib import Path

import pytest
from graph_samples import changed, wan

from infra.core.stacks import all_stacks
from infra.graph.summary import summary
from infra.graph.world import World
from inventory import Inventory

GOLDEN = Path(__file__).parent / "golden"
RENEW = "NOC_RENEW_GOLDEN"
COMMAND = f"{RENEW}=1 pytest tests/infra_graph/test_graph_golden.py"


def difference(name: str, text: str) -> str:
    """How a page differs from the committed one, as a unified diff; empty when it does not."""
    path = GOLDEN / f"{name}.md"
    if os.environ.get(RENEW):
        path.write_text(text, encoding="utf-8")
    old = path.read_text(encoding="utf-8") if path.exists() else ""
    lines = difflib.unified_diff(old.splitlines(), text.splitlines(), f"golden/{path.name}", "now", lineterm="", n=1)
    return "\n".join(lines)


@pytest.mark.timeout(600)
def test_every_stack_of_prod_is_as_its_page_says(prod: World, shipped: Inventory) -> None:
    assert prod.problems == ()
    assert set(prod.graphs) == {s.name for s in all_stacks(shipped, "prod")}
    differs = [text for name, graph in prod.graphs.items() if (text := difference(name, summary(graph)))]
    assert not differs, "\n\n".join([*differs, f"if that is what you want, renew the pages: {COMMAND}"])


@pytest.mark.timeout(600)
def test_no_page_is_left_of_a_stack_that_is_gone(prod: World) -> None:
    assert {p.stem for p in GOLDEN.glob("*.md")} == set(prod.graphs)


@pytest.mark.timeout(600)
def test_a_page_is_read_in_a_minute(prod: World) -> None:
    long = {name: lines for name, g in prod.graphs.items() if (lines := len(summary(g).splitlines())) > 110}
    assert long == {}


def test_a_page_shows_a_changed_figure(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(f"{__name__}.GOLDEN", tmp_path)
    monkeypatch.delenv(RENEW, raising=False)
    (tmp_path / "connectivity-prod.md").write_text(summary(wan()["connectivity-prod"]))
    assert difference("connectivity-prod", summary(wan()["connectivity-prod"])) == ""
    other = changed(wan(), "connectivity-prod", "vpng-h1", vpnGatewayScaleUnit=40)["connectivity-prod"]
    assert "+- vpng-h1: 40 scale units" in difference("connectivity-prod", summary(other))


def test_lanes_are_on_the_page() -> None:
    assert "- VpnConnection: 2 wait, longest row of its own kind 2" in summary(wan()["sites-x-prod"])
