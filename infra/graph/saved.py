"""Keeps recorded graphs between runs, so that a plan can compare what is with what was.

Turns a `Graph` into normalised JSON (one file a stack, sorted, no timings) and back. Secrets never reach the disk:
each becomes a keyed digest, so that a changed secret is seen and nothing else can be learnt; the key stays beside the
files, readable by its owner only. Refuses a file that it did not write.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import MISSING, fields, replace
from pathlib import Path
from typing import Any

from infra.core.errors import InfraError
from infra.core.stacks import parse
from infra.graph.model import Graph, Json, Node

VERSION = 1
DEFAULT = Path(".state/infra/graphs")
_KEY = ".key"
_MARK = "[secret {}]"
_PART = re.compile(r"\[(\d+)\]|([^.\[]+)")


def redact(graph: Graph, key: bytes) -> Graph:
    """The graph with every secret input and output replaced by `[secret <keyed digest>]`.

    Two graphs redacted with the same key can be compared. A secret inside an input is found by its recorded path.
    """
    nodes = {
        urn: replace(node, inputs=_redacted(node.inputs, node.secrets, key)) if node.secrets else node
        for urn, node in graph.nodes.items()
    }
    outputs = {k: _digest(v, key) if k in graph.secret_outputs else v for k, v in graph.outputs.items()}
    return replace(graph, nodes=nodes, outputs=outputs)


def _digest(value: Json, key: bytes) -> str:
    text = json.dumps(value, sort_keys=True)
    return _MARK.format(hmac.new(key, text.encode(), hashlib.sha256).hexdigest()[:16])


def _redacted(inputs: Mapping[str, Json], paths: frozenset[str], key: bytes) -> dict[str, Json]:
    found: dict[str, Any] = json.loads(json.dumps(inputs))
    for path in sorted(paths):
        steps = [int(number) if number else name for number, name in _PART.findall(path)]
        holder: Any = found
        try:
            for step in steps[:-1]:
                holder = holder[step]
            holder[steps[-1]] = _digest(holder[steps[-1]], key)
        except (KeyError, IndexError, TypeError):  # a key with a dot in it: the whole property is hidden
            top = next(k for k in found if path.startswith(k))
            found[top] = _digest(found[top], key)
    return found


def to_json(graph: Graph) -> dict[str, Json]:
    """A redacted graph as plain data in a stable order; fields at their default are left out."""
    nodes = [_node_json(graph.nodes[urn]) for urn in sorted(graph.nodes)]
    return {
        "version": VERSION,
        "stack": graph.stack.name,
        "nodes": nodes,
        "outputs": dict(sorted(graph.outputs.items())),
        "secret_outputs": [*sorted(graph.secret_outputs)],
        "reads": [*sorted(graph.reads)],
    }


def _node_json(node: Node) -> Json:
    found: dict[str, Any] = {}
    for f in fields(Node):
        value = getattr(node, f.name)
        if f.name not in ("urn", "type", "name", "custom") and not value:
            continue
        found[f.name] = sorted(value) if isinstance(value, frozenset) else value
    plain: Json = json.loads(json.dumps(found, sort_keys=True))  # tuples become lists, keys sorted at every level
    return plain


def from_json(content: Any, where: str = "") -> Graph:
    """The graph of `to_json`.

    Raises:
        InfraError: not of this version or not of this form.
    """
    try:
        if content["version"] != VERSION:
            raise ValueError(f"version {content['version']} instead of {VERSION}")
        nodes = [_node(n) for n in content["nodes"]]
        return Graph(
            stack=parse(content["stack"]),
            nodes={n.urn: n for n in nodes},
            outputs=content["outputs"],
            secret_outputs=frozenset(content["secret_outputs"]),
            reads=tuple(content["reads"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError, InfraError) as error:
        raise InfraError(
            f"{where or 'the saved graph'} is not a graph saved by this version ({error}); "
            "remove it and save again: noc infra plan --save"
        ) from error


def _node(content: Mapping[str, Any]) -> Node:
    values = dict(content)
    for f in fields(Node):
        if f.name not in values:
            if f.name == "parent":
                values["parent"] = ""
            elif f.name == "inputs":
                values["inputs"] = {}
            elif f.default is MISSING and f.default_factory is MISSING:
                raise KeyError(f.name)
            continue
        if f.name == "secrets":
            values["secrets"] = frozenset(values["secrets"])
        elif f.name == "data_edges":
            values["data_edges"] = {k: tuple(v) for k, v in values["data_edges"].items()}
        elif isinstance(values[f.name], list):
            values[f.name] = tuple(values[f.name])
    return Node(**values)


def key_of(folder: Path) -> bytes:
    """The key of a folder's digests; made at first use, readable by its owner only."""
    path = folder / _KEY
    try:
        return path.read_bytes()
    except FileNotFoundError:
        _make(folder)
    made = secrets.token_bytes(32)
    try:
        _write(path, made, os.O_EXCL)
    except FileExistsError:
        return path.read_bytes()
    return made


def _make(folder: Path) -> None:
    """Create a folder and what is missing above it, for the owner alone (0700) whatever the umask."""
    for level in (*reversed(folder.parents), folder):
        try:
            level.mkdir(mode=0o700)
        except FileExistsError:
            continue
        level.chmod(0o700)


def _write(path: Path, content: bytes, how: int) -> None:
    """Write a file that its owner alone can read (0600), whatever the umask; a link is not followed."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | how, 0o600)
    with os.fdopen(file, "wb") as out:
        os.fchmod(file, 0o600)
        out.write(content)


def save(graph: Graph, folder: Path = DEFAULT) -> Path:
    """Write a graph (redacted here); the file appears whole or not at all.

    Raises:
        InfraError: the folder or the file cannot be written.
    """
    try:
        return _saved(graph, folder)
    except OSError as error:
        raise InfraError(f"{folder}: the graph of {graph.stack} cannot be saved there ({error.strerror})") from error


def _saved(graph: Graph, folder: Path) -> Path:
    _make(folder)
    path = folder / f"{graph.stack}.json"
    scratch = path.with_suffix(".json.new")
    content = to_json(redact(graph, key_of(folder)))
    text = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
    _write(scratch, text.encode("utf-8"), os.O_TRUNC)
    scratch.replace(path)
    return path


def load(folder: Path = DEFAULT, environment: str = "") -> dict[str, Graph]:
    """The saved graphs of a folder by stack name, redacted as they are; of one environment, or all.

    Raises:
        InfraError: a file is not a saved graph.
    """
    found: dict[str, Graph] = {}
    for path in sorted(folder.glob(f"*-{environment}.json" if environment else "*.json")):
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except (ValueError, RecursionError, OSError) as error:
            raise InfraError(f"{path} is no JSON ({error}); remove it and save again: noc infra plan --save") from error
        graph = from_json(content, str(path))
        found[graph.stack.name] = graph
    return found


def forget(stack: str, folder: Path = DEFAULT) -> None:
    """Remove the saved graph of a stack that is gone."""
    (folder / f"{stack}.json").unlink(missing_ok=True)
