"""Draws a recorded stack: a text tree for terminals, DOT for Graphviz.

Pure. Turns a `Graph` into an outline of components and resources in which equal neighbours (65 sites of the same shape)
are drawn once with their number, and the outline into text. Nothing is left out in silence: what is folded is counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from infra.graph.model import Graph, Json, Node

WIDTH = 120
SHOWN = 2  # of equal neighbours, when there are more than FOLD of them
FOLD = 4
_DETAIL_AT, _PLACE_AT, _MARKS_AT = 76, 99, 113


@dataclass(frozen=True)
class Branch:
    """One line of the outline: a component or resource, or `folded` others like the one before it."""

    node: Node
    children: tuple[Branch, ...] = ()
    folded: tuple[Branch, ...] = ()

    @property
    def resources(self) -> int:
        """Real resources here and below."""
        own = int(self.node.custom and not self.node.type.startswith("pulumi:"))
        return own + sum(c.total for c in self.children)

    @property
    def total(self) -> int:
        """Resources of this line and of those folded into it."""
        return self.resources + sum(b.resources for b in self.folded)


def short_type(token: str) -> str:
    """`VpnGateway` for `azure-native:network:VpnGateway`; the generic ARM resource keeps its word."""
    return token.rpartition(":")[2]


def outline(graph: Graph, fold: int = FOLD) -> tuple[Branch, ...]:
    """The stack's components and resources as a tree; more than `fold` equal neighbours are folded (0: never)."""
    return _fold([_branch(graph, n, fold) for n in graph.children.get("", ()) if _is_drawn(n)], fold)


def _is_drawn(node: Node) -> bool:
    return not node.type.startswith("pulumi:")


def _branch(graph: Graph, node: Node, fold: int) -> Branch:
    below = [_branch(graph, n, fold) for n in graph.children.get(node.urn, ()) if _is_drawn(n)]
    return Branch(node, _fold(below, fold))


def _shape(branch: Branch) -> tuple[object, ...]:
    return (branch.node.type, tuple((_shape(c), len(c.folded)) for c in branch.children))


def _fold(branches: list[Branch], fold: int) -> tuple[Branch, ...]:
    """Equal neighbours beyond the first few become one line, where the first of them stood."""
    if not fold:
        return tuple(branches)
    alike: dict[tuple[object, ...], list[Branch]] = {}
    for branch in branches:
        alike.setdefault(_shape(branch), []).append(branch)
    found: list[Branch] = []
    for same in alike.values():
        if len(same) <= fold:
            found += same
        else:
            found += same[: SHOWN - 1]
            last = same[SHOWN - 1]
            found.append(Branch(last.node, last.children, tuple(same[SHOWN:])))
    return tuple(found)


def _at(value: Json | Mapping[str, Json], path: str) -> Json:
    for step in path.split("."):
        value = value.get(step) if isinstance(value, Mapping) else None
    return value if not isinstance(value, Mapping) else None


def _listed(value: Json) -> str:
    return ", ".join(str(v) for v in value) if isinstance(value, list) else str(value)


def _count(noun: str) -> Callable[[Json], str]:
    def text(value: Json) -> str:
        number = len(value) if isinstance(value, list) else int(value) if isinstance(value, int) else 0
        return f"{number} {noun}{'' if number == 1 else 's'}"

    return text


