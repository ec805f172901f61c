"""Records whole environments: every stack's programme with its committed configuration, in order of deployment.

Turns (environment, inventory, infra/stacks/Pulumi.<stack>.yaml) into one `Graph` a stack, the recorded outputs of each
feeding the references of the next. A stack that cannot be recorded is a list of problems and never stops the others;
secrets in the files stay sealed: programmes get placeholders.
"""

from __future__ import annotations

import gc
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pulumi

from infra import programme
from infra.core.errors import InfraError, Problem
from infra.core.stacks import NEEDS, PARTED, Environment, StackId, all_stacks, in_order, parse
from infra.graph.model import Graph, Json
from infra.graph.record import record
from infra.settings import Common, model_of, settings_of
from infra.settings.base import brief, required_secrets, shown
from infra.settings.stack_files import (
    STACKS,
    StackConfig,
    how_to_create,
    path_of,
    placeholder,
    read_config,
    read_document,
)
from inventory import Inventory, InventoryError

__all__ = [
    "STACKS",
    "StackConfig",
    "World",
    "committed",
    "file_problems",
    "path_of",
    "placeholder",
    "read_config",
    "read_document",
    "record_environment",
    "record_stack",
    "settings_by_stack",
    "with_needs",
    "with_placeholders",
]
Programme = Callable[[], None]
References = Mapping[str, Mapping[str, Json]]


@dataclass(frozen=True)
class World:
    """What could be recorded of an environment, in order of deployment, and everything that could not."""

    environment: Environment
    graphs: Mapping[str, Graph] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    folder: Path = STACKS
    waits: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def problems_of(self, stack: str) -> tuple[Problem, ...]:
        """The problems of one stack, after those of the stacks whose outputs it lacks: the root cause comes first.

        `waits` holds the stacks that could not be recorded and that a stack reads, by stack.
        """
        names = [stack]
        for name in names:
            names += [n for n in self.waits.get(name, ()) if n not in names]
        return tuple(p for name in reversed(names) for p in self.problems if p.stack == name)


def with_placeholders(stack: StackId, config: StackConfig) -> StackConfig:
    """The configuration with a placeholder for each secret that the layer demands and the file does not hold yet.

    A stack that was never deployed has no secrets; it can be looked at all the same. The engine itself still refuses
    a stack without them.
    """
    missing = [k for k in required_secrets(model_of(stack.kind)) if k not in config.values]
    values = {**config.values, **{key: placeholder(key) for key in missing}}
    return StackConfig(values, config.secret_keys.union(missing))


def settings_by_stack(stacks: Iterable[str], folder: Path = STACKS) -> dict[str, Common]:
    """The validated settings of recorded stacks by name."""
    found = {}
    for name in stacks:
        stack = parse(name)
        found[name] = settings_of(stack.kind, with_placeholders(stack, read_config(stack, folder)).values, name)
    return found


def file_problems(environment: Environment, inventory: Inventory, folder: Path = STACKS) -> list[Problem]:
    """Differences between the stacks that the inventory asks for and the files that there are.

    A file whose shard or hub is gone is a problem everywhere. A missing file is one in prod only: dev may leave out
    what it does not try.
    """
    wanted = {s.name: s for s in all_stacks(inventory, environment)}
    found: list[Problem] = []
    present: set[str] = set()
    for path in sorted(folder.glob("Pulumi.*.yaml")):
        name = path.name.removeprefix("Pulumi.").removesuffix(".yaml")
        try:
            stack = parse(name)
        except InfraError as error:
            if not name.endswith(f"-{_other(environment)}"):
                found.append(Problem(name, f"infra/stacks/{path.name}", "", error.summary, "rename or remove the file"))
            continue
        if stack.environment != environment:
            continue
        present.add(name)
        if name not in wanted:
            what = "shard" if stack.kind == "sites" else "hub"
            rule = f"the inventory has no {what} '{stack.part}'"
            remedy = f"destroy the stack and remove its file, or give the {what} back its rows"
            found.append(Problem(name, f"infra/stacks/{path.name}", "", rule, remedy))
    if environment == "prod":
        for name, stack in wanted.items():
            if name not in present:
                what = f"the inventory has {'shard' if stack.kind == 'sites' else 'hub'} '{stack.part}'"
                rule = f"{what if stack.kind in PARTED else 'the layer is needed'}, but there is no stack for it"
                found.append(Problem(name, f"infra/stacks/Pulumi.{name}.yaml", "", rule, how_to_create(stack)))
    return found


