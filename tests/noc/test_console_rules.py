"""The console's pure rules by table: what is known, what still applies, what can be seen, where things are drawn."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inventory.models import Inventory
from network_ops.noc import (
    charts,
    continuity,
    health,
    pages,
    pages_kit,
    runbooks,
    site_questions,
    site_view,
    states,
    worldmap,
)
from network_ops.noc.alerts import (
    Alert,
    AlertFilter,
    Place,
    count_by_cause,
    order,
    parse_active,
    parse_suppressed,
    place,
)
from network_ops.noc.continuity import Acknowledgement, Heard, Known, Verdict, judge
from network_ops.noc.errors import NonsenseError
from network_ops.noc.prometheus import Sample
from network_ops.noc.settings import REPOSITORY, hosts_of

NOW = datetime(2026, 3, 1, 3, 0, tzinfo=UTC)
SETTLE = timedelta(seconds=75)


def minutes(n: float) -> timedelta:
    return timedelta(minutes=n)


def alert(id_: str = "f1", started: datetime = NOW, **labels: str) -> Alert:
    return Alert(id_, "SiteDown", labels.pop("severity", "page"), "site", labels, "down", "", "", started)


def known(item: Alert, *, confirmed: bool = True, instance: str = "A") -> dict[str, Known]:
    return {item.id: Known(item, confirmed, instance, NOW)}


# -- what is known ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("heard", "stays", "confirmed"),
    [
        (Heard(None), True, False),
        (Heard((), "A", minutes(60)), False, None),
        (Heard((), "A", minutes(0.2)), False, None),
        (Heard((), "B", minutes(0.5)), True, False),
        (Heard((), "B", minutes(2)), False, None),
        (Heard((), "A", minutes(60), rules_alive=False), True, False),
        (Heard((alert(),), "B", minutes(0.5)), True, True),
    ],
    ids=[
        "no answer keeps it unconfirmed",
        "the same process says it is over",
        "a young process that reported it itself is believed",
        "a restarted process is not believed at once",
        "a restarted process is believed once it has settled",
        "without rules nothing is resolved",
        "a restarted process that reports it confirms it",
    ],
)
def test_an_alert_leaves_the_list_only_on_a_word_that_counts(heard: Heard, stays: bool, confirmed: bool | None) -> None:
    after = continuity.advance(known(alert()), heard, SETTLE, NOW)
    assert ("f1" in after) == stays
    if stays:
        assert after["f1"].confirmed == confirmed


def test_an_alert_that_comes_back_from_a_gap_keeps_its_start() -> None:
    gap = known(alert(started=NOW - minutes(60)), confirmed=False)
    after = continuity.advance(gap, Heard((alert(started=NOW),), "B", minutes(1)), SETTLE, NOW)
    assert after["f1"].alert.starts_at == NOW - minutes(60)


def test_an_alert_that_was_resolved_and_returns_has_its_new_start() -> None:
    after = continuity.advance({}, Heard((alert(started=NOW),), "A", minutes(60)), SETTLE, NOW)
    assert after["f1"].alert.starts_at == NOW


@pytest.mark.parametrize(
    ("starts_at", "last_seen", "trusted", "verdict"),
    [
        (NOW - minutes(20), NOW, True, Verdict.APPLIES),
        (NOW - minutes(1), NOW - minutes(2), True, Verdict.APPLIES),
        (NOW - minutes(1), NOW - minutes(5), True, Verdict.ENDED),
        (None, NOW - minutes(2), True, Verdict.WAITS),
        (None, NOW - minutes(4), True, Verdict.ENDED),
        (None, NOW - minutes(400), False, Verdict.WAITS),
    ],
    ids=[
        "it was there when taken",
        "it flapped within three minutes",
        "it came back after more than three minutes",
        "it has been away for two minutes",
        "it has been away for four minutes",
        "nobody trustworthy says it is away",
    ],
)
def test_an_acknowledgement_belongs_to_an_occurrence(
    starts_at: datetime | None, last_seen: datetime, trusted: bool, verdict: Verdict
) -> None:
    ack = Acknowledgement(1, "f1", "amina", NOW - minutes(10), "on it", last_seen)
    assert judge(ack, starts_at, trusted, NOW) is verdict


# -- alerts -------------------------------------------------------------------------------------------------------


def wire(**changes: object) -> bytes:
    row = {
        "fingerprint": "f1",
        "labels": {"alertname": "SiteDown", "site": "x", "scope": "site", "severity": "page"},
        "annotations": {"summary": "x is down"},
        "startsAt": "2026-03-01T05:00:00+02:00",
        "status": {"state": "active", "inhibitedBy": [], "silencedBy": []},
        "newField": "of a later release",
    }
    return json.dumps([row | changes]).encode()


def test_alertmanagers_rows_become_alerts_in_utc() -> None:
    (found,) = parse_active(wire())
    assert (found.name, found.entity, found.starts_at) == ("SiteDown", "x", NOW)
    assert str(found.starts_at.tzinfo) == "UTC"


def test_the_watchdog_is_no_alert_for_people() -> None:
    assert parse_active(wire(labels={"alertname": "Watchdog"})) == ()


@pytest.mark.parametrize("body", [b"", b"{}", b"<html>", wire(startsAt="yesterday"), wire(labels=None)])
def test_what_is_not_alertmanagers_list_is_refused(body: bytes) -> None:
    with pytest.raises(NonsenseError, match="Alertmanager"):
        parse_active(body)


def test_suppressed_alerts_are_counted_by_their_cause() -> None:
    status = {"state": "suppressed", "inhibitedBy": ["hub"], "silencedBy": []}
    rows = parse_suppressed(wire(status=status)) + parse_suppressed(wire(status=status | {"silencedBy": ["s"]}))
    assert count_by_cause(rows, {"hub": "Valencia is isolated"}) == {"Valencia is isolated": 1, "a silence": 1}


def test_pages_come_before_warnings_and_causes_before_their_consequences() -> None:
    site = alert("site")
    hub = replace(alert("hub"), scope="hub")
    warning = alert("warning", severity="warning")
    assert sorted([warning, site, hub], key=lambda item: order(item, Place())) == [hub, site, warning]


def test_a_carriers_outage_is_found_in_every_region_it_touches(tables: Inventory) -> None:
    carrier = next(iter(tables.carriers))
    where = place(replace(alert(carrier=carrier), scope="carrier"), tables)
    sites = {c.site for c in tables.circuits.values() if c.carrier == carrier}
    assert where.sites_hit == len(sites)
    assert where.regions == {tables.sites[s].region for s in sites}


def test_filters_narrow_by_every_field(tables: Inventory) -> None:
    site = next(iter(tables.sites.values()))
    item = alert(site=site.id)
    where = place(item, tables)
    assert AlertFilter().wants(item, where, acknowledged=False)
    fits = AlertFilter(site.region, site.tier, severity="page", acknowledged="no", text=f"down {site.id}")
    assert fits.wants(item, where, acknowledged=False)
    for miss in (
        replace(fits, region="nowhere"), replace(fits, tier=9), replace(fits, carrier="none"),
        replace(fits, severity="info"), replace(fits, acknowledged="yes"), replace(fits, text="up"),
    ):  # fmt: skip
        assert not miss.wants(item, where, acknowledged=False)


# -- states -------------------------------------------------------------------------------------------------------


def test_a_site_that_nobody_measures_is_unknown_and_never_up(tables: Inventory) -> None:
    assert set(states.site_states(tables, states.EMPTY, ()).values()) == {"unknown"}


@pytest.mark.parametrize(
    ("up", "ratio", "severity", "expected"),
    [
        (1, 1, "", "up"), (1, 0.5, "", "degraded"), (0, 0, "", "down"), (1, 1, "warning", "degraded"),
        (1, 1, "info", "up"), (1, 1, "page", "down"),
    ],
)  # fmt: skip
def test_states_follow_series_and_alerts(
    tables: Inventory, up: float, ratio: float, severity: str, expected: str
) -> None:
    site = next(iter(tables.sites))
    reading = states.reading_of(
        [
            Sample({"__name__": states.SITE_UP, "site": site}, up),
            Sample({"__name__": states.CIRCUITS_UP, "site": site}, ratio),
        ]
    )
    item = alert(site=site, severity=severity)
    if severity != "page":
        item = replace(item, name="CircuitDown")
    rows = [(item, place(item, tables))] if severity else []
    assert states.site_states(tables, reading, rows)[site] == expected


def test_region_counts_add_up_to_all_sites(tables: Inventory) -> None:
    found = states.site_states(tables, states.EMPTY, ())
    assert sum(tally.total for tally in states.tally_regions(tables, found)) == len(tables.sites)


# -- health -------------------------------------------------------------------------------------------------------

VITALS = health.Vitals(
    NOW - minutes(60), prometheus_at=NOW, alertmanager_at=NOW, states_at=NOW, probes_at=NOW, probes_up=True,
    snmp_up=99, snmp_polled=100, snmp_targets=100, watchdog_at=NOW,
)  # fmt: skip


def test_everything_heard_lately_is_healthy() -> None:
    found = health.assess(VITALS, NOW)
    assert (found.level, found.banner) == ("ok", "")


@pytest.mark.parametrize(
    ("change", "check", "level"),
    [
        ({"watchdog_at": NOW - timedelta(seconds=91)}, "alert-path", "bad"),
        ({"watchdog_at": None}, "alert-path", "bad"),
        ({"prometheus_at": NOW - timedelta(seconds=16)}, "prometheus", "bad"),
        ({"alertmanager_at": None}, "alertmanager", "bad"),
        ({"probes_up": False}, "probes", "bad"),
        ({"snmp_up": 50}, "snmp", "warn"),
        ({"snmp_up": 5}, "snmp", "bad"),
        ({"snmp_polled": 0}, "snmp", "bad"),
        ({"twin": "simulated"}, "mode", "bad"),
        ({"children": (health.Child("snmp", "up", 2),)}, "children", "warn"),
        ({"children": (health.Child("snmp", "restarting", 2),)}, "children", "bad"),
    ],
)
def test_each_loss_of_sight_is_said(change: dict[str, object], check: str, level: str) -> None:
    found = health.assess(replace(VITALS, **change), NOW)  # type: ignore[arg-type]
    assert {c.id: c.level for c in found.checks}[check] == level
    assert found.banner == ("ALERT PATH NOT PROVEN" if check == "alert-path" else "")


def test_a_console_just_started_says_starting_and_raises_no_banner() -> None:
    found = health.assess(health.Vitals(NOW), NOW + timedelta(seconds=5))
    assert found.banner == ""
    assert {c.word for c in found.checks if c.id != "mode"} == {"STARTING"}


# -- map and charts -----------------------------------------------------------------------------------------------


def test_the_world_is_one_small_file_without_lines_across_it() -> None:
    svg = worldmap.outline_svg(REPOSITORY / "node_modules").decode()
    assert len(svg) < 60_000
    assert svg.count("z") > 50
    # No single step may cross half the sheet: that would be a ring torn at the antimeridian.
    path = svg.split(' d="')[1].split('"')[0]
    steps = [
        abs(int(s.split(",")[0]))
        for ring in path.split("M")[1:]
        for s in ring.split("l")[1].rstrip("z").split(" ")
        if s
    ]
    assert max(steps) < worldmap.WIDTH / 2


def test_the_projection_is_symmetric_and_north_is_up() -> None:
    x, y = worldmap.project(0, 0)
    assert x == pytest.approx(worldmap.WIDTH / 2)
    assert worldmap.project(0, 40)[1] < y < worldmap.project(0, -40)[1]
    east, west = worldmap.project(100, 20), worldmap.project(-100, 20)
    assert east[0] - x == pytest.approx(x - west[0])


@given(st.lists(st.tuples(st.floats(0, 300), st.floats(0, 300)), max_size=120))
def test_spread_places_never_lie_on_each_other(points: list[worldmap.Point]) -> None:
    placed = worldmap.spread(points, 8.0)
    assert len(placed) == len(points)
    for n, (x, y) in enumerate(placed):
        assert all((x - a) ** 2 + (y - b) ** 2 >= 63.9 for a, b in placed[:n])


def test_all_shipped_sites_are_inside_the_map(tables: Inventory) -> None:
    for site in tables.sites.values():
        x, y = worldmap.project(site.longitude, site.latitude)
        assert 0 <= x <= worldmap.WIDTH, site.id
        assert 0 <= y <= worldmap.HEIGHT, site.id


def test_a_gap_in_the_measurements_stays_a_gap_in_the_line() -> None:
    samples = ((0.0, 1.0), (30.0, 1.0), (300.0, 1.0), (330.0, 1.0))
    assert (
        str(charts.line_chart([charts.Line("a", samples)], 0, 600, 30).plot).count("M") == 2 + 3
    )  # and three grid lines


def test_states_of_the_last_hour_are_joined_into_runs() -> None:
    runs = charts.runs_of(((0, 2), (30, 2), (60, 0), (90, 0), (300, 2)), 30, {0: "down", 2: "up"}, 400)
    assert [run.state for run in runs] == ["up", "down", "unknown", "up", "unknown"]


@pytest.mark.parametrize(("value", "top"), [(0, 1), (0.7, 1), (1.2, 2), (180, 200), (201, 250), (9e6, 1e7)])
def test_scales_end_at_round_numbers(value: float, top: float) -> None:
    assert charts.nice_top(value) == pytest.approx(top)


# -- site view, words, pages --------------------------------------------------------------------------------------


def test_a_site_page_without_measurements_holds_the_facts_and_says_unknown(tables: Inventory) -> None:
    for site in list(tables.sites)[::60]:
        view = site_view.build(tables, site, site_view.Measured(), NOW.timestamp(), date(2026, 3, 1))
        assert {session.state for c in view.circuits for session in c.sessions} == {"unknown"}
        assert view.rtt.empty
        assert len(site_questions.wan_ports(tables, site)) == len(tables.circuits_of[site])


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (59, "59 s"), (60, "1 min"), (3599, "59 min"), (7500, "2 h 05 min"), (90000, "1 d 1 h")],
)
def test_ages_read_like_people_say_them(seconds: float, text: str) -> None:
    assert pages_kit.age_text(seconds) == text


@pytest.mark.parametrize(
    ("bps", "text"),
    [(None, "–"), (0, "0 bit/s"), (950, "950 bit/s"), (1500, "1.5 kbit/s"), (2.5e7, "25 Mbit/s"), (1e10, "10 Gbit/s")],
)
def test_rates_have_their_unit(bps: float | None, text: str) -> None:
    assert pages_kit.rate(bps) == text


@pytest.mark.parametrize("back", ["//evil", "https://evil", "/\\evil", "", "javascript:x", "/a\r\nb"])
def test_one_is_only_sent_back_to_our_own_pages(back: str) -> None:
    assert pages.own_path(back) == "/"


def test_runbooks_can_carry_no_markup_of_their_own() -> None:
    text = "# A <script>\n\n* `x <b>` and **bold**\n\n```\n<i>\n```\n"
    text += "* [x](javascript:alert) [y](https://e.org/?a=1&b=2) [z](SiteDown.md)\n"
    html = str(runbooks.render(text))
    assert "<script" not in html
    assert "<b>" not in html
    assert "<i>" not in html
    assert 'href="javascript' not in html
    assert 'href="https://e.org/?a=1&amp;b=2"' in html
    assert 'href="SiteDown"' in html


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("# Up\n\n**Means.** All is\nwell. Rest now.\n", "All is well."),
        ("**Means.** Over 2.5 % is lost: call.", "Over 2.5 % is lost: call."),
        ("# A\n\nRun `x.y` & see", "Run <code>x.y</code> &amp; see"),
        ("# Only a title", ""),
        ("", ""),
    ],
)
def test_the_first_sentence_of_a_runbook_says_what_it_is_for(text: str, says: str) -> None:
    assert runbooks.first_sentence(text) == says


@pytest.mark.parametrize("name", ["../secret", "a/b", "", "x.md", "%2e%2e"])
def test_only_runbooks_can_be_read_as_runbooks(tmp_path: Path, name: str) -> None:
    (tmp_path / "secret.md").write_text("s")
    assert runbooks.find(tmp_path / "runbooks", name) is None


def test_a_console_on_loopback_answers_to_loopback_names_only() -> None:
    assert "localhost" in hosts_of("127.0.0.1", ())
    assert "evil.example" not in hosts_of("127.0.0.1", ())
    assert hosts_of("0.0.0.0", ()) == frozenset()
    assert hosts_of("0.0.0.0", ("noc.example",)) >= {"noc.example"}
