"""An application's service name: a Traffic Manager profile over one child profile per hub, led by the active hub.

The name is answered, not probed: applications have private addresses, which Traffic Manager's probes cannot reach, and
a change of hub is a decision of people. So every endpoint is always served and only priorities speak. A failover
of one application changes the two priorities of its own profile and nothing else in the stack.
"""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
from pulumi_azure_native import trafficmanager

from infra.components.base import Component, Context
from infra.core.continuity import priority
from infra.settings.continuity import Settings
from inventory import Application

_ENDPOINTS = "Microsoft.Network/trafficManagerProfiles"


@dataclass(frozen=True)
class ServiceArgs:
    """One application, the hub that serves it, and the profiles' resource group."""

    application: Application
    active: str
    group: pulumi.Input[str]


class ServiceName(Component):
    """`wan-noc:continuity:ServiceName`, named by the application's id."""

    def __init__(self, ctx: Context[Settings], args: ServiceArgs, parent: pulumi.Resource | None = None) -> None:
        super().__init__("continuity", args.application.id, parent)
        self._ctx, self._args = ctx, args
        hubs = list(ctx.inventory.hubs)
        self.profile = self._profile(args.application.id)
        for hub in hubs:
            child = self._profile(args.application.id, hub)
            self._target(child, hub)
            self._nested(child, hub, priority(hubs, hub, args.active))
        self.register_outputs({})

    def _profile(self, *parts: str) -> trafficmanager.Profile:
        ctx, application = self._ctx, self._args.application
        name = ctx.names.of("traf", *parts)
        return trafficmanager.Profile(
            name,
            trafficmanager.ProfileArgs(
                resource_group_name=self._args.group,
                profile_name=name,
                location="global",
                profile_status="Enabled",
                traffic_routing_method="Priority",
                dns_config=trafficmanager.DnsConfigArgs(relative_name=name, ttl=ctx.settings.name_ttl),
                monitor_config=trafficmanager.MonitorConfigArgs(  # asked for, but nothing is probed
                    protocol="HTTPS", port=443, path="/", interval_in_seconds=30, timeout_in_seconds=10
                ),
                traffic_view_enrollment_status="Disabled",
                tags=ctx.tags(application=application.id, tier=str(application.tier)),
            ),
            opts=self.child(protect=True),
        )

    def _target(self, child: trafficmanager.Profile, hub: str) -> None:
        """What the hub itself answers for, under a name that only the WAN resolves."""
        name = f"{self._args.application.id}-{hub}-target"
        trafficmanager.Endpoint(
            name,
            trafficmanager.EndpointInitArgs(
                resource_group_name=self._args.group,
                profile_name=_named(child),
                endpoint_type="ExternalEndpoints",
                type=f"{_ENDPOINTS}/externalEndpoints",
                endpoint_name=name,
                name=name,
                target=f"{self._args.application.id}.{hub}.{self._ctx.settings.service_domain}",
                endpoint_status="Enabled",
                always_serve="Enabled",
                priority=1,
            ),
            opts=self.child(),
        )

    def _nested(self, child: trafficmanager.Profile, hub: str, priority: int) -> None:
        name = f"{self._args.application.id}-{hub}"
        trafficmanager.Endpoint(
            name,
            trafficmanager.EndpointInitArgs(
                resource_group_name=self._args.group,
                profile_name=_named(self.profile),
                endpoint_type="NestedEndpoints",
                type=f"{_ENDPOINTS}/nestedEndpoints",
                endpoint_name=name,
                name=name,
                target_resource_id=child.id,
                endpoint_status="Enabled",
                always_serve="Enabled",
                min_child_endpoints=1,
                priority=priority,
            ),
            opts=self.child(),
        )


def _named(profile: trafficmanager.Profile) -> pulumi.Output[str]:
    """A profile's name; the SDK's type allows none, ours are explicit."""
    return profile.name.apply(lambda name: name or "")
