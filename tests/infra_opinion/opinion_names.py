"""The rules of names that Microsoft's management clients check before they send anything.

Turns (package, ARM id) into faults: the clients' request builders hold, for each path, the pattern and the lengths of
its parameters. The newest generation has none; what remains is Azure's documented rule in infra/core/arm_types.csv.
"""

from __future__ import annotations

import ast
import functools
import importlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from opinion_walker import Fault

from infra.core.arm import arm_type
from infra.graph.model import Node

_BUILDER = re.compile(r"^def build_\w+_request\(.*?(?=^def |^class |\Z)", re.MULTILINE | re.DOTALL)
_URL = re.compile(r"\"(/[^\"]*/providers/[^\"]+|/subscriptions/[^\"]+)\"")
_RULES = ("pattern", "min_length", "max_length")


@functools.cache
def paths(package: str) -> tuple[tuple[str, Mapping[str, Mapping[str, Any]]], ...]:
    """Every path that a client puts to, with the rules of its parameters by name."""
    folder = Path(str(importlib.import_module(f"{package}.operations").__file__)).parent
    found = []
    for file in sorted(folder.glob("_*operations.py")):
        for builder in _BUILDER.findall(file.read_text(encoding="utf-8")):
            url = _URL.search(builder)
            if url and 'method="PUT"' in builder:
                found.append((url[1], _parameters(builder)))
    return tuple(found)


def _parameters(builder: str) -> Mapping[str, Mapping[str, Any]]:
    start = builder.find("path_format_arguments = {")
    if start < 0:
        return {}
    text = builder[start + len("path_format_arguments = ") : builder.find("\n    }", start) + 6]
    found = {}
    table = ast.parse(text.strip(), mode="eval").body
    assert isinstance(table, ast.Dict)
    for key, value in zip(table.keys, table.values, strict=True):
        assert isinstance(key, ast.Constant)
        assert isinstance(value, ast.Call)
        rules = {k.arg: ast.literal_eval(k.value) for k in value.keywords if k.arg in _RULES}
        found[str(key.value)] = {str(k): v for k, v in rules.items()}
    return found


def rules_of(package: str, identity: str) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """The parameters of an id's own path: name, value in the id, rules. Nothing where the client has no such path."""
    words = _tail(identity)
    for url, rules in paths(package):
        template = _tail(url)
        if len(template) == len(words) and all(_same(t, w) for t, w in zip(template, words, strict=True)):
            for part, word in zip(template, words, strict=True):
                if part.startswith("{"):
                    yield part.strip("{}"), word, rules.get(part.strip("{}"), {})
            return


def _tail(path: str) -> list[str]:
    """The words after the last provider; of a resource group, its own two."""
    return path.rpartition("/providers/")[2].split("/") if "/providers/" in path else path.split("/")[-2:]


def _same(part: str, word: str) -> bool:
    return part.startswith("{") or part.lower() == word.lower()


def compare_names(package: str, node: Node) -> Iterator[Fault]:
    """Every name in a resource's id that the client or Azure's documented rule would refuse."""
    name = node.id.rpartition("/")[2]
    documented = arm_type(node.type).name_rule
    if not re.fullmatch(documented, name):
        yield Fault("name", "name", f"{name!r} is not {documented}")
    for parameter, word, rules in rules_of(package, node.id):
        for rule, limit in rules.items():
            if rule == "pattern":
                broken = re.match(limit, word) is None
            else:
                broken = len(word) < limit if rule == "min_length" else len(word) > limit
            if broken:
                yield Fault(parameter, "name", f"{rule} is {limit}, found {word!r}")
