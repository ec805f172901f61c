"""The vault of the sites' IPsec keys, apart from everything else: its readers are the routers' configuration jobs."""

from __future__ import annotations

from dataclasses import dataclass

from pulumi_azure_native import monitor, resources

from infra.components.base import Component, Context
from infra.components.state_region import StateRegion
from infra.components.vault import VaultArgs, closed_vault
from infra.settings.bootstrap import Settings


@dataclass(frozen=True)
class SiteVaultArgs:
    """In which hub's region, and the region's audit log."""

    hub: str
    home: StateRegion


class SiteVault(Component):
    """`wan-noc:bootstrap:SiteVault`. The keys are derived from a seed, so that the loss of the vault loses no key."""

    def __init__(self, ctx: Context[Settings], args: SiteVaultArgs) -> None:
        super().__init__("bootstrap", "site-vault")
        location, tags = (
            ctx.region(args.hub),
            ctx.tags(hub=args.hub, open_until=str(ctx.settings.bootstrap_until or "")),
        )
        name = ctx.names.of("rg", "site-keys")
        self.group = resources.ResourceGroup(
            name,
            resources.ResourceGroupArgs(resource_group_name=name, location=location, tags=tags),
            opts=self.child(protect=True),
        )
        self.vault = closed_vault(ctx, self, VaultArgs(ctx.names.of("kv", "site"), self.group.name, location, tags))
        monitor.DiagnosticSetting(
            "audit-site-vault",
            monitor.DiagnosticSettingArgs(
                name="audit",
                resource_uri=self.vault.id,
                workspace_id=args.home.workspace.id,
                logs=[monitor.DiagnosticsLogSettingsArgs(category_group="audit", enabled=True)],
            ),
            opts=self.child(),
        )
        self.register_outputs({})
