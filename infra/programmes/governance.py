"""What every subscription is held to: the tree of management groups, policies, roles, budgets."""

from __future__ import annotations

import pulumi

from infra.components.access import Access, AccessArgs
from infra.components.base import Context, export
from infra.components.budgets import Budgets, BudgetsArgs
from infra.components.guardrails import Guardrails, GuardrailsArgs
from infra.components.management_groups import ManagementGroups
from infra.core import clock
from infra.core.exemptions import warnings
from infra.settings.governance import Settings


def programme(ctx: Context[Settings]) -> None:
    """Register the tree and what hangs on it; say which exemptions end soon."""
    s = ctx.settings
    for warning in warnings(s.exemptions, clock.today(), s.exemption_warning_days):
        pulumi.log.warn(warning)
    bootstrap = ctx.reference("bootstrap")
    tree = ManagementGroups(ctx)
    Guardrails(ctx, GuardrailsArgs(tree.root))
    Access(ctx, AccessArgs(tree, bootstrap["pipeline_principal_id"], bootstrap["preview_principal_id"]))
    Budgets(ctx, BudgetsArgs(tree.root))
    export(
        ctx,
        {
            "root_group_id": tree.root.id,
            "platform_group_id": tree.all["platform"].id,
            "landing_group_id": tree.all["landing"].id,
        },
    )
