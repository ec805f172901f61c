"""A small stack under the real engine, in a rehearsal, whose programme the tests change as they go."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pulumi
from pulumi_azure_native import network, resources

import inventory
from infra.components.base import Component
from infra.core.stacks import parse
from infra.engine import targets
from infra.engine.run import Target
from infra.rehearsal.world import World
from inventory import Inventory

PROJECT = "name: wan-noc\nruntime: python\nmain: infra/\nstackConfigDir: infra/stacks\n"
SECRET_BEFORE, SECRET_AFTER = "sesame-before", "sesame-after"


class Part(Component):
    """Stands for a component of ours: named like something of the inventory."""


@dataclass
class Lab:
    """The folder of a rehearsal, its world, and what its programme registers."""

    folder: Path
    tables: Inventory
    world: World = field(default_factory=World)
    sites: tuple[str, ...] = ()
    space: str = "10.1.0.0/24"
    key: str = SECRET_BEFORE
    protect: bool = False
    shift: str = ""  # raises this at the start of the programme
    region: str = "spaincentral"

    def __post_init__(self) -> None:
        (self.folder / "stacks").mkdir(parents=True)
        (self.folder / "Pulumi.yaml").write_text(PROJECT)
        for name in ("connectivity-dev", "connectivity-prod", "sites-europe-1-dev"):
            (self.folder / "stacks" / f"Pulumi.{name}.yaml").write_text("config: {}\n")

    def programme(self) -> None:
        if self.shift:
            raise pulumi.RunError(self.shift) if "\n" in self.shift else ZeroDivisionError(self.shift)
        stack = pulumi.get_stack()
        group = resources.ResourceGroup(f"rg-{stack}", resource_group_name=f"rg-{stack}", location=self.region)
        for site in self.sites:
            part = Part("sites", site)
            network.VpnSite(
                f"vpn-{site}",
                network.VpnSiteArgs(
                    resource_group_name=group.name,
                    vpn_site_name=f"vpn-{site}",
                    location=self.region,
                    site_key=pulumi.Output.secret(self.key),
                    address_space=network.AddressSpaceArgs(address_prefixes=[self.space]),
                ),
                opts=part.child(protect=self.protect),
            )
            part.register_outputs({})
        pulumi.export("group", group.id)
        pulumi.export("key", pulumi.Output.secret(self.key))

    def target(self, stack: str = "connectivity-dev") -> Target:
        return targets.rehearsed(
            parse(stack),
            self.world,
            self.folder / "rehearsal",
            tables=self.tables,
            programme=self.programme,
            stack_files=self.folder / "stacks",
            project=self.folder / "Pulumi.yaml",
        )


def lab(folder: Path) -> Lab:
    """A laboratory of the first two shipped sites."""
    tables = inventory.load(inventory.packaged_tables())
    return Lab(folder, tables, sites=tuple(list(tables.sites)[:2]))
