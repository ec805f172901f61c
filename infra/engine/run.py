"""preview, up, refresh and destroy of one stack, with what must be true before each of them.

Turns (target, verb) into an `Outcome`. Order of every verb: input and limits, policies, guards, and only then the
engine. What a prod stack is given was previewed before: `up` previews again, compares digests, and binds the engine to
the plan file of that second preview, so that nothing else can happen even when the world moves in between.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pulumi import automation
from pulumi.automation.errors import CommandError

from infra.core.arm import NO_SUBSCRIPTION
from infra.core.errors import EngineError, InfraError, RefusedError
from infra.engine import guards, interrupt, records, sealed
from infra.engine import recover as rescue
from infra.engine.faults import UpdateError, fault
from infra.engine.model import Outcome, Target
from infra.engine.progress import Progress, Silent
from infra.engine.steps import OUTPUTS, Plan, plan_of
from infra.engine.summary import lines, touched

__all__ = [
    "SECRET",
    "Outcome",
    "Target",
    "apply",
    "destroy",
    "preview",
    "preview_with",
    "recover",
    "refresh",
    "up",
]

SECRET = "[secret]"  # what stands for a secret output  # noqa: S105


def preview(target: Target, progress: Progress | None = None, folder: Path | None = None) -> Outcome:
    """What `up` would do now.

    Args:
        target: the stack.
        progress: hears the engine's events.
        folder: where to remember the result (`records`); nowhere by default.

    Raises:
        InfraError: wrong input, or one of its kinds: a guard refused, the engine failed.
    """
    try:
        advice = _before(target)
        with interrupt.held(), target.open() as engine:
            outcome = _preview(target, engine, progress, advice)
    except interrupt.InterruptError:  # says nothing about the stack
        raise
    except Exception:
        if folder:
            records.write_preview(target.stack, folder, "failed", {}, "")
        raise
    if folder:
        plan = outcome.plan
        result: records.Result = "changes" if outcome.changes else "same"
        records.write_preview(target.stack, folder, result, plan.counts, outcome.digest)
    return outcome


def up(
    target: Target,
    plan: str = "",
    *,
    agreed: Callable[[Outcome], bool] = lambda outcome: False,
    progress: Progress | None = None,
    message: str = "",
) -> Outcome:
    """Do it: preview again, compare with the digest, apply exactly that.

    Args:
        target: the stack.
        plan: digest that `preview` gave; needed for prod.
        agreed: asked with the preview where no digest was given (dev only).
        progress: hears the engine's events.
        message: why, kept in the stack's history.

    Raises:
        RefusedError: no digest for prod, another digest, not agreed, or the last deployment died in the middle;
            nothing was changed.
        InfraError: wrong input, or the engine failed.
    """
    stack = target.stack
    if stack.environment == "prod" and not plan:
        raise RefusedError(
            f"stack {stack} is prod: what is applied there was previewed before. Run: {target.command('preview')}; "
            f"then: {target.command('up', '--plan DIGEST')}"
        )
    advice = _before(target)
    own = tempfile.TemporaryDirectory(prefix="noc-plan-")
    with interrupt.held() as hold, own as folder, target.open() as engine:
        guards.finished(target, rescue.pending(engine, _subscription(target)))
        file = Path(folder) / "plan.json"  # holds encrypted secrets: in a folder that only we can read, and for minutes
        planned = _preview(target, engine, progress, advice, file)
        if plan and planned.digest != plan:
            told = "\n  ".join(planned.summary)
            raise RefusedError(
                f"stack {stack} was not touched: the plan now is {planned.digest}, not {plan}. Now it would do "
                f"this; preview it again and decide:\n  {told}"
            )
        hold.refuse()
        with hold.released():
            go = bool(plan) or agreed(planned)
        if not go:
            raise RefusedError(f"stack {stack} was not touched: nobody agreed to what it would do")
        return apply(target, engine, file, progress, message, advice, digest=planned.digest)


def apply(
    target: Target,
    engine: automation.Stack,
    plan_file: Path | None,
    progress: Progress | None = None,
    message: str = "",
    advice: tuple[str, ...] = (),
    config_file: Path | None = None,
    digest: str = "",
) -> Outcome:
    """Run the engine's update, held to a plan file, and read the outputs back."""
    config = str(config_file) if config_file else None
    held = str(plan_file) if plan_file and plan_file.exists() else None

    def call(**hear: Any) -> Any:
        return engine.up(plan=held, message=message or None, show_secrets=False, config_file=config, **hear)

    done, seconds, result = _drive(target, "up", call, progress)
    outputs = {k: SECRET if v.secret else str(v.value) for k, v in result.outputs.items()}
    return _outcome(target, "up", done, seconds, advice, digest, outputs=outputs, bound=held is not None)


