"""`noc inventory`: validate, query, complete, import and export the tables.

Every verb takes `--inventory DIR` (or NOC_INVENTORY; without either the shipped tables) and `--json`.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import wraps
from pathlib import Path
from typing import Concatenate, ParamSpec

import click

import inventory
from inventory.errors import InventoryError, report
from inventory.models import Circuit, Inventory, Site

P = ParamSpec("P")

EXIT_BAD_INPUT = 2
EXIT_DIFFERENCE = 3


@click.group()
def cli() -> None:
    """Validate, query, complete, import and export the inventory: what exists in the network."""


def _verb(function: Callable[Concatenate[Path, bool, P], None]) -> Callable[P, None]:
    """Give a verb --inventory and --json, and turn an inventory's faults into text and exit code 2."""

    @wraps(function)
    def run(inventory_dir: Path | None, as_json: bool, *args: P.args, **kwargs: P.kwargs) -> None:
        directory = inventory_dir or inventory.packaged_tables()
        try:
            function(directory, as_json, *args, **kwargs)
        except InventoryError as error:
            if as_json:
                _print_json({"error": error.summary, "problems": [asdict(p) for p in error.problems]})
            print(f"noc inventory: {error}", file=sys.stderr)
            sys.exit(EXIT_BAD_INPUT)

    with_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")(run)
    return click.option(
        "--inventory",
        "inventory_dir",
        type=click.Path(path_type=Path),
        envvar="NOC_INVENTORY",
        help="Folder of the tables [default: the shipped ones].",
    )(with_json)  # type: ignore[return-value] # click's decorators keep the callable but lose ParamSpec


def _print_json(value: object) -> None:
    print(json.dumps(value, indent=1, ensure_ascii=False, default=str))


def _say(text: str) -> None:
    print(text, file=sys.stderr)


@cli.command(short_help="Check all tables: every fault with its place and remedy.")
@_verb
def validate(directory: Path, as_json: bool) -> None:
    """Check all tables; every fault with file, line, column and remedy (exit 2 if there is one).

    Empty cells that `assign` fills come last, a line per column with their count; --json lists every cell.
    """
    found, problems = inventory.examine(directory)
    if found is None:
        if as_json:
            _print_json({"valid": False, "problems": [asdict(p) for p in problems]})
        else:
            for line in report(problems):
                print(line)
        empty = sum(p.is_left_to_assign for p in problems)
        left = f", {empty} of them empty cells that `noc inventory assign` fills" if empty else ""
        _say(f"noc inventory: {len(problems)} problem(s) in {directory}{left}")
        sys.exit(EXIT_BAD_INPUT)
    counts = {"sites": len(found.sites), "circuits": len(found.circuits), "sessions": len(found.sessions)}
    counts |= {"devices": len(found.devices), "carriers": len(found.carriers)}
    split = dict(Counter(s.preferred_hub for s in found.sites.values()))
    if as_json:
        _print_json({"valid": True, "problems": [], "counts": counts, "split": split})
    else:
        text = ", ".join(f"{count} {thing}" for thing, count in counts.items())
        _say(f"{directory}: valid; {text}; preferred hubs {_split_text(split)}")


def _split_text(split: Mapping[str, int]) -> str:
    return " / ".join(f"{hub} {count}" for hub, count in split.items())


@cli.command(short_help="Fill empty cells (hub, shard, addresses); move nothing.")
@click.option("--dry-run", is_flag=True, help="Show what would be filled and write nothing (exit 3 if anything).")
@_verb
def assign(directory: Path, as_json: bool, dry_run: bool) -> None:
    """Fill empty cells: preferred hub, shard, prefixes, AS number, addresses, tunnels, estimates. Moves nothing."""
    from inventory.transfer import assign as fill

    done = fill(directory, dry_run=dry_run)
    if as_json:
        changes = [{"file": c.file, "id": c.id, "column": c.column, "value": c.value} for c in done.changes]
        _print_json({"dry_run": dry_run, "changes": changes, "split": dict(done.split)})
    else:
        for change in done.changes:
            print(f"{change.file} {change.id} {change.column} = {change.value}")
    verb = "would fill" if dry_run else "filled"
    columns = Counter(f"{c.column}" for c in done.changes)
    what = ", ".join(f"{count} {column}" for column, count in columns.items()) or "nothing: no cell is empty"
    _say(f"{verb} {what}; preferred hubs {_split_text(done.split)}")
    if dry_run and done.changes:
        sys.exit(EXIT_DIFFERENCE)


