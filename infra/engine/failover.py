"""Failover from code: which hub serves an application, changed on the continuity stack and nowhere else.

Turns (scope, hub) into changed entries of `activeHubs` in the stack's configuration: preview, guard, up, outputs read
back. Refuses when the preview touches anything that does not belong to an application in scope. The committed file is
desired state: it is changed after the guard has passed, put back if nothing could be changed, and never touched by a
rehearsal, which has a copy of its own.
"""

from __future__ import annotations

import json
import re
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from infra.core.errors import EngineError, InfraError, Problem, RefusedError
from infra.core.stacks import PROJECT
from infra.engine import run
from infra.engine.faults import UpdateError
from infra.engine.files import document, read
from infra.engine.guards import deployable
from infra.engine.progress import Progress
from infra.engine.records import replace_file
from infra.engine.run import Target
from infra.engine.steps import OUTPUTS, Plan, name_of
from infra.engine.summary import components
from inventory import Inventory

KEY = f"{PROJECT}:activeHubs"
OUTPUT = "active_hubs"


@dataclass(frozen=True, slots=True)
class Move:
    """One application's change of hub."""

    application: str
    before: str
    after: str


@dataclass(frozen=True)
class Failover:
    """What a failover did, or would do.

    `active_hubs` are read back from the stack (a dry run: those that serve now); seconds by phase; `advice` names
    dependencies that stay where they are.
    """

    scope: str
    to: str
    stack: str
    rehearsal: bool
    dry_run: bool
    moves: tuple[Move, ...]
    digest: str = ""
    changes: Mapping[str, int] = field(default_factory=dict)
    active_hubs: Mapping[str, str] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)
    advice: tuple[str, ...] = ()
    summary: tuple[str, ...] = ()

    @property
    def already(self) -> bool:
        """Whether everything in scope was served by that hub already."""
        return not self.moves

    def as_json(self) -> dict[str, Any]:
        """The result as plain data, for the drills."""
        return {
            "scope": self.scope,
            "to": self.to,
            "stack": self.stack,
            "rehearsal": self.rehearsal,
            "dry_run": self.dry_run,
            "already": self.already,
            "moves": [{"application": m.application, "from": m.before, "to": m.after} for m in self.moves],
            "digest": self.digest,
            "changes": dict(self.changes),
            "active_hubs": dict(self.active_hubs),
            "advice": list(self.advice),
            "seconds": {k: round(v, 3) for k, v in self.seconds.items()},
        }


def moves(inventory: Inventory, active: Mapping[str, str], scope: str, to: str) -> tuple[Move, ...]:
    """Which applications change their hub; pure.

    A scope that is a hub means: the applications that it serves now; and when `to` is that same hub, those whose home
    it is (the way back).

    Args:
        inventory: applications with their home hubs, and hubs.
        active: the entries of `activeHubs`; an application without one is served by its home hub.
        scope: an application's or a hub's id.
        to: the hub that is to serve.

    Raises:
        InfraError: unknown application or hub, or a hub that an application in scope cannot run at.
    """
    if to not in inventory.hubs:
        raise InfraError(f"there is no hub '{to}'; the hubs are {', '.join(inventory.hubs)}")
    serving = {a.id: active.get(a.id, a.home_hub) for a in inventory.applications.values()}
    if scope in inventory.applications:
        chosen = [scope]
    elif scope in inventory.hubs and scope != to:
        chosen = [a for a, hub in serving.items() if hub == scope]
    elif scope in inventory.hubs:
        chosen = [a.id for a in inventory.applications.values() if a.home_hub == scope]
    else:
        known = ", ".join((*inventory.hubs, *inventory.applications))
        raise InfraError(f"there is no application or hub '{scope}'; there are {known}")
    apps = inventory.applications
    homeless = [a for a in chosen if to not in (apps[a].home_hub, apps[a].standby_hub)]
    if homeless:
        raise InfraError(f"hub {to} is neither home nor standby of {', '.join(homeless)} (applications.yaml)")
    return tuple(Move(a, serving[a], to) for a in chosen if serving[a] != to)


