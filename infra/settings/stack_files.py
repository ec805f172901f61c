"""Stack files as they are committed: `Pulumi.<stack>.yaml` into plain values, read as the engine reads them.

Turns a file into a document of text, numbers, booleans, lists and objects, and its `config:` into the engine's text
form. Refuses what the engine would refuse or rewrite: broken files, duplicate keys, aliases, unquoted dates, values
of another type, secrets that stand unsealed. Secrets never come out: not as values, not in errors.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic.fields import FieldInfo

from infra.core.errors import InfraError, Problem
from infra.core.stacks import PROJECT, StackId
from infra.settings import model_of
from infra.settings.base import is_secret, shown
from infra.settings.schema import type_of

STACKS = Path(__file__).parents[2] / "infra" / "stacks"
MOST_BYTES = 1_000_000  # a stack's file has a few hundred lines
MOST_DEEP = 20  # objects and lists inside each other
_OTHER_NAMESPACES = ("azure-native", "pulumi")  # read by the provider and the engine, never by our programmes
_TAG = "tag:yaml.org,2002:"
_NUMBER = re.compile(r"-?(0|[1-9]\d{0,17})")
_KINDS = {"str": "text", "int": "a whole number", "float": "a number", "bool": "true or false", "null": "nothing"}
_KINDS |= {"seq": "a list", "map": "an object", "timestamp": "a date"}
_WANTED = {
    "string": ("text", {"str", "int", "timestamp"}),  # a whole number is the same text; dates are refused elsewhere
    "integer": ("a whole number", {"int"}),
    "boolean": ("true or false", {"bool"}),
    "array": ("a list", {"seq"}),
    "object": ("an object", {"map"}),
}


@dataclass(frozen=True, slots=True)
class StackConfig:
    """A stack's configuration as the engine would pass it: text by key without prefix, and which keys are secret."""

    values: Mapping[str, str]
    secret_keys: frozenset[str]


class _AliasError(Exception):
    """An alias (`*name`) in a file: recursive ones never end, and the engine writes them out at the next change."""

    def __init__(self, line: int) -> None:
        self.line = line
        super().__init__(line)


class _Loader(yaml.SafeLoader):
    """YAML as the engine reads it: only true and false are booleans. Aliases are refused."""

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """The next node of the document."""
        if self.check_event(yaml.AliasEvent):
            event = self.peek_event()  # type: ignore[no-untyped-call]
            raise _AliasError(event.start_mark.line + 1)
        return super().compose_node(parent, index)