# type -> (property, how to say it): the one figure that a reader looks for
DETAILS: Mapping[str, tuple[str, Callable[[Json], str]]] = {
    "VirtualHub": ("addressPrefix", _listed),
    "VpnGateway": ("vpnGatewayScaleUnit", _count("scale unit")),
    "ExpressRouteGateway": ("autoScaleConfiguration.bounds.min", _count("scale unit")),
    "ExpressRouteCircuit": ("serviceProviderProperties.bandwidthInMbps", lambda v: f"{v} Mbit/s"),
    "AzureFirewall": ("sku.tier", _listed),
    "VirtualNetwork": ("addressSpace.addressPrefixes", _listed),
    "Subnet": ("addressPrefix", _listed),
    "VpnSite": ("vpnSiteLinks", _count("link")),
    "VpnConnection": ("vpnLinkConnections", _count("link connection")),
    "IpGroup": ("ipAddresses", _count("range")),
    "FirewallPolicyRuleCollectionGroup": ("ruleCollections", _count("collection")),
    "RoutingIntent": (
        "routingPolicies",
        lambda v: _listed([p.get("name") for p in v if isinstance(p, dict)] if isinstance(v, list) else v),
    ),
    "StorageAccount": ("sku.name", _listed),
    "Vault": ("properties.sku.name", _listed),
    "ManagedCluster": ("kubernetesVersion", _listed),
    "AgentPool": ("vmSize", _listed),
    "Registry": ("sku.name", _listed),
    "Grafana": ("sku.name", _listed),
    "Server": ("sku.name", _listed),
    "Workspace": ("retentionInDays", lambda v: f"{v} days"),
    "PrometheusRuleGroup": ("rules", _count("rule")),
    "ForwardingRule": ("domainName", _listed),
    "SecurityRule": ("access", _listed),
    "Profile": ("trafficRoutingMethod", _listed),
    "Endpoint": ("priority", lambda v: f"priority {v}"),
    "PolicyAssignment": ("displayName", _listed),
    "PolicyExemption": ("expiresOn", lambda v: f"until {v}"),
    "Budget": ("amount", _listed),
    "RoleAssignment": ("principalType", _listed),
}


def detail(node: Node) -> str:
    """The figure of a resource that a reader looks for, or nothing."""
    found = DETAILS.get(short_type(node.type))
    value = _at(node.inputs, found[0]) if found else None
    return found[1](value) if found and value not in (None, [], "") else ""


def marks(node: Node) -> str:
    """`P` protected, `S` holds a secret, `R` stays in Azure when removed here, `W` waits for others by depends_on."""
    flags = (("P", node.protect), ("S", node.secrets), ("R", node.retain_on_delete), ("W", node.depends_on))
    return " ".join(letter for letter, given in flags if given)


def tree(graph: Graph, fold: int = FOLD) -> str:
    """The stack as a text tree of at most 120 columns: what, its figure, where, marks."""
    top = outline(graph, fold)
    lines = [_headline(graph), ""]
    for n, branch in enumerate(top):
        lines += _lines(branch, "", n == len(top) - 1)
    used = {letter for n in graph.resources for letter in marks(n).split()}
    names = {"P": "protected", "S": "holds a secret", "R": "stays in Azure when removed", "W": "waits for another"}
    legend = "   ".join(f"{letter} {text}" for letter, text in names.items() if letter in used)
    return "\n".join([*lines, *(["", legend] if legend else [])])


def _headline(graph: Graph) -> str:
    components = sum(not n.custom for n in graph)
    places = Counter(str(n.inputs["location"]) for n in graph.resources if n.inputs.get("location"))
    where = ", ".join(f"{count} in {place}" for place, count in places.most_common())
    needs = f" · reads {', '.join(graph.reads)}" if graph.reads else ""
    counts = f"{len(graph.resources)} resources in {components} components"
    return _cut(f"{graph.stack} · {counts}{f' · {where}' if where else ''}{needs}", WIDTH)


def _lines(branch: Branch, indent: str, last: bool) -> Iterator[str]:
    elbow, bar = ("└─ ", "   ") if last and not branch.folded else ("├─ ", "│  ")
    yield _line(branch.node, indent + elbow)
    for n, child in enumerate(branch.children):
        yield from _lines(child, indent + bar, n == len(branch.children) - 1)
    if branch.folded:
        yield _folded_line(branch.folded, indent + ("└─ " if last else "├─ "))


