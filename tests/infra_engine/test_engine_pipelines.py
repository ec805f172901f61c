"""The pipeline definitions in docs/deploy: every command line in them exists, nothing in them is a secret."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from infra.core.pipelines import duties
from network_ops.cli.main import cli

DEPLOY = Path(__file__).parents[2] / "docs" / "deploy"
FILES = sorted(DEPLOY.glob("infra-*.yml"))
_ASSIGNED = re.compile(r"[A-Z_]+=")
_ENDS = {"||", "&&", ";", "|", ">", ">>", "{", "}", "then", "do", "done", "fi"}


def load(path: Path) -> dict[Any, Any]:
    found: dict[Any, Any] = yaml.safe_load(path.read_text())
    return found


def scripts(pipeline: dict[Any, Any]) -> Iterator[tuple[str, str]]:
    for name, job in pipeline["jobs"].items():
        for step in job["steps"]:
            if "run" in step:
                yield name, step["run"]


def command_lines(script: str) -> Iterator[list[str]]:
    """The words of every `noc ...` in a script, as the shell would pass them, with variables left as they stand."""
    for line in script.replace("\\\n", " ").splitlines():
        splitter = shlex.shlex(line, posix=True, punctuation_chars="|&;<>")
        splitter.whitespace_split = True
        words = list(splitter)
        while "noc" in words:
            words = words[words.index("noc") + 1 :]
            end = next((n for n, word in enumerate(words) if word in _ENDS), len(words))
            yield words[:end]


def understood(words: list[str]) -> click.Context:
    """Parse a command line as `noc` would, without running it.

    Raises:
        click.UsageError: there is no such command, option or value.
    """
    command: click.Command = cli
    context = click.Context(cli)
    while isinstance(command, click.Group):
        name, found, words = command.resolve_command(context, list(words))
        assert found is not None
        command, context = found, click.Context(found, parent=context, info_name=name)
    return command.make_context(context.info_name, ["dev" if w.lower() == "$environment" else w for w in words])


def test_there_are_pipelines_to_preview_deploy_and_find_drift() -> None:
    assert [f.name for f in FILES] == ["infra-deploy.yml", "infra-drift.yml", "infra-preview.yml"]


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_every_noc_command_in_a_pipeline_exists_with_its_options(path: Path) -> None:
    lines = [line for _, script in scripts(load(path)) for line in command_lines(script)]
    assert len(lines) >= 2
    for line in lines:
        understood(line)


@pytest.mark.parametrize(
    "line", ["infra preveiw x", "infra preview x --expect-nothing", "infra preview", "infra plan --env test"]
)
def test_the_check_sees_a_command_line_that_does_not_exist(line: str) -> None:
    with pytest.raises(click.UsageError):
        understood(line.split())


def test_the_preview_pipeline_checks_compares_and_previews() -> None:
    lines = [" ".join(w[:2]) for _, s in scripts(load(DEPLOY / "infra-preview.yml")) for w in command_lines(s)]
    assert lines == ["infra check", "infra plan", "infra plan", "infra plan", "infra preview"]


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_the_shell_reads_every_script(path: Path) -> None:
    for _, script in scripts(load(path)):
        assert "${{" not in script, "values reach a script by its environment, never by its text"
        done = subprocess.run(["bash", "-n"], input=script, text=True, capture_output=True, check=False)
        assert done.stderr == ""


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_a_pipeline_has_no_secret_and_asks_for_a_token_only_where_it_needs_one(path: Path) -> None:
    pipeline = load(path)
    text = path.read_text()
    assert not re.search(r"secrets\.\w", text)
    assert "pull_request_target" not in text
    assert set(re.findall(r"vars\.(\w+)", text)) <= {
        "DEV_PREVIEW_CLIENT_ID", "PROD_PREVIEW_CLIENT_ID", "TENANT_ID", "DEV_SUBSCRIPTION_ID", "PROD_SUBSCRIPTION_ID",
        "DEV_STATE_ACCOUNT", "PROD_STATE_ACCOUNT", "NOC_INFRA_RECORDS", "DEV_DEPLOY_CLIENT_ID", "PROD_DEPLOY_CLIENT_ID",
    }  # fmt: skip
    for job in pipeline["jobs"].values():
        rights = job.get("permissions", pipeline["permissions"])
        asks = any("azure/login" in step.get("uses", "") for step in job["steps"])
        assert rights == ({"contents": "read", "id-token": "write"} if asks else {"contents": "read"})


def test_each_pipeline_runs_where_the_identities_of_bootstrap_trust_it() -> None:
    triggers = {path.stem: load(path)[True] for path in FILES}  # `on` is a boolean in YAML 1.1
    assert set(triggers["infra-preview"]) == {"pull_request"}
    assert set(triggers["infra-drift"]) == {"schedule", "workflow_dispatch"}
    assert load(DEPLOY / "infra-drift.yml")["jobs"]["drift"]["if"] == "github.ref == 'refs/heads/main'"
    assert any(s.endswith(":pull_request") for s in duties("o/r", "main", "dev")["preview"].subjects.values())
    assert list(duties("o/r", "main", "prod")["preview"].subjects.values()) == ["repo:o/r:ref:refs/heads/main"]
    assert set(triggers["infra-deploy"]) == {"workflow_dispatch"}
    deploy = load(DEPLOY / "infra-deploy.yml")["jobs"]["deploy"]
    assert (deploy["if"], deploy["environment"]) == ("github.ref == 'refs/heads/main'", "${{ inputs.environment }}")
    assert list(duties("o/r", "main", "prod")["deploy"].subjects.values()) == ["repo:o/r:environment:prod"]
    preview = (DEPLOY / "infra-preview.yml").read_text()
    assert "PROD_" not in preview, "a pull request never gets at prod's state"
