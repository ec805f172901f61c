"""`noc infra`: draw, plan, check and price the Azure side without Azure, and deploy it with the engine.

The verbs here record what the stacks' programmes would register; nothing is read from or sent to Azure. Those that
drive the engine (preview, up, ...) live in `infra_engine` and are imported when they are asked for.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from network_ops.cli.infra_guard import EXIT_DIFFERENCE, guarded, print_json, say
from network_ops.cli.options import environment_option, inventory_option, json_option, stacks_option

if TYPE_CHECKING:
    from infra.core.stacks import Environment, StackId
    from infra.graph.model import Graph
    from infra.graph.world import World
    from inventory import Inventory


class _Group(click.Group):
    """Offline verbs first, then those of the engine; the latter's module is imported when one of them is wanted."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*self.commands, *(verb for verb in _engine() if verb not in self.commands)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return self.commands.get(cmd_name) or _engine().get(cmd_name)


def _engine() -> dict[str, click.Command]:
    from network_ops.cli import infra_engine

    commands: dict[str, click.Command] = infra_engine.COMMANDS
    return commands


@click.group(cls=_Group)
def cli() -> None:
    """Draw, plan, check and price the Azure side without Azure; preview and deploy it with the engine."""


def _environments(environment: str | None) -> tuple[Environment, ...]:
    return ("dev",) if environment == "dev" else ("prod",) if environment == "prod" else ("prod", "dev")


@contextmanager
def _progress(length: int) -> Iterator[Callable[[Graph], None]]:
    """A bar on standard error where a person waits; nothing where nobody looks."""
    if not sys.stderr.isatty():
        yield lambda graph: None
        return
    with click.progressbar(length=length, label="recording", file=sys.stderr, item_show_func=lambda name: name) as bar:
        yield lambda graph: bar.update(1, graph.stack.name)


def _recorded(
    environment: Environment, known: Inventory, stacks_dir: Path | None, asked: Sequence[StackId] | None = None
) -> World:
    from infra.graph import world

    folder = stacks_dir or world.STACKS
    there = world.committed(environment, folder)
    expected = len(there if asked is None else world.with_needs(asked, there))
    with _progress(expected) as done:
        return world.record_environment(environment, known, asked, folder=folder, done=done)


def _asked(names: Sequence[str], environment: str | None) -> dict[Environment, list[StackId] | None]:
    """The stacks asked for by environment; None for all of an environment."""
    from infra.core.stacks import parse

    if not names:
        return dict.fromkeys(_environments(environment or "prod"))
    found: dict[Environment, list[StackId] | None] = {}
    for name in names:
        stack = parse(name)
        listed = found.setdefault(stack.environment, [])
        if listed is not None:
            listed.append(stack)
    return found


def _whole(world: World) -> World:
    """The world, if all of it could be recorded.

    Raises:
        InfraError: with everything that could not.
    """
    from infra.core.errors import InfraError

    if world.problems:
        raise InfraError(f"not every stack of {world.environment} could be recorded", world.problems)
    return world


@cli.command(short_help="Draw a stack's components and resources.")
@click.argument("stack")
@click.option("--summary", is_flag=True, help="One page in Markdown instead, for a reviewer.")
@click.option("--dot", is_flag=True, help="For Graphviz instead.")
@click.option("--svg", is_flag=True, help="A picture that stands alone instead.")
@click.option("--all", "unfolded", is_flag=True, help="Draw equal neighbours one by one.")
@inventory_option
@stacks_option
@json_option
@guarded
def graph(
    stack: str,
    summary: bool,
    dot: bool,
    svg: bool,
    unfolded: bool,
    directory: Path,
    stacks_dir: Path | None,
    as_json: bool,
) -> None:
    """Draw what STACK (for instance connectivity-prod) would register, without the engine and without Azure."""
    import inventory
    from infra.core.stacks import parse
    from infra.graph import draw, saved
    from infra.graph import summary as page

    if sum((summary, dot, svg, as_json)) > 1:
        raise click.UsageError("choose one of --summary, --dot, --svg and --json")
    wanted = parse(stack)
    found = _whole(_recorded(wanted.environment, inventory.load(directory), stacks_dir, [wanted])).graphs[stack]
    fold = 0 if unfolded else draw.FOLD
    if as_json:
        print_json(saved.to_json(saved.redact(found, b"")))
    elif summary:
        print(page.summary(found), end="")
    elif dot:
        print(draw.dot(found, fold), end="")
    elif svg:
        from infra.graph.picture import picture

        print(picture(found, fold), end="")
    else:
        print(draw.tree(found, fold))


