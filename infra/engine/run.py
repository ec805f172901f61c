"""preview, up, refresh and destroy of one stack, with what must be true before each of them.

Turns (target, verb) into an `Outcome`. Order of every verb: input and limits, policies, guards, and only then the
engine. What a prod stack is given was previewed before: `up` previews again, compares digests, and binds the engine to
the plan file of that second preview, so that nothing else can happen even when the world moves in between.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pulumi import automation
from pulumi.automation.errors import CommandError

from infra.core.arm import NO_SUBSCRIPTION
from infra.core.errors import EngineError, RefusedError
from infra.core.stacks import StackId
from infra.engine import guards, records
from infra.engine import recover as rescue
from infra.engine.faults import fault
from infra.engine.progress import Progress, Silent
from infra.engine.steps import OUTPUTS, Plan, plan_of
from infra.engine.summary import Touched, lines, touched
from infra.graph.model import Graph
from inventory import Inventory

Opener = Callable[[], AbstractContextManager[automation.Stack]]
SECRET = "[secret]"  # what stands for a secret output  # noqa: S105


@dataclass(frozen=True)
class Target:
    """A stack and how to reach it.

    `open` gives the engine's stack, real or rehearsed; `file` is its configuration file (a rehearsal has its own copy,
    once it is open); `config` is the raw configuration; `recorded` is what the stack
    would register (the gate reads it), None where there is nothing to gate (a rehearsal of a programme of its own).
    """

    stack: StackId
    inventory: Inventory
    open: Opener
    rehearsal: bool
    file: Callable[[], Path]
    config: Mapping[str, str] = field(default_factory=dict)
    recorded: Callable[[], Graph] | None = None


@dataclass(frozen=True)
class Outcome:
    """What a verb found or did. `advice` are policies that only advise; `seconds` is the engine's wall time."""

    stack: str
    verb: str
    rehearsal: bool
    plan: Plan
    digest: str  # of what was previewed; an update's own values are known only afterwards
    touched: Touched
    seconds: float
    outputs: Mapping[str, str] = field(default_factory=dict)
    advice: tuple[str, ...] = ()
    bound: bool = False  # the engine was held to a plan file
    summary: tuple[str, ...] = ()

    @property
    def changes(self) -> bool:
        """Whether anything changes, or changed."""
        return bool(self.plan.steps)

    def as_json(self) -> dict[str, Any]:
        """The outcome as plain data, for `--json`."""
        return {
            "stack": self.stack,
            "verb": self.verb,
            "rehearsal": self.rehearsal,
            "result": "changes" if self.changes else "same",
            "digest": self.digest,
            "changes": self.plan.counts,
            "unchanged": self.plan.unchanged,
            "touched": {
                "sites": self.touched.sites,
                "applications": self.touched.applications,
                "hubs": self.touched.hubs,
                "other": self.touched.other,
            },
            "steps": [
                {
                    "op": s.op,
                    "type": s.type,
                    "name": s.name,
                    "urn": s.urn,
                    "paths": list(s.paths),
                    "replaces": list(s.replace_keys),
                }
                for s in self.plan.steps
            ],
            "outputs": dict(self.outputs),
            "advice": list(self.advice),
            "bound_to_plan": self.bound,
            "seconds": round(self.seconds, 3),
        }


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
        with target.open() as engine:
            outcome = _preview(target, engine, progress, advice)
    except Exception:
        if folder:
            records.write_preview(target.stack, folder, "failed", {}, "")
        raise
    if folder:
        plan = outcome.plan
        result: records.Result = "changes" if outcome.changes else "same"
        records.write_preview(target.stack, folder, result, plan.counts, plan.digest)
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
            f"stack {stack} is prod: what is applied there was previewed before. Run: noc infra preview {stack}; then: "
            f"noc infra up {stack} --plan DIGEST"
        )
    advice = _before(target)
    with target.open() as engine, tempfile.TemporaryDirectory(prefix="noc-plan-") as folder:
        guards.finished(stack, rescue.pending(engine, _subscription(target)))
        file = Path(folder) / "plan.json"  # holds encrypted secrets: in a folder that only we can read, and for minutes
        planned = _preview(target, engine, progress, advice, file)
        if plan and planned.digest != plan:
            told = "\n  ".join(planned.summary)
            raise RefusedError(
                f"stack {stack} was not touched: the plan now is {planned.digest}, not {plan}. Now it would do "
                f"this; preview it again and decide:\n  {told}"
            )
        if not plan and not agreed(planned):
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
        with target.open() as engine:

            def call(**hear: Any) -> Any:
                if preview_only:
                    return engine.preview_refresh(**hear)
                return engine.refresh(show_secrets=False, **hear)

            found, seconds, _ = _drive(target, "refresh", call, progress)
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
    with target.open() as engine:
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
    with target.open() as engine:
        state = engine.export_stack().deployment or {}
        others = {s.name: s.resource_count or 0 for s in engine.workspace.list_stacks()}
        guards.destroyable(stack, state.get("resources") or [], others)

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
    return _outcome(target, "preview", plan, seconds, advice)


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
    """Run one verb of the Automation API, hear its events, and turn its failures into ours."""
    shown = progress or Silent()
    events: list[automation.EngineEvent] = []

    def heard(event: automation.EngineEvent) -> None:
        events.append(event)
        shown.event(event)

    started = time.monotonic()
    try:
        result = call(on_event=heard, color="never")
    except CommandError as error:
        raise fault(target.stack.name, verb, error, list(events), _done(target, verb, events)) from error
    except RuntimeError as error:  # the Automation API's own word for an engine that told nothing
        raise EngineError(f"stack {target.stack}: {verb} failed: {error}") from error
    finally:
        shown.close()
    return plan_of(target.stack.name, events), time.monotonic() - started, result


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