@cli.command(name="list", short_help="List the sites that match a query.")
@click.argument("query", nargs=-1)
@_verb
def list_sites(directory: Path, as_json: bool, query: tuple[str, ...]) -> None:
    """List the sites that match QUERY: region=africa tier<=2 carrier=geo-* (AND; = != <= >= < >, globs, a,b).

    A region, carrier, kind, ... that does not exist is an error; a glob that matches nothing is not.
    """
    inv = inventory.load(directory)
    sites = inventory.select(inv, " ".join(query))
    if as_json:
        _print_json([_site_json(inv, s) for s in sites])
        return
    for s in sites:
        kinds = "+".join(c.kind for c in inv.circuits_of[s.id])
        print(f"{s.id:<34} {s.region:<15} tier {s.tier}  {s.preferred_hub:<10} {kinds:<16} {s.name}")
    _say(f"{len(sites)} of {len(inv.sites)} sites")


def _site_json(inv: Inventory, site: Site) -> dict[str, object]:
    found: dict[str, object] = asdict(site)
    found["prefixes"] = [str(p) for p in site.prefixes]
    found["circuits"] = [c.id for c in inv.circuits_of[site.id]]
    found["devices"] = [d.id for d in inv.devices_of[site.id]]
    return found


@cli.command(short_help="Show one site: circuits, carriers, sessions, devices.")
@click.argument("site")
@_verb
def show(directory: Path, as_json: bool, site: str) -> None:
    """Show one SITE: its circuits with their carriers' contacts, its sessions and devices."""
    inv = inventory.load(directory)
    matching = inventory.select(inv, site)
    if len(matching) != 1:
        raise InventoryError(f"{len(matching)} sites match '{site}'; name one, `noc inventory list` shows them")
    found = matching[0]
    region = inv.regions[found.region]
    circuits, sessions = inv.circuits_of[found.id], inventory.sessions_of(inv, found.id)
    if as_json:
        details = _site_json(inv, found)
        details["technology_centre"] = region.technology_centre
        details["circuits"] = [_circuit_json(inv, c) for c in circuits]
        details["sessions"] = [
            {"id": s.id, "hub_address": s.hub_address, "site_address": s.site_address, "rtt_ms": s.rtt_ms}
            for s in sessions
        ]
        details["devices"] = [
            asdict(d) | {"interfaces": [asdict(i) for i in inventory.interfaces(inv, d)]}
            for d in inv.devices_of[found.id]
        ]
        _print_json(details)
        return
    print(f"{found.id}  {found.name}")
    print(f"  {found.city}, {found.country}  {found.latitude:.3f} {found.longitude:.3f}  {found.timezone}")
    print(f"  {found.kind}, tier {found.tier}, shard {found.shard}")
    print(f"  region {region.id} ({region.name}), technology centre {region.technology_centre}")
    print(f"  hub {found.preferred_hub}, standby {found.standby_hub}; desk {found.desk}, service level {found.sla}")
    print(f"  prefixes {' '.join(map(str, found.prefixes))}, AS {found.asn}")
    for c in circuits:
        rate = f"{c.rate_down_bps / 1e6:g}/{c.rate_up_bps / 1e6:g} Mbit/s"
        carrier = inv.carriers[c.carrier]
        print(f"  circuit {c.id}  {c.role}, {c.kind}, {rate}, port {c.interface}")
        print(f"    by {carrier.name} ({carrier.id}), contact {carrier.contact or 'not in carriers.csv'}")
    for s in sessions:
        print(f"  session {s.id}  {s.site_address} to {s.hub_address}, {s.rtt_ms:g} ms")
    for d in inv.devices_of[found.id]:
        count = len(inventory.interfaces(inv, d))
        ports = "1 interface" if count == 1 else f"{count} interfaces"
        print(f"  device {d.id}  {d.role} {d.model}, {d.address}, auth {d.auth}, {ports}, until {d.end_of_support}")


def _circuit_json(inv: Inventory, circuit: Circuit) -> dict[str, object]:
    carrier = inv.carriers[circuit.carrier]
    return asdict(circuit) | {"carrier_name": carrier.name, "carrier_contact": carrier.contact}