def _other(environment: Environment) -> Environment:
    return "dev" if environment == "prod" else "prod"


def committed(environment: Environment, folder: Path = STACKS) -> list[StackId]:
    """The stacks of an environment that have a file, in order of deployment.

    Raises:
        InfraError: there is no such folder, or no file of dev in it. A folder without files of prod has one problem
            for each stack that is missing: see `file_problems`.
    """
    found = []
    files = list(folder.glob(f"Pulumi.*-{environment}.yaml")) if folder.is_dir() else []
    if not files and not (environment == "prod" and folder.is_dir()):
        rule = f"has no stack file of {environment}" if folder.is_dir() else "is no folder"
        remedy = f"name the folder that has Pulumi.<layer>-{environment}.yaml"
        problem = brief(Problem(environment, "stacks", str(folder), rule, remedy))
        raise InfraError(f"there is no stack of {environment} to look at", [problem])
    for path in files:
        try:
            found.append(parse(path.name.removeprefix("Pulumi.").removesuffix(".yaml")))
        except InfraError:
            continue  # told by file_problems
    return in_order(found)


def with_needs(stacks: Iterable[StackId], known: Iterable[StackId]) -> list[StackId]:
    """The stacks and everything among `known` whose outputs they may read, in order of deployment."""
    found = set(stacks)
    kinds = {(s.kind, s.environment) for s in found}
    while True:
        more = {(need, env) for kind, env in kinds for need in NEEDS[kind]} - kinds
        if not more:
            break
        kinds |= more
    needed = {(need, env) for kind, env in kinds for need in NEEDS[kind]}
    return in_order(found | {s for s in known if (s.kind, s.environment) in needed})


def record_stack(
    stack: StackId,
    inventory: Inventory,
    *,
    references: References,
    preview: bool = False,
    folder: Path = STACKS,
    runs: Programme | None = None,
) -> Graph:
    """What one stack would register with its committed configuration.

    Args:
        stack: the stack.
        inventory: the tables, loaded once by the caller; a stack whose file names a folder of its own gets that.
        references: outputs of other stacks by stack name.
        preview: outputs of new resources are unknown, as in a real preview.
        folder: where the stacks' files are.
        runs: another programme than the stack's own (tests).

    Raises:
        InfraError: with everything that is wrong with the stack's input.
    """
    config = with_placeholders(stack, read_config(stack, folder))
    own = config.values.get("inventory", "")
    tables = programme.tables(own, stack.name) if own and not runs else inventory
    try:
        return record(
            stack,
            runs or (lambda: programme.run(tables)),
            config.values,
            secret_keys=config.secret_keys,
            references=references,
            subscription=config.values.get("subscription", ""),
            preview=preview,
        )
    except pulumi.RunError as error:
        cause = error.__cause__
        if isinstance(cause, InfraError):
            raise cause from error
        if isinstance(cause, InventoryError):
            raise _of_tables(stack, cause) from error
        raise InfraError(str(error), [_refused(stack, str(error))]) from error
    except InventoryError as error:
        raise _of_tables(stack, error) from error


def _of_tables(stack: StackId, error: InventoryError) -> InfraError:
    """A refusal by the inventory as ours, which names the stack."""
    found = [Problem(stack.name, "inventory", "", shown(str(p), 400), "correct the tables") for p in error.problems]
    return InfraError(error.summary, found or [_refused(stack, error.summary)])


def _refused(stack: StackId, text: str) -> Problem:
    first = text.strip().splitlines()[0] if text.strip() else "ended without a reason"
    return brief(Problem(stack.name, "programme", "", first, "correct the input that it names"))


