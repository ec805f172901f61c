"""Cuts a small inventory from the shipped tables, for tests that run a whole NOC."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import inventory

SHIPPED = Path(inventory.__file__).parent


def cut_inventory(target: Path, sites: int) -> Path:
    """Copy the shipped tables to `target`, keeping the regions' technology centres and a spread of other sites."""
    target.mkdir(parents=True, exist_ok=True)
    for path in [*SHIPPED.glob("*.csv"), *SHIPPED.glob("*.yaml")]:
        shutil.copy(path, target / path.name)
    inv = inventory.load(SHIPPED)
    keep = {region.technology_centre for region in inv.regions.values()}
    others = [site for site in inv.sites if site not in keep]
    step = max(1, len(others) // max(1, sites - len(keep)))
    keep |= set(others[::step][: max(0, sites - len(keep))])
    for name, column in (("sites.csv", "id"), ("circuits.csv", "site"), ("devices.csv", "site")):
        with (target / name).open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            rows = [row for row in reader if row[column] in keep]
            fields = list(reader.fieldnames or ())
        with (target / name).open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, fields, lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
    return target
