"""The tags that everything in Azure carries; a policy refuses what lacks one of the first five."""

from __future__ import annotations

from collections.abc import Mapping

REQUIRED = ("environment", "stack", "owner", "cost-centre", "data-class")
MOST = 12  # ours; Azure's own limit was 15 in the stored documentation and is 50 today


def tags(environment: str, stack: str, owner: str, cost_centre: str, data_class: str, **more: str) -> Mapping[str, str]:
    """The required tags and `more` (underscores become hyphens), in a fixed order; empty values are left out."""
    found = dict(zip(REQUIRED, (environment, stack, owner, cost_centre, data_class), strict=True))
    found |= {key.replace("_", "-"): value for key, value in sorted(more.items()) if value}
    if len(found) > MOST:
        raise ValueError(f"{len(found)} tags on one resource; {MOST} are allowed")
    return found
