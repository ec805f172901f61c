"""A key vault as every vault here is: hardware keys, roles only, deletion in two steps, no public network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
from pulumi_azure_native import keyvault

from infra.components.base import Component, Context
from infra.settings.bootstrap import Settings


@dataclass(frozen=True)
class VaultArgs:
    """A vault's name, place and tags."""

    name: str
    group: pulumi.Input[str]
    location: str
    tags: Mapping[str, str]


def closed_vault(ctx: Context[Settings], parent: Component, args: VaultArgs) -> keyvault.Vault:
    """Register the vault; open to the ranges of the first run only while the settings name any."""
    doors = ctx.settings.bootstrap_addresses
    return keyvault.Vault(
        args.name,
        keyvault.VaultArgs(
            resource_group_name=args.group,
            vault_name=args.name,
            location=args.location,
            properties=keyvault.VaultPropertiesArgs(
                tenant_id=ctx.settings.tenant,
                sku=keyvault.SkuArgs(family="A", name=keyvault.SkuName.PREMIUM),
                enable_rbac_authorization=True,
                enable_soft_delete=True,
                soft_delete_retention_in_days=90,
                enable_purge_protection=True,
                public_network_access="Enabled" if doors else "Disabled",
                network_acls=keyvault.NetworkRuleSetArgs(
                    default_action="Deny",
                    bypass="AzureServices",  # the storage account's way to its key
                    ip_rules=[keyvault.IPRuleArgs(value=r) for r in doors],
                ),
            ),
            tags=args.tags,
        ),
        opts=parent.child(protect=True),
    )
