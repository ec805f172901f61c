"""Names of everything in Azure, and Azure's rules for them.

Turns (kind of thing, what it is for, environment) into one explicit name, so that nothing is auto-named; refuses a
name that Azure would refuse. Names of globally unique things carry the organisation's code.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from infra.core.errors import InfraError

# Abbreviation of each kind of resource, after Microsoft's Cloud Adoption Framework ("Abbreviation examples").
_HYPHENLESS = {"st", "cr"}  # storage accounts and registries: lower-case letters and digits only
_GLOBAL = {"st", "cr", "kv", "psql", "traf", "amg"}  # names shared by all customers of Azure
_LONGEST = {"st": 24, "kv": 24, "cr": 50, "rg": 90, "amg": 23}


@dataclass(frozen=True, slots=True)
class Names:
    """Maker of names for one environment. `organisation` is a code of 2 to 6 letters, part of global names."""

    organisation: str
    environment: str

    def of(self, kind: str, *parts: str) -> str:
        """`rg-wan-connectivity-prod`: abbreviation, parts and environment joined by hyphens.

        Args:
            kind: abbreviation of the kind of resource (`rg`, `vwan`, `vhub`, `kv`, `st`, ...).
            parts: what it is for; hyphens are kept, except in kinds that allow none.

        Raises:
            InfraError: the name is longer than Azure allows for the kind, or has a letter it does not.
        """
        words = [kind, *([self.organisation] if kind in _GLOBAL else []), *parts, self.environment]
        name = "-".join(words)
        if kind in _HYPHENLESS:
            name = name.replace("-", "")
        longest = _LONGEST.get(kind, 80)
        if len(name) > longest or not re.fullmatch(r"[a-z0-9][a-z0-9.-]*[a-z0-9]", name):
            raise InfraError(
                f"the name '{name}' cannot be used in Azure: {kind} names have at most {longest} lower-case letters, "
                "digits, dots and hyphens; shorten the organisation's code or the part"
            )
        return name
