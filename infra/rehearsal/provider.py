"""Stands in for the azure-native provider: the engine's gRPC service over a `World`.

Turns the engine's calls into reads and writes of ARM resources; Check refuses what the SDK's args classes do not
know, Diff says what is replaced. The engine is pointed at it with PULUMI_DEBUG_PROVIDERS. Look-ups (invokes) are
refused: our programmes have none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent import futures
from contextlib import contextmanager
from importlib import metadata
from typing import Any, NoReturn

import grpc
from google.protobuf import empty_pb2
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc

from infra.core.arm import resource_id
from infra.core.errors import InfraError
from infra.graph import computed
from infra.graph.model import Json
from infra.rehearsal import rules, schema
from infra.rehearsal.wire import UNKNOWN, plain, struct
from infra.rehearsal.world import ArmError, CrashError, World

_Diff = provider_pb2.PropertyDiff
_WORKERS = 32


class Rehearsal(provider_pb2_grpc.ResourceProviderServicer):
    """The provider. Method names are the engine's.

    `die` is called when a fault lets the provider crash.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._subscriptions: dict[str, str] = {}  # connection of a provider instance -> its subscription
        self.server: grpc.Server | None = None

    # -- the provider itself ----------------------------------------------------------------------------------------

    def GetPluginInfo(self, request: Any, context: Any) -> Any:  # noqa: D102, N802
        return plugin_pb2.PluginInfo(version=metadata.version("pulumi-azure-native"))

    def Handshake(self, request: Any, context: Any) -> Any:  # noqa: D102, N802
        return provider_pb2.ProviderHandshakeResponse()

    def Attach(self, request: Any, context: Any) -> Any:  # noqa: D102, N802
        return empty_pb2.Empty()

    def CheckConfig(self, request: Any, context: Any) -> Any:  # noqa: D102, N802
        return provider_pb2.CheckResponse(inputs=request.news)

    def DiffConfig(self, request: Any, context: Any) -> Any:  # noqa: D102, N802
        return provider_pb2.DiffResponse(changes=provider_pb2.DiffResponse.DIFF_NONE)

    def Configure(self, request: Any, context: Any) -> Any:  # noqa: D102, N802
        self._world.resume()
        given = plain(request.args).get("subscriptionId")
        if isinstance(given, str) and given and given != UNKNOWN:
            self._subscriptions[context.peer()] = given
        return provider_pb2.ConfigureResponse(supportsPreview=True)

    def Cancel(self, request: Any, context: Any) -> Any:  # noqa: D102, N802
        self._world.cancel()
        return empty_pb2.Empty()

    def Invoke(self, request: Any, context: Any) -> Any:  # noqa: D102, N802
        _refuse(context, f"a programme calls {request.tok}; look-ups at deployment time are not allowed here")

    # -- resources --------------------------------------------------------------------------------------------------

    def Check(self, request: Any, context: Any) -> Any:  # noqa: N802
        """The inputs as they are, and every key that the SDK does not know, misses or types otherwise."""
        try:
            found = schema.faults(request.type, plain(request.news))
        except LookupError as error:
            _refuse(context, str(error))
        failures = [provider_pb2.CheckFailure(property=path, reason=f"{path} {fault}") for path, fault in found]
        return provider_pb2.CheckResponse(inputs=request.news, failures=failures)

    def Diff(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Which inputs differ, and which of them replace the resource (it is deleted first, as azure-native does)."""
        if request.old_inputs == request.news:
            return provider_pb2.DiffResponse(changes=provider_pb2.DiffResponse.DIFF_NONE)
        details: dict[str, Any] = {}
        _differences(plain(request.old_inputs), plain(request.news), "", details)
        fixed = rules.replacing(request.type)
        replaces = []
        for path, found in details.items():
            if path.partition(".")[0].partition("[")[0] in fixed:
                found.kind += 1  # ADD, DELETE, UPDATE are each followed by their _REPLACE
                replaces.append(path)
        some = provider_pb2.DiffResponse.DIFF_SOME
        return provider_pb2.DiffResponse(
            changes=some if details else provider_pb2.DiffResponse.DIFF_NONE,
            replaces=replaces,
            diffs=sorted({path.partition(".")[0].partition("[")[0] for path in details}),
            detailedDiff=details,
            hasDetailedDiff=True,
            deleteBeforeReplace=bool(replaces),
        )

    def Create(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Write a new resource; in a preview the inputs are known and nothing else is."""
        if request.preview:
            return provider_pb2.CreateResponse(properties=_expected(request.type, request.properties))
        with self._answering(context):
            inputs = plain(request.properties)
            arm_id = resource_id(request.type, inputs, self._subscription(context))
            made = self._world.put(arm_id, request.type, inputs, new=True)
            return provider_pb2.CreateResponse(id=made.id, properties=struct(made.outputs))

    def Update(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Write a changed resource; in a preview its name and place stay known, as with azure-native."""
        if request.preview:
            expected = struct(plain(_expected(request.type, request.news, request.olds)))
            for key in ("name", "location"):
                if key in request.olds.fields:
                    expected.fields[key].CopyFrom(request.olds.fields[key])
            return provider_pb2.UpdateResponse(properties=expected)
        with self._answering(context):
            made = self._world.put(request.id, request.type, plain(request.news), new=False)
            return provider_pb2.UpdateResponse(properties=struct(made.outputs))

    def Read(self, request: Any, context: Any) -> Any:  # noqa: N802
        """What is there now; nothing when it is gone."""
        found = self._world.get(request.id)
        if found is None:
            return provider_pb2.ReadResponse()
        return provider_pb2.ReadResponse(id=found.id, properties=struct(found.outputs), inputs=struct(found.inputs))

    def Delete(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Delete it."""
        with self._answering(context):
            self._world.delete(request.id)
        return empty_pb2.Empty()

    def _subscription(self, context: Any) -> str:
        return self._subscriptions.get(context.peer(), self._world.subscription)

    @contextmanager
    def _answering(self, context: Any) -> Iterator[None]:
        try:
            yield
        except (ArmError, InfraError) as error:
            _refuse(context, str(error))
        except CrashError:
            if self.server is not None:
                self.server.stop(None)
            context.abort(grpc.StatusCode.UNAVAILABLE, "the rehearsal's provider died, as it was told to")


def _expected(token: str, inputs: Any, olds: Any = None) -> Any:
    """What a preview knows of the outputs: the inputs, in the shape in which they will come back.

    What Azure computes is unknown until a new resource is there, and what it was for one that only changes: a preview
    that left it out would let programmes see nothing where the update sees a value, and the plan would not hold.
    """
    known = computed.as_answered(plain(inputs))
    identity = known.get("identity")
    if isinstance(identity, dict) and isinstance(ids := identity.get("userAssignedIdentities"), dict):
        ids.pop(UNKNOWN, None)
    if token in computed.COMPUTED:
        answered = computed.outputs(token, known, f"/{UNKNOWN}")
        known = _unknown(known, answered, plain(olds) if olds is not None else {})
    elif "identity" not in inputs.fields:
        return inputs
    return struct(known)


def _unknown(inputs: Mapping[str, Any], answered: Mapping[str, Any], olds: Mapping[str, Any]) -> dict[str, Any]:
    """The answer with everything that is not an input as it was before, or unknown."""
    found: dict[str, Any] = {}
    for key, value in answered.items():
        old = olds.get(key)
        if key in inputs and isinstance(value, Mapping) and isinstance(inputs[key], Mapping):
            found[key] = _unknown(inputs[key], value, old if isinstance(old, Mapping) else {})
        else:
            found[key] = inputs.get(key, UNKNOWN if old is None else old)
    return found


def _refuse(context: Any, text: str) -> NoReturn:
    context.abort(grpc.StatusCode.UNKNOWN, text)
    raise AssertionError("abort raises")


def _differences(old: Json, new: Json, path: str, found: dict[str, Any]) -> None:
    """Put a PropertyDiff for each path where the values differ into `found`."""
    if old == new:
        return
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in {**old, **new}:
            inner = f"{path}.{key}" if path else key
            if key not in old:
                found[inner] = _Diff(kind=_Diff.ADD, inputDiff=True)
            elif key not in new:
                found[inner] = _Diff(kind=_Diff.DELETE, inputDiff=True)
            else:
                _differences(old[key], new[key], inner, found)
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for number, (a, b) in enumerate(zip(old, new, strict=True)):
            _differences(a, b, f"{path}[{number}]", found)
    else:
        found[path] = _Diff(kind=_Diff.UPDATE, inputDiff=True)


@contextmanager
def serving(world: World) -> Iterator[int]:
    """Serve a world on a free loopback port, which is given out, until the block ends."""
    service = Rehearsal(world)
    server = grpc.server(futures.ThreadPoolExecutor(_WORKERS, "rehearsal"), options=[("grpc.so_reuseport", 0)])
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(service, server)
    port = server.add_insecure_port("127.0.0.1:0")
    service.server = server
    server.start()
    try:
        yield port
    finally:
        server.stop(None).wait(5)
