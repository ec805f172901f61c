"""The NOC's home at one hub: Kubernetes, managed Prometheus with our rules, Grafana, registry, key vault."""

from __future__ import annotations

import pulumi
from pulumi_azure_native import resources

from infra.components.base import Component, Context, export
from infra.components.noc_cluster import Cluster, ClusterArgs
from infra.components.noc_metrics import Called, Metrics, MetricsArgs, RuleGroup
from infra.components.noc_network import NetworkArgs, NocNetwork
from infra.components.noc_place import Place
from infra.components.noc_services import Grafana, Registry, Vault, Workload, WorkloadArgs
from infra.components.spoke import FlowLogs
from infra.core import rule_groups
from infra.programme import ROOT
from infra.settings.noc import Settings

RULES = ROOT / "network_ops" / "monitoring" / "rules"


class Noc(Component):
    """`wan-noc:noc:Noc`, named by the hub: everything of its stack."""


def programme(ctx: Context[Settings]) -> None:
    """Register a hub's NOC."""
    hub = ctx.stack.part
    rules = rule_groups.load(RULES, ctx.settings.azure_pages)
    wan, boot = ctx.reference("connectivity"), ctx.reference("bootstrap")
    noc = Noc("noc", f"noc-{hub}")
    name = ctx.names.of("rg", "noc", hub)
    group = resources.ResourceGroup(
        name, resource_group_name=name, location=ctx.region(hub), tags=ctx.tags(hub=hub), opts=noc.child(protect=True)
    )
    logs = wan[f"log_workspace_id_{hub}"]
    firewall, dns, flows = wan[f"firewall_ip_{hub}"], wan[f"dns_ip_{hub}"], FlowLogs.of(wan, hub)
    at_hub = NetworkArgs(hub, group.name, wan["resource_group"], wan[f"hub_name_{hub}"], firewall, dns, flows)
    net = NocNetwork(ctx, at_hub, noc)
    nodes, endpoints = net.spoke.subnets["nodes"], net.spoke.subnets["endpoints"]
    place = Place(ctx, hub, group.name, endpoints.id, logs)

    registry = Registry(place, wan["zone_id_registry"], boot["pipeline_principal_id"], noc).registry
    vault, called = Vault(place, wan["zone_id_vault"], noc).vault, Called(place, noc)
    metrics = Metrics(place, MetricsArgs(wan[f"zone_id_prometheus_{hub}"], wan["zone_id_monitor"]), noc)
    for rule_group in rules:
        RuleGroup(place, rule_group, metrics.workspace.id, called.group.id, noc)
    grafana = Grafana(place, wan["zone_id_grafana"], metrics.workspace.id, noc)
    zone = wan[f"zone_id_aks_{hub}"]
    private = ClusterArgs(nodes.id, net.spoke.network.id, net.routes.id, zone, registry.id, net.ready)
    aks = Cluster(place, private, noc)
    metrics.collect(aks.cluster.id)
    pod = Workload(place, WorkloadArgs("noc", aks.issuer, "Key Vault Secrets User", vault.id), noc)
    shows = Workload(place, WorkloadArgs("dashboards", aks.issuer, "Grafana Editor", grafana.grafana.id), noc)
    noc.register_outputs({})
    outputs: dict[str, pulumi.Input[str]] = {"cluster_id": aks.cluster.id, "cluster_name": aks.cluster.name}
    outputs |= {"workspace_id": metrics.workspace.id, "grafana_endpoint": grafana.endpoint}
    outputs |= {"registry_server": registry.login_server, "vault_name": vault.name}
    outputs |= {"identity_client_id": pod.identity.client_id, "dashboards_client_id": shows.identity.client_id}
    export(ctx, outputs)