def _line(node: Node, prefix: str) -> str:
    kind = short_type(node.type)
    if not node.custom:
        return _cut(f"{prefix}{node.name}{f' · {kind}' if kind != 'Component' else ''}", WIDTH)
    text = f"{prefix}{kind}  {node.name}"
    place = str(node.inputs.get("location") or "")
    found = _cut(text, _DETAIL_AT - 2).ljust(_DETAIL_AT) + _cut(detail(node), _PLACE_AT - _DETAIL_AT - 2)
    return (found.ljust(_PLACE_AT) + place.ljust(_MARKS_AT - _PLACE_AT) + marks(node)).rstrip()


def _folded_line(folded: Sequence[Branch], prefix: str) -> str:
    kind = short_type(folded[0].node.type)
    each = folded[0].resources
    size = f", {each} resources each" if each > 1 else ""
    start = f"{prefix}… and {len(folded)} more {kind}{size}: "
    return _cut(start + ", ".join(b.node.name for b in folded), WIDTH)


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"


def dot(graph: Graph, fold: int = FOLD) -> str:
    """The stack for Graphviz: components as boxes, resources in them, arrows from a resource to what it needs by data.

    Folded resources are one node; resource groups and stack references are not drawn as targets, since everything
    points at them.
    """
    lines = [
        f'digraph "{graph.stack}" {{',
        '  graph [rankdir=LR, fontname="Helvetica", fontsize=11, compound=true, nodesep=0.15, ranksep=0.9];',
        '  node [shape=box, style="rounded,filled", fillcolor="#f4f7fb", color="#8aa0b8",',
        '        fontname="Helvetica", fontsize=9];',
        '  edge [color="#9aa7b5", arrowsize=0.6];',
    ]
    drawn: dict[str, str] = {}
    for branch in outline(graph, fold):
        lines += _dot_lines(branch, "  ", drawn)
    edges = dict.fromkeys(
        (drawn[node.urn], drawn[target])
        for node in graph.resources
        for targets in node.data_edges.values()
        for target in targets
        if target in drawn and node.urn in drawn and not target.partition("::")[2].count("resources:ResourceGroup::")
    )
    lines += [f'  "{a}" -> "{b}";' for a, b in edges if a != b]
    return "\n".join([*lines, "}"]) + "\n"


def _dot_lines(branch: Branch, indent: str, drawn: dict[str, str]) -> Iterator[str]:
    node = branch.node
    key = node.urn.partition("::wan-noc::")[2]
    if branch.children:
        yield f'{indent}subgraph "cluster {key}" {{'
        yield f'{indent}  label="{node.name} · {short_type(node.type)}"; fontcolor="#41566b";'
        yield f'{indent}  style="rounded"; color="#c8d2dd";'
        if node.custom:
            yield from _dot_node(node, key, indent + "  ", drawn)
        for child in branch.children:
            yield from _dot_lines(child, indent + "  ", drawn)
        yield indent + "}"
    else:
        yield from _dot_node(node, key, indent, drawn)
    if branch.folded:
        first = branch.folded[0]
        folded_key = f"folded {first.node.urn.partition('::wan-noc::')[2]}"
        for one in branch.folded:
            for urn in _urns(one):
                drawn[urn] = folded_key
        label = f"{len(branch.folded)} more {short_type(first.node.type)}"
        yield f'{indent}"{folded_key}" [label="{label}", style="rounded,filled,dashed", fillcolor="#ffffff"];'


def _dot_node(node: Node, key: str, indent: str, drawn: dict[str, str]) -> Iterator[str]:
    drawn[node.urn] = key
    second = f"\\n{detail(node)}" if detail(node) else ""
    colour = ', color="#b3541e", penwidth=1.6' if node.protect else ""
    yield f'{indent}"{key}" [label="{short_type(node.type)}\\n{node.name}{second}"{colour}];'


def _urns(branch: Branch) -> Iterator[str]:
    yield branch.node.urn
    for child in (*branch.children, *branch.folded):
        yield from _urns(child)
