"""Records hub stacks with made-up outputs of the connectivity stack, and makes inventories with other applications."""

from __future__ import annotations

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
SECRETS = {"machinePassword": "placeholder-of-a-password", "peeringKeySeed": "placeholder of a seed, 40 characters.."}


@cache
def shipped() -> Inventory:
    return inventory.load(ROOT / "inventory")


def record_hub(
    stack: str, *, config: Mapping[str, str] | None = None, tables: Inventory | None = None, preview: bool = False
) -> Graph:
    known = tables or shipped()
    which = parse(stack)
    raw = {"layer": which.layer, "environment": which.environment, **SECRETS, **(config or {})}
    outputs = {
        n: "10.248.5.4" if n.startswith("dns_ip") else f"/of-connectivity/{n}"
        for n in names_of("connectivity", known.hubs)
    }
    outputs["version"] = "1"
    context = programme.prepare(raw, stack, known)
    return record(
        which,
        lambda: programme.programme_of(which)(context),
        raw,
        references={f"connectivity-{which.environment}": outputs},
        preview=preview,
    )


def application(
    name: str, *, tier: int = 1, home: str = "valencia", machines: Sequence[Machine] = (), needs: Sequence[str] = ()
) -> Application:
    standby = "brindisi" if home == "valencia" else "valencia"
    rto, rpo = timedelta(hours=1), timedelta(minutes=15)
    return Application(name, name, tier, home, standby, rto, rpo, tuple(needs), "done", tuple(machines))


def machine(name: str = "app", count: int = 1, cpus: int = 4, memory: int = 16, disk: int = 64) -> Machine:
    return Machine(name, count, cpus, memory, disk, "linux")


def with_applications(*applications: Application) -> Inventory:
    return replace(shipped(), applications={a.id: a for a in applications})
