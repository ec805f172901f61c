"""Configuration of the bootstrap layer: where the state lives, who deploys, and the first run's open door."""

from __future__ import annotations

from datetime import date, timedelta
from ipaddress import IPv4Network

from pydantic import Field, StrictInt, field_validator

from infra.core.arm import NO_SUBSCRIPTION
from infra.core.errors import Problem
from infra.settings.base import Common, Day, Guid
from inventory import Inventory

LONGEST_OPEN = timedelta(days=14)
MOST_RANGES = 200  # "Azure Storage firewall and virtual network rules": 400 for storage; Key Vault 1,000; ours is less


class Settings(Common):
    """State accounts, key vaults, identities of the pipelines."""

    state_hub: str = Field("valencia", description="Hub whose region holds the state; the other one holds the copy")
    issuer: str = Field(
        "https://token.actions.githubusercontent.com",
        pattern=r"^https://[a-z0-9./_-]+[^/]$",
        description="Issuer of the pipelines' OpenID Connect tokens",
    )
    repository: str = Field(
        "example/wan-noc", pattern=r"^[\w.-]+/[\w.-]+$", description="Repository whose pipelines deploy: owner/name"
    )
    operators: Guid = Field(
        NO_SUBSCRIPTION, description="Entra group of the people who deploy bootstrap and governance (object id)"
    )
    branch: str = Field("main", pattern=r"^[\w./-]+$", description="Protected branch that prod is previewed from")
    version_days: StrictInt = Field(365, ge=30, le=3650, description="Days that old versions of the state are kept")
    deleted_days: StrictInt = Field(
        90, ge=30, le=365, description="Days that a deleted blob or container can be restored"
    )
    log_days: StrictInt = Field(365, ge=90, le=730, description="Days that the audit log of state and keys is kept")
    bootstrap_addresses: tuple[str, ...] = Field(
        (), description="Public IPv4 ranges let in during the first run, before private endpoints exist; then empty"
    )
    bootstrap_until: Day | None = Field(
        None, description="Last day (UTC) of bootstrapAddresses, at most 14 days ahead; needed with them"
    )

    @field_validator("bootstrap_addresses")
    @classmethod
    def _public_ranges(cls, ranges: tuple[str, ...]) -> tuple[str, ...]:
        for text in ranges:
            network = IPv4Network(text)
            if not network.is_global or network.prefixlen < 24:
                raise ValueError(f"{text} must be a public range of at most 256 addresses")
            if network.prefixlen == 31 or (network.prefixlen == 32 and "/" in text):
                raise ValueError(f"{text}: Azure takes single addresses without a length, and no /31")
        if len(ranges) > MOST_RANGES:
            raise ValueError(f"at most {MOST_RANGES} ranges")
        return ranges

    def problems(self, stack: str, known: Inventory, today: date) -> list[Problem]:
        """The state's hub exists; the open door's date is given, not past, not far."""
        found = []
        if self.state_hub not in known.hubs:
            remedy = "one of " + ", ".join(known.hubs)
            found.append(Problem(stack, "stateHub", self.state_hub, "is not a hub of the inventory", remedy))
        return found + self._door(stack, today)

    def _door(self, stack: str, today: date) -> list[Problem]:
        if not self.bootstrap_addresses:
            return []
        key, until = "bootstrapUntil", self.bootstrap_until
        close = f"pulumi config rm bootstrapAddresses -s {stack}, or set the day until which they are needed"
        if until is None:
            return [Problem(stack, key, "", "must be given with bootstrapAddresses", close)]
        if until < today:
            return [Problem(stack, key, str(until), "is past: the vaults and accounts must be closed again", close)]
        if until > today + LONGEST_OPEN:
            return [Problem(stack, key, str(until), f"is more than {LONGEST_OPEN.days} days ahead", close)]
        return []
