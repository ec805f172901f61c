"""Small graphs built by hand, and a small folder of stacks with programmes that register what a test needs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import pulumi

from infra.core import outputs
from infra.core.stacks import StackId, parse
from infra.graph.model import Graph, Json, Node
from inventory import Inventory

SUBSCRIPTION = "/subscriptions/00000000-0000-0000-0000-000000000000"
GROUP = f"{SUBSCRIPTION}/resourceGroups/rg-wan"
NETWORK = f"{GROUP}/providers/Microsoft.Network"


def urn(stack: str, token: str, name: str) -> str:
    return f"urn:pulumi:{stack}::wan-noc::{token}::{name}"


def component(stack: str, token: str, name: str, parent: str = "") -> Node:
    return Node(urn(stack, token, name), token, name, parent, custom=False, inputs={})


def resource(stack: str, token: str, name: str, parent: str = "", *, at: str = "", **inputs: Json) -> Node:
    """A resource of `azure-native:<token>`; `at` is its ARM id after the network provider's part."""
    full = f"azure-native:{token}"
    return Node(
        urn(stack, full, name), full, name, parent, custom=True, inputs=inputs, id=f"{NETWORK}/{at}" if at else ""
    )


def graph(stack: str, nodes: Iterable[Node]) -> Graph:
    return Graph(parse(stack), {n.urn: n for n in nodes}, {})


def with_input(node: Node, **inputs: Json) -> Node:
    return replace(node, inputs={**node.inputs, **inputs})


def wan() -> dict[str, Graph]:
    """Two hubs with a gateway each, two sites connected to both, an application and a group of two alert rules.

    Site `b` waits for site `a` in its write lane. Only the gateways' names tie the sites' stack to connectivity.
    """
    core, sites, noc, dr = "connectivity-prod", "sites-x-prod", "noc-h1-prod", "continuity-prod"
    nodes: list[Node] = [
        replace(
            resource(core, "resources:ResourceGroup", "rg-wan", resourceGroupName="rg-wan", location="spaincentral"),
            id=GROUP,
        )
    ]
    for hub in ("h1", "h2"):
        box = component(core, "wan-noc:connectivity:WanHub", hub)
        top = replace(
            resource(core, "network:VirtualHub", f"vhub-{hub}", box.urn, at=f"virtualHubs/vhub-{hub}"), protect=True
        )
        top = with_input(top, virtualHubName=f"vhub-{hub}", resourceGroupName="rg-wan", location="spaincentral")
        gateway = resource(core, "network:VpnGateway", f"vpng-{hub}", box.urn, at=f"vpnGateways/vpng-{hub}")
        gateway = replace(
            with_input(
                gateway,
                gatewayName=f"vpng-{hub}",
                resourceGroupName="rg-wan",
                vpnGatewayScaleUnit=2,
                virtualHub={"id": top.id},
            ),
            protect=True,
            data_edges={"virtualHub": (top.urn,)},
        )
        firewall = resource(core, "network:AzureFirewall", f"afw-{hub}", box.urn, at=f"azureFirewalls/afw-{hub}")
        firewall = replace(
            with_input(firewall, azureFirewallName=f"afw-{hub}", resourceGroupName="rg-wan", virtualHub={"id": top.id}),
            data_edges={"virtualHub": (top.urn,)},
        )
        nodes += [box, top, gateway, firewall]
    found = {core: graph(core, nodes)}
    nodes = []
    before: dict[str, str] = {}
    for site in ("a", "b"):
        box = component(sites, "wan-noc:sites:SiteLink", site)
        vpn_site = resource(sites, "network:VpnSite", f"vst-{site}", box.urn, at=f"vpnSites/vst-{site}")
        vpn_site = with_input(vpn_site, vpnSiteName=f"vst-{site}", resourceGroupName="rg-wan", location="spaincentral")
        nodes += [box, vpn_site]
        for hub in ("h1", "h2"):
            name = f"vcn-{site}-{hub}"
            one = resource(
                sites, "network:VpnConnection", name, box.urn, at=f"vpnGateways/vpng-{hub}/vpnConnections/{name}"
            )
            one = with_input(
                one,
                connectionName=name,
                gatewayName=f"vpng-{hub}",
                resourceGroupName="rg-wan",
                remoteVpnSite={"id": vpn_site.id},
            )
            order = (before[hub],) if hub in before else ()
            nodes.append(replace(one, data_edges={"remoteVpnSite": (vpn_site.urn,)}, depends_on=order))
            before[hub] = one.urn
    found[sites] = graph(sites, nodes)
    box = component(noc, "wan-noc:noc:RuleGroup", "bgp")
    rules: Json = [{"alert": "BgpDown", "expression": "up == 0"}, {"alert": "BgpFlaps", "expression": "flaps > 3"}]
    group = resource(noc, "alertsmanagement:PrometheusRuleGroup", "prg-bgp", box.urn, at="prometheusRuleGroups/prg-bgp")
    workspace = resource(noc, "monitor:AzureMonitorWorkspace", "amw", at="accounts/amw", retention=1)
    group = replace(with_input(group, rules=rules, scopes=[workspace.id]), data_edges={"scopes": (workspace.urn,)})
    found[noc] = graph(noc, [workspace, box, group])
    box = component(dr, "wan-noc:continuity:ServiceName", "erp")
    profile = resource(dr, "trafficmanager:Profile", "traf-erp", box.urn, at="trafficManagerProfiles/traf-erp")
    endpoint = resource(
        dr,
        "trafficmanager:Endpoint",
        "erp-h1",
        box.urn,
        at="trafficManagerProfiles/traf-erp/nestedEndpoints/h1",
        priority=1,
    )
    found[dr] = graph(dr, [box, profile, replace(endpoint, data_edges={"profileName": (profile.urn,)})])
    return found


