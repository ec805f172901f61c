"""The cut of a hub's range: nothing overlaps, nothing leaves the range, and what has an address keeps it."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Network
from itertools import combinations, product

import pytest
from hosting_support import shipped
from hypothesis import given
from hypothesis import strategies as st

from infra.core import addressing, hub_network
from infra.core.errors import InfraError
from inventory import CloudEdge

HUBS = ("valencia", "brindisi")


def everything() -> dict[str, IPv4Network]:
    hubs = shipped().hubs
    return {
        f"{hub} {environment} {net.name}": net.range
        for hub, environment in product(HUBS, ("dev", "prod"))
        for net in hub_network.networks(hubs[hub], environment).values()
    }


def test_no_two_networks_of_any_hub_and_environment_overlap() -> None:
    for (one, a), (other, b) in combinations(everything().items(), 2):
        assert not a.overlaps(b), (one, other)


def test_every_network_lies_in_its_hubs_own_prefix_and_outside_azures_pools() -> None:
    for name, net in everything().items():
        hub = shipped().hubs[name.split()[0]]
        assert any(net.subnet_of(p) for p in hub.prefixes if isinstance(p, IPv4Network)), name
        assert not any(net.overlaps(pool) for pool in addressing.POOLS.values()), name


@given(st.integers(0, 255), st.integers(8, 16))
def test_any_large_enough_prefix_is_cut_without_leaving_it(second: int, length: int) -> None:
    prefix = IPv4Network((10 << 24 | second << 16, length), strict=False)
    hub = replace(shipped().hubs["valencia"], prefixes=(prefix,))
    for environment in ("dev", "prod"):
        assert all(n.range.subnet_of(prefix) for n in hub_network.networks(hub, environment).values())


def test_a_hub_with_too_small_a_prefix_is_refused_by_name() -> None:
    hub = replace(shipped().hubs["valencia"], prefixes=(IPv4Network("10.240.0.0/20"),))
    with pytest.raises(InfraError, match=r"hub valencia has no IPv4 prefix of /16 or larger"):
        hub_network.networks(hub, "prod")


def test_router_control_plane_and_pool_of_a_network_are_apart() -> None:
    for environment in ("dev", "prod"):
        for net in hub_network.networks(shipped().hubs["valencia"], environment).values():
            first, last = net.pool
            assert net.range.network_address < net.gateway < net.control_plane < first < last
            assert last < net.range.broadcast_address
            assert not net.may_be_fixed(net.gateway)
            assert not net.may_be_fixed(first)
            assert net.may_be_fixed(net.gateway + 1)


def test_the_peerings_of_a_hubs_circuits_are_pairs_of_30s_that_never_overlap() -> None:
    found = [p for hub in HUBS for p in hub_network.peerings(shipped(), hub, "prod").values()]
    ranges = [r for p in found for r in (p.primary, p.secondary)]
    assert len(found) == len(shipped().cloud_edges)
    assert {r.prefixlen for r in ranges} == {30}
    assert addressing.disjoint(ranges)


def test_a_circuit_added_at_the_end_leaves_the_addresses_of_the_others() -> None:
    before = hub_network.peerings(shipped(), "valencia", "prod")
    new = CloudEdge("valencia-edge-3", "valencia", "spaincentral", "isp-europe", 1_000_000_000, "Madrid")
    grown = replace(shipped(), cloud_edges={**shipped().cloud_edges, new.id: new})
    after = hub_network.peerings(grown, "valencia", "prod")
    assert {k: after[k] for k in before} == dict(before)
    assert new.id in after


@given(st.text(min_size=32, max_size=64), st.text(min_size=1, max_size=20))
def test_a_peering_key_is_what_azure_takes_and_differs_by_circuit(seed: str, circuit: str) -> None:
    key = hub_network.peering_key(seed, circuit)
    assert len(key) <= 25
    assert key.isascii()
    assert key.isalnum()
    assert key != hub_network.peering_key(seed, circuit + "x")
