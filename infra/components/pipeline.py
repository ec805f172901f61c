"""A pipeline's identity: whose tokens it trusts, and what it may do with the state and the keys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
from pulumi_azure_native import managedidentity

from infra.components.base import Component, Context
from infra.components.grants import Grant, grant
from infra.components.site_vault import SiteVault
from infra.components.state_region import StateRegion
from infra.core.pipelines import AUDIENCE, Duty
from infra.settings.bootstrap import Settings


@dataclass(frozen=True)
class PipelineArgs:
    """One pipeline: its duty, and the things of this layer that it works with."""

    name: str
    duty: Duty
    home: StateRegion
    regions: Mapping[str, StateRegion]
    site_vault: SiteVault


class Pipeline(Component):
    """`wan-noc:bootstrap:Pipeline`, named `deploy` or `preview`."""

    def __init__(self, ctx: Context[Settings], args: PipelineArgs) -> None:
        super().__init__("bootstrap", args.name)
        self._ctx, self._args = ctx, args
        name = ctx.names.of("id", args.name)
        self.identity = managedidentity.UserAssignedIdentity(
            name,
            resource_group_name=args.home.group.name,
            resource_name_=name,  # the SDK's args class clashes with its own constructor over this name
            location=ctx.region(ctx.settings.state_hub),
            tags=ctx.tags(),
            opts=self.child(protect=True),
        )
        self._trust()
        for hub, region in args.regions.items():
            self._grant(f"{args.name}-state-{hub}", args.duty.state_role, region.account.id)
            self._grant(f"{args.name}-secrets-{hub}", args.duty.key_role, region.secrets_key.id)
        self._grant(f"{args.name}-site-keys", args.duty.site_vault_role, args.site_vault.vault.id)
        self.register_outputs({})

    def _trust(self) -> None:
        """The credentials, one after the other: Azure refuses two writes at once on one identity (409)."""
        before: pulumi.Resource = self.identity
        for name, subject in self._args.duty.subjects.items():
            before = managedidentity.FederatedIdentityCredential(
                f"{self._args.name}-{name}",
                resource_group_name=self._args.home.group.name,
                resource_name_=self.identity.name,
                federated_identity_credential_resource_name=name,
                issuer=self._ctx.settings.issuer,
                subject=subject,
                audiences=[AUDIENCE],
                opts=self.child(depends_on=[before]),
            )

    def _grant(self, purpose: str, role: str, scope: pulumi.Input[str]) -> None:
        what = Grant(
            purpose, self.identity.principal_id, scope, role=role, subscription=self._ctx.settings.subscription
        )
        grant(self, self._ctx.stack.name, what)
