"""The selector language, as a table of queries."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from inventory import Circuit, Inventory, QueryError, Site, restrict, select

Rule = Callable[[Site, tuple[Circuit, ...]], bool]

QUERIES: list[tuple[str, Rule]] = [
    ("", lambda s, c: True),
    ("ke-nairobi", lambda s, c: s.id == "ke-nairobi"),
    ("ke-*", lambda s, c: s.id.startswith("ke-")),
    ("region=africa", lambda s, c: s.region.startswith("africa-")),
    ("region=africa-east", lambda s, c: s.region == "africa-east"),
    ("region=africa-*,europe", lambda s, c: s.region.startswith("africa-") or s.region == "europe"),
    ("region!=africa", lambda s, c: not s.region.startswith("africa-")),
    ("REGION=Africa-East", lambda s, c: s.region == "africa-east"),
    ("tier=1", lambda s, c: s.tier == 1),
    ("tier<=2", lambda s, c: s.tier <= 2),
    ("tier<2", lambda s, c: s.tier < 2),
    ("tier>=3", lambda s, c: s.tier >= 3),
    ("tier>3", lambda s, c: s.tier > 3),
    ("tier=1,4", lambda s, c: s.tier in (1, 4)),
    ("tier!=3", lambda s, c: s.tier != 3),
    ("carrier=geo-*", lambda s, c: any(x.carrier.startswith("geo-") for x in c)),
    ("carrier!=geo-*", lambda s, c: not any(x.carrier.startswith("geo-") for x in c)),
    ("primary=geo", lambda s, c: c[0].kind == "geo"),
    ("circuit-kind=lte", lambda s, c: any(x.kind == "lte" for x in c)),
    ("circuit_kind=lte", lambda s, c: any(x.kind == "lte" for x in c)),
    ("circuits>=2", lambda s, c: len(c) >= 2),
    ("rate<5", lambda s, c: sum(x.rate_down_bps for x in c) < 5_000_000),
    ("hub=valencia kind=commission", lambda s, c: s.preferred_hub == "valencia" and s.kind == "commission"),
    ("country=cd tier=4 primary=geo", lambda s, c: s.country == "CD" and s.tier == 4 and c[0].kind == "geo"),
    (
        "region=africa tier<=2 carrier=geo-*",
        lambda s, c: s.region.startswith("africa-") and s.tier <= 2 and any(x.carrier.startswith("geo-") for x in c),
    ),
    ("ke-nairobi,cd-goma", lambda s, c: s.id in ("ke-nairobi", "cd-goma")),
    ("site=ke-nairobi,cd-g*", lambda s, c: s.id == "ke-nairobi" or s.id.startswith("cd-g")),
    ("shard=africa-east", lambda s, c: s.shard.startswith("africa-east-")),
    ("circuit=ke-nairobi.b", lambda s, c: s.id == "ke-nairobi"),
    ("device=ke-nairobi-ups", lambda s, c: s.id == "ke-nairobi"),
]


@pytest.mark.parametrize(("query", "rule"), QUERIES, ids=[q or "(empty)" for q, _ in QUERIES])
def test_a_query_selects_exactly_the_sites_it_describes(shipped: Inventory, query: str, rule: Rule) -> None:
    expected = [s.id for s in shipped.sites.values() if rule(s, shipped.circuits_of[s.id])]
    assert expected, "a query that selects nothing proves nothing"
    assert [s.id for s in select(shipped, query)] == expected


def test_equipment_past_its_end_of_support_is_found_by_date(shipped: Inventory) -> None:
    found = {s.id for s in select(shipped, "eos<2025-01-01")}
    expected = {d.site for d in shipped.devices.values() if d.end_of_support.isoformat() < "2025-01-01"}
    assert found == expected != set()


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("tir=2", "'tir' in 'tir=2' is not a key; did you mean 'tier'?"),
        ("planet=mars", "'planet' in 'planet=mars' is not a key; the keys are site, name, city, country, region, "),
        ("ke-nairob", "there is no site 'ke-nairob'; did you mean 'ke-nairobi'?"),
        ("xyzzy", "there is no site 'xyzzy'; write key=value, for instance region=africa"),
        ("tier", "'tier' lacks a value; write tier=... (1 to 4)"),
        ("tier=", "'tier=' lacks a value; write for instance tier=..."),
        ("tier<=two", "'two' is not a number; write for instance tier<=2"),
        ("tier=two", "'two' is not a number; write for instance tier<=2"),
        ("region=afrika", "no region 'afrika' is in this inventory; did you mean 'africa'?"),
        ("region!=europ", "no region 'europ' is in this inventory; did you mean 'europe'?"),
        ("region=europe,mars", "no region 'mars' is in this inventory; use one of africa-central, africa-east, "),
        ("hub=valenca", "no hub 'valenca' is in this inventory; did you mean 'valencia'?"),
        ("carrier=geo-atlass", "no carrier 'geo-atlass' is in this inventory; did you mean 'geo-atlas'?"),
        ("kind=comission", "no kind 'comission' is in this inventory; did you mean 'commission'?"),
        ("role=firewall", "no role 'firewall' is in this inventory; use one of router, switch, ups, vsat-modem"),
        ("tier=9", "no tier '9' is in this inventory; use one of 1, 2, 3, 4"),
        ("country=zz", "no country 'zz' is in this inventory; `noc inventory list` shows what is"),
        ("shard=europe-99", "no shard 'europe-99' is in this inventory; did you mean 'europe-"),
        ("desk=genev", "no desk 'genev' is in this inventory; did you mean 'geneva'?"),
        ("sla=gold", "no sla 'gold' is in this inventory; use one of critical, field, high, standard"),
        ("site=ke-nairob", "no site 'ke-nairob' is in this inventory; did you mean 'ke-nairobi'?"),
        ("ke-nairobi,ke-nairob", "there is no site 'ke-nairob'; did you mean 'ke-nairobi'?"),
        (
            "ke-nairobi cd-goma",
            "no site is ke-nairobi and cd-goma at once; words are joined by AND, write ke-nairobi,cd",
        ),
        ("tier=,", "'tier=,' lacks a value"),
        (",", "there is no site ','"),
        ("region<=africa", "'region' is not a number and cannot be compared with <=; use = or !="),
    ],
)
def test_a_query_that_is_not_understood_says_what_was_probably_meant(
    shipped: Inventory, query: str, expected: str
) -> None:
    with pytest.raises(QueryError) as error:
        select(shipped, query)
    assert str(error.value).startswith(expected)


@pytest.mark.parametrize("query", ["region=x*", "zz-*", "carrier=?", "country=z[z]"])
def test_a_glob_may_match_nothing(shipped: Inventory, query: str) -> None:
    assert select(shipped, query) == []


def test_an_inventory_restricted_to_some_sites_has_only_their_circuits_and_devices(shipped: Inventory) -> None:
    small = restrict(shipped, select(shipped, "ke-nairobi"))
    assert list(small.sites) == ["ke-nairobi"]
    assert set(small.circuits) == {"ke-nairobi.a", "ke-nairobi.b"}
    assert {d.site for d in small.devices.values()} == {"ke-nairobi"}
    assert len(small.sessions) == 4
    assert small.carriers == shipped.carriers
