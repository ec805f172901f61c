"""Runs a stack's programme without an engine and records every registration as it would reach the engine.

Turns (stack, programme) into a `Graph`. The monitor sees the raw requests (protect, dependencies, aliases, secrets,
timeouts), which ordinary mocks do not show, and refuses nothing: duplicates are recorded for `check` to report.
"""

from __future__ import annotations

import asyncio
import contextvars
import gc
import logging
import resource
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from google.protobuf import empty_pb2, struct_pb2
from pulumi import RunError
from pulumi.runtime import mocks, rpc, settings
from pulumi.runtime.config import set_all_config
from pulumi.runtime.proto import resource_pb2
from pulumi.runtime.stack import run_in_stack

from infra.core.arm import NO_SUBSCRIPTION, resource_id
from infra.core.stacks import PROJECT, StackId
from infra.graph.computed import as_answered, outputs
from infra.graph.model import UNKNOWN, Graph, Json, Node

_SIGNATURE = "4dabf18193072939515e22adb298388d"  # Pulumi's key of special values in a struct
_SECRET = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 - its value for secrets
_REFERENCE = "pulumi:pulumi:StackReference"
ORGANISATION = "organization"


def _is_news(record: logging.LogRecord) -> bool:
    """One refused input ends many tasks: the first is raised, asyncio need not tell of the others."""
    return not (record.exc_info and isinstance(record.exc_info[1], RunError))


logging.getLogger("asyncio").addFilter(_is_news)
warnings.filterwarnings("ignore", message=r"coroutine 'Output\.", category=RuntimeWarning)  # of the same tasks


class _NoMocks(mocks.Mocks):
    """Required by the SDK's monitor; ours answers registrations itself and programmes call no functions."""

    def call(self, args: mocks.MockCallArgs) -> tuple[dict[Any, Any], list[tuple[str, str]] | None]:
        raise AssertionError(f"a programme calls {args.token}; look-ups at deployment time are not allowed here")

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str | None, dict[Any, Any]]:
        raise AssertionError(f"{args.typ} {args.name} went past the recording monitor")


class RecordingMonitor(mocks.MockMonitor):
    """The engine's side of a programme, in this process: answers with made-up outputs and keeps each request.

    `references` holds the outputs of other stacks by stack name, for the programme's stack references.
    """

    def __init__(
        self, stack: StackId, references: Mapping[str, Mapping[str, Json]], subscription: str, preview: bool
    ) -> None:
        super().__init__(_NoMocks())
        self._stack = stack
        self._references = references
        self._subscription = subscription
        self._preview = preview
        self._lock = threading.Lock()
        self.nodes: dict[str, Node] = {}
        self.duplicates: list[str] = []
        self.reads: list[str] = []
        self.outputs: dict[str, Json] = {}
        self.secret_outputs: frozenset[str] = frozenset()

    def make_urn(self, parent: str, type_: str, name: str) -> str:
        """The URN as the engine makes it: types of all ancestors but the stack, joined by $."""
        if parent:
            inherited = parent.split("::")[2]
            if inherited != "pulumi:pulumi:Stack":
                type_ = f"{inherited}${type_}"
        return f"urn:pulumi:{self._stack.name}::{PROJECT}::{type_}::{name}"

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802 - the SDK's name
        """Record one registration and answer it."""
        urn = self.make_urn(request.parent, request.type, request.name)
        if request.type == "pulumi:pulumi:Stack":
            return resource_pb2.RegisterResourceResponse(urn=urn)
        secrets: set[str] = set()
        inputs = _plain_struct(request.object, "", secrets)
        identity, state = "", dict(inputs)
        if request.custom and not request.type.startswith("pulumi:"):
            identity = resource_id(request.type, inputs, self._subscription)
            state = outputs(request.type, inputs, identity)
        node = _node(request, urn, inputs, secrets, identity)
        with self._lock:
            if urn in self.nodes:
                self.duplicates.append(urn)
            self.nodes[urn] = node
        if request.type.startswith("pulumi:providers:"):
            identity = "provider"
        elif self._preview:  # as in a real preview: the inputs are known, ids and computed values are not
            return resource_pb2.RegisterResourceResponse(urn=urn, object=_struct(as_answered(inputs)))
        answered = _with_secrets(state, request.additionalSecretOutputs)
        return resource_pb2.RegisterResourceResponse(urn=urn, id=identity, object=_struct(answered))

    def ReadResource(self, request: Any) -> Any:  # noqa: N802 - the SDK's name
        """Answer a stack reference with the outputs recorded for that stack."""
        if request.type != _REFERENCE:
            raise AssertionError(f"a programme reads {request.type} {request.name}; only stack references are allowed")
        name = request.id or request.name
        stack = name.rpartition("/")[2]
        with self._lock:
            self.reads.append(stack)
        found = {"name": name, "outputs": dict(self._references.get(stack, {})), "secretOutputNames": []}
        urn = self.make_urn(request.parent, request.type, request.name)
        return resource_pb2.ReadResourceResponse(urn=urn, properties=_struct(found))

    def RegisterResourceOutputs(self, request: Any) -> Any:  # noqa: N802 - the SDK's name
        """Keep the stack's own outputs; those of components are not needed."""
        if "::pulumi:pulumi:Stack::" in request.urn:
            secrets: set[str] = set()
            self.outputs = _plain_struct(request.outputs, "", secrets)
            self.secret_outputs = frozenset(secrets)
        return empty_pb2.Empty()


