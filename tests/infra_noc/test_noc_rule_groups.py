"""The rules that Azure gets: made from the NOC's own files, within Azure's limits, right at Azure's pace."""

from __future__ import annotations

import copy
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from infra.core import promql
from infra.core.errors import InfraError
from infra.core.rule_groups import NOT_AT_A_MINUTE, RULES_A_GROUP, Group, convert, iso, load, raw_metrics, seconds

RULES = Path(__file__).parents[2] / "network_ops" / "monitoring" / "rules"


@pytest.fixture(scope="module")
def groups() -> list[Group]:
    return load(RULES)


def documents(rules: list[dict[str, Any]], name: str = "g", interval: str = "30s") -> dict[str, Any]:
    return {"g.yml": {"groups": [{"name": name, "interval": interval, "rules": rules}]}}


def alert(**more: Any) -> dict[str, Any]:
    return {"alert": "A", "expr": "up == 0", "labels": {"severity": "warning"}} | more


def raw_rules() -> list[dict[str, Any]]:
    files = sorted(p for p in RULES.glob("*.yml") if not p.stem.endswith("_test"))
    return [r for p in files for g in yaml.safe_load(p.read_text())["groups"] for r in g["rules"]]


def test_every_rule_of_our_files_is_there_with_its_expression_and_labels(groups: list[Group]) -> None:
    made = [r for g in groups for r in g.rules]
    wanted = raw_rules()
    assert len(wanted) >= 20
    assert [(r.alert or r.record, r.expression) for r in made] == [
        (r.get("alert") or r["record"], r["expr"].strip()) for r in wanted
    ]
    for rule, raw in zip(made, wanted, strict=True):
        same = {k: v for k, v in raw.get("labels", {}).items() if "{{" not in v}
        assert same.items() <= dict(rule.labels).items()


def test_groups_are_within_the_limits_of_azure(groups: list[Group]) -> None:
    assert len({g.name for g in groups}) == len(groups)
    for group in groups:
        assert group.interval == "PT1M"
        assert 0 < len(group.rules) <= RULES_A_GROUP
        for rule in group.rules:
            assert bool(rule.alert) != bool(rule.record)
            assert rule.hold in ("", *(f"PT{m}M" for m in range(1, 61)))
            assert (rule.severity is None) == bool(rule.record)


def test_azure_numbers_severities_and_takes_the_worst_of_a_template(groups: list[Group]) -> None:
    by_name = {r.alert: r for g in groups for r in g.rules if r.alert}
    assert by_name["CarrierOutage"].severity == 1
    assert by_name["CircuitDown"].severity == 2
    assert by_name["Watchdog"].severity == 4
    assert (by_name["SiteDown"].severity, by_name["SiteDown"].labels["severity"]) == (1, "page")


def test_what_reads_recorded_series_waits_until_azure_has_recorded_them(groups: list[Group]) -> None:
    by_name = {r.alert: r for g in groups for r in g.rules if r.alert}
    assert by_name["CircuitDown"].hold == "PT2M"  # no `for` in the file
    assert by_name["InterfaceSaturated"].hold == "PT10M"  # reads no recorded series
    assert by_name["BgpSessionDown"].hold == "PT1M"  # 30 s in the file: less than Azure takes


def test_rules_that_are_wrong_at_a_minute_are_seen_but_switched_off(groups: list[Group]) -> None:
    off = {r.alert: r for g in groups for r in g.rules if r.off}
    assert set(off) == set(NOT_AT_A_MINUTE)
    assert all(r.annotations["off"] and not r.pages for r in off.values())


def test_a_rule_that_is_wrong_at_a_minute_and_not_in_the_table_is_refused() -> None:
    record = {"record": "site:up", "expr": "max(up)"}
    with pytest.raises(InfraError, match="reads a range of a recorded series"):
        convert(documents([record, alert(expr="sum_over_time(site:up[2m]) > 3")]))
    with pytest.raises(InfraError, match="reads a range of a recorded series"):
        convert(documents([record, alert(expr='sum_over_time(site:up{a="b"}[2m]) > 3')]))
    convert(documents([record, alert(expr="site:up > 3")]))


def test_an_alert_without_a_known_severity_is_refused() -> None:
    with pytest.raises(InfraError, match="has no severity"):
        convert(documents([alert(labels={"severity": "urgent"})]))


def test_a_group_name_that_azure_refuses_is_refused_here() -> None:
    with pytest.raises(InfraError, match="has a sign that Azure refuses"):
        convert(documents([alert()], name="a/b"))


