"""Starts the policy pack as a process and speaks to it as Pulumi's engine does.

Turns recorded graphs into the engine's requests (inputs with marked secrets and unknown values, options, edges) and
the pack's answers into violations, so that a test can hold them equal to `gate.evaluate`. Slower than the gate by the
wire and the SDK; not used by commands.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from pathlib import Path
from types import TracebackType
from typing import Any

import grpc
from google.protobuf import empty_pb2, struct_pb2
from pulumi.runtime.proto import analyzer_pb2 as messages
from pulumi.runtime.proto import analyzer_pb2_grpc
from pulumi_policy.deserialize import SPECIAL_SECRET_SIG, SPECIAL_SIG_KEY
from pulumi_policy.proxy import UNKNOWN_STRING_VALUE

from infra.core.errors import EngineError
from infra.graph.model import UNKNOWN, Graph, Json, Node
from infra.policy.catalogue import POLICIES
from infra.policy.model import Level, Violation
from infra.policy.rules.secrecy import unmarked

PACK_FOLDER = Path(__file__).parent
STARTED_WITHIN_S = 30.0
LEVELS: Mapping[str, int] = {
    "advisory": messages.ADVISORY,
    "mandatory": messages.MANDATORY,
    "disabled": messages.DISABLED,
    "remediate": messages.REMEDIATE,
}


class PackProcess:
    """The pack, running; a context manager. Every method is one call of the engine's Analyzer protocol."""

    def __init__(self, python: str = sys.executable) -> None:
        self._process = subprocess.Popen(
            [python, "-u", str(PACK_FOLDER)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        port = self._process.stdout.readline().strip()
        if not port.isdecimal():
            self._process.kill()
            raise EngineError(f"the policy pack did not start: {self._process.communicate()[1] or port}")
        self._channel = grpc.insecure_channel(f"127.0.0.1:{port}")
        grpc.channel_ready_future(self._channel).result(timeout=STARTED_WITHIN_S)
        self._stub = analyzer_pb2_grpc.AnalyzerStub(self._channel)

    def __enter__(self) -> PackProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._channel.close()
        self._process.terminate()
        self._process.communicate(timeout=STARTED_WITHIN_S)

    def info(self) -> messages.AnalyzerInfo:
        """What the pack says of itself: its name and policies."""
        found: messages.AnalyzerInfo = self._stub.GetAnalyzerInfo(empty_pb2.Empty())
        return found

    def configure(self, levels: Mapping[str, str] | None = None, today: date | None = None) -> None:
        """Set levels of single policies (`advisory`, `mandatory`, `disabled`) and the day exceptions are judged by."""
        request = messages.ConfigureAnalyzerRequest()
        for policy in POLICIES:
            level = (levels or {}).get(policy.name, "remediate" if policy.marks else policy.level)
            request.policyConfig[policy.name].enforcementLevel = LEVELS[level]  # type: ignore[assignment]
            if today and policy.rule:
                request.policyConfig[policy.name].properties.update({"today": today.isoformat()})
        self._stub.Configure(request)

    def analyze(self, stack: str, node: Node) -> Iterator[Violation]:
        """What the pack says of one resource before it is registered, unmarked secrets included."""
        request = messages.AnalyzeRequest(
            type=node.type, urn=node.urn, name=node.name, properties=properties(node), options=_options(node)
        )
        yield from _violations(stack, node.urn, self._stub.Analyze(request))
        for remediation in self._stub.Remediate(request).remediations:
            for path in sorted(_secret_paths(remediation.properties) - _secret_paths(request.properties)):
                yield Violation(stack, node.urn, remediation.policyName, "mandatory", unmarked(path))

    def analyze_stack(self, graph: Graph) -> Iterator[Violation]:
        """What the pack says of a whole stack."""
        request = messages.AnalyzeStackRequest(resources=[_in_stack(node) for node in graph])
        yield from _violations(graph.stack.name, "", self._stub.AnalyzeStack(request))

    def evaluate(self, graphs: Iterable[Graph], today: date | None = None) -> list[Violation]:
        """The same list that `gate.evaluate` makes, by way of the pack."""
        self.configure(today=today)
        found: list[Violation] = []
        for graph in graphs:
            for node in graph:
                found += self.analyze(graph.stack.name, node)
            found += self.analyze_stack(graph)
        return sorted(found)


def properties(node: Node) -> struct_pb2.Struct:
    """A node's inputs on the wire: secrets wrapped, unknown values as the engine sends them in a preview."""
    message = struct_pb2.Struct()
    message.update({k: _wire(v, k, node.secrets) for k, v in node.inputs.items()})
    return message


def _wire(value: Json, path: str, secrets: frozenset[str]) -> Any:
    if isinstance(value, dict):
        found: Any = {k: _wire(v, f"{path}.{k}", secrets) for k, v in value.items()}
    elif isinstance(value, list):
        found = [_wire(v, f"{path}[{n}]", secrets) for n, v in enumerate(value)]
    else:
        found = UNKNOWN_STRING_VALUE if value == UNKNOWN else value
    return {SPECIAL_SIG_KEY: SPECIAL_SECRET_SIG, "value": found} if path in secrets else found


def _secret_paths(message: struct_pb2.Struct) -> set[str]:
    found: set[str] = set()

    def look(value: struct_pb2.Value, path: str) -> None:
        if value.HasField("list_value"):
            for position, inner in enumerate(value.list_value.values):
                look(inner, f"{path}[{position}]")
        elif value.HasField("struct_value"):
            fields = value.struct_value.fields
            if SPECIAL_SIG_KEY in fields:
                found.add(path)
                look(fields["value"], path)
                return
            for key, inner in fields.items():
                look(inner, f"{path}.{key}" if path else key)

    for key, value in message.fields.items():
        look(value, key)
    return found


def _options(node: Node) -> messages.AnalyzerResourceOptions:
    timeouts = {key: _seconds(text) for key, text in node.timeouts.items()}
    return messages.AnalyzerResourceOptions(
        protect=node.protect,
        ignoreChanges=node.ignore_changes,
        additionalSecretOutputs=node.additional_secret_outputs,
        deleteBeforeReplace=node.delete_before_replace,
        deleteBeforeReplaceDefined=node.delete_before_replace,
        customTimeouts=messages.AnalyzerResourceOptions.CustomTimeouts(**timeouts),
        parent=node.parent,
    )


def _seconds(text: str) -> float:
    """`1h30m` in seconds, as the engine reads it."""
    units = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
    return sum(float(number) * units[unit] for number, unit in re.findall(r"([\d.]+)(ms|h|m|s)", text))


def _in_stack(node: Node) -> messages.AnalyzerResource:
    message = messages.AnalyzerResource(
        type=node.type,
        urn=node.urn,
        name=node.name,
        properties=properties(node),
        options=_options(node),
        parent=node.parent,
        dependencies=sorted(node.dependencies),
    )
    for key, urns in node.data_edges.items():
        message.propertyDependencies[key].urns.extend(urns)
    return message


def _violations(stack: str, urn: str, response: messages.AnalyzeResponse) -> Iterator[Violation]:
    for found in response.diagnostics:
        level: Level = "advisory" if found.enforcementLevel == messages.ADVISORY else "mandatory"
        message = found.message.removeprefix(f"{found.description}\n")
        yield Violation(stack, found.urn or urn, found.policyName, level, message)
