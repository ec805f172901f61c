"""Where a hub's NOC lives: what every component of the layer is given, and two small things they share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
from pulumi_azure_native import managedidentity, monitor

from infra.components.base import Component, Context
from infra.components.private_endpoint import EndpointArgs, PrivateEndpoint
from infra.settings.noc import Settings


@dataclass(frozen=True)
class Place:
    """A hub's NOC: resource group, the subnet of its private endpoints, the region's log workspace."""

    ctx: Context[Settings]
    hub: str
    group: pulumi.Input[str]
    endpoints_id: pulumi.Input[str]
    logs_id: pulumi.Input[str]

    @property
    def region(self) -> str:
        """The hub's Azure region."""
        return self.ctx.region(self.hub)

    @property
    def tags(self) -> Mapping[str, str]:
        """The required tags and the hub."""
        return self.ctx.tags(hub=self.hub)

    def name(self, kind: str, *parts: str) -> str:
        """`amw-noc-valencia-prod`: an explicit name for a thing of this NOC."""
        return self.ctx.names.of(kind, "noc", *parts, self.hub)

    def endpoint(
        self,
        parent: Component,
        target: pulumi.Input[str],
        group_id: str,
        zones: Sequence[pulumi.Input[str]],
        after: Sequence[pulumi.Resource] = (),
    ) -> PrivateEndpoint:
        """The only way to a service of ours: an address in the NOC's own network."""
        args = EndpointArgs("noc", self.hub, "noc", self.group, self.endpoints_id, target, group_id, zones, after)
        return PrivateEndpoint(self.ctx, args, parent)

    def identity(self, parent: Component, purpose: str) -> managedidentity.UserAssignedIdentity:
        """An identity of ours; its principal outlives what uses it, so that grants do not come and go."""
        name = self.name("id", purpose)
        return managedidentity.UserAssignedIdentity(
            name,
            resource_group_name=self.group,
            resource_name_=name,
            location=self.region,
            tags=self.tags,
            opts=parent.child(protect=True),
        )

    def diagnostics(
        self, parent: Component, of: str, target: pulumi.Input[str], logs: str = "allLogs", metrics: bool = True
    ) -> None:
        """A thing's logs (category group) and metrics into the region's workspace."""
        name = self.name("diag", of)
        monitor.DiagnosticSetting(
            name,
            monitor.DiagnosticSettingArgs(
                resource_uri=target,
                name=name,
                workspace_id=self.logs_id,
                log_analytics_destination_type="Dedicated",
                logs=[monitor.DiagnosticsLogSettingsArgs(category_group=logs, enabled=True)],
                metrics=[monitor.DiagnosticsMetricSettingsArgs(category="AllMetrics", enabled=True)]
                if metrics
                else None,
            ),
            opts=parent.child(),
        )
