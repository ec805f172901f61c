"""The two questions we put to Prometheus, instant and range, as typed samples.

Refuses whatever is not its HTTP API v1. Values that are not numbers (NaN) are dropped: nothing was measured.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypedDict

import httpx

from network_ops.noc.errors import NonsenseError, UnreachableError


@dataclass(frozen=True, slots=True)
class Sample:
    """One value of an instant query."""

    labels: Mapping[str, str]
    value: float


@dataclass(frozen=True, slots=True)
class Series:
    """One series of a range query: (unix time in seconds, value)."""

    labels: Mapping[str, str]
    samples: tuple[tuple[float, float], ...]


class _Row(TypedDict, total=False):
    """A result of the API: `value` of an instant query, `values` of a range query."""

    metric: dict[str, str]
    value: tuple[float, str]
    values: list[tuple[float, str]]


class Prometheus:
    """A client of one Prometheus; keeps its connection open."""

    def __init__(self, url: str, timeout_s: float = 4.0) -> None:
        self._client = httpx.AsyncClient(
            base_url=url, timeout=timeout_s, trust_env=False, limits=httpx.Limits(max_keepalive_connections=4)
        )

    async def close(self) -> None:
        """Give the connections back."""
        await self._client.aclose()

    async def query(self, expression: str) -> list[Sample]:
        """Samples of an instant query, now.

        Raises:
            UnreachableError: Prometheus does not answer, or not yet.
            NonsenseError: it refused the query or its answer is none.
        """
        rows = await self._ask("/api/v1/query", {"query": expression})
        samples = [Sample(row["metric"], float(row["value"][1])) for row in rows]
        return [sample for sample in samples if math.isfinite(sample.value)]

    async def query_range(self, expression: str, start: float, end: float, step_s: float) -> list[Series]:
        """Series of a range query; times in unix seconds.

        Raises:
            UnreachableError: Prometheus does not answer, or not yet.
            NonsenseError: it refused the query or its answer is none.
        """
        form = {"query": expression, "start": f"{start:.3f}", "end": f"{end:.3f}", "step": f"{step_s:g}"}
        rows = await self._ask("/api/v1/query_range", form)
        return [Series(row["metric"], tuple((float(t), float(v)) for t, v in row["values"])) for row in rows]

    async def _ask(self, path: str, form: dict[str, str]) -> list[_Row]:
        try:
            answer = await self._client.post(path, data=form)
        except httpx.HTTPError as error:
            raise UnreachableError(f"Prometheus does not answer ({type(error).__name__})") from error
        if answer.status_code == 503:
            raise UnreachableError("Prometheus is starting")
        try:
            body = json.loads(answer.content)
            if body["status"] != "success":
                raise NonsenseError(f"Prometheus refused {form['query']}: {body.get('error')}")
            rows: list[_Row] = body["data"]["result"]
        except (ValueError, KeyError, TypeError) as error:
            raise NonsenseError(f"Prometheus answered {path} with something else than its API v1") from error
        return rows
