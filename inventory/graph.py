"""The dependency graph: what fails when something else does.

An edge points from a thing to what it needs: device -> site -> circuit -> carrier -> teleport, session -> circuit
and hub, application -> application and hub. Derived from the tables and never stored; whoever looks for a root
cause walks these edges.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cached_property

from inventory.models import Inventory

NodeId = str  # "<type>:<id>", for instance "site:ke-nairobi"


@dataclass(frozen=True, slots=True)
class Node:
    """A thing that can fail. `type`: site, circuit, session, device, carrier, teleport, hub or application."""

    id: NodeId
    type: str
    name: str


@dataclass(frozen=True, slots=True)
class Edge:
    """`source` needs `target`. `any_of` groups edges of which one is enough; empty: this one is indispensable."""

    source: NodeId
    target: NodeId
    any_of: str = ""


@dataclass(frozen=True)
class Graph:
    """Nodes and edges in a stable order."""

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]

    @cached_property
    def needs(self) -> dict[NodeId, tuple[Edge, ...]]:
        """Edges by their source."""
        found: dict[NodeId, list[Edge]] = {n.id: [] for n in self.nodes}
        for edge in self.edges:
            found[edge.source].append(edge)
        return {k: tuple(v) for k, v in found.items()}


def dependency_graph(inv: Inventory, sites: Collection[str] | None = None) -> Graph:
    """The graph of the whole inventory, or of some sites and what they need.

    Args:
        inv: the inventory.
        sites: ids of sites; None for all, and with them all applications.
    """
    nodes: dict[NodeId, Node] = {}
    edges: dict[tuple[NodeId, NodeId], Edge] = {}
    for node, its_edges in _parts(inv, inv.sites if sites is None else sites, everything=sites is None):
        nodes.setdefault(node.id, node)
        edges.update(((e.source, e.target), e) for e in its_edges)
    return Graph(tuple(nodes.values()), tuple(edges.values()))


def _parts(inv: Inventory, sites: Collection[str], *, everything: bool) -> Iterator[tuple[Node, tuple[Edge, ...]]]:
    for hub in inv.hubs.values():
        yield Node(f"hub:{hub.id}", "hub", hub.name), ()
    carriers: dict[str, None] = dict.fromkeys(inv.carriers) if everything else {}
    for site in sites:
        me = f"site:{site}"
        circuits = inv.circuits_of[site]
        sessions = [(c, h, f"session:{c.id}@{h}") for c in circuits for h in c.tunnels]
        yield (
            Node(me, "site", inv.sites[site].name),
            tuple(Edge(me, s, any_of="session") for _, _, s in sessions),
        )
        for circuit, hub_id, session in sessions:
            needs = (Edge(session, f"circuit:{circuit.id}"), Edge(session, f"hub:{hub_id}"))
            yield Node(session, "session", f"{circuit.kind} to {inv.hubs[hub_id].name}"), needs
        for circuit in circuits:
            carriers.setdefault(circuit.carrier)
            line = f"circuit:{circuit.id}"
            name = f"{circuit.role} {circuit.kind}, {inv.carriers[circuit.carrier].name}"
            yield Node(line, "circuit", name), (Edge(line, f"carrier:{circuit.carrier}"),)
        for device in inv.devices_of[site]:
            box = f"device:{device.id}"
            yield Node(box, "device", f"{device.role} {device.model}"), (Edge(box, me),)
    yield from _carriers(inv, carriers)
    if everything:
        yield from _applications(inv)


def _carriers(inv: Inventory, ids: Collection[str]) -> Iterator[tuple[Node, tuple[Edge, ...]]]:
    for carrier in (inv.carriers[c] for c in ids):
        me, port = f"carrier:{carrier.id}", f"teleport:{carrier.id}"
        yield Node(me, "carrier", carrier.name), (Edge(me, port),) if carrier.teleport else ()
        if carrier.teleport:
            yield Node(port, "teleport", f"{carrier.teleport}, {carrier.satellite}"), ()


def _applications(inv: Inventory) -> Iterator[tuple[Node, tuple[Edge, ...]]]:
    for application in inv.applications.values():
        me = f"application:{application.id}"
        hubs = (application.home_hub, application.standby_hub)
        on = tuple(Edge(me, f"hub:{h}", any_of="hub") for h in hubs)
        needs = tuple(Edge(me, f"application:{other}") for other in application.depends_on)
        yield Node(me, "application", application.name), (*on, *needs)


def as_dot(graph: Graph) -> str:
    """The graph in Graphviz' language; dashed edges are alternatives of which one is enough."""
    lines = ["digraph dependencies {", "  rankdir=LR;", "  node [shape=box];"]
    lines += [f'  "{n.id}" [label="{n.id}\\n{_escaped(n.name)}"];' for n in graph.nodes]
    lines += [f'  "{e.source}" -> "{e.target}"{" [style=dashed]" if e.any_of else ""};' for e in graph.edges]
    return "\n".join([*lines, "}", ""])


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def as_text(graph: Graph) -> str:
    """The graph as indented trees from everything that nothing needs; what was printed once is not repeated.

    A line that starts with `|` is one of several alternatives, one with `-` is indispensable.
    """
    names = {n.id: n.name for n in graph.nodes}
    needed = {e.target for e in graph.edges}
    lines: list[str] = []
    shown: set[NodeId] = set()
    roots = [n.id for n in graph.nodes if n.id not in needed]
    waiting = [(root, 0, "") for root in reversed(roots)]
    while waiting:
        node, depth, mark = waiting.pop()
        again = node in shown and bool(graph.needs[node])
        lines.append(f"{'  ' * depth}{mark}{node}  {names[node]}{' (see above)' if again else ''}")
        if not again:
            shown.add(node)
            waiting.extend((e.target, depth + 1, "| " if e.any_of else "- ") for e in reversed(graph.needs[node]))
    return "\n".join([*lines, ""])


def as_json(graph: Graph) -> dict[str, list[dict[str, str]]]:
    """The graph as `{"nodes": [{id, type, name}], "edges": [{source, target, any_of}]}`."""
    return {
        "nodes": [{"id": n.id, "type": n.type, "name": n.name} for n in graph.nodes],
        "edges": [{"source": e.source, "target": e.target, "any_of": e.any_of} for e in graph.edges],
    }
