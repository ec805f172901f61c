"""What `assign` decides, and what it may never touch."""

from __future__ import annotations

import random
import tempfile
from collections import Counter
from ipaddress import ip_network
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests_inventory_support import DECISIONS, TEN, Tables, copy_tables, keep_sites

import inventory
from inventory import InventoryError
from inventory.assignment import SHARD_FILL, Change, FreeSpace, decide
from inventory.tables import Row, Table
from inventory.transfer import assign

SLOW = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def decisions(tables: Tables) -> dict[tuple[str, str, str], str]:
    return {
        (file, row["id"], column): row[column]
        for file, columns in DECISIONS.items()
        for row in tables.rows(file)
        for column in columns
    }


def test_empty_tables_are_completed_to_a_valid_inventory(undecided: Tables) -> None:
    with pytest.raises(InventoryError, match="run `noc inventory assign` to fill them"):
        inventory.load(undecided.path)
    done = assign(undecided.path)
    found = inventory.load(undecided.path)
    assert len(found.sites) == len(TEN)
    assert sum(done.split.values()) == len(TEN)
    assert all(value for value in decisions(undecided).values())


def test_a_complete_inventory_is_left_alone_to_the_byte(tables: Tables) -> None:
    before = {file: tables.text(file) for file in DECISIONS}
    assert assign(tables.path).changes == ()
    assert {file: tables.text(file) for file in DECISIONS} == before


def test_a_dry_run_decides_the_same_and_writes_nothing(undecided: Tables) -> None:
    before = {file: tables_text for file in DECISIONS if (tables_text := undecided.text(file))}
    planned = assign(undecided.path, dry_run=True)
    assert {file: undecided.text(file) for file in DECISIONS} == before
    assert assign(undecided.path) == planned


def test_another_fault_is_reported_before_anything_is_decided(undecided: Tables) -> None:
    line = undecided.set("sites.csv", "cd-goma", "latitude", "x")
    before = undecided.text("circuits.csv")
    with pytest.raises(InventoryError, match=f"sites.csv:{line}: latitude: 'x' is not a number") as error:
        assign(undecided.path)
    assert len(error.value.problems) == 1
    assert undecided.text("circuits.csv") == before


def test_only_the_lines_of_filled_cells_change(tables: Tables) -> None:
    tables.set("sites.csv", "cd-goma", "standby_hub", "")
    quoted = tables.text("sites.csv").replace("North and", '"North and"').replace("us-new-york,", '"us-new-york",', 1)
    tables.write("sites.csv", quoted)
    assign(tables.path)
    old, new = quoted.split("\n"), tables.text("sites.csv").split("\n")
    changed = [o for o, n in zip(old, new, strict=True) if o != n]
    assert [line.split(",")[0] for line in changed] == ["cd-goma"]


