"""The pipelines' identities: which pipeline may act as which, without any stored password.

Turns (repository, branch, environment) into the subjects that the pipeline's OpenID Connect tokens must carry. Changes
are deployed only from the protected pipeline environment of the same name; previews of prod run from the main branch
only, because whoever previews can decrypt the state: a pull request gets a preview of dev.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from infra.core.stacks import Environment

AUDIENCE = "api://AzureADTokenExchange"  # what Entra wants in the token, "Workload identity federation"
MOST = 20  # federated credentials of one identity, the same page
Pipeline = Literal["deploy", "preview"]


@dataclass(frozen=True, slots=True)
class Duty:
    """One pipeline: whose tokens it accepts, by name of the credential, and its roles on each thing of bootstrap."""

    subjects: Mapping[str, str]
    state_role: str
    key_role: str
    site_vault_role: str


def duties(repository: str, branch: str, environment: Environment) -> Mapping[Pipeline, Duty]:
    """The pipelines of one environment.

    Args:
        repository: `owner/name`, as the pipeline's tokens name it.
        branch: the protected main branch.
        environment: of the deployment.
    """
    previews = {"nightly": f"repo:{repository}:ref:refs/heads/{branch}"}
    if environment == "dev":
        previews["pull-request"] = f"repo:{repository}:pull_request"
    return MappingProxyType(
        {
            "deploy": Duty(
                MappingProxyType({"environment": f"repo:{repository}:environment:{environment}"}),
                "Storage Blob Data Contributor",
                "Key Vault Crypto User",
                "Key Vault Contributor",
            ),
            "preview": Duty(MappingProxyType(previews), "Storage Blob Data Reader", "Key Vault Crypto User", "Reader"),
        }
    )
