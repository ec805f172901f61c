"""One role given to one principal on one scope."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pulumi
from pulumi_azure_native import authorization

from infra.components.base import Component
from infra.core.roles import assignment_name, definition_id


@dataclass(frozen=True)
class Grant:
    """Who (`principal_id`) may do what (`role`, built-in; or `role_id`, ours) where (`scope`), and why.

    `purpose` names the assignment, once per stack. `subscription` is that of the scope; empty for management groups.

    `outlives` leaves it there when its stack is destroyed.
    """

    purpose: str
    principal_id: pulumi.Input[str]
    scope: pulumi.Input[str]
    role: str = ""
    role_id: pulumi.Input[str] = ""
    subscription: str = ""
    principal_type: Literal["ServicePrincipal", "Group", "User"] = "ServicePrincipal"
    condition: str = ""
    outlives: bool = False


def grant(parent: Component, stack: str, what: Grant) -> authorization.RoleAssignment:
    """Register the assignment.

    The new one cannot stand beside the old: an assignment's principal and role cannot be changed, and Azure refuses a
    second one for the same three; so it is deleted before it is replaced.
    """
    return authorization.RoleAssignment(
        what.purpose,
        authorization.RoleAssignmentArgs(
            role_assignment_name=assignment_name(stack, what.purpose),
            scope=what.scope,
            principal_id=what.principal_id,
            principal_type=what.principal_type,
            role_definition_id=what.role_id or definition_id(what.role, what.subscription),
            description=what.purpose,
            condition=what.condition or None,
            condition_version="2.0" if what.condition else None,
        ),
        opts=parent.child(delete_before_replace=True, retain_on_delete=what.outlives or None),
    )
