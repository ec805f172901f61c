"""Opens a stack of ours for the engine, for real or as a rehearsal, with the programme running in this process.

Turns (stack, where) into the Automation API's `Stack`. For real: the repository is the project, the environment's own
backend and credentials are used. As a rehearsal: a project folder of its own with copies of Pulumi.yaml and of the
stack's file, state in a folder, made-up secrets, and a `World` instead of Azure; committed files are never touched.
"""

from __future__ import annotations

import gc
import hashlib
import json
import os
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pulumi import automation
from pulumi.automation.errors import CommandError, StackNotFoundError
from pydantic import SecretStr

import infra.programme
from infra.core.errors import EngineError, RefusedError
from infra.core.stacks import PROJECT, StackId
from infra.engine import files, find
from infra.engine.command import command
from infra.engine.undisturbed import undisturbed
from infra.rehearsal.provider import serving
from infra.rehearsal.world import World
from infra.settings import model_of

ROOT = Path(__file__).parents[2]
PROJECT_FILE = ROOT / "Pulumi.yaml"
STACK_FILES = ROOT / "infra" / "stacks"
# Protects made-up values only: a rehearsal never sees a real secret.
_REHEARSAL_PASSPHRASE = "rehearsal"  # noqa: S105
PROVIDER = "PULUMI_SECRETS_PROVIDER"  # names what seals the secrets of a stack that is to be made


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """Where a rehearsal keeps everything: `folder`/project, /state (the engine's), /home and world.jsonl (ours)."""

    folder: Path

    @property
    def project(self) -> Path:
        """Copies of Pulumi.yaml and of the stack files; may be changed freely."""
        return self.folder / "project"

    def stack_file(self, stack: str) -> Path:
        """The rehearsal's copy of a stack's file."""
        return self.project / "infra" / "stacks" / f"Pulumi.{stack}.yaml"

    def checkpoint(self, stack: str) -> Path:
        """The engine's state of a stack."""
        return self.folder / "state" / ".pulumi" / "stacks" / PROJECT / f"{stack}.json"

    @property
    def journal(self) -> Path:
        """The world's file."""
        return self.folder / "world.jsonl"

    def environment(self, port: int, *, checkpoints: bool) -> dict[str, str]:
        """What the engine is told: our provider, our state, nothing from the network."""
        return {
            "PULUMI_SKIP_CHECKPOINTS": "false" if checkpoints else "true",
            "PULUMI_BACKEND_URL": f"file://{(self.folder / 'state').absolute()}",
            "PULUMI_HOME": str((self.folder / "home").absolute()),
            "PULUMI_CONFIG_PASSPHRASE": _REHEARSAL_PASSPHRASE,
            "PULUMI_DEBUG_PROVIDERS": f"azure-native:{port}",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_DIY_BACKEND_DISABLE_CHECKPOINT_BACKUPS": "true",
        }


@contextmanager
def open_stack(
    stack: StackId | str,
    *,
    rehearsal: World | None = None,
    state_dir: Path | None = None,
    programme: Callable[[], None] = infra.programme.run,
    config: Mapping[str, str] | None = None,
    project: Path = PROJECT_FILE,
    stack_files: Path = STACK_FILES,
    create: bool = False,
    checkpoints: bool = False,
) -> Iterator[automation.Stack]:
    """The engine's stack, ready for preview, up, refresh and destroy.

    Args:
        stack: which.
        rehearsal: the world that stands in for Azure; None means Azure itself.
        state_dir: folder of the rehearsal's state; kept between calls. Only, and always, with a rehearsal.
        programme: what registers the resources; runs in this process.
        config: values that the rehearsal's copy of the stack file gets on top (`wan-noc:query`); rehearsals only.
        project: the Pulumi.yaml; for tests of it.
        stack_files: folder of the stack files; for tests.
        create: make the stack in the backend if it is not there; a rehearsal always does.
        checkpoints: let a rehearsal's engine save its state after every step, as a real one always does, and not once
            at the end; three times slower with 300 resources, needed where the engine itself is to die.

    Raises:
        InfraError: a file that cannot be used.
        RefusedError: a real stack is to be made, and nothing says what is to seal its secrets.
        EngineError: no engine, or it refused to open the stack (no backend, no such stack, wrong configuration).
    """
    name = str(stack)
    with ExitStack() as closing:
        closing.callback(_collect, gc.isenabled())
        if rehearsal is None:
            if state_dir is not None or config:
                raise ValueError("state_dir and config are for rehearsals; a real stack has its committed file")
            environment = {"PULUMI_SKIP_UPDATE_CHECK": "true"}
            workspace = _Workspace(project.parent, environment, programme)
            yield _real(workspace, name, stack_files) if create else _select(workspace, name, create=False)
            return
        if state_dir is None:
            raise ValueError("a rehearsal needs a state_dir")
        where = Rehearsal(state_dir)
        made_up = _prepare(where, name, project, stack_files, dict(config or {}))
        if programme is infra.programme.run and isinstance(stack, StackId):
            made_up |= _demanded(stack) - _secret_keys(where.stack_file(name))
        port = closing.enter_context(serving(rehearsal))
        workspace = _Workspace(where.project, where.environment(port, checkpoints=checkpoints), programme)
        opened = _select(workspace, name, create=True, known=where.checkpoint(name).exists())
        if made_up:
            values = {key: automation.ConfigValue(secrets.token_urlsafe(48), secret=True) for key in sorted(made_up)}
            _asking(opened.set_all_config, values)
        yield opened


