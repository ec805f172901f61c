"""Drawings: a tree that fits a terminal, DOT and SVG that are well formed, and nothing left out in silence."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace

import pytest
from graph_samples import component, graph, resource, wan
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.graph import draw
from infra.graph.model import Graph
from infra.graph.picture import picture

CORE = """\
connectivity-prod · 7 resources in 2 components · 3 in spaincentral

├─ ResourceGroup  rg-wan                                                                           spaincentral
├─ h1 · WanHub
│  ├─ VirtualHub  vhub-h1                                                                          spaincentral  P
│  ├─ VpnGateway  vpng-h1                                                   2 scale units                        P
│  └─ AzureFirewall  afw-h1
└─ h2 · WanHub
   ├─ VirtualHub  vhub-h2                                                                          spaincentral  P
   ├─ VpnGateway  vpng-h2                                                   2 scale units                        P
   └─ AzureFirewall  afw-h2

P protected"""


def many(count: int, odd: int = 0) -> Graph:
    """A shard of `count` equal sites and `odd` that have one resource more."""
    stack, nodes = "sites-x-prod", []
    for n in range(count + odd):
        box = component(stack, "wan-noc:sites:SiteLink", f"site-{n:03}")
        nodes += [box, resource(stack, "network:VpnSite", f"vst-{n:03}", box.urn, vpnSiteLinks=[{}])]
        if n >= count:
            nodes.append(resource(stack, "keyvault:Secret", f"key-{n:03}", box.urn))
    return graph(stack, nodes)


def test_a_stack_is_drawn_as_a_tree() -> None:
    assert draw.tree(wan()["connectivity-prod"]) == CORE


def test_equal_neighbours_are_drawn_twice_and_then_counted() -> None:
    text = draw.tree(many(65, odd=2))
    assert "… and 63 more SiteLink: site-002, site-003" in text
    assert text.count("· SiteLink") == 2 + 2  # two of the equal ones, both odd ones
    assert "key-065" in text


def test_everything_is_drawn_when_asked() -> None:
    text = draw.tree(many(65), fold=0)
    assert text.count("· SiteLink") == 65
    assert "more" not in text


@settings(deadline=None)  # machines differ
@given(st.integers(0, 30), st.integers(0, 9), st.integers(0, 6))
def test_no_resource_is_lost_in_the_outline(count: int, odd: int, fold: int) -> None:
    one = many(count, odd)
    assert sum(branch.total for branch in draw.outline(one, fold)) == len(one.resources)


@pytest.mark.parametrize("one", [*wan().values(), many(65, 3)], ids=lambda g: str(g.stack))
def test_no_line_is_wider_than_the_terminal(one: Graph) -> None:
    long = {u: replace(n, name=n.name + "-with-a-very-long-name" * 5) for u, n in one.nodes.items()}
    for graph_ in (one, replace(one, nodes=long)):
        assert max(len(line) for line in draw.tree(graph_).splitlines()) <= draw.WIDTH


def test_dot_has_every_resource_once_and_an_arrow_for_what_it_uses() -> None:
    text = draw.dot(wan()["sites-x-prod"])
    assert text.count("{") == text.count("}")
    assert text.count('[label="VpnConnection') == 4
    assert len(re.findall(r"->", text)) == 4  # each connection uses its site; lanes are no use


@pytest.mark.parametrize("one", [*wan().values(), many(65, 3)], ids=lambda g: str(g.stack))
def test_the_picture_is_well_formed_and_stands_alone(one: Graph) -> None:
    text = picture(one)
    root = ElementTree.fromstring(text)
    assert root.tag.endswith("svg")
    assert "href" not in text
    assert str(one.stack) in text


def test_the_picture_puts_what_is_used_left_of_its_user() -> None:
    stack = "connectivity-prod"
    first, second = (
        component(stack, "wan-noc:connectivity:A", "first"),
        component(stack, "wan-noc:connectivity:B", "second"),
    )
    used = resource(stack, "network:VirtualHub", "used", second.urn)
    user = replace(resource(stack, "network:VpnGateway", "user", first.urn), data_edges={"hub": (used.urn,)})
    text = picture(graph(stack, [first, second, user, used]))
    found = {m[2]: int(m[1]) for m in re.finditer(r'class="name" x="(\d+)" y="\d+">(\w+)<', text)}
    assert found["second"] < found["first"]


def test_names_from_outside_cannot_break_the_picture() -> None:
    text = picture(graph("connectivity-prod", [resource("connectivity-prod", "x:Y", "<script>&\"'")]))
    ElementTree.fromstring(text)
    assert "<script" not in text
