"""What is refused before the engine starts, and what a plan's digest takes in: secrets, zeros, files, protection."""

from __future__ import annotations

import os
import re
import shutil
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from pulumi import automation
from pulumi.automation import CommandResult
from pulumi.automation.errors import StackNotFoundError

from infra.core.arm import NO_SUBSCRIPTION
from infra.core.errors import InfraError, RefusedError
from infra.core.stacks import parse
from infra.engine import files, guards, run, targets, workspace
from infra.engine.model import Target
from infra.rehearsal.run import rehearse
from infra.rehearsal.world import Fault, World
from tests.infra_engine.engine_lab import Lab, lab

PROD = "connectivity-prod"
SEED = "wan-noc:siteKeySeed"
GUID = "3f2b6c1e-0000-4000-8000-000000000001"


@pytest.fixture
def small(tmp_path: Path) -> Lab:
    return lab(tmp_path / "lab")


def set_secret(target: Target, value: str) -> None:
    with target.open() as engine:
        engine.set_config(SEED, automation.ConfigValue(value, secret=True))


# -- secrets and the digest -----------------------------------------------------------------------------------------


def test_another_secret_is_another_plan(small: Lab, tmp_path: Path) -> None:
    target = small.target(PROD)
    bare = run.preview(target)
    assert bare.digest == bare.plan.digest
    set_secret(target, "a" * 40)
    first = run.preview(target, folder=tmp_path)
    assert re.fullmatch(r"[0-9a-f]{16}", first.digest)
    assert first.digest != bare.digest
    assert first.digest in (tmp_path / f"{PROD}.json").read_text()

    set_secret(target, "b" * 40)
    with pytest.raises(RefusedError, match="was not touched"):
        run.up(target, first.digest)
    assert len(small.world) == 0

    set_secret(target, "a" * 40)  # sealed anew, the same inside
    elsewhere = tmp_path / "another-machine"
    shutil.copytree(small.folder / "rehearsal", elsewhere)
    assert run.preview(elsewhere_target(small, elsewhere)).digest == first.digest
    assert run.up(target, first.digest).digest == first.digest


def elsewhere_target(small: Lab, folder: Path) -> Target:
    return targets.rehearsed(
        parse(PROD),
        small.world,
        folder,
        tables=small.tables,
        programme=small.programme,
        stack_files=small.folder / "stacks",
        project=small.folder / "Pulumi.yaml",
    )


# -- modes and files ------------------------------------------------------------------------------------------------


@pytest.fixture
def open_umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def modes(folder: Path) -> dict[str, str]:
    found = [folder, *folder.rglob("*")]
    return {str(p.relative_to(folder)): oct(stat.S_IMODE(p.stat().st_mode)) for p in found}


def test_a_rehearsals_folders_and_files_are_ours_alone(tmp_path: Path, open_umask: None) -> None:
    made = tmp_path / "a" / "b"
    (tmp_path / "a").mkdir()
    made.mkdir()  # as the command line does, for everyone to read
    where = workspace.Rehearsal(made)
    source = tmp_path / "Pulumi.connectivity-dev.yaml"
    source.write_text("config:\n  wan-noc:layer: connectivity\n")
    where_files = [where.project / "Pulumi.yaml", where.stack_file("connectivity-dev")]
    workspace._prepare(where, "connectivity-dev", workspace.PROJECT_FILE, tmp_path, {})
    assert {k: v for k, v in modes(made).items() if (made / k).is_dir() and v != "0o700"} == {}
    assert {k: v for k, v in modes(made).items() if (made / k).is_file() and v != "0o600"} == {}
    assert all(f.exists() for f in where_files)


def test_missing_levels_are_made_private_and_standing_ones_are_left(tmp_path: Path, open_umask: None) -> None:
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "mine.txt").write_text("")
    files.private(tmp_path / "shared" / "x" / "y")
    files.private(tmp_path / "shared")
    assert modes(tmp_path / "shared") == {".": "0o755", "mine.txt": "0o644", "x": "0o700", "x/y": "0o700"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read: Is a directory"),
        (b"config: {wan-noc:owner: Z\xfcrich}\n", "is not written in UTF-8"),
        (b"config: [\n", "cannot be read as YAML"),
        (b"config:\n  a: 2026-13-45\n", "cannot be read as YAML"),
        (b"- config\n", "is no mapping"),
        (b"config: text\n", "is no mapping"),
    ],
)
def test_a_stack_file_that_cannot_be_used_is_named(tmp_path: Path, content: bytes | None, message: str) -> None:
    file = tmp_path / "Pulumi.connectivity-dev.yaml"
    if content is None:
        file.mkdir()
    else:
        file.write_bytes(content)
    with pytest.raises(InfraError, match=rf"Pulumi\.connectivity-dev\.yaml {message}"):
        workspace._prepare(workspace.Rehearsal(tmp_path / "r"), file.stem[7:], workspace.PROJECT_FILE, tmp_path, {})


def test_a_file_is_no_rehearsals_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(InfraError, match="cannot be a rehearsal's folder") as refused:
            targets.at(parse("connectivity-dev"), path)
        assert type(refused.value) is InfraError  # exit code 2


def test_a_stack_without_a_file_is_not_rehearsed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infra.rehearsal.run.open_stack", lambda *_, **__: pytest.fail("the engine was started"))
    with pytest.raises(InfraError, match=r"infra/stacks/Pulumi\.sites-mars-1-dev\.yaml: there is no such file"):
        rehearse([parse("sites-mars-1-dev")], state_dir=tmp_path)


