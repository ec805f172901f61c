"""Records whole environments: every stack's programme with its committed configuration, in order of deployment.

Turns (environment, inventory, infra/stacks/Pulumi.<stack>.yaml) into one `Graph` a stack, the recorded outputs of each
feeding the references of the next. A stack that cannot be recorded is a list of problems and never stops the others;
secrets in the files stay sealed: programmes get placeholders.
"""

from __future__ import annotations

import gc
import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pulumi
import yaml

from infra import programme
from infra.core.errors import InfraError, Problem
from infra.core.stacks import NEEDS, PARTED, PROJECT, Environment, StackId, all_stacks, in_order, parse
from infra.graph.model import Graph, Json
from infra.graph.record import record
from infra.settings import Common, model_of, settings_of
from infra.settings.base import required_secrets
from inventory import Inventory, InventoryError

STACKS = programme.ROOT / "infra" / "stacks"
_OTHER_NAMESPACES = ("azure-native", "pulumi")  # read by the provider and the engine, never by our programmes
Programme = Callable[[], None]
References = Mapping[str, Mapping[str, Json]]


@dataclass(frozen=True, slots=True)
class StackConfig:
    """A stack's configuration as the engine would pass it: text by key without prefix, and which keys are secret."""

    values: Mapping[str, str]
    secret_keys: frozenset[str]


@dataclass(frozen=True)
class World:
    """What could be recorded of an environment, in order of deployment, and everything that could not."""

    environment: Environment
    graphs: Mapping[str, Graph] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    folder: Path = STACKS

    def problems_of(self, stack: str) -> tuple[Problem, ...]:
        """The problems of one stack."""
        return tuple(p for p in self.problems if p.stack == stack)


class _Loader(yaml.SafeLoader):
    """YAML as the engine reads it: only true and false are booleans, and a date is text."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, rule) for tag, rule in rules if not tag.endswith((":bool", ":timestamp"))]
    for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"true|false|True|False|TRUE|FALSE"), list("tfTF"))


def path_of(stack: StackId, folder: Path = STACKS) -> Path:
    """The committed configuration of a stack."""
    return folder / f"Pulumi.{stack}.yaml"


def read_config(stack: StackId, folder: Path = STACKS) -> StackConfig:
    """A stack's configuration in the engine's text form; `secure:` values become placeholders.

    Raises:
        InfraError: there is no file, it is no YAML, or a key has no namespace.
    """
    path = path_of(stack, folder)
    shown = f"infra/stacks/{path.name}"
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), _Loader)  # noqa: S506 - derived from the safe loader
    except FileNotFoundError:
        problem = Problem(stack.name, shown, "", "there is no such file", _how_to_create(stack))
        raise InfraError(f"stack {stack} has no configuration", [problem]) from None
    except yaml.YAMLError as error:
        where = str(getattr(error, "problem_mark", "") or "").strip()
        problem = Problem(stack.name, shown, where, "cannot be read as YAML", "correct the file")
        raise InfraError(f"stack {stack} has no configuration", [problem]) from error
    config = (content or {}).get("config") or {}
    problems = [
        Problem(stack.name, shown, str(key), "is no configuration key", f"write it as {PROJECT}:{key}")
        for key in config
        if ":" not in str(key)
    ]
    values: dict[str, str] = {}
    secret: set[str] = set()
    for full, value in config.items():
        namespace, _, key = str(full).partition(":")
        if namespace == PROJECT:
            plain, sealed = _unsealed(value, key)
            values[key] = _text(plain)
            if sealed:
                secret.add(key)
        elif namespace not in _OTHER_NAMESPACES and key:
            known = ", ".join((PROJECT, *_OTHER_NAMESPACES))
            problems.append(Problem(stack.name, shown, str(full), f"the namespaces are {known}", "correct the key"))
    if problems:
        raise InfraError(f"the configuration of stack {stack} cannot be used; nothing was created", problems)
    return StackConfig(values, frozenset(secret))


def with_placeholders(stack: StackId, config: StackConfig) -> StackConfig:
    """The configuration with a placeholder for each secret that the layer demands and the file does not hold yet.

    A stack that was never deployed has no secrets; it can be looked at all the same. The engine itself still refuses
    a stack without them.
    """
    missing = [k for k in required_secrets(model_of(stack.kind)) if k not in config.values]
    values = {**config.values, **{key: placeholder(key) for key in missing}}
    return StackConfig(values, config.secret_keys.union(missing))


def placeholder(key: str) -> str:
    """What stands in for a sealed secret in a recording: the same text for the same key, long enough for any rule."""
    return f"placeholder-{key}-{hashlib.sha256(key.encode()).hexdigest()}"


def _unsealed(value: Any, key: str) -> tuple[Any, bool]:
    """The value with each `secure:` replaced by a placeholder, and whether there was one."""
    if isinstance(value, dict):
        if set(value) == {"secure"}:
            return placeholder(key), True
        parts = {k: _unsealed(v, f"{key}.{k}") for k, v in value.items()}
        return {k: plain for k, (plain, _) in parts.items()}, any(sealed for _, sealed in parts.values())
    if isinstance(value, list):
        items = [_unsealed(v, f"{key}[{n}]") for n, v in enumerate(value)]
        return [plain for plain, _ in items], any(sealed for _, sealed in items)
    return value, False


def _text(value: Any) -> str:
    """A value as the engine hands it to programmes: text as it stands, everything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))


