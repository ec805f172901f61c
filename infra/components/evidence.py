"""Evidence of drills and failovers, in both regions: written once, unchangeable for years, copied to the other side.

Each region's account has two containers: `evidence`, written there, and `evidence-copy`, filled by object replication
from the other region. Both have a container-level, time-based immutability policy. Microsoft's documentation says of
the two together that replication of a *changed or deleted* source blob fails where the destination is immutable, and
that new blobs are copied; evidence is only ever added under new names, so the two do not meet. [unverified] live.
A policy starts unlocked and is locked by hand (docs/infra.md): a lock can never be undone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
from pulumi_azure_native import authorization, storage

from infra.components.base import Component, Context
from infra.components.customer_key import CustomerKey
from infra.settings.continuity import Settings

OWN, COPY = "evidence", "evidence-copy"


@dataclass(frozen=True)
class EvidenceArgs:
    """Which hub's region, its resource group and key."""

    hub: str
    group: pulumi.Input[str]
    key: CustomerKey


class EvidenceStore(Component):
    """`wan-noc:continuity:EvidenceStore`, named by the hub's id; `account`, `containers` by name, `ready`."""

    def __init__(self, ctx: Context[Settings], args: EvidenceArgs, parent: pulumi.Resource | None = None) -> None:
        super().__init__("continuity", args.hub, parent)
        self._ctx, self._args = ctx, args
        self.group = args.group
        self.account = self._account()
        self.blobs = self._service()
        self.containers = {name: self._container(name) for name in (OWN, COPY)}
        policies = [self._immutable(name, container) for name, container in self.containers.items()]
        holds = self._hold() if ctx.settings.legal_holds else []
        self.ready: list[pulumi.Resource] = [self.blobs, *policies, *holds]
        self._lock()
        self.register_outputs({})

    def _account(self) -> storage.StorageAccount:
        ctx, args = self._ctx, self._args
        name = ctx.names.of("st", "evid", args.hub)
        return storage.StorageAccount(
            name,
            storage.StorageAccountArgs(
                resource_group_name=args.group,
                account_name=name,
                location=ctx.region(args.hub),
                kind="StorageV2",
                sku=storage.SkuArgs(name="Standard_ZRS"),
                access_tier=storage.AccessTier.HOT,
                identity=storage.IdentityArgs(type="UserAssigned", user_assigned_identities=[args.key.identity.id]),
                encryption=storage.EncryptionArgs(
                    key_source="Microsoft.Keyvault",
                    require_infrastructure_encryption=True,
                    encryption_identity=storage.EncryptionIdentityArgs(
                        encryption_user_assigned_identity=args.key.identity.id
                    ),
                    key_vault_properties=storage.KeyVaultPropertiesArgs(
                        key_name=args.key.key.name,
                        key_vault_uri=args.key.vault.properties.apply(lambda p: p.vault_uri),
                    ),
                ),
                public_network_access="Disabled",
                network_rule_set=storage.NetworkRuleSetArgs(default_action=storage.DefaultAction.DENY, bypass="None"),
                allow_blob_public_access=False,
                allow_shared_key_access=False,
                allow_cross_tenant_replication=False,
                default_to_o_auth_authentication=True,
                enable_https_traffic_only=True,
                is_local_user_enabled=False,
                minimum_tls_version="TLS1_2",
                tags=ctx.tags(hub=args.hub),
            ),
            opts=self.child(protect=True, retain_on_delete=True, depends_on=[args.key.granted]),
        )

    def _service(self) -> storage.BlobServiceProperties:
        kept = storage.DeleteRetentionPolicyArgs(enabled=True, days=90)
        return storage.BlobServiceProperties(
            f"evidence-blobs-{self._args.hub}",
            storage.BlobServicePropertiesArgs(
                resource_group_name=self._args.group,
                account_name=self.account.name,
                blob_services_name="default",
                is_versioning_enabled=True,  # object replication asks for versions on both sides and a change feed
                change_feed=storage.ChangeFeedArgs(enabled=True, retention_in_days=90),
                delete_retention_policy=kept,
                container_delete_retention_policy=kept,
            ),
            opts=self.child(protect=True, retain_on_delete=True),  # deleting it means Azure's defaults: no versions
        )

    def _container(self, name: str) -> storage.BlobContainer:
        return storage.BlobContainer(
            f"{name}-{self._args.hub}",
            storage.BlobContainerArgs(
                resource_group_name=self._args.group,
                account_name=self.account.name,
                container_name=name,
                public_access=storage.PublicAccess.NONE,
            ),
            opts=self.child(protect=True, retain_on_delete=True, depends_on=[self.blobs]),
        )

    def _immutable(self, name: str, container: storage.BlobContainer) -> storage.BlobContainerImmutabilityPolicy:
        return storage.BlobContainerImmutabilityPolicy(
            f"{name}-policy-{self._args.hub}",
            storage.BlobContainerImmutabilityPolicyArgs(
                resource_group_name=self._args.group,
                account_name=self.account.name,
                container_name=container.name,
                immutability_policy_name="default",
                immutability_period_since_creation_in_days=self._ctx.settings.evidence_days,
                allow_protected_append_writes=False,
            ),
            opts=self.child(protect=True, retain_on_delete=True),
        )

    def _hold(self) -> list[pulumi.Resource]:
        """A legal hold on what was written here; the copy has its own region's."""
        container = self.containers[OWN]
        hold = storage.BlobContainerLegalHold(
            f"evidence-hold-{self._args.hub}",
            storage.BlobContainerLegalHoldArgs(
                resource_group_name=self._args.group,
                account_name=self.account.name,
                container_name=container.name,
                tags=list(self._ctx.settings.legal_holds),
            ),
            opts=self.child(protect=True, retain_on_delete=True),
        )
        return [hold]

    def _lock(self) -> None:
        """Nobody deletes the account by mistake; made last, so that it is the first to go."""
        authorization.ManagementLockByScope(
            f"evidence-{self._args.hub}",
            authorization.ManagementLockByScopeArgs(
                lock_name="evidence",
                scope=self.account.id,
                level="CanNotDelete",
                notes="Evidence of drills and failovers; see docs/infra.md",
            ),
            opts=self.child(protect=True, retain_on_delete=True, depends_on=self.ready),
        )