def refresh(
    target: Target,
    *,
    preview_only: bool = False,
    progress: Progress | None = None,
    folder: Path | None = None,
) -> Outcome:
    """Compare the state with what is there; without `preview_only` also take what is there into the state.

    Args:
        target: the stack.
        preview_only: look only, and remember how much has drifted in `folder`.
        progress: hears the engine's events.
        folder: where to remember the drift; nowhere by default.

    Raises:
        InfraError: the stack cannot be refreshed, or the engine failed.
    """
    try:
        _real(target)
        with interrupt.held(), target.open() as engine:

            def call(**hear: Any) -> Any:
                if preview_only:
                    return engine.preview_refresh(**hear)
                return engine.refresh(show_secrets=False, **hear)

            found, seconds, _ = _drive(target, "refresh", call, progress)
    except interrupt.InterruptError:  # says nothing about the stack
        raise
    except Exception:
        if folder and preview_only:
            records.write_drift(target.stack, folder, "failed", 0)
        raise
    outcome = _outcome(target, "refresh", found, seconds, ())
    if folder and preview_only:
        drifted = sum(1 for s in found.steps if s.custom and s.shown)
        records.write_drift(target.stack, folder, "changes" if drifted else "same", drifted)
    return outcome


def recover(target: Target, *, break_lock: bool = False) -> list[rescue.Pending]:
    """Bring a stack back whose last deployment died: take what was under way into the state.

    Args:
        target: the stack.
        break_lock: the engine that holds the lock is known to be dead.

    Returns:
        What was under way; empty when the last deployment ended properly.

    Raises:
        RefusedError: someone holds the lock, or the stack is only for rehearsals.
        EngineError: the engine failed.
    """
    _real(target)
    with interrupt.held(), target.open() as engine:
        return rescue.recover(engine, _subscription(target), break_lock=break_lock)


def destroy(
    target: Target,
    confirm: str = "",
    *,
    progress: Progress | None = None,
    message: str = "",
    folder: Path | None = None,
) -> Outcome:
    """Delete everything in a stack.

    Args:
        target: the stack.
        confirm: the stack's name, typed by whoever wants it gone.
        progress: hears the engine's events.
        message: why, kept in the stack's history.
        folder: where its last result is remembered, and is forgotten now.

    Raises:
        RefusedError: not confirmed, something is protected, or another stack stands on this one.
        InfraError: the engine failed.
    """
    stack = target.stack
    if confirm != stack.name:
        raise RefusedError(f"stack {stack} was not touched: to delete everything in it, add --confirm {stack}")
    _real(target)
    with interrupt.held(), target.open() as engine:
        state = engine.export_stack().deployment or {}
        others = {s.name: s.resource_count or 0 for s in engine.workspace.list_stacks()}
        guards.destroyable(target, state.get("resources") or [], others)

        def call(**hear: Any) -> Any:
            return engine.destroy(message=message or None, show_secrets=False, **hear)

        done, seconds, _ = _drive(target, "destroy", call, progress)
    if folder is not None:
        records.forget(stack, folder)
    return _outcome(target, "destroy", done, seconds, ())


def preview_with(
    target: Target, engine: automation.Stack, plan_file: Path, config_file: Path, progress: Progress | None = None
) -> Outcome:
    """A preview with another configuration file than the committed one (failover)."""
    return _preview(target, engine, progress, (), plan_file, config_file)


