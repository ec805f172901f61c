"""The rendered configuration: accepted by promtool and amtool, atomic, and routing and inhibiting as meant."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

import inventory
from network_ops.monitoring import Mail, Settings, render
from network_ops.monitoring.alertmanager import alertmanager_config
from network_ops.monitoring.prometheus import snmp_jobs


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    token = tmp_path / "token"
    token.write_text("secret")
    return Settings(
        console_url="http://127.0.0.1:8594",
        snmp_url="http://127.0.0.1:9116",
        probes_url="http://127.0.0.1:9115",
        fleet_url="http://127.0.0.1:9595",
        prometheus_url="http://127.0.0.1:9090",
        alertmanager_url="http://127.0.0.1:9093",
        token_file=token,
        mail=Mail("127.0.0.1:25", "noc@example.org", "duty@example.org"),
        external_labels={"noc": "valencia"},
    )


@pytest.fixture(scope="module")
def inv() -> inventory.Inventory:
    return inventory.load(inventory.packaged_tables())


def run(*command: str) -> str:
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout + found.stderr
    return found.stdout


def test_prometheus_and_alertmanager_accept_what_is_rendered(
    inv: inventory.Inventory, settings: Settings, tmp_path: Path
) -> None:
    changed = render(inv, settings, tmp_path / "out")
    assert {path.name for path in changed} >= {"prometheus.yml", "alertmanager.yml", "reachability.yml"}
    assert "rule files found" in run("promtool", "check", "config", str(tmp_path / "out" / "prometheus.yml"))
    run("amtool", "check-config", str(tmp_path / "out" / "alertmanager.yml"))
    assert not list((tmp_path / "out" / "rules").glob("*_test.yml"))
    assert "secret" not in (tmp_path / "out" / "prometheus.yml").read_text().replace("secrets", "")


def test_rendering_again_changes_nothing_and_old_rules_go(
    inv: inventory.Inventory, settings: Settings, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    render(inv, settings, out)
    assert render(inv, settings, out) == ()
    (out / "rules" / "old.yml").write_text("groups: []\n")
    (out / "prometheus.yml").write_text("broken")
    assert {path.name for path in render(inv, settings, out)} == {"old.yml", "prometheus.yml"}
    assert sorted(path.name for path in out.iterdir()) == ["alertmanager.yml", "prometheus.yml", "rules"]


def test_a_disk_that_refuses_leaves_the_old_file_whole(
    inv: inventory.Inventory, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    render(inv, settings, out)
    (out / "prometheus.yml").write_text("as it was")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        render(inv, settings, out)
    assert (out / "prometheus.yml").read_text() == "as it was"
    assert not list(out.glob(".*"))


def test_the_jobs_are_those_agreed(inv: inventory.Inventory, settings: Settings, tmp_path: Path) -> None:
    render(inv, settings, tmp_path)
    config = yaml.safe_load((tmp_path / "prometheus.yml").read_text())
    jobs = {job["job_name"]: job for job in config["scrape_configs"]}
    assert list(jobs) == ["snmp", "snmp-slow", "probes-state", "probes", "snmp-exporter", "prober", "fleet", "noc"]
    assert {name: job["scrape_interval"] for name, job in jobs.items()} == {
        "snmp": "60s", "snmp-slow": "240s", "probes-state": "3s", "probes": "15s", "snmp-exporter": "15s",
        "prober": "15s", "fleet": "60s", "noc": "15s",
    }  # fmt: skip
    (discovery,) = jobs["snmp"]["http_sd_configs"]
    assert discovery["url"] == "http://127.0.0.1:8594/api/sd/snmp?interval=60"
    assert discovery["authorization"] == {"type": "Bearer", "credentials_file": str(settings.token_file)}
    assert config["global"]["external_labels"] == {"noc": "valencia"}
    assert snmp_jobs(inv) == [("snmp", 60), ("snmp-slow", 240)]


def held_back(config: dict[str, Any], cause: dict[str, str], consequence: dict[str, str]) -> bool:
    """Alertmanager's rule of inhibition, for the matchers that we use."""
    import re

    def matches(matchers: list[str], labels: dict[str, str]) -> bool:
        for matcher in matchers:
            name, operator, value = re.fullmatch(r'(\w+)(=~|!=|=)"(.*)"', matcher).groups()  # type: ignore[union-attr]
            found = labels.get(name, "")
            good = {"=": found == value, "!=": found != value, "=~": re.fullmatch(value, found) is not None}[operator]
            if not good:
                return False
        return True

    return any(
        matches(rule["source_matchers"], cause)
        and matches(rule["target_matchers"], consequence)
        and all(cause.get(label, "") == consequence.get(label, "") for label in rule.get("equal", ()))
        for rule in config["inhibit_rules"]
    )


