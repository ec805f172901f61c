"""Secrets: values that must never be readable in state, logs or a preview, marked as such.

Two marks are needed: the input itself (`Output.secret`), and the output of the same name (additional_secret_outputs),
because what Azure answers is a new value. The pack's SDK hides the first from validations; see `pack`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date

from infra.graph.model import UNKNOWN
from infra.policy.model import Resource
from infra.policy.rules.want import MISSING, found_at


@dataclass(frozen=True, slots=True)
class Secrets:
    """The secret inputs of a type by path, and outputs that Azure makes up itself and that are secret."""

    inputs: tuple[str, ...] = ()
    made: tuple[str, ...] = ()


TABLE: Mapping[str, Secrets] = {
    f"azure-native:{token}": secrets
    for token, secrets in {
        "azurestackhci:VirtualMachineInstance": Secrets(("osProfile.adminPassword",)),
        "compute:VirtualMachine": Secrets(("osProfile.adminPassword", "osProfile.customData")),
        "containerservice:ManagedCluster": Secrets(("windowsProfile.adminPassword", "servicePrincipalProfile.secret")),
        "dbforpostgresql:Server": Secrets(("administratorLoginPassword",)),
        "hybridcompute:MachineExtension": Secrets(("properties.protectedSettings",)),
        "keyvault:Secret": Secrets(("properties.value",)),
        "kubernetesconfiguration:Extension": Secrets(("configurationProtectedSettings",)),
        "kubernetesconfiguration:FluxConfiguration": Secrets(("configurationProtectedSettings",)),
        "network:ExpressRouteCircuit": Secrets((), ("serviceKey",)),
        "network:ExpressRouteCircuitAuthorization": Secrets(("authorizationKey",), ("authorizationKey",)),
        "network:ExpressRouteCircuitPeering": Secrets(("sharedKey",)),
        "network:ExpressRouteConnection": Secrets(("authorizationKey",)),
        "network:VpnConnection": Secrets(("sharedKey", "vpnLinkConnections[*].sharedKey")),
        "network:VpnSite": Secrets(("siteKey",)),
    }.items()
}
# The net under the table: last keys that mean a secret wherever they are.
SUSPECT = re.compile(
    r"(password|passphrase|shared_?key|account_?key|access_?key|authorization_?key|private_?key|connection_?string|"
    r"client_?secret|sas_?token)$",
    re.IGNORECASE,
)


def secret_inputs(resource: Resource) -> Iterator[str]:
    """The paths of a resource's inputs that must be secret, as far as they are given."""
    row = TABLE.get(resource.type, Secrets())
    for path in row.inputs:
        steps = tuple(path.replace("[*]", ".[*]").split("."))
        for concrete, value in found_at(resource.inputs, steps):
            if value is not MISSING and value != UNKNOWN:
                yield concrete
    for leaf in resource.leaves:
        if not isinstance(leaf.value, str) or leaf.value in ("", UNKNOWN) or not SUSPECT.search(leaf.key):
            continue
        if re.sub(r"\[\d+\]", "[*]", leaf.path) not in row.inputs:
            yield leaf.path


def is_marked(path: str, secrets: frozenset[str]) -> bool:
    """The path, or something that it lies in, is marked secret."""
    return any(path == s or path.startswith((f"{s}.", f"{s}[")) for s in secrets)


def unmarked(path: str) -> str:
    """The sentence for a secret input that is not marked; the driver says the same for one that the pack marked."""
    return f"{path} is a secret and not marked; wrap it in pulumi.Output.secret(...)"


def secrecy(resource: Resource, _: date) -> Iterator[str]:
    """Every secret input is marked, and the outputs of the same name are secret as well."""
    paths = list(secret_inputs(resource))
    if resource.secrets is not None:
        yield from (unmarked(path) for path in paths if not is_marked(path, resource.secrets))
    made = TABLE.get(resource.type, Secrets()).made
    for output in sorted({re.split(r"[.\[]", path, maxsplit=1)[0] for path in paths}.union(made)):
        if output not in resource.secret_outputs:
            yield f'output {output} would be readable in the state; add additional_secret_outputs=["{output}"]'
