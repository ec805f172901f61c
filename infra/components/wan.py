"""The Virtual WAN and its two hubs: gateways to the sites and to the hubs' data centres, firewall, routing.

Turns the inventory's hubs into Azure virtual hubs that each can carry all sites. The preferred hub of a site is the
one with the shorter AS path: what comes over a standby connection is prepended by the hub's route maps.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
from pulumi_azure_native import network

from infra.components.base import Component, Context
from infra.core import capacity, firewall_rules
from infra.settings.connectivity import Settings

PREPENDED = ("64512", "64512", "64512")  # private, and none of those that Azure keeps for itself (65515 to 65520)
SLOW = pulumi.CustomTimeouts(create="120m", update="120m", delete="120m")  # gateways take half an hour and more
ALL_ROUTES = ("0.0.0.0/0",)


class Wan(Component):
    """`wan-noc:connectivity:Wan`: the Virtual WAN itself; `wan`."""

    def __init__(self, ctx: Context[Settings], group: pulumi.Input[str], location: str) -> None:
        super().__init__("connectivity", "wan")
        name = ctx.names.of("vwan", "wan")
        self.wan = network.VirtualWan(
            name,
            network.VirtualWanArgs(
                resource_group_name=group,
                virtual_wan_name=name,
                location=location,
                type="Standard",
                disable_vpn_encryption=False,
                allow_branch_to_branch_traffic=True,
                tags=ctx.tags(),
            ),
            opts=self.child(protect=True),
        )
        self.register_outputs({})


@dataclass(frozen=True)
class HubArgs:
    """One virtual hub: which hub of the inventory, where, under which WAN, and its firewall's policy."""

    hub: str
    group: pulumi.Input[str]
    wan_id: pulumi.Input[str]
    policy_id: pulumi.Input[str]
    policy_rules: pulumi.Resource


