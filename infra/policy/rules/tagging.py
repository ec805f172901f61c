"""Tags: everything that takes tags says who owns it, who pays and how confidential it is.

Azure folds the case of names, not of values: `Owner` is `owner`, `Confidential` is no data class.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import date
from typing import get_args

from infra.core.tags import MOST, REQUIRED
from infra.graph.model import UNKNOWN
from infra.policy.model import Resource
from infra.settings.base import Common

DATA_CLASSES: tuple[str, ...] = get_args(Common.model_fields["data_class"].annotation)


def tagging(resource: Resource, _: date) -> Iterator[str]:
    """The required tags are there with a value, and the environment is that of the stack."""
    if resource.arm is None or not resource.arm.tags or resource.inputs.get("tags") == UNKNOWN:
        return
    missing = [tag for tag in REQUIRED if _blank(resource.tag(tag))]
    if missing:
        yield f"tags are missing: {', '.join(missing)}; pass tags=ctx.tags(...)"
    given, data_class = resource.tag("environment"), resource.tag("data-class")
    if not _blank(given) and given not in (resource.environment, UNKNOWN):
        yield f"tag environment is '{given}' in a {resource.environment} stack; pass tags=ctx.tags(...)"
    if not _blank(data_class) and data_class not in (*DATA_CLASSES, UNKNOWN):
        yield f"tag data-class is '{data_class}'; use one of {', '.join(DATA_CLASSES)}"
    twice = sorted(t for t, count in Counter(map(str.casefold, resource.tags)).items() if count > 1)
    if twice:
        yield f"tags that Azure does not tell apart: {', '.join(twice)}; give each of them once"
    if len(resource.tags) > MOST:
        yield f"{len(resource.tags)} tags; at most {MOST} are allowed, drop some"


def _blank(value: object) -> bool:
    return not isinstance(value, str) or not value.strip()
