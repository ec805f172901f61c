"""What a month costs: tables that can be trusted, quantities from inputs, and honesty about what is not known."""

from __future__ import annotations

import csv
from datetime import date
from pathlib import Path

import pytest
from graph_samples import graph, resource, wan
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.core.errors import InfraError
from infra.cost import PRICED_AT_LEAST, PriceTable, estimate, load, text
from infra.cost.prices import FREE, PRICES
from infra.cost.rates import RATES, cores_of, uses
from infra.graph.model import Json
from infra.graph.world import World

TODAY = date(2026, 11, 21)


@pytest.fixture(scope="module")
def table() -> PriceTable:
    return load(TODAY)


def used(token: str, table: PriceTable, **inputs: Json) -> dict[str, float]:
    """What a month of one resource uses, by meter."""
    found = uses(resource("connectivity-prod", token, "x", **inputs), table.usage)
    assert found is not None
    return {u.meter: round(u.quantity, 3) for u in found}


@pytest.mark.parametrize(
    ("token", "inputs", "expected"),
    [
        ("network:VpnGateway", {"vpnGatewayScaleUnit": 24}, {"vwan.vpn.scale-unit": 24 * 730}),
        ("network:VpnGateway", {}, {"vwan.vpn.scale-unit": 730}),
        (
            "network:ExpressRouteGateway",
            {"autoScaleConfiguration": {"bounds": {"min": 7}}},
            {"vwan.er.scale-unit": 5 * 730, "vwan.er.scale-unit.over-5": 2 * 730},
        ),
        ("network:ExpressRouteConnection", {}, {"vwan.er.connection": 730}),
        ("dnsresolver:InboundEndpoint", {}, {"dns.resolver-endpoint": 1}),
        ("containerregistry:Registry", {"sku": {"name": "Premium"}}, {"registry.Premium": 30.417}),
        (
            "containerservice:AgentPool",
            {"count": 3, "vmSize": "Standard_D4ds_v5", "osDiskSizeGB": 128},
            {"vm.vcpu.D": 3 * 4 * 730, "disk.premium": 3 * 128},
        ),
        (
            "containerservice:AgentPool",
            {"count": 2, "vmSize": "Standard_E8s_v5", "osDiskSizeGB": 128, "osDiskType": "Ephemeral"},
            {"vm.vcpu.E": 2 * 8 * 730},
        ),
        ("keyvault:Key", {"properties": {"kty": "RSA"}}, {}),
        ("keyvault:Key", {"properties": {"kty": "RSA-HSM", "keySize": 3072}}, {"key-vault.hsm-key": 1}),
        ("keyvault:Key", {"properties": {"kty": "RSA-HSM", "keySize": 2048}}, {"key-vault.hsm-key.RSA-2048": 1}),
        ("trafficmanager:Endpoint", {"endpointType": "ExternalEndpoints"}, {"traffic-manager.check.external": 1}),
        ("trafficmanager:Endpoint", {"endpointType": "NestedEndpoints"}, {"traffic-manager.check.azure": 1}),
    ],
)
def test_quantities_come_from_inputs(
    token: str, inputs: dict[str, Json], expected: dict[str, float], table: PriceTable
) -> None:
    assert used(token, table, **inputs) == expected


def test_zone_redundancy_doubles_a_database(table: PriceTable) -> None:
    size: dict[str, Json] = {
        "sku": {"name": "Standard_D4ds_v5", "tier": "GeneralPurpose"},
        "storage": {"storageSizeGB": 256},
        "backup": {"backupRetentionDays": 7},
    }
    alone = used("dbforpostgresql:Server", table, **size, highAvailability={"mode": "Disabled"})
    doubled = used("dbforpostgresql:Server", table, **size, highAvailability={"mode": "ZoneRedundant"})
    assert alone == {"postgres.vcore.GeneralPurpose": 4 * 730, "postgres.storage": 256}
    assert doubled == {meter: 2 * quantity for meter, quantity in alone.items()}


def test_a_standby_connection_carries_no_traffic(table: PriceTable) -> None:
    links: Json = [{"connectionBandwidth": 10}, {"connectionBandwidth": 4}]
    preferred = used("network:VpnConnection", table, vpnLinkConnections=links)
    standby = used(
        "network:VpnConnection", table, vpnLinkConnections=links, routingConfiguration={"inboundRouteMap": {"id": "/x"}}
    )
    assert standby == {"vwan.vpn.connection": 730}
    # 10 Mbit/s, a twentieth of it, for 730 h, in GB
    assert preferred == {"vwan.vpn.connection": 730, "internet.data": round(10e6 * 0.05 * 730 * 3600 / 8 / 1e9, 3)}


@pytest.mark.parametrize(
    ("size", "cores"), [("Standard_D4ds_v5", 4), ("Standard_E16s_v5", 16), ("Standard_B2ms", 2), ("strange", 0)]
)
def test_a_size_tells_its_cores(size: str, cores: float) -> None:
    assert cores_of(size) == cores


