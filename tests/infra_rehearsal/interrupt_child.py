"""Runs one verb of a rehearsal whose Azure is slow at its gateway, for the test that interrupts it.

Not a test: `test_rehearsed_interrupts.py` starts it with a folder and what to do.
"""

from __future__ import annotations

import sys
from pathlib import Path

from rehearsal_support import PROJECT, STACK, wan

import inventory
from infra.core.errors import EngineError, InfraError
from infra.core.stacks import parse
from infra.engine import run, targets
from infra.engine.workspace import Rehearsal
from infra.rehearsal.run import Step, rehearse
from infra.rehearsal.world import Fault, World


class Stubborn(World):
    """Does not stop when it is told to."""

    def cancel(self) -> None:
        """Go on."""


def tell(step: Step) -> None:
    sys.stdout.write(f"{step}\n")


def main(folder: Path, what: str) -> int:
    files, state = folder / "files", folder / "rehearsal"
    files.mkdir(exist_ok=True)
    (files / "Pulumi.yaml").write_text(PROJECT)
    (files / f"Pulumi.{STACK}.yaml").write_text("config: {}\n")
    seconds = 8 if what == "stubborn" else 25
    faults = [] if what == "again" else [Fault("slow", "vpnGateways/vpng$", "create", seconds=seconds)]
    kind = Stubborn if what == "stubborn" else World
    world = kind(Rehearsal(state).journal, faults=faults)
    programme = wan(("geneva",))
    shared = {"programme": programme, "stack_files": files, "project": files / "Pulumi.yaml"}
    if what == "rehearse":
        report = rehearse([parse(STACK)], state_dir=state, world=world, say=tell, **shared)  # type: ignore[arg-type]
        return int(report.failed)
    tables = inventory.load(inventory.packaged_tables())
    target = targets.rehearsed(parse(STACK), world, state, tables=tables, **shared)  # type: ignore[arg-type]
    try:
        done = run.up(target, agreed=lambda outcome: True)
        sys.stdout.write(f"{done.plan.counts}\n")
    except InfraError as error:
        sys.stderr.write(f"{error}\n")
        return 1 if isinstance(error, EngineError) else 2
    return 0


sys.exit(main(Path(sys.argv[1]), sys.argv[2]))