class _Workspace(automation.LocalWorkspace):
    known = False  # the stack is in the backend: selecting it would only ask again, every command names its stack

    def select_stack(self, stack_name: str) -> None:
        if not self.known:
            super().select_stack(stack_name)

    def __init__(self, folder: Path, environment: Mapping[str, str], programme: Callable[[], None]) -> None:
        super().__init__(
            work_dir=str(folder),
            env_vars=environment,
            program=undisturbed(programme),
            pulumi_command=command(find.engine()),
        )


def _select(workspace: _Workspace, name: str, *, create: bool, known: bool = False) -> automation.Stack:
    """The stack in the backend; `known` saves asking the engine whether it is there."""
    if known:
        workspace.known = True
    elif create:
        try:
            return automation.Stack.create(name, workspace)
        except automation.StackAlreadyExistsError:
            pass
        except CommandError as error:
            raise EngineError(f"stack {name} could not be created: {_last_words(error)}") from error
    try:
        return automation.Stack.select(name, workspace)
    except StackNotFoundError as error:
        raise EngineError(f"stack {name} is not in the backend yet; make it with: pulumi stack init {name}") from error
    except CommandError as error:
        raise EngineError(f"stack {name} could not be opened: {_last_words(error)}") from error


def _real(workspace: _Workspace, name: str, stack_files: Path) -> automation.Stack:
    """The stack in the backend, made if it is not there yet with what is to seal its secrets."""
    try:
        return automation.Stack.select(name, workspace)
    except StackNotFoundError:
        pass
    except CommandError as error:
        raise EngineError(f"stack {name} could not be opened: {_last_words(error)}") from error
    declared = files.load(stack_files / f"Pulumi.{name}.yaml").get("secretsprovider")
    workspace.secrets_provider = str(declared or "") or os.environ.get(PROVIDER) or None
    if workspace.secrets_provider is None:
        backend = os.environ.get("PULUMI_BACKEND_URL") or str(_asking(workspace.who_am_i).url or "")
        if not backend.startswith("file://"):
            raise RefusedError(
                f"stack {name} was not made: nothing says what is to seal its secrets, and a passphrase is not meant "
                f"for Azure. Make it with: pulumi stack init {name} --secrets-provider=azurekeyvault://VAULT.vault."
                f"azure.net/keys/KEY; or set {PROVIDER} to that"
            )
    return _select(workspace, name, create=True)


def _asking(ask: Callable[..., Any], *arguments: Any) -> Any:
    try:
        return ask(*arguments)
    except CommandError as error:
        raise EngineError(f"the engine refused: {_last_words(error)}") from error


def _last_words(error: CommandError) -> str:
    lines = [line.strip() for line in str(error).splitlines()]
    told = [line.removeprefix("stderr:").strip() for line in lines if "error:" in line]
    return " / ".join(told) or " ".join(line for line in lines if line)[-300:]


def _collect(enabled: bool) -> None:
    if enabled:
        gc.enable()
        gc.collect()


# -- the rehearsal's own project folder ----------------------------------------------------------------------------


def _prepare(where: Rehearsal, stack: str, project: Path, stack_files: Path, config: Mapping[str, str]) -> set[str]:
    """Copy Pulumi.yaml and the stack's file, if that changed since; returns the secret keys that need a value."""
    for folder in (where.folder, where.project / "infra" / "stacks", where.folder / "state", where.folder / "home"):
        files.private(folder)
    files.write(where.project / "Pulumi.yaml", files.read(project))
    source = stack_files / f"Pulumi.{stack}.yaml"
    committed = files.read(source)
    stamp = hashlib.sha256((committed + json.dumps(config, sort_keys=True)).encode()).hexdigest()
    target, stamps = where.stack_file(stack), where.project / f"copied-{stack}"
    if target.exists() and stamps.exists() and stamps.read_text() == stamp:
        return set()
    before = files.load(target)
    document = {k: v for k, v in files.document(committed, source).items() if k not in files.ENCRYPTION}
    document |= {k: before[k] for k in files.ENCRYPTION if k in before}
    values = dict(document.get("config") or {}) | dict(config)
    secret = {key for key, value in values.items() if _is_secret(value)}
    kept = {k: v for k, v in (before.get("config") or {}).items() if _is_secret(v)}
    document["config"] = {k: v for k, v in values.items() if k not in secret} | kept
    files.write(target, yaml.safe_dump(document, sort_keys=False))
    files.write(stamps, stamp)
    return secret - kept.keys()


def _demanded(stack: StackId) -> set[str]:
    """The keys of the secrets that a stack's settings must be given."""
    fields = model_of(stack.kind).model_fields.items()
    return {f"{PROJECT}:{f.alias or name}" for name, f in fields if f.annotation is SecretStr and f.is_required()}


def _secret_keys(file: Path) -> set[str]:
    return {k for k, v in (files.load(file).get("config") or {}).items() if _is_secret(v)}


def _is_secret(value: object) -> bool:
    return isinstance(value, dict) and set(value) == {"secure"}
