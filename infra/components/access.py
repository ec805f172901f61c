"""Who may do what: our roles, and the groups and pipelines that have them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import pulumi
from pulumi_azure_native import authorization

from infra.components.base import Component, Context
from infra.components.grants import Grant, grant
from infra.components.management_groups import ManagementGroups
from infra.core import roles
from infra.settings.governance import Settings

DEPLOYED = (
    "connectivity",
    "continuity",
    "landing",
)  # where the pipeline may change things; never the state's own place


@dataclass(frozen=True)
class AccessArgs:
    """The tree, and the principals of the pipelines."""

    tree: ManagementGroups
    deploy: pulumi.Input[str]
    preview: pulumi.Input[str]


class Access(Component):
    """`wan-noc:governance:Access`."""

    def __init__(self, ctx: Context[Settings], args: AccessArgs) -> None:
        super().__init__("governance", "access")
        self._ctx, self._root = ctx, args.tree.root
        self.roles = {role.id: self._role(role) for role in roles.CUSTOM}
        s = ctx.settings.groups
        root = args.tree.root.id
        own = any(each.group == "continuity" for each in ctx.settings.subscriptions.values())
        continuity = args.tree.all["continuity"].id if own else root  # in a shared subscription: the role is narrow
        people = (
            Grant("noc-operators", s.noc_operators, root, role_id=self.roles["noc-operator"].id),
            Grant("dr-commanders", s.dr_commanders, continuity, role_id=self.roles["dr-commander"].id),
            Grant("platform-engineers", s.platform_engineers, root, role="Reader"),
        )
        for person in people:
            self._give(person, "Group")
        self._give(Grant("preview", args.preview, root, role="Reader"), "ServicePrincipal")
        for short in DEPLOYED:
            scope = args.tree.all[short].id
            self._give(Grant(f"deploy-{short}", args.deploy, scope, role="Contributor"), "ServicePrincipal")
            delegate = Grant(
                f"deploy-{short}-roles",
                args.deploy,
                scope,
                role="Role Based Access Control Administrator",
                condition=roles.may_grant(roles.PIPELINE_MAY_GRANT),
            )
            self._give(delegate, "ServicePrincipal")
        self.register_outputs({})

    def _role(self, role: roles.CustomRole) -> authorization.RoleDefinition:
        environment = self._ctx.stack.environment
        return authorization.RoleDefinition(
            f"role-{role.id}",
            authorization.RoleDefinitionArgs(
                role_definition_id=roles.assignment_name(environment, "role", role.id),
                role_name=f"WAN {role.title} ({environment})",
                role_type="CustomRole",
                description=role.purpose,
                scope=self._root.id,
                assignable_scopes=[self._root.id],
                permissions=[
                    authorization.PermissionArgs(
                        actions=list(role.actions),
                        not_actions=list(role.not_actions),
                        data_actions=list(role.data_actions),
                        not_data_actions=[],
                    )
                ],
            ),
            opts=self.child(protect=True),
        )

    def _give(self, what: Grant, principal_type: Literal["Group", "ServicePrincipal"]) -> None:
        grant(self, self._ctx.stack.name, replace(what, principal_type=principal_type))
