"""Connectivity and sites as recorded: what each site becomes in Azure, and that one site's change touches that site."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Network

import pulumi
import pytest
from pulumi_azure_native import network, resources

import inventory
from infra import programme
from infra.components.base import Component
from infra.core import outputs
from infra.core.errors import InfraError
from infra.core.stacks import parse
from infra.graph import UNKNOWN, Graph, Node
from infra.graph.record import record
from inventory import Inventory

SHIPPED = inventory.load(inventory.packaged_tables())
STACK = parse("sites-europe-1-prod")
SEED = "a seed of more than thirty-two characters"
CONFIG = {"layer": "sites-europe-1", "environment": "prod", "siteKeySeed": SEED, "query": "site=a*,b*,c*"}
CONNECTION = "azure-native:network:VpnConnection"


def made_up(name: str) -> str:
    return outputs.VERSION if name == "version" else f"/made-up/{name}"


REFERENCES = {
    f"{kind}-prod": {n: made_up(n) for n in outputs.names_of(kind, SHIPPED.hubs)}
    for kind in ("bootstrap", "governance", "connectivity")
}


def sites_graph(known: Inventory = SHIPPED, *, preview: bool = False, **config: str) -> Graph:
    return record(
        STACK,
        lambda: programme.run(known),
        {**CONFIG, **config},
        secret_keys=frozenset({"siteKeySeed"}),
        references=REFERENCES,
        preview=preview,
    )


def connectivity_graph(*, preview: bool = False) -> Graph:
    config = {"layer": "connectivity", "environment": "prod"}
    stack = parse("connectivity-prod")
    return record(stack, lambda: programme.run(SHIPPED), config, references=REFERENCES, preview=preview)


@pytest.fixture(scope="module")
def graph() -> Graph:
    return sites_graph()


@pytest.fixture(scope="module")
def connectivity() -> Graph:
    return connectivity_graph()


def site_of(graph: Graph, node: Node) -> str:
    return next((a.name for a in (node, *graph.ancestors(node)) if a.type == "wan-noc:sites:SiteLink"), "")


def test_a_false_assertion_inside_a_programme_fails_the_recording() -> None:
    """The canary: a test of a Pulumi programme that cannot fail proves nothing."""

    def wrong() -> None:
        group = resources.ResourceGroup("rg", resource_group_name="rg", location="spaincentral")

        def check(location: str) -> None:
            assert location == "eastus"

        group.location.apply(check)

    with pytest.raises(AssertionError):
        record(parse("connectivity-prod"), wrong, {})


def test_a_forgotten_argument_fails_the_recording() -> None:
    with pytest.raises(TypeError, match="resource_group_name"):
        record(parse("connectivity-prod"), lambda: network.VirtualWan("wan") and None, {})


def test_a_resource_without_an_explicit_name_fails_the_recording() -> None:
    with pytest.raises(Exception, match="has no explicit name"):
        record(parse("connectivity-prod"), lambda: resources.ResourceGroup("rg", location="x") and None, {})


def test_historical_aliases_go_and_our_own_stay() -> None:
    def register() -> None:
        root = Component("connectivity", "root")
        args = network.VirtualWanArgs(resource_group_name="rg", virtual_wan_name="w")
        network.VirtualWan("plain", args, opts=root.child())
        renamed = [pulumi.Alias(name="before"), pulumi.Alias(parent=pulumi.ROOT_STACK_RESOURCE)]
        args = network.VirtualWanArgs(resource_group_name="rg", virtual_wan_name="v")
        network.VirtualWan("renamed", args, opts=Component("connectivity", "inner", root).child(aliases=renamed))
        args = network.VirtualWanArgs(resource_group_name="rg", virtual_wan_name="u")
        network.VirtualWan("outside", args)

    graph = record(parse("connectivity-prod"), register, {})
    wans = {n.name: n for n in graph.of_type("azure-native:network:VirtualWan")}
    assert (wans["plain"].aliases, wans["renamed"].aliases) == (0, 2)
    assert wans["outside"].aliases > 40  # the SDK still has them: otherwise this proves nothing
    assert wans["plain"].inputs == {**wans["outside"].inputs, "virtualWANName": "w"}
    assert wans["plain"].version == wans["outside"].version


def test_every_site_has_a_link_per_circuit_and_a_connection_to_both_hubs(graph: Graph) -> None:
    sites = {s.id for s in inventory.select(SHIPPED, CONFIG["query"]) if s.shard == "europe-1"}
    assert len(sites) >= 5
    for site in sites:
        own = [n for n in graph.resources if site_of(graph, n) == site]
        (vpn_site,) = [n for n in own if n.type.endswith(":VpnSite")]
        connections = [n for n in own if n.type == CONNECTION]
        circuits = SHIPPED.circuits_of[site]
        assert len(vpn_site.inputs["vpnSiteLinks"]) == len(circuits)
        assert {c.inputs["gatewayName"] for c in connections} == {
            f"/made-up/vpn_gateway_name_{h}" for h in SHIPPED.hubs
        }
        for connection in connections:
            assert len(connection.inputs["vpnLinkConnections"]) == len(circuits)
            assert connection.inputs["remoteVpnSite"] == {"id": vpn_site.id}


def test_only_the_standby_connection_is_prepended(graph: Graph) -> None:
    for connection in graph.of_type(CONNECTION):
        site = SHIPPED.sites[site_of(graph, connection)]
        routing = connection.inputs.get("routingConfiguration", {})
        standby = str(connection.inputs["gatewayName"]).endswith(site.standby_hub)
        assert ("inboundRouteMap" in routing) == ("outboundRouteMap" in routing) == standby


def test_keys_are_secret_different_for_every_tunnel_and_equal_in_the_vault(graph: Graph) -> None:
    keys = {}
    for connection in graph.of_type(CONNECTION):
        for n, link in enumerate(connection.inputs["vpnLinkConnections"]):
            assert f"vpnLinkConnections[{n}].sharedKey" in connection.secrets
            keys[link["sharedKey"]] = connection.name
        assert connection.additional_secret_outputs == ("vpnLinkConnections",)
    tunnels = sum(len(SHIPPED.circuits_of[s.name]) * 2 for s in graph.of_type("wan-noc:sites:SiteLink"))
    assert len(keys) == tunnels
    for secret in graph.of_type("azure-native:keyvault:Secret"):
        assert "properties.value" in secret.secrets
        assert sum(key in str(secret.inputs["properties"]["value"]) for key in keys) == 2 * len(
            SHIPPED.circuits_of[site_of(graph, secret)]
        )


def test_bgp_peers_are_unique_and_every_site_has_its_own_as_number(graph: Graph) -> None:
    links = [link for n in graph.of_type("azure-native:network:VpnSite") for link in n.inputs["vpnSiteLinks"]]
    peers = [link["bgpProperties"]["bgpPeeringAddress"] for link in links]
    assert len(peers) == len(set(peers))
    numbers = {
        n.name: {link["bgpProperties"]["asn"] for link in n.inputs["vpnSiteLinks"]}
        for n in graph.of_type("azure-native:network:VpnSite")
    }
    assert all(len(found) == 1 for found in numbers.values())
    assert len({next(iter(found)) for found in numbers.values()}) == len(numbers)


@pytest.mark.parametrize("lanes", [1, 3])
def test_connections_of_one_gateway_wait_for_each_other(lanes: int) -> None:
    graph = sites_graph(lanes=str(lanes))
    for gateway in {str(c.inputs["gatewayName"]) for c in graph.of_type(CONNECTION)}:
        own = {c.urn: c for c in graph.of_type(CONNECTION) if c.inputs["gatewayName"] == gateway}
        waits = {urn: [d for d in c.depends_on if d in own] for urn, c in own.items()}
        assert all(len(found) <= 1 for found in waits.values())
        assert 1 <= sum(not found for found in waits.values()) <= lanes
        followed = [found[0] for found in waits.values() if found]
        assert len(followed) == len(set(followed))


def urns_that_differ(before: Graph, after: Graph) -> set[str]:
    urns = {*before.nodes, *after.nodes}
    return {
        u
        for u in urns
        if u not in before.nodes
        or u not in after.nodes
        or (before.nodes[u].inputs, before.nodes[u].id) != (after.nodes[u].inputs, after.nodes[u].id)
    }


def touched_sites(before: Graph, after: Graph) -> set[str]:
    return {
        site_of(graph, graph.nodes[urn])
        for urn in urns_that_differ(before, after)
        for graph in (before, after)
        if urn in graph.nodes
    }


def test_removing_one_site_removes_its_resources_and_nothing_else(graph: Graph) -> None:
    gone = graph.of_type("wan-noc:sites:SiteLink")[2].name
    sites = [s for s in SHIPPED.sites.values() if s.id != gone]
    after = sites_graph(inventory.restrict(SHIPPED, sites))
    assert touched_sites(graph, after) == {gone}
    assert not set(after.nodes) - set(graph.nodes)
    back = touched_sites(after, graph)
    assert back == {gone}  # and adding it again adds it alone


@pytest.mark.parametrize(
    "change",
    [
        {"preferred_hub": "brindisi", "standby_hub": "valencia"},
        {"preferred_hub": "valencia", "standby_hub": "brindisi"},
        {"asn": 4_200_099_999},
        {"tier": 1},
        {"region": "europe-9"},
    ],
)
def test_changing_one_site_touches_that_site_alone(graph: Graph, change: dict[str, object]) -> None:
    site = SHIPPED.sites[graph.of_type("wan-noc:sites:SiteLink")[1].name]
    moved = replace(site, **change)
    after = sites_graph(replace(SHIPPED, sites={**SHIPPED.sites, site.id: moved}))
    assert touched_sites(graph, after) == (set() if moved == site else {site.id})


def test_raising_one_sites_generation_rotates_its_keys_alone(graph: Graph) -> None:
    site = graph.of_type("wan-noc:sites:SiteLink")[1].name
    after = sites_graph(keyGenerations=f'{{"{site}": 2}}')
    assert touched_sites(graph, after) == {site}


def test_moving_a_site_to_another_shard_takes_it_out_of_this_one(graph: Graph) -> None:
    site = SHIPPED.sites[graph.of_type("wan-noc:sites:SiteLink")[1].name]
    known = replace(SHIPPED, sites={**SHIPPED.sites, site.id: replace(site, shard="europe-2")})
    assert touched_sites(graph, sites_graph(known)) == {site.id}


def test_a_preview_knows_names_but_no_ids() -> None:
    graph = sites_graph(preview=True)
    connection = graph.of_type(CONNECTION)[0]
    assert connection.inputs["remoteVpnSite"] == {"id": UNKNOWN}
    assert connection.inputs["connectionName"] == connection.name
    assert len(connectivity_graph(preview=True)) == len(connectivity_graph())


def test_each_virtual_hub_carries_all_sites_and_is_protected(connectivity: Graph) -> None:
    for token in ("VirtualHub", "VpnGateway", "ExpressRouteGateway", "AzureFirewall", "RoutingIntent"):
        found = connectivity.of_type(f"azure-native:network:{token}")
        assert len(found) == 2
        assert all(n.protect for n in found), token
    assert {n.inputs["vpnGatewayScaleUnit"] for n in connectivity.of_type("azure-native:network:VpnGateway")} == {32}
    regions = {n.inputs["location"] for n in connectivity.of_type("azure-native:network:VirtualHub")}
    assert regions == {"spaincentral", "italynorth"}


def test_writes_on_a_virtual_hub_follow_one_another(connectivity: Graph) -> None:
    """Azure answers 409 when two children of a hub are written at once, so that all of them form one chain."""
    for hub in ("valencia", "brindisi"):
        own = [
            n
            for n in connectivity.resources
            if n.inputs.get("virtualHubName") == f"vhub-{hub}-prod"
            or n.name in (f"vpng-{hub}-prod", f"ergw-{hub}-prod", f"afw-{hub}-prod")
        ]
        assert len(own) == 8
        before = {n.urn: reach(connectivity, n) for n in own}
        for a in own:
            for b in own:
                assert a is b or a.urn in before[b.urn] or b.urn in before[a.urn], (a.name, b.name)


def reach(graph: Graph, node: Node) -> set[str]:
    found: set[str] = set()
    todo = [node]
    while todo:
        for urn in todo.pop().dependencies:
            if urn not in found and urn in graph.nodes:
                found.add(urn)
                todo.append(graph.nodes[urn])
    return found


def test_everything_wrong_with_the_input_is_told_before_any_resource() -> None:
    site = next(s for s in SHIPPED.sites.values() if s.shard == "europe-1")
    inside = replace(site, prefixes=(IPv4Network("10.248.0.0/24"),), standby_hub="atlantis")
    known = replace(SHIPPED, sites={**SHIPPED.sites, site.id: inside})
    with pytest.raises(pulumi.RunError) as error:
        sites_graph(known)
    assert isinstance(error.value.__cause__, InfraError)
    assert [p.rule for p in error.value.__cause__.problems] == [
        "there is no such hub",
        "overlaps Azure's range 10.248.0.0/14 of prod",
    ]


def test_a_stack_that_was_never_deployed_says_what_to_deploy_first() -> None:
    with pytest.raises(pulumi.RunError, match=r"deploy it first: noc infra up (bootstrap|connectivity)-prod"):
        record(STACK, lambda: programme.run(SHIPPED), CONFIG, references={})


def test_a_stack_with_the_configuration_of_another_is_refused() -> None:
    with pytest.raises(pulumi.RunError, match=r"has the configuration of connectivity-prod; set layer"):
        record(STACK, lambda: programme.run(SHIPPED), {"layer": "connectivity", "environment": "prod"})
