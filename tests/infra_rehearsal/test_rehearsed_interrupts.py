"""Ctrl-C while the real engine works: it is told once and waited for; nothing is lost, locked or left running."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from rehearsal_support import STACK

from infra.core.errors import EngineError
from infra.engine import interrupt
from infra.engine.workspace import Rehearsal
from infra.rehearsal.world import World

ROOT = Path(__file__).parents[2]
CHILD = Path(__file__).with_name("interrupt_child.py")


@dataclass
class Ended:
    code: int
    said: str
    out: str
    seconds: float


def child(folder: Path, what: str) -> subprocess.Popen[str]:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, str(CHILD), str(folder), what],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # a process group of its own, as a shell gives one to each command
    )


def interrupted(folder: Path, what: str, *sent: signal.Signals, group: bool) -> Ended:
    """Start it, wait until Azure works on the gateway, send the signals half a second apart, and see it end."""
    process = child(folder, what)
    journal = Rehearsal(folder / "rehearsal").journal
    until = time.monotonic() + 60
    while "vhub-valencia" not in (journal.read_text() if journal.exists() else ""):
        assert time.monotonic() < until, "Azure was never asked for a hub"
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    time.sleep(1.0)
    ours = psutil.Process(process.pid).children(recursive=True)
    assert any(p.name() == "pulumi" for p in ours)
    started = time.monotonic()
    for each in sent:
        os.killpg(process.pid, each) if group else os.kill(process.pid, each)
        time.sleep(0.5)
    try:
        out, said = process.communicate(timeout=40)
    finally:
        for left in ours:
            if left.is_running() and left.name() == "pulumi":
                left.kill()
                said = "an engine was left"
    return Ended(process.returncode, said, out, time.monotonic() - started)


def locks(folder: Path) -> list[Path]:
    return [p for p in (folder / "rehearsal" / "state" / ".pulumi" / "locks").rglob("*") if p.is_file()]


def in_state(folder: Path) -> set[str]:
    document = json.loads(Rehearsal(folder / "rehearsal").checkpoint(STACK).read_text())
    resources = document["checkpoint"]["latest"].get("resources") or []
    return {r["id"] for r in resources if r["type"].startswith("azure-native:")}


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize(("sent", "group"), [(signal.SIGINT, True), (signal.SIGTERM, False)])
def test_an_interrupted_up_saves_what_was_done_and_the_next_one_goes_on(
    tmp_path: Path, sent: signal.Signals, group: bool
) -> None:
    done = interrupted(tmp_path, "up", sent, group=group)
    assert (done.code, done.seconds < 20) == (1, True), done
    assert "interrupted: what was done is in the state; run preview again: noc infra preview" in done.said
    assert f"--rehearsal {tmp_path / 'rehearsal'}" in done.said
    for word in ("Traceback", "Exception", "Aborted", "an engine was left"):
        assert word not in done.said, done.said
    assert locks(tmp_path) == []
    there = {r.id for r in World(Rehearsal(tmp_path / "rehearsal").journal)}
    assert len(there) >= 3
    assert in_state(tmp_path) == there
    again = child(tmp_path, "again")
    out, said = again.communicate(timeout=60)
    assert again.returncode == 0, said
    assert "create" in out


@pytest.mark.usefixtures("engine")
def test_a_second_interrupt_kills_the_engine_and_says_how_to_recover(tmp_path: Path) -> None:
    done = interrupted(tmp_path, "stubborn", signal.SIGINT, signal.SIGINT, group=True)
    assert done.code == 1, done
    assert f"noc infra recover {STACK} --rehearsal {tmp_path / 'rehearsal'} --break-lock" in done.said
    assert "an engine was left" not in done.said


@pytest.mark.usefixtures("engine")
def test_no_step_of_a_rehearsal_starts_after_an_interrupt(tmp_path: Path) -> None:
    done = interrupted(tmp_path, "rehearse", signal.SIGINT, group=False)
    assert done.code == 1
    assert [line.split()[1] for line in done.out.splitlines() if line.startswith(STACK)] == ["preview", "up"]
    assert "interrupted: what was done is in the state" in done.out
    assert "Traceback" not in done.said
    assert "an engine was left" not in done.said
    assert locks(tmp_path) == []


# -- the handlers ---------------------------------------------------------------------------------------------------


@contextmanager
def handlers() -> Iterator[None]:
    """The handlers afterwards are those from before."""
    before = [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)]
    yield
    assert [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)] == before


def twice() -> None:
    with interrupt.held() as outer:
        with interrupt.held() as inner:
            signal.raise_signal(signal.SIGINT)
            assert inner.count == 1
        outer.refuse()


def fail() -> None:
    with interrupt.held():
        signal.raise_signal(signal.SIGTERM)
        raise ValueError


def test_an_interrupt_is_held_back_until_the_outermost_block_ends() -> None:
    with handlers(), pytest.raises(EngineError, match="nothing more was started"):
        twice()


def test_another_failure_after_an_interrupt_is_told_as_the_interrupt() -> None:
    with handlers(), pytest.raises(interrupt.InterruptError, match="interrupted; run it again"):
        fail()


def test_a_question_can_be_interrupted_as_ever() -> None:
    with handlers(), pytest.raises(KeyboardInterrupt), interrupt.held() as hold, hold.released():
        signal.raise_signal(signal.SIGINT)


def test_a_thread_sets_no_handlers() -> None:
    found: list[object] = []

    def work() -> None:
        with interrupt.held():
            found.append(signal.getsignal(signal.SIGINT))

    with handlers():
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert found == [signal.getsignal(signal.SIGINT)]


def test_what_is_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with interrupt.held() as hold:
            signal.raise_signal(signal.SIGTERM)
            assert hold.count == 0
    finally:
        signal.signal(signal.SIGTERM, before)
