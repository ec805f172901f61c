"""Connectivity: the Virtual WAN, a hub in each region, firewalls, private DNS and logs."""

from __future__ import annotations

import pulumi
from pulumi_azure_native import resources

from infra.components.base import Component, Context, export
from infra.components.services import (
    Logs,
    RegionArgs,
    Services,
    Zones,
    diagnostics,
    private_endpoints,
    resolver_address,
)
from infra.components.wan import Firewall, HubArgs, Wan, WanHub
from infra.settings.connectivity import Settings


def programme(ctx: Context[Settings]) -> None:
    """Register what all sites and both hubs share."""
    hubs = list(ctx.inventory.hubs)
    root = Component("connectivity", "group")
    name = ctx.names.of("rg", "connectivity")
    group = resources.ResourceGroup(
        name, resource_group_name=name, location=ctx.region(hubs[0]), tags=ctx.tags(), opts=root.child(protect=True)
    )
    wan = Wan(ctx, group.name, ctx.region(hubs[0]))
    regions = {hub: RegionArgs(hub, group.name) for hub in hubs}
    logs = {hub: Logs(ctx, region) for hub, region in regions.items()}
    virtual: dict[str, WanHub] = {}
    services: dict[str, Services] = {}
    for hub, region in regions.items():
        workspace = logs[hub].workspace.id
        rules = Firewall(ctx, hub, group.name, resolver_address(ctx, hub), workspace)
        virtual[hub] = at = WanHub(ctx, HubArgs(hub, group.name, wan.wan.id, rules.policy.id, rules.last_rules))
        services[hub] = Services(ctx, region, at.hub.name, logs[hub], [at.standby_out])
        targets = {"vpng": at.vpn, "ergw": at.express_route, "afw": at.firewall}
        diagnostics(ctx, hub, targets, workspace, at)
    zones = Zones(ctx, group.name, {hub: s.spoke for hub, s in services.items()})
    bootstrap = ctx.reference("bootstrap")
    for hub, region in regions.items():
        private_endpoints(ctx, region, services[hub], logs[hub], zones, bootstrap)
    outputs: dict[str, pulumi.Input[str]] = {"resource_group": group.name, "wan_id": wan.wan.id}
    outputs |= {f"zone_id_{key}": zone for key, zone in zones.ids.items()}
    for hub in hubs:
        at = virtual[hub]
        outputs |= {f"hub_id_{hub}": at.hub.id, f"hub_name_{hub}": at.hub.name}
        outputs |= {f"vpn_gateway_id_{hub}": at.vpn.id, f"vpn_gateway_name_{hub}": at.vpn.name}
        outputs |= {f"er_gateway_id_{hub}": at.express_route.id, f"er_gateway_name_{hub}": at.express_route.name}
        outputs |= {f"standby_in_id_{hub}": at.standby_in.id, f"standby_out_id_{hub}": at.standby_out.id}
        outputs |= {f"firewall_ip_{hub}": at.firewall_ip}
        outputs |= {f"dns_ip_{hub}": services[hub].dns_ip, f"log_workspace_id_{hub}": logs[hub].workspace.id}
        outputs |= {f"endpoint_subnet_id_{hub}": services[hub].spoke.subnets["endpoints"].id}
        outputs |= {f"flow_log_account_id_{hub}": logs[hub].account.id, f"watcher_name_{hub}": logs[hub].watcher.name}
    export(ctx, outputs)
