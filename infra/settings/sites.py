"""Configuration of a shard of sites."""

from __future__ import annotations

from pydantic import Field, SecretStr

from infra.core.site_keys import SEED_LENGTH
from infra.settings.base import Common


class Settings(Common):
    """A shard: the sites of the inventory's column, each with a connection to both hubs."""

    site_key_seed: SecretStr = Field(
        min_length=SEED_LENGTH, description="Secret from which the sites' IPsec keys are derived"
    )
    key_generations: dict[str, int] = Field(
        default_factory=dict, description="Generation of the keys of single sites; raise one to rotate its keys"
    )
    key_generation: int = Field(1, ge=1, description="Generation of all other sites' keys")
    lanes: int = Field(1, ge=1, le=8, description="Writes under way at once on one gateway")
    query: str = Field("", description="Selector that narrows the shard, for pilots (noc inventory list QUERY)")
    cpe_domain: str = Field(
        "cpe.wan.example",
        pattern=r"^[a-z0-9-]+(\.[a-z0-9-]+)+$",
        description="DNS domain of the sites' circuits: <site>-<circuit>.<domain>",
    )
