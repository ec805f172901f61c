"""The verbs of `noc infra` that drive the engine: preview, up, refresh, recover, destroy, rehearse, failover.

Progress and sentences go to standard error, data (a digest, JSON) to standard output.
"""

from __future__ import annotations

import getpass
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from network_ops.cli.infra_guard import EXIT_DIFFERENCE, guarded, print_json, say
from network_ops.cli.options import environment_option, json_option

if TYPE_CHECKING:
    from infra.engine.progress import Progress
    from infra.engine.run import Outcome, Target

REHEARSAL = "rehearsal, no Azure"

records_option = click.option(
    "--records",
    type=click.Path(path_type=Path),
    envvar="NOC_INFRA_RECORDS",
    default=Path(".state/infra/records"),
    show_default=True,
    help="Where the last result of each stack is remembered; the fleet exporter reads it.",
)
rehearsal_option = click.option(
    "--rehearsal",
    type=click.Path(path_type=Path),
    help="Folder of a rehearsal: its state and its made-up Azure instead of the real one.",
)
create_option = click.option("--create", is_flag=True, help="Make the stack in the backend if it is not there yet.")
reason_option = click.option("--reason", default="", help="Why; kept in the stack's history.")


@click.command(short_help="Show what up would do, and a digest of it.")
@click.argument("stack")
@click.option("--expect-no-changes", is_flag=True, help="Exit 3 if anything would change.")
@click.option(
    "--markdown", type=click.Path(path_type=Path), help="Append a page for a pipeline's summary to this file."
)
@create_option
@records_option
@rehearsal_option
@json_option
@guarded
def preview(
    stack: str,
    expect_no_changes: bool,
    markdown: Path | None,
    create: bool,
    records: Path,
    rehearsal: Path | None,
    as_json: bool,
) -> None:
    """Check STACK's input and policies, then let the engine say what `up` would do; print a digest of it.

    The digest is what `noc infra up STACK --plan DIGEST` takes.
    """
    from infra.engine import run
    from infra.engine.summary import markdown as page

    target = _target(stack, rehearsal, create=create)
    outcome = run.preview(target, _progress(f"preview {stack}"), None if rehearsal else records)
    _tell(outcome, as_json)
    if not as_json:
        print(outcome.digest)
    if markdown:
        with markdown.open("a", encoding="utf-8") as file:
            file.write(page(outcome.plan, target.inventory, outcome.digest, outcome.advice))
    if expect_no_changes and outcome.changes:
        sys.exit(EXIT_DIFFERENCE)


@click.command(short_help="Deploy a stack: exactly what was previewed.")
@click.argument("stack")
@click.option("--plan", "digest", default="", metavar="DIGEST", help="What `noc infra preview` printed; prod needs it.")
@click.option("--yes", is_flag=True, help="Do not ask (dev only; prod takes --plan).")
@reason_option
@create_option
@rehearsal_option
@json_option
@guarded
def up(stack: str, digest: str, yes: bool, reason: str, create: bool, rehearsal: Path | None, as_json: bool) -> None:
    """Preview STACK again, compare with DIGEST, and apply exactly that; refuse (exit 4) when it differs."""
    from infra.engine import run

    target = _target(stack, rehearsal, create=create)

    def agreed(outcome: Outcome) -> bool:
        _tell(outcome, as_json=False)
        return yes or not outcome.changes or (sys.stdin.isatty() and click.confirm("Do this?", err=True))

    message = _message("up", reason)
    outcome = run.up(target, digest, agreed=agreed, progress=_progress(f"up {stack}"), message=message)
    _tell(outcome, as_json)
    if not as_json:
        for name, value in outcome.outputs.items():
            print(f"{name}={value}")


@click.command(short_help="Compare a stack's state with what is there.")
@click.argument("stack")
@click.option("--preview-only", is_flag=True, help="Look only; remember how much has drifted (the nightly run).")
@click.option("--expect-no-changes", is_flag=True, help="Exit 3 if anything has drifted.")
@records_option
@rehearsal_option
@json_option
@guarded
def refresh(
    stack: str,
    preview_only: bool,
    expect_no_changes: bool,
    records: Path,
    rehearsal: Path | None,
    as_json: bool,
) -> None:
    """Read every resource of STACK and take what is there into the state; with --preview-only only tell."""
    from infra.engine import run

    outcome = run.refresh(
        _target(stack, rehearsal),
        preview_only=preview_only,
        progress=_progress(f"refresh {stack}"),
        folder=None if rehearsal else records,
    )
    _tell(outcome, as_json)
    if expect_no_changes and outcome.changes:
        sys.exit(EXIT_DIFFERENCE)


@click.command(short_help="Bring a stack back whose last deployment died.")
@click.argument("stack")
@click.option("--break-lock", is_flag=True, help="The deployment that holds the lock is known to be dead.")
@rehearsal_option
@json_option
@guarded
def recover(stack: str, break_lock: bool, rehearsal: Path | None, as_json: bool) -> None:
    """Take what was under way when STACK's engine died into its state, or drop it where Azure has no such resource."""
    from infra.engine import run

    found = run.recover(_target(stack, rehearsal), break_lock=break_lock)
    say(f"{stack}: {len(found)} operations were under way" if found else f"{stack}: nothing was under way")
    for each in found:
        say(f"  {each.operation} {each.id}")
    if as_json:
        print_json({"stack": stack, "pending": [asdict(each) for each in found]})


