"""Managed Prometheus of one region: workspace, the way of the cluster's metrics into it, the rule groups, who is told.

The cluster's collector gets its configuration and sends its samples through a data collection endpoint that is reached
privately; the workspace is queried privately. Rules come from the files that the NOC's own Prometheus runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
from pulumi_azure_native import alertsmanagement, monitor

from infra.components.base import Component
from infra.components.noc_place import Place
from infra.core.rule_groups import Group, Rule

STREAM = "Microsoft-PrometheusMetrics"
RESOLVED_AFTER = "PT10M"


@dataclass(frozen=True)
class MetricsArgs:
    """The zones of the workspace's private name and of Azure Monitor's."""

    prometheus_zone: pulumi.Input[str]
    monitor_zone: pulumi.Input[str]


class Metrics(Component):
    """`wan-noc:noc:Metrics`, named `metrics-<hub>`: `workspace`; `collect` connects a cluster."""

    def __init__(self, place: Place, args: MetricsArgs, parent: Component) -> None:
        super().__init__("noc", f"metrics-{place.hub}", parent)
        self._place = place
        name = place.name("amw")
        self.workspace = monitor.AzureMonitorWorkspace(
            name,
            monitor.AzureMonitorWorkspaceArgs(
                resource_group_name=place.group,
                azure_monitor_workspace_name=name,
                location=place.region,
                public_network_access="Disabled",
                tags=place.tags,
            ),
            opts=self.child(protect=True),
        )
        place.endpoint(self, self.workspace.id, "prometheusMetrics", [args.prometheus_zone])
        self._collection(args.monitor_zone)
        self.register_outputs({})

    def _collection(self, zone: pulumi.Input[str]) -> None:
        place = self._place
        name = place.name("dce")
        self.door = monitor.DataCollectionEndpoint(
            name,
            monitor.DataCollectionEndpointArgs(
                resource_group_name=place.group,
                data_collection_endpoint_name=name,
                location=place.region,
                kind="Linux",
                network_acls=monitor.DataCollectionEndpointNetworkAclsArgs(public_network_access="Disabled"),
                tags=place.tags,
            ),
            opts=self.child(),
        )
        name = place.name("dcr")
        self.rule = monitor.DataCollectionRule(
            name,
            monitor.DataCollectionRuleArgs(
                resource_group_name=place.group,
                data_collection_rule_name=name,
                location=place.region,
                kind="Linux",
                data_collection_endpoint_id=self.door.id,
                data_sources=monitor.DataCollectionRuleDataSourcesArgs(
                    prometheus_forwarder=[
                        monitor.PrometheusForwarderDataSourceArgs(name="prometheus", streams=[STREAM])
                    ]
                ),
                destinations=monitor.DataCollectionRuleDestinationsArgs(
                    monitoring_accounts=[
                        monitor.MonitoringAccountDestinationArgs(
                            name="workspace", account_resource_id=self.workspace.id
                        )
                    ]
                ),
                data_flows=[monitor.DataFlowArgs(streams=[STREAM], destinations=["workspace"])],
                tags=place.tags,
            ),
            opts=self.child(),
        )
        self._private_way(zone)

    def _private_way(self, zone: pulumi.Input[str]) -> None:
        """The endpoint is part of a scope of Azure Monitor, and the scope has the private address."""
        place = self._place
        name = place.name("ampls")
        scope = monitor.PrivateLinkScope(
            name,
            monitor.PrivateLinkScopeArgs(
                resource_group_name=place.group,
                scope_name=name,
                location="global",
                access_mode_settings=monitor.AccessModeSettingsArgs(
                    ingestion_access_mode="PrivateOnly", query_access_mode="PrivateOnly"
                ),
                tags=place.tags,
            ),
            opts=self.child(),
        )
        member = monitor.PrivateLinkScopedResource(
            f"{name}-dce",
            monitor.PrivateLinkScopedResourceArgs(
                resource_group_name=place.group, scope_name=scope.name, name="dce", linked_resource_id=self.door.id
            ),
            opts=self.child(),
        )
        place.endpoint(self, scope.id, "azuremonitor", [zone], after=[member])

    def collect(self, cluster_id: pulumi.Input[str]) -> None:
        """Tell a cluster's collector where its configuration is and where its samples go."""
        name = self._place.name("dcra")
        monitor.DataCollectionRuleAssociation(
            f"{name}-door",
            monitor.DataCollectionRuleAssociationArgs(
                resource_uri=cluster_id,
                association_name="configurationAccessEndpoint",  # Azure knows it by this name only
                data_collection_endpoint_id=self.door.id,
            ),
            opts=self.child(),
        )
        monitor.DataCollectionRuleAssociation(
            name,
            monitor.DataCollectionRuleAssociationArgs(
                resource_uri=cluster_id, association_name=name, data_collection_rule_id=self.rule.id
            ),
            opts=self.child(),
        )


class Called(Component):
    """`wan-noc:noc:Called`, named `called-<hub>`: who is told from Azure, by mail."""

    def __init__(self, place: Place, parent: Component) -> None:
        super().__init__("noc", f"called-{place.hub}", parent)
        name = place.name("ag")
        self.group = monitor.ActionGroup(
            name,
            monitor.ActionGroupInitArgs(
                resource_group_name=place.group,
                action_group_name=name,
                location="global",
                group_short_name=f"noc-{place.hub}"[:12],  # Azure's limit; it is the sender in messages
                enabled=True,
                email_receivers=[
                    monitor.MicrosoftCommonEmailReceiverArgs(
                        name="noc", email_address=place.ctx.settings.contact, use_common_alert_schema=True
                    )
                ],
                tags=place.tags,
            ),
            opts=self.child(),
        )
        self.register_outputs({})


class RuleGroup(Component):
    """`wan-noc:noc:RuleGroup`, named by the group's name in the rule file: its alerts stand in the child's inputs."""

    def __init__(
        self, place: Place, group: Group, workspace_id: pulumi.Input[str], called: pulumi.Input[str], parent: Component
    ) -> None:
        super().__init__("noc", group.name, parent)
        name = place.name("prg", group.name)
        alertsmanagement.PrometheusRuleGroup(
            name,
            alertsmanagement.PrometheusRuleGroupArgs(
                resource_group_name=place.group,
                rule_group_name=name,
                location=place.region,
                description=f"{group.name} of rules/{group.source}; the NOC's own Prometheus evaluates it first",
                enabled=True,
                interval=group.interval,
                scopes=[workspace_id],
                rules=[_rule(r, called) for r in group.rules],
                tags=place.tags,
            ),
            opts=self.child(),
        )
        self.register_outputs({})


def _rule(rule: Rule, called: pulumi.Input[str]) -> alertsmanagement.PrometheusRuleArgs:
    if rule.record:
        return alertsmanagement.PrometheusRuleArgs(
            record=rule.record, expression=rule.expression, labels=dict(rule.labels) or None, enabled=True
        )
    actions: Sequence[alertsmanagement.PrometheusRuleGroupActionArgs] | None = None
    if rule.pages:
        actions = [alertsmanagement.PrometheusRuleGroupActionArgs(action_group_id=called)]
    return alertsmanagement.PrometheusRuleArgs(
        alert=rule.alert,
        expression=rule.expression,
        for_=rule.hold or None,
        severity=rule.severity,
        labels=dict(rule.labels),
        annotations=dict(rule.annotations),
        enabled=not rule.off,
        actions=actions,
        resolve_configuration=alertsmanagement.PrometheusRuleResolveConfigurationArgs(
            auto_resolved=True, time_to_resolve=RESOLVED_AFTER
        ),
    )
