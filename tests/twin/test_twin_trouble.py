"""The twin in trouble, as a process: a full disk, a state file of the wrong shape, hostile bodies."""

from __future__ import annotations

import json
import resource
from pathlib import Path
from typing import Any

import httpx
import pytest
from twin_process import TOKEN, RunningTwin

from inventory.models import Inventory
from network_ops.twin.simulated.engine import Engine
from network_ops.twin.simulated.saved import ShapeError, checked

BEARER = {"Authorization": f"Bearer {TOKEN}"}


def room(twin: RunningTwin, size: int) -> None:
    """Let the twin write no file beyond `size` bytes: the kernel refuses as on a full disk, in the middle of a line."""
    assert twin.process is not None
    _, most = resource.prlimit(twin.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(twin.process.pid, resource.RLIMIT_FSIZE, (size, most))


def events(twin: RunningTwin) -> list[tuple[str, str]]:
    lines = (twin.state_dir / "twin-faults.jsonl").read_text().splitlines()
    return [(row["event"], row["target"]) for row in map(json.loads, lines)]


@pytest.mark.parametrize("what", ["nothing fits", "half a line fits", "the line fits, the state does not"])
def test_a_fault_that_cannot_be_saved_is_not_in_force(new_twin: RunningTwin, inv: Inventory, what: str) -> None:
    first, second = list(inv.circuits)[:2]
    kept = new_twin.call("POST", "/faults", {"kind": "circuit-cut", "target": first}).json()
    log, state = new_twin.state_dir / "twin-faults.jsonl", new_twin.state_dir / "twin.json"
    if what == "half a line fits":
        log.write_text(" " * 3 * state.stat().st_size + log.read_text())
        room(new_twin, log.stat().st_size + 100)
    elif what == "nothing fits":
        room(new_twin, 10)
    else:
        assert log.stat().st_size < state.stat().st_size, "a line of the log must fit"
        log.write_text("")
        room(new_twin, state.stat().st_size + 30)
    before = events(new_twin)
    done = new_twin.noc("fault", "inject", "circuit-cut", second)
    assert (done.returncode, "free space or fix the folder" in done.stderr) == (1, True), done.stderr
    assert ("fault log" in done.stderr) == (what == "half a line fits")
    assert new_twin.call("GET", "/faults").json() == [kept]
    assert events(new_twin) == before
    room(new_twin, resource.RLIM_INFINITY)
    assert new_twin.noc("fault", "inject", "circuit-cut", second).returncode == 0
    assert events(new_twin) == [*before, ("injected", second)]
    assert [f["target"] for f in new_twin.state()["engine"]["faults"]] == [first, second]


def test_all_faults_are_cleared_though_none_of_it_can_be_saved_and_the_log_catches_up(
    new_twin: RunningTwin, inv: Inventory
) -> None:
    targets = list(inv.circuits)[:3]
    for target in targets:
        assert new_twin.call("POST", "/faults", {"kind": "circuit-cut", "target": target}).is_success
    room(new_twin, 10)
    answer = new_twin.call("DELETE", "/faults")
    assert answer.status_code == 500
    assert "f-00001, f-00002, f-00003 ended, but a twin that restarts now" in answer.json()["error"]
    assert new_twin.call("GET", "/faults").json() == []
    assert len(new_twin.call("GET", "/faults?all=1").json()) == 3
    room(new_twin, resource.RLIM_INFINITY)
    assert new_twin.call("DELETE", "/faults").json() == []
    assert events(new_twin) == [(event, t) for event in ("injected", "cleared") for t in targets]
    assert new_twin.state()["engine"]["faults"] == []


def test_a_fault_ends_at_its_time_on_a_full_disk_and_is_noted_before_what_comes_next(
    new_twin: RunningTwin, inv: Inventory
) -> None:
    first, second = list(inv.circuits)[:2]
    assert new_twin.call("POST", "/faults", {"kind": "circuit-cut", "target": first, "for_s": 0.3}).is_success
    room(new_twin, 10)
    wait_until_none(new_twin)
    assert events(new_twin) == [("injected", first)]
    room(new_twin, resource.RLIM_INFINITY)
    assert new_twin.call("POST", "/faults", {"kind": "circuit-cut", "target": second}).is_success
    assert events(new_twin) == [("injected", first), ("expired", first), ("injected", second)]


def wait_until_none(twin: RunningTwin) -> None:
    for _ in range(400):
        if twin.call("GET", "/faults").json() == []:
            return
    raise AssertionError("the fault does not end")


def test_what_the_twin_keeps_is_for_its_owner_only(new_twin: RunningTwin, inv: Inventory) -> None:
    log, state = new_twin.state_dir / "twin-faults.jsonl", new_twin.state_dir / "twin.json"
    assert state.stat().st_mode & 0o777 == 0o600
    log.touch()
    log.chmod(0o644)  # as an older version left it
    assert new_twin.call("POST", "/faults", {"kind": "circuit-cut", "target": next(iter(inv.circuits))}).is_success
    assert [path.stat().st_mode & 0o777 for path in (log, state)] == [0o600, 0o600]


def good(inv: Inventory) -> Any:
    engine = Engine(inv, 1_790_000_000.0)
    engine.inject("flap", next(iter(inv.circuits)), 600, 1_790_000_010.0)
    engine.inject("site-power", next(iter(inv.sites)), None, 1_790_000_020.0)
    document = {"format": 1, "ports": {"snmp": [16161]}, "engine": engine.saved(1_790_000_030.0)}
    return json.loads(json.dumps(document))


def test_a_state_that_the_twin_has_written_is_accepted(inv: Inventory) -> None:
    document = good(inv)
    assert checked(document) is document
    assert len(Engine.restored(inv, document["engine"]).faults) == 2


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        ("", [], "not a twin's state of format 1"),
        ("", {"format": 1}, "the document must be an object with format, ports, engine"),
        ("format", 2, "not a twin's state of format 1"),
        ("ports", {"snmp": ["x"]}, "snmp"),
        ("ports", {"snmp": [0]}, "must be a port"),
        ("engine", None, "engine must be an object with born"),
        ("engine.born", "yesterday", "engine.born must be seconds"),
        ("engine.born", 10**400, "engine.born must be seconds"),
        ("engine.born", float("nan"), "engine.born must be seconds"),
        ("engine.counter", True, "engine.counter"),
        ("engine.faults", {}, "engine.faults must be a list"),
        ("engine.faults.0.kind", "meteorite", "engine.faults[0].kind must be one of site-power"),
        ("engine.faults.0.kind", ["flap"], "engine.faults[0].kind must be one of"),
        ("engine.faults.0.target", "\ud800", "engine.faults[0].target"),
        ("engine.faults.0.expires_at", 1e300, "engine.faults[0].expires_at"),
        ("engine.faults.1.id", "f-00001", "engine.faults must be faults with ids of their own"),
        ("engine.flaps", {"f-00001": [1, 2]}, "true or false"),
        ("engine.history", {}, "engine.history must be an object with boots"),
        ("engine.history.lines", {"x": [1, 2]}, "must be a list of 3"),
        ("engine.history.boots", {"x\x1b": [None, 1]}, "seconds since 1970"),
    ],
)
def test_each_wrong_value_of_a_state_is_named(inv: Inventory, path: str, value: object, says: str) -> None:
    document = good(inv)
    *way, last = path.split(".")
    place = document
    for step in way:
        place = place[int(step) if step.isdigit() else step]
    if last:
        place[last] = value
    else:
        document = value
    with pytest.raises(ShapeError) as found:
        checked(document)
    assert says in str(found.value)
    assert str(found.value).isprintable()


