"""What the verbs take and give: a stack with the way to reach it, and what was found or done.

Turns nothing into anything: two records, and the commands that a message may suggest for a stack where it stands.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pulumi import automation

from infra.core.stacks import StackId
from infra.engine.steps import Plan
from infra.engine.summary import Touched
from infra.graph.model import Graph
from inventory import Inventory

Opener = Callable[[], AbstractContextManager[automation.Stack]]


@dataclass(frozen=True)
class Target:
    """A stack and how to reach it.

    `open` gives the engine's stack, real or rehearsed; `file` is its configuration file (a rehearsal has its own copy,
    once it is open); `config` is the raw configuration; `recorded` is what the stack
    would register (the gate reads it), None where there is nothing to gate (a rehearsal of a programme of its own);
    `folder` is where a rehearsal lives.
    """

    stack: StackId
    inventory: Inventory
    open: Opener
    rehearsal: bool
    file: Callable[[], Path]
    config: Mapping[str, str] = field(default_factory=dict)
    recorded: Callable[[], Graph] | None = None
    folder: Path | None = None

    @property
    def place(self) -> str:
        """What a command needs after the stack's name to stay in the rehearsal; nothing for Azure."""
        return f" --rehearsal {shlex.quote(str(self.folder))}" if self.rehearsal and self.folder else ""

    def command(self, verb: str, more: str = "") -> str:
        """`noc infra VERB STACK`, as it has to be typed for this stack."""
        return f"noc infra {verb} {self.stack}{self.place}" + (f" {more}" if more else "")

    def placed(self, text: str) -> str:
        """A text whose commands for this stack stay where the stack is."""
        name = re.escape(self.stack.name)
        return re.sub(rf"noc infra [a-z]+ {name}(?![\w-])(?! --rehearsal)", lambda m: m[0] + self.place, text)


@dataclass(frozen=True)
class Outcome:
    """What a verb found or did. `advice` are policies that only advise; `seconds` is the engine's wall time."""

    stack: str
    verb: str
    rehearsal: bool
    plan: Plan
    digest: str  # of what was previewed; an update's own values are known only afterwards
    touched: Touched
    seconds: float
    outputs: Mapping[str, str] = field(default_factory=dict)
    advice: tuple[str, ...] = ()
    bound: bool = False  # the engine was held to a plan file
    summary: tuple[str, ...] = ()

    @property
    def changes(self) -> bool:
        """Whether anything changes, or changed."""
        return bool(self.plan.steps)

    def as_json(self) -> dict[str, Any]:
        """The outcome as plain data, for `--json`."""
        return {
            "stack": self.stack,
            "verb": self.verb,
            "rehearsal": self.rehearsal,
            "result": "changes" if self.changes else "same",
            "digest": self.digest,
            "changes": self.plan.counts,
            "unchanged": self.plan.unchanged,
            "touched": {
                "sites": self.touched.sites,
                "applications": self.touched.applications,
                "hubs": self.touched.hubs,
                "other": self.touched.other,
            },
            "steps": [
                {
                    "op": s.op,
                    "type": s.type,
                    "name": s.name,
                    "urn": s.urn,
                    "paths": list(s.paths),
                    "replaces": list(s.replace_keys),
                }
                for s in self.plan.steps
            ],
            "outputs": dict(self.outputs),
            "advice": list(self.advice),
            "bound_to_plan": self.bound,
            "seconds": round(self.seconds, 3),
        }
