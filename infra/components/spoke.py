"""A spoke network: subnets that each have a network security group, connected to its virtual hub, flows logged.

Turns a table of subnets into standalone resources. No subnet has default outbound access: everything leaves through
the hub's firewall (routing intent), and security rules end in an explicit deny.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network

import pulumi
from pulumi_azure_native import network

from infra.components.base import Component, Context, Reference
from infra.core.stacks import Kind
from infra.settings.base import Common

FLOW_LOG_DAYS = 90


@dataclass(frozen=True, slots=True)
class Allow:
    """One security rule that lets traffic in; addresses are prefixes or service tags, `ports` as Azure writes them."""

    name: str
    sources: Sequence[str]
    ports: Sequence[str]
    protocol: str = "Tcp"


@dataclass(frozen=True, slots=True)
class SubnetPlan:
    """One subnet: prefix, who may come in, and a delegation where a service injects itself."""

    prefix: IPv4Network
    allow: Sequence[Allow] = ()
    delegation: str = ""
    endpoints: bool = False  # holds private endpoints, whose traffic obeys the rules too
    route_table_id: pulumi.Input[str] | None = None  # only where a service insists on one: the hub's routes suffice


@dataclass(frozen=True)
class FlowLogs:
    """Where a region's flow logs go: the network watcher and its group, the account, the workspace; one of each."""

    group: pulumi.Input[str]
    watcher: pulumi.Input[str]
    account_id: pulumi.Input[str]
    workspace_id: pulumi.Input[str]

    @classmethod
    def of(cls, wan: Reference, hub: str) -> FlowLogs:
        """Those of a hub's region, by reference to the connectivity stack."""
        account, workspace = wan[f"flow_log_account_id_{hub}"], wan[f"log_workspace_id_{hub}"]
        return cls(wan["resource_group"], wan[f"watcher_name_{hub}"], account, workspace)


@dataclass(frozen=True)
class SpokeArgs:
    """What a spoke needs: place, range, subnets by name, where its flows are logged, and the hub it connects to."""

    kind: Kind
    hub: str
    purpose: str
    group: pulumi.Input[str]
    space: IPv4Network
    subnets: Mapping[str, SubnetPlan]
    flow_logs: FlowLogs
    hub_group: pulumi.Input[str] = ""
    hub_name: pulumi.Input[str] = ""
    connected: bool = True
    dns_servers: Sequence[pulumi.Input[str]] = ()
    depends_on: Sequence[pulumi.Resource] = field(default_factory=tuple)