def test_two_groups_of_one_name_are_refused() -> None:
    twice = documents([alert()])
    with pytest.raises(InfraError, match="stands in two rule files"):
        convert(twice | {"h.yml": copy.deepcopy(twice["g.yml"])})


def test_a_folder_without_rules_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InfraError, match="no rule files"):
        load(tmp_path)


def test_from_azure_only_our_own_blindness_pages_unless_told_otherwise(groups: list[Group]) -> None:
    assert {r.alert for g in groups for r in g.rules if r.pages} == {"MonitoringBlind", "SnmpBlind"}
    every = {r.alert for g in load(RULES, "all") for r in g.rules if r.pages}
    assert {"SiteDown", "CarrierOutage", "HubIsolated", "MonitoringBlind"} <= every
    assert not every & (set(NOT_AT_A_MINUTE) | {"CircuitDown"})


def test_no_annotation_asks_a_query_of_its_own(groups: list[Group]) -> None:
    assert any("| query" in str(r) for r in raw_rules())
    assert not any("| query" in text for g in groups for r in g.rules for text in r.annotations.values())


@given(st.integers(1, 75))
def test_a_long_group_is_split_in_order_and_keeps_the_names_of_what_stands_before(count: int) -> None:
    rules = [alert(alert=f"A{n}") for n in range(count)]
    made = convert(documents(rules))
    assert [r.alert for g in made for r in g.rules] == [f"A{n}" for n in range(count)]
    assert [g.name for g in made] == ["g", *(f"g-{n}" for n in range(2, len(made) + 1))]
    assert all(len(g.rules) == RULES_A_GROUP for g in made[:-1])
    longer = convert(documents([*rules, alert(alert="last")]))
    assert [g for g in longer[: len(made)] if g not in made] in ([], [longer[len(made) - 1]])


@given(st.integers(0, 10**7))
def test_durations_are_whole_minutes_that_are_never_too_short(length_s: int) -> None:
    text = iso(length_s)
    minutes = int(text.removeprefix("PT").removesuffix("M"))
    assert minutes >= 1
    assert (minutes - 1) * 60 < max(length_s, 1) <= minutes * 60


@pytest.mark.parametrize(("text", "wanted"), [("3s", 3), ("1m30s", 90), ("15d", 1296000), ("500ms", 0.5), ("2h", 7200)])
def test_durations_of_prometheus_are_read(text: str, wanted: float) -> None:
    assert seconds(text) == wanted


@pytest.mark.parametrize("text", ["", "5", "5 m", "m", "PT5M", "-5m"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(InfraError, match="no duration"):
        seconds(text)


@pytest.mark.parametrize(
    ("expression", "wanted"),
    [
        ("up", {"up"}),
        ('rate(a_total{x="y{z"}[5m]) > 1e6', {"a_total"}),
        ("sum by (site, hub) (wan:a:ratio) and on (hub) b offset 5m", {"wan:a:ratio", "b"}),
        ("max(a) unless on () (time() - b > 20)", {"a", "b"}),
        ("topk(10, a / on (x) group_left (c, d) b)", {"a", "b"}),
        ("count(a == bool 0) or vector(0)", {"a"}),
        ("a[5m:1m]", {"a"}),
        ('label_replace(a, "x", "$1", "y", "(.+)") + Inf', {"a"}),
    ],
)
def test_the_metrics_of_an_expression_are_found(expression: str, wanted: set[str]) -> None:
    assert promql.metrics(expression) == wanted


def test_what_must_reach_the_workspace_is_what_exporters_give(groups: list[Group]) -> None:
    raw = raw_metrics(groups)
    assert {"up", "wan_session_up", "ifHCInOctets", "bgpPeerState"} <= raw
    assert not any(name.startswith("wan:") for name in raw)


def test_prometheus_itself_finds_the_converted_rules_sound(groups: list[Group], tmp_path: Path) -> None:
    promtool = shutil.which("promtool", path="/usr/bin:/usr/local/bin:/bin")
    assert promtool, "promtool is missing: make debian-test installs it"
    rules = [
        {"alert": r.alert, "expr": r.expression, "labels": dict(r.labels), "annotations": dict(r.annotations)}
        | ({"for": r.hold.removeprefix("PT").lower()} if r.hold else {})
        if r.alert
        else {"record": r.record, "expr": r.expression}
        for g in groups
        for r in g.rules
    ]
    file = tmp_path / "rules.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "all", "interval": "1m", "rules": rules}]}))
    done = subprocess.run([promtool, "check", "rules", str(file)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(rules)} rules found" in done.stdout