class WanHub(Component):
    """`wan-noc:connectivity:WanHub`, named by the hub's id: virtual hub, gateways, firewall, intent, route maps."""

    def __init__(self, ctx: Context[Settings], args: HubArgs) -> None:
        super().__init__("connectivity", args.hub)
        self._ctx, self._args = ctx, args
        self.hub = self._virtual_hub()
        self.vpn = self._vpn_gateway()
        self.express_route = self._er_gateway()
        self.firewall = self._firewall()
        self.firewall_ip = self.firewall.hub_ip_addresses.apply(_private_address)
        self.intent = self._routing_intent()
        # A hub takes one write at a time: the route maps wait for the intent and for each other.
        self.standby_in = self._prepend("in", self.intent)
        self.standby_out = self._prepend("out", self.standby_in)
        self.register_outputs({})

    def _called(self, kind: str) -> str:
        return self._ctx.names.of(kind, self._args.hub)

    def _virtual_hub(self) -> network.VirtualHub:
        ctx, args = self._ctx, self._args
        return network.VirtualHub(
            self._called("vhub"),
            network.VirtualHubArgs(
                resource_group_name=args.group,
                virtual_hub_name=self._called("vhub"),
                location=ctx.region(args.hub),
                address_prefix=str(ctx.ranges[args.hub].virtual_hub),
                virtual_wan=network.SubResourceArgs(id=args.wan_id),
                sku="Standard",
                hub_routing_preference="ASPath",
                tags=ctx.tags(hub=args.hub),
            ),
            opts=self.child(protect=True, custom_timeouts=SLOW),
        )

    def _vpn_gateway(self) -> network.VpnGateway:
        ctx, args = self._ctx, self._args
        return network.VpnGateway(
            self._called("vpng"),
            network.VpnGatewayArgs(
                resource_group_name=args.group,
                gateway_name=self._called("vpng"),
                location=ctx.region(args.hub),
                virtual_hub=network.SubResourceArgs(id=self.hub.id),
                vpn_gateway_scale_unit=ctx.settings.vpn_units or capacity.vpn_scale_units(ctx.inventory),
                bgp_settings=network.BgpSettingsArgs(asn=ctx.inventory.hubs[args.hub].asn, peer_weight=0),
                tags=ctx.tags(hub=args.hub),
            ),
            opts=self.child(protect=True, custom_timeouts=SLOW),
        )

    def _er_gateway(self) -> network.ExpressRouteGateway:
        ctx, args = self._ctx, self._args
        units = capacity.er_scale_units(ctx.inventory, args.hub)
        return network.ExpressRouteGateway(
            self._called("ergw"),
            network.ExpressRouteGatewayArgs(
                resource_group_name=args.group,
                express_route_gateway_name=self._called("ergw"),
                location=ctx.region(args.hub),
                virtual_hub=network.VirtualHubIdArgs(id=self.hub.id),
                allow_non_virtual_wan_traffic=False,
                auto_scale_configuration=network.ExpressRouteGatewayPropertiesAutoScaleConfigurationArgs(
                    bounds=network.ExpressRouteGatewayPropertiesBoundsArgs(min=units, max=units)
                ),
                tags=ctx.tags(hub=args.hub),
            ),
            opts=self.child(protect=True, custom_timeouts=SLOW, depends_on=[self.vpn]),
        )

    def _firewall(self) -> network.AzureFirewall:
        ctx, args = self._ctx, self._args
        return network.AzureFirewall(
            self._called("afw"),
            network.AzureFirewallArgs(
                resource_group_name=args.group,
                azure_firewall_name=self._called("afw"),
                location=ctx.region(args.hub),
                sku=network.AzureFirewallSkuArgs(name="AZFW_Hub", tier=ctx.settings.firewall_tier),
                virtual_hub=network.SubResourceArgs(id=self.hub.id),
                firewall_policy=network.SubResourceArgs(id=args.policy_id),
                hub_ip_addresses=network.HubIPAddressesArgs(public_ips=network.HubPublicIPAddressesArgs(count=1)),
                zones=["1", "2", "3"],
                tags=ctx.tags(hub=args.hub),
            ),
            opts=self.child(protect=True, custom_timeouts=SLOW, depends_on=[self.express_route, args.policy_rules]),
        )

    def _routing_intent(self) -> network.RoutingIntent:
        """Private traffic and the Internet both go through the hub's firewall."""
        return network.RoutingIntent(
            self._called("intent"),
            network.RoutingIntentArgs(
                resource_group_name=self._args.group,
                virtual_hub_name=self.hub.name,
                routing_intent_name=self._called("intent"),
                routing_policies=[
                    network.RoutingPolicyArgs(
                        name="private", destinations=["PrivateTraffic"], next_hop=self.firewall.id
                    ),
                    network.RoutingPolicyArgs(name="internet", destinations=["Internet"], next_hop=self.firewall.id),
                ],
            ),
            opts=self.child(protect=True, custom_timeouts=SLOW),
        )

    def _prepend(self, direction: str, after: pulumi.Resource) -> network.RouteMap:
        name = self._ctx.names.of("rmap", "standby", direction, self._args.hub)
        return network.RouteMap(
            name,
            network.RouteMapArgs(
                resource_group_name=self._args.group,
                virtual_hub_name=self.hub.name,
                route_map_name=name,
                rules=[
                    network.RouteMapRuleArgs(
                        name="prepend",
                        match_criteria=[
                            network.CriterionArgs(match_condition="Contains", route_prefix=list(ALL_ROUTES))
                        ],
                        actions=[
                            network.ActionArgs(type="Add", parameters=[network.ParameterArgs(as_path=list(PREPENDED))])
                        ],
                        next_step_if_matched="Terminate",
                    )
                ],
            ),
            opts=self.child(custom_timeouts=SLOW, depends_on=[after]),
        )


def _private_address(found: network.outputs.HubIPAddressesResponse | None) -> str:
    return (found.private_ip_address if found else None) or ""


