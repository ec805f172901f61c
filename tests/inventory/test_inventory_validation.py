"""Every rule of validation, proven by spoiling a copy of the shipped tables; the text is part of the promise."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests_inventory_support import Tables

import inventory
from inventory import InventoryError

SITES, CIRCUITS, DEVICES = "sites.csv", "circuits.csv", "devices.csv"


def test_the_shipped_tables_have_no_problem(tables: Tables) -> None:
    assert tables.problems() == []


# One spoiled cell: file, row, column, new text, message and remedy as printed after "file:line: column: ".
ASN_REMEDY = "empty the cell and run `noc inventory assign`, or give one from 4200000000 up"

CELLS = [
    (SITES, "ke-nairobi", "latitude", "91", "91 is outside -90 to 90; give -90 to 90"),
    (SITES, "ke-nairobi", "longitude", "-180.5", "-180.5 is outside -180 to 180; give -180 to 180"),
    (SITES, "ke-nairobi", "latitude", "north", "'north' is not a number; write digits with a decimal point, no unit"),
    (SITES, "ke-nairobi", "latitude", "nan", "nan is outside -90 to 90; give -90 to 90"),
    (SITES, "ke-nairobi", "latitude", "", "is empty; fill it in"),
    (SITES, "ke-nairobi", "region", "africa-eats", "'africa-eats' is not a region; did you mean 'africa-east'?"),
    (SITES, "ke-nairobi", "preferred_hub", "madrid", "'madrid' is not a hub; use one of brindisi, valencia"),
    (SITES, "ke-nairobi", "preferred_hub", "", "is empty; run `noc inventory assign` to fill it"),
    (SITES, "ke-nairobi", "shard", "", "is empty; run `noc inventory assign` to fill it"),
    (SITES, "ke-nairobi", "prefixes", "", "is empty; run `noc inventory assign` to fill it"),
    (SITES, "ke-nairobi", "asn", "", "is empty; run `noc inventory assign` to fill it"),
    (SITES, "ke-nairobi", "asn", "AS7", "'AS7' is not a whole number; write digits only"),
    (SITES, "ke-nairobi", "asn", "3320", "3320 is outside 64512 to 4294967294; give 64512 to 4294967294"),
    (SITES, "ke-nairobi", "asn", "4294967295", "4294967295 is outside 64512 to 4294967294; give 64512 to 4294967294"),
    (SITES, "ke-nairobi", "asn", "65535", f"65535 is not for private use (RFC 6996); {ASN_REMEDY}"),
    (SITES, "ke-nairobi", "asn", "4199999999", f"4199999999 is not for private use (RFC 6996); {ASN_REMEDY}"),
    (SITES, "ke-nairobi", "asn", "65520", f"65520 is one that Azure keeps for its own gateways; {ASN_REMEDY}"),
    (SITES, "ke-nairobi", "standby_hub", "brindisi", "is the preferred hub as well; name another hub"),
    (SITES, "ke-nairobi", "desk", "nairobbi", "'nairobbi' is not a service desk; did you mean 'nairobi'?"),
    (SITES, "ke-nairobi", "sla", "gold", "'gold' is not a service level; use one of critical, field, high, standard"),
    (SITES, "ke-nairobi", "tier", "5", "5 is outside 1 to 4; give 1 to 4"),
    (SITES, "ke-nairobi", "tier", "one", "'one' is not a whole number; write digits only"),
    (SITES, "ke-nairobi", "timezone", "Africa/Nairobbi",
     "'Africa/Nairobbi' is not an IANA time zone; write for instance Africa/Nairobi"),
    (SITES, "ke-nairobi", "country", "Kenya", "'Kenya' is not a country code; write two capitals (ISO 3166), as KE"),
    (SITES, "ke-nairobi", "shard", "africa-horn-1",
     "'africa-horn-1' is not a shard of region africa-east; name it africa-east-1, -2, ..."),
    (CIRCUITS, "ke-nairobi.a", "kind", "dsl",
     "'dsl' is not a circuit kind; use one of geo, ipsec, leo, lte, microwave, mpls"),
    (CIRCUITS, "ke-nairobi.a", "carrier", "mpls-afrika-east",
     "'mpls-afrika-east' is not a carrier; did you mean 'mpls-africa-east'?"),
    (CIRCUITS, "ke-nairobi.a", "carrier", "geo-savanna",
     "geo-savanna sells no mpls circuits; choose another carrier or add mpls to its kinds in carriers.csv"),
    (CIRCUITS, "ke-nairobi.a", "tunnel_valencia", "", "is empty; run `noc inventory assign` to fill it"),
    (CIRCUITS, "ke-nairobi.a", "rtt_valencia_ms", "", "is empty; run `noc inventory assign` to fill it"),
    (CIRCUITS, "ke-nairobi.a", "tunnel_valencia", "10.200.3.31/31",
     "'10.200.3.31/31' is not a prefix (host bits set); write for instance 10.1.2.0/24"),
    (CIRCUITS, "ke-nairobi.a", "tunnel_valencia", "10.200.15.0/30",
     "10.200.15.0/30 does not hold two addresses; give a /31 (IPv6: /127)"),
    (CIRCUITS, "ke-nairobi.a", "loss_percent", "101", "101 is outside 0 to 100; give 0 to 100"),
    (CIRCUITS, "ke-nairobi.a", "committed_mbps", "1001",
     "1001 is above the circuit's own rate; commit no more than either rate"),
    (CIRCUITS, "ke-nairobi.a", "interface", "ether1",
     "'ether1' is not a port of ke-nairobi-r1 (cisco_xe); name one of GigabitEthernet0/0/0 to GigabitEthernet0/0/7"),
    (DEVICES, "ke-nairobi-r1", "site", "ke-nairobbi", "'ke-nairobbi' is not a site; did you mean 'ke-nairobi'?"),
    (DEVICES, "ke-nairobi-ups", "role", "battery",
     "'battery' is not a device role; use one of router, switch, ups, vsat-modem"),
    (DEVICES, "ke-nairobi-r1", "address", "", "is empty; run `noc inventory assign` to fill it"),
    (DEVICES, "ke-nairobi-r1", "address", "10.80.12", "'10.80.12' is not an IP address; write for instance 10.1.2.3"),
    (DEVICES, "ke-nairobi-ups", "address", "10.99.0.1",
     "10.99.0.1 is in none of the prefixes of ke-nairobi; take one of its site's addresses"),
    (DEVICES, "ke-nairobi-r1", "end_of_support", "31.12.2027", "'31.12.2027' is not a date; write it as YYYY-MM-DD"),
    (DEVICES, "ke-nairobi-r1", "ports", "0", "0 is outside 1 to 1024; give 1 to 1024"),
]  # fmt: skip


@pytest.mark.parametrize(("file", "row", "column", "value", "expected"), CELLS)
def test_a_spoiled_cell_is_named_with_its_line_its_column_and_the_remedy(
    tables: Tables, file: str, row: str, column: str, value: str, expected: str
) -> None:
    line = tables.set(file, row, column, value)
    assert f"{file}:{line}: {column}: {expected}" in tables.problems()


@pytest.mark.parametrize(("file", "row", "column", "value", "expected"), CELLS)
def test_a_spoiled_cell_raises_no_flood_of_other_problems(
    tables: Tables, file: str, row: str, column: str, value: str, expected: str
) -> None:
    tables.set(file, row, column, value)
    assert len(tables.problems()) <= 2


def test_a_site_with_nine_prefixes_is_refused(tables: Tables) -> None:
    nine = " ".join(f"10.150.{n}.0/24" for n in range(9))
    line = tables.set(SITES, "cd-goma", "prefixes", nine)
    expected = "has 9 prefixes, at most 8 are allowed; summarise them: a hub takes 10,000 routes in all"
    assert f"{SITES}:{line}: prefixes: {expected}" in tables.problems()


def test_a_duplicate_id_points_to_the_first_line(tables: Tables) -> None:
    tables.edit(SITES, lambda rows: rows.append(dict(rows[0])))
    last = len(tables.rows(SITES)) + 1
    first = tables.rows(SITES)[0]["id"]
    assert tables.problems() == [f"{SITES}:{last}: id: '{first}' is already on line 2; give each row an id of its own"]


def test_a_circuit_without_site_is_refused(tables: Tables) -> None:
    line = tables.set(CIRCUITS, "cd-goma.a", "site", "cd-gomma")
    assert f"{CIRCUITS}:{line}: site: 'cd-gomma' is not a site; did you mean 'cd-goma'?" in tables.problems()


def test_a_site_without_circuit_is_refused(tables: Tables) -> None:
    tables.edit(CIRCUITS, lambda rows: _drop(rows, "site", "cd-goma"))
    line = _line(tables, SITES, "cd-goma")
    assert tables.problems() == [f"{SITES}:{line}: id: has no circuit; add one to circuits.csv"]


def test_a_site_without_router_is_refused(tables: Tables) -> None:
    tables.edit(DEVICES, lambda rows: _drop(rows, "id", "cd-goma-r1"))
    line = _line(tables, SITES, "cd-goma")
    assert tables.problems() == [f"{SITES}:{line}: id: has no router; add one to devices.csv"]


def test_two_primary_circuits_at_a_site_are_refused(tables: Tables) -> None:
    tables.set(CIRCUITS, "ke-nairobi.b", "role", "primary")
    line = _line(tables, SITES, "ke-nairobi")
    expected = "has 2 primary circuits; give exactly one of its circuits the role primary"
    assert f"{SITES}:{line}: id: {expected}" in tables.problems()


def test_two_circuits_on_one_port_are_refused(tables: Tables) -> None:
    site = next(
        s for s in (r["site"] for r in tables.rows(CIRCUITS) if r["role"] == "backup") if s != "us-new-york"
        and sum(r["site"] == s and r["role"] == "router" for r in tables.rows(DEVICES)) == 1
    )  # fmt: skip
    port = next(r["interface"] for r in tables.rows(CIRCUITS) if r["id"] == f"{site}.a")
    line = tables.set(CIRCUITS, f"{site}.b", "interface", port)
    expected = f"{port} of {site}-r1 already carries {site}.a; name another port"
    assert tables.problems() == [f"{CIRCUITS}:{line}: interface: {expected}"]


def test_overlapping_prefixes_are_found_between_sites_hubs_and_tunnels(tables: Tables) -> None:
    goma = next(r["prefixes"] for r in tables.rows(SITES) if r["id"] == "cd-goma").split()[0]
    with_site = tables.set(SITES, "ke-nairobi", "prefixes", goma)
    assert any(f"{goma} overlaps {goma} of" in p for p in tables.problems())
    tables.set(SITES, "ke-nairobi", "prefixes", "10.240.7.0/24")
    line = f"{SITES}:{with_site}: prefixes: 10.240.7.0/24 overlaps 10.240.0.0/16 of valencia"
    assert f"{line}; give it a prefix of its own" in tables.problems()
    tables.set(SITES, "ke-nairobi", "prefixes", "10.200.0.0/30")
    assert sum("overlaps 10.200.0.0/30 of ke-nairobi" in p for p in tables.problems()) == 2


def test_a_prefix_inside_a_much_larger_one_is_found_past_the_ones_between(tables: Tables) -> None:
    tables.set(SITES, "cd-goma", "prefixes", "10.152.0.0/13")
    tables.set(SITES, "ke-nairobi", "prefixes", "10.152.1.0/24")
    tables.set(SITES, "th-bangkok", "prefixes", "10.153.1.0/24")
    found = [p for p in tables.problems() if "overlaps 10.152.0.0/13 of cd-goma" in p]
    assert len(found) == 2


def test_an_address_used_twice_is_refused(tables: Tables) -> None:
    address = next(r["address"] for r in tables.rows(DEVICES) if r["id"] == "cd-goma-r1")
    line = tables.set(DEVICES, "cd-goma-ups", "address", address)
    expected = f"{address} is the address of cd-goma-r1 as well; give each device its own"
    assert tables.problems() == [f"{DEVICES}:{line}: address: {expected}"]


def test_two_sites_with_one_as_number_are_refused(tables: Tables) -> None:
    number = next(r["asn"] for r in tables.rows(SITES) if r["id"] == "cd-goma")
    line = tables.set(SITES, "ke-nairobi", "asn", number)
    expected = f"{SITES}:{line}: asn: {number} is the number of cd-goma as well; empty the cell of the newer site"
    assert [p.startswith(expected) for p in tables.problems()] == [True]


def test_a_site_with_the_as_number_of_a_hub_is_refused(tables: Tables) -> None:
    tables.replace("hubs.yaml", "asn: 65515", "asn: 64600")
    line = tables.set(SITES, "ke-nairobi", "asn", "64600")
    (problem,) = tables.problems()
    assert problem.startswith(f"{SITES}:{line}: asn: 64600 is the number of hub valencia as well; ")


def test_a_private_as_number_of_two_bytes_is_accepted(tables: Tables) -> None:
    tables.set(SITES, "ke-nairobi", "asn", "64512")
    tables.set(SITES, "cd-goma", "asn", "65534")
    assert tables.problems() == []


def test_a_shard_of_76_is_refused_and_one_of_75_is_not(tables: Tables) -> None:
    def crowd(rows: list[dict[str, str]], size: int) -> None:
        east = [r for r in rows if r["region"] == "asia-pacific"]
        for number, row in enumerate(east):
            row["shard"] = "asia-pacific-1" if number < size else "asia-pacific-2"

    tables.edit(SITES, lambda rows: crowd(rows, 75))
    assert tables.problems() == []
    tables.edit(SITES, lambda rows: crowd(rows, 76))
    (problem,) = tables.problems()
    assert "shard: asia-pacific-1 has 76 sites, at most 75 fit one deployment; empty the cell" in problem


def test_more_than_1000_link_connections_at_a_hub_are_refused(tables: Tables) -> None:
    def backups(rows: list[dict[str, str]]) -> None:
        spare = 1
        for row in [r for r in rows if r["kind"] == "geo"][:300]:
            extra = dict(row, id=f"{row['site']}.c", role="backup", committed_mbps="0", interface="")
            base = 0x0AC98000 + 4 * spare
            extra["tunnel_valencia"] = f"{base >> 24}.{base >> 16 & 255}.{base >> 8 & 255}.{base & 255}/31"
            base += 2
            extra["tunnel_brindisi"] = f"{base >> 24}.{base >> 16 & 255}.{base >> 8 & 255}.{base & 255}/31"
            free = {r["interface"] for r in rows if r["site"] == row["site"]}
            extra["interface"] = next(p for p in _ports(tables, row["site"]) if p not in free)
            rows.append(extra)
            spare += 1

    tables.edit(CIRCUITS, backups)
    count = len(tables.rows(CIRCUITS))
    assert count > 1000
    expected = f"{count} VPN link connections end here, 1000 are possible; drop backup circuits"
    found = [p for p in tables.problems() if expected in p]
    assert [p.split(":")[0] for p in found] == ["hubs.yaml", "hubs.yaml"]


def test_committed_rates_above_the_gateways_20_gbit_are_refused(tables: Tables) -> None:
    def commit_everything(rows: list[dict[str, str]]) -> None:
        for row in rows:
            row["committed_mbps"] = min(row["rate_up_mbps"], row["rate_down_mbps"], key=float)

    tables.edit(CIRCUITS, commit_everything)
    problems = tables.problems()
    assert len(problems) == 2
    assert "gateway_limit_mbps: the committed rates of all circuits come to" in problems[0]
    assert "the gateway carries 20,000; commit less: either hub must carry every site" in problems[0]


def test_a_missing_and_an_unknown_column_are_named_once(tables: Tables) -> None:
    tables.replace(CIRCUITS, "rate_up_mbps", "rate_up_kbps")
    assert tables.problems() == [
        f"{CIRCUITS}:1: rate_up_kbps: there is no such column; did you mean 'rate_up_mbps'?",
        f"{CIRCUITS}:1: rate_up_mbps: the column is missing; add it to the header and to every row",
    ]


def test_bytes_that_are_not_utf8_are_located(tables: Tables) -> None:
    raw = (tables.path / SITES).read_bytes()
    lines = raw.split(b"\n")
    lines[2] = b"\xe9" + lines[2]
    (tables.path / SITES).write_bytes(b"\n".join(lines))
    assert tables.problems() == [
        "sites.csv:3: byte 1: byte 0xe9 is not UTF-8; save the file as UTF-8 (a spreadsheet: 'CSV UTF-8')"
    ]


def test_a_byte_order_mark_and_windows_line_ends_are_fine(tables: Tables) -> None:
    text = tables.text(SITES).replace("\n", "\r\n")
    (tables.path / SITES).write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert tables.problems() == []


def test_a_row_with_a_cell_too_many_is_the_only_problem(tables: Tables) -> None:
    line = _line(tables, SITES, "cd-goma")
    lines = tables.text(SITES).split("\n")
    lines[line - 1] += ",x"
    tables.write(SITES, "\n".join(lines))
    assert tables.problems() == [
        f"{SITES}:{line}: has 18 cells, the header has 17; "
        "quote a cell that holds a comma, and give every column a cell"
    ]


def test_semicolons_instead_of_commas_are_recognised(tables: Tables) -> None:
    tables.write("carriers.csv", tables.text("carriers.csv").replace(",", ";"))
    assert tables.problems() == [
        "carriers.csv:1: the cells are not separated by commas; save it with commas between cells"
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "backbone.csv:1: the file is empty; give it a header line"),
        ('id,from_hub\n"x', "backbone.csv:2: is not CSV: unexpected end of data; check the quotes around this line"),
        ("id,id,from_hub\n", "backbone.csv:1: id: the column is there twice; remove one"),
    ],
)
def test_a_file_that_is_no_table_is_named(tables: Tables, text: str, expected: str) -> None:
    tables.write("backbone.csv", text)
    assert expected in tables.problems()


YAML = [
    ("hubs.yaml", "asn: 65515", "asn: 0", "hubs.yaml:10: asn: 0 is outside 1 to 4294967294; give 1 to 4294967294"),
    ("hubs.yaml", "  asn: 65515\n", "", "hubs.yaml:4: asn: is missing; fill it in"),
    ("hubs.yaml", "asn: 65515", "as_number: 65515", "hubs.yaml:10: as_number: there is no such field; "),
    ("hubs.yaml", "asn: 65515", "asn: {a: 1}", "hubs.yaml:10: asn: holds a nested structure; "),
    ("hubs.yaml", "asn: 65515", "name: Valencia", "hubs.yaml:10: name: the field is there twice; remove one"),
    ("hubs.yaml", "valencia:\n", "valencia: [\n",
     "hubs.yaml:6: is not YAML: did not find expected ',' or ']'; check the indentation and quotes"),
    ("roles.yaml", "router:", "- router:", "roles.yaml:6: is not YAML: "),
    ("roles.yaml", "interval_s: 60", "interval_s: often", "roles.yaml:5: interval_s: 'often' is not a number; "),
    ("regions.yaml", "technology_centre: sn-dakar", "technology_centre: sn-dacar",
     "regions.yaml:17: technology_centre: 'sn-dacar' is not a site; name the id of a site"),
    ("desks.yaml", "opens_utc: 7", "opens_utc: 17", "desks.yaml:3: closes_utc: closes at 16 and opens at 17; "),
    ("applications.yaml", "depends_on: [dns]\n", "depends_on: [dns, nothing]\n",
     "applications.yaml:12: depends_on: 'nothing' is not an application; correct it or add the application"),
    ("applications.yaml", "depends_on: []", "depends_on: [erp]",
     "depends_on: depends on itself: "),
    ("applications.yaml", "standby_hub: brindisi", "standby_hub: valencia",
     "applications.yaml:9: standby_hub: is the home hub as well; name another hub"),
    ("applications.yaml", "migration: done", "migration: perhaps",
     "migration: 'perhaps' is not a state of migration; use one of done, rehost, replace, replatform, retain"),
    ("applications.yaml", "{name: sso, count: 2,", "{name: sso,",
     "applications.yaml:16: machines.count: is missing; fill it in"),
    ("applications.yaml", "{name: sso, count: 2,", "{name: sso, count: 0,",
     "applications.yaml:16: machines.count: 0 is outside 1 to 100; give 1 to 100"),
    ("applications.yaml", "{name: sso, count: 2,", "{name: SSO, count: 2,",
     "applications.yaml:16: machines.name: 'SSO' is not an id; "),
    ("applications.yaml", "{name: sso, count: 2,", "{name: sso, count: 2, cores: 4,",
     "applications.yaml:16: machines.cores: there is no such field; "),
    ("applications.yaml", "{name: sso, count: 2,", "{name: sso, count: [{a: 1}],",
     "applications.yaml:16: machines.count: holds a nested structure; give a value or a list of words"),
    ("applications.yaml", "{name: sso, count: 2,", "{name: controller, count: 2,",
     "applications.yaml:14: machines: 'controller' is there 2 times; give each entry a name of its own"),
    ("applications.yaml", "os: windows}", "os: plan9}",
     "applications.yaml:15: machines.os: 'plan9' is not a system of machines; use one of linux, windows"),
    ("applications.yaml", "machines:\n    - {name: resolver, count: 2, cpus: 2, memory_gb: 4, disk_gb: 32, os: linux}",
     "machines: two", "machines: is not a list of entries; write - {name: ..., count: ..., cpus: ..., "),
    ("applications.yaml", "depends_on: [dns]\n", "depends_on: [{name: dns}]\n",
     "applications.yaml:12: depends_on: holds a nested structure; give a value or a list of words"),
    ("circuit_kinds.yaml", "bfd_multiplier: 3", "bfd_multiplier: 0",
     "circuit_kinds.yaml:7: bfd_multiplier: 0 is outside 1 to 255; give 1 to 255"),
    ("carriers.csv", "geo-atlas,Atlas Satellite Services,geo,", "geo-atlas,Atlas Satellite Services,gso,",
     "carriers.csv:2: kinds: 'gso' is not a circuit kind; use one of geo, ipsec, leo, lte, microwave, mpls"),
    ("carriers.csv", ",52.03000,-2.85000,", ",52.03000,,",
     "carriers.csv:2: teleport_longitude: only one coordinate of the teleport is given; give both or neither"),
    ("backbone.csv", "valencia,brindisi", "valencia,valencia",
     "backbone.csv:2: to_hub: is the hub it starts from; name the other"),
    ("cloud_edges.csv", ",valencia,", ",madrid,",
     "cloud_edges.csv:2: hub: 'madrid' is not a hub; use one of brindisi, valencia"),
    ("slas.yaml", "availability_percent: 99.9", "availability_percent: 999",
     "slas.yaml:2: availability_percent: 999 is outside 0 to 100; give 0 to 100"),
]  # fmt: skip


@pytest.mark.parametrize(("file", "old", "new", "expected"), YAML)
def test_a_spoiled_field_of_a_small_table_is_named(
    tables: Tables, file: str, old: str, new: str, expected: str
) -> None:
    tables.replace(file, old, new)
    assert any(expected in p for p in tables.problems()), tables.problems()[:5]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("- router\n- switch\n", "roles.yaml:1: is not a mapping from ids to fields; write one entry per id"),
        ("router: polled\n", "roles.yaml:1: is not an id with fields; write one entry per id"),
    ],
)
def test_yaml_of_another_shape_is_refused(tables: Tables, text: str, expected: str) -> None:
    tables.write("roles.yaml", text)
    assert tables.problems()[0].startswith(expected)


def test_a_cycle_of_applications_is_spelled_out(tables: Tables) -> None:
    tables.replace("applications.yaml", "depends_on: []", "depends_on: [erp]")
    assert any("dns -> erp -> dns" in p or "erp -> dns -> erp" in p for p in tables.problems())


@pytest.mark.parametrize("file", ["hubs.yaml", "regions.yaml", "carriers.csv", SITES, CIRCUITS, DEVICES])
def test_a_missing_table_is_one_problem_not_a_thousand(tables: Tables, file: str) -> None:
    (tables.path / file).unlink()
    expected = f"{file}: the table is missing from {tables.path}; restore it or import it again"
    assert tables.problems() == [expected]


@pytest.mark.parametrize("file", ["backbone.csv", "cloud_edges.csv", "applications.yaml"])
def test_a_table_that_one_may_do_without_may_be_missing(tables: Tables, file: str) -> None:
    (tables.path / file).unlink()
    assert tables.problems() == []


def test_a_missing_folder_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(InventoryError, match=r"there is no folder .*nowhere; name one that holds the tables"):
        inventory.load(tmp_path / "nowhere")


def test_all_problems_are_reported_at_once_in_file_order(tables: Tables) -> None:
    spoil: list[Callable[[], object]] = [
        lambda: tables.set(SITES, "ke-nairobi", "tier", "9"),
        lambda: tables.set(SITES, "cd-goma", "region", "atlantis"),
        lambda: tables.set(CIRCUITS, "sn-dakar.a", "jitter_ms", "fast"),
        lambda: tables.set(DEVICES, "th-bangkok-ups", "ports", "many"),
        lambda: tables.replace("desks.yaml", "Africa/Nairobi", "Africa/Nowhere"),
    ]
    for one in spoil:
        one()
    found, problems = inventory.examine(tables.path)
    assert found is None
    assert [p.column for p in problems] == ["jitter_ms", "timezone", "ports", "region", "tier"]
    assert list(problems) == sorted(problems)
    with pytest.raises(InventoryError, match="has 5 problems") as error:
        inventory.load(tables.path)
    assert error.value.problems == problems


def _drop(rows: list[dict[str, str]], column: str, value: str) -> None:
    rows[:] = [r for r in rows if r[column] != value]


def _line(tables: Tables, file: str, row: str) -> int:
    return 2 + next(n for n, r in enumerate(tables.rows(file)) if r["id"] == row)


def _ports(tables: Tables, site: str) -> tuple[str, ...]:
    from inventory.ports import port_names

    router = next(r for r in tables.rows(DEVICES) if r["site"] == site and r["role"] == "router")
    return port_names(router["platform"], int(router["ports"]))
