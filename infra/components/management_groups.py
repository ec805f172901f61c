"""The tree of management groups of one environment, and the subscriptions in it."""

from __future__ import annotations

from collections.abc import Mapping

import pulumi
import pulumi_azure_native as azure_native
from pulumi_azure_native import management

from infra.components.base import Component, Context
from infra.core.tree import groups
from infra.settings.governance import Settings, Subscription


class ManagementGroups(Component):
    """`wan-noc:governance:ManagementGroups`, named by the environment; `all` by short name, `root` above them."""

    def __init__(self, ctx: Context[Settings]) -> None:
        super().__init__("governance", ctx.stack.environment)
        self._ctx = ctx
        tenant = f"/providers/Microsoft.Management/managementGroups/{ctx.settings.tenant}"
        self.root = self._group(ctx.settings.organisation, f"WAN {ctx.stack.environment}", tenant)
        self.all: dict[str, management.ManagementGroup] = {}
        for group in groups(ctx.inventory.hubs):
            above = self.all[group.parent] if group.parent else self.root
            self.all[group.id] = self._group(group.id, group.title, above.id)
        if ctx.stack.environment == "prod":
            self._hierarchy(tenant)
        self._place(ctx.settings.subscriptions)
        self.register_outputs({})

    def _group(self, short: str, title: str, parent: pulumi.Input[str]) -> management.ManagementGroup:
        name = self._ctx.names.of("mg", short)
        return management.ManagementGroup(
            name,
            management.ManagementGroupArgs(
                group_id=name,
                display_name=title,
                details=management.CreateManagementGroupDetailsArgs(
                    parent=management.CreateParentGroupInfoArgs(id=parent)
                ),
            ),
            opts=self.child(protect=True),
        )

    def _hierarchy(self, tenant: str) -> None:
        """New subscriptions land in the sandbox; who makes management groups must have been given the right."""
        management.HierarchySetting(
            "hierarchy",
            management.HierarchySettingArgs(
                group_id=tenant.rpartition("/")[2],
                default_management_group=self.all["sandbox"].id,
                require_authorization_for_group_creation=True,
            ),
            opts=self.child(protect=True),
        )

    def _place(self, subscriptions: Mapping[str, Subscription]) -> None:
        """Each subscription into its group.

        Azure moves the subscription that the provider works for, so that each needs a provider; governance is deployed
        seldom enough for that.
        """
        for name, subscription in subscriptions.items():
            provider = azure_native.Provider(f"subscription-{name}", subscription_id=subscription.id, opts=self.child())
            management.ManagementGroupSubscription(
                f"subscription-{name}",
                management.ManagementGroupSubscriptionArgs(group_id=self.all[subscription.group].name),
                opts=self.child(provider=provider, protect=True),
            )
