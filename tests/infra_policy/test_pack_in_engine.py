"""The pack under the real engine, with a rehearsal instead of Azure: it refuses, lets pass, and marks secrets.

The engine's own host for Python packs (part of the official CLI) is a script that starts the folder with Python; an
engine built from its module lacks it, so that one line stands in for it here.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pulumi
import pytest
from policy_examples import TAGS
from pulumi import automation
from pulumi.automation.errors import CommandError
from pulumi_azure_native import network, resources, storage

from infra.core.stacks import parse
from infra.engine.workspace import Rehearsal, open_stack
from infra.graph.record import record
from infra.policy import evaluate
from infra.policy.driver import PACK_FOLDER
from infra.rehearsal.world import World

STACK = parse("continuity-dev")
KEY = "a-made-up-key-that-nobody-may-read"


def bad() -> None:
    """One fault or more of most policies."""
    group = resources.ResourceGroup("rg-x-dev", resource_group_name="rg-x-dev", location="eastus")
    storage.StorageAccount(
        "stwoevidencedev",
        account_name="stwoevidencedev",
        resource_group_name=group.name,
        kind="StorageV2",
        sku=storage.SkuArgs(name="Standard_GRS"),
        location="spaincentral",
    )
    network.VpnSite(
        "vst-lima-dev", vpn_site_name="vst-lima-dev", resource_group_name=group.name, site_key=pulumi.Output.secret(KEY)
    )


def careless() -> None:
    """Good, but for a key that is not marked as a secret."""
    group = resources.ResourceGroup("rg-x-dev", resource_group_name="rg-x-dev", location="spaincentral", tags=TAGS)
    network.VpnSite(
        "vst-lima-dev",
        vpn_site_name="vst-lima-dev",
        resource_group_name=group.name,
        location="spaincentral",
        site_key=KEY,
        tags=TAGS,
        opts=pulumi.ResourceOptions(additional_secret_outputs=["site_key"]),
    )


@pytest.fixture(autouse=True)
def _pack_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    host = tmp_path / "bin" / "pulumi-analyzer-policy-python"
    host.parent.mkdir()
    host.write_text(f'#!/bin/sh\nexec "{sys.executable}" -u "$2"\n')
    host.chmod(0o755)
    monkeypatch.setenv("PATH", f"{host.parent}{os.pathsep}{os.environ['PATH']}")


def under_engine(tmp_path: Path, programme: Callable[[], None], do: Callable[[automation.Stack], Any]) -> Any:
    state = tmp_path / "state"
    world = World(state / "world.jsonl")
    with open_stack(STACK, rehearsal=world, state_dir=state, programme=programme) as stack:
        return do(stack)


def state_of(tmp_path: Path) -> str:
    """The engine's state as it lies on the disk: secrets are ciphertext there."""
    return Rehearsal(tmp_path / "state").checkpoint(STACK.name).read_text()


def test_the_engine_refuses_exactly_what_the_gate_refuses(tmp_path: Path) -> None:
    heard: list[automation.EngineEvent] = []

    def preview(stack: automation.Stack) -> None:
        with pytest.raises(CommandError):
            stack.preview(policy_packs=[str(PACK_FOLDER)], on_event=heard.append)

    under_engine(tmp_path, bad, preview)
    told = {
        (e.policy_event.policy_name, str(e.policy_event.resource_urn), e.policy_event.message.strip().split("\n")[-1])
        for e in heard
        if e.policy_event is not None
    }
    recorded = record(STACK, bad, {"layer": "continuity", "environment": "dev"})
    expected = {(v.policy, v.urn, v.message) for v in evaluate([recorded], datetime.now(UTC).date())}
    assert len({policy for policy, _, _ in expected}) >= 8
    assert told == expected


def test_the_engine_keeps_an_unmarked_key_out_of_its_state_because_the_pack_marks_it(tmp_path: Path) -> None:
    told = under_engine(tmp_path, careless, lambda stack: stack.up(policy_packs=[str(PACK_FOLDER)]).stdout)
    state = state_of(tmp_path)
    assert "[remediate]  secrets-marked" in told
    assert "mandatory" not in told
    assert KEY not in state
    assert "vst-lima-dev" in state


def test_without_the_pack_the_same_key_would_be_readable(tmp_path: Path) -> None:
    under_engine(tmp_path, careless, lambda stack: stack.up())
    assert KEY in state_of(tmp_path)