# -- what seals a new stack's secrets -------------------------------------------------------------------------------


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[str | None]:
    """What would seal the secrets of each stack that is made; none is there yet."""
    found: list[str | None] = []

    def missing(name: str, where: object) -> None:
        raise StackNotFoundError(CommandResult("", "no stack named", 255))

    def make(name: str, where: automation.LocalWorkspace) -> None:
        found.append(where.secrets_provider)

    monkeypatch.setattr(automation.Stack, "select", missing)
    monkeypatch.setattr(automation.Stack, "create", make)
    monkeypatch.delenv("PULUMI_SECRETS_PROVIDER", raising=False)
    monkeypatch.setenv("PULUMI_BACKEND_URL", "azblob://state")
    return found


def test_a_real_stack_is_not_made_without_what_seals_its_secrets(
    made: list[str | None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def make() -> None:
        with workspace.open_stack(parse(PROD), create=True, stack_files=tmp_path):
            pass

    with pytest.raises(RefusedError, match=f"pulumi stack init {PROD} --secrets-provider=azurekeyvault://"):
        make()
    assert made == []
    monkeypatch.setenv("PULUMI_SECRETS_PROVIDER", "azurekeyvault://from-environment")
    make()
    (tmp_path / f"Pulumi.{PROD}.yaml").write_text("secretsprovider: azurekeyvault://from-file\n")
    make()
    monkeypatch.delenv("PULUMI_SECRETS_PROVIDER")
    (tmp_path / f"Pulumi.{PROD}.yaml").unlink()
    monkeypatch.setenv("PULUMI_BACKEND_URL", f"file://{tmp_path}")
    make()
    assert made == ["azurekeyvault://from-environment", "azurekeyvault://from-file", None]


# -- zeros ----------------------------------------------------------------------------------------------------------


def base(stack: str) -> dict[str, str]:
    return {"layer": stack.rpartition("-")[0], "environment": stack.rpartition("-")[2], "subscription": GUID}


def refused_keys(stack: str, **more: str) -> list[str]:
    try:
        guards.deployable(parse(stack), base(stack) | more)
    except RefusedError as error:
        return [p.key for p in error.problems if p.value == NO_SUBSCRIPTION]
    return []


def test_every_id_of_zeros_is_refused_the_subscription_first() -> None:
    assert refused_keys("connectivity-dev") == ["tenant"]
    assert refused_keys("connectivity-dev", tenant=GUID) == []
    assert refused_keys("connectivity-dev", subscription=NO_SUBSCRIPTION) == ["subscription", "tenant"]
    assert refused_keys("connectivity-dev", subscription=NO_SUBSCRIPTION, nonsense="1") == ["subscription"]


def test_zeros_inside_objects_and_lists_are_found() -> None:
    governance = refused_keys("governance-dev", tenant=GUID)
    assert [k for k in governance if k.startswith("groups.")]
    continuity = refused_keys("continuity-dev", tenant=GUID)
    assert [k for k in continuity if re.match(r"databaseAdministrators\[0\]\.", k)]


# -- protection -----------------------------------------------------------------------------------------------------


def resource(kind: str, name: str) -> dict[str, object]:
    return {"urn": f"urn:pulumi:{PROD}::wan-noc::azure-native:network:{kind}::{name}", "protect": True}


def test_protected_resources_are_grouped_and_have_one_remedy(small: Lab) -> None:
    state = [resource("VpnConnection", f"c{n}") for n in range(65)] + [resource("VpnSite", f"s{n}") for n in range(135)]
    rehearsed = small.target(PROD)
    for target in (replace(rehearsed, rehearsal=False, folder=None), rehearsed):
        with pytest.raises(RefusedError) as refused:
            guards.destroyable(target, state, {})
        text = str(refused.value)
        assert "VpnConnection: 65 protected, e.g. c0, c1, c10" in text
        assert "VpnSite: 135 protected, e.g. s0, s1, s10" in text
        assert len(text.splitlines()) < 8
        assert text.count("set protect=False in the component and deploy that first") == 1
        real = not target.rehearsal
        assert (f"pulumi state unprotect URN -s {PROD}" in text) == real
        assert (f"noc infra up {PROD} --rehearsal" in text) != real


# -- commands in a rehearsal ----------------------------------------------------------------------------------------


def test_the_engines_own_advice_stays_in_the_rehearsal(small: Lab) -> None:
    target = small.target()
    text = "Preview again: noc infra preview connectivity-dev; or noc infra recover connectivity-dev --break-lock"
    place = f"connectivity-dev --rehearsal {small.folder / 'rehearsal'}"
    assert target.placed(text) == (
        f"Preview again: noc infra preview {place}; or noc infra recover {place} --break-lock"
    )
    assert target.placed(target.placed(text)) == target.placed(text)
    assert target.placed("noc infra preview connectivity-dev-2") == "noc infra preview connectivity-dev-2"
    assert replace(target, rehearsal=False).placed(text) == text


def test_a_failed_up_of_a_rehearsal_points_at_the_rehearsal(small: Lab) -> None:
    small.world.faults.append(Fault("error", match=f"vpn-{small.sites[1]}"))
    with pytest.raises(InfraError, match=f"noc infra refresh connectivity-dev --rehearsal {small.folder}"):
        run.up(small.target(), agreed=lambda outcome: True)


def test_a_rehearsed_target_knows_its_folder(tmp_path: Path) -> None:
    target = targets.at(parse("connectivity-dev"), tmp_path / "with space")
    assert target.command("up", "--plan X") == (
        f"noc infra up connectivity-dev --rehearsal '{tmp_path / 'with space'}' --plan X"
    )
    assert isinstance(target, Target)
    assert len(World(workspace.Rehearsal(tmp_path / "with space").journal)) == 0
