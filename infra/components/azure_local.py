"""A hub's Azure Local instance: cluster, custom location, storage paths, images, logical networks.

Azure Local's own deployment forms the cluster from its nodes, once: it needs the hardware maker's answers and local
credentials, runs for hours and cannot be repeated, so that it is no part of a programme (docs/infra.md). What it
leaves behind (cluster, Arc setting, custom location) is imported by the first `up` with `adopt: true`; a rehearsal
creates it. Metadata lie in the control plane's region; the resource group in the hub's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import pulumi
from pulumi_azure_native import azurestackhci, extendedlocation

from infra.components.base import Component, Context
from infra.core.hub_network import HostNetwork
from infra.settings.hub import Settings

OperatingSystem = Literal["linux", "windows"]
_HOURS = pulumi.CustomTimeouts(create="4h", update="2h", delete="2h")  # images of tens of GiB are copied to the hub
BRIDGE_EXTENSIONS = ("vmss-hci", "hybridaksextension")  # of the resource bridge: machines, Kubernetes


@dataclass(frozen=True)
class PlatformArgs:
    """Where the platform is put: resource group (name and ARM id), networks by name, name servers."""

    hub: str
    group: pulumi.Input[str]
    group_id: str
    networks: Mapping[str, HostNetwork]
    dns_servers: list[pulumi.Input[str]]


class AzureLocal(Component):
    """`wan-noc:hub:AzureLocal`, named by the hub's id; `location`, `networks`, `storage` and `images` for machines."""

    def __init__(self, ctx: Context[Settings], args: PlatformArgs, parent: pulumi.Resource) -> None:
        super().__init__("hub", args.hub, parent)
        self._ctx, self._args = ctx, args
        self.cluster = self._cluster()
        self.custom_location = self._custom_location()
        self.location = azurestackhci.ExtendedLocationArgs(name=self.custom_location.id, type="CustomLocation")
        self.storage = {name: self._storage(name, path) for name, path in ctx.settings.storage_paths.items()}
        self.networks = {name: self._network(args.networks[name], vlan) for name, vlan in ctx.settings.vlans.items()}
        self.images: Mapping[OperatingSystem, pulumi.Output[str]] = {
            "linux": self._linux_image().id,
            "windows": self._windows_image().id,
        }
        self.register_outputs({})

    def _import(self, kind: str, name: str) -> dict[str, Any]:
        """The option that takes over what the cluster's deployment created; ids are the deployment's, not outputs."""
        return {"import_": f"{self._args.group_id}/providers/{kind}/{name}"} if self._ctx.settings.adopt else {}

    def _cluster(self) -> azurestackhci.Cluster:
        ctx, args = self._ctx, self._args
        name = ctx.names.of("hci", args.hub)
        cluster = azurestackhci.Cluster(
            name,
            azurestackhci.ClusterArgs(
                resource_group_name=args.group,
                cluster_name=name,
                location=ctx.settings.metadata_region,
                type="SystemAssigned",
                aad_tenant_id=ctx.settings.tenant,
                desired_properties=azurestackhci.ClusterDesiredPropertiesArgs(
                    diagnostic_level="Basic", windows_server_subscription="Disabled"
                ),
                tags=ctx.tags(hub=args.hub),
            ),
            opts=self.child(protect=True, **self._import("Microsoft.AzureStackHCI/clusters", name)),
        )
        azurestackhci.ArcSetting(
            f"{name}-arc",
            azurestackhci.ArcSettingArgs(
                resource_group_name=args.group,
                cluster_name=cluster.name,
                # no connectivity_properties: off is Azure's default, and the SDK (3.29) wants an object in and a list
                # back, which ends every programme that sets them
                arc_setting_name="default",
            ),
            opts=self.child(
                protect=True, **self._import("Microsoft.AzureStackHCI/clusters", f"{name}/arcSettings/default")
            ),
        )
        return cluster

    def _custom_location(self) -> extendedlocation.CustomLocation:
        ctx, args = self._ctx, self._args
        name = ctx.names.of("cl", args.hub)
        appliance = f"{ctx.names.of('hci', args.hub)}-arcbridge"
        bridge = ctx.settings.resource_bridge or (
            f"{args.group_id}/providers/Microsoft.ResourceConnector/appliances/{appliance}"
        )
        extension = f"{bridge}/providers/Microsoft.KubernetesConfiguration/extensions"
        return extendedlocation.CustomLocation(
            name,
            resource_group_name=args.group,
            resource_name_=name,  # the SDK's args class clashes with its own constructor over this name
            location=ctx.settings.metadata_region,
            display_name=name,
            host_type="Kubernetes",
            host_resource_id=bridge,
            namespace=name,
            cluster_extension_ids=[f"{extension}/{e}" for e in BRIDGE_EXTENSIONS],
            tags=ctx.tags(hub=args.hub),
            opts=self.child(
                protect=True,
                depends_on=[self.cluster],
                **self._import("Microsoft.ExtendedLocation/customLocations", name),
            ),
        )

    def _storage(self, purpose: str, path: str) -> azurestackhci.StorageContainer:
        ctx, args = self._ctx, self._args
        name = ctx.names.of("sp", purpose, args.hub)
        return azurestackhci.StorageContainer(
            name,
            azurestackhci.StorageContainerArgs(
                resource_group_name=args.group,
                storage_container_name=name,
                location=ctx.settings.metadata_region,
                extended_location=self.location,
                path=path,
                tags=ctx.tags(hub=args.hub),
            ),
            opts=self.child(protect=True),
        )

    def _network(self, net: HostNetwork, vlan: int) -> azurestackhci.LogicalNetwork:
        """A static logical network; its subnet can only be given with it, and cannot be changed later."""
        ctx, args = self._ctx, self._args
        name = ctx.names.of("lnet", net.name, args.hub)
        first, last = net.pool
        way_out = azurestackhci.RouteArgs(
            name="default", address_prefix="0.0.0.0/0", next_hop_ip_address=str(net.gateway)
        )
        subnet = azurestackhci.SubnetArgs(
            name=net.name,
            address_prefix=str(net.range),
            ip_allocation_method="Static",
            ip_pools=[azurestackhci.IPPoolArgs(name="machines", start=str(first), end=str(last), ip_pool_type="vm")],
            route_table=azurestackhci.RouteTableArgs(routes=[way_out]),
            vlan=vlan,
        )
        return azurestackhci.LogicalNetwork(
            name,
            azurestackhci.LogicalNetworkArgs(
                resource_group_name=args.group,
                logical_network_name=name,
                location=ctx.settings.metadata_region,
                extended_location=self.location,
                vm_switch_name=ctx.settings.vm_switch,
                dhcp_options=azurestackhci.LogicalNetworkPropertiesDhcpOptionsArgs(dns_servers=args.dns_servers),
                subnets=[subnet],
                tags=ctx.tags(hub=args.hub),
            ),
            opts=self.child(protect=True),
        )

    def _windows_image(self) -> azurestackhci.MarketplaceGalleryImage:
        ctx, args = self._ctx, self._args
        name = ctx.names.of("img", "windows", args.hub)
        return azurestackhci.MarketplaceGalleryImage(
            name,
            azurestackhci.MarketplaceGalleryImageArgs(
                resource_group_name=args.group,
                marketplace_gallery_image_name=name,
                location=ctx.settings.metadata_region,
                extended_location=self.location,
                container_id=self.storage["images"].id,
                os_type="Windows",
                hyper_v_generation="V2",
                identifier=azurestackhci.GalleryImageIdentifierArgs(
                    publisher="MicrosoftWindowsServer", offer="WindowsServer", sku=ctx.settings.windows_sku
                ),
                version=azurestackhci.GalleryImageVersionArgs(name=ctx.settings.windows_version),
                tags=ctx.tags(hub=args.hub),
            ),
            opts=self.child(custom_timeouts=_HOURS),
        )

    def _linux_image(self) -> azurestackhci.GalleryImage:
        """Linux comes from a disk image that the hub itself keeps: no marketplace is needed to rebuild a machine."""
        ctx, args = self._ctx, self._args
        name = ctx.names.of("img", "linux", args.hub)
        return azurestackhci.GalleryImage(
            name,
            azurestackhci.GalleryImageArgs(
                resource_group_name=args.group,
                gallery_image_name=name,
                location=ctx.settings.metadata_region,
                extended_location=self.location,
                container_id=self.storage["images"].id,
                os_type="Linux",
                hyper_v_generation="V2",
                image_path=ctx.settings.linux_image,
                cloud_init_data_source="NoCloud",
                tags=ctx.tags(hub=args.hub),
            ),
            opts=self.child(custom_timeouts=_HOURS),
        )
