"""`noc fault`: breaks and mends the running twin.

Exit codes: 1 the twin does not answer; 2 bad input, or no NOC (with a twin) runs in the state directory.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from network_ops.cli.options import Duration, state_dir_option
from network_ops.supervisor.errors import StartError
from network_ops.supervisor.state import StateDir, read_run_file

if TYPE_CHECKING:
    import httpx

Fault = dict[str, Any]


class Failed(click.ClickException):
    """The twin cannot be asked: exit code 1."""

    def show(self, file: IO[Any] | None = None) -> None:
        """Say it as the other nouns do, with our name before the sentence."""
        click.echo(f"noc fault: {self.format_message()}", file=file, err=True)


class Refused(Failed):
    """Our input is wrong, the state directory's NOC included: exit code 2."""

    exit_code = 2


@click.group()
def cli() -> None:
    """Faults in the twin: inject, list, clear."""


@cli.command(short_help="Break a site, circuit, carrier, hub or device.")
@click.argument("kind")
@click.argument("target")
@click.option("--for", "length", type=Duration(), help="Clears itself after this time, e.g. 10m.")
@click.option("--json", "as_json", is_flag=True, help="The fault as JSON on stdout.")
@state_dir_option
def inject(state_dir: Path, kind: str, target: str, length: timedelta | None, as_json: bool) -> None:
    """Break TARGET.

    KIND and its TARGET: site-power SITE, circuit-cut CIRCUIT, circuit-degrade CIRCUIT, carrier-outage CARRIER,
    hub-isolation HUB, agent-silent DEVICE, flap CIRCUIT.
    """
    same = [f for f in _call(state_dir, "GET", "/faults") if (f["kind"], f["target"]) == (kind, target)]
    fault = _call(
        state_dir,
        "POST",
        "/faults",
        {"kind": kind, "target": target, "for_s": length.total_seconds() if length else None},
    )
    for earlier in same:
        click.echo(f"already active as {earlier['id']} {_end(earlier)}; this adds another", err=True)
    if as_json:
        click.echo(json.dumps(fault))
        return
    hit = ", ".join(_count(fault, what) for what in ("sites", "circuits", "sessions", "devices"))
    click.echo(f"{fault['id']}  {kind} {target}: hits {hit}; clear with `noc fault clear {fault['id']}`", err=True)


@cli.command("list")
@click.option("--all", "ended", is_flag=True, help="Also those that ended since the twin started.")
@click.option("--json", "as_json", is_flag=True, help="The faults as JSON on stdout.")
@state_dir_option
def list_faults(state_dir: Path, ended: bool, as_json: bool) -> None:
    """Show the faults in force."""
    faults = _call(state_dir, "GET", "/faults?all=1" if ended else "/faults")
    if as_json:
        click.echo(json.dumps(faults))
        return
    for fault in faults:
        click.echo(
            f"{fault['id']}  {fault['kind']:<15} {fault['target']:<28} "
            f"since {_second(fault['injected_at'])} {_end(fault)}  {_count(fault, 'sites')}"
        )
    if not faults:
        click.echo("no faults", err=True)


@cli.command()
@click.argument("fault_id", metavar="[ID]", required=False)
@click.option("--all", "everything", is_flag=True, help="All faults in force.")
@click.option("--json", "as_json", is_flag=True, help="What was cleared as JSON on stdout.")
@state_dir_option
def clear(state_dir: Path, fault_id: str | None, everything: bool, as_json: bool) -> None:
    """End one fault, or all."""
    if (fault_id is None) != everything:
        raise click.UsageError("name one fault, or say --all; `noc fault list` shows them")
    found = _call(state_dir, "DELETE", "/faults" if everything else f"/faults/{fault_id}")
    cleared = found if everything else [found]
    if as_json:
        click.echo(json.dumps(cleared))
        return
    for fault in cleared:
        click.echo(f"cleared {fault['id']}  {fault['kind']} {fault['target']}", err=True)
    if not cleared:
        click.echo("no faults", err=True)


def _count(fault: Fault, what: str) -> str:
    """`1 site`, `2 circuits`: how many things of a kind, named in the plural, the fault hits."""
    number = len(fault[what])
    return f"{number} {what.removesuffix('s') if number == 1 else what}"


def _end(fault: Fault) -> str:
    if fault["cleared_at"] is not None:
        return f"ended {_second(fault['cleared_at'])}"
    return "until cleared" if fault["expires_at"] is None else f"until {_second(fault['expires_at'])}"


def _second(at: str) -> str:
    return datetime.fromisoformat(at).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _call(state_dir: Path, method: str, path: str, body: dict[str, object] | None = None) -> Any:
    """The twin's JSON answer."""
    import httpx

    url, token = _twin(state_dir)
    try:
        with httpx.Client(timeout=10, trust_env=False) as client:
            answer = client.request(method, url + path, json=body, headers={"Authorization": f"Bearer {token}"})
    except httpx.HTTPError as e:
        raise Failed(f"the twin at {url} does not answer: {e}; is `noc up` running?") from e
    if answer.is_success:
        return answer.json()
    sentence = _sentence(answer)
    raise Refused(sentence) if answer.status_code in (400, 404) else Failed(sentence)


def _sentence(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["error"])
    except (ValueError, KeyError, TypeError):
        return f"the twin answered {answer.status_code}"


def _twin(state_dir: Path) -> tuple[str, str]:
    """URL and token of the twin that `noc up` runs with this state directory."""
    state = StateDir(state_dir.absolute())
    try:
        children = read_run_file(state).children
        url = next(child.url for child in children if child.name == "twin")
        return url, state.token_file.read_text(encoding="utf-8").strip()
    except StartError as e:
        raise Refused(str(e)) from e
    except StopIteration as e:
        raise Refused("this NOC watches the real network: there is no twin to break") from e
    except OSError as e:
        raise Failed(f"{state.token_file} cannot be read: {e.strerror}") from e
