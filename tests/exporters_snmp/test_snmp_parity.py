"""Side by side with snmp_exporter 0.30.1: the file that it ships, the same snmpd, the same answer of both.

Every module of that file is asked for at both; where the agent has something, names, labels, types, help and values
must be equal, but for values that move between two scrapes.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import snmp_world as w
from prometheus_client.parser import text_string_to_metric_families

from exporters.snmp import loader
from tests.bench.snmp_peer import PeerMissingError, shipped_file, snmp_exporter

pytestmark = pytest.mark.timeout(600)  # the first run builds the peer
Series = tuple[str, tuple[tuple[str, str], ...]]
LEAST_SERIES = {"if_mib": 20, "system": 5, "ucd_memory": 20, "ucd_system_stats": 15, "hrStorage": 20, "hrSystem": 5}


@dataclass(frozen=True)
class Answer:
    """Samples and what HELP and TYPE say of each family, without the exporters' own."""

    values: dict[Series, float]
    families: dict[str, tuple[str, str]]


@dataclass(frozen=True)
class Pair:
    """Both exporters and the agent, by port."""

    ours: int
    peer: int
    agent: int

    def ask(self, port: int, module: str) -> Answer:
        url = f"http://127.0.0.1:{port}/snmp?target=127.0.0.1:{self.agent}&module={module}&auth=public_v2"
        with urllib.request.urlopen(url, timeout=60) as answer:
            text = answer.read().decode()
        families = [f for f in text_string_to_metric_families(text) if not f.name.startswith("snmp_scrape_")]
        values = {(s.name, tuple(sorted(s.labels.items()))): s.value for f in families for s in f.samples}
        return Answer(values, {f.name: (f.type, f.documentation) for f in families if f.samples})


@pytest.fixture(scope="module")
def file() -> Path:
    try:
        return shipped_file()
    except PeerMissingError as error:
        if os.environ.get("CI"):
            pytest.fail(str(error))
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def pair(file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    folder = tmp_path_factory.mktemp("parity")
    peer, ours = _free_port(), _free_port()
    noc = [
        sys.executable,
        "-m",
        "network_ops.cli.main",
        "exporter",
        "snmp",
        "--config",
        str(file),
        "--listen",
        f"127.0.0.1:{ours}",
    ]
    theirs = [
        str(snmp_exporter()),
        f"--config.file={file}",
        f"--web.listen-address=127.0.0.1:{peer}",
        "--log.level=error",
    ]
    with w.snmpd(folder) as agent, _running(noc, ours), _running(theirs, peer):
        yield Pair(ours, peer, agent)


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@contextmanager
def _running(command: list[str], port: int) -> Iterator[None]:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 30
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                assert time.monotonic() < until, command[0]
                time.sleep(0.1)
        yield
    finally:
        process.terminate()
        process.wait(10)


def test_the_whole_of_the_shipped_file_is_understood(file: Path) -> None:
    config = loader.load([file])
    assert len(config.modules) >= 50
    assert [line for line in config.refusals() if line.startswith("module")] == []


def test_every_module_gives_what_the_peer_gives(file: Path, pair: Pair) -> None:
    compared = 0
    for module in loader.load([file]).modules:
        theirs, ours = pair.ask(pair.peer, module), pair.ask(pair.ours, module)
        running = module.startswith("hrSWRun")  # processes come and go between two scrapes
        same = theirs.values.keys() & ours.values.keys()
        odd = theirs.values.keys() ^ ours.values.keys()
        assert len(odd) <= (0.3 * len(same) if running else 0), (module, sorted(odd)[:5])
        assert theirs.families == ours.families or running, module
        moved = [k for k in same if theirs.values[k] != ours.values[k]]
        again = pair.ask(pair.peer, module).values if moved else {}
        # A counter that the peer itself sees move is no difference; anything else is.
        wrong = [k for k in moved if k in again and theirs.values[k] == again[k] and not running]
        assert not wrong, (module, [(k, theirs.values[k], ours.values[k]) for k in wrong[:5]])
        assert len(same) >= LEAST_SERIES.get(module, 0), module
        compared += len(same)
    assert compared >= 500


def test_several_modules_at_once_are_one_answer(pair: Pair) -> None:
    both = pair.ask(pair.ours, "system,if_mib").values
    assert both.keys() >= pair.ask(pair.ours, "system").values.keys()
    assert both.keys() == pair.ask(pair.peer, "system,if_mib").values.keys()


def test_a_silent_target_is_a_500_on_both_sides(pair: Pair) -> None:
    for port in (pair.ours, pair.peer):
        url = f"http://127.0.0.1:{port}/snmp?target=127.0.0.1:9&module=system&auth=public_v2"
        request = urllib.request.Request(url, headers={"X-Prometheus-Scrape-Timeout-Seconds": "2"})
        with pytest.raises(urllib.error.HTTPError) as failed:
            urllib.request.urlopen(request, timeout=60)
        assert failed.value.code == 500
