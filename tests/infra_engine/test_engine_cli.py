"""The engine's verbs on the command line: exit codes, what goes to standard output, what to standard error."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from infra.core.errors import InfraError
from infra.engine import failover as code
from infra.engine.failover import Failover, Move
from infra.engine.run import Target
from network_ops.cli import infra_engine
from network_ops.cli.infra import cli
from tests.infra_engine.engine_lab import Lab, lab

STACK = "connectivity-dev"


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    found = lab(tmp_path / "lab")

    def target(name: str, rehearsal: Path | None, *, create: bool = False) -> Target:
        return found.target(name)

    monkeypatch.setattr(infra_engine, "_target", target)
    monkeypatch.chdir(tmp_path)
    return found


def noc(*arguments: str) -> Result:
    return CliRunner().invoke(cli, arguments, catch_exceptions=False)


def test_preview_up_and_preview_again(small: Lab, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    seen = noc("preview", STACK, "--expect-no-changes", "--markdown", str(page), "--records", "records")
    digest = seen.stdout.strip()
    assert (seen.exit_code, len(digest)) == (3, 16)
    assert "5 to create" in seen.stderr
    assert "rehearsal, no Azure" in seen.stderr
    assert f"### {STACK}\n\nDigest `{digest}`" in page.read_text()

    assert noc("up", STACK).exit_code == 4  # nobody is there to agree
    refused = noc("up", STACK, "--plan", "0" * 16)
    assert refused.exit_code == 4
    assert digest in refused.stderr
    done = noc("up", STACK, "--plan", digest, "--json", "--reason", "first")
    assert done.exit_code == 0
    found = json.loads(done.stdout)
    assert (found["digest"], found["bound_to_plan"], found["rehearsal"]) == (digest, True, True)
    assert found["outputs"]["key"] == "[secret]"
    again = noc("preview", STACK, "--expect-no-changes", "--json", "--records", "records")
    assert (again.exit_code, json.loads(again.stdout)["result"]) == (0, "same")

    small.world.drift(small.world.find("vpn-")[0].id, tags={"who": "someone"})
    drifted = noc("refresh", STACK, "--preview-only", "--expect-no-changes", "--records", "records")
    assert drifted.exit_code == 3
    assert "1 to update" in drifted.stderr
    assert "tags.who" in drifted.stderr
    assert noc("destroy", STACK).exit_code == 4
    assert (tmp_path / "records" / f"{STACK}.json").exists()
    assert noc("destroy", STACK, "--confirm", STACK, "--records", "records").exit_code == 0
    assert not (tmp_path / "records" / f"{STACK}.json").exists()


def test_a_failure_of_the_engine_is_1_and_wrong_input_is_2(small: Lab) -> None:
    small.shift = "it broke"
    failed = noc("preview", STACK, "--records", "records", "--json")
    assert failed.exit_code == 1
    assert "it broke" in json.loads(failed.stdout)["error"]
    assert "Traceback" not in failed.stderr


def test_a_stack_that_does_not_exist_is_wrong_input() -> None:
    wrong = noc("preview", "conectivity-dev")
    assert wrong.exit_code == 2
    assert "the layers are bootstrap, governance" in wrong.stderr


def test_a_real_run_without_a_subscription_is_refused(tmp_path: Path) -> None:
    refused = noc("preview", STACK, "--records", str(tmp_path))
    assert refused.exit_code == 4
    assert f"noc infra rehearse {STACK}" in refused.stderr


def test_rehearse_keeps_nothing_without_a_folder() -> None:
    assert noc("rehearse", STACK, "--keep").exit_code == 2


def test_failover_tells_what_moved(monkeypatch: pytest.MonkeyPatch, small: Lab) -> None:
    done = Failover(
        "mail", "brindisi", "continuity-prod", True, False, (Move("mail", "valencia", "brindisi"),),
        active_hubs={"mail": "brindisi"}, seconds={"up": 2.0},
    )  # fmt: skip

    def moved(scope: str, to: str, **more: object) -> Failover:
        if scope == "mial":
            raise InfraError("there is no application or hub 'mial'")
        return done

    monkeypatch.setattr(code, "failover", moved)
    said = noc("failover", "mail", "--to", "brindisi", "--json", "--rehearsal", "somewhere")
    assert said.exit_code == 0
    assert json.loads(said.stdout)["moves"] == [{"application": "mail", "from": "valencia", "to": "brindisi"}]
    assert "moved mail to brindisi in 2.0 s (rehearsal, no Azure)" in said.stderr
    assert noc("failover", "mail", "--to", "brindisi", "--rehearsal", "x").stdout == "mail=brindisi\n"
    assert noc("failover", "mial", "--to", "brindisi").exit_code == 2
    assert noc("failover", "mail").exit_code == 2  # --to is missing
