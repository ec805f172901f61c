"""Shared services of one region: logs, flow logs, the private DNS resolver and its spoke; and the private DNS zones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
from pulumi_azure_native import dnsresolver, monitor, network, operationalinsights, privatedns, storage

from infra.components.base import Component, Context, Reference
from infra.components.private_endpoint import EndpointArgs, PrivateEndpoint
from infra.components.spoke import Allow, FlowLogs, Spoke, SpokeArgs, SubnetPlan
from infra.settings.connectivity import Settings

# zone by our own key; {region} and {geo} are Azure's names of the region. From "Azure Private Endpoint private DNS zone
# values" (Azure documentation); the backup zone's short region names are [unverified] for these two regions.
ZONES: Mapping[str, str] = {
    "blob": "privatelink.blob.core.windows.net",
    "queue": "privatelink.queue.core.windows.net",
    "vault": "privatelink.vaultcore.azure.net",
    "postgres": "privatelink.postgres.database.azure.com",
    "registry": "privatelink.azurecr.io",
    "grafana": "privatelink.grafana.azure.com",
    "monitor": "privatelink.monitor.azure.com",
    "siterecovery": "privatelink.siterecovery.windowsazure.com",
}
REGION_ZONES: Mapping[str, str] = {
    "prometheus": "privatelink.{region}.prometheus.monitor.azure.com",
    "aks": "privatelink.{region}.azmk8s.io",
    "backup": "privatelink.{geo}.backup.windowsazure.com",
}
GEO = {"spaincentral": "spc", "italynorth": "itn"}
RESOLVER_HOST = 4  # first address that Azure leaves free in a subnet


@dataclass(frozen=True)
class RegionArgs:
    """One region's shared services: its hub and the resource group."""

    hub: str
    group: pulumi.Input[str]


class Logs(Component):
    """`wan-noc:connectivity:Logs`, named `logs-<hub>`: workspace, flow-log account, network watcher."""

    def __init__(self, ctx: Context[Settings], args: RegionArgs) -> None:
        super().__init__("connectivity", f"logs-{args.hub}")
        region, tags = ctx.region(args.hub), ctx.tags(hub=args.hub)
        name = ctx.names.of("log", args.hub)
        self.workspace = operationalinsights.Workspace(
            name,
            operationalinsights.WorkspaceArgs(
                resource_group_name=args.group,
                workspace_name=name,
                location=region,
                sku=operationalinsights.WorkspaceSkuArgs(name="PerGB2018"),
                retention_in_days=ctx.settings.log_retention_days,
                public_network_access_for_ingestion="Disabled",
                public_network_access_for_query="Disabled",
                features=operationalinsights.WorkspaceFeaturesArgs(
                    disable_local_auth=True, enable_log_access_using_only_resource_permissions=True
                ),
                tags=tags,
            ),
            opts=self.child(protect=True),
        )
        account = ctx.names.of("st", "flow", args.hub)
        self.account = storage.StorageAccount(
            account,
            storage.StorageAccountArgs(
                resource_group_name=args.group,
                account_name=account,
                location=region,
                kind="StorageV2",
                sku=storage.SkuArgs(name="Standard_ZRS"),
                public_network_access="Disabled",
                network_rule_set=storage.NetworkRuleSetArgs(
                    default_action=storage.DefaultAction.DENY, bypass="AzureServices"
                ),
                allow_blob_public_access=False,
                allow_shared_key_access=False,
                allow_cross_tenant_replication=False,
                enable_https_traffic_only=True,
                minimum_tls_version="TLS1_2",
                encryption=storage.EncryptionArgs(
                    key_source="Microsoft.Storage", require_infrastructure_encryption=True
                ),
                tags=tags,
            ),
            opts=self.child(protect=True),
        )
        watcher = ctx.names.of("nw", args.hub)
        self.watcher = network.NetworkWatcher(
            watcher,
            network.NetworkWatcherArgs(
                resource_group_name=args.group, network_watcher_name=watcher, location=region, tags=tags
            ),
            opts=self.child(),
        )
        self.register_outputs({})


