"""The world of a rehearsal: resources by ARM id, in memory and, if wanted, in a file that outlives the process.

Turns writes into stored resources under the rules that Azure is known to have: what stands above must exist, what is
referred to must exist, what is used or locked is not deleted, one write at a time on a VPN gateway. Faults can be put
in: conflicts, errors, slowness, a provider that dies, drift. It proves things about our programmes and the engine;
it proves nothing about Azure.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from infra.core.arm import NO_SUBSCRIPTION, arm_type
from infra.graph import computed
from infra.rehearsal import rules

Verb = Literal["create", "update", "delete", "read"]
_LOCKS = "microsoft.authorization/locks"
_NETWORK = "microsoft.network/"
# One write at a time on a gateway: overlapping ones get 409 AnotherOperationInProgress (AZURE.md, fact 5).
_ONE_AT_A_TIME = {"microsoft.network/vpngateways/vpnconnections", "microsoft.network/vpngateways/natrules"}
# Deleted through the vault's own service, which knows no management locks (azure-native does it so) [unverified].
_BEYOND_LOCKS = {_LOCKS, "microsoft.keyvault/vaults/secrets", "microsoft.keyvault/vaults/keys"}
_LEAST_S = 0.005  # of a write that has to be alone: long enough for another one to run into it
# Rough minutes that Azure takes; only with `pace`. Illustration, not measured.
_MINUTES = {
    "microsoft.network/virtualhubs": 15.0,
    "microsoft.network/vpngateways": 30.0,
    "microsoft.network/expressroutegateways": 30.0,
    "microsoft.network/azurefirewalls": 15.0,
    "microsoft.network/vpngateways/vpnconnections": 1.0,
    "microsoft.containerservice/managedclusters": 8.0,
    "microsoft.dbforpostgresql/flexibleservers": 10.0,
    "microsoft.azurestackhci/clusters": 20.0,
}


class ArmError(Exception):
    """An answer as Azure would give it: HTTP status, code and text."""

    def __init__(self, status: int, code: str, message: str) -> None:
        self.status = status
        self.code = code
        super().__init__(f"Status={status} Code={code!r} Message={message!r} (rehearsal, no Azure)")


class CrashError(Exception):
    """The provider is to die now; what it wrote stays written."""


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource: id as written, type token, inputs by wire name."""

    id: str
    token: str
    inputs: Mapping[str, Any]

    @property
    def outputs(self) -> dict[str, Any]:
        """Inputs, name and what its type computes."""
        return computed.outputs(self.token, self.inputs, self.id)


@dataclass(slots=True)
class Fault:
    """Something that goes wrong.

    kind: `conflict` (409), `error` (500), `slow` (takes `seconds` more), `crash` (the write is done, then the provider
        dies before it can answer).
    match: regular expression, looked for in the id without regard to case.
    verb: only on that verb; None: on any write.
    times: how often; it is used up then.
    """

    kind: Literal["conflict", "error", "slow", "crash"]
    match: str = ""
    verb: Verb | None = None
    times: int = 1
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Operation:
    """One write as it went: times are of `time.monotonic`, `result` is `ok` or the error's code."""

    verb: Verb
    id: str
    started: float
    ended: float
    result: str


