"""A stack's secrets as part of the digest of its plan: another secret is another plan.

Turns (digest of the steps, secret values of the configuration) into one digest of 16 hexadecimal digits. The engine
hides secrets in its events, so that the steps alone are the same whatever a secret is. The values go in through an
HMAC whose key is the sealed material of the stack's file (`encryptionsalt`, `encryptedkey`): the same on every machine
and in every preview, and unknown to whoever sees no more than a digest. The HMAC itself is never given out.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

from pulumi import automation
from pulumi.automation.errors import CommandError

from infra.core.errors import EngineError
from infra.engine.files import ENCRYPTION, load


def with_secrets(digest: str, engine: automation.Stack, file: Path, config_file: Path | None = None) -> str:
    """The digest of a plan and of the secrets that it was made with; the plan's own where there are none.

    Args:
        digest: of the steps.
        engine: the stack.
        file: the stack's configuration file.
        config_file: the file that the plan was made with, where it is another one.

    Raises:
        InfraError: the file cannot be read.
        EngineError: the engine cannot open the secrets.
    """
    document = load(config_file or file)
    if not _sealed(document.get("config")):
        return digest
    key = _canonical([engine.name, {name: document.get(name) for name in ENCRYPTION}])
    found = hmac.new(hashlib.sha256(key).digest(), _canonical(_secrets(engine, config_file)), hashlib.sha256)
    return hashlib.sha256(_canonical(["plan and secrets 1", digest, found.hexdigest()])).hexdigest()[:16]


def _secrets(engine: automation.Stack, config_file: Path | None) -> dict[str, str]:
    """The secret values in the clear, by key; they stay in this process."""
    words = ["config", "--show-secrets", "--json", "--stack", engine.name]
    words += ["--config-file", str(config_file)] if config_file else []
    workspace = engine.workspace
    try:
        said = workspace.pulumi_command.run(words, workspace.work_dir, workspace.env_vars).stdout
        values = json.loads(said)
    except (CommandError, ValueError):  # its text may hold secrets
        raise EngineError(
            f"stack {engine.name}: the secrets in its configuration cannot be opened; is its key vault, or its "
            "passphrase, within reach?"
        ) from None
    return {k: str(v.get("value", "")) for k, v in values.items() if v.get("secret")}


def _sealed(value: Any) -> bool:
    """Whether there is a sealed value anywhere inside."""
    if isinstance(value, dict):
        return set(value) == {"secure"} or any(map(_sealed, value.values()))
    return isinstance(value, list) and any(map(_sealed, value))


def _canonical(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
