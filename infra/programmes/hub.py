"""A hub's hosting: Azure Local with its networks and images, every application's machines, Kubernetes, ExpressRoute."""

from __future__ import annotations

import pulumi

from infra.components.azure_local import AzureLocal, PlatformArgs
from infra.components.base import Context, export
from infra.components.collection_rule import CollectionRule
from infra.components.expressroute import CircuitArgs, CloudCircuit
from infra.components.hosted_application import ApplicationArgs, HostedApplication
from infra.components.hosting import Hosting
from infra.components.local_kubernetes import KubernetesArgs, LocalKubernetes
from infra.core import hub_network
from infra.core.hosting import by_application, machines
from infra.settings.hub import Settings


def programme(ctx: Context[Settings]) -> None:
    """Register one hub's hosting."""
    hub, settings = ctx.stack.part, ctx.settings
    wan = ctx.reference("connectivity")
    frame = Hosting(ctx, hub)
    platform_group, machine_group, circuit_group = (frame.groups[p].name for p in ("hosting", "machines", "circuits"))

    networks = hub_network.networks(ctx.inventory.hubs[hub], ctx.stack.environment)
    dns: list[pulumi.Input[str]] = [*map(str, settings.name_servers), wan[f"dns_ip_{hub}"]]
    platform = AzureLocal(ctx, PlatformArgs(hub, platform_group, frame.platform_group_id, networks, dns), frame)

    collected = CollectionRule(ctx, hub, machine_group, wan[f"log_workspace_id_{hub}"], frame).rule.id
    found = machines(ctx.inventory, hub, settings.machine_percent, single=settings.single_machines)
    for application, own in by_application(found).items():
        args = ApplicationArgs(application, machine_group, platform, own, collected, settings.fixed_addresses)
        HostedApplication(ctx, args, frame)
    aks = LocalKubernetes(ctx, KubernetesArgs(hub, platform_group, platform, networks["aks"]), frame)

    gateway_group, gateway_name = wan["resource_group"], wan[f"er_gateway_name_{hub}"]
    addresses = hub_network.peerings(ctx.inventory, hub, ctx.stack.environment)
    previous: pulumi.Resource | None = None
    for edge in hub_network.edges_of(ctx.inventory, hub) if settings.cloud_edges else ():
        circuit = CircuitArgs(edge, addresses[edge.id], circuit_group, gateway_group, gateway_name, previous)
        previous = CloudCircuit(ctx, circuit, frame).connection or previous

    outputs: dict[str, pulumi.Input[str]] = {
        "cluster_id": platform.cluster.id,
        "custom_location_id": platform.custom_location.id,
        "aks_id": aks.cluster.id,
        "machine_group": machine_group,
        "image_id": platform.images["linux"],
    }
    export(ctx, outputs)
