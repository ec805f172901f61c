"""Settings of the right type that make no sense: refused before any resource, with their key."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

import inventory
from infra import programme
from infra.core.errors import InfraError
from infra.core.stacks import parse

SHIPPED = inventory.load(inventory.packaged_tables())
TODAY = date(2026, 11, 21)
SECRETS = {"sites": {"siteKeySeed": "a seed of more than thirty-two characters"}}


def refused(stack: str, known: inventory.Inventory | None = SHIPPED, **values: str) -> InfraError:
    parsed = parse(stack)
    raw = {"layer": parsed.layer, "environment": parsed.environment, **SECRETS.get(parsed.kind, {}), **values}
    with pytest.raises(InfraError) as caught:
        programme.prepare(raw, stack, known, TODAY)
    assert caught.value.problems
    assert all(p.stack == stack for p in caught.value.problems)
    return caught.value


@pytest.mark.parametrize(
    ("stack", "key", "value", "said"),
    [
        ("governance-prod", "allowedLocations", '["spaincentral","eastus"]', "'eastus': data may not be there"),
        ("governance-prod", "managedGroups", '["*"]', "'*': would let everything through"),
        ("governance-prod", "managedGroups", '["MC_*_*"]', "Azure takes one *"),
        ("governance-prod", "machineSizes", '["?*"]', "would let everything through"),
        ("governance-prod", "storageSkus", '[""]', "would let everything through"),
        ("governance-prod", "budgets", '{"wan": true}', "valid integer"),
        ("continuity-prod", "wanPrefixes", '["0.0.0.0/0"]', "is no private range"),
        ("continuity-prod", "wanPrefixes", '["10.0.0.0/8","8.8.8.0/24"]', "'8.8.8.0/24': is no private range"),
        ("continuity-prod", "wanPrefixes", "[167772160]", "must be text"),
        ("continuity-prod", "serviceDomain", "a" * 64 + ".example", "1 to 63 letters"),
        ("connectivity-prod", "dnsServers", '{"oslo": ["10.1.1.1"]}', "dnsServers.oslo: there is no such hub"),
        ("connectivity-prod", "dnsServers", '{"valencia": ["ns1.example"]}', "dnsServers.valencia.0"),
        ("connectivity-prod", "dnsServers", '{"valencia": ["127.0.0.1"]}', "is no address of a server"),
        ("connectivity-prod", "dnsServers", '{"valencia": []}', "at least 1 item"),
        ("connectivity-prod", "internalDomain", "-a.example", "no hyphen at either end"),
        ("connectivity-prod", "vpnUnits", "true", "valid integer"),
        ("connectivity-prod", "vpnUnits", "1.0", "valid integer"),
        ("connectivity-prod", "owner", "x" * 257, "at most 256 characters"),
        ("connectivity-prod", "costCentre", "x" * 257, "at most 256 characters"),
        ("sites-europe-1-prod", "cpeDomain", ".".join(["a" * 60] * 5), "at most 253 characters"),
        ("sites-europe-1-prod", "keyGenerations", '{"no-such-site": 2}', "keyGenerations.no-such-site: is no site of"),
        ("sites-europe-1-prod", "keyGenerations", '{"pk-islamabad": 2}', "is no site of shard europe-1"),
        ("sites-europe-1-prod", "query", "foo=bar", "query is 'foo=bar': 'foo' in 'foo=bar' is not a key"),
        ("bootstrap-prod", "bootstrapUntil", "86400", "must be text"),
        ("hub-valencia-prod", "nodes", "[" * 100_000, "nodes"),
    ],
)
def test_a_setting_without_sense_is_refused_with_its_key(stack: str, key: str, value: str, said: str) -> None:
    error = refused(stack, **{key: value})
    assert said in str(error), str(error)
    assert {p.key.partition(".")[0] for p in error.problems} >= {key}


@pytest.mark.parametrize("generation", ["0", "true", '"2"', "1.5"])
def test_a_generation_is_a_whole_number_from_1(generation: str) -> None:
    site = next(s.id for s in SHIPPED.sites.values() if s.shard == "europe-1")
    error = refused("sites-europe-1-prod", keyGenerations=f'{{"{site}": {generation}}}')
    assert error.problems[0].key == f"keyGenerations.{site}"


def test_what_makes_sense_passes() -> None:
    site = next(s.id for s in SHIPPED.sites.values() if s.shard == "europe-1")
    for stack, values in (
        ("governance-dev", {"allowedLocations": '["italynorth","global"]', "managedGroups": '["MC_*"]'}),
        ("continuity-dev", {"wanPrefixes": '["10.0.0.0/8","100.64.0.0/10","192.168.4.0/24"]'}),
        ("connectivity-dev", {"dnsServers": '{"valencia": ["10.1.1.1"]}', "owner": "x" * 256}),
        ("sites-europe-1-dev", {"keyGenerations": json.dumps({site: 2}), "query": "kind=office"}),
    ):
        parsed = parse(stack)
        raw = {"layer": parsed.layer, "environment": "dev", **SECRETS.get(parsed.kind, {}), **values}
        assert programme.prepare(raw, stack, SHIPPED, TODAY).stack == parsed


def test_two_hubs_in_one_region_are_refused_and_one_hub_alone_too() -> None:
    first, second = SHIPPED.hubs.values()
    together = {first.id: first, second.id: replace(second, azure_region=first.azure_region)}
    error = refused("connectivity-prod", replace(SHIPPED, hubs=together))
    assert error.problems[0].key == f"hubs.yaml: {second.id}.azure_region"
    assert f"is the region of hub {first.id} too" in error.problems[0].rule
    alone = refused("bootstrap-prod", replace(SHIPPED, hubs={first.id: first}))
    assert any("2 hubs are needed" in p.rule for p in alone.problems)


def test_a_stack_without_layer_or_with_anothers_is_a_problem_of_that_key() -> None:
    with pytest.raises(InfraError) as caught:
        programme.prepare({}, "connectivity-prod", SHIPPED, TODAY)
    assert [p.key for p in caught.value.problems] == ["wan-noc:layer", "wan-noc:environment"]
    assert "there is no stack" not in str(caught.value)
    with pytest.raises(InfraError, match="has the configuration of governance-prod") as caught:
        programme.prepare({"layer": "governance", "environment": "prod"}, "connectivity-prod", SHIPPED, TODAY)
    assert caught.value.problems[0].key == "layer"
    with pytest.raises(InfraError, match="there is no stack 'vwan-prod'") as caught:
        programme.prepare({"layer": "vwan", "environment": "prod"}, "connectivity-prod", SHIPPED, TODAY)
    assert caught.value.problems[0].value == "vwan"


@pytest.mark.parametrize("folder", ["no/such/folder", "Pulumi.yaml", "x" * 5000, "a\0b"])
def test_a_folder_of_tables_that_does_not_exist_is_a_problem(folder: str) -> None:
    (problem,) = refused("connectivity-prod", None, inventory=folder).problems
    assert (problem.key, problem.rule) == ("inventory", "there is no such folder")


def test_tables_are_read_once_for_all_stacks_that_name_them() -> None:
    assert programme.tables("inventory", "x") is programme.tables("inventory", "y")
    assert Path(programme.ROOT / "inventory").is_dir()
