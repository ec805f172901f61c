"""Defines the hybrid cloud: one Pulumi project, a stack per blast radius, a pure core that knows no Pulumi."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from infra.core.stacks import Environment
    from infra.engine.failover import Failover


def failover(
    scope: str,
    to: str,
    *,
    environment: Environment = "prod",
    rehearsal: Path | None = None,
    dry_run: bool = False,
    message: str = "",
) -> Failover:
    """Let another hub serve an application, or all that a hub serves; changes only the continuity stack.

    Args:
        scope: an application's or a hub's id.
        to: the hub that is to serve.
        environment: whose continuity stack.
        rehearsal: folder of a rehearsal (`noc infra rehearse --keep --folder`); None means Azure itself.
        dry_run: preview and guard only.
        message: why, kept in the stack's history.

    Raises:
        InfraError, RefusedError, EngineError: as for `infra.engine.failover.failover`.
    """
    from infra.core.stacks import StackId
    from infra.engine import targets
    from infra.engine.failover import failover as do

    target = targets.at(StackId("continuity", environment), rehearsal)
    return do(scope, to, target=target, dry_run=dry_run, message=message)