@cli.command(short_help="Print what needs what: a tree, JSON or Graphviz.")
@click.argument("query", nargs=-1)
@click.option("--dot", is_flag=True, help="Print Graphviz' language.")
@_verb
def graph(directory: Path, as_json: bool, query: tuple[str, ...], dot: bool) -> None:
    """Print what needs what, of everything or of the sites that match QUERY."""
    from inventory.graph import as_dot, as_text, dependency_graph
    from inventory.graph import as_json as graph_json

    inv = inventory.load(directory)
    sites = [s.id for s in inventory.select(inv, " ".join(query))] if query else None
    found = dependency_graph(inv, sites)
    if as_json:
        _print_json(graph_json(found))
    else:
        print(as_dot(found) if dot else as_text(found), end="")


@cli.command(name="import", short_help="Replace tables by those of a folder, all or none.")
@click.argument("source", type=click.Choice(["csv"]))
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--dry-run", is_flag=True, help="Check the tables together and write nothing.")
@_verb
def import_(directory: Path, as_json: bool, source: str, folder: Path, dry_run: bool) -> None:
    """Replace tables by those in FOLDER: all of them or, with any fault, none."""
    from inventory.transfer import import_csv

    done = import_csv(folder, directory, dry_run=dry_run)
    if as_json:
        _print_json({"dry_run": dry_run, **asdict(done)})
    verb = "would import" if dry_run else "imported"
    _say(f"{verb} {', '.join(done.taken)} into {directory}")
    for names, why in ((done.kept, "kept as they were"), (done.shipped, "taken from the shipped tables")):
        if names:
            _say(f"{why}: {', '.join(names)}")


@cli.command(short_help="Targets, Ansible inventory, tables of all or some sites.")
@click.argument("what", type=click.Choice(["prometheus", "ansible", "csv"]))
@click.argument("query", nargs=-1)
@click.option("--probes", is_flag=True, help="prometheus: targets of the prober, not of the SNMP exporter.")
@click.option("--interval", type=float, help="prometheus: only devices polled every so many seconds.")
@click.option("--to", type=click.Path(file_okay=False, path_type=Path), help="csv: folder to write the tables to.")
@_verb
def export(
    directory: Path,
    as_json: bool,
    what: str,
    query: tuple[str, ...],
    probes: bool,
    interval: float | None,
    to: Path | None,
) -> None:
    """Print the inventory as Prometheus targets or Ansible inventory (JSON), or write tables to a folder.

    Without QUERY `csv` copies the tables byte for byte. With one it writes an inventory of the matching sites alone:
    their circuits, devices, carriers and regions - a start for tables of your own.
    """
    inv = inventory.load(directory)
    if what == "csv":
        if to is None:
            raise click.UsageError("export csv writes tables to a folder: add --to FOLDER")
        _export_tables(directory, to, inventory.select(inv, " ".join(query)) if query else None, as_json)
        return
    if query:
        inv = inventory.restrict(inv, inventory.select(inv, " ".join(query)))
    if what == "ansible":
        _print_json(inventory.views.ansible_inventory(inv))
    elif probes:
        _print_json(inventory.views.probe_targets(inv))
    else:
        _print_json(inventory.views.snmp_targets(inv, interval_s=interval))


def _export_tables(directory: Path, to: Path, sites: list[Site] | None, as_json: bool) -> None:
    """Write all tables as they are, or with `sites` an inventory of these alone."""
    from inventory.transfer import current_tables, export_csv, export_sites

    if sites is None:
        files = export_csv(directory, to)
        if as_json:
            _print_json({"folder": str(to), "files": files})
        _say(f"wrote {len(files)} tables to {to}")
        return
    done = export_sites(directory, to, sites)
    if as_json:
        files = tuple(current_tables(to))
        centres = [asdict(s) for s in done.stand_ins]
        _print_json({"folder": str(to), "files": files, "sites": [s.id for s in sites], "stand_ins": centres})
    _say(f"wrote tables of {len(sites)} sites to {to}")
    if done.stand_ins:
        changed = ", ".join(f"{s.site} for {s.region} (was {s.centre})" for s in done.stand_ins)
        _say(
            "warning: technology centres that are not among these sites were replaced by the region's largest that "
            f"is: {changed}; correct technology_centre in regions.yaml if another is right"
        )