class Firewall(Component):
    """`wan-noc:connectivity:Firewall`, named `rules-<hub>`: one hub's policy, its address groups and its rules."""

    def __init__(
        self, ctx: Context[Settings], hub: str, group: pulumi.Input[str], dns: str, workspace: pulumi.Input[str]
    ) -> None:
        super().__init__("connectivity", f"rules-{hub}")
        self._ctx, self._hub, self._group = ctx, hub, group
        self._groups = self._address_groups()
        self.policy = self._policy(dns, workspace)
        last: pulumi.Resource = self.policy
        for name, (priority, rules) in firewall_rules.RULES.items():  # one write at a time
            last = self._collection(name, priority, rules, last)
        self.last_rules = self._egress(last)
        self.register_outputs({})

    def _address_groups(self) -> Mapping[firewall_rules.Group, network.IpGroup]:
        ctx = self._ctx
        found: dict[firewall_rules.Group, network.IpGroup] = {}
        for key, prefixes in firewall_rules.groups(ctx.inventory, ctx.stack.environment).items():
            name = ctx.names.of("ipg", key, self._hub)
            found[key] = network.IpGroup(
                name,
                network.IpGroupArgs(
                    resource_group_name=self._group,
                    ip_groups_name=name,
                    location=ctx.region(self._hub),
                    ip_addresses=prefixes,
                    tags=ctx.tags(hub=self._hub),
                ),
                opts=self.child(),
            )
        return found

    def _policy(self, dns: str, workspace: pulumi.Input[str]) -> network.FirewallPolicy:
        ctx, name = self._ctx, self._ctx.names.of("afwp", self._hub)
        premium = ctx.settings.firewall_tier == "Premium"
        return network.FirewallPolicy(
            name,
            network.FirewallPolicyArgs(
                resource_group_name=self._group,
                firewall_policy_name=name,
                location=ctx.region(self._hub),
                sku=network.FirewallPolicySkuArgs(tier=ctx.settings.firewall_tier),
                threat_intel_mode="Deny",
                intrusion_detection=network.FirewallPolicyIntrusionDetectionArgs(mode="Alert") if premium else None,
                dns_settings=network.DnsSettingsArgs(enable_proxy=True, servers=[dns]),
                insights=network.FirewallPolicyInsightsArgs(
                    is_enabled=True,
                    retention_days=ctx.settings.log_retention_days,
                    log_analytics_resources=network.FirewallPolicyLogAnalyticsResourcesArgs(
                        default_workspace_id=network.SubResourceArgs(id=workspace)
                    ),
                ),
                tags=ctx.tags(hub=self._hub),
            ),
            opts=self.child(protect=True),
        )

    def _collection(
        self, name: str, priority: int, rules: tuple[firewall_rules.Rule, ...], after: pulumi.Resource
    ) -> network.FirewallPolicyRuleCollectionGroup:
        found = [
            network.NetworkRuleArgs(
                rule_type="NetworkRule",
                name=rule.name,
                source_ip_groups=[self._groups[g].id for g in rule.sources],
                destination_ip_groups=[self._groups[g].id for g in rule.destinations],
                destination_ports=list(rule.ports),
                ip_protocols=list(rule.protocols),
            )
            for rule in rules
        ]
        return self._rule_group(name, priority, found, after)

    def _egress(self, after: pulumi.Resource) -> network.FirewallPolicyRuleCollectionGroup:
        """What the NOC and continuity spokes may fetch over the Internet: named services of Azure, nothing else."""
        rule = network.ApplicationRuleArgs(
            rule_type="ApplicationRule",
            name="azure-services",
            source_ip_groups=[self._groups["noc"].id, self._groups["continuity"].id],
            fqdn_tags=list(firewall_rules.EGRESS_TAGS),
            protocols=[network.FirewallPolicyRuleApplicationProtocolArgs(protocol_type="Https", port=443)],
        )
        return self._rule_group("egress", 600, [rule], after)

    def _rule_group(
        self,
        name: str,
        priority: int,
        rules: list[network.NetworkRuleArgs] | list[network.ApplicationRuleArgs],
        after: pulumi.Resource,
    ) -> network.FirewallPolicyRuleCollectionGroup:
        return network.FirewallPolicyRuleCollectionGroup(
            f"{self._ctx.names.of('afwp', self._hub)}-{name}",
            network.FirewallPolicyRuleCollectionGroupArgs(
                resource_group_name=self._group,
                firewall_policy_name=self.policy.name,
                rule_collection_group_name=name,
                priority=priority,
                rule_collections=[
                    network.FirewallPolicyFilterRuleCollectionArgs(
                        rule_collection_type="FirewallPolicyFilterRuleCollection",
                        name=name,
                        priority=priority,
                        action=network.FirewallPolicyFilterRuleCollectionActionArgs(type="Allow"),
                        rules=rules,
                    )
                ],
            ),
            opts=self.child(depends_on=[after]),
        )
