"""A few sites as an inventory of their own: whatever is chosen is valid, and lines are as they were."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests_inventory_support import Tables

import inventory
from inventory import Inventory, InventoryError, restrict
from inventory.subset import StandIn
from inventory.transfer import _raw_tables, export_sites, subset

SHIPPED = inventory.packaged_tables()


def picked(inv: Inventory, query: str) -> list[inventory.Site]:
    return inventory.select(inv, query)


def test_the_lines_of_the_chosen_sites_are_taken_as_they_stand(shipped: Inventory, tmp_path: Path) -> None:
    export_sites(SHIPPED, tmp_path / "mine", picked(shipped, "ke-nairobi,cd-goma"))
    for file in ("sites.csv", "circuits.csv", "devices.csv", "carriers.csv"):
        whole = (SHIPPED / file).read_bytes().splitlines(keepends=True)
        mine = (tmp_path / "mine" / file).read_bytes().splitlines(keepends=True)
        assert mine[0] == whole[0]
        assert [line for line in whole if line in mine] == mine
    for file in ("hubs.yaml", "desks.yaml", "backbone.csv", "applications.yaml"):
        assert (tmp_path / "mine" / file).read_bytes() == (SHIPPED / file).read_bytes()
    found = inventory.load(tmp_path / "mine")
    assert set(found.sites) == {"ke-nairobi", "cd-goma"}
    assert set(found.regions) == {"africa-east", "africa-central"}
    used = {c.carrier for t in (found.circuits, found.backbone, found.cloud_edges) for c in t.values()}
    assert set(found.carriers) == used < set(shipped.carriers)


def test_the_largest_chosen_site_stands_in_for_a_centre_that_is_not_chosen(shipped: Inventory, tmp_path: Path) -> None:
    done = export_sites(SHIPPED, tmp_path / "mine", picked(shipped, "cd-goma,cd-kinshasa,ke-nairobi"))
    assert done.stand_ins == (StandIn("africa-central", "ug-entebbe", "cd-kinshasa"),)
    regions = inventory.load(tmp_path / "mine").regions
    assert {r.technology_centre for r in regions.values()} == {"ke-nairobi", "cd-kinshasa"}
    assert regions["africa-central"].prefix_pool == shipped.regions["africa-central"].prefix_pool


@pytest.mark.parametrize("style", ["flow", "crlf", "quoted"])
def test_other_ways_to_write_the_regions_are_cut_down_as_well(ten: Tables, tmp_path: Path, style: str) -> None:
    text = ten.text("regions.yaml")
    if style == "flow":
        text = "".join(
            f"{r.id}: {{name: '{r.name}', technology_centre: {r.technology_centre}}}\n"
            for r in inventory.load(ten.path).regions.values()
        )
    elif style == "crlf":
        text = text.replace("\n", "\r\n")
    else:
        text = text.replace("technology_centre: ug-entebbe", '"technology_centre": "ug-entebbe"')
    (ten.path / "regions.yaml").write_bytes(text.encode())
    done = export_sites(ten.path, tmp_path / "mine", picked(inventory.load(ten.path), "cd-goma"))
    assert done.stand_ins == (StandIn("africa-central", "ug-entebbe", "cd-goma"),)
    assert list(inventory.load(tmp_path / "mine").regions) == ["africa-central"]


def test_a_faulty_inventory_is_not_cut_down(ten: Tables, tmp_path: Path) -> None:
    sites = picked(inventory.load(ten.path), "cd-goma")
    ten.set("sites.csv", "ke-nairobi", "tier", "9")
    with pytest.raises(InventoryError, match="1 problem"):
        export_sites(ten.path, tmp_path / "mine", sites)
    assert not (tmp_path / "mine").exists()


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_every_choice_of_sites_gives_a_valid_inventory(shipped: Inventory, ten: Tables, data: st.DataObject) -> None:
    ids = data.draw(st.lists(st.sampled_from(list(shipped.sites)), min_size=1, max_size=12, unique=True))
    found = subset(restrict(shipped, [shipped.sites[i] for i in ids]), _raw_tables(SHIPPED))
    for file, text in found.texts.items():
        ten.write(file, text)
    assert ten.problems() == []
