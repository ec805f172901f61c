"""Every invariant holds for a good environment made by hand, and fails for each minimal mutation of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cache
from typing import Any

import pytest
from policy_examples import DROP, SLOW, STACK, good_stack, node, option, setting, spoilt, urn_of, with_nodes

from infra.core.outputs import names_of
from infra.core.stacks import parse
from infra.graph.invariants import INLINE, INVARIANTS, broken
from infra.graph.invariants import SLOW as SLOW_TYPES
from infra.graph.model import UNKNOWN, Graph, Node
from infra.graph.site_invariants import VPN_CONNECTION, VPN_SITE
from infra.graph.view import Broken
from infra.settings import Common
from inventory import Inventory, load, packaged_tables

TODAY = date(2026, 11, 21)
SHARD = "europe-2"
SITES = f"sites-{SHARD}-dev"
WAN = "connectivity-dev"
Graphs = dict[str, Graph]


class Lanes(Common):
    """Settings as those of a shard, as far as invariants read them."""

    lanes: int = 1
    query: str = ""


@cache
def inventory() -> Inventory:
    return load(packaged_tables())


def gateway(hub: str) -> str:
    return f"vpng-{hub}-wan-dev"


def outputs(stack: str) -> dict[str, str]:
    return dict.fromkeys(names_of(parse(stack).kind, inventory().hubs), "text")


def connectivity() -> Graph:
    hub = urn_of(WAN, "wan-noc:connectivity:Hub", "hub")
    nodes = [node(WAN, "wan-noc:connectivity:Hub", "hub")]
    nodes += [
        node(WAN, "azure-native:network:VpnGateway", gateway(h), parent=hub, protect=True, timeouts=SLOW)
        for h in inventory().hubs
    ]
    values = outputs(WAN) | {f"vpn_gateway_name_{h}": gateway(h) for h in inventory().hubs}
    return Graph(parse(WAN), {n.urn: n for n in nodes}, values, reads=("bootstrap-dev",))


def shard() -> Graph:
    nodes = [node(SITES, "wan-noc:sites:Shard", SHARD)]
    before: dict[str, str] = {}
    for site in (s for s in inventory().sites.values() if s.shard == SHARD):
        component = replace(node(SITES, "wan-noc:sites:SiteLink", site.id), parent=nodes[0].urn)
        circuits = inventory().circuits_of[site.id]
        links = [{"name": c.id} for c in circuits]
        place = node(SITES, VPN_SITE, f"vst-{site.id}-dev", {"vpnSiteLinks": links}, parent=component.urn)
        nodes += [component, place]
        for hub in inventory().hubs:
            connection = node(
                SITES,
                VPN_CONNECTION,
                f"vcn-{site.id}-{hub}-dev",
                {
                    "gatewayName": gateway(hub),
                    "remoteVpnSite": {"id": place.id},
                    "vpnLinkConnections": [{"sharedKey": "placeholder"} for _ in circuits],
                },
                parent=component.urn,
                timeouts=SLOW,
                depends_on=(before[hub],) if hub in before else (),
                data_edges={"remoteVpnSite": (place.urn,)},
                secrets=frozenset(f"vpnLinkConnections[{n}].sharedKey" for n in range(len(circuits))),
                additional_secret_outputs=("vpnLinkConnections",),
            )
            before[hub] = connection.urn
            nodes.append(connection)
    return Graph(parse(SITES), {n.urn: n for n in nodes}, outputs(SITES), reads=(WAN, "bootstrap-dev"))


def good() -> Graphs:
    continuity = replace(good_stack(), outputs=outputs(STACK), reads=(WAN, "hub-valencia-dev"))
    return {g.stack.name: g for g in (connectivity(), shard(), continuity)}


@dataclass(frozen=True)
class Mutation:
    """A change to the good environment, the invariants it must break and no others, and settings of stacks."""

    what: str
    breaks: frozenset[str]
    apply: Callable[[Graphs], Graphs]
    settings: Mapping[str, Common] = field(default_factory=dict)


def first(whole: Graph, token: str) -> Node:
    return whole.of_type(token)[0]


def at(stack: str, change: Callable[[Graph], Graph]) -> Callable[[Graphs], Graphs]:
    return lambda graphs: graphs | {stack: change(graphs[stack])}


def spoil(invariant: str, what: str, stack: str, name: str, change: Callable[[Node], Node], *also: str) -> Mutation:
    return Mutation(what, frozenset({invariant, *also}), at(stack, lambda whole: spoilt(whole, name, change)))


def whole_stack(invariant: str, what: str, stack: str, *also: str, **changes: Any) -> Mutation:
    return Mutation(what, frozenset({invariant, *also}), at(stack, lambda whole: replace(whole, **changes)))


def nodes_of(stack: str, change: Callable[[Graph], list[Node]]) -> Callable[[Graphs], Graphs]:
    return at(stack, lambda whole: with_nodes(whole, *change(whole)))


def site_ids() -> list[str]:
    return [s.id for s in inventory().sites.values() if s.shard == SHARD]


A, B, C, D = site_ids()
HUB, OTHER_HUB = tuple(inventory().hubs)


def conn(site: str, hub: str = HUB) -> str:
    return f"vcn-{site}-{hub}-dev"


def urn(site: str, hub: str = HUB) -> str:
    return urn_of(SITES, VPN_CONNECTION, conn(site, hub))


def _without(whole: Graph, *names: str) -> list[Node]:
    """The nodes less some, and whoever waited for one of those waits for the one before."""
    gone = {n.urn: n for n in whole if n.name in names}

    def relinked(found: Node) -> Node:
        waits = tuple(d for urn in found.depends_on for d in (gone[urn].depends_on if urn in gone else (urn,)))
        return replace(found, depends_on=waits)

    return [relinked(n) for n in whole if n.urn not in gone]


def _twin(found: Node, **changes: Any) -> Node:
    return replace(found, urn=f"{found.urn}-twin", name=f"{found.name}-twin", **changes)


def _upper(found: Node) -> Node:
    return _twin(found, id=found.id.upper())


def _stranger(whole: Graph) -> list[Node]:
    """One more site of another shard, complete, at the end of the lanes."""
    other = next(s for s in inventory().sites.values() if s.shard != SHARD)
    component = replace(node(SITES, "wan-noc:sites:SiteLink", other.id), parent=next(iter(whole)).urn)
    links = [{"name": c.id} for c in inventory().circuits_of[other.id]]
    return [*whole, component, node(SITES, VPN_SITE, "vst-x-dev", {"vpnSiteLinks": links}, parent=component.urn)]


MUTATIONS: tuple[Mutation, ...] = (
    whole_stack("urns-unique", "a URN twice", SITES, duplicates=(urn(A),)),
    spoil("parents", "no parent", SITES, f"vst-{A}-dev", option(parent=""), "sites-complete", "links-complete"),
    spoil("parents", "a parent that is not there", STACK, "vnet-noc-dev", option(parent="urn:pulumi:x")),
    spoil(
        "parents",
        "a parent that is no component",
        STACK,
        "vnet-noc-dev",
        lambda n: replace(n, parent=urn_of(STACK, "azure-native:resources:ResourceGroup", "orphan")),
    ),
    Mutation(
        "an id in other letters",
        frozenset({"ids-unique"}),
        nodes_of(STACK, lambda whole: [*whole, _upper(first(whole, "azure-native:network:VirtualNetwork"))]),
    ),
    Mutation(
        "a gateway in two stacks",
        frozenset({"one-owner"}),
        lambda graphs: (
            graphs
            | {
                STACK: with_nodes(
                    graphs[STACK],
                    *graphs[STACK],
                    replace(
                        first(graphs[WAN], "azure-native:network:VpnGateway"),
                        urn=urn_of(STACK, "azure-native:network:VpnGateway", "again"),
                        parent=next(iter(graphs[STACK])).urn,
                    ),
                )
            }
        ),
    ),
    spoil("dependencies", "waits for nothing", STACK, "vnet-noc-dev", option(depends_on=("urn:pulumi:gone",))),
    spoil("dependencies", "data from nothing", STACK, "vnet-noc-dev", option(data_edges={"tags": ("urn:gone",)})),
    Mutation(
        "a circle",
        frozenset({"dependencies"}),
        at(
            STACK,
            lambda whole: spoilt(
                spoilt(whole, "vnet-noc-dev", option(depends_on=(_urn("network:Subnet", "snet-noc-dev"),))),
                "snet-noc-dev",
                option(depends_on=(_urn("network:VirtualNetwork", "vnet-noc-dev"),)),
            ),
        ),
    ),
    spoil("protected", "an open vault", STACK, "kv-wo-continuity-dev", option(protect=False)),
    spoil("protected", "an open gateway", WAN, gateway(HUB), option(protect=False)),
    spoil("secrets", "an unmarked key", SITES, conn(A), option(secrets=frozenset())),
    spoil("secrets", "an unmarked vault secret", STACK, "postgres-admin", option(secrets=frozenset())),
    spoil("secrets", "an unmarked password", STACK, "psql-wo-noc-dev", option(secrets=frozenset())),
    spoil("secrets", "a readable output", SITES, conn(A), option(additional_secret_outputs=())),
    spoil("locations", "elsewhere", SITES, f"vst-{A}-dev", setting("location", "westeurope")),
    spoil("names", "no name", STACK, "vnet-noc-dev", setting("virtualNetworkName", DROP)),
    spoil("names", "a name Azure refuses", STACK, "vnet-noc-dev", setting("virtualNetworkName", "-vnet")),
    spoil("lanes", "a chain that starts in the middle", SITES, conn(C), option(depends_on=())),
    spoil("lanes", "two written at once", SITES, conn(C), option(depends_on=(urn(A),))),
    spoil("lanes", "one that waits for two", SITES, conn(D), option(depends_on=(urn(C), urn(A)))),
    spoil("lanes", "a chain of another gateway", SITES, conn(B), option(depends_on=(urn(A, OTHER_HUB),))),
    spoil("known", "an unknown place", STACK, "vnet-noc-dev", setting("location", UNKNOWN)),
    spoil("known", "an unknown value", STACK, "vnet-noc-dev", setting("addressSpace", {"addressPrefixes": [UNKNOWN]})),
    spoil("known", "an empty value", STACK, "vnet-noc-dev", setting("addressSpace", {"addressPrefixes": [None]})),
    Mutation(
        "a connection missing",
        frozenset({"sites-complete"}),
        nodes_of(SITES, lambda whole: _without(whole, conn(B))),
    ),
    Mutation(
        "a site missing",
        frozenset({"sites-complete"}),
        nodes_of(SITES, lambda whole: _without(whole, f"vst-{B}-dev", conn(B), conn(B, OTHER_HUB), B)),
    ),
    spoil("sites-complete", "twice the same hub", SITES, conn(D), setting("gatewayName", gateway(OTHER_HUB))),
    spoil("sites-complete", "a gateway of nobody", SITES, conn(D), setting("gatewayName", "vpng-nowhere-dev")),
    Mutation("a site of another shard", frozenset({"sites-complete"}), nodes_of(SITES, _stranger)),
    Mutation(
        "two VPN sites",
        frozenset({"sites-complete"}),
        nodes_of(SITES, lambda whole: [*whole, _twin(first(whole, VPN_SITE), id="/subscriptions/other")]),
    ),
    spoil("sites-complete", "another site's", SITES, conn(A), setting("remoteVpnSite.id", "/subscriptions/x")),
    Mutation(
        "a pilot of one site that makes all of them",
        frozenset({"sites-complete"}),
        lambda graphs: graphs,
        {SITES: Lanes(layer=f"sites-{SHARD}", environment="dev", query=A)},
    ),
    spoil("links-complete", "no links", SITES, f"vst-{A}-dev", setting("vpnSiteLinks", [])),
    spoil("links-complete", "no link connections", SITES, conn(A), setting("vpnLinkConnections", DROP)),
    whole_stack("outputs", "one missing", SITES, outputs={"version": "1", "sites": "4"}),
    whole_stack("outputs", "one too many", SITES, outputs=outputs(SITES) | {"secret_plan": "text"}),
    whole_stack("outputs", "a list", SITES, outputs=outputs(SITES) | {"sites": ["a"]}),
    whole_stack("outputs", "an empty one", SITES, outputs=outputs(SITES) | {"sites": ""}),
    whole_stack("outputs", "a secret", SITES, secret_outputs=frozenset({"sites"})),
    whole_stack("reads", "another environment", SITES, reads=("connectivity-prod",)),
    whole_stack("reads", "a layer that comes later", WAN, reads=(SITES,)),
    spoil("provider-version", "none", STACK, "vnet-noc-dev", option(version="")),
    spoil("provider-version", "another", STACK, "vnet-noc-dev", option(version="3.28.0")),
    spoil("environments", "a foreign id", STACK, "snet-noc-dev", setting("routeTable.id", "/x/routeTables/rt-prod")),
    spoil("environments", "a foreign account", STACK, "rt-noc-dev", setting("x", "/a/storageAccounts/stwostateprod")),
    spoil("environments", "a foreign host", STACK, "rt-noc-dev", setting("x", "https://kv-wo-prod.vault.azure.net/")),
    *(
        spoil("timeouts", f"{token} in a hurry", STACK, first(good_stack(), token).name, option(timeouts={}))
        for token in sorted(SLOW_TYPES)
    ),
    *(
        spoil(
            "children-standalone", f"{token} {path}", STACK, first(good_stack(), token).name, setting(path, [{"x": 1}])
        )
        for token, paths in INLINE.items()
        for path in paths
    ),
)


def _urn(token: str, name: str) -> str:
    return urn_of(STACK, f"azure-native:{token}", name)


def check(graphs: Graphs, settings: Mapping[str, Common] | None = None, **more: Any) -> list[Broken]:
    return broken(graphs.values(), inventory(), settings, today=TODAY, **more)


def test_the_good_environment_breaks_nothing() -> None:
    assert check(good()) == []


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda m: f"{'+'.join(sorted(m.breaks))}: {m.what}")
def test_a_minimal_mutation_breaks_its_invariant_and_no_other(mutation: Mutation) -> None:
    found = check(mutation.apply(good()), mutation.settings)
    assert {b.invariant for b in found} == mutation.breaks, [str(b) for b in found]


def test_every_invariant_has_a_mutation_and_a_sentence() -> None:
    assert {name for m in MUTATIONS for name in m.breaks} == {i.name for i in INVARIANTS}
    assert len({i.name for i in INVARIANTS}) == len(INVARIANTS)
    assert all((i.check.__doc__ or "").strip().endswith(".") for i in INVARIANTS)


def test_more_lanes_allow_more_chains() -> None:
    two = at(SITES, lambda whole: spoilt(whole, conn(C), option(depends_on=())))(good())
    two = at(SITES, lambda whole: spoilt(whole, conn(C, OTHER_HUB), option(depends_on=())))(two)
    assert {b.invariant for b in check(two)} == {"lanes"}
    assert check(two, {SITES: Lanes(layer=f"sites-{SHARD}", environment="dev", lanes=2)}) == []


def test_in_a_preview_computed_values_may_be_unknown_but_places_may_not() -> None:
    graphs = at(STACK, lambda whole: spoilt(whole, "vnet-noc-dev", setting("dhcpOptions", {"a": UNKNOWN})))(good())
    assert {b.invariant for b in check(graphs)} == {"known"}
    assert check(graphs, preview=True) == []
    graphs = at(STACK, lambda whole: spoilt(whole, "vnet-noc-dev", setting("location", UNKNOWN)))(good())
    assert {b.invariant for b in check(graphs, preview=True)} == {"known"}


def test_without_the_connectivity_stack_a_site_still_needs_one_connection_to_each_of_two_gateways() -> None:
    graphs = good()
    del graphs[WAN]
    assert check(graphs) == []
    found = check(nodes_of(SITES, lambda whole: _without(whole, conn(B)))(graphs))
    assert {b.invariant for b in found} == {"sites-complete"}


def test_the_same_resource_in_two_environments_has_one_owner_in_each() -> None:
    graphs = good()
    prod = replace(graphs[STACK], stack=parse("continuity-prod"))
    found = check(graphs | {"continuity-prod": prod})
    assert "one-owner" not in {b.invariant for b in found}


def test_a_sentence_names_stack_resource_and_invariant() -> None:
    (found,) = check(at(STACK, lambda whole: spoilt(whole, "rt-noc-dev", setting("routes", [{}])))(good()))
    assert str(found) == (
        "continuity-dev: rt-noc-dev: [children-standalone] has children inside: routes; "
        "register each as its own resource"
    )


def test_all_invariants_need_less_than_a_millisecond_a_resource() -> None:
    graphs = good()
    started = time.process_time()
    for _ in range(10):
        check(graphs)
    assert (time.process_time() - started) / (10 * sum(map(len, graphs.values()))) < 0.001