def _how_to_create(stack: StackId) -> str:
    keys = f"{PROJECT}:layer: {stack.layer}, {PROJECT}:environment: {stack.environment}"
    return f"create it with 'config:' and at least {keys}"


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
                found.append(Problem(name, f"infra/stacks/Pulumi.{name}.yaml", "", rule, _how_to_create(stack)))
    return found


def _other(environment: Environment) -> Environment:
    return "dev" if environment == "prod" else "prod"


def committed(environment: Environment, folder: Path = STACKS) -> list[StackId]:
    """The stacks of an environment that have a file, in order of deployment."""
    found = []
    for path in folder.glob(f"Pulumi.*-{environment}.yaml"):
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
        inventory: the tables, loaded once by the caller.
        references: outputs of other stacks by stack name.
        preview: outputs of new resources are unknown, as in a real preview.
        folder: where the stacks' files are.
        runs: another programme than the stack's own (tests).

    Raises:
        InfraError: with everything that is wrong with the stack's input.
    """
    config = with_placeholders(stack, read_config(stack, folder))
    try:
        return record(
            stack,
            runs or (lambda: programme.run(inventory)),
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
            raise InfraError(str(cause)) from error
        raise InfraError(str(error), [_refused(stack, str(error))]) from error


def _refused(stack: StackId, text: str) -> Problem:
    first = text.strip().splitlines()[0] if text.strip() else "ended without a reason"
    return Problem(stack.name, "programme", "", first, "correct the input that it names")


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
                problems += _blamed(stack, error, {p.stack for p in problems})
            except Exception as error:  # one broken programme is a row of the report, not its end
                problems.append(_crashed(stack, error))
            else:
                graphs[stack.name] = graph
                done(graph)
            gc.freeze()  # graphs are kept: the collector need not look at them again after every stack
    finally:
        gc.unfreeze()
    return World(environment, graphs, tuple(problems), folder)


def _blamed(stack: StackId, error: InfraError, broken: set[str]) -> list[Problem]:
    """The problems of an error; when it only misses outputs of a stack that is broken itself, one line says so."""
    missing = sorted(name for name in broken if re.search(rf"stack {re.escape(name)} has", error.summary))
    if missing:
        rule = f"needs the outputs of {missing[0]}, which could not be recorded"
        return [Problem(stack.name, "references", "", rule, f"correct {missing[0]} first")]
    return list(error.problems) or [_refused(stack, error.summary)]


def _crashed(stack: StackId, error: Exception) -> Problem:
    """A fault in our own code: named by its place, so that it can be found without a stack trace."""
    place = ""
    trace = error.__traceback__
    while trace:
        file = Path(trace.tb_frame.f_code.co_filename)
        if file.is_relative_to(programme.ROOT) and ".venv" not in file.parts:
            place = f"{file.relative_to(programme.ROOT)}:{trace.tb_lineno}"
        trace = trace.tb_next
    text = (str(error).strip().splitlines() or [""])[0]
    rule = f"{type(error).__name__}: {text}" if text else type(error).__name__
    return Problem(stack.name, f"programme ({place})", "", rule, "correct the code there")
