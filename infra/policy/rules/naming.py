"""Explicit names: nothing is auto-named, and every name is one that Azure accepts.

A name that is left out gets a random suffix from Pulumi, so that nobody can tell beforehand what will be there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date

from infra.graph.model import UNKNOWN
from infra.policy.model import AZURE, Resource


def naming(resource: Resource, _: date) -> Iterator[str]:
    """The input that holds the name is given and follows the rule of the type in arm_types.csv."""
    row = resource.arm
    if row is None:
        if resource.type.startswith(AZURE):
            yield f"{resource.type} has no row in infra/core/arm_types.csv; add its ARM id template and name rule"
        return
    if not row.template.endswith("}"):
        return  # Azure fixes the name: blobServices/default
    if row.name_input == "subscriptionId":
        return  # names nothing new: the provider's subscription, unless given
    name = resource.inputs.get(row.name_input)
    if name == UNKNOWN:
        return
    if not isinstance(name, str) or not name:
        yield f"{row.name_input} is not set; give an explicit name (ctx.names.of), or Pulumi adds a random suffix"
    elif row.name_rule and not re.fullmatch(row.name_rule, name):
        yield f"{row.name_input} is '{name}', which Azure refuses; names of this type match {row.name_rule}"
