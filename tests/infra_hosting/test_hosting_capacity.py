"""Where machines run, and what a cluster that cannot carry them says."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

import pytest
from hosting_support import SECRETS, application, machine, shipped, with_applications
from hypothesis import given
from hypothesis import strategies as st

from infra import programme
from infra.core import hosting
from infra.core.errors import InfraError
from infra.core.hosting import Load, Node

HUBS = ("valencia", "brindisi")


def refused(stack: str = "hub-valencia-prod", tables: object = None, **config: str) -> str:
    kind, _, environment = stack.rpartition("-")
    raw = {"layer": kind, "environment": environment, **SECRETS, **config}
    with pytest.raises(InfraError) as caught:
        programme.prepare(raw, stack, tables or shipped())  # type: ignore[arg-type]
    return str(caught.value)


def test_every_machine_of_every_application_runs_at_its_home_hub() -> None:
    for a in shipped().applications.values():
        here = [m for m in hosting.machines(shipped(), a.home_hub) if m.application is a]
        assert len(here) == sum(m.count for m in a.machines)
        assert {m.role for m in here} <= {"home"}


def test_the_standby_hub_keeps_one_machine_of_each_kind_of_tier_1_and_none_of_other_tiers() -> None:
    for a in shipped().applications.values():
        there = [m for m in hosting.machines(shipped(), a.standby_hub) if m.application is a]
        assert len(there) == (len(a.machines) if a.tier == 1 else 0)


def test_each_hub_carries_the_other_hubs_tier_1_in_full_on_the_worst_day() -> None:
    tables = with_applications(
        application("own", home="valencia", machines=[machine(count=2)]),
        application("guest", home="brindisi", machines=[machine(count=3)]),
        application("left-out", home="brindisi", tier=2, machines=[machine(count=9)]),
    )
    worst = hosting.worst_day(tables, "valencia")
    assert {name: load.cpus for name, load in worst.items()} == {"own": 8, "guest": 12}


def test_the_shipped_applications_fit_both_hubs_with_a_node_lost() -> None:
    for hub in HUBS:
        for environment in ("prod",):
            raw = {"layer": f"hub-{hub}", "environment": environment, **SECRETS}
            context = programme.prepare(raw, f"hub-{hub}-{environment}", shipped())
            for name, used, most, _ in context.settings.figures(shipped()):
                assert 0 < used <= most, name


def test_an_application_that_does_not_fit_is_named_with_figure_and_limit() -> None:
    tables = with_applications(
        application("small", machines=[machine(memory=64)]),
        application("giant", tier=2, machines=[machine(name="db", memory=2900)]),
    )
    text = refused(tables=tables)
    assert "applications.yaml: giant is 'memory: 2900 GiB, 3012 GiB with everything before it'" in text
    assert "with one of 4 nodes down and the other hub's tier 1 here, the cluster has 2880 GiB" in text
    assert "small" not in text


def test_tier_1_is_placed_first_so_that_a_lower_tier_is_the_one_that_does_not_fit() -> None:
    tables = with_applications(
        application("archive", tier=3, machines=[machine(disk=50_000)]),
        application("ledger", tier=1, machines=[machine(disk=50_000)]),
    )
    text = refused(tables=tables)
    assert "applications.yaml: archive is 'disk:" in text
    assert "applications.yaml: ledger" not in text


def test_a_cluster_of_one_node_has_no_reserve() -> None:
    text = refused(nodes='[{"name": "only", "cores": 512, "memoryGb": 8192}]')
    assert "nodes is '1': one node has no reserve for the day that it fails" in text


loads = st.builds(Load, st.integers(0, 64), st.integers(0, 512), st.integers(0, 4096))
nodes = st.lists(st.builds(Node, st.integers(4, 64), st.integers(32, 1024)), min_size=2, max_size=16)


@given(st.dictionaries(st.text("abc", min_size=1), loads, max_size=12), nodes, st.integers(0, 8000))
def test_a_cluster_is_refused_exactly_when_something_runs_out(
    wanted: dict[str, Load], cluster: list[Node], disk: int
) -> None:
    there = hosting.usable(cluster, disk, 3.0, 32)
    found = list(hosting.unfit("s", wanted, there, hosting.NOTHING, len(cluster)))
    total = hosting.NOTHING
    for load in wanted.values():
        total += load
    broken = [total.cpus > there.cpus, total.memory_gb > there.memory_gb, total.disk_gb > there.disk_gb]
    assert len(found) == sum(broken)
    assert all(p.key.removeprefix("applications.yaml: ") in wanted for p in found)


@given(nodes)
def test_what_is_usable_is_what_remains_when_the_largest_node_is_lost(cluster: list[Node]) -> None:
    there = hosting.usable(cluster, 100, 1.0, 32)
    for lost in range(len(cluster)):
        left = [n for i, n in enumerate(cluster) if i != lost]
        assert there.cpus <= sum(n.cores for n in left)
        assert there.memory_gb <= sum(max(0, n.memory_gb - 32) for n in left)


def test_host_names_are_unique_over_both_hubs_and_fit_the_directory() -> None:
    names = [m.computer for hub in HUBS for m in hosting.machines(shipped(), hub)]
    assert len(set(names)) == len(names)
    assert max(map(len, names)) <= 15


def test_two_applications_whose_host_names_would_be_equal_are_both_named() -> None:
    tables = with_applications(
        application("payroll-old", machines=[machine()]), application("payroll-new", machines=[machine()])
    )
    text = refused(tables=tables)
    assert (
        "applications.yaml: payroll-old.machines.app is 'va-payrol-app1': 2 machines would have this host name" in text
    )
    assert "applications.yaml: payroll-new.machines.app" in text


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (
            {"fixedAddresses": '{"dns-resolver-9": "10.240.16.9"}'},
            "fixedAddresses.dns-resolver-9 is '10.240.16.9': no machine",
        ),
        ({"fixedAddresses": '{"dns-resolver-1": "10.240.99.9"}'}, "fixed addresses of tier1 lie in 10.240.16.0/20"),
        ({"fixedAddresses": '{"dns-resolver-1": "10.240.20.9"}'}, "after 10.240.16.1 and before 10.240.16.128"),
        ({"vlans": '{"management": 1, "tier1": 2, "tier2": 3, "tier3": 4}'}, "vlans.aks: is missing"),
        (
            {"vlans": '{"management": 1, "tier1": 2, "tier2": 3, "tier3": 4, "aks": 5, "x": 6}'},
            "vlans.x: there is no such",
        ),
        ({"edgeVlans": '{"valencia-edge-1": 5000}'}, "edgeVlans.valencia-edge-1 is '5000': a VLAN is 1 to 4094"),
        ({"orderedCircuits": '["brindisi-edge-1"]'}, "orderedCircuits.brindisi-edge-1: there is no such thing"),
        ({"edgeAsn": "65515"}, "edgeAsn is '65515': 65515 to 65520 are Azure's own"),
        ({"controlPlaneNodes": "2"}, "an even number cannot outvote a fault"),
        ({"storagePaths": '{"machines": "C:\\\\x"}'}, "storagePaths.images: is missing"),
        ({"metadataRegion": "eastus"}, "metadataRegion is 'eastus'"),
        ({"nodez": "[]"}, "did you mean 'nodes'?"),
    ],
)
def test_a_wrong_key_is_refused_with_what_is_allowed(config: dict[str, str], said: str) -> None:
    assert said in refused(**config)


def test_two_circuits_over_one_carrier_or_one_place_are_refused() -> None:
    edges = {k: replace(e, carrier="isp-europe", peering_location="Madrid") for k, e in shipped().cloud_edges.items()}
    text = refused(tables=replace(shipped(), cloud_edges=edges))
    assert "cloud_edges.csv: valencia.carrier is 'isp-europe': the hub's 2 circuits share one carrier" in text
    assert "cloud_edges.csv: valencia.peering_location is 'Madrid'" in text


def test_a_rate_that_is_not_sold_is_refused_with_those_that_are() -> None:
    edges = {k: replace(e, rate_bps=3_000_000_000) for k, e in shipped().cloud_edges.items()}
    text = refused(tables=replace(shipped(), cloud_edges=edges))
    assert "cloud_edges.csv: valencia-edge-1.rate_mbps is '3000 Mbit/s': is not sold; ExpressRoute has 50, 100" in text


def test_one_address_given_to_two_machines_is_refused() -> None:
    found = list(
        hosting.fixed_addresses(
            "s",
            shipped(),
            "brindisi",
            "prod",
            {"dns-resolver-1": IPv4Address("10.241.16.9"), "dns-resolver-2": IPv4Address("10.241.16.9")},
        )
    )
    assert [p.rule for p in found] == ["is given to two machines"] * 2
