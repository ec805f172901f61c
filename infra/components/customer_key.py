"""A region's key for encryption at rest: vault, hardware key, and an identity that may only wrap and unwrap with it.

Every region has its own, because keys cannot be restored from one geography into another and the two regions are no
pair. Whatever is encrypted with the key is lost with it: vault and key are protected and purge-protected.
"""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
from pulumi_azure_native import keyvault, managedidentity

from infra.components.base import Component, Context
from infra.components.grants import Grant, grant
from infra.settings.continuity import Settings

ROLE = "Key Vault Crypto Service Encryption User"


@dataclass(frozen=True)
class KeyArgs:
    """Which hub's region, and its resource group."""

    hub: str
    group: pulumi.Input[str]


class CustomerKey(Component):
    """`wan-noc:continuity:CustomerKey`, named by the hub's id; `vault`, `key`, `identity`, `granted`.

    It outlives the stack, as the evidence does that nobody could read without it.
    """

    def __init__(self, ctx: Context[Settings], args: KeyArgs, parent: pulumi.Resource | None = None) -> None:
        super().__init__("continuity", args.hub, parent)
        location, tags = ctx.region(args.hub), ctx.tags(hub=args.hub)
        vault_name = ctx.names.of("kv", "dr", args.hub)
        self.vault = keyvault.Vault(
            vault_name,
            keyvault.VaultArgs(
                resource_group_name=args.group,
                vault_name=vault_name,
                location=location,
                properties=keyvault.VaultPropertiesArgs(
                    tenant_id=ctx.settings.tenant,
                    sku=keyvault.SkuArgs(family="A", name=keyvault.SkuName.PREMIUM),
                    enable_rbac_authorization=True,
                    enable_soft_delete=True,
                    soft_delete_retention_in_days=90,
                    enable_purge_protection=True,
                    public_network_access="Disabled",
                    network_acls=keyvault.NetworkRuleSetArgs(
                        default_action="Deny",
                        bypass="AzureServices",  # how storage, vault and database reach their key
                    ),
                ),
                tags=tags,
            ),
            opts=self.child(protect=True, retain_on_delete=True),
        )
        self.key = keyvault.Key(
            f"{vault_name}-data",
            keyvault.KeyArgs(
                resource_group_name=args.group,
                vault_name=self.vault.name,
                key_name="data",
                properties=keyvault.KeyPropertiesArgs(
                    kty="RSA-HSM", key_size=3072, key_ops=["wrapKey", "unwrapKey"], rotation_policy=_rotation()
                ),
                tags=tags,
            ),
            opts=self.child(protect=True, retain_on_delete=True),
        )
        identity_name = ctx.names.of("id", "dr", args.hub)
        self.identity = managedidentity.UserAssignedIdentity(
            identity_name,
            resource_group_name=args.group,
            resource_name_=identity_name,  # the SDK's args class clashes with its own constructor over this name
            location=location,
            tags=tags,
            opts=self.child(protect=True, retain_on_delete=True),
        )
        what = Grant(
            f"continuity-encryption-{args.hub}",
            self.identity.principal_id,
            self.key.id,
            role=ROLE,
            subscription=ctx.settings.subscription,
            outlives=True,
        )
        self.granted = grant(self, ctx.stack.name, what)
        self.register_outputs({})


def _rotation() -> keyvault.RotationPolicyArgs:
    """A new version a year; services that follow the key without version take it by themselves."""
    return keyvault.RotationPolicyArgs(
        attributes=keyvault.KeyRotationPolicyAttributesArgs(expiry_time="P2Y"),
        lifetime_actions=[
            keyvault.LifetimeActionArgs(
                action=keyvault.ActionArgs(type=keyvault.KeyRotationPolicyActionType.ROTATE),
                trigger=keyvault.TriggerArgs(time_after_create="P1Y"),
            )
        ],
    )
