"""The frame of a hub's hosting: its resource groups, in the hub's own region whatever Azure Local's metadata say."""

from __future__ import annotations

from pulumi_azure_native import resources

from infra.components.base import Component, Context
from infra.settings.hub import Settings

PURPOSES = ("hosting", "machines", "circuits")  # the platform, what runs on it, the way into Azure


class Hosting(Component):
    """`wan-noc:hub:Hosting`, named by the hub's id; `groups` by purpose. Everything of the stack stands under it."""

    def __init__(self, ctx: Context[Settings], hub: str) -> None:
        super().__init__("hub", hub)
        self._ctx, self._hub = ctx, hub
        self.groups = {purpose: self._group(purpose) for purpose in PURPOSES}
        self.register_outputs({})

    @property
    def platform_group_id(self) -> str:
        """ARM id of the platform's group; written out, since imports need it before anything is registered."""
        name = self._ctx.names.of("rg", "hosting", self._hub)
        return f"/subscriptions/{self._ctx.settings.subscription}/resourceGroups/{name}"

    def _group(self, purpose: str) -> resources.ResourceGroup:
        ctx = self._ctx
        name = ctx.names.of("rg", purpose, self._hub)
        return resources.ResourceGroup(
            name,
            resources.ResourceGroupArgs(
                resource_group_name=name, location=ctx.region(self._hub), tags=ctx.tags(hub=self._hub)
            ),
            opts=self.child(protect=True),
        )
