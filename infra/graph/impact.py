"""What a change touches: which resources differ, and the sites, applications and alert rules that they reach.

Pure. Turns (graphs before, graphs after), both redacted, into an `Impact`. Direct: the changed resource belongs to the
site, application or rule. Indirect: something of theirs uses a changed resource, by data, by an ARM id or by lying
under it, also in another stack. Changes that are tags only reach nobody indirectly.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from infra.core import arm
from infra.core.stacks import PROJECT
from infra.graph.model import UNKNOWN, Graph, Json, Node

Kind = Literal["create", "update", "replace", "delete"]
SubjectKind = Literal["site", "application", "rule"]
KINDS: tuple[Kind, ...] = ("create", "update", "replace", "delete")
_GROUP = "azure-native:resources:ResourceGroup"
_OPTIONS = ("protect", "retain_on_delete", "ignore_changes")  # what a reviewer must see although Azure does not

SITES = ("sites:Site", "sites:SiteLink")  # the components that are named by a site's id

# A change of one of these is a change of what it belongs to: the gateway of a hub filters and routes as they say.
# Everything else that lies under another resource in ARM (a connection under a gateway) changes only itself.
PART_OF: Mapping[str, str] = {
    "azure-native:network:RoutingIntent": "parent",
    "azure-native:network:HubRouteTable": "parent",
    "azure-native:network:NatRule": "parent",
    "azure-native:network:FirewallPolicyRuleCollectionGroup": "parent",
    "azure-native:network:AzureFirewall": "virtualHub",
    "azure-native:dnsresolver:ForwardingRule": "parent",
    "azure-native:dnsresolver:InboundEndpoint": "parent",
    "azure-native:dnsresolver:OutboundEndpoint": "parent",
    "azure-native:dbforpostgresql:Configuration": "parent",
    "azure-native:containerservice:AgentPool": "parent",
    "azure-native:privatedns:PrivateRecordSet": "parent",
    "azure-native:network:ExpressRouteCircuitPeering": "parent",
    "azure-native:network:HubVirtualNetworkConnection": "remoteVirtualNetwork",
    "azure-native:network:PrivateEndpoint": "privateLinkServiceConnections",
    "azure-native:network:PrivateDnsZoneGroup": "parent",
}


@dataclass(frozen=True, slots=True, order=True)
class Subject:
    """Somebody that a change touches: a site, an application, an alert rule."""

    kind: SubjectKind
    id: str


@dataclass(frozen=True, slots=True)
class Change:
    """One resource that a deployment would create, update, replace or delete.

    `paths` are the properties that differ (`vpnGatewayScaleUnit`, `addressSpace.addressPrefixes[1]`, and options as
    `(protect)`); for a replacement the first are those that force it. `node` is the resource as it would be, or as it
    was if it goes; `before` as it was, None for a new one.
    """

    stack: str
    kind: Kind
    node: Node
    before: Node | None = None
    paths: tuple[str, ...] = ()

    @property
    def refused(self) -> bool:
        """True where the engine would refuse: it deletes or replaces something protected."""
        return self.before is not None and self.before.protect and self.kind in ("delete", "replace")

    @property
    def is_cosmetic(self) -> bool:
        """True where only tags or options differ: nothing behaves differently."""
        return self.kind == "update" and all(p.partition(".")[0] == "tags" or p.startswith("(") for p in self.paths)


@dataclass(frozen=True)
class Impact:
    """All changes and whom they touch. `indirect` holds, for each subject, the changes that reach it."""

    changes: tuple[Change, ...]
    direct: Mapping[Subject, tuple[Change, ...]]
    indirect: Mapping[Subject, tuple[Change, ...]]

    def subjects(self, kind: SubjectKind, *, directly: bool) -> list[str]:
        """Ids of the touched subjects of a kind, sorted; nobody is in both lists."""
        found = self.direct if directly else self.indirect
        return sorted(s.id for s in found if s.kind == kind)

    @cached_property
    def moved(self) -> tuple[tuple[Change, Change], ...]:
        """(goes, comes) for each Azure resource that changes its stack or its name in the graph but not its id.

        The engine would create it where it still exists, and then delete it; it needs an alias, or two deployments.
        """
        gone = {c.node.id.lower(): c for c in self.changes if c.kind == "delete" and c.node.id}
        return tuple((gone[i], c) for c in self.changes if c.kind == "create" and (i := c.node.id.lower()) in gone)

    def count(self, kind: Kind) -> int:
        """How many changes of a kind."""
        return sum(c.kind == kind for c in self.changes)


def differences(old: Mapping[str, Graph], new: Mapping[str, Graph]) -> list[Change]:
    """What differs between two sets of graphs (by stack name), in order of stacks, then of URN."""
    found: list[Change] = []
    for stack in sorted({*old, *new}):
        before = {n.urn: n for n in old[stack].resources} if stack in old else {}
        after = {n.urn: n for n in new[stack].resources} if stack in new else {}
        for urn in sorted({*before, *after}):
            change = _change(stack, before.get(urn), after.get(urn))
            if change:
                found.append(change)
    return found


def _change(stack: str, before: Node | None, after: Node | None) -> Change | None:
    if after is None:
        return Change(stack, "delete", before, before) if before else None
    if before is None:
        return Change(stack, "create", after)
    paths = [
        *_paths(before.inputs, after.inputs),
        *(f"({o})" for o in _OPTIONS if getattr(before, o) != getattr(after, o)),
    ]
    forced = _forced(before, after, paths)
    if forced:
        return Change(stack, "replace", after, before, (*forced, *(p for p in paths if p not in forced)))
    return Change(stack, "update", after, before, tuple(paths)) if paths else None


def _forced(before: Node, after: Node, paths: Iterable[str]) -> list[str]:
    """The paths that no update can change: the place, and every input that is part of the id."""
    row = arm.table().get(after.type)
    fixed = {"location", *(row.id_inputs if row else ())}
    found = [p for p in paths if p in fixed]
    moved = before.id != after.id and UNKNOWN not in before.id + after.id
    return found or (["(id)"] if moved else [])


def _paths(old: Json | Mapping[str, Json], new: Json | Mapping[str, Json], at: str = "") -> Iterator[str]:
    """The paths at which two values differ; lists of different length differ as a whole."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in [*old, *(k for k in new if k not in old)]:
            yield from _paths(old.get(key), new.get(key), f"{at}.{key}" if at else key)
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for n, (a, b) in enumerate(zip(old, new, strict=True)):
            yield from _paths(a, b, f"{at}[{n}]")
    elif old != new and UNKNOWN not in (old, new):
        yield at