@click.command(short_help="Delete everything in a stack.")
@click.argument("stack")
@click.option("--confirm", default="", metavar="STACK", help="The stack's name again.")
@reason_option
@records_option
@rehearsal_option
@json_option
@guarded
def destroy(stack: str, confirm: str, reason: str, records: Path, rehearsal: Path | None, as_json: bool) -> None:
    """Delete everything in STACK; refuse (exit 4) while anything in it is protected or another stack needs it."""
    from infra.engine import run

    target = _target(stack, rehearsal)
    message = _message("destroy", reason)
    folder = None if rehearsal else records
    _tell(run.destroy(target, confirm, progress=_progress(f"destroy {stack}"), message=message, folder=folder), as_json)


@click.command(short_help="Let another hub serve an application, or all that a hub serves.")
@click.argument("scope")
@click.option("--to", required=True, metavar="HUB", help="The hub that is to serve.")
@click.option("--env", "environment", type=click.Choice(["prod", "dev"]), default="prod", show_default=True)
@click.option("--dry-run", is_flag=True, help="Preview and guard only.")
@reason_option
@rehearsal_option
@json_option
@guarded
def failover(
    scope: str, to: str, environment: str, dry_run: bool, reason: str, rehearsal: Path | None, as_json: bool
) -> None:
    """Change which hub serves SCOPE: an application, or a hub (all that it serves; with --to itself, the way back).

    Changes only `activeHubs` of the continuity stack; refuses (exit 4) if anything else would change with it.
    """
    from infra.engine import failover as code

    target = _target(f"continuity-{environment}", rehearsal)
    message = _message(f"failover {scope} to {to}", reason)
    done = code.failover(
        scope, to, target=target, dry_run=dry_run, progress=_progress(f"failover {scope}"), message=message
    )
    said = f" ({REHEARSAL})" if done.rehearsal else ""
    if done.already:
        say(f"{scope} is at {to} already; nothing was changed{said}")
    else:
        word = "would move" if dry_run else "moved"
        took = sum(done.seconds.values())
        say(f"{word} {', '.join(m.application for m in done.moves)} to {to} in {took:.1f} s{said}")
        for move in done.moves:
            say(f"  {move.application}: {move.before} → {move.after}")
        for line in done.summary if dry_run else ():
            say(f"  {line}")
        if not dry_run:
            say(f"commit {target.file().name}: it holds the new hubs" if not rehearsal else "")
    for line in done.advice:
        say(f"  advice: {line}")
    if as_json:
        print_json(done.as_json())
    else:
        for application, hub in sorted(done.active_hubs.items()):
            print(f"{application}={hub}")


@click.command(short_help="Deploy stacks end to end on this machine, without Azure.")
@click.argument("stacks", nargs=-1)
@environment_option
@click.option("--alone", is_flag=True, help="Only these; what they read must stand in the folder already.")
@click.option("--keep", is_flag=True, help="Leave everything standing; --rehearsal of the other verbs can go on there.")
@click.option(
    "--folder", type=click.Path(path_type=Path), help="Where the rehearsal lives (default: a folder that goes again)."
)
@json_option
@guarded
def rehearse(
    stacks: tuple[str, ...], environment: str | None, alone: bool, keep: bool, folder: Path | None, as_json: bool
) -> None:
    """Take STACKS and what they read up with the real engine and a made-up Azure, then down again.

    Each stack: preview, up, and a second preview that must find nothing to do. Proves things about our programmes and
    the engine, nothing about Azure.
    """
    import inventory
    from infra.core.errors import EngineError
    from infra.core.stacks import parse
    from infra.graph.world import committed
    from infra.rehearsal import run as rehearsal

    if keep and folder is None:
        raise click.UsageError("--keep leaves things standing in a --folder: name one")
    if bool(stacks) == bool(environment):
        raise click.UsageError("name stacks, or an environment with --env")
    asked = [parse(name) for name in stacks] if stacks else committed("dev" if environment == "dev" else "prod")
    wanted = asked if alone else rehearsal.with_needs(asked, inventory.load(inventory.packaged_tables()))
    say(f"{REHEARSAL}: {', '.join(map(str, wanted))}")
    with tempfile.TemporaryDirectory(prefix="noc-rehearsal-") as own:
        where = folder or Path(own)
        where.mkdir(parents=True, exist_ok=True)
        report = rehearsal.rehearse(
            wanted, state_dir=where, down=not keep, unprotect=True, say=lambda step: say(f"  {step}")
        )
    say(str(report).splitlines()[-1])
    if as_json:
        print_json(report.as_json())
    if report.failed:
        raise EngineError(f"the rehearsal failed ({REHEARSAL})")


def _target(name: str, rehearsal: Path | None, *, create: bool = False) -> Target:
    from infra.core.stacks import parse
    from infra.engine import targets

    return targets.at(parse(name), rehearsal, create=create)


def _tell(outcome: Outcome, as_json: bool) -> None:
    for line in outcome.summary:
        say(line)
    for line in outcome.advice:
        say(f"  advice: {line}")
    if outcome.rehearsal:
        say(f"({REHEARSAL})")
    if as_json:
        print_json(outcome.as_json())


def _progress(title: str) -> Progress:
    from infra.engine.progress import Lines

    return Lines(sys.stderr, title)


def _message(verb: str, reason: str) -> str:
    try:
        who = getpass.getuser()
    except (KeyError, OSError):  # a container without a user database
        who = "someone"
    return f"noc infra {verb} by {who}" + (f": {reason}" if reason else "")


COMMANDS: dict[str, click.Command] = {
    c.name or "": c for c in (preview, up, refresh, recover, destroy, rehearse, failover)
}