class Services(Component):
    """`wan-noc:connectivity:Services`, named `services-<hub>`: the services' spoke, DNS resolver, flow log."""

    def __init__(
        self,
        ctx: Context[Settings],
        args: RegionArgs,
        hub_name: pulumi.Input[str],
        logs: Logs,
        after: Sequence[pulumi.Resource],
    ) -> None:
        super().__init__("connectivity", f"services-{args.hub}")
        self._ctx, self._args = ctx, args
        ranges = ctx.ranges[args.hub]
        dns = [Allow("dns-udp", ["10.0.0.0/8"], ["53"], "Udp"), Allow("dns-tcp", ["10.0.0.0/8"], ["53"])]
        resolver = "Microsoft.Network/dnsResolvers"
        self.spoke = Spoke(
            ctx,
            SpokeArgs(
                kind="connectivity",
                hub=args.hub,
                purpose="services",
                group=args.group,
                space=ranges.services,
                subnets={
                    "dns-in": SubnetPlan(ranges.subnet("services", 0, 28), dns, delegation=resolver),
                    "dns-out": SubnetPlan(ranges.subnet("services", 1, 28), delegation=resolver),
                    "endpoints": SubnetPlan(
                        ranges.subnet("services", 1, 24), [Allow("https", ["10.0.0.0/8"], ["443"])], endpoints=True
                    ),
                },
                flow_logs=FlowLogs(args.group, logs.watcher.name, logs.account.id, logs.workspace.id),
                hub_group=args.group,
                hub_name=hub_name,
                depends_on=after,
            ),
            self,
        )
        self.dns_ip = resolver_address(ctx, args.hub)
        self._resolver()
        self.register_outputs({})

    def _resolver(self) -> None:
        ctx, args = self._ctx, self._args
        region, name, tags = ctx.region(args.hub), ctx.names.of("dnspr", args.hub), ctx.tags(hub=args.hub)
        resolver = dnsresolver.DnsResolver(
            name,
            dnsresolver.DnsResolverArgs(
                resource_group_name=args.group,
                dns_resolver_name=name,
                location=region,
                virtual_network=dnsresolver.SubResourceArgs(id=self.spoke.network.id),
                tags=tags,
            ),
            opts=self.child(protect=True),
        )
        dnsresolver.InboundEndpoint(
            ctx.names.of("dnsin", args.hub),
            dnsresolver.InboundEndpointArgs(
                resource_group_name=args.group,
                dns_resolver_name=resolver.name,
                inbound_endpoint_name=ctx.names.of("dnsin", args.hub),
                location=region,
                ip_configurations=[
                    dnsresolver.IpConfigurationArgs(
                        subnet=dnsresolver.SubResourceArgs(id=self.spoke.subnets["dns-in"].id),
                        private_ip_allocation_method="Static",
                        private_ip_address=self.dns_ip,
                    )
                ],
                tags=tags,
            ),
            opts=self.child(protect=True),
        )
        out = dnsresolver.OutboundEndpoint(
            ctx.names.of("dnsout", args.hub),
            dnsresolver.OutboundEndpointArgs(
                resource_group_name=args.group,
                dns_resolver_name=resolver.name,
                outbound_endpoint_name=ctx.names.of("dnsout", args.hub),
                location=region,
                subnet=dnsresolver.SubResourceArgs(id=self.spoke.subnets["dns-out"].id),
                tags=tags,
            ),
            opts=self.child(),
        )
        self._forwarding(out, region, tags)

    def _forwarding(self, out: dnsresolver.OutboundEndpoint, region: str, tags: Mapping[str, str]) -> None:
        """Our own domain is answered by the hubs' name servers, the near one first."""
        ctx, args = self._ctx, self._args
        name = ctx.names.of("dnsfrs", args.hub)
        rules = dnsresolver.DnsForwardingRuleset(
            name,
            dnsresolver.DnsForwardingRulesetArgs(
                resource_group_name=args.group,
                dns_forwarding_ruleset_name=name,
                location=region,
                dns_resolver_outbound_endpoints=[dnsresolver.SubResourceArgs(id=out.id)],
                tags=tags,
            ),
            opts=self.child(),
        )
        servers = [s for hub in (args.hub, ctx.other(args.hub)) for s in dns_servers(ctx, hub)]
        dnsresolver.ForwardingRule(
            f"{name}-internal",
            dnsresolver.ForwardingRuleArgs(
                resource_group_name=args.group,
                dns_forwarding_ruleset_name=rules.name,
                forwarding_rule_name="internal",
                domain_name=f"{ctx.settings.internal_domain}.",
                forwarding_rule_state="Enabled",
                target_dns_servers=[dnsresolver.TargetDnsServerArgs(ip_address=s, port=53) for s in servers],
            ),
            opts=self.child(),
        )
        dnsresolver.PrivateResolverVirtualNetworkLink(
            f"{name}-services",
            dnsresolver.PrivateResolverVirtualNetworkLinkArgs(
                resource_group_name=args.group,
                dns_forwarding_ruleset_name=rules.name,
                virtual_network_link_name="services",
                virtual_network=dnsresolver.SubResourceArgs(id=self.spoke.network.id),
            ),
            opts=self.child(),
        )


