"""Dashboards: sound JSON, sound PromQL, metrics that exist, nothing over another on the screen."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.core import promql
from infra.noc.manifests import HERE, expressions

ROOT = Path(__file__).parents[2]
FILES = sorted((HERE / "dashboards").glob("*.json"))
# metrics that come from Prometheus itself, a library, or a counter whose `_total` the library adds
FROM_ELSEWHERE = {"up", "process_resident_memory_bytes", "process_cpu_seconds_total"}


def load(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def plain(expression: str) -> str:
    """The expression with Grafana's variables replaced by what PromQL takes."""
    return re.sub(r"\$\{?\w+\}?", "x", expression)


def test_there_are_the_four_that_were_promised() -> None:
    assert [p.stem for p in FILES] == ["devices", "site", "stacks", "wan-overview"]
    uids = [load(p)["uid"] for p in FILES]
    assert len(set(uids)) == len(uids)


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_the_structure_is_sound(path: Path) -> None:
    dashboard = load(path)
    panels = dashboard["panels"]
    assert [p["id"] for p in panels] == list(dict.fromkeys(p["id"] for p in panels))
    variables = {v["name"]: v for v in dashboard["templating"]["list"]}
    assert variables["datasource"]["type"] == "datasource"
    for panel in panels:
        place = panel["gridPos"]
        assert place["x"] >= 0
        assert place["x"] + place["w"] <= 24
        assert panel["title"]
        if panel["type"] != "row":
            assert panel["targets"]
            assert {t["datasource"]["uid"] for t in panel["targets"]} == {"${datasource}"}
            refs = [t["refId"] for t in panel["targets"]]
            assert len(set(refs)) == len(refs)
            for target in panel["targets"]:
                assert set(re.findall(r"\$(\w+)", target["expr"])) <= set(variables), target["expr"]


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_no_panel_lies_over_another(path: Path) -> None:
    for one, other in combinations((p["gridPos"] for p in load(path)["panels"]), 2):
        apart = (
            one["x"] + one["w"] <= other["x"]
            or other["x"] + other["w"] <= one["x"]
            or one["y"] + one["h"] <= other["y"]
            or other["y"] + other["h"] <= one["y"]
        )
        assert apart, (one, other)


def test_prometheus_takes_every_expression(tmp_path: Path) -> None:
    promtool = shutil.which("promtool", path="/usr/bin:/usr/local/bin:/bin")
    assert promtool, "promtool is missing: make debian-test installs it"
    asked = [plain(e) for p in FILES for _, e in expressions(load(p))]
    assert len(asked) > 50
    rules = [{"record": f"r{n}", "expr": e} for n, e in enumerate(asked)]
    file = tmp_path / "rules.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboards", "rules": rules}]}))
    done = subprocess.run([promtool, "check", "rules", str(file)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def sources() -> str:
    """The text of everything that makes metrics: exporters, the console, the recording rules."""
    files = [p for folder in ("exporters", "network_ops/noc") for p in (ROOT / folder).rglob("*.py")]
    files += [ROOT / "exporters/snmp/snmp.yml", *(ROOT / "network_ops/monitoring/rules").glob("*.yml")]
    return "\n".join(p.read_text() for p in files)


def test_every_metric_is_one_that_we_make() -> None:
    text = sources()
    used = {m for p in FILES for _, e in expressions(load(p)) for m in promql.metrics(e)}
    assert len(used) > 20
    made = set(re.findall(r"[\w:]+", text))
    missing = {m for m in used - FROM_ELSEWHERE if m not in made and m.removesuffix("_total") not in made}
    assert missing == set()
    assert "wan_session_rtt_secs" not in made, "the check would find anything"
