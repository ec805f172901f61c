"""Write lanes: in which order connections of one gateway are written, so that Azure does not answer 409.

A gateway takes one write at a time (docs/infra.md); each lane is a chain in which a connection waits for the one
before it. One lane is safe; more are faster where the gateway turns out to allow it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping


def lane_of(site: str, lanes: int) -> int:
    """The lane of a site, from 0; depends on nothing but its id, so that other sites never move."""
    return int.from_bytes(hashlib.sha256(site.encode()).digest()[:4], "big") % lanes


def predecessors(sites: Iterable[str], lanes: int) -> Mapping[str, str | None]:
    """For each site the one before it in its lane, None for the first of a lane."""
    last: dict[int, str] = {}
    found: dict[str, str | None] = {}
    for site in sites:
        lane = lane_of(site, lanes)
        found[site] = last.get(lane)
        last[lane] = site
    return found
