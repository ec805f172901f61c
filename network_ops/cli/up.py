"""`noc up`: run the whole NOC under one parent."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import click

from network_ops.cli.options import inventory_option, state_dir_option
from network_ops.supervisor.errors import StartError


@click.command()
@click.option(
    "--twin",
    type=click.Choice(["simulated", "none"]),
    default="simulated",
    show_default=True,
    help="Watch the simulated network, or (none) the real one at the inventory's addresses.",
)
@inventory_option
@state_dir_option
@click.option("--port", "ports", multiple=True, metavar="NAME=PORT", help="Move a part to another port.")
@click.option("--free-ports", is_flag=True, help="Choose free ports for all parts (for a second NOC).")
@click.option(
    "--snmp-config",
    type=click.Path(path_type=Path, exists=True),
    help="Your own SNMP modules and credentials.",
)
@click.option(
    "--infra-records",
    type=click.Path(path_type=Path, file_okay=False),
    envvar="NOC_INFRA_RECORDS",
    help="Folder where noc infra leaves its records (default: infra/records in the state directory).",
)
@click.option("--smtp", metavar="HOST:PORT", help="Mail server for page-level alerts.")
@click.option("--mail-from", default="noc@localhost", show_default=True, help="Sender of those mails.")
@click.option("--mail-to", metavar="ADDRESS", help="Where page-level alerts are mailed to.")
@click.option("--retention", default="15d", show_default=True, help="How long Prometheus keeps metrics.")
@click.option(
    "--anonymous-view/--no-anonymous-view",
    default=None,
    help="Let pages be read without an account (default: only on the simulated network).",
)
def cli(
    twin: str,
    directory: Path,
    state_dir: Path,
    ports: tuple[str, ...],
    free_ports: bool,
    snmp_config: Path | None,
    infra_records: Path | None,
    smtp: str | None,
    mail_from: str,
    mail_to: str | None,
    retention: str,
    anonymous_view: bool | None,
) -> None:
    """Run the whole NOC: twin, exporters, Prometheus, Alertmanager and console, until Ctrl-C."""
    import uvloop

    from network_ops import monitoring
    from network_ops.supervisor import parts, up
    from network_ops.supervisor import ports as port_table
    from network_ops.supervisor.state import StateDir

    _check(smtp, mail_to, retention, snmp_config)
    kind: parts.TwinKind = "simulated" if twin == "simulated" else "none"
    names = parts.part_names(kind)
    try:
        options = parts.Options(
            twin=kind,
            inventory=directory,
            state=StateDir(state_dir.absolute()),
            ports=port_table.free_ports(names) if free_ports else port_table.parse_ports(ports, names),
            snmp_config=snmp_config.absolute() if snmp_config else None,
            retention=retention,
            infra_records=infra_records.absolute() if infra_records else None,
            anonymous_view=kind == "simulated" if anonymous_view is None else anonymous_view,
        )
        mail = monitoring.Mail(smarthost=smtp, sender=mail_from, recipient=mail_to) if smtp and mail_to else None
        uvloop.run(up.run(options, mail))
    except StartError as error:
        print(f"noc up: {error}", file=sys.stderr)
        sys.exit(error.code)


def _check(smtp: str | None, mail_to: str | None, retention: str, snmp_config: Path | None) -> None:
    """Refuse before anything starts what a child would refuse later, in its own words.

    Raises:
        click.UsageError: names the option and what it should look like.
    """
    if bool(smtp) != bool(mail_to):
        raise click.UsageError("--smtp and --mail-to go together")
    if smtp and not re.fullmatch(r"\[?[\w.:-]+\]?:\d{1,5}", smtp, re.ASCII):
        raise click.UsageError(f"--smtp {smtp!r} is not HOST:PORT, for instance mail.example.org:25")
    if mail_to and "@" not in mail_to:
        raise click.UsageError(f"--mail-to {mail_to!r} is not an address")
    if not re.fullmatch(r"\d+[smhdwy]", retention, re.ASCII):
        raise click.UsageError(f"--retention {retention!r} is not a time such as 36h, 15d or 1y")
    if snmp_config is not None:
        from exporters.common.errors import BadInput
        from exporters.snmp.loader import load

        try:
            load([snmp_config])
        except BadInput as error:
            raise click.UsageError(f"--snmp-config: {error}") from error
