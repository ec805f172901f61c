"""Configuration of the governance layer: subscriptions and their places, policies' values, exemptions, budgets."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictInt, StringConstraints
from pydantic.alias_generators import to_camel

from infra.core import exemptions, limits
from infra.core.arm import NO_SUBSCRIPTION
from infra.core.errors import Problem
from infra.core.policies import members
from infra.core.tags import REQUIRED
from infra.core.tree import leaves
from infra.settings.base import TAG, Common, Day, Guid
from inventory import Inventory

_Id = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{1,59}$")]
_ArmType = Annotated[str, StringConstraints(pattern=r"^Microsoft\.[A-Za-z]+(/[A-Za-z]+)+$")]


_Budget = Annotated[StrictInt, Field(ge=1)]
LOCATIONS = (*limits.REGIONS, "global")  # what has no region (DNS zones, action groups) is in 'global'


class _Item(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True)


class Subscription(_Item):
    """A subscription and the management group it belongs to (a leaf of infra/core/tree.py, by its short name)."""

    id: Guid
    group: str


class Exemption(_Item):
    """From one policy of the set, for some resource types, until a day. exporters/fleet reads the same shape."""

    id: _Id
    policy: str
    types: tuple[_ArmType, ...] = Field(min_length=1, max_length=50)
    until: Day
    owner: str = Field(min_length=2, max_length=TAG)
    reason: str = Field(min_length=10, max_length=512)


class Groups(_Item):
    """Entra groups by duty (object ids)."""

    noc_operators: Guid = NO_SUBSCRIPTION
    dr_commanders: Guid = NO_SUBSCRIPTION
    platform_engineers: Guid = NO_SUBSCRIPTION


# Azure Local and Arc keep their control plane (metadata, not data) in one of a few regions; of the stored list
# (2024-11) West Europe is the only one in the European Union.
AZURE_LOCAL = Exemption(
    id="azure-local-control-plane",
    policy="allowed-locations",
    types=(
        "Microsoft.AzureStackHCI/clusters",
        "Microsoft.AzureStackHCI/edgeMachines",
        "Microsoft.AzureStackHCI/galleryImages",
        "Microsoft.AzureStackHCI/logicalNetworks",
        "Microsoft.AzureStackHCI/marketplaceGalleryImages",
        "Microsoft.AzureStackHCI/networkInterfaces",
        "Microsoft.AzureStackHCI/networkSecurityGroups",
        "Microsoft.AzureStackHCI/storageContainers",
        "Microsoft.AzureStackHCI/virtualHardDisks",
        "Microsoft.ExtendedLocation/customLocations",
        "Microsoft.HybridCompute/machines",
        "Microsoft.HybridCompute/machines/extensions",
        "Microsoft.Kubernetes/connectedClusters",
        "Microsoft.ResourceConnector/appliances",
    ),
    until=date(2027, 5, 31),
    owner="platform-engineering",
    reason="Azure Local has no control plane in spaincentral or italynorth; only metadata is held in westeurope",
)


class Settings(Common):
    """Management groups, policies, exemptions, roles, budgets."""

    subscriptions: dict[_Id, Subscription] = Field(
        default_factory=dict, description="Subscriptions by short name, each with its id and management group"
    )
    enforcement: Literal["Default", "DoNotEnforce"] = Field(
        "Default", description="Default: policies deny; DoNotEnforce: they only report, for a first look"
    )
    allowed_locations: tuple[str, ...] = Field(
        ("spaincentral", "italynorth", "global"), min_length=1, description="Regions where resources may be"
    )
    control_plane_location: str = Field(
        "westeurope", description="Region of Azure Local's control plane; allowed by exemption only"
    )
    managed_groups: tuple[str, ...] = Field(
        ("MC_*", "MA_*", "NetworkWatcherRG", "AzureBackupRG_*"),
        description="Names of resource groups that Azure services make; not held to our tags",
    )
    storage_skus: tuple[str, ...] = Field(("Standard_ZRS", "Premium_ZRS"), description="Allowed storage accounts")
    machine_sizes: tuple[str, ...] = Field(
        ("Standard_D*s_v5", "Standard_E*s_v5"), description="Allowed sizes of virtual machines (patterns)"
    )
    registry_tiers: tuple[str, ...] = Field(("Premium",), description="Allowed tiers of container registries")
    firewall_tiers: tuple[str, ...] = Field(("Standard", "Premium"), description="Allowed tiers of firewalls")
    exemptions: tuple[Exemption, ...] = Field(
        (AZURE_LOCAL,), description="Dated exemptions: id, policy, types, until, owner, reason"
    )
    exemption_warning_days: StrictInt = Field(
        45, ge=7, le=180, description="Days before its end that an exemption is warned of"
    )
    groups: Groups = Field(
        default_factory=Groups, description="Entra groups by duty (object ids); zeros: rehearsal only"
    )
    locked: tuple[_Id, ...] = Field((), description="Subscriptions (short names) in which nothing can be deleted")
    budget: StrictInt = Field(
        60_000, ge=1, description="Monthly budget of the whole environment, in the billing currency"
    )
    budgets: dict[_Id, _Budget] = Field(
        default_factory=dict, description="Monthly budgets by subscription (short name)"
    )
    budget_start: Day = Field(date(2026, 12, 1), description="First month of the budgets; a change makes them anew")

    def problems(self, stack: str, known: Inventory, today: date) -> list[Problem]:
        """Names that lead nowhere, exemptions past their day, groups that are missing outside a rehearsal."""
        found = [*exemptions.problems(self.exemptions, stack, today), *self._too_wide(stack)]
        policies = {m.reference for m in members(REQUIRED)}
        for e in self.exemptions:
            if e.policy not in policies:
                remedy = "one of " + ", ".join(sorted(policies))
                found.append(Problem(stack, f"exemptions: {e.id}", e.policy, "is not a policy of the set", remedy))
        places = leaves(known.hubs)
        for name, subscription in self.subscriptions.items():
            if subscription.group not in places:
                key, remedy = f"subscriptions: {name}", "one of " + ", ".join(places)
                found.append(Problem(stack, key, subscription.group, "is not a management group of ours", remedy))
        for key, names in (("locked", self.locked), ("budgets", tuple(self.budgets))):
            for name in names:
                if name not in self.subscriptions:
                    remedy = "list it in subscriptions, or remove it"
                    found.append(Problem(stack, key, name, "is not a subscription of this stack", remedy))
        if self.budget_start.day != 1:
            found.append(
                Problem(stack, "budgetStart", str(self.budget_start), "is not the first of a month", "use the first")
            )
        if self.tenant != NO_SUBSCRIPTION:
            for duty, group in self.groups:
                if group == NO_SUBSCRIPTION:
                    key = f"groups.{to_camel(duty)}"
                    found.append(Problem(stack, key, "", "must be set for a real tenant", "the group's object id"))
        return found

    def _too_wide(self, stack: str) -> list[Problem]:
        """Places outside our regions, and patterns that would let everything through."""
        found = [
            Problem(stack, "allowedLocations", place, "data may not be there", "use only " + ", ".join(LOCATIONS))
            for place in self.allowed_locations
            if place not in LOCATIONS
        ]
        patterns = (
            ("managedGroups", self.managed_groups),
            ("storageSkus", self.storage_skus),
            ("machineSizes", self.machine_sizes),
            ("registryTiers", self.registry_tiers),
            ("firewallTiers", self.firewall_tiers),
        )
        for key, names in patterns:
            for name in names:
                if sum(c.isalnum() for c in name) < 2:
                    found.append(Problem(stack, key, name, "would let everything through", "name what is meant"))
                elif name.count("*") > 1:
                    found.append(Problem(stack, key, name, "Azure takes one * in a pattern", "write two patterns"))
        return found
