"""What keeps applications going when a hub is lost: vaults, database, evidence, and the names that lead to them."""

from __future__ import annotations

import pulumi

from infra.components.base import Context, export
from infra.components.database import Database, DatabaseArgs
from infra.components.evidence import EvidenceArgs, EvidenceCopy, EvidenceStore
from infra.components.recovery_region import RecoveryRegion, RegionArgs
from infra.components.recovery_vault import RecoveryVault, VaultArgs
from infra.components.service_name import ServiceArgs, ServiceName
from infra.core import continuity
from infra.settings.continuity import Settings


def programme(ctx: Context[Settings]) -> None:
    """Register both regions' continuity; `activeHubs` moves nothing but service names."""
    hubs = list(ctx.inventory.hubs)
    wan = ctx.reference("connectivity")
    regions = {hub: RecoveryRegion(ctx, RegionArgs(hub, wan)) for hub in hubs}
    groups = {hub: region.group.name for hub, region in regions.items()}
    networks = {hub: region.recovery_network.id for hub, region in regions.items()}

    database = Database(ctx, DatabaseArgs(ctx.settings.database_hub, groups, {h: r.key for h, r in regions.items()}))
    vaults: dict[str, RecoveryVault] = {}
    stores: dict[str, EvidenceStore] = {}
    for hub, region in regions.items():
        vaults[hub] = RecoveryVault(ctx, VaultArgs(hub, groups[hub], region.key, networks))
        stores[hub] = EvidenceStore(ctx, EvidenceArgs(hub, groups[hub], region.key))
        server, vault, account = database.servers[hub], vaults[hub].vault, stores[hub].account
        region.endpoint("database", server.id, "postgresqlServer", [wan["zone_id_postgres"]])
        region.endpoint("evidence", account.id, "blob", [wan["zone_id_blob"]])
        first = region.endpoint("vault", vault.id, "AzureSiteRecovery", [wan["zone_id_siterecovery"]])
        zones = [wan[f"zone_id_backup_{hub}"], wan["zone_id_blob"], wan["zone_id_queue"]]
        region.endpoint("vault", vault.id, "AzureBackup", zones, after=[first])
        region.logged("database", server.id)
        region.logged("vault", vault.id)
        region.logged("evidence", stores[hub].blobs.id, "audit", outlives=True)
    for hub in hubs:
        EvidenceCopy(stores, hub, ctx.other(hub))

    active = continuity.active_hubs(ctx.inventory, ctx.settings.active_hubs)
    for application, hub in active.items():
        ServiceName(ctx, ServiceArgs(ctx.inventory.applications[application], hub, groups[hubs[0]]))

    outputs: dict[str, pulumi.Input[str]] = {
        "postgres_writer": database.writer_host,
        "active_hubs": continuity.as_text(active),
    }
    for hub in hubs:
        outputs[f"vault_id_{hub}"] = vaults[hub].vault.id
        outputs[f"evidence_account_{hub}"] = stores[hub].account.name
    export(ctx, outputs)
