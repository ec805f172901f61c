"""The management groups: one tree an environment, cut by what is locked, paid and broken together."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Group:
    """A management group: short name, parent's short name (empty: under the root), what it is for."""

    id: str
    parent: str
    title: str


def groups(hubs: Iterable[str]) -> tuple[Group, ...]:
    """All groups under an environment's root, parents first."""
    return (
        Group("platform", "", "Platform"),
        Group("connectivity", "platform", "Connectivity: Virtual WAN, firewalls, DNS"),
        Group("management", "platform", "Management: state of the deployments, keys"),
        Group("continuity", "platform", "Continuity: recovery, database, evidence"),
        Group("landing", "", "Landing zones"),
        *(Group(f"hub-{hub}", "landing", f"Hub {hub.title()}: Azure Local and its machines") for hub in hubs),
        Group("noc", "landing", "Network operations centre"),
        Group("sites", "landing", "Duty stations"),
        Group("sandbox", "", "Sandbox: trials, no connection to the WAN"),
        Group("decommissioned", "", "Decommissioned: waits for its deletion"),
    )


def leaves(hubs: Iterable[str]) -> tuple[str, ...]:
    """The groups that subscriptions may be in: those without groups of their own."""
    known = groups(hubs)
    parents = {g.parent for g in known}
    return tuple(g.id for g in known if g.id not in parents)
