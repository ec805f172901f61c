"""Azure Resource Manager: which ARM type and id each resource of the SDK has.

Turns (type token, inputs) into the id that Azure would give (`arm_types.csv`, one row a type). The recorder and the
rehearsal provider make ids from it; names are checked against the rule of the row. Refuses a type without a row.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from infra.core.errors import InfraError

NO_SUBSCRIPTION = "00000000-0000-0000-0000-000000000000"  # zeros: this stack can be rehearsed, never deployed
TABLE = Path(__file__).with_name("arm_types.csv")


@dataclass(frozen=True, slots=True)
class ArmType:
    """One resource type: token of the SDK, ARM type, the id's template, the rule of its name, whether it takes tags.

    `template` has inputs in braces: `{resourceGroup}/providers/Microsoft.Network/vpnSites/{vpnSiteName}`, where
    `{resourceGroup}` is /subscriptions/<id>/resourceGroups/<resourceGroupName>, `{subscription}` the subscription and
    `{scope}` and the like are inputs as they stand. `name_rule` is a regular expression for the last name, from
    "Naming rules and restrictions for Azure resources".
    """

    token: str
    template: str
    name_rule: str
    tags: bool
    location: bool

    @property
    def arm_type(self) -> str:
        """`Microsoft.Network/vpnGateways/vpnConnections`, made from the template's last provider."""
        words = self.template.rpartition("/providers/")[2].split("/")
        return "/".join([words[0], *words[1::2]])

    @property
    def id_inputs(self) -> frozenset[str]:
        """The inputs that make up the id: a change of one is another resource, never an update."""
        names = re.findall(r"\{(\w+)\}", self.template)
        return frozenset("resourceGroupName" if n == "resourceGroup" else n for n in names) - {
            "subscription",
            "subscriptionId",
        }

    @property
    def name_input(self) -> str:
        """The input that holds the resource's own name."""
        return self.template.rpartition("/")[2].strip("{}")


@cache
def table() -> Mapping[str, ArmType]:
    """All rows by type token."""
    with TABLE.open(newline="", encoding="utf-8") as file:
        rows = csv.DictReader(file)
        return {
            r["token"]: ArmType(r["token"], r["template"], r["name_rule"], r["tags"] == "yes", r["location"] == "yes")
            for r in rows
        }


def arm_type(token: str) -> ArmType:
    """The row of a type.

    Raises:
        InfraError: there is no row; the text says where to add one.
    """
    try:
        return table()[token]
    except KeyError:
        raise InfraError(f"{token} has no row in infra/core/arm_types.csv; add its ARM id template there") from None


def resource_id(token: str, inputs: Mapping[str, Any], subscription: str = NO_SUBSCRIPTION) -> str:
    """The ARM id that a resource with these inputs would get.

    Raises:
        InfraError: no row for the type, or an input of the template is missing (a name that is not explicit).
    """
    row = arm_type(token)
    values = {"subscriptionId": subscription} | dict(inputs) | {"subscription": f"/subscriptions/{subscription}"}
    values["resourceGroup"] = f"/subscriptions/{subscription}/resourceGroups/{inputs.get('resourceGroupName', '?')}"

    def fill(match: re.Match[str]) -> str:
        value = values.get(match[1])
        if not isinstance(value, str) or not value:
            raise InfraError(f"{token}: input '{match[1]}' is missing, so that it has no explicit name or place")
        return value.rstrip("/") if value.startswith("/") else value

    return re.sub(r"\{(\w+)\}", fill, row.template)
