"""The Python side of deployments beside the plain typed SDK classes, in one run: 20, 75 and 594 sites.

Each figure comes from a process of its own (CPU seconds of the whole process and peak memory, imports included). The
plain variant is the same programme with the SDK's historical aliases left in and Python's collector at work, as an
ordinary Pulumi programme has it. `python -m tests.bench.infra_graph` prints the result alone.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

SIZES = (20, 75)
SHARD = "bench-1"
STANDING = "BENCH_STANDING"  # folder of a rehearsal in which connectivity-prod stands


def measure() -> dict[str, object]:
    """The comparison as JSON-ready values."""
    found: dict[str, object] = {}
    for size in SIZES:
        found[f"{size} sites"] = _pair(f"stack:{size}")
    found["594 sites, all site stacks"] = _pair("world")
    check = _child("ours", "check")
    plain = found["594 sites, all site stacks"]["plain"]  # type: ignore[index]
    found["noc infra check, everything"] = {"ours": check, "cpu_ratio_to_plain_sites": _ratio(check, plain)}
    with tempfile.TemporaryDirectory(prefix="bench-rehearsal-") as folder:
        os.environ[STANDING] = folder
        command = [sys.executable, "-m", "network_ops.cli.main", "infra", "rehearse", "connectivity-prod"]
        subprocess.run([*command, "--keep", "--folder", folder], check=True, capture_output=True)
        found["rehearse 75 sites (preview + up)"] = _pair("rehearse:75")
    return found


def _pair(what: str) -> dict[str, object]:
    ours, plain = _child("ours", what), _child("plain", what)
    return {"ours": ours, "plain": plain, "cpu_ratio": _ratio(ours, plain)}


def _ratio(ours: Mapping[str, Any], plain: Mapping[str, Any]) -> float:
    return round(ours["cpu_s"] / plain["cpu_s"], 3)


def _child(variant: str, what: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.bench.infra_graph", variant, what]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def _main(variant: str, what: str) -> None:
    started = time.perf_counter()
    with _plain_sdk() if variant == "plain" else contextlib.nullcontext():
        kind, _, size = what.partition(":")
        resources = {"stack": _stack, "world": _world, "check": _check, "rehearse": _rehearse}[kind](int(size or 0))
    usage, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    figures = {
        "resources": resources,
        "seconds": round(time.perf_counter() - started, 2),
        "cpu_s": round(usage.ru_utime + usage.ru_stime + (children.ru_utime + children.ru_stime), 2),
        "peak_mib": round(max(usage.ru_maxrss, children.ru_maxrss if kind == "check" else 0) / 1024),
    }
    print(json.dumps(figures))


@contextlib.contextmanager
def _plain_sdk() -> Iterator[None]:
    """The SDK as it comes: all historical aliases, and the collector at work while a programme runs."""
    import gc

    import pulumi

    from infra.components import base

    def as_it_is(args: pulumi.ResourceTransformationArgs) -> pulumi.ResourceTransformationResult:
        return pulumi.ResourceTransformationResult(args.props, args.opts)

    ours, disable = base.without_history, gc.disable
    base.without_history, gc.disable = as_it_is, lambda: None  # type: ignore[assignment]
    try:
        yield
    finally:
        base.without_history, gc.disable = ours, disable


def _bench_inventory(size: int) -> Any:
    import inventory

    shipped = inventory.load(inventory.packaged_tables())
    sites = {s.id: dataclasses.replace(s, shard=SHARD) for s in list(shipped.sites.values())[:size]}
    return inventory.restrict(shipped, sites.values())


def _references(hubs: Mapping[str, object]) -> dict[str, dict[str, Any]]:
    from infra.core import outputs

    return {
        f"{kind}-prod": {
            name: "1" if name == "version" else f"/made-up/{name}" for name in outputs.names_of(kind, hubs)
        }
        for kind in ("bootstrap", "connectivity")
    }


def _stack(size: int) -> int:
    from infra import programme
    from infra.core.stacks import StackId
    from infra.graph.record import record

    stack, known = StackId("sites", "prod", SHARD), _bench_inventory(size)
    config = {"layer": stack.layer, "environment": "prod", "siteKeySeed": "bench" * 8}
    graph = record(stack, lambda: programme.run(known), config, references=_references(known.hubs))
    return len(graph.resources)


def _world(_: int) -> int:
    import inventory
    from infra.core.stacks import all_stacks
    from infra.graph.world import record_stack

    known = inventory.load(inventory.packaged_tables())
    references = _references(known.hubs)
    shards = [s for s in all_stacks(known, "prod") if s.kind == "sites"]
    graphs = [record_stack(shard, known, references=references) for shard in shards]
    return sum(len(g.resources) for g in graphs)


def _check(_: int) -> int:
    command = [sys.executable, "-m", "network_ops.cli.main", "infra", "check", "--env", "prod", "--json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    return sum(row["resources"] for row in json.loads(done.stdout)["stacks"])


def _rehearse(size: int) -> int:
    """Preview and update of a shard with the real engine, where the stacks that it reads stand already."""
    from infra import programme
    from infra.core.stacks import StackId
    from infra.engine.workspace import Rehearsal, open_stack
    from infra.rehearsal.world import World

    stack, known = StackId("sites", "prod", SHARD), _bench_inventory(size)
    with tempfile.TemporaryDirectory(prefix="bench-rehearsal-") as folder:
        shutil.copytree(os.environ[STANDING], folder, dirs_exist_ok=True)
        file = Path(folder) / f"Pulumi.{stack}.yaml"
        seed = f"encryptionsalt: none\nconfig:\n  wan-noc:layer: {stack.layer}\n  wan-noc:environment: prod\n"
        file.write_text(seed + "  wan-noc:siteKeySeed:\n    secure: made up by the rehearsal\n")
        world = World(Rehearsal(Path(folder)).journal)
        before = len(world)
        with open_stack(
            stack,
            rehearsal=world,
            state_dir=Path(folder),
            programme=lambda: programme.run(known),
            stack_files=Path(folder),
        ) as engine:
            engine.preview()
            engine.up()
        return len(world) - before


if __name__ == "__main__":
    if len(sys.argv) > 2:
        _main(sys.argv[1], sys.argv[2])
    else:
        print(json.dumps(measure(), indent=1))
