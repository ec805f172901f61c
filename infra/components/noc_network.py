"""The NOC's network at a hub: a spoke for its nodes and private endpoints, its way out, its flows logged."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
from pulumi_azure_native import network

from infra.components.base import Component, Context
from infra.components.spoke import Allow, FlowLogs, Spoke, SpokeArgs, SubnetPlan
from infra.settings.noc import Settings

PEOPLE = ("10.0.0.0/8",)  # sites, hubs and Azure's own ranges


@dataclass(frozen=True)
class NetworkArgs:
    """The hub's connectivity: group and name of the virtual hub, firewall, resolver, where flows are logged."""

    hub: str
    group: pulumi.Input[str]
    hub_group: pulumi.Input[str]
    hub_name: pulumi.Input[str]
    firewall_ip: pulumi.Input[str]
    dns_ip: pulumi.Input[str]
    flow_logs: FlowLogs


class NocNetwork(Component):
    """`wan-noc:noc:NocNetwork`, named `network-<hub>`: `spoke`, `routes`, `ready` (what nodes must wait for)."""

    def __init__(self, ctx: Context[Settings], args: NetworkArgs, parent: Component) -> None:
        super().__init__("noc", f"network-{args.hub}", parent)
        self._ctx, self._args = ctx, args
        ranges = ctx.ranges[args.hub]
        self.routes, self.default = self._way_out()
        self.spoke = Spoke(
            ctx,
            SpokeArgs(
                kind="noc",
                hub=args.hub,
                purpose="noc",
                group=args.group,
                space=ranges.noc,
                subnets={
                    "nodes": SubnetPlan(
                        ranges.subnet("noc", 0, 22),
                        [
                            Allow("console", PEOPLE, ["443", "8443"]),
                            Allow("balancer", ["AzureLoadBalancer"], ["*"], "*"),
                            # pods keep their own addresses between nodes (overlay): the rules see both ranges
                            Allow("nodes", [str(ranges.subnet("noc", 0, 22)), ctx.settings.pod_range], ["*"], "*"),
                        ],
                        route_table_id=self.routes.id,
                    ),
                    "endpoints": SubnetPlan(
                        ranges.subnet("noc", 4, 24), [Allow("https", PEOPLE, ["443"])], endpoints=True
                    ),
                },
                flow_logs=args.flow_logs,
                hub_group=args.hub_group,
                hub_name=args.hub_name,
                dns_servers=[args.dns_ip],
            ),
            self,
        )
        connection = [self.spoke.connection] if self.spoke.connection else []
        self.ready: list[pulumi.Resource] = [self.default, *connection]
        self.register_outputs({})

    def _way_out(self) -> tuple[network.RouteTable, network.Route]:
        ctx, args = self._ctx, self._args
        name = ctx.names.of("rt", "noc", args.hub)
        table = network.RouteTable(
            name,
            network.RouteTableInitArgs(
                resource_group_name=args.group,
                route_table_name=name,
                location=ctx.region(args.hub),
                tags=ctx.tags(hub=args.hub),
            ),
            opts=self.child(),
        )
        route = network.Route(
            f"{name}-default",
            network.RouteInitArgs(
                resource_group_name=args.group,
                route_table_name=table.name,
                route_name="default",
                address_prefix="0.0.0.0/0",
                next_hop_type="VirtualAppliance",
                next_hop_ip_address=args.firewall_ip,
            ),
            opts=self.child(),
        )
        return table, route
