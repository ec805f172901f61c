"""The people who deploy bootstrap and governance: their way to the state and to the keys of its secrets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from infra.components.base import Component, Context
from infra.components.grants import Grant, grant
from infra.components.state_region import StateRegion
from infra.settings.bootstrap import Settings

ROLES = ("Storage Blob Data Contributor", "Key Vault Crypto User")


@dataclass(frozen=True)
class OperatorsArgs:
    """The places of the state, by hub."""

    regions: Mapping[str, StateRegion]


class Operators(Component):
    """`wan-noc:bootstrap:Operators`. An owner of the subscription has no right to data: this gives it, to one group."""

    def __init__(self, ctx: Context[Settings], args: OperatorsArgs) -> None:
        super().__init__("bootstrap", "operators")
        who = ctx.settings.operators
        for hub, region in args.regions.items():
            for what, role, scope in zip(
                ("state", "secrets"), ROLES, (region.account.id, region.secrets_key.id), strict=True
            ):
                purpose = Grant(
                    f"operators-{what}-{hub}",
                    who,
                    scope,
                    role=role,
                    subscription=ctx.settings.subscription,
                    principal_type="Group",
                )
                grant(self, ctx.stack.name, purpose)
        self.register_outputs({})
