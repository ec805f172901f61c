"""Kubernetes on a hub's Azure Local cluster: an Arc cluster of kind ProvisionedCluster and the instance behind it.

The SDK has no class for the instance (Microsoft.HybridContainerService/provisionedClusterInstances), so that it is
registered as a generic ARM resource of the last stable API version; its properties are checked by nothing but Azure.
"""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
from pulumi_azure_native import kubernetes, resources

from infra.components.azure_local import AzureLocal
from infra.components.base import Component, Context
from infra.core.hub_network import HostNetwork
from infra.settings.hub import Settings

API_VERSION = "2024-01-01"  # learn.microsoft.com, template reference of provisionedClusterInstances (2026-07)
_HOURS = pulumi.CustomTimeouts(create="2h", update="2h", delete="2h")


@dataclass(frozen=True)
class KubernetesArgs:
    """Where the cluster runs: hub, resource group, platform, the network its nodes stand in."""

    hub: str
    group: pulumi.Input[str]
    platform: AzureLocal
    network: HostNetwork


class LocalKubernetes(Component):
    """`wan-noc:hub:LocalKubernetes`, named by the hub's id; `cluster` is the Arc side."""

    def __init__(self, ctx: Context[Settings], args: KubernetesArgs, parent: pulumi.Resource) -> None:
        super().__init__("hub", args.hub, parent)
        settings = ctx.settings
        name = ctx.names.of("aks", args.hub)
        self.cluster = kubernetes.ConnectedCluster(
            name,
            kubernetes.ConnectedClusterArgs(
                resource_group_name=args.group,
                cluster_name=name,
                location=settings.metadata_region,
                kind="ProvisionedCluster",
                agent_public_key_certificate="",  # given by the instance itself
                identity=kubernetes.ConnectedClusterIdentityArgs(type=kubernetes.ResourceIdentityType.SYSTEM_ASSIGNED),
                aad_profile=kubernetes.AadProfileArgs(
                    enable_azure_rbac=True,
                    tenant_id=settings.tenant,
                    admin_group_object_ids=list(settings.kubernetes_admins),
                ),
                arc_agent_profile=kubernetes.ArcAgentProfileArgs(agent_auto_upgrade="Enabled"),
                tags=ctx.tags(hub=args.hub),
            ),
            opts=self.child(protect=True, custom_timeouts=_HOURS),
        )
        self.instance = resources.Resource(
            f"{name}-instance",
            resource_group_name=args.group,
            resource_provider_namespace="Microsoft.Kubernetes",
            parent_resource_path=self.cluster.name.apply(
                lambda n: f"connectedClusters/{n}/providers/Microsoft.HybridContainerService"
            ),
            resource_type="provisionedClusterInstances",
            resource_name_="default",
            api_version=API_VERSION,
            extended_location=resources.ExtendedLocationArgs(
                name=args.platform.custom_location.id, type="CustomLocation"
            ),
            properties=self._properties(ctx, args),
            opts=self.child(protect=True, custom_timeouts=_HOURS),
        )
        self.register_outputs({})

    def _properties(self, ctx: Context[Settings], args: KubernetesArgs) -> dict[str, object]:
        settings = ctx.settings
        keys = [{"keyData": settings.ssh_key}] if settings.ssh_key else []
        return {
            "kubernetesVersion": settings.local_kubernetes_version,
            "controlPlane": {
                "count": settings.control_plane_nodes,
                "vmSize": "Standard_A4_v2",
                "controlPlaneEndpoint": {"hostIP": str(args.network.control_plane)},
            },
            "agentPoolProfiles": [
                {
                    "name": "workers",
                    "count": settings.workers.count,
                    "vmSize": settings.workers.vm_size,
                    "osType": "Linux",
                    "osSKU": "CBLMariner",
                    "enableAutoScaling": False,
                }
            ],
            "networkProfile": {"networkPolicy": "calico", "podCidr": "172.24.0.0/16"},
            "cloudProviderProfile": {
                "infraNetworkProfile": {"vnetSubnetIds": [args.platform.networks[args.network.name].id]}
            },
            "linuxProfile": {"ssh": {"publicKeys": keys}},
            "storageProfile": {"smbCsiDriver": {"enabled": False}, "nfsCsiDriver": {"enabled": True}},
        }
