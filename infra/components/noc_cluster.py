"""The NOC's Kubernetes: a private AKS cluster without local accounts, its pools, identities and maintenance windows.

The system pool stands inside the cluster because Azure takes no cluster without one; the pool that runs the NOC stands
alone, so that changing it never touches the cluster.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network

import pulumi
from pulumi_azure_native import containerservice as aks

from infra.components.base import Component
from infra.components.grants import Grant, grant
from infra.components.noc_place import Place

ZONES = ("1", "2", "3")
SLOW = pulumi.CustomTimeouts(create="60m", update="90m", delete="60m")
WINDOW_H = 4
DAYS = ("Tuesday", "Thursday")  # by hub: never both NOCs in one night


@dataclass(frozen=True)
class ClusterArgs:
    """Where the nodes stand, the zone of the API server's private name, and what nodes pull pictures from.

    `needs` must stand first: the route to the firewall, without which Azure refuses the cluster.
    """

    subnet_id: pulumi.Input[str]
    network_id: pulumi.Input[str]
    route_table_id: pulumi.Input[str]
    zone_id: pulumi.Input[str]
    registry_id: pulumi.Input[str]
    needs: Sequence[pulumi.Resource]


class Cluster(Component):
    """`wan-noc:noc:Cluster`, named by the hub's id: `cluster`, `kubelet`; `trust` gives a workload an identity."""

    def __init__(self, place: Place, args: ClusterArgs, parent: Component) -> None:
        super().__init__("noc", place.hub, parent)
        self._place = place
        self.control = place.identity(self, "cluster")
        self.kubelet = place.identity(self, "kubelet")
        grants = self._grants(args)
        self.cluster = self._cluster(args, [*grants, *args.needs])
        self._pool(args.subnet_id)
        self._windows()
        place.diagnostics(self, "aks", self.cluster.id, logs="audit", metrics=False)
        self.register_outputs({})

    def _grants(self, args: ClusterArgs) -> list[pulumi.Resource]:
        wanted = (
            ("network", self.control, "Network Contributor", args.network_id),
            ("routes", self.control, "Network Contributor", args.route_table_id),
            ("zone", self.control, "Private DNS Zone Contributor", args.zone_id),
            ("kubelet", self.control, "Managed Identity Operator", self.kubelet.id),
            ("pull", self.kubelet, "AcrPull", args.registry_id),
        )
        ctx = self._place.ctx
        return [
            grant(
                self,
                ctx.stack.name,
                Grant(f"cluster-{purpose}", who.principal_id, scope, role, subscription=ctx.settings.subscription),
            )
            for purpose, who, role, scope in wanted
        ]

    def _cluster(self, args: ClusterArgs, needs: Sequence[pulumi.Resource]) -> aks.ManagedCluster:
        place, settings = self._place, self._place.ctx.settings
        name = place.name("aks")
        return aks.ManagedCluster(
            name,
            resource_group_name=place.group,
            resource_name_=name,
            location=place.region,
            node_resource_group=place.name("rg", "nodes"),
            kubernetes_version=settings.kubernetes_version,
            dns_prefix=name,
            sku=aks.ManagedClusterSKUArgs(name="Base", tier=settings.cluster_tier),
            identity=aks.ManagedClusterIdentityArgs(
                type=aks.ResourceIdentityType.USER_ASSIGNED, user_assigned_identities=[self.control.id]
            ),
            identity_profile={
                "kubeletidentity": aks.UserAssignedIdentityArgs(
                    resource_id=self.kubelet.id,
                    client_id=self.kubelet.client_id,
                    object_id=self.kubelet.principal_id,
                )
            },
            enable_rbac=True,
            disable_local_accounts=True,
            aad_profile=aks.ManagedClusterAADProfileArgs(
                managed=True,
                enable_azure_rbac=True,
                tenant_id=settings.tenant,
                admin_group_object_ids=settings.admin_groups,
            ),
            public_network_access="Disabled",
            api_server_access_profile=aks.ManagedClusterAPIServerAccessProfileArgs(
                enable_private_cluster=True,
                enable_private_cluster_public_fqdn=False,
                private_dns_zone=args.zone_id,
                disable_run_command=True,
            ),
            network_profile=_network(settings.pod_range, settings.service_range),
            agent_pool_profiles=[
                aks.ManagedClusterAgentPoolProfileArgs(
                    name="system",
                    mode="System",
                    type="VirtualMachineScaleSets",
                    count=3,
                    vm_size=settings.node_size,
                    os_type="Linux",
                    os_sku="AzureLinux",
                    os_disk_type="Ephemeral",
                    os_disk_size_gb=64,
                    availability_zones=list(ZONES),
                    vnet_subnet_id=args.subnet_id,
                    max_pods=60,
                    enable_encryption_at_host=True,
                    enable_node_public_ip=False,
                    node_taints=["CriticalAddonsOnly=true:NoSchedule"],
                    security_profile=aks.AgentPoolSecurityProfileArgs(enable_secure_boot=True, enable_vtpm=True),
                    upgrade_settings=aks.AgentPoolUpgradeSettingsArgs(max_surge="1", drain_timeout_in_minutes=30),
                    tags=place.tags,
                )
            ],
            oidc_issuer_profile=aks.ManagedClusterOIDCIssuerProfileArgs(enabled=True),
            security_profile=aks.ManagedClusterSecurityProfileArgs(
                workload_identity=aks.ManagedClusterSecurityProfileWorkloadIdentityArgs(enabled=True),
                image_cleaner=aks.ManagedClusterSecurityProfileImageCleanerArgs(enabled=True, interval_hours=48),
            ),
            addon_profiles={
                "azureKeyvaultSecretsProvider": aks.ManagedClusterAddonProfileArgs(
                    enabled=True, config={"enableSecretRotation": "true", "rotationPollInterval": "10m"}
                ),
                "azurepolicy": aks.ManagedClusterAddonProfileArgs(enabled=True),
            },
            azure_monitor_profile=aks.ManagedClusterAzureMonitorProfileArgs(
                metrics=aks.ManagedClusterAzureMonitorProfileMetricsArgs(enabled=True)
            ),
            storage_profile=aks.ManagedClusterStorageProfileArgs(
                disk_csi_driver=aks.ManagedClusterStorageProfileDiskCSIDriverArgs(enabled=True)
            ),
            auto_upgrade_profile=aks.ManagedClusterAutoUpgradeProfileArgs(
                upgrade_channel="patch", node_os_upgrade_channel="NodeImage"
            ),
            tags=place.tags,
            opts=self.child(protect=True, depends_on=list(needs), custom_timeouts=SLOW),
        )

    def _pool(self, subnet_id: pulumi.Input[str]) -> None:
        place, settings = self._place, self._place.ctx.settings
        aks.AgentPool(
            f"{place.name('aks')}-noc",
            resource_group_name=place.group,
            resource_name_=self.cluster.name,
            agent_pool_name="noc",
            mode="User",
            type="VirtualMachineScaleSets",
            count=settings.noc_nodes,
            vm_size=settings.node_size,
            os_type="Linux",
            os_sku="AzureLinux",
            os_disk_type="Ephemeral",
            os_disk_size_gb=64,
            availability_zones=list(ZONES),
            vnet_subnet_id=subnet_id,
            max_pods=60,
            enable_encryption_at_host=True,
            enable_node_public_ip=False,
            node_labels={"wan-noc/pool": "noc"},
            security_profile=aks.AgentPoolSecurityProfileArgs(enable_secure_boot=True, enable_vtpm=True),
            upgrade_settings=aks.AgentPoolUpgradeSettingsArgs(max_surge="1", drain_timeout_in_minutes=30),
            tags=place.tags,
            opts=self.child(custom_timeouts=SLOW),
        )

    def _windows(self) -> None:
        """Patches of Kubernetes and of the nodes' system: one night a week, another one at the other hub."""
        place = self._place
        day = DAYS[list(place.ctx.inventory.hubs).index(place.hub) % len(DAYS)]
        for config in ("aksManagedAutoUpgradeSchedule", "aksManagedNodeOSUpgradeSchedule"):
            aks.MaintenanceConfiguration(
                f"{place.name('aks')}-{config}",
                resource_group_name=place.group,
                resource_name_=self.cluster.name,
                config_name=config,
                maintenance_window=aks.MaintenanceWindowArgs(
                    duration_hours=WINDOW_H,
                    start_time=f"{place.ctx.settings.maintenance_hour:02d}:00",
                    utc_offset="+00:00",
                    schedule=aks.ScheduleArgs(weekly=aks.WeeklyScheduleArgs(day_of_week=day, interval_weeks=1)),
                ),
                opts=self.child(),
            )

    @property
    def issuer(self) -> pulumi.Output[str]:
        """Who signs the tokens of the cluster's service accounts."""
        return self.cluster.oidc_issuer_profile.apply(lambda p: (p.issuer_url if p else None) or "")


def _network(pods: str, services: str) -> aks.ContainerServiceNetworkProfileArgs:
    return aks.ContainerServiceNetworkProfileArgs(
        network_plugin="azure",
        network_plugin_mode="overlay",
        network_dataplane="cilium",
        network_policy="cilium",
        # Azure wants a route table on the nodes' subnet for this, although the hub's routing intent leads there anyway
        outbound_type="userDefinedRouting",
        load_balancer_sku="standard",
        pod_cidr=pods,
        service_cidr=services,
        dns_service_ip=str(IPv4Network(services)[10]),
    )