def entries(inventory: Inventory, active: Mapping[str, str], changed: tuple[Move, ...]) -> dict[str, str]:
    """`activeHubs` after the moves: an application that is back home needs no entry."""
    found = dict(active) | {m.application: m.after for m in changed}
    apps = inventory.applications
    moved = {m.application for m in changed}
    return {a: hub for a, hub in sorted(found.items()) if a not in moved or apps[a].home_hub != hub}


def left_behind(inventory: Inventory, serving: Mapping[str, str], changed: tuple[Move, ...]) -> tuple[str, ...]:
    """Sentences for what a moved application depends on and what is served elsewhere afterwards."""
    after = dict(serving) | {m.application: m.after for m in changed}
    return tuple(
        f"{m.application} depends on {other}, which stays at {after[other]}"
        for m in changed
        for other in inventory.applications[m.application].depends_on
        if after.get(other, m.after) != m.after
    )


def outside(plan: Plan, applications: frozenset[str]) -> list[str]:
    """Names of the steps that belong to no application in scope; the stack's own outputs always may change."""
    found = []
    for step in plan.steps:
        if step.op == OUTPUTS or step.type.startswith("pulumi:"):
            continue
        if not applications & {step.name, *(name_of(urn) for urn in components(plan, step))}:
            found.append(f"{step.op} {step.type.rpartition(':')[2]} {step.name}")
    return found


def failover(
    scope: str,
    to: str,
    *,
    target: Target,
    dry_run: bool = False,
    progress: Progress | None = None,
    message: str = "",
) -> Failover:
    """Let another hub serve an application, or all that a hub serves.

    Args:
        scope: an application's or a hub's id.
        to: the hub that is to serve.
        target: the continuity stack of the environment, real or rehearsed (`infra.engine.targets`).
        dry_run: preview and guard only.
        progress: hears the engine's events.
        message: why, kept in the stack's history.

    Returns:
        What was done; without moves when everything in scope was there already (the engine changes nothing then).

    Raises:
        InfraError: unknown application or hub, or a configuration file that cannot be read.
        RefusedError: the preview touches something outside the scope, or would lose something protected; nothing was
            changed.
        EngineError: the engine failed, or the outputs afterwards are not those asked for.
    """
    moves(target.inventory, {}, scope, to)  # unknown names, before anything is opened
    if not target.rehearsal:
        deployable(target.stack, target.config)
    with target.open() as engine, tempfile.TemporaryDirectory(prefix="noc-failover-") as folder:
        file = target.file()
        text = _read(file)
        active = active_hubs(text, file)
        changed = moves(target.inventory, active, scope, to)
        done = Failover(scope, to, target.stack.name, target.rehearsal, dry_run, changed)
        serving = {a.id: active.get(a.id, a.home_hub) for a in target.inventory.applications.values()}
        done = replace(done, active_hubs=serving, advice=left_behind(target.inventory, serving, changed))
        if not changed:
            return done
        wanted = with_entries(text, entries(target.inventory, active, changed), file)
        trial, plan_file = Path(folder) / file.name, Path(folder) / "plan.json"
        trial.write_text(wanted, encoding="utf-8")
        with _timed() as preview_time:
            planned = run.preview_with(target, engine, plan_file, trial, progress)
        _guard(target, planned.plan, frozenset(m.application for m in changed))
        done = replace(done, digest=planned.digest, changes=planned.plan.counts, summary=planned.summary)
        if dry_run:
            return replace(done, seconds={"preview": preview_time()})
        with _timed() as up_time, _kept(file, text, wanted):
            result = run.apply(target, engine, plan_file, progress, message, digest=planned.digest)
        with _timed() as read_time:
            serving = read_back(engine.outputs(), done)
    seconds = {"preview": preview_time(), "up": up_time(), "read_back": read_time()}
    return replace(done, changes=result.plan.counts, active_hubs=serving, seconds=seconds)


