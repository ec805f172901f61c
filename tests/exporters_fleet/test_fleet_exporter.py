"""The fleet exporter: as a collector over real files, and as a process that Prometheus' own tool accepts."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from exporters.fleet import gathering
from exporters.fleet.deployments import Deployments
from exporters.fleet.server import Application, Fleet
from infra.core.stacks import parse
from infra.engine import records

NOC = (sys.executable, "-m", "network_ops.cli.main")
EXEMPTIONS = "config:\n  wan-noc:exemptions:\n    - {id: arc, owner: hubs, until: 2027-03-31, policy: residency}\n"
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


class Rig:
    """Two folders and an exporter over them, without a process."""

    def __init__(self, root: Path) -> None:
        self.records, self.stacks = root / "records", root / "stacks"
        self.stacks.mkdir()
        self.deployments = Deployments(self.records, self.stacks)
        self.now = time.time()
        self.application = Application(Fleet([self.deployments], lambda: self.now))

    def preview(self, stack: str, result: records.Result = "same") -> None:
        records.write_preview(parse(stack), self.records, result, {"same": 3}, "")

    def samples(self) -> Samples:
        status, _, body = self.application.answer("GET", "/metrics")
        assert status == 200
        return sampled(body.decode())


def sampled(text: str) -> Samples:
    return {
        (s.name, frozenset(s.labels.items())): s.value
        for family in text_string_to_metric_families(text)
        for s in family.samples
        if s.name.startswith("wan_noc_")
    }


def of(samples: Samples, name: str) -> dict[tuple[str, ...], float]:
    return {tuple(v for _, v in sorted(labels)): value for (n, labels), value in samples.items() if n == name}


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


def test_without_records_no_stack_is_spoken_of(rig: Rig) -> None:
    (rig.stacks / "Pulumi.governance-prod.yaml").write_text(EXEMPTIONS)
    samples = rig.samples()
    assert {name for name, _ in samples if not name.startswith("wan_noc_fleet_")} == set()
    assert of(samples, "wan_noc_fleet_collector_success") == {("infra",): 1.0}
    assert of(samples, "wan_noc_fleet_files") == {("infra",): 0.0}


def test_each_stack_tells_age_result_changes_and_drift(rig: Rig) -> None:
    rig.preview("hub-valencia-prod", "failed")
    records.write_drift(parse("connectivity-dev"), rig.records, "changes", 4)
    samples = rig.samples()
    ((stack, at),) = of(samples, "wan_noc_stack_preview_timestamp_seconds").items()
    assert stack == ("hub-valencia-prod",)
    assert abs(at - time.time()) < 60
    assert of(samples, "wan_noc_stack_preview_result") == {
        ("same", "hub-valencia-prod"): 0.0, ("changes", "hub-valencia-prod"): 0.0, ("failed", "hub-valencia-prod"): 1.0,
    }  # fmt: skip
    assert of(samples, "wan_noc_stack_preview_changes") == {("same", "hub-valencia-prod"): 3.0}
    assert of(samples, "wan_noc_stack_drift_resources") == {("connectivity-dev",): 4.0}
    assert of(samples, "wan_noc_stack_drift_result")["changes", "connectivity-dev"] == 1.0


def test_a_look_for_drift_that_failed_is_not_shown_as_no_drift(rig: Rig) -> None:
    records.write_drift(parse("connectivity-prod"), rig.records, "failed", 0)
    samples = rig.samples()
    assert of(samples, "wan_noc_stack_drift_resources") == {}
    assert of(samples, "wan_noc_stack_drift_result")["failed", "connectivity-prod"] == 1.0


def test_exemptions_count_where_their_governance_stack_has_a_record(rig: Rig) -> None:
    for environment in ("dev", "prod"):
        (rig.stacks / f"Pulumi.governance-{environment}.yaml").write_text(EXEMPTIONS)
    rig.preview("governance-prod")
    assert of(rig.samples(), "wan_noc_policy_exemption_expiry_timestamp_seconds") == {
        ("arc", "hubs", "governance-prod"): datetime(2027, 4, 1, tzinfo=UTC).timestamp()
    }


def test_a_governance_stack_whose_configuration_is_missing_is_said(rig: Rig) -> None:
    rig.preview("governance-prod")
    assert of(rig.samples(), "wan_noc_fleet_unreadable_file") == {("infra", "Pulumi.governance-prod.yaml"): 1.0}


def test_a_broken_file_is_counted_and_named_and_the_others_are_served(
    rig: Rig, capsys: pytest.CaptureFixture[str]
) -> None:
    rig.preview("noc-valencia-prod")
    (rig.records / "hub-valencia-prod.json").write_text("{")
    os.mkfifo(rig.records / "pipe.json")
    (rig.records / os.fsdecode(b"\xff.json")).write_text("{}")
    samples = rig.samples()
    assert of(samples, "wan_noc_stack_preview_timestamp_seconds").keys() == {("noc-valencia-prod",)}
    names = {labels[1] for labels in of(samples, "wan_noc_fleet_unreadable_file")}
    assert names == {"hub-valencia-prod.json", "pipe.json", "\\xff.json"}
    assert of(samples, "wan_noc_fleet_unreadable_files") == {("infra",): 3.0}
    assert of(samples, "wan_noc_fleet_read_errors_total") == {("infra",): 3.0}
    said = capsys.readouterr().err
    assert "fleet exporter: infra: hub-valencia-prod.json is no JSON in UTF-8\n" in said
    rig.samples()
    assert capsys.readouterr().err == "", "what is known to be broken is not said again"
    rig.preview("hub-brindisi-prod")
    (rig.records / "hub-valencia-prod.json").unlink()
    assert of(rig.samples(), "wan_noc_fleet_unreadable_files") == {("infra",): 2.0}


def test_a_file_put_right_is_served_again(rig: Rig) -> None:
    rig.preview("hub-valencia-prod")
    path = rig.records / "hub-valencia-prod.json"
    good = path.read_text()
    path.write_text(good[:-5])
    assert of(rig.samples(), "wan_noc_stack_preview_result") == {}
    path.write_text(good)
    assert of(rig.samples(), "wan_noc_stack_preview_result") != {}
    assert of(rig.samples(), "wan_noc_fleet_unreadable_files") == {("infra",): 0.0}


def test_only_changed_files_are_parsed_again(rig: Rig) -> None:
    stacks = [f"sites-europe-{n}-prod" for n in range(1, 21)]
    for stack in stacks:
        rig.preview(stack)
    rig.samples()
    assert rig.deployments.parsed == 20
    rig.samples()
    assert rig.deployments.parsed == 20
    rig.preview(stacks[0], "failed")
    samples = rig.samples()
    assert rig.deployments.parsed == 21
    assert of(samples, "wan_noc_stack_preview_result")["failed", stacks[0]] == 1.0


def test_a_record_from_the_future_is_refused_until_its_time_has_come(rig: Rig) -> None:
    rig.preview("hub-valencia-prod")
    rig.now = (datetime.now(UTC) - timedelta(hours=3)).timestamp()
    assert of(rig.samples(), "wan_noc_fleet_unreadable_file") == {("infra", "hub-valencia-prod.json"): 1.0}
    rig.now += 3 * 3600
    assert of(rig.samples(), "wan_noc_fleet_unreadable_file") == {}


def test_a_file_beyond_all_measure_is_not_read(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    rig.preview("hub-valencia-prod")
    monkeypatch.setattr(gathering, "MOST_BYTES", 50)
    assert of(rig.samples(), "wan_noc_fleet_unreadable_files") == {("infra",): 1.0}
    assert rig.deployments.parsed == 0


def test_a_folder_that_cannot_be_used_is_the_collectors_failure(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    rig.preview("hub-valencia-prod")
    monkeypatch.setattr(gathering, "MOST_FILES", 0)
    samples = rig.samples()
    assert of(samples, "wan_noc_fleet_collector_success") == {("infra",): 0.0}
    assert of(samples, "wan_noc_fleet_read_errors_total") == {("infra",): 1.0}
    rig.records.rename(rig.records.with_name("away"))
    rig.records.write_text("a file in its place")
    assert of(rig.samples(), "wan_noc_fleet_collector_success") == {("infra",): 0.0}


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/other", 404), ("POST", "/metrics", 405)])
def test_other_questions_are_refused(rig: Rig, method: str, path: str, status: int) -> None:
    assert rig.application.answer(method, path)[0] == status


@pytest.fixture
def process(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    command = (*NOC, "exporter", "fleet", "--listen", "127.0.0.1:0", "--records", str(tmp_path / "records"))
    with subprocess.Popen(
        (*command, "--stacks", str(tmp_path / "stacks")), stderr=subprocess.PIPE, text=True
    ) as running:
        assert running.stderr is not None
        assert "does not exist yet: no stack is watched until" in running.stderr.readline()
        yield running, running.stderr.readline().split()[-1]
        running.kill()


def test_the_process_is_small_serves_what_promtool_accepts_and_ends_cleanly(
    process: tuple[subprocess.Popen[str], str], tmp_path: Path
) -> None:
    running, url = process
    (tmp_path / "stacks").mkdir()
    (tmp_path / "stacks" / "Pulumi.governance-prod.yaml").write_text(EXEMPTIONS)
    assert httpx.get(f"{url}healthz").json() == {"status": "ok", "files": 0}
    for number in range(25):
        records.write_preview(parse(f"sites-europe-{number}-prod"), tmp_path / "records", "changes", {"create": 9}, "")
    records.write_preview(parse("governance-prod"), tmp_path / "records", "same", {}, "")
    answer = httpx.get(f"{url}metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    checked = subprocess.run(
        ("promtool", "check", "metrics"), input=answer.text, capture_output=True, text=True, check=False
    )
    assert (checked.returncode, checked.stderr) == (0, "")
    samples = sampled(answer.text)
    assert len(of(samples, "wan_noc_stack_preview_timestamp_seconds")) == 26
    assert len(of(samples, "wan_noc_policy_exemption_expiry_timestamp_seconds")) == 1
    for _ in range(30):
        httpx.get(f"{url}metrics")
    assert psutil.Process(running.pid).memory_info().rss < 40 * 2**20
    running.send_signal(signal.SIGTERM)
    assert running.wait(10) == 0


def test_neither_pulumi_nor_the_programmes_are_loaded(tmp_path: Path) -> None:
    code = (
        "import sys, json; from pathlib import Path; from exporters.fleet.server import *;"
        f"Application(Fleet([Deployments(Path({str(tmp_path)!r}), None)])).answer('GET', '/metrics');"
        "print(json.dumps(sorted({m.split('.')[0] for m in sys.modules})))"
    )
    done = subprocess.run((sys.executable, "-c", code), capture_output=True, text=True, check=True)
    loaded = set(json.loads(done.stdout))
    assert "prometheus_client" in loaded
    assert not loaded & {"infra", "pulumi", "pydantic", "starlette", "yaml", "inventory"}


def test_an_address_that_others_reach_is_refused(tmp_path: Path) -> None:
    command = (*NOC, "exporter", "fleet", "--listen", "0.0.0.0:0", "--records", str(tmp_path))
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 4
    assert "can be reached by other machines" in done.stderr


def test_the_deploying_and_the_watching_command_mean_the_same_folder() -> None:
    from network_ops.cli.exporter import fleet
    from network_ops.cli.infra_engine import records_option
    from network_ops.cli.up import cli as up
    from network_ops.supervisor.state import StateDir

    @records_option
    def written(records: Path) -> None: ...

    (writes,) = written.__click_params__  # type: ignore[attr-defined]
    reads = next(o for o in fleet.params if o.name == "records")
    state_dir = next(o for o in up.params if o.name == "state_dir")
    moves = next(o for o in up.params if o.name == "infra_records")
    assert writes.default == reads.default == StateDir(state_dir.default).infra_records
    assert writes.envvar == moves.envvar
