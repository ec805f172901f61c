"""The stacks: which layers exist, for which hub or shard, in which order they are deployed.

Turns a stack's name (`sites-europe-1-prod`) into its parts and back, and orders stacks by what they need. Refuses
names that are not `<layer>-<environment>` or `<layer>-<part>-<environment>`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

from infra.core.errors import InfraError
from inventory import Inventory

PROJECT = "wan-noc"
Kind = Literal["bootstrap", "governance", "connectivity", "sites", "hub", "continuity", "noc"]
Environment = Literal["dev", "prod"]
KINDS: tuple[Kind, ...] = get_args(Kind)
ENVIRONMENTS: tuple[Environment, ...] = get_args(Environment)

# What must stand before a layer of each kind; also the layers whose outputs it may read.
NEEDS: dict[Kind, tuple[Kind, ...]] = {
    "bootstrap": (),
    "governance": ("bootstrap",),
    "connectivity": ("bootstrap", "governance"),
    "sites": ("bootstrap", "connectivity"),
    "hub": ("bootstrap", "connectivity"),
    "continuity": ("bootstrap", "connectivity", "hub"),
    "noc": ("bootstrap", "connectivity"),
}
PARTED: frozenset[Kind] = frozenset({"sites", "hub", "noc"})  # layers of several stacks: one a shard, or one a hub


@dataclass(frozen=True, slots=True, order=True)
class StackId:
    """One stack: kind of layer, environment, and the shard (sites) or hub (hub, noc) it is for, else empty."""

    kind: Kind
    environment: Environment
    part: str = ""

    @property
    def layer(self) -> str:
        """`connectivity`, `sites-europe-1`, `hub-valencia`: the value of the configuration key `layer`."""
        return f"{self.kind}-{self.part}" if self.part else self.kind

    @property
    def name(self) -> str:
        """The stack's name for the engine: `<layer>-<environment>`."""
        return f"{self.layer}-{self.environment}"

    def __str__(self) -> str:
        return self.name


def parse(name: str) -> StackId:
    """The stack of that name.

    Raises:
        InfraError: the name is not `<layer>[-<part>]-<environment>`.
    """
    layer, _, environment = name.rpartition("-")
    return parse_layer(layer, environment)


def parse_layer(layer: str, environment: str) -> StackId:
    """The stack of a layer (`sites-europe-1`) in an environment.

    Raises:
        InfraError: unknown layer or environment, or a layer without its shard or hub.
    """
    word, _, part = layer.partition("-")
    for kind in KINDS:
        for known in ENVIRONMENTS:
            if word == kind and environment == known and bool(part) == (kind in PARTED):
                return StackId(kind, known, part)
    shapes = ", ".join(f"{k}-<{'shard' if k == 'sites' else 'hub'}>" if k in PARTED else k for k in KINDS)
    name = f"{layer}-{environment}".lstrip("-")
    raise InfraError(f"there is no stack '{name}': a stack is named <layer>-<dev|prod>, the layers are {shapes}")


def all_stacks(inventory: Inventory, environment: Environment) -> list[StackId]:
    """Every stack that an environment has when it is complete, in order of deployment."""
    shards = sorted({s.shard for s in inventory.sites.values()})
    parts: dict[Kind, Iterable[str]] = {"sites": shards, "hub": inventory.hubs, "noc": inventory.hubs}
    return [StackId(kind, environment, part) for kind in KINDS for part in parts.get(kind, ("",))]


def in_order(stacks: Iterable[StackId]) -> list[StackId]:
    """The stacks in order of deployment: what a stack needs stands before it."""
    return sorted(stacks, key=lambda s: (s.environment, KINDS.index(s.kind), s.part))