@pytest.mark.parametrize(
    "text",
    ['{"format": 1}', "[" * 60_000, '{"format": 1, "ports": {}, "engine": {"history": {}}}', "null", '"\\ud800"'],
)
def test_a_state_file_of_the_wrong_shape_is_one_sentence_with_its_remedy(
    twin: RunningTwin, tmp_path: Path, text: str
) -> None:
    state, token = tmp_path / "s.json", twin.state_dir / "secrets" / "internal.token"
    state.write_text(text)
    common = ["twin", "run", "--inventory", str(twin.tables), "--control", "127.0.0.1:0"]
    done = twin.noc(*common, "--state-file", str(state), "--token-file", str(token))
    assert done.returncode == 2
    assert "remove the file to start a fresh world" in done.stderr
    assert "Traceback" not in done.stderr
    assert state.read_text() == text


VALID = '"kind": "hub-isolation", "target": "valencia"'


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        ('{%s, "for_s": %s}' % (VALID, "9" * 400), 400, "at most a year"),  # noqa: UP031 - braces
        ('{%s, "for_s": %s}' % (VALID, "9" * 5000), 400, "not JSON"),  # noqa: UP031
        ('{%s, "for_s": -%s}' % (VALID, "9" * 400), 400, "above 0"),  # noqa: UP031
        ('{%s, "for_s": 1e999}' % VALID, 400, "at most a year"),  # noqa: UP031
        ('{%s, "for_s": NaN}' % VALID, 400, "at most a year"),  # noqa: UP031
        ('{"kind": "site-power", "target": "\\ud800"}', 400, "printable characters"),
        ('{"kind": "\\ud800", "target": "x"}', 400, "printable characters"),
        ('{"kind": "site-power", "target": "%s"}' % ("a" * 60_000), 400, "at most 200"),
        ("[" * 60_000, 400, "not JSON"),
        (b"\xff\xfe\x00", 400, "not JSON"),
        ("", 400, "not JSON"),
        (" " * (64 * 1024 + 1), 413, "64 KiB"),
    ],
)
def test_hostile_faults_get_a_sentence(twin: RunningTwin, body: str | bytes, status: int, says: str) -> None:
    answer = httpx.post(twin.url + "/faults", content=body, headers=BEARER, trust_env=False)
    assert (answer.status_code, says in answer.json()["error"]) == (status, True), answer.text
    assert len(answer.text) < 500
    assert twin.call("GET", "/faults").json() == []


def test_a_body_without_length_is_read_no_further_than_it_may_be_long(twin: RunningTwin) -> None:
    pieces = (b" " * 8192 for _ in range(64))
    answer = httpx.post(twin.url + "/faults", content=pieces, headers=BEARER, trust_env=False)
    assert (answer.status_code, "64 KiB" in answer.json()["error"]) == (413, True)


def test_nothing_hostile_leaves_a_traceback_in_the_log(new_twin: RunningTwin) -> None:
    for body in ("[" * 60_000, '{"kind": "site-power", "target": "\\ud800"}', "x" * 200_000):
        httpx.post(new_twin.url + "/faults", content=body, headers=BEARER, trust_env=False)
    assert new_twin.call("DELETE", "/faults/%ED%A0%80").status_code == 404
    assert new_twin.process is not None
    assert new_twin.process.stderr is not None
    assert new_twin.stop() == 0
    assert "Traceback" not in new_twin.process.stderr.read()
