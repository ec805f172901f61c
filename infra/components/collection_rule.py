"""What Azure Monitor's agent collects from a hub's machines, and that it stays in the hub's region."""

from __future__ import annotations

import pulumi
from pulumi_azure_native import monitor

from infra.components.base import Component, Context
from infra.settings.base import Common

_COUNTERS = (
    "\\Processor Information(_Total)\\% Processor Time",
    "\\Memory\\Available Bytes",
    "\\LogicalDisk(_Total)\\% Free Space",
)


class CollectionRule(Component):
    """`wan-noc:hub:CollectionRule`, named by the hub's id: system logs and counters into its region's workspace."""

    def __init__(
        self,
        ctx: Context[Common],
        hub: str,
        group: pulumi.Input[str],
        workspace_id: pulumi.Input[str],
        parent: pulumi.Resource,
    ) -> None:
        super().__init__("hub", hub, parent)
        name = ctx.names.of("dcr", "machines", hub)
        self.rule = monitor.DataCollectionRule(
            name,
            monitor.DataCollectionRuleArgs(
                resource_group_name=group,
                data_collection_rule_name=name,
                location=ctx.region(hub),
                description="Logs and counters of the hub's machines",
                data_sources=monitor.DataCollectionRuleDataSourcesArgs(
                    syslog=[
                        monitor.SyslogDataSourceArgs(
                            name="syslog",
                            streams=["Microsoft-Syslog"],
                            facility_names=["auth", "authpriv", "daemon", "kern", "syslog"],
                            log_levels=["Warning", "Error", "Critical", "Alert", "Emergency"],
                        )
                    ],
                    windows_event_logs=[
                        monitor.WindowsEventLogDataSourceArgs(
                            name="events",
                            streams=["Microsoft-Event"],
                            x_path_queries=["System!*[System[(Level=1 or Level=2 or Level=3)]]", "Security!*"],
                        )
                    ],
                    performance_counters=[
                        monitor.PerfCounterDataSourceArgs(
                            name="counters",
                            streams=["Microsoft-Perf"],
                            sampling_frequency_in_seconds=60,
                            counter_specifiers=list(_COUNTERS),
                        )
                    ],
                ),
                destinations=monitor.DataCollectionRuleDestinationsArgs(
                    log_analytics=[
                        monitor.LogAnalyticsDestinationArgs(name="region", workspace_resource_id=workspace_id)
                    ]
                ),
                data_flows=[
                    monitor.DataFlowArgs(
                        streams=["Microsoft-Syslog", "Microsoft-Event", "Microsoft-Perf"], destinations=["region"]
                    )
                ],
                tags=ctx.tags(hub=hub),
            ),
            opts=self.child(),
        )
        self.register_outputs({})
