"""A shard of sites: every site a VPN site with a link per circuit, connected to both hubs."""

from __future__ import annotations

import pulumi
from pulumi_azure_native import resources

import inventory
from infra.components.base import Component, Context, export
from infra.components.site import Gateway, SiteArgs, SiteLink
from infra.core.lanes import predecessors
from infra.settings.sites import Settings


class Shard(Component):
    """`wan-noc:sites:Shard`: the shard's resource group and all its sites."""


def programme(ctx: Context[Settings]) -> None:
    """Register the shard's sites, each after the one before it in its write lane."""
    shard = ctx.stack.part
    known = ctx.inventory
    chosen = [s for s in inventory.select(known, ctx.settings.query) if s.shard == shard]
    wan = ctx.reference("connectivity")
    vault = ctx.reference("bootstrap")
    parent = Shard("sites", shard)
    name = ctx.names.of("rg", "sites", shard)
    group = resources.ResourceGroup(
        name,
        resource_group_name=name,
        location=ctx.region(next(iter(known.hubs))),
        tags=ctx.tags(shard=shard),
        opts=parent.child(protect=True),
    )
    gateways = {
        hub: Gateway(
            group=wan["resource_group"],
            name=wan[f"vpn_gateway_name_{hub}"],
            standby_in=wan[f"standby_in_id_{hub}"],
            standby_out=wan[f"standby_out_id_{hub}"],
        )
        for hub in known.hubs
    }
    wan_id, vault_name, vault_group = wan["wan_id"], vault["site_vault_name"], vault["site_vault_group"]
    before = predecessors((s.id for s in chosen), ctx.settings.lanes)
    done: dict[str, SiteLink] = {}
    for site in chosen:
        previous = before[site.id]
        after: dict[str, pulumi.Resource] = dict(done[previous].connections) if previous else {}
        args = SiteArgs(site, group.name, wan_id, gateways, vault_name, vault_group, after)
        done[site.id] = SiteLink(ctx, args, parent)
    parent.register_outputs({})
    links = sum(len(known.circuits_of[s.id]) for s in chosen)
    export(ctx, {"sites": str(len(chosen)), "link_connections": str(links * len(known.hubs))})
