"""Invariants of the site layer: write lanes, and completeness against the inventory.

Turns recorded site stacks into what is missing or too much: each site has one VPN site, a connection to every hub and
a link a circuit, and connections of one gateway are written one after the other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

import inventory as tables
from infra.graph.model import UNKNOWN, Graph, Node
from infra.graph.view import Found, View
from infra.policy.model import AZURE

VPN_SITE, VPN_CONNECTION = f"{AZURE}network:VpnSite", f"{AZURE}network:VpnConnection"


def lanes(view: View) -> Found:
    """Connections of one gateway form chains, at most as many as the stack has write lanes, and none is left out."""
    for graph in view.graphs:
        lanes = getattr(view.settings.get(graph.stack.name), "lanes", 1)
        gateways: dict[str, dict[str, Node]] = {}
        for node in graph.of_type(VPN_CONNECTION):
            gateways.setdefault(node.id.rpartition("/vpnConnections/")[0].casefold(), {})[node.urn] = node
        for gateway, connections in gateways.items():
            for urn, sentence in _chains(connections, lanes):
                yield graph, urn, f"gateway {gateway.rpartition('/')[2]}: {sentence}"


def _chains(connections: Mapping[str, Node], lanes: int) -> Iterator[tuple[str, str]]:
    before = {urn: [d for d in n.depends_on if d in connections and d != urn] for urn, n in connections.items()}
    after = Counter(d for found in before.values() for d in found)
    for urn, found in before.items():
        if len(found) > 1:
            yield urn, f"waits for {len(found)} connections; a lane is a chain, each waits for one"
        if after[urn] > 1:
            yield urn, f"{after[urn]} connections wait for it and would then be written at once"
    heads = [urn for urn, found in before.items() if not found]
    if len(heads) > lanes:
        yield heads[lanes], f"{len(heads)} chains start at once, {lanes} lanes are allowed"
    if not heads:
        yield next(iter(connections)), "no chain has a start"


def sites_complete(view: View) -> Found:
    """Each site of a shard has exactly one VPN site and one connection to every hub's gateway."""
    for graph in view.graphs:
        if graph.stack.kind != "sites":
            continue
        query = getattr(view.settings.get(graph.stack.name), "query", "")
        expected = {s.id for s in tables.select(view.inventory, query) if s.shard == graph.stack.part}
        sites = _by_site(view, graph, VPN_SITE)
        connections = _by_site(view, graph, VPN_CONNECTION)
        for site in sorted((set(sites) | set(connections)) - expected):
            node = (sites.get(site) or connections[site])[0]
            yield graph, node.urn, f"is for {site or 'no site'}, which is not in shard {graph.stack.part}"
        gateways = _gateways(view, graph)
        for site in sorted(expected):
            for sentence in _site_faults(sites.get(site, []), connections.get(site, []), gateways):
                urn = next((n.urn for n in (*sites.get(site, []), *connections.get(site, []))), "")
                yield graph, urn, f"{site} {sentence}"


def _by_site(view: View, graph: Graph, token: str) -> dict[str, list[Node]]:
    """The nodes of a type by the site whose component they are in; the empty id for none."""
    found: dict[str, list[Node]] = {}
    for node in graph.of_type(token):
        site = next((a.name for a in graph.ancestors(node) if not a.custom and a.name in view.inventory.sites), "")
        found.setdefault(site, []).append(node)
    return found


def _gateways(view: View, graph: Graph) -> list[str]:
    """The gateways' names from the connectivity stack where it is given; else one wildcard a hub."""
    wan = view.by_name.get(f"connectivity-{graph.stack.environment}")
    names = [wan.outputs.get(f"vpn_gateway_name_{hub}") if wan else "" for hub in view.inventory.hubs]
    return [name if isinstance(name, str) and name != UNKNOWN else "" for name in names]


def _site_faults(sites: list[Node], connections: list[Node], gateways: list[str]) -> Iterator[str]:
    if len(sites) != 1:
        yield f"has {len(sites)} VPN sites instead of one"
    given = Counter(str(c.inputs.get("gatewayName")) for c in connections)
    if len(connections) != len(gateways) or len(given) != len(gateways):
        yield f"has {len(connections)} connections to {len(given)} gateways instead of one to each of {len(gateways)}"
    elif all(gateways) and UNKNOWN not in given and set(given) != set(gateways):
        yield f"is connected to {', '.join(sorted(given))}, the hubs' gateways are {', '.join(gateways)}"
    for connection in connections if len(sites) == 1 else ():
        remote = connection.inputs.get("remoteVpnSite")
        target = remote.get("id") if isinstance(remote, dict) else None
        if target != UNKNOWN and str(target).casefold() != sites[0].id.casefold():
            yield f"has a connection to another VPN site: {target}"


def links_complete(view: View) -> Found:
    """A VPN site has a link for each circuit of its site, and each of its connections uses all of them."""
    for graph in (g for g in view.graphs if g.stack.kind == "sites"):
        for token, key in ((VPN_SITE, "vpnSiteLinks"), (VPN_CONNECTION, "vpnLinkConnections")):
            for site, nodes in _by_site(view, graph, token).items():
                circuits = len(view.inventory.circuits_of[site]) if site else 0
                for node in nodes:
                    links = node.inputs.get(key)
                    count = len(links) if isinstance(links, list) else 0
                    if count != circuits:
                        yield graph, node.urn, f"has {count} links, {site or 'its site'} has {circuits} circuits"