@dataclass
class World:
    """All resources of an environment.

    journal: file that keeps the resources (values in the clear, mode 0600: only rehearsals' made-up secrets are in it).
    pace: real seconds per minute of Azure's time for things that take long; 0: at once.
    """

    journal: Path | None = None
    pace: float = 0.0
    subscription: str = NO_SUBSCRIPTION
    faults: list[Fault] = field(default_factory=list)
    operations: list[Operation] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._lock = threading.RLock()
        self._resources: dict[str, Resource] = {}
        self._under: dict[str, set[str]] = {}  # anchor -> keys of what stands under it
        self._users: dict[str, set[str]] = {}  # anchor -> keys of what refers to it
        self._busy: dict[str, str] = {}  # gateway -> id of the write that it is carrying out
        self._stop = threading.Event()
        if self.journal is not None:
            self._load(self.journal)

    def __len__(self) -> int:
        return len(self._resources)

    def __iter__(self) -> Iterator[Resource]:
        return iter(list(self._resources.values()))

    def get(self, arm_id: str) -> Resource | None:
        """The resource with that id, or None."""
        return self._resources.get(arm_id.lower())

    def find(self, pattern: str) -> list[Resource]:
        """The resources whose id has a match of the regular expression, without regard to case."""
        return [r for r in self if re.search(pattern, r.id, re.IGNORECASE)]

    def put(self, arm_id: str, token: str, inputs: Mapping[str, Any], *, new: bool) -> Resource:
        """Create or change a resource.

        Raises:
            ArmError: Azure would refuse. CrashError: a fault says that the provider dies now (the change is made).
        """
        verb: Verb = "create" if new else "update"
        with self._operation(verb, arm_id) as crash:
            with self._lock:
                if new and arm_id.lower() in self._resources:
                    raise ArmError(409, "ResourceExists", f"cannot create already existing resource {arm_id}")
                self._check_put(arm_id, token, inputs)
            self._take_time(arm_id)
            with self._lock:
                resource = Resource(arm_id, token, dict(inputs))
                self._store(resource)
            if crash:
                raise CrashError(arm_id)
            return resource

    def delete(self, arm_id: str) -> None:
        """Delete a resource; one that is not there is fine, as in Azure.

        Raises:
            ArmError: it is locked, in use, or holds what some other programme made. CrashError: as for `put`.
        """
        with self._operation("delete", arm_id) as crash:
            with self._lock:
                if arm_id.lower() not in self._resources:
                    return
                self._check_delete(arm_id)
            self._take_time(arm_id)
            with self._lock:
                self._forget(arm_id.lower())
            if crash:
                raise CrashError(arm_id)

    def drift(self, arm_id: str, **changes: Any) -> None:
        """Change a resource behind the engine's back; `changes` are inputs by wire name, None removes one.

        Raises:
            KeyError: there is no such resource.
        """
        with self._lock:
            old = self._resources[arm_id.lower()]
            inputs = {k: v for k, v in ({**old.inputs, **changes}).items() if v is not None}
            self._store(Resource(old.id, old.token, inputs))

    def lose(self, arm_id: str) -> None:
        """Remove a resource behind the engine's back, with all that stands under it.

        Raises:
            KeyError: there is no such resource.
        """
        with self._lock:
            if arm_id.lower() not in self._resources:
                raise KeyError(arm_id)
            self._forget(arm_id.lower())

    def cancel(self) -> None:
        """End waiting operations with an error: the engine was told to stop."""
        self._stop.set()

    def resume(self) -> None:
        """Take operations again after `cancel`."""
        self._stop.clear()

    # -- one operation ----------------------------------------------------------------------------------------------

    @contextmanager
    def _operation(self, verb: Verb, arm_id: str) -> Iterator[bool]:
        """Record an operation and hold its gateway; True when the provider is to die at the end."""
        started, result = time.monotonic(), "ok"
        gateway = self._hold(verb, arm_id)
        try:
            fault = self._fault(verb, arm_id)
            if fault is not None and fault.kind == "conflict":
                raise ArmError(409, "AnotherOperationInProgress", f"another operation is in progress on {arm_id}")
            if fault is not None and fault.kind == "error":
                raise ArmError(500, "InternalServerError", f"an error occurred on {arm_id}")
            if fault is not None:
                self._sleep(fault.seconds)
            yield fault is not None and fault.kind == "crash"
        except (ArmError, CrashError) as error:
            result = error.code if isinstance(error, ArmError) else "crash"
            raise
        finally:
            with self._lock:
                if gateway:
                    del self._busy[gateway]
                self.operations.append(Operation(verb, arm_id, started, time.monotonic(), result))

    def _hold(self, verb: Verb, arm_id: str) -> str:
        if rules.type_of(arm_id) not in _ONE_AT_A_TIME:
            return ""
        gateway = next(rules.above(arm_id)).lower()
        with self._lock:
            other = self._busy.get(gateway)
            if other is not None:
                now = time.monotonic()
                self.operations.append(Operation(verb, arm_id, now, now, "AnotherOperationInProgress"))
                text = f"Another operation on gateway {rules.name_of(gateway)} is in progress: {rules.name_of(other)}"
                raise ArmError(409, "AnotherOperationInProgress", text)
            self._busy[gateway] = arm_id
        return gateway

    def _fault(self, verb: Verb, arm_id: str) -> Fault | None:
        with self._lock:
            for fault in self.faults:
                wanted = fault.verb in (None, verb) and re.search(fault.match, arm_id, re.IGNORECASE)
                if fault.times > 0 and wanted:
                    fault.times -= 1
                    return fault
        return None

    def _take_time(self, arm_id: str) -> None:
        kind = rules.type_of(arm_id)
        least = _LEAST_S if kind in _ONE_AT_A_TIME else 0.0
        self._sleep(max(least, _MINUTES.get(kind, 0.0) * self.pace))

    def _sleep(self, seconds: float) -> None:
        if seconds > 0 and self._stop.wait(seconds):
            raise ArmError(499, "OperationCancelled", "the engine was told to stop")

    # -- rules ------------------------------------------------------------------------------------------------------

    def _check_put(self, arm_id: str, token: str, inputs: Mapping[str, Any]) -> None:
        name, rule = rules.name_of(arm_id), arm_type(token).name_rule
        if rule and not re.fullmatch(rule, name):
            raise ArmError(400, "InvalidResourceName", f"{name!r} breaks the rule {rule} for {rules.type_of(arm_id)}")
        stands_under = rules.parent(arm_id)
        if stands_under and stands_under.lower() not in self._resources:
            code = (
                "ResourceGroupNotFound" if rules.type_of(stands_under) == "resourcegroups" else "ParentResourceNotFound"
            )
            raise ArmError(404, code, f"{stands_under} does not exist, so {name} cannot be made under it")
        for used in self._used_by(arm_id, inputs):
            if used not in self._resources:
                raise ArmError(400, "InvalidResourceReference", f"{arm_id} refers to {used}, which does not exist")
        for lock in self._locks_over(arm_id):
            if lock.inputs.get("level") == "ReadOnly" and lock.id.lower() != arm_id.lower():
                raise ArmError(409, "ScopeLocked", f"{arm_id} is read-only by the lock {lock.id}")

    def _check_delete(self, arm_id: str) -> None:
        key, kind = arm_id.lower(), rules.type_of(arm_id)
        if kind not in _BEYOND_LOCKS:
            for lock in self._locks_over(arm_id):
                raise ArmError(409, "ScopeLocked", f"{arm_id} cannot be deleted: it is locked by {lock.id}")
        under = sorted(self._under.get(key, ()))
        if kind == "resourcegroups" and under:
            # Azure would delete them with the group, without asking; a rehearsal says so instead.
            text = (
                f"{arm_id} still holds {len(under)} resources, first {under[0]}; Azure would delete them with the group"
            )
            raise ArmError(409, "ResourceGroupNotEmpty", text)
        if kind.startswith(_NETWORK):
            users = sorted(k for k in {*under, *self._users.get(key, ())} if rules.type_of(k).startswith(_NETWORK))
            if users:
                raise ArmError(409, "InUseCannotBeDeleted", f"{arm_id} is used by {users[0]} ({len(users)} in all)")

    def _locks_over(self, arm_id: str) -> Iterator[Resource]:
        for scope in (arm_id, *rules.above(arm_id)):
            for key in self._under.get(scope.lower(), ()):
                if rules.type_of(key) == _LOCKS:
                    yield self._resources[key]

    @staticmethod
    def _used_by(arm_id: str, inputs: Mapping[str, Any]) -> set[str]:
        found = {rules.anchor(each).lower() for each in rules.references(inputs)}
        return {each for each in found if each and not each.startswith(arm_id.lower())}

    # -- storing ----------------------------------------------------------------------------------------------------

    def _store(self, resource: Resource, *, journal: bool = True) -> None:
        key = resource.id.lower()
        self._unlink(key)
        self._resources[key] = resource
        if stands_under := rules.parent(resource.id).lower():
            self._under.setdefault(stands_under, set()).add(key)
        for used in self._used_by(resource.id, resource.inputs):
            self._users.setdefault(used, set()).add(key)
        if journal:
            self._append({"put": asdict(resource)})

    def _forget(self, key: str, *, journal: bool = True) -> None:
        for below in list(self._under.get(key, ())):
            self._forget(below, journal=journal)
        self._unlink(key)
        gone = self._resources.pop(key, None)
        if journal and gone is not None:
            self._append({"delete": gone.id})

    def _unlink(self, key: str) -> None:
        old = self._resources.get(key)
        if old is not None:
            self._under.get(rules.parent(old.id).lower(), set()).discard(key)
            for used in self._used_by(old.id, old.inputs):
                self._users.get(used, set()).discard(key)

    def _append(self, entry: Mapping[str, Any]) -> None:
        if self.journal is not None:
            with self.journal.open("a", encoding="utf-8") as file:
                file.write(json.dumps(entry, separators=(",", ":")) + "\n")

    def _load(self, journal: Path) -> None:
        journal.parent.mkdir(parents=True, exist_ok=True)
        journal.touch(mode=0o600)
        for line in journal.read_text(encoding="utf-8").splitlines():
            try:
                entry = json.loads(line)
            except ValueError:
                continue  # the last line of a process that was killed
            if "put" in entry:
                self._store(Resource(**entry["put"]), journal=False)
            else:
                self._forget(entry["delete"].lower(), journal=False)
        lines = [json.dumps({"put": asdict(r)}, separators=(",", ":")) + "\n" for r in self]
        journal.write_text("".join(lines), encoding="utf-8")
