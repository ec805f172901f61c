"""Which sites make a small inventory, for tests that run a whole NOC; the package itself cuts the tables."""

from __future__ import annotations

from pathlib import Path

import inventory
from inventory.transfer import export_sites


def cut_inventory(target: Path, sites: int) -> Path:
    """Write an inventory of the regions' technology centres and a spread of other shipped sites to `target`."""
    shipped = inventory.packaged_tables()
    inv = inventory.load(shipped)
    keep = {region.technology_centre for region in inv.regions.values()}
    others = [site for site in inv.sites if site not in keep]
    step = max(1, len(others) // max(1, sites - len(keep)))
    keep |= set(others[::step][: max(0, sites - len(keep))])
    export_sites(shipped, target, (site for site in inv.sites.values() if site.id in keep))
    return target
