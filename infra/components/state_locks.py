"""Locks over the state and the sites' keys: nobody deletes them by mistake, not even an owner."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
from pulumi_azure_native import authorization

from infra.components.base import Component
from infra.components.site_vault import SiteVault
from infra.components.state_region import StateRegion


@dataclass(frozen=True)
class StateLocksArgs:
    """What is locked, and everything that is made before: a lock holds role assignments under its scope too."""

    regions: Mapping[str, StateRegion]
    sites: SiteVault
    after: Sequence[Component]


class StateLocks(Component):
    """`wan-noc:bootstrap:StateLocks`. Made last, so that they are the first to go when the stack is destroyed."""

    def __init__(self, args: StateLocksArgs) -> None:
        super().__init__("bootstrap", "locks")
        self._after = [*args.regions.values(), args.sites, *args.after]
        for hub, region in args.regions.items():
            notes = "State of all deployments and the keys of its secrets; see docs/infra.md, lost state"
            self._lock(f"state-{hub}", "state", region.group.id, notes)
        self._lock("site-vault", "site-vault", args.sites.vault.id, "IPsec keys of all sites")
        self.register_outputs({})

    def _lock(self, resource: str, name: str, scope: pulumi.Input[str], notes: str) -> None:
        authorization.ManagementLockByScope(
            resource,
            authorization.ManagementLockByScopeArgs(lock_name=name, scope=scope, level="CanNotDelete", notes=notes),
            opts=self.child(protect=True, depends_on=self._after),
        )
