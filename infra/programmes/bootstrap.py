"""What everything else needs: the state with its copy, the keys, the pipelines' identities."""

from __future__ import annotations

from infra.components.base import Context, export
from infra.components.operators import Operators, OperatorsArgs
from infra.components.pipeline import Pipeline, PipelineArgs
from infra.components.site_vault import SiteVault, SiteVaultArgs
from infra.components.state_copy import StateCopy, StateCopyArgs
from infra.components.state_locks import StateLocks, StateLocksArgs
from infra.components.state_region import StateRegion, StateRegionArgs
from infra.core.pipelines import duties
from infra.settings.bootstrap import Settings


def programme(ctx: Context[Settings]) -> None:
    """Register the state's home and copy, the sites' vault, and an identity a pipeline."""
    at = ctx.settings.state_hub
    regions = {hub: StateRegion(ctx, StateRegionArgs(hub, home=hub == at)) for hub in ctx.inventory.hubs}
    home, away = regions[at], regions[ctx.other(at)]
    copy = StateCopy(ctx, StateCopyArgs(home, away))
    sites = SiteVault(ctx, SiteVaultArgs(at, home))
    pipelines = {
        name: Pipeline(ctx, PipelineArgs(name, duty, home, regions, sites))
        for name, duty in duties(ctx.settings.repository, ctx.settings.branch, ctx.stack.environment).items()
    }
    people = Operators(ctx, OperatorsArgs(regions))
    StateLocks(StateLocksArgs(regions, sites, after=[copy, people, *pipelines.values()]))
    export(
        ctx,
        {
            "state_account": home.account.name,
            "copy_account": away.account.name,
            "secrets_key_uri": home.secrets_key.key_uri_with_version,
            "copy_key_uri": away.secrets_key.key_uri_with_version,
            "site_vault_id": sites.vault.id,
            "site_vault_name": sites.vault.name,
            "site_vault_group": sites.group.name,
            "pipeline_identity_id": pipelines["deploy"].identity.id,
            "pipeline_principal_id": pipelines["deploy"].identity.principal_id,
            "pipeline_client_id": pipelines["deploy"].identity.client_id,
            "preview_client_id": pipelines["preview"].identity.client_id,
            "preview_principal_id": pipelines["preview"].identity.principal_id,
            **{f"account_id_{hub}": region.account.id for hub, region in regions.items()},
            **{f"vault_id_{hub}": region.vault.id for hub, region in regions.items()},
        },
    )