def _preview(
    target: Target,
    engine: automation.Stack,
    progress: Progress | None,
    advice: tuple[str, ...],
    plan_file: Path | None = None,
    config_file: Path | None = None,
) -> Outcome:
    saved = str(plan_file) if plan_file else None
    config = str(config_file) if config_file else None

    def call(**hear: Any) -> Any:
        return engine.preview(plan=saved, config_file=config, **hear)

    plan, seconds, _ = _drive(target, "preview", call, progress)
    digest = sealed.with_secrets(plan.digest, engine, target.file(), config_file)
    return _outcome(target, "preview", plan, seconds, advice, digest)


def _before(target: Target) -> tuple[str, ...]:
    """Input, limits, policies: all before the engine is started."""
    _real(target)
    return tuple(guards.policies(target.recorded())) if target.recorded else ()


def _subscription(target: Target) -> str:
    return target.config.get("subscription", NO_SUBSCRIPTION)


def _real(target: Target) -> None:
    if not target.rehearsal:
        guards.deployable(target.stack, target.config)


def _drive(target: Target, verb: str, call: Callable[..., Any], progress: Progress | None) -> tuple[Plan, float, Any]:
    """Run one verb of the Automation API, hear its events, and turn its failures and interrupts into ours."""
    shown = progress or Silent()
    events: list[automation.EngineEvent] = []

    def heard(event: automation.EngineEvent) -> None:
        events.append(event)
        shown.event(event)

    started = time.monotonic()
    with interrupt.held() as hold:
        try:
            result = call(on_event=heard, color="never")
        except CommandError as error:
            if hold.count:
                raise _interrupted(target, verb, hold, _done(target, verb, events)) from error
            found = fault(target.stack.name, verb, error, list(events), _done(target, verb, events))
            raise _placed(target, found) from error
        except RuntimeError as error:  # the Automation API's own word for an engine that told nothing
            if hold.count:
                raise _interrupted(target, verb, hold, _done(target, verb, events)) from error
            raise EngineError(f"stack {target.stack}: {verb} failed: {error}") from error
        finally:
            shown.close()
        if hold.count:
            raise _interrupted(target, verb, hold, _done(target, verb, events))
    return plan_of(target.stack.name, events), time.monotonic() - started, result


def _interrupted(target: Target, verb: str, hold: interrupt.Hold, changed: int) -> interrupt.InterruptError:
    """What to say of a verb that was interrupted; its engine has ended."""
    start = f"stack {target.stack}: {verb} was interrupted"
    if verb == "preview":
        return interrupt.InterruptError(f"{start}: nothing was changed; run preview again: {target.command('preview')}")
    if hold.killed:  # what was under way may have been done
        text = f"{start} and its engine killed, so that the stack may be locked and something under way; run: "
        return interrupt.InterruptError(text + target.command("recover", "--break-lock"), max(changed, 1))
    text = f"{start}: what was done is in the state; run preview again: {target.command('preview')}"
    return interrupt.InterruptError(text, changed)


def _placed(target: Target, error: InfraError) -> InfraError:
    """The error with commands that stay where the stack is."""
    text = target.placed(str(error))
    return UpdateError(text, error.changed) if isinstance(error, UpdateError) else type(error)(text)


def _done(target: Target, verb: str, events: list[automation.EngineEvent]) -> int:
    """How many resources an update that then failed had changed."""
    if verb == "preview":
        return 0
    after = [e for e in events if e.res_outputs_event and not e.res_outputs_event.planning]
    return sum(1 for s in plan_of(target.stack.name, after).steps if s.shown and s.custom and s.op != OUTPUTS)


def _outcome(
    target: Target, verb: str, plan: Plan, seconds: float, advice: tuple[str, ...], digest: str = "", **more: Any
) -> Outcome:
    return Outcome(
        stack=target.stack.name,
        verb=verb,
        rehearsal=target.rehearsal,
        plan=plan,
        digest=digest or plan.digest,
        touched=touched(plan, target.inventory),
        seconds=seconds,
        advice=advice,
        summary=tuple(lines(plan, target.inventory, done=verb in ("up", "destroy"))),
        **more,
    )
