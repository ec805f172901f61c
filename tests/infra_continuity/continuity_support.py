"""Records the continuity stack with made-up outputs of the connectivity stack, and makes inventories."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import cache
from pathlib import Path

import inventory
from infra import programme
from infra.core.outputs import names_of
from infra.core.stacks import parse
from infra.graph.model import Graph
from infra.graph.record import record
from inventory import Application, Inventory, Machine

ROOT = Path(__file__).parents[2]
HUBS = ("valencia", "brindisi")


@cache
def shipped() -> Inventory:
    return inventory.load(ROOT / "inventory")


@cache
def few() -> Inventory:
    """The shipped tables with five applications that need only each other: a third of the time to record."""
    chosen = ("identity", "dns", "erp", "erp-database", "recruitment")
    return replace(shipped(), applications={name: shipped().applications[name] for name in chosen})


def of_connectivity(known: Inventory) -> dict[str, str]:
    outputs = {n: f"/of-connectivity/{n}" for n in names_of("connectivity", known.hubs)}
    return outputs | {f"dns_ip_{h}": "10.248.5.4" for h in known.hubs} | {"version": "1"}


def record_continuity(
    active: Mapping[str, str] | None = None, *, config: Mapping[str, str] | None = None, preview: bool = False
) -> Graph:
    known, environment = few(), "prod"
    which = parse(f"continuity-{environment}")
    raw = {"layer": "continuity", "environment": environment, **(config or {})}
    if active is not None:
        raw["activeHubs"] = json.dumps(active)
    context = programme.prepare(raw, which.name, known)
    return record(
        which,
        lambda: programme.programme_of(which)(context),
        raw,
        references={f"connectivity-{environment}": of_connectivity(known)},
        preview=preview,
    )


def application(
    name: str, *, tier: int = 1, home: str = "valencia", needs: Sequence[str] = (), machines: int = 1
) -> Application:
    standby = "brindisi" if home == "valencia" else "valencia"
    rto, rpo = timedelta(hours=1), timedelta(minutes=15)
    kinds = (Machine("app", machines, 2, 4, 32, "linux"),) if machines else ()
    return Application(name, name, tier, home, standby, rto, rpo, tuple(needs), "done", kinds)


def with_applications(*applications: Application) -> Inventory:
    return replace(shipped(), applications={a.id: a for a in applications})