@SLOW
@given(data=st.data())
def test_a_filled_cell_never_moves(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        tables = keep_sites(copy_tables(Path(folder)), TEN)
        before = decisions(tables)
        cleared = data.draw(st.sets(st.sampled_from(sorted(before)), max_size=40))
        # The prefixes of a site whose devices have addresses are no decision any more; assign refuses to invent them.
        homeless = {row for file, row, column in cleared if column == "prefixes"}
        cleared |= {k for k in before if k[2] == "address" and k[1].rpartition("-")[0] in homeless}
        for file, columns in DECISIONS.items():
            rows = tables.rows(file)
            for row in rows:
                row.update({c: "" for c in columns if (file, row["id"], c) in cleared})
            tables.write_rows(file, rows)
        done = assign(tables.path)
        after = decisions(tables)
        assert {k: v for k, v in after.items() if k not in cleared} == {
            k: v for k, v in before.items() if k not in cleared
        }
        assert {(c.file, c.id, c.column) for c in done.changes} == cleared
        assert inventory.load(tables.path)


@SLOW
@given(seed=st.integers(0, 10_000))
def test_the_order_of_the_rows_decides_nothing(seed: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        first = keep_sites(copy_tables(Path(folder) / "a"), TEN)
        second = keep_sites(copy_tables(Path(folder) / "b"), TEN)
        for tables in (first, second):
            for file, columns in DECISIONS.items():
                tables.clear(file, columns)
        for file in DECISIONS:
            second.edit(file, random.Random(seed).shuffle)
        assign(first.path)
        assign(second.path)
        assert decisions(first) == decisions(second)


@SLOW
@given(newcomer=st.sampled_from(["jp-tokyo", "cd-bukavu", "us-washington", "at-vienna", "es-valencia"]))
def test_a_new_site_changes_nothing_but_itself(newcomer: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        tables = keep_sites(copy_tables(Path(folder)), (*TEN, newcomer))
        for file, columns in DECISIONS.items():
            tables.edit(
                file,
                lambda rows, columns=columns: (
                    [r.update(dict.fromkeys(columns, "")) for r in rows if newcomer in r.values()] and None
                ),
            )
        before = decisions(tables)
        done = assign(tables.path)
        after = decisions(tables)
        moved = {key for key, value in before.items() if after[key] != value}
        assert moved
        assert all(row == newcomer or row.startswith((f"{newcomer}.", f"{newcomer}-")) for _, row, _ in moved)
        assert all(newcomer in c.id for c in done.changes)


def test_all_594_sites_decided_anew_split_evenly_and_by_geography(tables: Tables) -> None:
    for file, columns in DECISIONS.items():
        tables.clear(file, columns)
    done = assign(tables.path)
    assert abs(done.split["valencia"] - done.split["brindisi"]) <= 0.02 * 594
    found = inventory.load(tables.path)
    assert found.sites["pe-lima"].preferred_hub == "valencia"
    assert found.sites["jo-amman"].preferred_hub == "brindisi"
    assert max(Counter(s.shard for s in found.sites.values()).values()) <= SHARD_FILL


def test_a_new_site_goes_to_its_nearest_hub_while_the_split_allows_it(tables: Tables) -> None:
    hubs = {}
    for site in ("us-washington", "in-new-delhi"):
        tables.set("sites.csv", site, "preferred_hub", "")
        tables.set("sites.csv", site, "standby_hub", "")
        hubs[site] = {c.column: c.value for c in assign(tables.path).changes}
    assert hubs["us-washington"] == {"preferred_hub": "valencia", "standby_hub": "brindisi"}
    assert hubs["in-new-delhi"] == {"preferred_hub": "brindisi", "standby_hub": "valencia"}


def test_a_new_site_gets_the_lowest_as_number_that_nobody_has(tables: Tables) -> None:
    taken = {int(r["asn"]) for r in tables.rows("sites.csv")}
    assert min(taken) == 4_200_000_000
    gap = next(r["asn"] for r in tables.rows("sites.csv") if r["id"] == "cd-goma")
    tables.set("sites.csv", "cd-goma", "asn", "64512")
    tables.set("sites.csv", "ke-nairobi", "asn", "")
    (change,) = assign(tables.path).changes
    assert (change.id, change.column, change.value) == ("ke-nairobi", "asn", gap)


def test_a_full_shard_opens_another_and_nobody_moves(tables: Tables) -> None:
    last = [r["id"] for r in tables.rows("sites.csv") if r["shard"] == "europe-1"][-1]
    tables.edit(
        "sites.csv", lambda rows: [r.update(shard="europe-1") for r in rows if r["region"] == "europe"] and None
    )
    tables.set("sites.csv", last, "shard", "")
    (change,) = assign(tables.path).changes
    assert (change.id, change.value) == (last, "europe-2")


def test_a_limit_exceeded_by_the_decisions_writes_nothing(tables: Tables) -> None:
    tables.set("sites.csv", "ke-nairobi", "shard", "")
    tables.edit("circuits.csv", lambda rows: [r.update(committed_mbps=r["rate_up_mbps"]) for r in rows] and None)
    before = tables.text("sites.csv")
    with pytest.raises(InventoryError, match="committed rates"):
        assign(tables.path)
    assert tables.text("sites.csv") == before


def test_a_pool_without_room_is_named(undecided: Tables) -> None:
    undecided.replace("hubs.yaml", "tunnel_pool: 10.200.0.0/20", "tunnel_pool: 10.200.0.0/30")
    with pytest.raises(InventoryError, match=r"the pool 10.200.0.0/30 of hub valencia .* has no /31 left; widen it"):
        assign(undecided.path)


def test_a_missing_pool_is_named(undecided: Tables) -> None:
    undecided.replace("regions.yaml", "  prefix_pool: 10.64.0.0/12\n", "")
    with pytest.raises(InventoryError, match=r"no pool .* for region africa-central .prefix_pool in regions.yaml"):
        assign(undecided.path)


def test_prefixes_are_not_invented_around_addresses_that_devices_have(tables: Tables) -> None:
    tables.set("sites.csv", "cd-goma", "prefixes", "")
    expected = "site cd-goma has no prefixes but its device .* has an address; write the prefixes its devices are in"
    with pytest.raises(InventoryError, match=expected):
        assign(tables.path)


def test_an_unmeasured_geo_circuit_is_estimated_from_its_teleport(tables: Tables) -> None:
    tables.set("circuits.csv", "cd-goma.a", "rtt_brindisi_ms", "")
    (change,) = assign(tables.path).changes
    assert 545 < float(change.value) < 600


@given(
    taken=st.lists(st.tuples(st.integers(0, 255), st.integers(24, 30)), max_size=12),
    wanted=st.lists(st.integers(24, 31), min_size=1, max_size=20),
)
def test_free_space_gives_the_lowest_prefix_that_overlaps_nothing(
    taken: list[tuple[int, int]], wanted: list[int]
) -> None:
    pool = ip_network("10.0.0.0/22")
    used = [ip_network(f"10.0.1.{start}/{length}", strict=False) for start, length in taken]
    space = FreeSpace(used)
    for length in wanted:
        free = [n for n in pool.subnets(new_prefix=length) if not any(n.overlaps(u) for u in used)]
        assert space.take(pool, length) == (free[0] if free else None)
        used.extend(free[:1])


def test_three_hubs_share_the_sites_too() -> None:
    def table(file: str, rows: list[dict[str, str]]) -> Table:
        return Table(file, tuple(rows[0]), [Row(n + 2, r) for n, r in enumerate(rows)], "")

    hubs = [("a", "0"), ("b", "40"), ("c", "80")]
    site = {
        "region": "r",
        "tier": "4",
        "shard": "r-1",
        "preferred_hub": "",
        "standby_hub": "",
        "prefixes": "10.1.0.0/24",
    }
    tables = {
        "hubs.yaml": table("hubs.yaml", [{"id": h, "latitude": "0", "longitude": x, "prefixes": ""} for h, x in hubs]),
        "regions.yaml": table("regions.yaml", [{"id": "r"}]),
        "sites.csv": table("sites.csv", [dict(site, id=f"s{n}", latitude="0", longitude=str(n)) for n in range(90)]),
        "circuits.csv": table("circuits.csv", [{"id": ""}]),
        "devices.csv": table("devices.csv", [{"id": "d", "address": "10.1.0.1", "site": "s0", "role": "ups"}]),
        "circuit_kinds.yaml": table("circuit_kinds.yaml", [{"id": "k"}]),
        "carriers.csv": table("carriers.csv", [{"id": "k"}]),
    }
    tables["circuits.csv"].rows.clear()
    found: list[Change] = [c for c in decide(tables) if c.column == "preferred_hub"]
    split = Counter(c.value for c in found)
    assert all(28 <= split[h] <= 31 for h, _ in hubs)
    by_site = {c.id: c.value for c in found}
    assert (by_site["s0"], by_site["s40"], by_site["s89"]) == ("a", "b", "c")
