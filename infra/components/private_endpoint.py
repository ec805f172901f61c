"""A private endpoint with its DNS record: how a platform service is reached without any public address."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
from pulumi_azure_native import network

from infra.components.base import Component, Context
from infra.core.stacks import Kind
from infra.settings.base import Common


@dataclass(frozen=True)
class EndpointArgs:
    """Which service (`target_id` and its group id, for instance `blob` or `vault`), where, and its DNS zones."""

    kind: Kind
    hub: str
    purpose: str
    group: pulumi.Input[str]
    subnet_id: pulumi.Input[str]
    target_id: pulumi.Input[str]
    group_id: str
    zone_ids: Sequence[pulumi.Input[str]]
    depends_on: Sequence[pulumi.Resource] = ()


class PrivateEndpoint(Component):
    """`wan-noc:<kind>:PrivateEndpoint`, named `<purpose>-<group id>-<hub>`."""

    def __init__(self, ctx: Context[Common], args: EndpointArgs, parent: pulumi.Resource) -> None:
        super().__init__(args.kind, f"{args.purpose}-{args.group_id.lower()}-{args.hub}", parent)
        name = ctx.names.of("pep", args.purpose, args.group_id.lower(), args.hub)
        endpoint = network.PrivateEndpoint(
            name,
            network.PrivateEndpointArgs(
                resource_group_name=args.group,
                private_endpoint_name=name,
                location=ctx.region(args.hub),
                custom_network_interface_name=ctx.names.of("nic", args.purpose, args.group_id.lower(), args.hub),
                subnet=network.SubnetArgs(id=args.subnet_id),
                private_link_service_connections=[
                    network.PrivateLinkServiceConnectionArgs(
                        name=name, private_link_service_id=args.target_id, group_ids=[args.group_id]
                    )
                ],
                tags=ctx.tags(hub=args.hub),
            ),
            opts=self.child(depends_on=list(args.depends_on)),
        )
        network.PrivateDnsZoneGroup(
            f"{name}-dns",
            network.PrivateDnsZoneGroupArgs(
                resource_group_name=args.group,
                private_endpoint_name=endpoint.name,
                private_dns_zone_group_name="default",
                private_dns_zone_configs=[
                    network.PrivateDnsZoneConfigArgs(name=f"zone{n}", private_dns_zone_id=zone)
                    for n, zone in enumerate(args.zone_ids, start=1)
                ],
            ),
            opts=self.child(),
        )
        self.endpoint = endpoint
        self.register_outputs({})
