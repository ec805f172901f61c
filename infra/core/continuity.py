"""Which hub serves each application, in which order applications come back, and how often each is copied.

Turns (inventory, the stack's `activeHubs`) into one active hub per application and the priorities that make name
resolution follow it; both hubs work all the time, each for its own applications. Refuses unknown applications and
hubs. Nothing here knows Pulumi.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from difflib import get_close_matches

from infra.core.errors import InfraError, Problem
from inventory import Application, Inventory

BOOT_GROUPS_MOST = 7  # of a recovery plan (Site Recovery, 2024 [unverified])
ITEMS_MOST = 100  # protected instances in one recovery plan (learn.microsoft.com "About recovery plans", 2024)
PROFILES_MOST = 200  # Traffic Manager profiles in a subscription ("Azure subscription limits", 2024)
_STANDBY = 500  # added to a hub's own priority while another hub is active; Traffic Manager allows 1 to 1000


@dataclass(frozen=True, slots=True)
class Protection:
    """How machines of a tier are copied to the other side's region and backed up.

    `interval` is one that Hyper-V replication to Azure knows: 30 s or 5 min. `snapshots` are application-consistent
    ones; `history` is how far back a machine can be recovered; `backup_every` is None for once a day.
    """

    interval: timedelta
    snapshots: timedelta
    history: timedelta
    backup_every: timedelta | None
    backup_days: int


PROTECTION: Mapping[int, Protection] = {
    1: Protection(timedelta(seconds=30), timedelta(hours=1), timedelta(hours=24), timedelta(hours=4), 35),
    2: Protection(timedelta(minutes=5), timedelta(hours=2), timedelta(hours=24), timedelta(hours=6), 35),
    3: Protection(timedelta(minutes=5), timedelta(hours=4), timedelta(hours=12), None, 35),
}


def active_hubs(inventory: Inventory, chosen: Mapping[str, str]) -> Mapping[str, str]:
    """The hub that serves each application: the chosen one, else its home hub; sorted by application.

    Args:
        inventory: the applications.
        chosen: the stack's `activeHubs`; check it with `problems` first.
    """
    return {a.id: chosen.get(a.id, a.home_hub) for a in sorted(inventory.applications.values(), key=lambda a: a.id)}


def as_text(active: Mapping[str, str]) -> str:
    """The stack's output `active_hubs`: `dns=brindisi,erp=valencia`, sorted."""
    return ",".join(f"{application}={hub}" for application, hub in sorted(active.items()))


def priority(hubs: Sequence[str], hub: str, active: str) -> int:
    """The priority of a hub's endpoint in an application's profile; the lowest is answered.

    Every hub has its own two values, one as the active hub and one as a standby. Azure refuses two endpoints of one
    priority in a profile and takes one endpoint at a time, so that swapping 1 and 2 would fail half-way: with own
    values no half-done change is refused, and with two hubs the old or the new one has the lowest at any moment.
    """
    own = 1 + hubs.index(hub)
    return own if hub == active else own + _STANDBY


def problems(stack: str, inventory: Inventory, chosen: Mapping[str, str]) -> Iterator[Problem]:
    """A problem for each entry of `activeHubs` that names no application, no hub, or not one of its two hubs."""
    for application, hub in chosen.items():
        key = f"activeHubs.{application}"
        if application not in inventory.applications:
            near = get_close_matches(application, inventory.applications, n=1)
            remedy = (
                f"did you mean '{near[0]}'?" if near else "the applications are " + ", ".join(inventory.applications)
            )
            yield Problem(stack, key, hub, "there is no such application", remedy)
        elif hub not in inventory.hubs:
            yield Problem(stack, key, hub, "there is no such hub", "the hubs are " + ", ".join(inventory.hubs))
        elif hub not in (inventory.applications[application].home_hub, inventory.applications[application].standby_hub):
            rule = "the application runs at neither"
            yield Problem(stack, key, hub, rule, "choose its home_hub or standby_hub in applications.yaml")


