"""What a hub's stack registers: machines of its applications only, secrets marked, circuits one after the other."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest
from hosting_support import ROOT, SECRETS, machine, record_hub, shipped

from infra.core import hosting, hub_network
from infra.core.arm import table
from infra.core.outputs import names_of
from infra.core.stacks import parse
from infra.graph import invariants
from infra.graph.model import UNKNOWN, Graph, Node
from infra.graph.world import record_stack
from infra.policy.gate import evaluate

HCI = "azure-native:azurestackhci:"
METADATA = {"westeurope"}


@cache
def _recorded(stack: str, preview: bool) -> Graph:
    return record_hub(stack, preview=preview)


def graph(stack: str = "hub-valencia-prod", *, preview: bool = False) -> Graph:
    return _recorded(stack, preview)


def owner(found: Graph, node: Node) -> str:
    return next((a.name for a in found.ancestors(node) if a.type == "wan-noc:hub:HostedApplication"), "")


def test_preview_and_update_register_the_same_resources() -> None:
    assert len(graph().resources) > 100
    assert {n.urn for n in graph(preview=True)} == {n.urn for n in graph()}
    assert graph(preview=True).outputs["cluster_id"] == UNKNOWN


def test_a_canary_a_machine_too_many_would_be_seen() -> None:
    assert len(graph().of_type("azure-native:hybridcompute:Machine")) != 0
    grown = replace(
        shipped().applications["mail"], machines=(*shipped().applications["mail"].machines, machine("extra"))
    )
    tables = replace(shipped(), applications={**shipped().applications, "mail": grown})
    more = record_hub("hub-valencia-prod", tables=tables)
    new = {n.urn for n in more} - {n.urn for n in graph()}
    assert new
    assert {owner(more, more.nodes[urn]) for urn in new} == {"mail"}
    assert {n.urn for n in graph()} <= {n.urn for n in more}


@pytest.mark.parametrize("hub", ["valencia", "brindisi"])
def test_each_machine_has_server_instance_card_disk_agent_collection_and_baseline(hub: str) -> None:
    found = graph(f"hub-{hub}-prod")
    wanted = len(hosting.machines(shipped(), hub))
    for token in (
        "azure-native:hybridcompute:Machine",
        f"{HCI}VirtualMachineInstance",
        f"{HCI}NetworkInterface",
        f"{HCI}VirtualHardDisk",
        "azure-native:hybridcompute:MachineExtension",
        "azure-native:monitor:DataCollectionRuleAssociation",
        "azure-native:guestconfiguration:GuestConfigurationHCRPAssignment",
    ):
        assert len(found.of_type(token)) == wanted, token


def test_components_are_named_by_application_and_hold_all_of_its_resources() -> None:
    found = graph()
    here = {m.application.id for m in hosting.machines(shipped(), "valencia")}
    assert {n.name for n in found.of_type("wan-noc:hub:HostedApplication")} == here
    for node in found.of_type("azure-native:hybridcompute:Machine"):
        assert node.inputs["tags"]["application"] == owner(found, node)  # type: ignore[index,call-overload]


def test_resource_groups_are_in_the_hubs_region_and_only_control_plane_metadata_elsewhere() -> None:
    found = graph()
    for node in found.resources:
        place = node.inputs.get("location")
        if node.type == "azure-native:resources:ResourceGroup" or node.type.startswith("azure-native:network:"):
            assert place in ("spaincentral", None), node.name
        elif place not in (None, "spaincentral"):
            assert place in METADATA
            assert node.type.split(":")[1] in (
                "azurestackhci",
                "hybridcompute",
                "extendedlocation",
                "kubernetes",
                "guestconfiguration",
            )


def test_logical_networks_are_static_and_carry_the_hubs_own_ranges() -> None:
    nets = hub_network.networks(shipped().hubs["valencia"], "prod")
    seen = {}
    for node in graph().of_type(f"{HCI}LogicalNetwork"):
        (subnet,) = node.inputs["subnets"]  # type: ignore[misc,union-attr]
        assert subnet["ipAllocationMethod"] == "Static"  # type: ignore[index,call-overload]
        seen[subnet["name"]] = subnet["addressPrefix"]  # type: ignore[index,call-overload]
    assert seen == {name: str(nets[name].range) for name in hub_network.LOGICAL}


def test_passwords_and_keys_are_secret_wherever_they_are_registered() -> None:
    found = graph()
    plain = str([{k: v for k, v in n.inputs.items() if k not in {s.split(".")[0] for s in n.secrets}} for n in found])
    assert all(secret not in plain for secret in SECRETS.values())
    for instance in found.of_type(f"{HCI}VirtualMachineInstance"):
        assert "osProfile.adminPassword" in instance.secrets
    for peering in found.of_type("azure-native:network:ExpressRouteCircuitPeering"):
        assert "sharedKey" in peering.secrets
    for connection in found.of_type("azure-native:network:ExpressRouteConnection"):
        assert "authorizationKey" in connection.secrets


def test_expressroute_connections_of_a_hub_wait_for_each_other() -> None:
    first, second = sorted(graph().of_type("azure-native:network:ExpressRouteConnection"), key=lambda n: n.name)
    assert first.urn in second.depends_on
    assert second.urn not in first.depends_on


def test_a_circuit_that_is_only_ordered_is_neither_peered_nor_connected() -> None:
    found = record_hub("hub-valencia-prod", config={"orderedCircuits": '["valencia-edge-1"]'})
    assert len(found.of_type("azure-native:network:ExpressRouteCircuit")) == 2
    (peering,) = found.of_type("azure-native:network:ExpressRouteCircuitPeering")
    assert peering.inputs["circuitName"] == "erc-valencia-edge-2-prod"
    assert len(found.of_type("azure-native:network:ExpressRouteConnection")) == 1


def test_what_the_clusters_own_deployment_left_is_imported_on_request() -> None:
    found = record_hub("hub-valencia-prod", config={"adopt": "true"})
    imported = {n.type.rpartition(":")[2]: n for n in found.resources if n.import_id}
    assert set(imported) == {"Cluster", "ArcSetting", "CustomLocation"}
    assert all(n.import_id == n.id for n in imported.values())
    assert not any(n.import_id for n in graph().resources)


def test_a_fixed_address_is_given_to_its_machine_and_all_others_take_the_next_of_the_pool() -> None:
    found = record_hub("hub-brindisi-prod", config={"fixedAddresses": '{"dns-resolver-2": "10.241.16.11"}'})
    given = {
        n.name: n.inputs["ipConfigurations"][0]["properties"].get("privateIPAddress")  # type: ignore[index,call-overload,union-attr]
        for n in found.of_type(f"{HCI}NetworkInterface")
    }
    assert {k: v for k, v in given.items() if v} == {"nic-dns-resolver-2-prod": "10.241.16.11"}


def test_what_is_lost_with_data_is_protected_and_a_pilot_light_is_not() -> None:
    for node in graph().of_type(f"{HCI}VirtualHardDisk"):
        assert node.protect == (node.inputs["tags"]["role"] == "home")  # type: ignore[index,call-overload]
    for token in (
        f"{HCI}Cluster",
        f"{HCI}LogicalNetwork",
        f"{HCI}StorageContainer",
        "azure-native:network:ExpressRouteCircuit",
    ):
        assert all(n.protect for n in graph().of_type(token)), token


def test_kubernetes_on_the_cluster_has_the_id_that_azure_gives_it() -> None:
    (instance,) = graph().of_type("azure-native:resources:Resource")
    assert instance.id.endswith(
        "/providers/Microsoft.Kubernetes/connectedClusters/aks-valencia-prod"
        "/providers/Microsoft.HybridContainerService/provisionedClusterInstances/default"
    )
    assert instance.inputs["properties"]["controlPlane"]["controlPlaneEndpoint"] == {"hostIP": "10.240.64.127"}  # type: ignore[index,call-overload]


@pytest.mark.parametrize("stack", ["hub-valencia-dev", "hub-brindisi-dev", "hub-valencia-prod", "hub-brindisi-prod"])
def test_the_committed_stacks_pass_every_policy_and_invariant(stack: str) -> None:
    environment = stack.rpartition("-")[2]
    outputs = dict.fromkeys(_connectivity(), "10.248.5.4") | {"version": "1"}
    found = record_stack(parse(stack), shipped(), references={f"connectivity-{environment}": outputs})
    assert not found.duplicates
    assert all(n.type in table() for n in found.resources)
    assert [str(v) for v in evaluate([found])] == []
    assert [str(b) for b in invariants.broken([found], shipped())] == []


def _connectivity() -> tuple[str, ...]:
    return names_of("connectivity", shipped().hubs)


def test_there_is_a_committed_file_for_every_hub_and_environment() -> None:
    for hub in shipped().hubs:
        for environment in ("dev", "prod"):
            assert (ROOT / f"infra/stacks/Pulumi.hub-{hub}-{environment}.yaml").is_file()
