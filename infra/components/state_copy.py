"""The copy of the state in the other region: object replication, blob by blob, by Azure itself.

Locks are not copied, so that a state taken over from the copy is not locked by a run that no longer exists.
"""

from __future__ import annotations

from dataclasses import dataclass

from pulumi_azure_native import storage

from infra.components.base import Component, Context
from infra.components.state_region import CONTAINER, COPY, StateRegion
from infra.settings.bootstrap import Settings

# What a state container holds, less .pulumi/locks/.
COPIED = (".pulumi/stacks/", ".pulumi/history/", ".pulumi/backups/", ".pulumi/meta.yaml")


@dataclass(frozen=True)
class StateCopyArgs:
    """From where to where."""

    home: StateRegion
    away: StateRegion


class StateCopy(Component):
    """`wan-noc:bootstrap:StateCopy`.

    Azure wants the policy on the destination first, under the name `default`, and then on the source with the ids that
    it gave ("Configure object replication for block blobs"). [unverified] that the provider reads both back.
    """

    def __init__(self, ctx: Context[Settings], args: StateCopyArgs) -> None:
        super().__init__("bootstrap", "state-copy")
        home, away = args.home, args.away
        containers = [home.containers[CONTAINER], away.containers[COPY]]
        filters = storage.ObjectReplicationPolicyFilterArgs(
            prefix_match=list(COPIED), min_creation_time="1601-01-01T00:00:00Z"
        )
        destination = storage.ObjectReplicationPolicy(
            "state-copy-destination",
            storage.ObjectReplicationPolicyArgs(
                resource_group_name=away.group.name,
                account_name=away.account.name,
                object_replication_policy_id="default",
                source_account=home.account.id,
                destination_account=away.account.id,
                rules=[
                    storage.ObjectReplicationPolicyRuleArgs(
                        source_container=containers[0].name, destination_container=containers[1].name, filters=filters
                    )
                ],
            ),
            opts=self.child(protect=True, depends_on=[home.blobs, away.blobs]),
        )
        storage.ObjectReplicationPolicy(
            "state-copy-source",
            storage.ObjectReplicationPolicyArgs(
                resource_group_name=home.group.name,
                account_name=home.account.name,
                object_replication_policy_id=destination.policy_id,
                source_account=home.account.id,
                destination_account=away.account.id,
                rules=[
                    storage.ObjectReplicationPolicyRuleArgs(
                        rule_id=destination.rules.apply(lambda rules: (rules[0].rule_id or "") if rules else ""),
                        source_container=containers[0].name,
                        destination_container=containers[1].name,
                        filters=filters,
                    )
                ],
            ),
            opts=self.child(protect=True),
        )
        self.register_outputs({})