class EvidenceCopy(Component):
    """`wan-noc:continuity:EvidenceCopy`, named by the source hub: its `evidence` into the other region's copy.

    Azure wants the policy on the destination first, under the name `default`, and then on the source with the ids that
    it gave ("Configure object replication for block blobs"). [unverified] that the provider reads both back.
    """

    def __init__(
        self, stores: Mapping[str, EvidenceStore], source: str, target: str, parent: pulumi.Resource | None = None
    ) -> None:
        super().__init__("continuity", source, parent)
        here, there = stores[source], stores[target]
        after = [*here.ready, *there.ready]
        containers = (here.containers[OWN], there.containers[COPY])
        first = self._policy(f"{source}-{target}-destination", there, stores, (source, target), "default", None, after)
        rule = first.rules.apply(lambda rules: (rules[0].rule_id or "") if rules else "")
        self.policy = self._policy(
            f"{source}-{target}-source", here, stores, (source, target), first.policy_id, rule, [*containers]
        )
        self.register_outputs({})

    def _policy(
        self,
        name: str,
        on: EvidenceStore,
        stores: Mapping[str, EvidenceStore],
        way: tuple[str, str],
        policy: pulumi.Input[str],
        rule: pulumi.Input[str] | None,
        after: list[pulumi.Resource],
    ) -> storage.ObjectReplicationPolicy:
        source, target = (stores[hub] for hub in way)
        return storage.ObjectReplicationPolicy(
            name,
            storage.ObjectReplicationPolicyArgs(
                resource_group_name=on.group,
                account_name=on.account.name,
                object_replication_policy_id=policy,
                source_account=source.account.id,
                destination_account=target.account.id,
                rules=[
                    storage.ObjectReplicationPolicyRuleArgs(
                        rule_id=rule,
                        source_container=source.containers[OWN].name,
                        destination_container=target.containers[COPY].name,
                        filters=storage.ObjectReplicationPolicyFilterArgs(min_creation_time="1601-01-01T00:00:00Z"),
                    )
                ],
            ),
            opts=self.child(protect=True, retain_on_delete=True, depends_on=after),  # the account's lock holds it too
        )
