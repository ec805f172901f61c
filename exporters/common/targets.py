"""Target lists: turns an http_sd URL (Prometheus HTTP service discovery) into frozen groups of targets.

Shared by both exporters. Refuses answers that are not http_sd JSON; an unreachable or refusing server is an
error that the caller retries, keeping the list it has.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from exporters.common.errors import BadInput, ExporterError

REFRESH_S = 60.0
REQUEST_TIMEOUT_S = 10.0


class TargetsUnavailable(ExporterError):  # noqa: N818 - reads as what it is
    """The target list could not be read now; the caller keeps the last one and tries again."""


@dataclass(frozen=True, slots=True)
class Target:
    """One target of service discovery: `address` as in the list, with the labels of its group."""

    address: str
    labels: Mapping[str, str]

    def label(self, name: str) -> str:
        """The label's value, empty where it is absent."""
        return self.labels.get(name, "")


class _Group(BaseModel):
    model_config = ConfigDict(extra="forbid")
    targets: list[str]
    labels: dict[str, str] = {}


_GROUPS = TypeAdapter(list[_Group])


def parse_groups(body: bytes | str, source: str) -> tuple[Target, ...]:
    """Turn an http_sd answer into targets, in its order.

    Raises:
        TargetsUnavailable: the body is not a list of {"targets", "labels"}; `source` names it in the message.
    """
    try:
        groups = _GROUPS.validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = "/".join(str(part) for part in first["loc"]) or "document"
        raise TargetsUnavailable(
            f"{source} did not answer with Prometheus http_sd JSON ({where}: {first['msg']}); check the URL"
        ) from error
    return tuple(Target(address, group.labels) for group in groups for address in group.targets)


def read_token(token_file: Path | None) -> str | None:
    """Read a bearer token from a file; None where no file is given.

    Raises:
        BadInput: the file cannot be read or is empty.
    """
    if token_file is None:
        return None
    try:
        token = token_file.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise BadInput(f"--token-file {token_file}: cannot be read: {error.strerror}") from error
    if not token:
        raise BadInput(f"--token-file {token_file}: is empty; it must hold the bearer token of the target list")
    return token


async def fetch_targets(client: httpx.AsyncClient, url: str, token_file: Path | None) -> tuple[Target, ...]:
    """Fetch the target list. The token is read afresh each time, so that it may be rotated.

    Raises:
        TargetsUnavailable: unreachable, not HTTP 200, or not http_sd JSON. Retry later.
    """
    try:
        token = read_token(token_file)
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        answer = await client.get(url, headers=headers, timeout=REQUEST_TIMEOUT_S)
    except BadInput as error:
        raise TargetsUnavailable(str(error)) from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        detail = str(error) or type(error).__name__
        raise TargetsUnavailable(f"the target list {url} cannot be reached: {detail}") from error
    if answer.status_code in (401, 403):
        raise TargetsUnavailable(f"the target list {url} refuses the token of {token_file or '(no --token-file)'}")
    if answer.status_code != 200:
        raise TargetsUnavailable(f"the target list {url} answers HTTP {answer.status_code} instead of 200")
    return parse_groups(answer.content, url)