def test_an_expired_table_stops_cost_with_its_remedy(table: PriceTable) -> None:
    load(table.valid_until)
    with pytest.raises(InfraError, match="has expired") as caught:
        load(date.fromordinal(table.valid_until.toordinal() + 1))
    (problem,) = caught.value.problems
    assert (problem.key, problem.value) == ("prices.csv", str(table.valid_until))
    assert "set valid_until" in problem.remedy


HEAD = "# valid_until: 2030-01-01\nmeter,unit,price,currency,quality,source,date\n"


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (HEAD + "a,hour,x,USD,list,s,2026-01-01\n", "could not convert"),
        (HEAD + "a,hour,-1,USD,list,s,2026-01-01\n", "not negative"),
        (HEAD + "a,hour,1,USD,rumour,s,2026-01-01\n", "quality is list, other-region, estimate"),
        (HEAD + "a,hour,1,USD,list,,2026-01-01\n", "has a source"),
        (HEAD + "a,hour,1,USD,list,s,yesterday\n", "isoformat"),
        (HEAD + "a,hour,1,USD,list,s,2026-01-01\na,hour,1,USD,list,s,2026-01-01\n", "there twice"),
        (HEAD + "a,hour,1,USD,list,s,2026-01-01\nb,hour,1,EUR,list,s,2026-01-01\n", "in one currency"),
        ("meter\n", "no date of validity"),
    ],
)
def test_a_wrong_table_is_refused_with_its_place(content: str, fault: str, tmp_path: Path) -> None:
    path = tmp_path / "prices.csv"
    path.write_text(content)
    with pytest.raises(InfraError, match=fault):
        load(TODAY, prices=path)


def test_every_price_has_a_source_and_is_older_than_the_table(table: PriceTable) -> None:
    assert table.prices
    assert all(p.source and p.dated < table.valid_until for p in table.prices.values())


def test_no_type_is_both_billed_and_free() -> None:
    free = [row["type"] for row in csv.DictReader(FREE.open())]
    assert len(free) == len(set(free))
    assert set(free) & set(RATES) == set()
    assert free == sorted(free, key=str.lower)


def test_every_assumption_is_used_and_says_why(table: PriceTable) -> None:
    source = Path(RATES["network:VpnConnection"].__code__.co_filename).read_text()
    assert [key for key in table.usage if f'"{key}"' not in source] == []


def test_a_type_that_nobody_priced_is_listed_and_counted(table: PriceTable) -> None:
    odd = [resource("connectivity-prod", "quantum:Computer", f"q{n}") for n in range(3)]
    gateway = resource("connectivity-prod", "network:VpnGateway", "g")
    found = estimate([graph("connectivity-prod", [*odd, gateway])], table)
    assert found.unpriced == {"quantum:Computer": 3}
    assert found.priced_share == 0.25
    assert "3 quantum:Computer" in text.text(found, table)


def test_a_meter_without_a_price_makes_its_resource_unpriced(table: PriceTable) -> None:
    circuit = resource(
        "hub-h1-prod", "network:ExpressRouteCircuit", "c", serviceProviderProperties={"bandwidthInMbps": 7}
    )
    found = estimate([graph("hub-h1-prod", [circuit])], table)
    assert found.unpriced == {"network:ExpressRouteCircuit": 1}
    assert found.missing_meters == ("er.circuit.metered.7",)
    assert found.total == 0


def test_shares_say_what_the_sum_rests_on(table: PriceTable) -> None:
    found = estimate(wan().values(), table)
    shares = found.shares()
    assert shares["list"] + shares["other-region"] + shares["estimate"] == pytest.approx(1)
    assert 0 < shares["assumed use"] < 1


@settings(deadline=None)  # machines differ
@given(st.integers(1, 40), st.integers(1, 40))
def test_a_month_grows_with_its_gateway(few: int, more: int) -> None:
    table = load(TODAY)

    def month(units: int) -> float:
        node = resource("connectivity-prod", "network:VpnGateway", "g", vpnGatewayScaleUnit=units)
        return estimate([graph("connectivity-prod", [node])], table).total

    assert (month(few) <= month(more)) == (few <= more)


@pytest.mark.timeout(600)
def test_at_least_four_fifths_of_prod_are_priced(prod: World, table: PriceTable) -> None:
    found = estimate(prod.graphs.values(), table)
    assert found.priced_share >= PRICED_AT_LEAST
    assert found.missing_meters == ()
    assert found.total == pytest.approx(sum(found.of(stack) for stack in prod.graphs))
    assert found.of("connectivity-prod") > 10_000
    budgets = prod.graphs["governance-prod"].of_type("azure-native:consumption:Budget")
    assert all(isinstance(b.inputs["amount"], int | float) and b.inputs["amount"] > found.total for b in budgets)
    assert budgets
    lines = text.text(found, table).splitlines()
    assert max(map(len, lines)) <= text.WIDTH


def test_the_committed_table_says_how_to_renew_it() -> None:
    head = PRICES.read_text().splitlines()[:8]
    assert head[0].startswith("# valid_until: ")
    assert any("Renew" in line for line in head)