class Spoke(Component):
    """`wan-noc:<kind>:Spoke`, named `<purpose>-<hub>`; `network`, `subnets` by name, `connection` to the hub."""

    def __init__(self, ctx: Context[Common], args: SpokeArgs, parent: pulumi.Resource) -> None:
        super().__init__(args.kind, f"{args.purpose}-{args.hub}", parent)
        self._ctx, self._args = ctx, args
        name = ctx.names.of("vnet", args.purpose, args.hub)
        self.network = network.VirtualNetwork(
            name,
            network.VirtualNetworkInitArgs(
                resource_group_name=args.group,
                virtual_network_name=name,
                location=ctx.region(args.hub),
                address_space=network.AddressSpaceArgs(address_prefixes=[str(args.space)]),
                dhcp_options=network.DhcpOptionsArgs(dns_servers=list(args.dns_servers)) if args.dns_servers else None,
                tags=ctx.tags(hub=args.hub),
            ),
            opts=self.child(protect=True),
        )
        self.subnets: dict[str, network.Subnet] = {}
        previous: pulumi.Resource = self.network
        for subnet, plan in args.subnets.items():  # one network takes one write at a time
            self.subnets[subnet] = previous = self._subnet(subnet, plan, previous)
        self.connection = self._connection(previous) if args.connected else None
        self._flow_log(args.flow_logs)
        self.register_outputs({})

    def _subnet(self, subnet: str, plan: SubnetPlan, previous: pulumi.Resource) -> network.Subnet:
        args, ctx = self._args, self._ctx
        group = self._security(subnet, plan)
        name = ctx.names.of("snet", args.purpose, subnet, args.hub)
        delegations = [network.DelegationArgs(name=subnet, service_name=plan.delegation)] if plan.delegation else None
        return network.Subnet(
            name,
            network.SubnetInitArgs(
                resource_group_name=args.group,
                virtual_network_name=self.network.name,
                subnet_name=name,
                address_prefix=str(plan.prefix),
                network_security_group=network.NetworkSecurityGroupArgs(id=group.id),
                delegations=delegations,
                default_outbound_access=False,
                private_endpoint_network_policies="Enabled" if plan.endpoints else None,
                route_table=network.RouteTableArgs(id=plan.route_table_id) if plan.route_table_id is not None else None,
            ),
            opts=self.child(depends_on=[previous]),
        )

    def _security(self, subnet: str, plan: SubnetPlan) -> network.NetworkSecurityGroup:
        args, ctx = self._args, self._ctx
        name = ctx.names.of("nsg", args.purpose, subnet, args.hub)
        group = network.NetworkSecurityGroup(
            name,
            network.NetworkSecurityGroupInitArgs(
                resource_group_name=args.group,
                network_security_group_name=name,
                location=ctx.region(args.hub),
                tags=ctx.tags(hub=args.hub),
            ),
            opts=self.child(),
        )
        for position, rule in enumerate(plan.allow):
            self._rule(name, group, rule.name, 100 + 10 * position, rule)
        self._rule(name, group, "deny-all", 4096, None)
        return group

    def _rule(
        self, prefix: str, group: network.NetworkSecurityGroup, name: str, priority: int, rule: Allow | None
    ) -> None:
        sources = list(rule.sources) if rule else ["*"]
        ports = list(rule.ports) if rule else ["*"]
        network.SecurityRule(
            f"{prefix}-{name}",
            network.SecurityRuleInitArgs(
                resource_group_name=self._args.group,
                network_security_group_name=group.name,
                security_rule_name=name,
                priority=priority,
                direction="Inbound",
                access="Allow" if rule else "Deny",
                protocol=rule.protocol if rule else "*",
                source_address_prefix=sources[0] if len(sources) == 1 else None,
                source_address_prefixes=sources if len(sources) > 1 else None,
                source_port_range="*",
                destination_address_prefix="*",
                destination_port_range=ports[0] if len(ports) == 1 else None,
                destination_port_ranges=ports if len(ports) > 1 else None,
            ),
            opts=self.child(),
        )

    def _connection(self, after: pulumi.Resource) -> network.HubVirtualNetworkConnection:
        args, ctx = self._args, self._ctx
        name = ctx.names.of("vhc", args.purpose, args.hub)
        return network.HubVirtualNetworkConnection(
            name,
            network.HubVirtualNetworkConnectionArgs(
                resource_group_name=args.hub_group,
                virtual_hub_name=args.hub_name,
                connection_name=name,
                remote_virtual_network=network.SubResourceArgs(id=self.network.id),
                enable_internet_security=True,
            ),
            opts=self.child(
                depends_on=[after, *args.depends_on],
                custom_timeouts=pulumi.CustomTimeouts(create="60m", update="60m", delete="60m"),
            ),
        )

    def _flow_log(self, logs: FlowLogs) -> None:
        ctx, args = self._ctx, self._args
        name = ctx.names.of("fl", args.purpose, args.hub)
        network.FlowLog(
            name,
            network.FlowLogArgs(
                resource_group_name=logs.group,
                network_watcher_name=logs.watcher,
                flow_log_name=name,
                location=ctx.region(args.hub),
                target_resource_id=self.network.id,
                storage_id=logs.account_id,
                enabled=True,
                format=network.FlowLogFormatParametersArgs(type="JSON", version=2),
                retention_policy=network.RetentionPolicyParametersArgs(enabled=True, days=FLOW_LOG_DAYS),
                flow_analytics_configuration=network.TrafficAnalyticsPropertiesArgs(
                    network_watcher_flow_analytics_configuration=network.TrafficAnalyticsConfigurationPropertiesArgs(
                        enabled=True,
                        traffic_analytics_interval=10,
                        workspace_region=ctx.region(args.hub),
                        workspace_resource_id=logs.workspace_id,
                    )
                ),
                tags=ctx.tags(hub=args.hub),
            ),
            opts=self.child(),
        )
