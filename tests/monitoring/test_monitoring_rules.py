"""The rules: valid, each with its test and runbook, each test showing every alert firing and staying quiet."""

from __future__ import annotations

import shutil
import subprocess
from math import exp, factorial
from pathlib import Path
from typing import Any

import pytest
import yaml

from network_ops.monitoring import RULES
from network_ops.monitoring.render import rule_files

RUNBOOKS = Path(__file__).parents[2] / "docs" / "runbooks"
SUBJECTS = [path.stem for path in rule_files()]
SEVERITIES = {"page", "warning", "info"}
SCOPES = {"site", "circuit", "session", "device", "carrier", "hub", "stack", "noc"}


def rules(subject: str) -> list[dict[str, Any]]:
    document = yaml.safe_load((RULES / f"{subject}.yml").read_text())
    return [rule for group in document["groups"] for rule in group["rules"]]


def alerts() -> list[dict[str, Any]]:
    return [rule for subject in SUBJECTS for rule in rules(subject) if "alert" in rule]


def run(*command: str, cwd: Path = RULES) -> None:
    assert shutil.which(command[0]), f"{command[0]} is missing: install Debian's prometheus"
    found = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout + found.stderr


def test_there_are_rules() -> None:
    assert SUBJECTS == ["bgp", "devices", "flapping", "infra", "interfaces", "monitoring", "quality", "reachability"]


@pytest.mark.parametrize("subject", SUBJECTS)
def test_promtool_finds_no_fault_in_a_rule_file(subject: str) -> None:
    run("promtool", "check", "rules", f"{subject}.yml")


@pytest.mark.parametrize("subject", SUBJECTS)
def test_a_rule_file_passes_its_own_tests(subject: str) -> None:
    run("promtool", "test", "rules", f"{subject}_test.yml")


def test_a_rule_test_can_fail(tmp_path: Path) -> None:
    shutil.copy(RULES / "bgp_test.yml", tmp_path)
    text = (RULES / "bgp.yml").read_text()
    (tmp_path / "bgp.yml").write_text(text.replace("!= 6", "!= 1"))
    with pytest.raises(AssertionError, match="FAILED"):
        run("promtool", "test", "rules", "bgp_test.yml", cwd=tmp_path)


@pytest.mark.parametrize("subject", SUBJECTS)
def test_every_alert_is_shown_firing_and_staying_quiet(subject: str) -> None:
    document = yaml.safe_load((RULES / f"{subject}_test.yml").read_text())
    cases = [case for test in document["tests"] for case in test.get("alert_rule_test", ())]
    fires = {case["alertname"] for case in cases if case["exp_alerts"]}
    quiet = {case["alertname"] for case in cases if not case["exp_alerts"]} | {"Watchdog"}
    names = {rule["alert"] for rule in rules(subject) if "alert" in rule}
    assert names <= fires
    assert names <= quiet


def test_no_test_is_left_without_its_rules() -> None:
    assert {path.stem for path in RULES.glob("*_test.yml")} == {f"{subject}_test" for subject in SUBJECTS}


@pytest.mark.parametrize("rule", alerts(), ids=lambda rule: str(rule["alert"]))
def test_an_alert_carries_its_labels_and_texts(rule: dict[str, Any]) -> None:
    labels = rule["labels"]
    assert labels["severity"] in SEVERITIES or "page" in labels["severity"]
    assert labels["scope"] in SCOPES
    assert labels["team"]
    assert set(rule["annotations"]) == {"summary", "description", "action"}


def test_the_alerts_and_recorded_series_are_those_agreed() -> None:
    assert {rule["alert"] for rule in alerts()} == {
        "SiteDown", "CircuitDown", "CircuitDegraded", "CarrierOutage", "HubIsolated", "AllHubsIsolated", "AgentSilent",
        "DeviceDown", "BgpSessionDown", "InterfaceSaturated", "CircuitFlapping", "MonitoringBlind", "SnmpBlind",
        "Watchdog", "StackPreviewFailed", "StackPreviewStale", "StackDrift", "PolicyExemptionExpiring",
        "PolicyExemptionExpired", "FleetRecordUnreadable", "FleetBlind",
    }  # fmt: skip
    assert {rule["record"] for rule in rules("reachability") if "record" in rule} == {
        "wan:circuit_up", "wan:site_up", "wan:site_circuits_up:ratio", "wan:carrier_circuits_up:ratio",
        "wan:hub_sessions_up:ratio", "wan:best_hub_sessions_up:ratio",
    }  # fmt: skip


def test_what_the_prober_confirmed_does_not_wait() -> None:
    assert [rule["alert"] for rule in rules("reachability") if "alert" in rule and rule.get("for")] == []
    group = yaml.safe_load((RULES / "reachability.yml").read_text())["groups"]
    assert [g["interval"] for g in group] == ["3s"]


def test_every_alert_has_a_runbook_and_no_runbook_is_orphaned() -> None:
    assert {path.stem for path in RUNBOOKS.glob("*.md")} == {rule["alert"] for rule in alerts()}


@pytest.mark.parametrize("path", sorted(RUNBOOKS.glob("*.md")), ids=lambda path: path.stem)
def test_a_runbook_says_what_one_needs_at_night(path: Path) -> None:
    text = path.read_text()
    assert text.startswith(f"# {path.stem}\n")
    for part in ("**Means.**", "**Hit.**", "**First three checks**", "**Escalate"):
        assert part in text
    assert all(f"\n{number}. " in text for number in (1, 2, 3))
    assert len(text.splitlines()) <= 45


def poisson_tail(mean: float, least: int) -> float:
    return sum(exp(-mean) * mean**k / factorial(k) for k in range(least, least + 60))


@pytest.mark.parametrize("baseline", [0.0002, 0.002, 0.003, 0.005, 0.01, 0.02])
def test_a_quiet_hour_raises_fewer_than_a_hundredth_false_degraded_circuit(baseline: float) -> None:
    # The arithmetic of quality.yml: each evaluation of each of 800 circuits as if independent, which overstates it.
    fast = int(120 * (0.06 + 4 * baseline)) + 1
    slow = int(360 * (0.025 + 3 * baseline)) + 1
    per_evaluation = poisson_tail(120 * baseline, fast) + poisson_tail(360 * baseline, slow)
    assert per_evaluation * 240 * 800 < 0.01
    one_session_left = poisson_tail(60 * baseline, fast)
    assert one_session_left * 240 * 800 < 0.01


def test_the_reckoned_thresholds_are_those_of_the_rule() -> None:
    (rule,) = rules("quality")
    assert "2 * (0.06 + 4 * max" in rule["expr"]
    assert "2 * (0.025 + 3 * max" in rule["expr"]