@cli.command(short_help="Show what changed, and which sites, applications and alert rules it touches.")
@click.argument("stacks", nargs=-1)
@environment_option
@inventory_option
@stacks_option
@click.option(
    "--against", type=click.Path(path_type=Path), help="Compare with this inventory instead of what is saved."
)
@click.option(
    "--saved",
    "folder",
    type=click.Path(path_type=Path),
    envvar="NOC_INFRA_GRAPHS",
    default=Path(".state/infra/graphs"),
    show_default=True,
    help="Where the last saved graphs are.",
)
@click.option("--save", is_flag=True, help="Keep what was recorded now, for the next plan.")
@json_option
@guarded
def plan(
    stacks: tuple[str, ...],
    environment: str | None,
    directory: Path,
    stacks_dir: Path | None,
    against: Path | None,
    folder: Path,
    save: bool,
    as_json: bool,
) -> None:
    """Run the programmes of STACKS (default: all of prod) and compare with the last saved graphs (exit 3: differs).

    Shows what a deployment would create, update, replace and delete, and whom that touches: directly, and through
    what they use. Nothing is applied. Without a saved graph all of a stack is new; --save keeps this recording.
    """
    import inventory
    from infra.graph import impact, plan_text, saved

    if save and against:
        raise click.UsageError("--save keeps what is recorded now; it does not go with --against")
    known = inventory.load(directory)
    old: dict[str, Graph] = {}
    new: dict[str, Graph] = {}
    key = saved.key_of(folder) if save or not against else b"both recorded now"
    for where, asked in _asked(stacks, environment).items():
        now = _whole(_recorded(where, known, stacks_dir, asked))
        names = {s.name for s in asked} if asked is not None else None
        new |= {n: saved.redact(g, key) for n, g in now.graphs.items() if names is None or n in names}
        if against:
            was = _recorded(where, inventory.load(against), stacks_dir, asked)
            before = {n: saved.redact(g, key) for n, g in was.graphs.items()}
        else:
            before = saved.load(folder, where)
        old |= {n: g for n, g in before.items() if names is None or n in names}
        if save:
            for one in now.graphs.values():
                if one.stack.name in new:
                    saved.save(one, folder)
            for gone in set(before) - set(now.graphs) if names is None else ():
                saved.forget(gone, folder)
    found = impact.impact(old, new, known.applications)
    source = f"the inventory in {against}" if against else f"what is saved in {folder}"
    unsaved = sorted(set(new) - set(old))
    if as_json:
        print_json(plan_text.plan_json(found, source, unsaved))
    else:
        print(plan_text.plan_text(found, known, source, len(new), unsaved, narrowed=bool(stacks)))
    if save:
        say(f"saved {len(new)} graphs in {folder}")
    elif unsaved and not against:
        say("keep this recording for the next plan: noc infra plan --save")
    if found.changes:
        sys.exit(EXIT_DIFFERENCE)


@cli.command(short_help="Limits, policies and invariants over every stack, in one table.")
@environment_option
@inventory_option
@stacks_option
@json_option
@guarded
def check(environment: str | None, directory: Path, stacks_dir: Path | None, as_json: bool) -> None:
    """Record every stack and check it: Azure's limits, policies, graph invariants; one table.

    Exit 0: green (advice refuses nothing); 2: an input is wrong; 4: a mandatory policy or an invariant is broken.
    """
    import inventory
    from infra import check as checks
    from infra.core import clock

    known = inventory.load(directory)
    worlds = [_recorded(where, known, stacks_dir) for where in _environments(environment)]
    found = checks.report(worlds, known, clock.today())
    if as_json:
        print_json(checks.as_json(found))
    else:
        print(checks.text(found))
    sys.exit(found.exit_code)


@cli.command(short_help="What a month costs, from the committed price table.")
@click.argument("stacks", nargs=-1)
@environment_option
@inventory_option
@stacks_option
@json_option
@guarded
def cost(
    stacks: tuple[str, ...], environment: str | None, directory: Path, stacks_dir: Path | None, as_json: bool
) -> None:
    """Estimate a month of STACKS (default: all of prod) from infra/cost/prices.csv, before discounts and tax.

    Exit 1: less than 80 % of the resources are priced or free; 2: the price table has expired.
    """
    import inventory
    from infra.core import clock
    from infra.cost import PRICED_AT_LEAST, estimate, load
    from infra.cost import text as words

    today = clock.today()
    table = load(today)
    known = inventory.load(directory)
    graphs: list[Graph] = []
    for where, asked in _asked(stacks, environment).items():
        world = _whole(_recorded(where, known, stacks_dir, asked))
        names = {s.name for s in asked} if asked is not None else None
        graphs += [g for n, g in world.graphs.items() if names is None or n in names]
    found = estimate(graphs, table)
    if as_json:
        print_json(words.as_json(found, table, today))
    else:
        print(words.text(found, table))
    if found.priced_share < PRICED_AT_LEAST:
        say(f"noc infra: only {found.priced_share:.0%} of the resources are priced; {PRICED_AT_LEAST:.0%} are wanted")
        sys.exit(1)