def changed(graphs: Mapping[str, Graph], stack: str, name: str, **inputs: Json) -> dict[str, Graph]:
    """The graphs with some inputs of one resource changed."""
    old = next(n for n in graphs[stack].resources if n.name == name)
    nodes = {u: (with_input(n, **inputs) if u == old.urn else n) for u, n in graphs[stack].nodes.items()}
    return {**graphs, stack: replace(graphs[stack], nodes=nodes)}


def without(graphs: Mapping[str, Graph], stack: str, *names: str) -> dict[str, Graph]:
    """The graphs without some components or resources and what is below them."""
    kept = graphs[stack].nodes
    gone = {u for u, n in kept.items() if n.name in names}
    while more := {u for u, n in kept.items() if n.parent in gone} - gone:
        gone |= more
    return {**graphs, stack: replace(graphs[stack], nodes={u: n for u, n in kept.items() if u not in gone})}


def references(inventory: Inventory, environment: str = "prod") -> dict[str, dict[str, Json]]:
    """Made-up outputs of the layers that a shard of sites reads."""
    found: dict[str, dict[str, Json]] = {}
    for kind in ("bootstrap", "governance", "connectivity"):
        values: dict[str, Json] = {}
        for name in outputs.names_of(parse(f"{kind}-{environment}").kind, inventory.hubs):
            values[name] = (
                outputs.VERSION if name == "version" else f"{NETWORK}/{kind}/{name}" if "_id" in name else name
            )
        found[f"{kind}-{environment}"] = values
    return found


def exports(stack: StackId, inventory: Inventory) -> None:
    """A programme that registers nothing and exports what its layer declares."""
    for name in outputs.names_of(stack.kind, inventory.hubs):
        pulumi.export(name, outputs.VERSION if name == "version" else name)


def only(inventory: Inventory, shard: str) -> Inventory:
    """The inventory with the sites of one shard only."""
    return less(inventory, *(s.id for s in inventory.sites.values() if s.shard != shard))


def less(inventory: Inventory, *sites: str) -> Inventory:
    """The inventory without some sites."""
    gone = set(sites)
    return replace(
        inventory,
        sites={k: s for k, s in inventory.sites.items() if k not in gone},
        circuits={k: c for k, c in inventory.circuits.items() if c.site not in gone},
        devices={k: d for k, d in inventory.devices.items() if d.site not in gone},
    )


def write_stack(folder: Path, stack: str, text: str = "") -> Path:
    """A stack's file with its layer and environment, and `text` as more lines of its config."""
    parsed = parse(stack)
    path = folder / f"Pulumi.{stack}.yaml"
    path.write_text(f"config:\n  wan-noc:layer: {parsed.layer}\n  wan-noc:environment: {parsed.environment}\n{text}")
    return path