_Loader.yaml_implicit_resolvers = {
    first: [(tag, rule) for tag, rule in rules if not tag.endswith((":bool", ":merge", ":value"))]
    for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(f"{_TAG}bool", re.compile(r"true|false|True|False|TRUE|FALSE"), list("tfTF"))


def path_of(stack: StackId, folder: Path = STACKS) -> Path:
    """The committed configuration of a stack."""
    return folder / f"Pulumi.{stack}.yaml"


def name_of(stack: StackId) -> str:
    """The file as it is named in errors."""
    return f"infra/stacks/Pulumi.{stack}.yaml"


def how_to_create(stack: StackId) -> str:
    """The remedy for a file that is missing."""
    keys = f"{PROJECT}:layer: {stack.layer}, {PROJECT}:environment: {stack.environment}"
    return f"create it with 'config:' and at least {keys}"


def read_document(stack: StackId, folder: Path = STACKS) -> dict[str, Any]:
    """A stack's file as plain values; `config` is always there, and a mapping. Sealed values stay as they are.

    Raises:
        InfraError: no file, no UTF-8, no YAML, another form than an object with `config:`, duplicate keys, aliases,
            unquoted dates, numbers that the engine reads otherwise. Nothing of the text is in the error.
    """
    root = _composed(stack, folder)
    document: dict[str, Any] = _plain(root) if root else {}
    return {**document, "config": document.get("config") or {}}


def read_config(stack: StackId, folder: Path = STACKS) -> StackConfig:
    """A stack's configuration in the engine's text form; `secure:` values become placeholders.

    Raises:
        InfraError: as for `read_document`; a key has no namespace; a value has another type than its setting; a
            secret is not sealed; layer or environment are missing.
    """
    root = _composed(stack, folder)
    file, config = name_of(stack), _config_of(root)
    pairs = [(key.value, value) for key, value in config.value] if config else []
    fields = {f.alias or name: f for name, f in model_of(stack.kind).model_fields.items()}
    problems: list[Problem] = []
    values: dict[str, str] = {}
    sealed: set[str] = set()
    for full, node in pairs:
        namespace, _, key = full.partition(":")
        if ":" not in full:
            remedy = f"write it as {PROJECT}:{shown(full)}"
            problems.append(Problem(stack.name, file, shown(full), "is no configuration key", remedy))
        elif namespace == PROJECT:
            wrong = _mistyped(stack, key, node, fields[key]) if key in fields else None
            if wrong:
                problems.append(wrong)
            value, is_sealed = _unsealed(_plain(node), key)
            values[key] = value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
            sealed |= {key} if is_sealed else set()
        elif namespace not in _OTHER_NAMESPACES and key:
            known = ", ".join((PROJECT, *_OTHER_NAMESPACES))
            problems.append(Problem(stack.name, file, shown(full), f"the namespaces are {known}", "correct the key"))
    demanded = () if problems else (("layer", stack.layer), ("environment", stack.environment))
    for key, wanted in demanded:
        if key not in values:
            remedy = f"write {PROJECT}:{key}: {wanted} under 'config:' in {file}"
            problems.append(Problem(stack.name, f"{PROJECT}:{key}", "", "is missing", remedy))
    if problems:
        raise InfraError(f"the configuration of stack {stack} cannot be used; nothing was created", problems)
    return StackConfig(values, frozenset(sealed))


def placeholder(key: str) -> str:
    """What stands in for a sealed secret in a recording: the same text for the same key, long enough for any rule."""
    return f"placeholder-{key}-{hashlib.sha256(key.encode()).hexdigest()}"


def _text_of(stack: StackId, folder: Path) -> str:
    path, file = path_of(stack, folder), name_of(stack)
    try:
        if not path.is_file():
            if path.exists() or path.is_symlink():
                raise _refused(stack, file, "is no regular file", "remove it, and write the file")
            raise _refused(stack, file, "there is no such file", how_to_create(stack))
        if path.stat().st_size > MOST_BYTES:
            raise _refused(stack, file, f"is longer than {MOST_BYTES:,} bytes", "correct the file")
        raw = path.read_bytes()
    except OSError as error:
        raise _refused(stack, file, f"cannot be read: {error.strerror}", "correct its access rights") from None
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise _refused(stack, file, "is no UTF-8 text", "save it as UTF-8", f"line {line}") from None


def _composed(stack: StackId, folder: Path) -> yaml.MappingNode | None:
    """The checked nodes of a file; None for an empty one."""
    text, file = _text_of(stack, folder), name_of(stack)
    try:
        root = yaml.compose(text, _Loader)
    except _AliasError as error:
        rule, remedy = "has an alias (*name), which is not allowed", "write the value out"
        raise _refused(stack, file, rule, remedy, f"line {error.line}") from None
    except yaml.reader.ReaderError as error:
        where = f"line {text.count(chr(10), 0, error.position) + 1}"
        raise _refused(stack, file, "has a character that YAML does not allow", "remove it", where) from None
    except yaml.YAMLError as error:  # only the place is told: the line itself may hold a secret
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise _refused(stack, file, "cannot be read as YAML", "correct the file", where) from None
    except RecursionError:
        raise _refused(stack, file, f"is nested deeper than {MOST_DEEP} levels", "correct the file") from None
    if root is None or (root.tag == f"{_TAG}null" and isinstance(root, yaml.ScalarNode)):
        return None
    if not isinstance(root, yaml.MappingNode):
        rule = f"is {_kind(root)} instead of an object with 'config:'"
        raise _refused(stack, file, rule, how_to_create(stack), _line(root))
    problems = list(_faults(stack, root, (), 0))
    config = next((v for k, v in root.value if k.value == "config"), None)
    if config is not None and not isinstance(config, yaml.MappingNode) and config.tag != f"{_TAG}null":
        rule, remedy = f"'config' is {_kind(config)} instead of an object", f"write '{PROJECT}:<key>: <value>' under it"
        problems.append(Problem(stack.name, file, _line(config), rule, remedy))
    if problems:
        raise InfraError(f"the configuration of stack {stack} cannot be used; nothing was created", problems)
    return root


def _refused(stack: StackId, file: str, rule: str, remedy: str, where: str = "") -> InfraError:
    return InfraError(f"stack {stack} has no configuration", [Problem(stack.name, file, where, rule, remedy)])


def _config_of(root: yaml.MappingNode | None) -> yaml.MappingNode | None:
    found = next((v for k, v in root.value if k.value == "config"), None) if root else None
    return found if isinstance(found, yaml.MappingNode) else None


def _faults(stack: StackId, node: yaml.Node, path: tuple[str, ...], depth: int) -> Iterator[Problem]:
    """Duplicate keys, unquoted dates, numbers of another notation, tags and depths that the engine does not share."""
    file = name_of(stack)
    if depth > MOST_DEEP:
        yield Problem(stack.name, file, _line(node), f"is nested deeper than {MOST_DEEP} levels", "correct the file")
    elif isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for name, value in node.value:
            if not isinstance(name, yaml.ScalarNode):
                yield Problem(stack.name, file, _line(name), f"a key is {_kind(name)}", "write a key as text")
                continue
            if name.value in seen:
                rule = f"the key {shown(name.value)!r} stands there twice"
                yield Problem(stack.name, file, _line(name), rule, "keep one of the two")
            seen.add(name.value)
            yield from _faults(stack, value, (*path, name.value), depth + 1)
    elif isinstance(node, yaml.SequenceNode):
        for number, value in enumerate(node.value):
            yield from _faults(stack, value, (*path, str(number)), depth + 1)
    if not node.tag.startswith(_TAG) or node.tag.removeprefix(_TAG) not in _KINDS:
        yield Problem(stack.name, file, _line(node), "has a YAML tag that is not allowed", "remove the tag")
    elif isinstance(node, yaml.ScalarNode) and not _is_secret_path(stack, path):
        yield from _rewritten(stack, node, path)


def _rewritten(stack: StackId, node: yaml.ScalarNode, path: tuple[str, ...]) -> Iterator[Problem]:
    """Dates and numbers that the engine, or another reader, takes for something else."""
    file, key = name_of(stack), shown(".".join(path).removeprefix(f"config.{PROJECT}:"))
    value, kind = shown(node.value), node.tag.removeprefix(_TAG)
    if kind == "timestamp":
        rule = f"is an unquoted date ({_line(node)} of {file}), which the engine rewrites"
        yield Problem(stack.name, key, value, rule, f'write "{value}" in quotes')
    elif kind in ("int", "float") and not _is_plain_number(node):
        rule = f"is no plain number ({_line(node)} of {file}): not every reader takes it for the same"
        yield Problem(stack.name, key, value, rule, "write the digits alone, or the text in quotes")
    elif kind in ("bool", "null") and node.style is not None:
        yield Problem(stack.name, file, _line(node), "has a YAML tag that is not allowed", "remove the tag")


def _is_secret_path(stack: StackId, path: tuple[str, ...]) -> bool:
    """Whether a value belongs to a setting that is secret, or is sealed: neither is ever shown."""
    key = path[1].removeprefix(f"{PROJECT}:") if len(path) > 1 else ""
    fields = model_of(stack.kind).model_fields.items()
    return path[-1:] == ("secure",) or any(is_secret(f) and (f.alias or name) == key for name, f in fields)


def _is_plain_number(node: yaml.ScalarNode) -> bool:
    if node.tag == f"{_TAG}int":
        return bool(_NUMBER.fullmatch(node.value))
    try:
        return "_" not in node.value and math.isfinite(float(node.value))
    except ValueError:
        return False


def _mistyped(stack: StackId, key: str, node: yaml.Node, field: FieldInfo) -> Problem | None:
    """What is wrong with the type of a setting's value before it becomes text."""
    place = f"{_line(node)} of {name_of(stack)}"
    sealed = isinstance(node, yaml.MappingNode) and [k.value for k, _ in node.value] == ["secure"]
    if is_secret(field):
        if sealed and node.value[0][1].tag == f"{_TAG}str" and node.value[0][1].value:
            return None
        remedy = f"pulumi config set --secret {key} -s {stack}, and use a new value: this one is known"
        return Problem(stack.name, key, "", f"is a secret and stands there unsealed ({place})", remedy)
    wanted, kinds = _WANTED[type_of(field.annotation)["type"]]
    kind = node.tag.removeprefix(_TAG)
    quoted = kind == "str" and isinstance(node, yaml.ScalarNode)
    if sealed and wanted == "text":
        return None
    if quoted and wanted == "a whole number" and _NUMBER.fullmatch(str(node.value)):
        return None  # as `pulumi config set` writes it
    if kind in kinds or (quoted and wanted == "true or false" and node.value in ("true", "false")):
        return None
    value = shown(str(node.value)) if isinstance(node, yaml.ScalarNode) else ""
    remedy = "remove the key, or give it a value" if kind == "null" else f"write {wanted}"
    remedy += f": {field.description}" if field.description else ""
    return Problem(stack.name, key, value, f"is {_kind(node)} instead of {wanted} ({place})", remedy)


def _kind(node: yaml.Node) -> str:
    return _KINDS.get(node.tag.removeprefix(_TAG), "of an unknown tag")


def _line(node: yaml.Node) -> str:
    return f"line {node.start_mark.line + 1}"


def _plain(node: yaml.Node) -> Any:
    """The value of a checked node; keys are text, as in the engine."""
    if isinstance(node, yaml.MappingNode):
        return {key.value: _plain(value) for key, value in node.value}
    if isinstance(node, yaml.SequenceNode):
        return [_plain(value) for value in node.value]
    kind, text = node.tag.removeprefix(_TAG), str(node.value)
    if kind == "int" and _NUMBER.fullmatch(text):
        return int(text)
    if kind == "float" and isinstance(node, yaml.ScalarNode) and _is_plain_number(node):
        return float(text)
    if kind == "bool":
        return text.lower() == "true"
    return None if kind == "null" else text


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
