"""What the continuity layer has in one region: resource group, networks, key, and where private endpoints stand.

Three networks: `continuity` for endpoints, `recovery` for machines failed over from the other hub (connected, so that
the WAN reaches them), and `rehearsal` of the same shape for test failovers, connected to nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
from pulumi_azure_native import monitor, network, resources

from infra.components.base import Component, Context, Reference
from infra.components.customer_key import CustomerKey, KeyArgs
from infra.components.private_endpoint import EndpointArgs, PrivateEndpoint
from infra.components.spoke import Allow, FlowLogs, Spoke, SpokeArgs, SubnetPlan
from infra.core.hub_network import TIERS
from infra.settings.continuity import Settings


@dataclass(frozen=True)
class RegionArgs:
    """Which hub's region, and the outputs of the connectivity stack."""

    hub: str
    wan: Reference


class RecoveryRegion(Component):
    """`wan-noc:continuity:RecoveryRegion`, named by the hub's id."""

    def __init__(self, ctx: Context[Settings], args: RegionArgs) -> None:
        super().__init__("continuity", args.hub)
        self._ctx, self._args = ctx, args
        self.group = self._group()
        self.spoke = self._spoke("continuity", {"endpoints": self._endpoints()}, connected=True)
        self.recovery = self._spoke("recovery", self._machines("recovery"), connected=True, after=self.spoke)
        self.rehearsal = self._spoke("rehearsal", self._machines("rehearsal"), connected=False)
        self.key = CustomerKey(ctx, KeyArgs(args.hub, self.group.name), self)
        self.endpoint("key", self.key.vault.id, "vault", [args.wan["zone_id_vault"]])
        self.logged("key", self.key.vault.id)
        self.register_outputs({})

    @property
    def recovery_network(self) -> network.VirtualNetwork:
        """The network that failed-over machines get into."""
        return self.recovery.network

    def endpoint(
        self,
        purpose: str,
        target: pulumi.Input[str],
        group_id: str,
        zones: Sequence[pulumi.Input[str]],
        after: Sequence[pulumi.Resource] = (),
    ) -> PrivateEndpoint:
        """A private endpoint in this region's endpoint subnet, with its names in the shared private zones."""
        args = EndpointArgs(
            kind="continuity",
            hub=self._args.hub,
            purpose=purpose,
            group=self.group.name,
            subnet_id=self.spoke.subnets["endpoints"].id,
            target_id=target,
            group_id=group_id,
            zone_ids=zones,
            depends_on=after,
        )
        return PrivateEndpoint(self._ctx, args, self)

    def logged(
        self, what: str, resource_id: pulumi.Input[str], group: str = "allLogs", *, outlives: bool = False
    ) -> None:
        """Send a resource's logs to the region's own workspace; `outlives` the stack, as the resource does."""
        monitor.DiagnosticSetting(
            f"logs-{what}-{self._args.hub}",
            monitor.DiagnosticSettingArgs(
                name="logs",
                resource_uri=resource_id,
                workspace_id=self._args.wan[f"log_workspace_id_{self._args.hub}"],
                logs=[monitor.DiagnosticsLogSettingsArgs(category_group=group, enabled=True)],
            ),
            opts=self.child(retain_on_delete=outlives or None),
        )

    def _group(self) -> resources.ResourceGroup:
        ctx = self._ctx
        name = ctx.names.of("rg", "continuity", self._args.hub)
        return resources.ResourceGroup(
            name,
            resources.ResourceGroupArgs(
                resource_group_name=name, location=ctx.region(self._args.hub), tags=ctx.tags(hub=self._args.hub)
            ),
            opts=self.child(protect=True, retain_on_delete=True),  # it would take the evidence along
        )

    def _endpoints(self) -> SubnetPlan:
        wan = [str(p) for p in self._ctx.settings.wan_prefixes]
        prefix = self._ctx.ranges[self._args.hub].subnet("continuity", 0, 24)
        return SubnetPlan(prefix, (Allow("wan", wan, ["443", "5432", "6432"]),), endpoints=True)

    def _machines(self, spoke: str) -> dict[str, SubnetPlan]:
        """A subnet per tier, at the same place in both networks; the rehearsal lets in nothing but itself."""
        ranges = self._ctx.ranges[self._args.hub]
        inside = [str(getattr(ranges, spoke))]
        wan = [str(p) for p in self._ctx.settings.wan_prefixes] if spoke == "recovery" else inside
        return {
            f"tier{tier}": SubnetPlan(ranges.subnet(spoke, n, 20), (Allow("wan", wan, ["*"], "*"),))
            for n, tier in enumerate(TIERS)
        }

    def _spoke(
        self, purpose: str, subnets: dict[str, SubnetPlan], *, connected: bool, after: Spoke | None = None
    ) -> Spoke:
        ctx, hub, wan = self._ctx, self._args.hub, self._args.wan
        args = SpokeArgs(
            kind="continuity",
            hub=hub,
            purpose=purpose,
            group=self.group.name,
            space=getattr(ctx.ranges[hub], purpose),
            subnets=subnets,
            flow_logs=FlowLogs.of(wan, hub),
            hub_group=wan["resource_group"] if connected else "",
            hub_name=wan[f"hub_name_{hub}"] if connected else "",
            connected=connected,
            dns_servers=[wan[f"dns_ip_{hub}"]] if connected else (),
            # a virtual hub takes one connection at a time
            depends_on=[after.connection] if after and after.connection else (),
        )
        return Spoke(ctx, args, self)