class Reachable:
    """The dependencies of a set of graphs, backwards: from a resource to what depends on it, across stacks."""

    def __init__(self, graphs: Mapping[str, Graph], applications: Collection[str]) -> None:
        self._graphs = graphs
        self._applications = frozenset(applications)
        self._by_id = {n.id.lower(): n for g in graphs.values() for n in g.resources if n.id}
        self._graph_of = {n.urn: g for g in graphs.values() for n in g}
        self._subjects: dict[str, frozenset[Subject]] = {}
        self._reached: dict[str, frozenset[Subject]] = {}

    def subjects(self, node: Node) -> frozenset[Subject]:
        """Who a resource belongs to: the component ancestors that are a site, an application or a group of rules."""
        if node.urn not in self._subjects:
            self._subjects[node.urn] = self._subjects_of(node)
        return self._subjects[node.urn]

    def _subjects_of(self, node: Node) -> frozenset[Subject]:
        graph = self._graph_of.get(node.urn)
        found: set[Subject] = set()
        for holder in (node, *(graph.ancestors(node) if graph else ())):
            rest = holder.type.removeprefix(f"{PROJECT}:")
            if rest in SITES:
                found.add(Subject("site", holder.name))
            elif rest.startswith(("hub:", "continuity:")) and holder.name in self._applications:
                found.add(Subject("application", holder.name))
            elif rest == "noc:RuleGroup":
                found |= {Subject("rule", name) for name in rules(node)}
        return frozenset(found)

    @cached_property
    def dependants(self) -> Mapping[str, tuple[str, ...]]:
        """URNs of what depends on each URN."""
        found: dict[str, list[str]] = {}
        for graph in self._graphs.values():
            for node in graph.resources:
                for urn in self._needs(node):
                    found.setdefault(urn, []).append(node.urn)
                part_of = self._part_of(node)
                if part_of:
                    found.setdefault(node.urn, []).append(part_of)
        return {urn: tuple(dict.fromkeys(urns)) for urn, urns in found.items()}

    def _needs(self, node: Node) -> set[str]:
        # Explicit order (depends_on) is left out: connections of a lane wait for each other and need nothing else.
        found = {urn for urns in node.data_edges.values() for urn in urns}
        found |= {n.urn for text in _ids(node.inputs) if (n := self._nearest(text))}
        above = self._nearest(node.id.rpartition("/")[0])
        if above:
            found.add(above.urn)
        return found - {node.urn}

    def _nearest(self, identity: str) -> Node | None:
        """The recorded resource with that ARM id, or the closest one above it."""
        text = identity.lower()
        while text.count("/") > 2:
            if text in self._by_id:
                return self._by_id[text]
            text = text.rpartition("/")[0]
        return None

    def _part_of(self, node: Node) -> str:
        how = PART_OF.get(node.type)
        if how == "parent":
            above = self._nearest(node.id.rpartition("/")[0])
        elif how:
            above = next((n for text in _ids(node.inputs.get(how)) if (n := self._nearest(text))), None)
        else:
            return ""
        return above.urn if above and above.type != _GROUP else ""

    def reached(self, start: str) -> frozenset[Subject]:
        """Everybody that depends on a resource, at any distance."""
        if start not in self._reached:
            self._reached[start] = self._walked(start)
        return self._reached[start]

    def _walked(self, start: str) -> frozenset[Subject]:
        seen, queue, found = {start}, deque([start]), set[Subject]()
        while queue:
            for urn in self.dependants.get(queue.popleft(), ()):
                if urn not in seen:
                    seen.add(urn)
                    queue.append(urn)
                    found |= self.subjects(self._graph_of[urn].nodes[urn])
        return frozenset(found)


