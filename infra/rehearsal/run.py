"""Rehearses stacks: up in order of deployment, and down again in reverse, with the real engine and no Azure.

Turns (stacks, folder) into a typed record of every verb: seconds, what was created, changed, deleted, left. Outputs
pass from stack to stack by real stack references. A stack that fails ends the way up; what stands stays standing, so
that an engineer can look at it. Protected resources are not destroyed unless that is asked for.
"""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from pulumi import automation
from pulumi.automation import EngineEvent
from pulumi.automation.errors import CommandError

import infra.programme
import inventory
from infra.core.errors import EngineError, InfraError, Problem
from infra.core.stacks import NEEDS, StackId, all_stacks, in_order
from infra.engine import files, interrupt
from infra.engine.workspace import PROJECT_FILE, STACK_FILES, Rehearsal, open_stack
from infra.rehearsal.world import World

NOTICE = "rehearsal, no Azure"
_NO_CHANGE = {"same", "read"}  # stack references are read
Verb = Literal["preview", "up", "again", "destroy"]


@dataclass(frozen=True, slots=True)
class Step:
    """One verb on one stack.

    verb: `again` is a second preview after `up`, which must find nothing to do.
    counts: resources by operation (`create`, `update`, `replace`, `delete`, `same`).
    changes: (operation, URN) of everything but what stayed the same, in the engine's order.
    error: the engine's words when it failed, else empty.
    """

    stack: str
    verb: Verb
    seconds: float
    counts: Mapping[str, int] = field(default_factory=dict)
    changes: tuple[tuple[str, str], ...] = ()
    error: str = ""

    @property
    def failed(self) -> bool:
        """It ended with an error, or a second preview found something to do."""
        return bool(self.error) or (self.verb == "again" and bool(self.changes))

    def __str__(self) -> str:
        counts = ", ".join(f"{n} {op}" for op, n in sorted(self.counts.items())) or "nothing"
        word = "FAILED" if self.failed else counts
        text = f"{self.stack:<32} {self.verb:<8} {self.seconds:6.1f} s  {word}"
        reason = self.error or ("; ".join(f"{op} {urn}" for op, urn in self.changes[:3]) if self.failed else "")
        return f"{text}: {reason}" if reason else text


@dataclass(frozen=True, slots=True)
class Report:
    """A rehearsal from beginning to end; `left` is the number of resources that stand at the end."""

    steps: tuple[Step, ...]
    left: int
    folder: str
    notice: str = NOTICE

    @property
    def failed(self) -> bool:
        """Whether any step failed."""
        return any(step.failed for step in self.steps)

    @property
    def seconds(self) -> float:
        """Of all steps."""
        return sum(step.seconds for step in self.steps)

    def as_json(self) -> dict[str, Any]:
        """The report as plain data, for `--json`."""
        return {**asdict(self), "failed": self.failed, "seconds": round(self.seconds, 1)}

    def __str__(self) -> str:
        end = "FAILED" if self.failed else "done"
        closing = f"{self.notice}: {end} in {self.seconds:.0f} s, {self.left} resources stand, state in {self.folder}"
        return "\n".join([*map(str, self.steps), closing])


def with_needs(stacks: Iterable[StackId], known: inventory.Inventory) -> list[StackId]:
    """The stacks and everything they read outputs of, in order of deployment."""
    wanted = set(stacks)
    for stack in in_order(wanted)[::-1]:
        kinds = _all_needs(stack)
        wanted |= {s for s in all_stacks(known, stack.environment) if s.kind in kinds}
    return in_order(wanted)


def _all_needs(stack: StackId) -> set[str]:
    found: set[str] = set()
    todo = list(NEEDS[stack.kind])
    while todo:
        kind = todo.pop()
        if kind not in found:
            found.add(kind)
            todo += NEEDS[kind]
    return found


