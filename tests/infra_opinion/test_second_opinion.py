"""Microsoft's own models agree with every input of every layer; and would say so if they did not."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from opinion_mutations import Mutant, mutants
from opinion_names import compare_names, paths, rules_of
from opinion_shapes import DATE, DURATION, every_shape, shape_of
from opinion_walker import Fault, compare
from second_opinion import body_of, disagreements, excused, faults, key_of, models, without_model

import inventory
from infra.core.arm import table
from infra.graph import world
from infra.graph.model import Graph, Node

pytestmark = pytest.mark.timeout(300)  # recording an environment and reading 35 packages of models
ENVIRONMENTS: tuple[world.Environment, ...] = ("prod", "dev")


@pytest.fixture(scope="module")
def graphs(small_inventory: Path) -> list[Graph]:
    """Every stack of both environments, with the sites of the small inventory: site inputs differ in values only."""
    known = inventory.load(small_inventory)
    return [g for e in ENVIRONMENTS for g in world.record_environment(e, known).graphs.values()]


@pytest.fixture(scope="module")
def nodes(graphs: list[Graph]) -> list[Node]:
    return [n for g in graphs for n in g.resources]


@pytest.fixture(scope="module")
def samples(nodes: list[Node]) -> dict[str, Node]:
    """For each type with a model, the node that says most."""
    found: dict[str, Node] = {}
    for node in sorted(nodes, key=lambda n: len(json.dumps(n.inputs))):
        if key_of(node) in models():
            found[key_of(node)] = node
    return found


def test_all_layers_are_recorded(graphs: list[Graph]) -> None:
    assert {g.stack.kind for g in graphs if g.stack.environment == "prod"} == {
        "bootstrap",
        "governance",
        "connectivity",
        "sites",
        "hub",
        "continuity",
        "noc",
    }


def test_microsofts_models_find_no_fault_in_any_input(nodes: list[Node]) -> None:
    found = Counter(f"{key_of(n)} {n.name}: {f}" for n in nodes for f in faults(n) if excused(n, f) is None)
    assert not found, "\n".join(sorted(found)[:40])


def test_each_disagreement_with_a_model_still_exists(nodes: list[Node]) -> None:
    used = {e for n in nodes if n.type in {d.token for d in disagreements()} for f in faults(n) if (e := excused(n, f))}
    assert used == set(disagreements())


def test_every_type_is_in_exactly_one_of_the_two_tables() -> None:
    placed = [k.partition("/")[0] for k in (*models(), *without_model())]
    assert set(table()) == set(placed), "a new type gets a model, or a reason why it has none"
    assert not set(models()) & set(without_model())


def test_what_no_package_models_is_listed_by_name(nodes: list[Node]) -> None:
    unmodelled = {key_of(n) for n in nodes} - set(models())
    print("no model of Microsoft's:", *sorted(unmodelled))  # noqa: T201 - the list is the point
    assert unmodelled == set(without_model())
    assert all(len(reason) > 10 for reason in without_model().values())


def test_every_model_that_is_named_can_be_read_to_its_last_leaf() -> None:
    assert all(sum(1 for _ in every_shape(path)) >= 1 for path in models().values())


def broken(node: Node, sort: str) -> Iterator[Mutant]:
    return (m for m in mutants(shape_of(models()[key_of(node)]), body_of(node)) if m.sort == sort)


# (sort of fault, how many mutants there must be at least, so that an empty loop is no proof)
SORTS = (
    ("unknown key", 300),
    ("wrong type", 1000),
    ("read-only", 600),
    ("enumeration", 150),
    ("bounds", 20),
    ("missing", 150),
)


@pytest.mark.parametrize(("sort", "least"), SORTS)
def test_a_broken_input_is_found_wherever_it_is_broken(samples: dict[str, Node], sort: str, least: int) -> None:
    alive, count = [], 0
    for key, node in samples.items():
        shape = shape_of(models()[key])
        for mutant in broken(node, sort):
            count += 1
            found = list(compare(shape, mutant.inputs))
            if not any(f.sort == sort and _same_place(f, mutant) for f in found):
                alive.append(f"{key} {mutant.path}: {[str(f) for f in found][:3]}")
    assert not alive, f"{len(alive)} of {count}\n" + "\n".join(alive[:40])
    assert count >= least


def _same_place(fault: Fault, mutant: Mutant) -> bool:
    return fault.path == mutant.path


def renamed(node: Node, name: str) -> Node:
    return dataclasses.replace(node, id=node.id.rpartition("/")[0] + "/" + name)


def test_a_name_outside_azures_rules_is_found_for_every_type(samples: dict[str, Node]) -> None:
    for key, node in samples.items():
        package = models()[key].partition(".models:")[0]
        assert not list(compare_names(package, node)), key
        assert [f for f in compare_names(package, renamed(node, "not?a#name")) if f.sort == "name"], key


def test_the_clients_own_rules_of_names_are_read(samples: dict[str, Node]) -> None:
    account = samples["azure-native:storage:StorageAccount"]
    package = "azure.mgmt.storage.v2024_01_01"
    texts = [str(f) for f in compare_names(package, renamed(account, "Too-Long-And-Not-Allowed-At-All"))]
    assert any("accountName: name: max_length is 24" in t for t in texts)
    assert any("accountName: name: pattern is ^[a-z0-9]+$" in t for t in texts)
    assert len(paths(package)) > 15


def test_most_types_have_their_path_in_microsofts_client_and_a_quarter_has_rules(samples: dict[str, Node]) -> None:
    found = {k: list(rules_of(models()[k].partition(".models:")[0], n.id)) for k, n in samples.items()}
    assert sum(1 for parts in found.values() if parts) >= 0.9 * len(found)
    assert sum(1 for parts in found.values() if any(r for *_, r in parts)) >= 0.2 * len(found)


@pytest.mark.parametrize(
    ("model", "inputs", "fault"),
    [
        (
            "azure.mgmt.network.models:VpnSite",
            {"location": "italynorth", "vpnSiteLinks": [{"name": "a", "linkProperties": {"linkSpeedInMbps": "9"}}]},
            "vpnSiteLinks[0].linkProperties.linkSpeedInMbps: wrong type: a whole number is needed, found '9'",
        ),
        (
            "azure.mgmt.network.models:VirtualHub",
            {"location": "italynorth", "routingState": "Provisioned"},
            "routingState: read-only: VirtualHub.routingState is answered by Azure, never set",
        ),
        (
            "azure.mgmt.storage.v2024_01_01.models:BlobServiceProperties",
            {"deleteRetentionPolicy": {"enabled": True, "days": 400}},
            "deleteRetentionPolicy.days: bounds: maximum is 365, found 400",
        ),
        (
            "azure.mgmt.keyvault.v2024_11_01.models:VaultCreateOrUpdateParameters",
            {"location": "x", "properties": {"tenantId": "t", "sku": {"family": "A", "name": "Premum"}}},
            "properties.sku.name: enumeration: 'Premum' is not in SkuName: premium, standard",
        ),
        (
            "azure.mgmt.trafficmanager.models:Profile",
            {"location": "global", "dnsConfig": {"relativename": "a", "ttl": 60, "ttll": 1}},
            "dnsConfig.ttll: unknown key: DnsConfig has fqdn, relativeName, ttl",
        ),
        (
            "azure.mgmt.prometheusrulegroups.models:PrometheusRuleGroupResource",
            {"location": "x", "scopes": ["a"], "interval": "5 minutes", "rules": [{"expression": "up == 0"}]},
            "interval: wrong type: a duration (ISO 8601) is needed, found '5 minutes'",
        ),
    ],
)
def test_faults_are_told_so_that_one_can_find_them(model: str, inputs: dict[str, object], fault: str) -> None:
    assert fault in [str(f) for f in compare(shape_of(model), inputs)]


def test_a_kind_of_thing_that_the_model_does_not_know_is_a_fault() -> None:
    shape = shape_of("azure.mgmt.recoveryservicesbackup.activestamp.models:ProtectionPolicyResource")
    (fault, *_) = compare(shape, {"properties": {"backupManagementType": "AzureIaasVMM"}})
    assert (fault.path, fault.sort) == ("properties.backupManagementType", "enumeration")


@pytest.mark.parametrize("text", ["PT5M", "P30D", "PT1H30M", "P1DT12H"])
def test_durations_are_known(text: str) -> None:
    assert DURATION.fits(text)
    assert not DURATION.fits(text.lower())


def test_dates_are_known() -> None:
    assert DATE.fits("2027-05-31T23:59:59Z")
    assert not DATE.fits("31.05.2027")
    assert not DURATION.fits("P")
    assert not DURATION.fits("PT")
