"""What every component and programme shares: the context of a deployment and the base class of components.

Turns one stack's settings and the inventory into names, tags, address ranges and typed references to other stacks'
outputs. Refuses an output that is not declared in `infra/core/outputs.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Generic, TypeVar

import pulumi

from infra.core import addressing, outputs
from infra.core.names import Names
from infra.core.stacks import PROJECT, Kind, StackId
from infra.core.tags import tags
from infra.settings.base import Common
from inventory import Inventory

S_co = TypeVar("S_co", bound=Common, covariant=True)


@dataclass(frozen=True)
class Context(Generic[S_co]):
    """Everything a programme works from; frozen, validated before the first resource."""

    stack: StackId
    settings: S_co
    inventory: Inventory

    @cached_property
    def names(self) -> Names:
        """Maker of explicit names."""
        return Names(self.settings.organisation, self.stack.environment)

    @cached_property
    def ranges(self) -> Mapping[str, addressing.HubRanges]:
        """Azure's ranges by hub id."""
        return addressing.plan(self.inventory, self.stack.environment)

    def tags(self, **more: str) -> Mapping[str, str]:
        """The required tags of this stack and `more`."""
        s = self.settings
        return tags(s.environment, self.stack.layer, s.owner, s.cost_centre, s.data_class, **more)

    def region(self, hub: str) -> str:
        """The Azure region of a hub, for instance `spaincentral`."""
        return self.inventory.hubs[hub].azure_region

    def other(self, hub: str) -> str:
        """The id of the other hub, which is this one's disaster-recovery site."""
        return next(h for h in self.inventory.hubs if h != hub)

    def reference(self, kind: Kind, part: str = "") -> Reference:
        """The outputs of another stack of the same environment."""
        return Reference(StackId(kind, self.stack.environment, part), tuple(self.inventory.hubs))


class Reference:
    """Outputs of another stack, by declared name; a value that is missing or of another version ends the programme."""

    def __init__(self, stack: StackId, hubs: tuple[str, ...]) -> None:
        self._stack = stack
        self._names = outputs.names_of(stack.kind, hubs)
        self._reference = pulumi.StackReference(f"{pulumi.get_organization()}/{PROJECT}/{stack.name}")

    def __getitem__(self, name: str) -> pulumi.Output[str]:
        """The output of that name.

        Raises:
            KeyError: the layer declares no such output (a mistake in our code).
        """
        if name not in self._names:
            raise KeyError(f"{self._stack.kind} declares no output '{name}' (infra/core/outputs.py)")
        found = pulumi.Output.all(self._reference.get_output("version"), self._reference.get_output(name))
        return found.apply(lambda both: self._checked(name, *both))

    def _checked(self, name: str, version: object, value: object) -> str:
        if version != outputs.VERSION:
            raise pulumi.RunError(
                f"stack {self._stack} has outputs of version {version or 'none'}, {outputs.VERSION} is needed; "
                f"deploy it first: noc infra up {self._stack}"
            )
        if not isinstance(value, str) or not value:
            raise pulumi.RunError(
                f"stack {self._stack} has no output '{name}'; deploy it again: noc infra up {self._stack}"
            )
        return value


def export(ctx: Context[Common], values: Mapping[str, pulumi.Input[str]]) -> None:
    """Export a stack's outputs: exactly those declared for its layer, and the version.

    Raises:
        KeyError: a declared output is missing, or one is not declared (a mistake in our code).
    """
    declared = set(outputs.names_of(ctx.stack.kind, ctx.inventory.hubs)) - {"version"}
    if declared != set(values):
        raise KeyError(f"{ctx.stack}: outputs differ from those declared: {sorted(declared ^ set(values))}")
    for name, value in ({"version": outputs.VERSION} | dict(values)).items():
        pulumi.export(name, value)


def without_history(args: pulumi.ResourceTransformationArgs) -> pulumi.ResourceTransformationResult:
    """Drop the aliases that the SDK adds for every API version a type ever had; keep ours (by name or parent).

    The SDK makes chains of outputs of each of them, which is nine tenths of a programme's time (docs/adr/0006).
    """
    ours = [a for a in args.opts.aliases or () if not (isinstance(a, pulumi.Alias) and isinstance(a.type_, str))]
    args.opts.aliases = ours
    return pulumi.ResourceTransformationResult(args.props, args.opts)


class Component(pulumi.ComponentResource):
    """A component of ours: type `wan-noc:<layer>:<Class>`; its children take `self.child()` as options."""

    def __init__(self, layer: Kind, name: str, parent: pulumi.Resource | None = None) -> None:
        history: list[pulumi.ResourceTransformation] = [] if isinstance(parent, Component) else [without_history]
        options = pulumi.ResourceOptions(parent=parent, transformations=history)
        super().__init__(f"{PROJECT}:{layer}:{type(self).__name__}", name, None, options)

    def child(self, **options: object) -> pulumi.ResourceOptions:
        """Options of a child: this component as parent, and whatever `pulumi.ResourceOptions` takes."""
        return pulumi.ResourceOptions(parent=self, **options)  # type: ignore[arg-type]
