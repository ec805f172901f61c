"""Configuration of the continuity layer: which hub serves what, the database, evidence, replication."""

from __future__ import annotations

from datetime import date
from ipaddress import IPv4Network
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, StrictInt
from pydantic.alias_generators import to_camel

from infra.core import addressing, continuity
from infra.core.arm import NO_SUBSCRIPTION
from infra.core.errors import Problem
from infra.settings.base import Common, Domain, Guid, Network
from inventory import Inventory


class DatabaseAdministrator(BaseModel):
    """A group or managed identity of Entra that administers the database."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True)
    name: str = Field(min_length=1)
    object_id: Guid
    type: Literal["Group", "ServicePrincipal", "User"] = "Group"


_ADMINISTRATORS = (DatabaseAdministrator(name="wan-database-administrators", object_id=NO_SUBSCRIPTION),)
_PRIVATE_TEXT = ", ".join(map(str, addressing.PRIVATE))
_PARAMETERS = {"require_secure_transport": "on", "ssl_min_protocol_version": "TLSv1.2", "log_checkpoints": "on"}


class Settings(Common):
    """Both regions' continuity: vaults, database, evidence, service names."""

    active_hubs: dict[str, str] = Field(
        default_factory=dict,
        description="Hub that serves an application, by application; unlisted ones are at their home hub",
    )
    service_domain: Domain = Field(
        "wan.example",
        description="DNS domain of the applications: <application>.<hub>.<domain> is what a hub answers for",
    )
    name_ttl: StrictInt = Field(60, ge=10, le=3600, description="Seconds that clients may keep a service name's answer")
    wan_prefixes: tuple[Network, ...] = Field(
        (IPv4Network("10.0.0.0/8"),), min_length=1, description="Addresses of the WAN: the only ones that may come in"
    )
    database_hub: str = Field("valencia", description="Hub whose region has the writing database; the other a replica")
    database_size: str = Field(
        "Standard_D4ds_v5", pattern=r"^Standard_\w+$", description="Compute size of the database"
    )
    database_tier: Literal["GeneralPurpose", "MemoryOptimized"] = Field(
        "GeneralPurpose", description="Compute tier of the database; high availability needs one of the two"
    )
    database_gb: StrictInt = Field(256, ge=128, le=4096, description="Storage of the database, GiB: a power of two")
    database_version: Literal["16", "17"] = Field("16", description="PostgreSQL")
    database_backup_days: StrictInt = Field(35, ge=7, le=35, description="Days that the database can be taken back to")
    database_administrators: tuple[DatabaseAdministrator, ...] = Field(
        _ADMINISTRATORS, min_length=1, description="Who administers the database: Entra only, there is no password"
    )
    database_parameters: dict[str, str] = Field(_PARAMETERS, description="Server parameters of the database")
    evidence_days: StrictInt = Field(
        2555, ge=1, le=146_000, description="Days for which evidence can neither be changed nor deleted (seven years)"
    )
    legal_holds: tuple[str, ...] = Field(
        (), description="Tags of legal holds on the evidence, 3 to 23 letters and digits each; released by hand only"
    )
    vault_immutability: Literal["Unlocked", "Locked"] = Field(
        "Unlocked", description="Backups cannot be shortened; Locked can never be undone"
    )
    site_containers: dict[str, str] = Field(
        default_factory=dict,
        description="Replication container of each hub's Hyper-V hosts, as Site Recovery names it at registration",
    )
    replicated_machines: dict[str, str] = Field(
        default_factory=dict,
        description="Name of the replicated item in Site Recovery by machine (<application>-<machine>-<n>)",
    )

    def problems(self, stack: str, known: Inventory, today: date) -> list[Problem]:
        """Everything that would be refused later: unknown applications and hubs, objectives no copy can keep."""
        name, inventory = stack, known
        machines = {
            f"{a.id}-{m.name}-{n}"
            for a in inventory.applications.values()
            for m in a.machines
            for n in range(1, m.count + 1)
        }
        hubs = "the hubs are " + ", ".join(inventory.hubs)
        found = [
            *continuity.problems(name, inventory, self.active_hubs),
            *continuity.unkept(name, inventory),
            *continuity.too_large(name, inventory),
        ]
        found += [
            Problem(name, "wanPrefixes", str(prefix), "is no private range", f"use parts of {_PRIVATE_TEXT}")
            for prefix in self.wan_prefixes
            if not any(prefix.subnet_of(private) for private in addressing.PRIVATE)
        ]
        if self.database_gb & (self.database_gb - 1):
            rule = "storage comes in powers of two"
            found.append(
                Problem(name, "databaseGb", str(self.database_gb), rule, "use 128, 256, 512, 1024, 2048 or 4096")
            )
        if self.database_hub not in inventory.hubs:
            found.append(Problem(name, "databaseHub", self.database_hub, "there is no such hub", hubs))
        found += [
            Problem(name, f"siteContainers.{hub}", "", "there is no such hub", hubs)
            for hub in sorted(set(self.site_containers) - set(inventory.hubs))
        ]
        found += [
            Problem(name, f"replicatedMachines.{machine}", "", "there is no such machine", "see applications.yaml")
            for machine in sorted(set(self.replicated_machines) - machines)
        ]
        found += [
            Problem(name, "legalHolds", tag, "a tag has 3 to 23 letters and digits", "shorten it")
            for tag in self.legal_holds
            if not (tag.isascii() and tag.isalnum() and 3 <= len(tag) <= 23)
        ]
        return found

    def figures(self, known: Inventory) -> list[tuple[str, int, int, str]]:
        """How close the recovery plans and the service names come to Azure's limits."""
        return [
            ("machines per recovery plan", continuity.largest_plan(known), continuity.ITEMS_MOST, "machines"),
            ("groups per recovery plan", continuity.longest_plan(known), continuity.BOOT_GROUPS_MOST, "groups"),
            ("Traffic Manager profiles", continuity.profiles(known), continuity.PROFILES_MOST, "profiles"),
        ]
