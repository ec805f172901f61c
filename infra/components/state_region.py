"""What one region holds of the deployments themselves: a key vault, the account of the state, their audit log.

Both regions get the same: the state's home, and its copy. Nothing of it depends on Azure's pairs of regions, which
spaincentral and italynorth do not have: keys cannot be restored from one geography into another, so each has its own.
"""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
from pulumi_azure_native import (
    keyvault,
    managedidentity,
    monitor,
    operationalinsights,
    resources,
    storage,
)

from infra.components.base import Component, Context
from infra.components.grants import Grant, grant
from infra.components.vault import VaultArgs, closed_vault
from infra.settings.bootstrap import Settings

CONTAINER = "state"
COPY = "state-copy"


@dataclass(frozen=True)
class StateRegionArgs:
    """Which hub's region, and whether the state lives there or its copy."""

    hub: str
    home: bool


class StateRegion(Component):
    """`wan-noc:bootstrap:StateRegion`, named by the hub's id."""

    def __init__(self, ctx: Context[Settings], args: StateRegionArgs) -> None:
        super().__init__("bootstrap", args.hub)
        self._ctx, self._args = ctx, args
        self._location = ctx.region(args.hub)
        self._tags = ctx.tags(hub=args.hub, open_until=str(ctx.settings.bootstrap_until or ""))
        self.group = self._group()
        self.workspace = self._workspace()
        self.vault = closed_vault(
            ctx, self, VaultArgs(ctx.names.of("kv", "iac", args.hub), self.group.name, self._location, self._tags)
        )
        self.secrets_key = self._key("pulumi-secrets", rotate=False)
        self.encryption_key = self._key("state-encryption", rotate=True)
        self.account = self._account()
        self.blobs = self._blob_service()
        self.containers = {name: self._container(name) for name in ((CONTAINER,) if args.home else (CONTAINER, COPY))}
        self._audit("vault", self.vault.id)
        self._audit("blobs", self.blobs.id)
        self.register_outputs({})

    def _group(self) -> resources.ResourceGroup:
        name = self._ctx.names.of("rg", "state", self._args.hub)
        return resources.ResourceGroup(
            name,
            resources.ResourceGroupArgs(resource_group_name=name, location=self._location, tags=self._tags),
            opts=self.child(protect=True),
        )

    def _workspace(self) -> operationalinsights.Workspace:
        """Who read the state or used a key: its own log, which the platform writes past the closed network."""
        name = self._ctx.names.of("log", "iac", self._args.hub)
        return operationalinsights.Workspace(
            name,
            operationalinsights.WorkspaceArgs(
                resource_group_name=self.group.name,
                workspace_name=name,
                location=self._location,
                sku=operationalinsights.WorkspaceSkuArgs(name="PerGB2018"),
                retention_in_days=self._ctx.settings.log_days,
                public_network_access_for_ingestion="Disabled",
                public_network_access_for_query="Disabled",
                features=operationalinsights.WorkspaceFeaturesArgs(disable_local_auth=True),
                tags=self._tags,
            ),
            opts=self.child(protect=True),
        )

    def _key(self, name: str, *, rotate: bool) -> keyvault.Key:
        """A key made in the vault's hardware.

        The storage account follows a new version of its key by itself. The secrets provider decrypts with the version
        it is told, so its key is never rotated in place: a new key is made and the stacks are moved to it.
        """
        rotation = keyvault.RotationPolicyArgs(
            attributes=keyvault.KeyRotationPolicyAttributesArgs(expiry_time="P2Y"),
            lifetime_actions=[
                keyvault.LifetimeActionArgs(
                    action=keyvault.ActionArgs(type=keyvault.KeyRotationPolicyActionType.ROTATE),
                    trigger=keyvault.TriggerArgs(time_after_create="P1Y"),
                )
            ],
        )
        return keyvault.Key(
            f"{name}-{self._args.hub}",
            keyvault.KeyArgs(
                resource_group_name=self.group.name,
                vault_name=self.vault.name,
                key_name=name,
                properties=keyvault.KeyPropertiesArgs(
                    kty="RSA-HSM",
                    key_size=3072,
                    key_ops=["encrypt", "decrypt", "wrapKey", "unwrapKey"],
                    rotation_policy=rotation if rotate else None,
                ),
                tags=self._tags,
            ),
            opts=self.child(protect=True),
        )

    def _account(self) -> storage.StorageAccount:
        """The account, encrypted with the vault's key through an identity that can do nothing else."""
        ctx, hub = self._ctx, self._args.hub
        identity_name = ctx.names.of("id", "state", hub)
        identity = managedidentity.UserAssignedIdentity(
            identity_name,
            resource_group_name=self.group.name,
            resource_name_=identity_name,  # the SDK's args class clashes with its own constructor over this name
            location=self._location,
            tags=self._tags,
            opts=self.child(protect=True),
        )
        may_wrap = grant(
            self,
            ctx.stack.name,
            Grant(
                f"state-encryption-{hub}",
                identity.principal_id,
                self.encryption_key.id,
                role="Key Vault Crypto Service Encryption User",
                subscription=ctx.settings.subscription,
            ),
        )
        name = ctx.names.of("st", "state", hub)
        doors = ctx.settings.bootstrap_addresses
        return storage.StorageAccount(
            name,
            storage.StorageAccountArgs(
                resource_group_name=self.group.name,
                account_name=name,
                location=self._location,
                kind="StorageV2",
                sku=storage.SkuArgs(name="Standard_ZRS"),
                access_tier=storage.AccessTier.HOT,
                identity=storage.IdentityArgs(type="UserAssigned", user_assigned_identities=[identity.id]),
                encryption=storage.EncryptionArgs(
                    key_source="Microsoft.Keyvault",
                    require_infrastructure_encryption=True,
                    encryption_identity=storage.EncryptionIdentityArgs(encryption_user_assigned_identity=identity.id),
                    key_vault_properties=storage.KeyVaultPropertiesArgs(
                        key_name=self.encryption_key.name,
                        key_vault_uri=self.vault.properties.apply(lambda p: p.vault_uri or ""),
                    ),
                ),
                minimum_tls_version="TLS1_2",
                enable_https_traffic_only=True,
                allow_blob_public_access=False,
                allow_shared_key_access=False,
                allow_cross_tenant_replication=False,
                allowed_copy_scope="AAD",
                default_to_o_auth_authentication=True,
                is_local_user_enabled=False,
                public_network_access="Enabled" if doors else "Disabled",
                network_rule_set=storage.NetworkRuleSetArgs(
                    default_action=storage.DefaultAction.DENY,
                    bypass="AzureServices",
                    ip_rules=[storage.IPRuleArgs(i_p_address_or_range=r) for r in doors],
                ),
                tags=self._tags,
            ),
            opts=self.child(protect=True, depends_on=[may_wrap]),
        )

    def _blob_service(self) -> storage.BlobServiceProperties:
        """Versions, a change feed (replication needs both) and soft delete; old versions go after their time."""
        ctx, hub = self._ctx, self._args.hub
        kept = storage.DeleteRetentionPolicyArgs(enabled=True, days=ctx.settings.deleted_days)
        blobs = storage.BlobServiceProperties(
            f"{ctx.names.of('st', 'state', hub)}-blobs",
            storage.BlobServicePropertiesArgs(
                resource_group_name=self.group.name,
                account_name=self.account.name,
                blob_services_name="default",
                is_versioning_enabled=True,
                change_feed=storage.ChangeFeedArgs(enabled=True),
                delete_retention_policy=kept,
                container_delete_retention_policy=kept,
            ),
            opts=self.child(protect=True),
        )
        expire = storage.DateAfterCreationArgs(days_after_creation_greater_than=ctx.settings.version_days)
        storage.ManagementPolicy(
            f"{ctx.names.of('st', 'state', hub)}-lifecycle",
            storage.ManagementPolicyArgs(
                resource_group_name=self.group.name,
                account_name=self.account.name,
                management_policy_name="default",
                policy=storage.ManagementPolicySchemaArgs(
                    rules=[
                        storage.ManagementPolicyRuleArgs(
                            name="old-versions",
                            enabled=True,
                            type="Lifecycle",
                            definition=storage.ManagementPolicyDefinitionArgs(
                                filters=storage.ManagementPolicyFilterArgs(blob_types=["blockBlob"]),
                                actions=storage.ManagementPolicyActionArgs(
                                    version=storage.ManagementPolicyVersionArgs(delete=expire)
                                ),
                            ),
                        )
                    ]
                ),
            ),
            opts=self.child(depends_on=[blobs]),
        )
        return blobs

    def _container(self, name: str) -> storage.BlobContainer:
        return storage.BlobContainer(
            f"{name}-{self._args.hub}",
            storage.BlobContainerArgs(
                resource_group_name=self.group.name,
                account_name=self.account.name,
                container_name=name,
                public_access=storage.PublicAccess.NONE,
            ),
            opts=self.child(protect=True, depends_on=[self.blobs]),
        )

    def _audit(self, what: str, resource_id: pulumi.Input[str]) -> monitor.DiagnosticSetting:
        return monitor.DiagnosticSetting(
            f"audit-{what}-{self._args.hub}",
            monitor.DiagnosticSettingArgs(
                name="audit",
                resource_uri=resource_id,
                workspace_id=self.workspace.id,
                logs=[monitor.DiagnosticsLogSettingsArgs(category_group="audit", enabled=True)],
            ),
            opts=self.child(),
        )
