"""The pure core: stacks, names, addresses, capacity, limits, lanes, keys. No Pulumi here, and none is imported."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from dataclasses import replace
from ipaddress import IPv4Network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import inventory
from infra.core import addressing, arm, capacity, firewall_rules, limits
from infra.core.errors import InfraError
from infra.core.lanes import lane_of, predecessors
from infra.core.names import Names
from infra.core.outputs import OUTPUTS, names_of
from infra.core.site_keys import derive
from infra.core.stacks import ENVIRONMENTS, KINDS, NEEDS, StackId, all_stacks, in_order, parse
from infra.core.tags import MOST, REQUIRED, tags
from infra.settings import settings_of
from inventory import Circuit, Inventory, Site

CONNECTIVITY = StackId("connectivity", "prod")
SHIPPED = inventory.load(inventory.packaged_tables())


@pytest.fixture
def shipped() -> Inventory:
    return SHIPPED


def settings(kind: str = "connectivity", **more: str):
    layer = {"connectivity": "connectivity", "sites": "sites-europe-1"}[kind]
    return settings_of(kind, {"layer": layer, "environment": "prod", **more}, f"{layer}-prod")


def test_the_pure_core_imports_no_pulumi() -> None:
    core = Path(addressing.__file__).parent
    modules = sorted(f"infra.core.{p.stem}" for p in core.glob("*.py") if p.stem != "__init__")
    assert len(modules) > 10
    code = f"import sys, {', '.join(modules)}; sys.exit('pulumi' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_programme_is_a_list_that_is_read_in_a_minute() -> None:
    programmes = [p for p in (Path(addressing.__file__).parents[1] / "programmes").glob("*.py") if p.stem != "__init__"]
    assert {p.stem for p in programmes} == set(KINDS)
    assert all(len(p.read_text().splitlines()) <= 60 for p in programmes)


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_a_stack_name_says_its_parts_and_back(shipped: Inventory, environment) -> None:
    stacks = all_stacks(shipped, environment)
    assert [parse(s.name) for s in stacks] == stacks
    assert Counter(s.kind for s in stacks) == {"sites": 15, "hub": 2, "noc": 2} | dict.fromkeys(
        ("bootstrap", "governance", "connectivity", "continuity"), 1
    )


@pytest.mark.parametrize(
    "name", ["connectivity", "connectivity-test", "sites-prod", "connectivity-valencia-prod", "vwan-prod", ""]
)
def test_a_name_that_is_no_stack_is_refused_with_the_layers_there_are(name: str) -> None:
    with pytest.raises(InfraError, match=r"a stack is named <layer>-<dev\|prod>, the layers are bootstrap"):
        parse(name)


def test_what_a_stack_needs_is_deployed_before_it(shipped: Inventory) -> None:
    ordered = in_order(reversed(all_stacks(shipped, "prod")))
    for position, stack in enumerate(ordered):
        assert not {s.kind for s in ordered[position:]} & set(NEEDS[stack.kind])


def test_output_names_are_unique_and_flat_for_every_layer(shipped: Inventory) -> None:
    for kind in KINDS:
        names = names_of(kind, shipped.hubs)
        assert len(names) == len(set(names))
        assert names[0] == "version"
        assert not any("{" in n for n in names), OUTPUTS[kind]


@pytest.mark.parametrize(
    ("kind", "parts", "expected"),
    [
        ("rg", ("connectivity",), "rg-connectivity-prod"),
        ("kv", ("site",), "kv-wo-site-prod"),
        ("st", ("flow", "valencia"), "stwoflowvalenciaprod"),
        ("vst", ("pk-islamabad",), "vst-pk-islamabad-prod"),
    ],
)
def test_names_are_explicit_and_readable(kind: str, parts: tuple[str, ...], expected: str) -> None:
    assert Names("wo", "prod").of(kind, *parts) == expected


@pytest.mark.parametrize(("kind", "part"), [("st", "much-too-long-for-an-account"), ("kv", "a" * 24), ("rg", "Upper")])
def test_a_name_that_azure_would_refuse_is_refused_here(kind: str, part: str) -> None:
    with pytest.raises(InfraError, match="cannot be used in Azure"):
        Names("wo", "prod").of(kind, part)


def test_every_site_has_a_name_that_azure_takes(shipped: Inventory) -> None:
    names = Names("wwwwww", "prod")
    for site in shipped.sites:
        assert names.of("vcn", site, "valencia") != names.of("vcn", site, "brindisi")


def test_no_tag_is_forgotten_and_none_too_many() -> None:
    found = tags("prod", "sites", "team", "cc", "unclassified", site="x", hub="")
    assert set(found) == {*REQUIRED, "site"}
    with pytest.raises(ValueError, match="tags on one resource"):
        tags("prod", "sites", "team", "cc", "unclassified", **{f"t{n}": "x" for n in range(MOST)})


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_azure_ranges_overlap_nothing_of_the_inventory_nor_each_other(shipped: Inventory, environment) -> None:
    assert addressing.overlaps(shipped, environment, "x") == []
    plans = [addressing.plan(shipped, e) for e in ENVIRONMENTS]
    cut = [r for plan in plans for r in plan.values()]
    parts = [n for r in cut for n in (r.virtual_hub, r.services, r.continuity, r.noc, r.recovery, r.rehearsal)]
    assert addressing.disjoint(parts)
    assert addressing.disjoint([r.all for r in cut])
    assert all(r.virtual_hub.prefixlen == 23 for r in cut)


def test_a_site_prefix_inside_azure_is_named_with_its_row(shipped: Inventory) -> None:
    site = shipped.sites["pk-islamabad"]
    wrong = replace(site, prefixes=(*site.prefixes, IPv4Network("10.249.8.0/24")))
    problems = addressing.overlaps(replace(shipped, sites={**shipped.sites, site.id: wrong}), "prod", "x")
    assert [(p.key, p.value) for p in problems] == [("sites.csv: pk-islamabad", "10.249.8.0/24")]


@given(st.sets(st.tuples(st.integers(0, 2**16 - 1), st.integers(20, 28)), max_size=30))
def test_disjoint_agrees_with_a_comparison_of_all_pairs(raw: set[tuple[int, int]]) -> None:
    networks = [IPv4Network(((10 << 24) + (n << 12), length), strict=False) for n, length in raw]
    pairs = [(a, b) for i, a in enumerate(networks) for b in networks[i + 1 :]]
    assert addressing.disjoint(networks) == (not any(a.overlaps(b) for a, b in pairs))


@given(st.integers(0, 15), st.sampled_from(["services", "noc", "continuity"]))
def test_subnets_lie_inside_their_spoke(index: int, spoke: str) -> None:
    for ranges in addressing.plan(SHIPPED, "prod").values():
        assert ranges.subnet(spoke, index, 27).subnet_of(getattr(ranges, spoke))


def test_each_hub_carries_all_sites_alone(shipped: Inventory) -> None:
    units = capacity.vpn_scale_units(shipped)
    promised = sum(c.committed_bps for c in shipped.circuits.values())
    assert units * 500e6 >= promised > (units - 1) * 500e6
    assert units <= 40


def test_the_shipped_network_breaks_no_limit_and_its_split_is_even(shipped: Inventory) -> None:
    stacks = [s for s in all_stacks(shipped, "prod") if s.kind in ("connectivity", "sites")]
    for stack in stacks:
        assert limits.check(stack, settings(), shipped) == []
        assert all(h.left >= 0 for h in limits.headroom(stack, settings(), shipped))
    assert limits.warnings(shipped) == []


def with_circuits(known: Inventory, count: int) -> Inventory:
    """The inventory with made-up circuits at its sites until there are `count`."""
    circuits: dict[str, Circuit] = dict(known.circuits)
    model = next(iter(circuits.values()))
    sites = list(known.sites)
    while len(circuits) < count:
        number = len(circuits)
        circuits[f"extra-{number}"] = replace(
            model, id=f"extra-{number}", site=sites[number % len(sites)], committed_bps=0
        )
    return replace(known, circuits=circuits)


def test_the_1001st_link_connection_names_the_site_that_goes_past_the_gateway(shipped: Inventory) -> None:
    assert limits.check(CONNECTIVITY, settings(), with_circuits(shipped, 1000)) == []
    problems = limits.check(CONNECTIVITY, settings(), with_circuits(shipped, 1001))
    assert [p.key.split(":")[0] for p in problems] == ["sites.csv", "sites.csv"]  # one for each hub
    assert "is link connection 1001 of gateway valencia, which holds 1000 (1001 wanted)" in problems[0].rule


def test_a_site_with_nine_prefixes_is_refused_by_its_shard_only(shipped: Inventory) -> None:
    site = next(s for s in shipped.sites.values() if s.shard == "europe-1")
    nine = replace(site, prefixes=tuple(IPv4Network(f"10.47.{n}.0/24") for n in range(9)))
    known = replace(shipped, sites={**shipped.sites, site.id: nine})
    (problem,) = limits.check(StackId("sites", "prod", "europe-1"), settings(), known)
    assert problem.key == f"sites.csv: {site.id}"
    assert problem.value == "9 prefixes"
    assert limits.check(StackId("sites", "prod", "europe-2"), settings(), known) == []


def changed(known: Inventory, **columns: object) -> Inventory:
    site = known.sites["pk-islamabad"]
    return replace(known, sites={**known.sites, site.id: replace(site, **columns)})


@pytest.mark.parametrize(
    ("known", "key", "rule"),
    [
        (lambda i: changed(i, preferred_hub="atlantis"), "sites.csv: pk-islamabad", "there is no such hub"),
        (
            lambda i: replace(i, hubs={**i.hubs, "valencia": replace(i.hubs["valencia"], azure_region="eastus")}),
            "hubs.yaml: valencia.azure_region",
            "data may only be in spaincentral and italynorth",
        ),
        (
            lambda i: replace(
                i, circuits={k: replace(c, committed_bps=c.committed_bps * 2) for k, c in i.circuits.items()}
            ),
            "VPN gateway",
            "each hub must carry all alone",
        ),
        (
            lambda i: replace(
                i,
                cloud_edges={
                    f"e{n}": replace(next(iter(i.cloud_edges.values())), id=f"e{n}", rate_bps=1) for n in range(9)
                },
            ),
            "ExpressRoute circuits, valencia",
            "at most 8",
        ),
    ],
)
def test_a_broken_limit_names_what_breaks_it(shipped: Inventory, known, key: str, rule: str) -> None:
    problems = limits.check(CONNECTIVITY, settings(), known(shipped))
    assert [p for p in problems if p.key == key and rule in p.rule], problems


def test_too_few_scale_units_are_refused_in_prod(shipped: Inventory) -> None:
    (problem,) = limits.check(CONNECTIVITY, settings(vpnUnits="3"), shipped)
    assert problem.key == "vpnUnits"


def test_a_lopsided_split_is_warned_of(shipped: Inventory) -> None:
    sites = {k: replace(s, preferred_hub="valencia") for k, s in shipped.sites.items()}
    assert "valencia is preferred by 594 of 594" in limits.warnings(replace(shipped, sites=sites))[0]


@given(st.lists(st.text("abcdefgh-", min_size=1, max_size=8), unique=True, max_size=40), st.integers(1, 8))
def test_lanes_are_chains_that_hold_every_site_once(sites: list[str], lanes: int) -> None:
    before = predecessors(sites, lanes)
    assert set(before) == set(sites)
    used = [p for p in before.values() if p is not None]
    assert len(used) == len(set(used))
    assert sum(p is None for p in before.values()) == len({lane_of(s, lanes) for s in sites})
    assert all(lane_of(s, lanes) == lane_of(p, lanes) for s, p in before.items() if p is not None)


@given(st.lists(st.text("abcdefgh", min_size=1, max_size=6), unique=True, min_size=2, max_size=30), st.integers(1, 4))
def test_removing_a_site_moves_no_other_site_to_another_lane(sites: list[str], lanes: int) -> None:
    gone, *rest = sites
    with_it, without = predecessors(sites, lanes), predecessors(rest, lanes)
    assert {s for s in rest if with_it[s] != without[s]} <= {s for s in rest if with_it[s] == gone}


def test_a_key_depends_on_its_tunnel_and_generation_alone() -> None:
    keys = {
        derive(seed, circuit, hub, generation)
        for seed in ("a" * 32, "b" * 32)
        for circuit in ("x.a", "x.b")
        for hub in ("valencia", "brindisi")
        for generation in (1, 2)
    }
    assert len(keys) == 16
    assert all(len(k) == 43 and k.isascii() for k in keys)
    assert derive("a" * 32, "x.a", "valencia", 1) == derive("a" * 32, "x.a", "valencia", 1)


def test_firewall_groups_hold_every_prefix_of_the_network(shipped: Inventory) -> None:
    groups = firewall_rules.groups(shipped, "prod")
    sites = [IPv4Network(p) for p in groups["sites"]]
    for site in shipped.sites.values():
        assert all(any(p.subnet_of(n) for n in sites) for p in site.prefixes), site.id
    used = {g for _, rules in firewall_rules.RULES.values() for r in rules for g in (*r.sources, *r.destinations)}
    assert used == set(groups)


def test_an_arm_id_is_made_from_explicit_names_only() -> None:
    inputs = {"resourceGroupName": "rg", "gatewayName": "g", "connectionName": "c"}
    group = f"/subscriptions/{arm.NO_SUBSCRIPTION}/resourceGroups/rg"
    expected = f"{group}/providers/Microsoft.Network/vpnGateways/g/vpnConnections/c"
    assert arm.resource_id("azure-native:network:VpnConnection", inputs) == expected
    assert arm.arm_type("azure-native:network:VpnConnection").arm_type == "Microsoft.Network/vpnGateways/vpnConnections"
    with pytest.raises(InfraError, match="'connectionName' is missing"):
        arm.resource_id("azure-native:network:VpnConnection", {**inputs, "connectionName": ""})
    with pytest.raises(InfraError, match=r"has no row in infra/core/arm_types\.csv"):
        arm.resource_id("azure-native:network:Unheard", inputs)


def test_bad_configuration_is_one_list_of_everything_that_is_wrong() -> None:
    raw = {"layer": "sites-europe-1", "environment": "prod", "lanse": "2", "keyGeneration": "none", "owner": "x"}
    with pytest.raises(InfraError) as error:
        settings_of("sites", raw, "sites-europe-1-prod")
    assert [(p.key, p.rule) for p in error.value.problems] == [
        ("lanse", "is not a configuration key of this layer"),
        ("owner", "string should have at least 2 characters"),
        ("siteKeySeed", "secret is missing"),
        ("keyGeneration", "input should be a valid integer"),
    ]
    assert error.value.problems[0].remedy == "did you mean 'lanes'?"
    assert error.value.problems[2].remedy == "pulumi config set --secret siteKeySeed VALUE -s sites-europe-1-prod"


def test_a_bad_secret_is_never_shown() -> None:
    raw = {"layer": "sites-europe-1", "environment": "prod", "siteKeySeed": "hunter2-short"}
    with pytest.raises(InfraError) as error:
        settings_of("sites", raw, "sites-europe-1-prod")
    assert "hunter2" not in str(error.value)
    assert "siteKeySeed" in str(error.value)


def test_sites_of_the_model_have_what_the_programme_reads() -> None:
    assert {"asn", "shard", "prefixes", "preferred_hub"} <= set(Site.__dataclass_fields__)