def _node(request: Any, urn: str, inputs: dict[str, Json], secrets: set[str], identity: str) -> Node:
    timeouts = {
        k: v for k in ("create", "update", "delete") if (v := getattr(request.customTimeouts, k, "")) and v != "0s"
    }
    return Node(
        urn=urn,
        type=request.type,
        name=request.name,
        parent="" if "::pulumi:pulumi:Stack::" in request.parent else request.parent,
        custom=request.custom,
        inputs=inputs,
        id=identity,
        secrets=frozenset(secrets),
        protect=request.protect,
        retain_on_delete=request.retainOnDelete,
        delete_before_replace=request.deleteBeforeReplace,
        deleted_with=request.deletedWith,
        depends_on=_explicit(request),
        data_edges={k: tuple(v.urns) for k, v in request.propertyDependencies.items() if v.urns},
        provider=request.provider,
        version=request.version,
        aliases=len(request.aliases) + len(request.aliasURNs),
        ignore_changes=tuple(request.ignoreChanges),
        additional_secret_outputs=tuple(request.additionalSecretOutputs),
        timeouts=timeouts,
        import_id=request.importId,
    )


def _explicit(request: Any) -> tuple[str, ...]:
    """The URNs given with depends_on: all dependencies less those that only follow from inputs."""
    from_inputs = {urn for value in request.propertyDependencies.values() for urn in value.urns}
    return tuple(urn for urn in request.dependencies if urn not in from_inputs)


def _plain_struct(message: struct_pb2.Struct, path: str, secrets: set[str]) -> dict[str, Json]:
    return {key: _plain(value, f"{path}.{key}" if path else key, secrets) for key, value in message.fields.items()}


def _plain(value: struct_pb2.Value, path: str, secrets: set[str]) -> Json:
    kind = value.WhichOneof("kind")
    if kind == "string_value":
        return UNKNOWN if value.string_value == rpc.UNKNOWN else value.string_value
    if kind == "number_value":
        number = value.number_value
        return int(number) if number.is_integer() else number
    if kind == "bool_value":
        return value.bool_value
    if kind == "list_value":
        return [_plain(v, f"{path}[{n}]", secrets) for n, v in enumerate(value.list_value.values)]
    if kind == "struct_value":
        fields = value.struct_value.fields
        if _SIGNATURE in fields and fields[_SIGNATURE].string_value == _SECRET:
            secrets.add(path)
            return _plain(fields["value"], path, secrets)
        return _plain_struct(value.struct_value, path, secrets)
    return None  # the struct's null


def _with_secrets(values: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """The outputs with those of additional_secret_outputs marked, as the engine marks them before it answers."""
    hidden = {n: {_SIGNATURE: _SECRET, "value": values[n]} for n in names if values.get(n) is not None}
    return {**values, **hidden}


def _struct(values: Mapping[str, Any]) -> struct_pb2.Struct:
    message = struct_pb2.Struct()
    message.update({k: v for k, v in values.items() if v is not None})
    return message


def record(
    stack: StackId,
    programme: Callable[[], None],
    config: Mapping[str, str],
    *,
    secret_keys: frozenset[str] = frozenset(),
    references: Mapping[str, Mapping[str, Json]] | None = None,
    subscription: str = "",
    preview: bool = False,
) -> Graph:
    """Run a programme as the engine would and return what it registers.

    Args:
        stack: the stack it runs as.
        programme: what `infra/__main__.py` runs.
        config: raw configuration by key without the project's prefix, as the engine would pass it.
        secret_keys: the keys of `config` that are secret.
        references: outputs of other stacks by stack name, for stack references.
        subscription: Azure subscription for the made-up ids; zeros by default.
        preview: outputs of new resources are unknown, as in a real preview.

    Raises:
        InfraError: the programme refused its input; whatever else it raises comes out unchanged.
    """
    monitor = RecordingMonitor(stack, references or {}, subscription or NO_SUBSCRIPTION, preview)
    started, started_cpu = time.perf_counter(), time.process_time()

    def run() -> None:
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        was_collecting = gc.isenabled()
        gc.disable()  # most of a large programme's time is the collector looking at its live tasks
        try:
            _configure(monitor, stack, config, secret_keys, preview)
            loop.run_until_complete(run_in_stack(programme))
        finally:
            _close(loop)
            gc.collect()
            if was_collecting:
                gc.enable()

    contextvars.copy_context().run(run)
    return Graph(
        stack=stack,
        nodes=monitor.nodes,
        outputs=monitor.outputs,
        secret_outputs=monitor.secret_outputs,
        reads=tuple(dict.fromkeys(monitor.reads)),
        duplicates=tuple(monitor.duplicates),
        seconds=time.perf_counter() - started,
        cpu_seconds=time.process_time() - started_cpu,
        peak_mib=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    )


def _configure(
    monitor: RecordingMonitor, stack: StackId, config: Mapping[str, str], secret_keys: frozenset[str], preview: bool
) -> None:
    features = set(monitor.GetDeploymentInfo(None).supportedFeatures)  # type: ignore[no-untyped-call]
    settings.configure(
        mocks.MockSettings(  # type: ignore[no-untyped-call]
            monitor=monitor,
            monitor_features=features,
            engine=mocks.MockEngine(None),
            project=PROJECT,
            stack=stack.name,
            dry_run=preview,
            organization=ORGANISATION,
            callbacks=None,
            lock=threading.Lock(),
            outputs=set(),
            parallel=None,
            root_directory=None,
            legacy_apply_enabled=False,
            package_refs={},
            base_providers_by_ref={},
        )
    )
    settings.ROOT.set(None)
    set_all_config({f"{PROJECT}:{k}": v for k, v in config.items()}, [f"{PROJECT}:{k}" for k in secret_keys])


def _close(loop: asyncio.AbstractEventLoop) -> None:
    for task in asyncio.all_tasks(loop):
        task.cancel()
    loop.run_until_complete(asyncio.sleep(0))
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()
    asyncio.set_event_loop(None)
