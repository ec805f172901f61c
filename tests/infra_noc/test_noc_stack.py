"""The stack of a hub's NOC, as recorded: private, named, protected, with the rules of our own files."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable

import pytest

from infra.core import rule_groups
from infra.core.arm import arm_type
from infra.core.errors import InfraError
from infra.core.outputs import names_of
from infra.graph import Graph, Node
from infra.programmes.noc import RULES

Recorded = Callable[..., Graph]
RULE_GROUP = "azure-native:alertsmanagement:PrometheusRuleGroup"


@pytest.mark.parametrize("hub", ["valencia", "brindisi"])
@pytest.mark.parametrize("preview", [False, True])
def test_both_hubs_have_the_same_things_each_in_its_region(recorded: Recorded, hub: str, preview: bool) -> None:
    graph = recorded(hub, preview=preview)
    assert graph.duplicates == ()
    assert Counter(n.type for n in graph.resources) == Counter(n.type for n in recorded("valencia").resources)
    region = {"valencia": "spaincentral", "brindisi": "italynorth"}[hub]
    assert {n.inputs["location"] for n in graph.resources if "location" in n.inputs} == {region, "global"}


def test_every_name_is_one_that_azure_takes(recorded: Recorded) -> None:
    for environment in ("dev", "prod"):
        for node in recorded("brindisi", environment).resources:
            row = arm_type(node.type)
            assert re.fullmatch(row.name_rule, node.id.rpartition("/")[2]), node.id
            assert row.tags == ("tags" in node.inputs), node.urn
            assert row.location == ("location" in node.inputs), node.urn


def test_nothing_is_open_to_the_internet(recorded: Recorded) -> None:
    graph = recorded()
    assert not [n for n in graph.resources if "publicIPAddress" in n.type]
    switches = {}
    for node in graph.resources:
        for path, value in walk(dict(node.inputs)):
            if path.rpartition(".")[2] == "publicNetworkAccess":
                switches[node.type.rpartition(":")[2]] = value
    assert set(switches.values()) == {"Disabled"}
    assert set(switches) == {
        "AzureMonitorWorkspace", "DataCollectionEndpoint", "Grafana", "ManagedCluster", "Registry", "Vault"
    }  # fmt: skip


def test_each_private_service_has_an_endpoint_and_a_dns_zone_of_connectivity(recorded: Recorded) -> None:
    graph = recorded()
    endpoints = graph.of_type("azure-native:network:PrivateEndpoint")
    connections = [n.inputs["privateLinkServiceConnections"][0] for n in endpoints]  # type: ignore[index,call-overload]
    groups = sorted(c["groupIds"][0] for c in connections)  # type: ignore[index,call-overload]
    assert groups == ["azuremonitor", "grafana", "prometheusMetrics", "registry", "vault"]
    zones = [str(n.inputs["privateDnsZoneConfigs"]) for n in graph.of_type("azure-native:network:PrivateDnsZoneGroup")]
    assert len(zones) == len(endpoints)
    assert all("zone_id_" in z for z in zones)


def test_the_cluster_is_closed(recorded: Recorded) -> None:
    cluster = one(recorded(), "azure-native:containerservice:ManagedCluster")
    found = dict(walk(dict(cluster.inputs)))
    wanted = {
        "disableLocalAccounts": True,
        "aadProfile.enableAzureRBAC": True,
        "apiServerAccessProfile.enablePrivateCluster": True,
        "apiServerAccessProfile.enablePrivateClusterPublicFQDN": False,
        "apiServerAccessProfile.disableRunCommand": True,
        "networkProfile.outboundType": "userDefinedRouting",
        "networkProfile.networkDataplane": "cilium",
        "networkProfile.networkPluginMode": "overlay",
        "oidcIssuerProfile.enabled": True,
        "securityProfile.workloadIdentity.enabled": True,
        "agentPoolProfiles[0].enableEncryptionAtHost": True,
        "agentPoolProfiles[0].enableNodePublicIP": False,
    }
    assert wanted.items() <= found.items()
    assert cluster.protect
    pool = one(recorded(), "azure-native:containerservice:AgentPool")
    assert (pool.inputs["availabilityZones"], pool.inputs["enableEncryptionAtHost"]) == (["1", "2", "3"], True)
    assert len(cluster.inputs["agentPoolProfiles"]) == 1, "further pools stand alone"  # type: ignore[arg-type]


def test_nodes_wait_for_their_way_out_and_for_the_rights_of_the_cluster(recorded: Recorded) -> None:
    graph = recorded()
    cluster = one(graph, "azure-native:containerservice:ManagedCluster")
    before = {graph.nodes[urn].type.rpartition(":")[2] for urn in cluster.dependencies if urn in graph.nodes}
    assert {"Route", "HubVirtualNetworkConnection", "RoleAssignment", "Subnet", "UserAssignedIdentity"} <= before
    route = one(graph, "azure-native:network:Route").inputs
    assert (route["addressPrefix"], route["nextHopType"]) == ("0.0.0.0/0", "VirtualAppliance")
    assert "firewall_ip_valencia" in str(route["nextHopIpAddress"])


def test_the_two_hubs_never_update_their_clusters_in_the_same_night(recorded: Recorded) -> None:
    days = {}
    for hub in ("valencia", "brindisi"):
        windows = recorded(hub).of_type("azure-native:containerservice:MaintenanceConfiguration")
        assert len(windows) == 2
        days[hub] = {dict(walk(dict(n.inputs)))["maintenanceWindow.schedule.weekly.dayOfWeek"] for n in windows}
    assert not days["valencia"] & days["brindisi"]


def test_alert_rules_can_be_told_from_the_graph_by_group_and_by_alert(recorded: Recorded) -> None:
    graph = recorded()
    wanted = {g.name: [r.alert or r.record for r in g.rules] for g in rule_groups.load(RULES)}
    found = {}
    for node in graph.of_type(RULE_GROUP):
        component = next(graph.ancestors(node))
        assert component.type == "wan-noc:noc:RuleGroup"
        rules = node.inputs["rules"]
        assert isinstance(rules, list)
        found[component.name] = [r.get("alert") or r["record"] for r in rules if isinstance(r, dict)]
    assert found == wanted


def test_switched_off_rules_stay_in_sight_and_call_nobody(recorded: Recorded) -> None:
    rules = [r for n in recorded(azurePages="all").of_type(RULE_GROUP) for r in n.inputs["rules"]]  # type: ignore[union-attr]
    off = {r["alert"] for r in rules if not r["enabled"]}  # type: ignore[index,call-overload]
    assert off == set(rule_groups.NOT_AT_A_MINUTE)
    assert not [r for r in rules if not r["enabled"] and "actions" in r]  # type: ignore[index,call-overload,operator]


def test_whom_azure_calls_is_a_setting(recorded: Recorded) -> None:
    def calling(graph: Graph) -> set[str]:
        rules = [r for n in graph.of_type(RULE_GROUP) for r in n.inputs["rules"]]  # type: ignore[union-attr]
        return {str(r["alert"]) for r in rules if "actions" in r}  # type: ignore[index,call-overload,operator]

    assert calling(recorded()) == {"MonitoringBlind", "SnmpBlind"}
    assert {"SiteDown", "HubIsolated"} <= calling(recorded(azurePages="all"))


def test_workloads_have_one_role_each_and_no_secret(recorded: Recorded) -> None:
    graph = recorded()
    subjects = {n.inputs["subject"] for n in graph.of_type("azure-native:managedidentity:FederatedIdentityCredential")}
    assert subjects == {"system:serviceaccount:noc:noc", "system:serviceaccount:noc:dashboards"}
    grants = {n.name for n in graph.of_type("azure-native:authorization:RoleAssignment")}
    assert grants == {
        "cluster-kubelet", "cluster-network", "cluster-pull", "cluster-routes", "cluster-zone", "dashboards",
        "grafana-reads-metrics", "noc", "registry-push",
    }  # fmt: skip
    assert not [n for n in graph.resources if n.secrets]


def test_viewers_are_groups_of_the_tenant(recorded: Recorded) -> None:
    group = "99999999-2222-3333-4444-555555555555"
    graph = recorded(viewerGroups=f'["{group}"]')
    found = [n for n in graph.of_type("azure-native:authorization:RoleAssignment") if n.name == f"viewers-{group}"]
    assert [(n.inputs["principalId"], n.inputs["principalType"]) for n in found] == [(group, "Group")]


def test_what_would_hurt_to_lose_is_protected(recorded: Recorded) -> None:
    protected = {n.type.rpartition(":")[2] for n in recorded().resources if n.protect}
    assert {"AzureMonitorWorkspace", "Grafana", "ManagedCluster", "Registry", "ResourceGroup", "Vault"} <= protected


def test_the_outputs_are_those_declared_and_none_is_secret(recorded: Recorded) -> None:
    graph = recorded()
    assert set(graph.outputs) == set(names_of("noc", ["valencia", "brindisi"]))
    assert graph.secret_outputs == frozenset()
    assert all(isinstance(v, str) and v for v in graph.outputs.values())


def test_logs_of_everything_that_has_some_go_to_the_regions_workspace(recorded: Recorded) -> None:
    graph = recorded()
    settings = graph.of_type("azure-native:monitor:DiagnosticSetting")
    assert {n.name for n in settings} == {
        f"diag-noc-{of}-valencia-prod" for of in ("aks", "grafana", "registry", "vault")
    }
    assert all("log_workspace_id_valencia" in str(n.inputs["workspaceId"]) for n in settings)
    assert len(graph.of_type("azure-native:network:FlowLog")) == 1


@pytest.mark.parametrize(
    ("key", "value", "rule"),
    [
        ("nocNodes", "1", "greater than or equal to 2"),
        ("serviceRange", "100.64.8.0/24", "overlap"),
        ("kubernetesVersion", "1.34.2", "pattern"),
        ("adminGroups", '["me"]', "pattern"),
        ("nodeSice", "Standard_D2ds_v5", "is not a configuration key"),
    ],
)
def test_wrong_settings_are_refused_before_any_resource(recorded: Recorded, key: str, value: str, rule: str) -> None:
    with pytest.raises(InfraError, match=rule):
        recorded(**{key: value})


def test_ranges_inside_the_cluster_meet_no_network_of_ours(recorded: Recorded) -> None:
    from ipaddress import IPv4Network

    profile = dict(walk(dict(one(recorded(), "azure-native:containerservice:ManagedCluster").inputs)))
    for key in ("networkProfile.podCidr", "networkProfile.serviceCidr"):
        assert not IPv4Network(str(profile[key])).overlaps(IPv4Network("10.0.0.0/8"))
    assert (
        IPv4Network(str(profile["networkProfile.serviceCidr"]))[10].exploded == profile["networkProfile.dnsServiceIP"]
    )


def one(graph: Graph, token: str) -> Node:
    found = graph.of_type(token)
    assert len(found) == 1, f"{len(found)} of {token}"
    return found[0]


def walk(value: object, path: str = "") -> list[tuple[str, object]]:
    """Every leaf of an input with its path."""
    if isinstance(value, dict):
        return [leaf for k, v in value.items() for leaf in walk(v, f"{path}.{k}" if path else str(k))]
    if isinstance(value, list):
        return [leaf for n, v in enumerate(value) for leaf in walk(v, f"{path}[{n}]")]
    return [(path, value)]
