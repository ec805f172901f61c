"""Configuration of a shard of sites."""

from __future__ import annotations

from datetime import date
from difflib import get_close_matches
from typing import Annotated

from pydantic import Field, SecretStr, StrictInt

from infra.core.errors import Problem
from infra.core.site_keys import SEED_LENGTH
from infra.settings.base import Common, Domain
from inventory import Inventory, QueryError, select

_Generation = Annotated[StrictInt, Field(ge=1)]


class Settings(Common):
    """A shard: the sites of the inventory's column, each with a connection to both hubs."""

    site_key_seed: SecretStr = Field(
        min_length=SEED_LENGTH, description="Secret from which the sites' IPsec keys are derived"
    )
    key_generations: dict[str, _Generation] = Field(
        default_factory=dict, description="Generation of the keys of single sites; raise one to rotate its keys"
    )
    key_generation: StrictInt = Field(1, ge=1, description="Generation of all other sites' keys")
    lanes: StrictInt = Field(1, ge=1, le=8, description="Writes under way at once on one gateway")
    query: str = Field("", description="Selector that narrows the shard, for pilots (noc inventory list QUERY)")
    cpe_domain: Domain = Field(
        "cpe.wan.example", description="DNS domain of the sites' circuits: <site>-<circuit>.<domain>"
    )

    def problems(self, stack: str, known: Inventory, today: date) -> list[Problem]:
        """A query that cannot be understood; keys of sites that this shard does not have."""
        found: list[Problem] = []
        try:
            select(known, self.query)
        except QueryError as error:
            remedy = "try it: noc inventory list QUERY"
            found.append(Problem(stack, "query", self.query, str(error), remedy))
        shard = self.layer.partition("-")[2]
        sites = {s.id for s in known.sites.values() if s.shard == shard}
        found += [
            Problem(stack, f"keyGenerations.{site}", "", f"is no site of shard {shard}", _meant(site, sites))
            for site in self.key_generations
            if site not in sites
        ]
        return found


def _meant(site: str, sites: set[str]) -> str:
    near = get_close_matches(site, sorted(sites), n=1, cutoff=0.6)
    return f"did you mean '{near[0]}'?" if near else "name one of the shard's sites: noc inventory list shard=SHARD"
