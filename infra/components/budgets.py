"""Budgets that write a mail before the money is gone, and locks on subscriptions in which nothing may be deleted."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
from pulumi_azure_native import authorization, consumption, management

from infra.components.base import Component, Context
from infra.settings.governance import Settings

# (name, percent of the month's budget, spent or forecast)
NOTICES = (("spent-80", 80, "Actual"), ("spent-100", 100, "Actual"), ("forecast-110", 110, "Forecasted"))


@dataclass(frozen=True)
class BudgetsArgs:
    """The environment's root group: the budget of everything is there."""

    root: management.ManagementGroup


class Budgets(Component):
    """`wan-noc:governance:Budgets`. [unverified] budgets on management groups need an agreement that allows them."""

    def __init__(self, ctx: Context[Settings], args: BudgetsArgs) -> None:
        super().__init__("governance", "budgets")
        self._ctx = ctx
        s = ctx.settings
        self._budget("all", args.root.id, s.budget)
        for name, amount in s.budgets.items():
            self._budget(name, f"/subscriptions/{s.subscriptions[name].id}", amount)
        for name in s.locked:
            authorization.ManagementLockByScope(
                f"lock-{name}",
                authorization.ManagementLockByScopeArgs(
                    lock_name="nothing-deleted",
                    scope=f"/subscriptions/{s.subscriptions[name].id}",
                    level="CanNotDelete",
                    notes=f"Set by {ctx.stack}; owner {s.owner}",
                ),
                opts=self.child(protect=True),
            )
        self.register_outputs({})

    def _budget(self, name: str, scope: pulumi.Input[str], amount: int) -> None:
        s = self._ctx.settings
        budget = self._ctx.names.of("budget", name)
        consumption.Budget(
            budget,
            consumption.BudgetArgs(
                budget_name=budget,
                scope=scope,
                category="Cost",
                amount=amount,
                time_grain="Monthly",
                time_period=consumption.BudgetTimePeriodArgs(start_date=f"{s.budget_start}T00:00:00Z"),
                notifications={
                    key: consumption.NotificationArgs(
                        enabled=True,
                        operator="GreaterThanOrEqualTo",
                        threshold=percent,
                        threshold_type=kind,
                        contact_emails=[s.contact],
                    )
                    for key, percent, kind in NOTICES
                },
            ),
            opts=self.child(),
        )