def rules(node: Node) -> dict[str, str]:
    """The alert rules of a Prometheus rule group by name, each as text that changes when the rule does."""
    listed = node.inputs.get("rules")
    if not isinstance(listed, list):
        return {}
    return {str(r["alert"]): repr(r) for r in listed if isinstance(r, dict) and r.get("alert")}


def _ids(value: Json | Mapping[str, Json]) -> Iterator[str]:
    """Every ARM id in a value."""
    if isinstance(value, str):
        if value.startswith("/subscriptions/"):
            yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _ids(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _ids(inner)


def impact(old: Mapping[str, Graph], new: Mapping[str, Graph], applications: Collection[str] = ()) -> Impact:
    """What differs and whom it touches.

    Args:
        old: graphs before, by stack name, redacted.
        new: graphs after, redacted with the same key.
        applications: ids of the inventory's applications; a component of the hub or continuity layer with such a name
            is that application's.
    """
    changes = differences(old, new)
    before, after = Reachable(old, applications), Reachable(new, applications)
    direct: dict[Subject, list[Change]] = {}
    indirect: dict[Subject, list[Change]] = {}
    for change in changes:
        for subject in _owners(change, old, before, after):
            direct.setdefault(subject, []).append(change)
    for change in changes:
        # A new resource touches nobody else: whoever uses it is changed as well.
        if (change.kind == "create" and change.node.type not in PART_OF) or change.is_cosmetic:
            continue
        world = before if change.kind in ("delete", "replace") else after
        for subject in world.reached(change.node.urn):
            if subject not in direct:
                indirect.setdefault(subject, []).append(change)
    return Impact(
        tuple(changes),
        {s: tuple(c) for s, c in sorted(direct.items())},
        {s: tuple(c) for s, c in sorted(indirect.items())},
    )


def _owners(change: Change, old: Mapping[str, Graph], before: Reachable, after: Reachable) -> set[Subject]:
    """Who a changed resource belongs to; of a changed group of rules only the rules that differ."""
    node = change.node
    found = set(before.subjects(node) if change.kind == "delete" else after.subjects(node))
    if change.kind in ("update", "replace") and any(s.kind == "rule" for s in found):
        was = rules(old[change.stack].nodes[node.urn])
        now = rules(node)
        differ = {name for name in {*was, *now} if was.get(name) != now.get(name)}
        only_rules = all(p.partition("[")[0] == "rules" for p in change.paths)
        found = {s for s in found if s.kind != "rule" or (not only_rules and not change.is_cosmetic)}
        found |= {Subject("rule", name) for name in differ}
    return found