SITE = {"alertname": "SiteDown", "site": "s1", "carrier": "c1"}
SITE_OF_TWO = {"alertname": "SiteDown", "site": "s1"}
CIRCUIT = {"alertname": "CircuitDown", "site": "s1", "circuit": "s1.a", "carrier": "c1"}
DEVICE = {"alertname": "DeviceDown", "site": "s1", "device": "s1-r1"}
SILENT = {"alertname": "AgentSilent", "site": "s1", "device": "s1-r1"}
BGP = {"alertname": "BgpSessionDown", "site": "s1", "circuit": "s1.a", "hub": "valencia"}
HUB = {"alertname": "HubIsolated", "hub": "valencia"}
ALL = {"alertname": "AllHubsIsolated"}
CARRIER = {"alertname": "CarrierOutage", "carrier": "c1"}
LAN_FULL = {"alertname": "InterfaceSaturated", "site": "s2", "device": "s2-r1"}


@pytest.mark.parametrize(
    ("cause", "consequence", "expected"),
    [
        (HUB, SITE, False),
        (HUB, SITE_OF_TWO, False),
        (HUB, CIRCUIT, False),
        (HUB, BGP, True),
        (HUB, {**BGP, "hub": "brindisi"}, False),
        (ALL, SITE, True),
        (ALL, CARRIER, True),
        (CARRIER, SITE, True),
        (CARRIER, SITE_OF_TWO, False),
        (CARRIER, {**SITE, "carrier": "c2"}, False),
        (CARRIER, CIRCUIT, True),
        (SITE_OF_TWO, DEVICE, True),
        (SITE_OF_TWO, {**DEVICE, "site": "s2"}, False),
        (SITE, SILENT, True),
        (DEVICE, SILENT, True),
        (DEVICE, {**SILENT, "device": "s1-r2"}, False),
        (CIRCUIT, LAN_FULL, False),
        (SITE, SITE, False),
        (ALL, {"alertname": "MonitoringBlind"}, False),
        (ALL, {"alertname": "Watchdog"}, False),
    ],
)
def test_what_holds_back_what(
    settings: Settings, cause: dict[str, str], consequence: dict[str, str], expected: bool
) -> None:
    assert held_back(dict(alertmanager_config(settings)), cause, consequence) is expected


@pytest.mark.parametrize(
    ("labels", "receivers"),
    [
        (("alertname=Watchdog", "severity=info"), "console"),
        (("alertname=SiteDown", "severity=page"), "mail,console"),
        (("alertname=CircuitDown", "severity=warning"), "console"),
    ],
)
def test_alertmanager_routes_by_severity(
    inv: inventory.Inventory, settings: Settings, tmp_path: Path, labels: tuple[str, ...], receivers: str
) -> None:
    render(inv, settings, tmp_path)
    config = f"--config.file={tmp_path / 'alertmanager.yml'}"
    assert run("amtool", "config", "routes", "test", config, *labels).strip() == receivers


def test_without_mail_there_is_only_the_console(inv: inventory.Inventory, tmp_path: Path) -> None:
    url = "http://127.0.0.1:1"
    config = alertmanager_config(Settings(url, url, url, url, url, url, tmp_path / "token"))
    assert [receiver["name"] for receiver in config["receivers"]] == ["console"]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("host", "tls"), [("127.0.0.1:25", False), ("[::1]:25", False), ("mail.example.org:587", True)]
)
def test_mail_to_another_machine_wants_tls(settings: Settings, host: str, tls: bool) -> None:
    from dataclasses import replace

    config = alertmanager_config(replace(settings, mail=Mail(host, "a@example.org", "b@example.org")))
    (mail,) = config["receivers"][1]["email_configs"]  # type: ignore[index]
    assert mail["require_tls"] is tls


def test_a_url_without_host_is_refused(inv: inventory.Inventory, settings: Settings, tmp_path: Path) -> None:
    from dataclasses import replace

    with pytest.raises(ValueError, match="is not a URL"):
        render(inv, replace(settings, snmp_url="127.0.0.1:9116"), tmp_path)
