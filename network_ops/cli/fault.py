"""`noc fault`: breaks and mends the running twin."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    import httpx

_UNIT_S = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)([smhd])")

Fault = dict[str, Any]


class Duration(click.ParamType[float]):
    """90s, 10m, 1h30m, 1d; seconds."""

    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Seconds of a duration; a bare number is refused, because its unit would be a guess."""
        text = str(value)
        parts = _DURATION.findall(text)
        if not parts or "".join(n + u for n, u in parts) != text:
            self.fail(f"'{text}' is no duration; write it like 90s, 10m or 1h30m", param, ctx)
        return sum(float(number) * _UNIT_S[unit] for number, unit in parts)


class Refused(click.ClickException):
    """The twin refused our input: exit code 2."""

    exit_code = 2


@click.group()
@click.option(
    "--state-dir",
    type=click.Path(path_type=Path),
    envvar="NOC_STATE_DIR",
    default=Path(".state"),
    show_default=True,
    help="State directory of the running `noc up`.",
)
@click.pass_context
def cli(context: click.Context, state_dir: Path) -> None:
    """Faults in the twin: inject, list, clear."""
    context.obj = state_dir


@cli.command()
@click.argument("kind")
@click.argument("target")
@click.option("--for", "for_s", type=Duration(), help="Clears itself after this time, e.g. 10m.")
@click.option("--json", "as_json", is_flag=True, help="The fault as JSON on stdout.")
@click.pass_obj
def inject(state_dir: Path, kind: str, target: str, for_s: float | None, as_json: bool) -> None:
    """Break TARGET.

    KIND and its TARGET: site-power SITE, circuit-cut CIRCUIT, circuit-degrade CIRCUIT, carrier-outage CARRIER,
    hub-isolation HUB, agent-silent DEVICE, flap CIRCUIT.
    """
    fault = _call(state_dir, "POST", "/faults", {"kind": kind, "target": target, "for_s": for_s})
    if as_json:
        click.echo(json.dumps(fault))
        return
    hit = ", ".join(f"{len(fault[what])} {what}" for what in ("sites", "circuits", "sessions", "devices"))
    click.echo(f"{fault['id']}  {kind} {target}: hits {hit}; clear with `noc fault clear {fault['id']}`", err=True)


@cli.command("list")
@click.option("--all", "ended", is_flag=True, help="Also those that ended since the twin started.")
@click.option("--json", "as_json", is_flag=True, help="The faults as JSON on stdout.")
@click.pass_obj
def list_faults(state_dir: Path, ended: bool, as_json: bool) -> None:
    """Show the faults in force."""
    faults = _call(state_dir, "GET", "/faults?all=1" if ended else "/faults")
    if as_json:
        click.echo(json.dumps(faults))
        return
    for fault in faults:
        end = fault["cleared_at"] or fault["expires_at"]
        until = "until cleared" if end is None else ("ended " if fault["cleared_at"] else "until ") + end
        click.echo(
            f"{fault['id']}  {fault['kind']:<15} {fault['target']:<28} "
            f"since {fault['injected_at']} {until}  {len(fault['sites'])} sites"
        )
    if not faults:
        click.echo("no faults", err=True)


@cli.command()
@click.argument("fault_id", metavar="[ID]", required=False)
@click.option("--all", "everything", is_flag=True, help="All faults in force.")
@click.option("--json", "as_json", is_flag=True, help="What was cleared as JSON on stdout.")
@click.pass_obj
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


def _call(state_dir: Path, method: str, path: str, body: dict[str, object] | None = None) -> Any:
    """The twin's JSON answer."""
    import httpx

    url, token = _twin(state_dir)
    try:
        with httpx.Client(timeout=10, trust_env=False) as client:
            answer = client.request(method, url + path, json=body, headers={"Authorization": f"Bearer {token}"})
    except httpx.HTTPError as e:
        raise click.ClickException(f"the twin at {url} does not answer: {e}; is `noc up` running?") from e
    if answer.is_success:
        return answer.json()
    sentence = _sentence(answer)
    raise Refused(sentence) if answer.status_code in (400, 404) else click.ClickException(sentence)


def _sentence(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["error"])
    except (ValueError, KeyError, TypeError):
        return f"the twin answered {answer.status_code}"


def _twin(state_dir: Path) -> tuple[str, str]:
    """URL and token of the twin that `noc up` runs with this state directory."""
    run, secret = state_dir / "run.json", state_dir / "secrets" / "internal.token"
    remedy = "start `noc up`, or name its directory with --state-dir"
    try:
        children = json.loads(run.read_text(encoding="utf-8"))["children"]
        url = next(str(c["url"]).rstrip("/") for c in children if c["name"] == "twin")
    except (OSError, ValueError, KeyError, TypeError, StopIteration) as e:
        reason = "names no twin" if isinstance(e, StopIteration) else "cannot be read"
        raise click.ClickException(f"{run} {reason}; {remedy}") from e
    try:
        return url, secret.read_text(encoding="utf-8").strip()
    except OSError as e:
        raise click.ClickException(f"{secret} cannot be read: {e.strerror}; {remedy}") from e