class Zones(Component):
    """`wan-noc:connectivity:Zones`: private DNS zones of all services, linked to both services' spokes; `ids`."""

    def __init__(self, ctx: Context[Settings], group: pulumi.Input[str], spokes: Mapping[str, Spoke]) -> None:
        super().__init__("connectivity", "zones")
        wanted = dict(ZONES)
        for hub in ctx.inventory.hubs:
            region = ctx.region(hub)
            wanted |= {f"{k}_{hub}": z.format(region=region, geo=GEO[region]) for k, z in REGION_ZONES.items()}
        self.ids: dict[str, pulumi.Output[str]] = {}
        for key, domain in wanted.items():
            zone = privatedns.PrivateZone(
                domain,
                privatedns.PrivateZoneArgs(
                    resource_group_name=group, private_zone_name=domain, location="global", tags=ctx.tags()
                ),
                opts=self.child(protect=True),
            )
            self.ids[key] = zone.id
            for hub, spoke in spokes.items():
                privatedns.VirtualNetworkLink(
                    f"{domain}-{hub}",
                    privatedns.VirtualNetworkLinkArgs(
                        resource_group_name=group,
                        private_zone_name=zone.name,
                        virtual_network_link_name=f"services-{hub}",
                        location="global",
                        registration_enabled=False,
                        virtual_network=privatedns.SubResourceArgs(id=spoke.network.id),
                        tags=ctx.tags(hub=hub),
                    ),
                    opts=self.child(),
                )
        self.register_outputs({})


def private_endpoints(
    ctx: Context[Settings], args: RegionArgs, services: Services, logs: Logs, zones: Zones, bootstrap: Reference
) -> None:
    """The ways into what has no public one: flow logs, and bootstrap's state and vaults of the region.

    The sites' vault is reached in the first hub's region: two endpoints would fight over one record of its zone.
    """
    targets: dict[str, tuple[str, pulumi.Input[str]]] = {
        "flow": ("blob", logs.account.id),
        "state": ("blob", bootstrap[f"account_id_{args.hub}"]),
        "iac": ("vault", bootstrap[f"vault_id_{args.hub}"]),
    }
    if args.hub == next(iter(ctx.inventory.hubs)):
        targets["site"] = ("vault", bootstrap["site_vault_id"])
    subnet = services.spoke.subnets["endpoints"].id
    for purpose, (kind, target) in targets.items():
        endpoint = EndpointArgs("connectivity", args.hub, purpose, args.group, subnet, target, kind, [zones.ids[kind]])
        PrivateEndpoint(ctx, endpoint, services)


def diagnostics(
    ctx: Context[Settings],
    hub: str,
    targets: Mapping[str, pulumi.Resource],
    workspace: pulumi.Input[str],
    parent: Component,
) -> None:
    """All logs and metrics of the named resources into the region's workspace."""
    for key, target in targets.items():
        monitor.DiagnosticSetting(
            ctx.names.of("diag", key, hub),
            monitor.DiagnosticSettingArgs(
                resource_uri=target.id,  # type: ignore[attr-defined] # every target is a custom resource
                name=ctx.names.of("diag", key, hub),
                workspace_id=workspace,
                logs=[monitor.DiagnosticsLogSettingsArgs(category_group="allLogs", enabled=True)],
                metrics=[monitor.DiagnosticsMetricSettingsArgs(category="AllMetrics", enabled=True)],
            ),
            opts=parent.child(),
        )


def dns_servers(ctx: Context[Settings], hub: str) -> list[str]:
    """A hub's own name servers: configured ones, else host 53 of its first prefix."""
    return ctx.settings.dns_servers.get(hub) or [str(ctx.inventory.hubs[hub].prefixes[0][53])]


def resolver_address(ctx: Context[Settings], hub: str) -> str:
    """The resolver's address in the services' spoke, fixed so that others can be told before it exists."""
    return str(ctx.ranges[hub].subnet("services", 0, 28)[RESOLVER_HOST])
