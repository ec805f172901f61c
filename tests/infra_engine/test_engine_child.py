"""`infra/__main__.py` in a child process, under a resource monitor over gRPC, registers what the recorder records."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent import futures
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import empty_pb2
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc, resource_pb2, resource_pb2_grpc

import inventory
from infra.core.arm import NO_SUBSCRIPTION
from infra.core.stacks import PROJECT, StackId, parse
from infra.graph import world
from infra.graph.model import Graph, Node
from infra.graph.record import ORGANISATION, RecordingMonitor
from inventory import Inventory

ROOT = Path(__file__).parents[2]
CHILD = Path(__file__).with_name("engine_child.py")


class Monitor(resource_pb2_grpc.ResourceMonitorServicer):
    """Keeps every registration as it came over the wire; the recorder's monitor supplies the answers."""

    def __init__(self, answers: RecordingMonitor) -> None:
        self.answers = answers
        self.raw: list[bytes] = []
        self._lock = threading.Lock()

    def GetDeploymentInfo(self, request: Any, context: Any) -> Any:
        return self.answers.GetDeploymentInfo(None)

    def SupportsFeature(self, request: Any, context: Any) -> Any:
        return self.answers.SupportsFeature(request)

    def RegisterResource(self, request: Any, context: Any) -> Any:
        with self._lock:
            self.raw.append(request.SerializeToString())
        return self.answers.RegisterResource(request)

    def RegisterResourceOutputs(self, request: Any, context: Any) -> Any:
        return self.answers.RegisterResourceOutputs(request)

    def ReadResource(self, request: Any, context: Any) -> Any:
        return self.answers.ReadResource(request)

    def SignalAndWaitForShutdown(self, request: Any, context: Any) -> Any:
        return empty_pb2.Empty()


class Engine(engine_pb2_grpc.EngineServicer):
    def __init__(self) -> None:
        self.said: list[str] = []
        self.root = ""

    def Log(self, request: Any, context: Any) -> Any:
        if request.severity >= engine_pb2.WARNING:
            self.said.append(request.message)
        return empty_pb2.Empty()

    def SetRootResource(self, request: Any, context: Any) -> Any:
        self.root = request.urn
        return engine_pb2.SetRootResourceResponse()

    def GetRootResource(self, request: Any, context: Any) -> Any:
        return engine_pb2.GetRootResourceResponse(urn=self.root)


@contextmanager
def served(monitor: Monitor, engine: Engine) -> Iterator[str]:
    server = grpc.server(futures.ThreadPoolExecutor(16))
    resource_pb2_grpc.add_ResourceMonitorServicer_to_server(monitor, server)
    engine_pb2_grpc.add_EngineServicer_to_server(engine, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(0).wait()


def run_child(
    stack: StackId, config: world.StackConfig, references: dict[str, Any], pwd: Path, program: str
) -> tuple[Monitor, Engine, int]:
    monitor = Monitor(RecordingMonitor(stack, references, NO_SUBSCRIPTION, preview=False))
    engine = Engine()
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PULUMI", "PYTHON"))} | {
        "PULUMI_CONFIG": json.dumps({f"{PROJECT}:{k}": v for k, v in config.values.items()}),
        "PULUMI_CONFIG_SECRET_KEYS": json.dumps([f"{PROJECT}:{k}" for k in config.secret_keys]),
    }
    with served(monitor, engine) as address:
        arguments = [
            f"--project={PROJECT}",
            f"--stack={stack.name}",
            "--parallel=8",
            "--dry_run=false",
            f"--pwd={pwd}",
            f"--monitor={address}",
            f"--engine={address}",
            f"--organization={ORGANISATION}",
            program,
        ]
        done = subprocess.run([sys.executable, str(CHILD), *arguments], env=environment, timeout=90, check=False)
    return monitor, engine, done.returncode


@pytest.fixture(scope="module")
def tables() -> Inventory:
    return inventory.load(inventory.packaged_tables())


@pytest.fixture(scope="module")
def recorded(tables: Inventory) -> world.World:
    found = world.record_environment("dev", tables)
    assert found.graphs, found.problems
    return found


def comparable(node: Node) -> Node:
    """Without the order of dependencies, which depends on threads."""
    edges = {k: tuple(sorted(v)) for k, v in node.data_edges.items()}
    return replace(node, depends_on=tuple(sorted(node.depends_on)), data_edges=edges)


def compare(graph: Graph, monitor: Monitor) -> None:
    found = monitor.answers
    assert set(found.nodes) == set(graph.nodes)
    for urn, node in graph.nodes.items():
        assert comparable(found.nodes[urn]) == comparable(node)
    assert found.outputs == graph.outputs
    assert found.duplicates == []


@pytest.mark.parametrize(
    ("name", "pwd", "program"),
    [
        ("connectivity-dev", ROOT, "infra"),  # as `main: infra` is resolved by one version of the language host
        ("sites-europe-1-dev", ROOT / "infra", "."),  # and by another
    ],
)
def test_a_child_process_registers_the_graph_that_is_recorded(
    name: str, pwd: Path, program: str, recorded: world.World
) -> None:
    stack = parse(name)
    graph = recorded.graphs[name]
    references = {s: g.outputs for s, g in recorded.graphs.items()}
    monitor, engine, code = run_child(
        stack, world.with_placeholders(stack, world.read_config(stack)), references, pwd, program
    )
    assert (code, engine.said) == (0, [])
    registrations = [resource_pb2.RegisterResourceRequest.FromString(raw) for raw in monitor.raw]
    assert len(registrations) == len(graph) + 1  # and the stack itself
    assert sum(r.custom for r in registrations) == sum(n.custom for n in graph)
    compare(graph, monitor)


def test_a_child_process_with_wrong_input_registers_nothing_and_says_why(recorded: world.World) -> None:
    stack = parse("connectivity-dev")
    config = world.StackConfig({"layer": "connectivity", "environment": "dev", "ownr": "me"}, frozenset())
    monitor, engine, code = run_child(stack, config, {}, ROOT, "infra")
    assert code == 1
    assert [resource_pb2.RegisterResourceRequest.FromString(raw).type for raw in monitor.raw] == ["pulumi:pulumi:Stack"]
    assert "connectivity-dev: ownr: is not a configuration key of this layer; did you mean 'owner'?" in engine.said[0]


def test_the_comparison_sees_one_changed_input(recorded: world.World) -> None:
    graph = recorded.graphs["connectivity-dev"]
    monitor = Monitor(RecordingMonitor(graph.stack, {}, "", preview=False))
    monitor.answers.nodes = dict(graph.nodes)
    monitor.answers.outputs = dict(graph.outputs)
    compare(graph, monitor)
    urn, node = next((u, n) for u, n in graph.nodes.items() if "location" in n.inputs)
    monitor.answers.nodes[urn] = replace(node, inputs={**node.inputs, "location": "elsewhere"})
    with pytest.raises(AssertionError):
        compare(graph, monitor)