def unkept(stack: str, inventory: Inventory) -> Iterator[Problem]:
    """A problem for each application whose recovery point objective is shorter than its tier's copying interval."""
    for a in inventory.applications.values():
        if a.tier not in PROTECTION:
            yield Problem(
                stack, f"applications.yaml: {a.id}.tier", str(a.tier), "has no protection", "use tier 1, 2 or 3"
            )
        elif a.rpo < PROTECTION[a.tier].interval:
            rule = f"tier {a.tier} is copied every {PROTECTION[a.tier].interval}"
            yield Problem(
                stack, f"applications.yaml: {a.id}.rpo_minutes", str(a.rpo), rule, "raise its tier or its objective"
            )


def levels(inventory: Inventory) -> Mapping[str, int]:
    """How deep each application stands: 0 depends on nothing, others one above the deepest they depend on.

    Raises:
        InfraError: applications depend on each other in a circle; the text names it.
    """
    found: dict[str, int] = {}

    def level(application: str, path: tuple[str, ...]) -> int:
        if application in path:
            circle = " -> ".join((*path[path.index(application) :], application))
            raise InfraError(f"applications depend on each other in a circle, so none can start first: {circle}")
        if application not in found:
            needs = inventory.applications[application].depends_on
            found[application] = 1 + max((level(n, (*path, application)) for n in needs), default=-1)
        return found[application]

    for application in inventory.applications:
        level(application, ())
    return found


def boot_groups(inventory: Inventory, hub: str, tier: int) -> list[list[Application]]:
    """The applications of a tier whose home is a hub, in groups that start one after the other.

    What a group depends on stands in an earlier group, in a plan of a lower tier, or at the other hub.
    """
    depth = levels(inventory)
    chosen = [a for a in inventory.applications.values() if a.home_hub == hub and a.tier == tier and a.machines]
    return [[a for a in chosen if depth[a.id] == d] for d in sorted({depth[a.id] for a in chosen})]


def recovery_order(inventory: Inventory) -> list[str]:
    """All applications in the order in which they may be recovered: what one depends on stands before it."""
    depth = levels(inventory)
    return sorted(inventory.applications, key=lambda a: (depth[a], inventory.applications[a].tier, a))


def _plans(inventory: Inventory) -> Mapping[tuple[str, int], list[list[Application]]]:
    return {(hub, tier): boot_groups(inventory, hub, tier) for hub in inventory.hubs for tier in PROTECTION}


def _machines(groups: list[list[Application]]) -> int:
    return sum(m.count for group in groups for a in group for m in a.machines)


def largest_plan(inventory: Inventory) -> int:
    """Machines in the largest recovery plan."""
    return max((_machines(groups) for groups in _plans(inventory).values()), default=0)


def longest_plan(inventory: Inventory) -> int:
    """Boot groups in the longest recovery plan."""
    return max((len(groups) for groups in _plans(inventory).values()), default=0)


def profiles(inventory: Inventory) -> int:
    """Traffic Manager profiles that the service names need: one per application, and one per application and hub."""
    return len(inventory.applications) * (1 + len(inventory.hubs))


def too_large(stack: str, inventory: Inventory) -> Iterator[Problem]:
    """A problem for each recovery plan that Site Recovery would refuse: too many groups, or too many machines."""
    for (hub, tier), groups in _plans(inventory).items():
        key = f"recovery plan of {hub}, tier {tier}"
        if len(groups) > BOOT_GROUPS_MOST:
            rule = f"a plan has at most {BOOT_GROUPS_MOST} groups"
            yield Problem(stack, key, f"{len(groups)} groups", rule, "shorten a chain of depends_on")
        if _machines(groups) > ITEMS_MOST:
            rule = f"a plan has at most {ITEMS_MOST} machines"
            yield Problem(stack, key, f"{_machines(groups)} machines", rule, "split the tier")
    if profiles(inventory) > PROFILES_MOST:
        rule = f"a subscription has at most {PROFILES_MOST} Traffic Manager profiles"
        yield Problem(stack, "applications.yaml", f"{profiles(inventory)} profiles", rule, "split the applications")