@contextmanager
def _timed() -> Iterator[Callable[[], float]]:
    """The wall time of a block, in seconds, asked for after it."""
    started = time.monotonic()
    ended = [started]
    try:
        yield lambda: ended[0] - started
    finally:
        ended[0] = time.monotonic()


def read_back(outputs: Mapping[str, Any], done: Failover) -> dict[str, str]:
    """Which hub serves each application, as the stack itself says after the update.

    Raises:
        EngineError: the output is missing, or says something else than was asked for.
    """
    found = outputs.get(OUTPUT)
    value = getattr(found, "value", "")
    serving = dict(pair.split("=", 1) for pair in str(value).split(",") if "=" in pair)
    wrong = [
        f"{m.application} is at {serving.get(m.application, 'no hub')}"
        for m in done.moves
        if serving.get(m.application) != m.after
    ]
    if wrong:
        raise EngineError(
            f"stack {done.stack}: the update ended well, but its output {OUTPUT} says {', '.join(wrong)}; "
            f"look at it: noc infra preview {done.stack}"
        )
    return serving


def active_hubs(text: str, file: Path) -> dict[str, str]:
    """The entries of `activeHubs` in a stack's configuration file.

    Raises:
        InfraError: the file is no YAML, or the value is no mapping of application to hub.
    """
    config = document(text, file).get("config") or {}
    value = config.get(KEY) or {}
    if not isinstance(value, dict) or not all(isinstance(v, str) for v in value.values()):
        problem = Problem(file.name, KEY, json.dumps(value), "is no mapping of application to hub", "correct the file")
        raise InfraError("the failover cannot start", [problem])
    return {str(k): v for k, v in value.items()}


def with_entries(text: str, active: Mapping[str, str], file: Path) -> str:
    """The file's text with other entries of `activeHubs`; everything else, comments too, stays as it is.

    Raises:
        InfraError: the file is written in a way that cannot be edited safely.
    """
    block = f"  {KEY}:" + ("".join(f"\n    {a}: {hub}" for a, hub in active.items()) if active else " {}") + "\n"
    lines = text.splitlines(keepends=True)
    start = next((n for n, line in enumerate(lines) if re.match(rf"  [\"']?{re.escape(KEY)}[\"']?:", line)), None)
    if start is not None:
        end = start + 1
        while end < len(lines) and lines[end].startswith("   "):
            end += 1
        lines[start:end] = [block]
    else:
        head = next((n for n, line in enumerate(lines) if re.match(r"config:\s*(#.*)?$", line)), None)
        if head is None:
            raise InfraError(f"{file.name} has no 'config:' of its own lines to edit; set {KEY} there by hand once")
        lines[head + 1 : head + 1] = [block]
    found = "".join(lines)
    before, after = document(text, file), document(found, file)
    expected = dict(before["config"] or {}) | {KEY: dict(active)}
    if after != before | {"config": expected}:
        raise InfraError(f"{file.name} is written in a way that cannot be edited safely; set {KEY} there by hand once")
    return found


def _read(file: Path) -> str:
    if not file.exists():
        raise InfraError(f"there is no {file.name}: the continuity stack of that environment does not exist")
    return read(file)


def _guard(target: Target, plan: Plan, applications: frozenset[str]) -> None:
    names = outside(plan, applications)
    if names:
        shown = ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
        raise RefusedError(
            f"stack {target.stack}: the failover would also touch what is not in its scope: {shown}. Nothing was "
            f"changed; deploy these first (noc infra up {target.stack}) or undo them, then fail over"
        )
    lost = [f"{s.op} {s.name}" for s in plan.steps if s.op in ("delete", "replace") and s.protected]
    if lost:
        raise RefusedError(f"stack {target.stack}: the failover would lose protected resources: {', '.join(lost)}")


@contextmanager
def _kept(file: Path, text: str, wanted: str) -> Iterator[None]:
    """Put the wanted configuration into the file; back again if nothing could be changed."""
    replace_file(file, wanted)
    try:
        yield
    except UpdateError as error:
        if not error.changed:
            replace_file(file, text)
        raise
    except RefusedError:
        replace_file(file, text)
        raise
