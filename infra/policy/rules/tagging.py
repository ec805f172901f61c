"""Tags: everything that takes tags says who owns it, who pays and how confidential it is."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from infra.core.tags import MOST, REQUIRED
from infra.graph.model import UNKNOWN
from infra.policy.model import Resource


def tagging(resource: Resource, _: date) -> Iterator[str]:
    """The required tags are there with a value, and the environment is that of the stack."""
    if resource.arm is None or not resource.arm.tags or resource.inputs.get("tags") == UNKNOWN:
        return
    missing = [tag for tag in REQUIRED if resource.tags.get(tag) in (None, "")]
    if missing:
        yield f"tags are missing: {', '.join(missing)}; pass tags=ctx.tags(...)"
    given = resource.tags.get("environment", resource.environment)
    if given not in (resource.environment, "", UNKNOWN):
        yield f"tag environment is '{given}' in a {resource.environment} stack; pass tags=ctx.tags(...)"
    if len(resource.tags) > MOST:
        yield f"{len(resource.tags)} tags; at most {MOST} are allowed, drop some"
