"""What must hold in every recorded deployment, whatever the layer: one small function each, in one table.

Turns recorded graphs (of one or more environments) into a list of broken invariants. Policies say what may be
deployed; invariants say that the graphs are sound: unique, connected, ordered, complete against the inventory. Where
both look at the same thing (names, places, secrets, protection) they share the rule, because the policy pack cannot
see all of it. Nothing here can be switched off; each is proven able to fail by a mutation (tests/infra_policy).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import date
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import inventory as tables
from infra.core import clock
from infra.core.arm import table
from infra.core.outputs import names_of
from infra.core.stacks import ENVIRONMENTS, NEEDS, parse
from infra.graph.model import UNKNOWN, Graph, Json
from infra.graph.site_invariants import lanes, links_complete, sites_complete
from infra.graph.view import Broken, Found, Invariant, View
from infra.policy.model import AZURE
from infra.policy.rules.keeping import protection
from infra.policy.rules.naming import naming
from infra.policy.rules.residency import places
from infra.policy.rules.secrecy import secrecy
from infra.settings.base import Common
from inventory import Inventory

__all__ = ["INVARIANTS", "Broken", "Invariant", "View", "broken"]

_NETWORK = f"{AZURE}network:"
REFERENCE = "pulumi:pulumi:StackReference"
# Properties that hold children; children are resources of their own, because a parent written without one of them
# deletes it (SDK documentation of each type: "do not mix inline and standalone").
INLINE: Mapping[str, tuple[str, ...]] = {
    f"{AZURE}keyvault:Vault": ("properties.accessPolicies",),
    f"{AZURE}trafficmanager:Profile": ("endpoints",),
    f"{_NETWORK}ExpressRouteCircuit": ("peerings", "authorizations"),
    f"{_NETWORK}ExpressRouteGateway": ("expressRouteConnections",),
    f"{_NETWORK}NetworkSecurityGroup": ("securityRules",),
    f"{_NETWORK}RouteTable": ("routes",),
    f"{_NETWORK}VirtualHub": ("virtualHubRouteTableV2s", "routeTable"),
    f"{_NETWORK}VirtualNetwork": ("subnets", "virtualNetworkPeerings"),
    f"{_NETWORK}VpnGateway": ("connections", "natRules"),
}
# Types that Azure takes tens of minutes to make: the engine's own limit would end the deployment half way.
SLOW = frozenset(
    {
        f"{AZURE}{token}"
        for token in (
            "azurestackhci:DeploymentSetting",
            "containerservice:ManagedCluster",
            "dbforpostgresql:Server",
            "network:AzureFirewall",
            "network:ExpressRouteGateway",
            "network:VirtualHub",
            "network:VpnConnection",
            "network:VpnGateway",
        )
    }
)
# Inputs that decide what a resource is and where: known before the deployment, in a preview as well.
ALWAYS_KNOWN = ("location", "tags", "sku", "kind")
NAMED_BY_AZURE = frozenset({f"{AZURE}storage:ObjectReplicationPolicy"})  # the source side takes the destination's id
_HYPHENLESS = ("storageaccounts", "registries")


def broken(
    graphs: Iterable[Graph],
    inventory: Inventory | None = None,
    settings: Mapping[str, Common] | None = None,
    *,
    preview: bool = False,
    today: date | None = None,
) -> list[Broken]:
    """Every broken invariant, in order of stack and resource.

    Args:
        graphs: recorded stacks, of one or both environments; checks across stacks see only what is given.
        inventory: what the graphs were made from; the shipped tables by default.
        settings: settings by stack name (write lanes, pilot query); defaults where a stack is not given.
        preview: the graphs were recorded with unknown outputs, as in a preview.
        today: the day by which exceptions are judged; the current day (UTC) by default.
    """
    known = inventory or tables.load(Path(__file__).parents[2] / "inventory")
    view = View(tuple(graphs), known, settings or {}, preview, today or clock.today())
    return sorted(
        Broken(graph.stack.name, urn, invariant.name, sentence)
        for invariant in INVARIANTS
        for graph, urn, sentence in invariant.check(view)
    )


def _urns_unique(view: View) -> Found:
    """No URN is registered twice."""
    for graph in view.graphs:
        for urn in graph.duplicates:
            yield graph, urn, "is registered more than once; names must differ within a component's type"


def _parents(view: View) -> Found:
    """Every resource has a component above it, and every parent is registered."""
    for graph in view.graphs:
        for node in graph:
            if node.parent and node.parent not in graph.nodes:
                yield graph, node.urn, f"has a parent that is not registered: {node.parent}"
            elif (
                node.custom
                and not node.type.startswith("pulumi:")
                and not any(not a.custom for a in graph.ancestors(node))
            ):
                yield graph, node.urn, "has no component above it; pass opts=self.child()"


def _ids_unique(view: View) -> Found:
    """No two resources of a stack have the same ARM id, in any case of letters."""
    for graph in view.graphs:
        seen: dict[str, str] = {}
        for node in graph.resources:
            first = seen.setdefault(node.id.casefold(), node.urn)
            if first != node.urn and UNKNOWN not in node.id:
                yield graph, node.urn, f"has the ARM id of {first}: {node.id}"


def _one_owner(view: View) -> Found:
    """No resource is made by two stacks of an environment."""
    seen: dict[tuple[str, str], Graph] = {}
    for graph in view.graphs:
        for node in graph.resources:
            owner = seen.setdefault((graph.stack.environment, node.id.casefold()), graph)
            if owner is not graph and UNKNOWN not in node.id:
                yield graph, node.urn, f"is made by stack {owner.stack} too: {node.id}"


def _dependencies(view: View) -> Found:
    """Everything depended on is registered in the stack, and nothing depends on itself in the end."""
    for graph in view.graphs:
        for node in graph:
            for urn in sorted(node.dependencies):
                if urn not in graph.nodes and f"::{REFERENCE}::" not in urn:
                    yield graph, node.urn, f"depends on something that is not registered: {urn}"
        try:
            TopologicalSorter(
                {n.urn: (*n.dependencies, n.parent) if n.parent else n.dependencies for n in graph}
            ).prepare()
        except CycleError as error:
            circle = " -> ".join(str(urn).rpartition("::")[2] for urn in error.args[1])
            yield graph, str(error.args[1][0]), f"is part of a circle of dependencies: {circle}"


def _standalone(view: View) -> Found:
    """Children are resources of their own, never inside their parent."""
    for graph, node, _ in view.resources:
        for path in INLINE.get(node.type, ()):
            value: Json = dict(node.inputs)
            for key in path.split("."):
                value = value.get(key) if isinstance(value, dict) else None
            if value:
                yield graph, node.urn, f"has children inside: {path}; register each as its own resource"


def _protected(view: View) -> Found:
    """What holds state is protected (the table is the policy's)."""
    for graph, node, resource in view.resources:
        yield from ((graph, node.urn, s) for s in protection(resource, view.today))


def _secrets(view: View) -> Found:
    """Every secret input is marked, and so is the output of the same name."""
    for graph, node, resource in view.resources:
        yield from ((graph, node.urn, s) for s in secrecy(resource, view.today))


def _locations(view: View) -> Found:
    """Every place is allowed for the type."""
    for graph, node, resource in view.resources:
        yield from ((graph, node.urn, s) for s in places(resource, view.today))


def _names(view: View) -> Found:
    """Every name is explicit and one that Azure accepts."""
    for graph, node, resource in view.resources:
        yield from ((graph, node.urn, s) for s in naming(resource, view.today))


def _known(view: View) -> Found:
    """Nothing is unknown or empty in inputs that must be known before a deployment."""
    for graph, node, resource in view.resources:
        row = table().get(node.type)
        named = [row.name_input] if row and node.type not in NAMED_BY_AZURE else []
        always = {*ALWAYS_KNOWN, *named}
        for leaf in resource.leaves:
            top = re.split(r"[.\[]", leaf.path, maxsplit=1)[0]
            if leaf.value == UNKNOWN and (top in always or not view.preview):
                yield graph, node.urn, f"{leaf.path} is unknown before the deployment"
            if leaf.value is None and not view.preview:
                yield graph, node.urn, f"{leaf.path} is empty: it comes from an output that nothing gives"


def _outputs(view: View) -> Found:
    """A stack exports exactly the outputs declared for its layer, all of them plain texts and none secret."""
    for graph in view.graphs:
        declared = set(names_of(graph.stack.kind, view.inventory.hubs))
        missing = declared - set(graph.outputs)
        for name in sorted(missing if not view.preview else ()):  # in a preview, computed values are not there yet
            yield graph, "", f"output {name} is declared in infra/core/outputs.py and not exported"
        for name in sorted(set(graph.outputs) - declared):
            yield graph, "", f"output {name} is exported and not declared in infra/core/outputs.py"
        for name, value in graph.outputs.items():
            if not isinstance(value, str) or not (value or view.preview):
                yield graph, "", f"output {name} is not a text: {value!r}"
        for name in sorted(graph.secret_outputs):
            yield graph, "", f"output {name} is secret; hand secrets on by Key Vault, not by outputs"


def _reads(view: View) -> Found:
    """A stack reads only stacks of its own environment that stand before it."""
    for graph in view.graphs:
        for name in graph.reads:
            other = parse(name)
            if other.environment != graph.stack.environment or other.kind not in NEEDS[graph.stack.kind]:
                yield graph, "", f"reads the outputs of {name}, which does not stand before it"


def _versions(view: View) -> Found:
    """Every azure-native resource names a provider or the one provider version, or the engine starts a second one."""
    versions = Counter(n.version for _, n, _ in view.resources if n.version)
    usual = max(versions, key=lambda v: versions[v], default="")
    for graph, node, _ in view.resources:
        if node.type.startswith(AZURE) and not node.version and not node.provider:
            yield graph, node.urn, "has neither provider nor version; pass version=SDK_VERSION"
        elif node.version not in ("", usual):
            yield graph, node.urn, f"has provider version {node.version}, the others have {usual}"


def _environments(view: View) -> Found:
    """No input holds a name or id of another environment."""
    for graph, node, resource in view.resources:
        others = [e for e in ENVIRONMENTS if e != graph.stack.environment]
        for leaf in resource.leaves:
            if isinstance(leaf.value, str):
                for other in others:
                    if other in leaf.value and _belongs(leaf.value, other):
                        yield graph, node.urn, f"{leaf.path} belongs to {other}: {leaf.value}"


def _belongs(text: str, environment: str) -> bool:
    words = re.split(r"[/.:,;=@\s]+", text.casefold())
    return any(
        word.endswith(f"-{environment}") or (word.endswith(environment) and before in _HYPHENLESS)
        for before, word in zip(["", *words], words, strict=False)
    )


def _timeouts(view: View) -> Found:
    """What Azure takes tens of minutes for has timeouts of its own."""
    for graph, node, _ in view.resources:
        if node.type in SLOW and not node.timeouts.get("create"):
            yield graph, node.urn, "has no timeout of its own; pass custom_timeouts"


INVARIANTS: tuple[Invariant, ...] = (
    Invariant("urns-unique", _urns_unique),
    Invariant("parents", _parents),
    Invariant("ids-unique", _ids_unique),
    Invariant("one-owner", _one_owner),
    Invariant("dependencies", _dependencies),
    Invariant("children-standalone", _standalone),
    Invariant("protected", _protected),
    Invariant("secrets", _secrets),
    Invariant("locations", _locations),
    Invariant("names", _names),
    Invariant("lanes", lanes),
    Invariant("known", _known),
    Invariant("sites-complete", sites_complete),
    Invariant("links-complete", links_complete),
    Invariant("outputs", _outputs),
    Invariant("reads", _reads),
    Invariant("provider-version", _versions),
    Invariant("environments", _environments),
    Invariant("timeouts", _timeouts),
)
