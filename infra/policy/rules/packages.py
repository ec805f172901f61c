"""Packages: which providers' resources may be deployed at all. All the other policies know Azure's types only.

The allow-list is what the stacks are made of: Azure's own interface, the engine's own types (stacks, references,
the provider of Azure) and our components.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from infra.policy.model import Resource

AZURE_PACKAGE, ENGINE, OURS = "azure-native", "pulumi", "wan-noc"
ALLOWED = (AZURE_PACKAGE, ENGINE, OURS)
_PROVIDERS = "pulumi:providers:"


def packages(resource: Resource, _: date) -> Iterator[str]:
    """The resource's package, or that of the provider that it is, is in the allow-list."""
    provider = resource.type.removeprefix(_PROVIDERS)
    package = provider if resource.type.startswith(_PROVIDERS) else provider.partition(":")[0]
    if package not in ALLOWED:
        yield f"{resource.type} is of the package '{package}'; use one of {', '.join(ALLOWED)}"