def record_environment(
    environment: Environment,
    inventory: Inventory,
    stacks: Iterable[StackId] | None = None,
    *,
    preview: bool = False,
    folder: Path = STACKS,
    programmes: Mapping[str, Programme] | None = None,
    done: Callable[[Graph], None] = lambda graph: None,
) -> World:
    """Record every stack of an environment in order of deployment.

    Args:
        environment: which one.
        inventory: the tables, loaded once by the caller.
        stacks: only these and what they read; by default all that have a file, and `file_problems`.
        preview: as in `record_stack`, for the stacks asked for; what they read is always recorded as deployed.
        folder: where the stacks' files are.
        programmes: programmes by stack name, where not the stacks' own (tests).
        done: called with each graph as soon as it is recorded (progress).
    """
    known = committed(environment, folder)
    asked = known if stacks is None else list(stacks)
    problems = file_problems(environment, inventory, folder) if stacks is None else []
    known_bad = {p.stack for p in problems}
    graphs: dict[str, Graph] = {}
    waits: dict[str, tuple[str, ...]] = {}
    references: dict[str, Mapping[str, Json]] = {}
    try:
        for stack in with_needs(asked, known):
            if stack.name in known_bad:
                continue  # its shard or hub is gone: told already, its programme would only say it again
            try:
                own = (programmes or {}).get(stack.name)
                graph = record_stack(stack, inventory, references=references, folder=folder, runs=own)
                references[stack.name] = graph.outputs
                if preview and stack in asked:
                    graph = record_stack(stack, inventory, references=references, preview=True, folder=folder, runs=own)
            except InfraError as error:
                lacking = _lacking(stack, error, references)
                waits |= {stack.name: (lacking,)} if lacking else {}
                problems += [_waiting(stack, waits, problems)] if lacking else _told(stack, error)
            except Exception as error:  # one broken programme is a row of the report, not its end
                problems.append(_crashed(stack, error))
            else:
                graphs[stack.name] = graph
                done(graph)
            gc.freeze()  # graphs are kept: the collector need not look at them again after every stack
    finally:
        gc.unfreeze()
    return World(environment, graphs, tuple(problems), folder, waits)


def _told(stack: StackId, error: InfraError) -> list[Problem]:
    return [brief(p) for p in error.problems] or [_refused(stack, error.summary)]


def _lacking(stack: StackId, error: InfraError, recorded: Iterable[str]) -> str:
    """The stack whose outputs an error misses because it was not recorded; empty for every other error."""
    found = re.search(r"\bstack (\S+) has (?:outputs of version|no output) ", error.summary)
    missing = found[1] if found else ""
    return missing if missing not in (stack.name, *recorded) else ""


def _waiting(stack: StackId, waits: Mapping[str, tuple[str, ...]], problems: Iterable[Problem]) -> Problem:
    """One line for a stack that only lacks another's outputs: which one, and the root of it."""
    (first,) = waits[stack.name]
    root = first
    while root in waits:
        (root,) = waits[root]
    rule = f"needs the outputs of {first}, which could not be recorded"
    if root != first:
        rule += f" because of {root}"
    if any(p.stack == root for p in problems):
        return Problem(stack.name, "references", "", rule, f"correct {root} first")
    rule = f"needs the outputs of {first}, which has no file"
    return Problem(stack.name, "references", "", rule, how_to_create(parse(root)))


def _crashed(stack: StackId, error: Exception) -> Problem:
    """A fault in our own code: named by its place, so that it can be found without a stack trace."""
    place = ""
    trace = error.__traceback__
    while trace:
        file = Path(trace.tb_frame.f_code.co_filename)
        if file.is_relative_to(programme.ROOT) and ".venv" not in file.parts:
            place = f"{file.relative_to(programme.ROOT)}:{trace.tb_lineno}"
        trace = trace.tb_next
    text = shown((str(error).strip().splitlines() or [""])[0])
    rule = f"{type(error).__name__}: {text}" if text else type(error).__name__
    return Problem(stack.name, f"programme ({place})", "", rule, "correct the code there")