def rehearse(
    stacks: Sequence[StackId],
    *,
    state_dir: Path,
    world: World | None = None,
    up: bool = True,
    down: bool = True,
    unprotect: bool = False,
    programme: Callable[[], None] = infra.programme.run,
    config: Mapping[str, Mapping[str, str]] | None = None,
    project: Path = PROJECT_FILE,
    stack_files: Path = STACK_FILES,
    say: Callable[[Step], None] = lambda _: None,
) -> Report:
    """Take stacks up in order of deployment (preview, up, and a second preview that must be empty), then down.

    Args:
        stacks: which; see `with_needs` for what they need besides.
        state_dir: folder of the engine's state and of the world; what stands there already is kept and reused.
        world: the world, where the caller has one (faults, pace); else the one of the folder.
        up: preview, update and preview again; without it they must stand already.
        down: destroy them again, in reverse order.
        unprotect: take the protection off when a destroy is refused because of it; else the refusal is a failure.
        programme: what registers resources.
        config: values on top of the committed ones, by stack name.
        project: the Pulumi.yaml.
        stack_files: folder of the stack files.
        say: told of each step as it ends.

    Returns:
        The record; a failure or an interrupt is in it, not raised. No step starts after an interrupt.

    Raises:
        InfraError: a stack has no file, or the folder cannot be one; nothing was started.
        EngineError: there is no engine.
    """
    where = Rehearsal(state_dir)
    if programme is infra.programme.run:
        _all_have_files(stacks, stack_files)
    files.private(state_dir)
    known = world if world is not None else World(where.journal)
    steps: list[Step] = []

    def note(step: Step) -> bool:
        steps.append(step)
        say(step)
        return not step.failed

    def opened(stack: StackId) -> Any:
        return open_stack(
            stack,
            rehearsal=known,
            state_dir=state_dir,
            programme=programme,
            config=(config or {}).get(stack.name),
            project=project,
            stack_files=stack_files,
        )

    def step(engine: automation.Stack, verb: Verb, do: Callable[..., Any]) -> bool:
        return note(_run(engine, verb, do, state_dir))

    def each(stack: StackId, do: Callable[[automation.Stack], bool]) -> bool:
        """True when it went well; a stack that cannot be opened is a failed step."""
        started = time.monotonic()
        try:
            with opened(stack) as engine:
                return do(engine)
        except EngineError as error:
            return note(Step(stack.name, "preview", time.monotonic() - started, error=str(error)))

    def take_up(engine: automation.Stack) -> bool:
        return (
            step(engine, "preview", engine.preview)
            and step(engine, "up", engine.up)
            and step(engine, "again", engine.preview)
        )

    def take_down(engine: automation.Stack) -> bool:
        if unprotect:
            unprotect_all(engine)
        return step(engine, "destroy", engine.destroy)

    ordered = in_order(stacks)
    with interrupt.held(raising=False):
        well = not up or all(each(stack, take_up) for stack in ordered)
        if well and down:
            _ = all(each(stack, take_down) for stack in reversed(ordered))
    return Report(tuple(steps), len(known), str(state_dir))


def unprotect_all(engine: automation.Stack) -> None:
    """Take the protection off everything in a rehearsed stack, as `pulumi state unprotect --all` does.

    Raises:
        EngineError: the engine refused.
    """
    command = ["state", "unprotect", "--all", "--yes", "--stack", engine.name]
    try:
        engine.workspace.pulumi_command.run(command, engine.workspace.work_dir, engine.workspace.env_vars)
    except CommandError as error:
        raise EngineError(f"{engine.name}: protection could not be taken off: {error}") from error


def _all_have_files(stacks: Iterable[StackId], folder: Path) -> None:
    names = [(s.name, f"Pulumi.{s}.yaml") for s in in_order(stacks)]
    remedy = "name another stack, or write the file"
    problems = [
        Problem(name, f"infra/stacks/{file}", "", "there is no such file", remedy)
        for name, file in names
        if not (folder / file).exists()
    ]
    if problems:
        raise InfraError("the rehearsal was not started: a stack without a file cannot be rehearsed", problems)


def _run(engine: automation.Stack, verb: Verb, do: Callable[..., Any], folder: Path) -> Step:
    counts: dict[str, int] = {}
    changes: list[tuple[str, str]] = []
    told: list[str] = []

    def hear(event: EngineEvent) -> None:
        if event.summary_event is not None:
            counts.update({str(getattr(op, "value", op)): n for op, n in event.summary_event.resource_changes.items()})
        elif event.resource_pre_event is not None:
            data = event.resource_pre_event.metadata
            operation = str(getattr(data.op, "value", data.op))
            if operation not in _NO_CHANGE:
                changes.append((operation, data.urn))
        elif event.diagnostic_event is not None and event.diagnostic_event.severity == "error":
            told.append(" ".join(event.diagnostic_event.message.split()))

    started = time.monotonic()
    with interrupt.held(raising=False) as hold:
        try:
            do(on_event=hear)
            error = ""
        except CommandError as failure:
            error = " / ".join(dict.fromkeys(told)) or " ".join(str(failure).split())[-500:]
        except interrupt.InterruptError as failure:
            error = str(failure)
        if hold.count:
            error = _interrupted(engine.name, hold, folder)
    return Step(engine.name, verb, time.monotonic() - started, counts, tuple(changes), error)


def _interrupted(stack: str, hold: interrupt.Hold, folder: Path) -> str:
    place = f"{stack} --rehearsal {shlex.quote(str(folder))}"
    if hold.killed:
        return f"interrupted and the engine killed; run: noc infra recover {place} --break-lock"
    return f"interrupted: what was done is in the state; run preview again: noc infra preview {place}"
