"""That the console says no more than it knows, and names causes: its pure rules by table."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from inventory.models import Circuit, Inventory
from network_ops.noc import causes, charts, health, pages_kit, site_questions, site_view, states
from network_ops.noc.alerts import Alert, Place, Suppressed, order, place
from network_ops.noc.discovery import Discovery
from network_ops.noc.prometheus import Sample, Series
from network_ops.noc.site_filter import SiteFilter, unknown_value

NOW = datetime(2026, 3, 1, 3, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
VITALS = health.Vitals(
    NOW - timedelta(hours=1), prometheus_at=NOW, alertmanager_at=NOW, states_at=NOW, probes_at=NOW, probes_up=True,
    snmp_up=2000, snmp_polled=2043, snmp_targets=2043, watchdog_at=NOW,
)  # fmt: skip


def alert(name: str = "SiteDown", scope: str = "site", summary: str = "", **labels: str) -> Alert:
    severity = labels.pop("severity", "page")
    return Alert(f"{name}/{sorted(labels.items())}", name, severity, scope, labels, summary or name, "", "", NOW)


def word(vitals: health.Vitals, check: str, now: datetime = NOW) -> tuple[str, str, str]:
    found = next(c for c in health.assess(vitals, now).checks if c.id == check)
    return found.level, found.word, found.detail


# -- blind --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "believed"),
    [
        ({}, True),
        ({"probes_at": NOW - 30 * SECOND}, True),
        ({"probes_at": NOW - 31 * SECOND}, False),
        ({"probes_at": None}, False),
        ({"states_at": NOW - 31 * SECOND}, False),
        ({"probes_up": False}, True),
    ],
)
def test_states_are_believed_for_half_a_minute_after_the_newest_measurement(
    change: dict[str, object], believed: bool
) -> None:
    assert health.measured(replace(VITALS, **change), NOW) == believed  # type: ignore[arg-type]


def test_what_makes_us_blind_is_named_and_a_lack_of_snmp_is_not_part_of_it() -> None:
    assert health.assess(VITALS, NOW).blind == ""
    assert health.assess(replace(VITALS, snmp_up=0), NOW).blind == ""
    assert health.assess(replace(VITALS, probes_at=NOW - 58 * SECOND), NOW).blind == "Probes BLIND"
    assert "Prometheus NO ANSWER" in health.assess(replace(VITALS, prometheus_at=NOW - 20 * SECOND), NOW).blind
    assert health.assess(health.Vitals(NOW), NOW).blind.startswith("Prometheus STARTING")


def test_a_part_that_its_parent_calls_down_is_not_called_up_beside_it() -> None:
    children = (health.Child("prometheus", "restarting", 1), health.Child("alertmanager", "up", 0))
    vitals = replace(VITALS, children=children)
    assert word(vitals, "prometheus")[:2] == ("bad", "DOWN")
    assert word(vitals, "alertmanager")[:2] == ("ok", "UP")
    assert word(vitals, "children")[:2] == ("bad", "DOWN")


def test_without_a_measurement_a_site_is_down_by_its_alert_or_unknown_but_never_degraded(tables: Inventory) -> None:
    first, second, third = list(tables.sites)[:3]
    rows = [alert(site=first), alert("CircuitDown", "circuit", site=second, severity="warning")]
    found = states.site_states(tables, states.EMPTY, [(row, place(row, tables)) for row in rows])
    assert [found[s] for s in (first, second, third)] == ["down", "unknown", "unknown"]


@pytest.mark.parametrize(
    ("up", "polled", "age_s", "expected"),
    [
        (2000, 2043, 3600, ("ok", "97.8 %", "2,000 of 2,043 answer")),
        (0, 2043, 3600, ("bad", "0 %", "0 of 2,043 answer")),
        (0, 900, 60, ("bad", "0 %", "0 of 2,043 answer, 900 polled so far")),
        (880, 900, 60, ("wait", "POLLING", "880 of 2,043 answer, 900 polled so far")),
        (880, 900, 3600, ("warn", "43 %", "880 of 2,043 answer, 900 polled so far")),
        (0, 3, 10, ("wait", "POLLING", "0 of 2,043 answer, 3 polled so far")),
        (1000, 2043, 3600, ("warn", "48.9 %", "1,000 of 2,043 answer")),
    ],
)
def test_snmp_is_counted_against_the_whole_inventory(
    up: int, polled: int, age_s: int, expected: tuple[str, str, str]
) -> None:
    vitals = replace(VITALS, snmp_up=up, snmp_polled=polled, started_at=NOW - age_s * SECOND)
    assert word(vitals, "snmp") == expected


# -- causes -------------------------------------------------------------------------------------------------------


def test_what_is_held_back_leads_to_the_open_alert_at_the_end_of_the_chain() -> None:
    top, middle, leaf = alert("AllHubsIsolated"), alert("CarrierOutage"), alert("SiteDown")
    rows = [
        (Suppressed(leaf, (middle.id,), ()), Place()),
        (Suppressed(middle, (top.id,), ()), Place()),
        (Suppressed(alert("DeviceDown"), ("gone",), ()), Place()),
        (Suppressed(alert("AgentSilent"), (), ("silence",)), Place()),
    ]
    held = causes.explain(rows, {top.id: top})
    assert [row.cause for row in held] == [top, top, None, None]
    assert [row.silenced for row in held] == [False, False, False, True]


def test_alerts_that_hold_each_other_back_end_the_search() -> None:
    a, b = alert("A"), alert("B")
    rows = [(Suppressed(a, (b.id,), ()), Place()), (Suppressed(b, (a.id,), ()), Place())]
    assert [row.cause for row in causes.explain(rows, {})] == [None, None]


def test_an_outage_of_a_carrier_or_hub_is_found_at_the_sites_it_hits_only(tables: Inventory) -> None:
    circuit = next(iter(tables.circuits.values()))
    other = next(s for s in tables.sites if circuit.carrier not in {c.carrier for c in tables.circuits_of[s]})
    outage = alert("CarrierOutage", "carrier", carrier=circuit.carrier)
    assert causes.touches(outage, circuit.site, tables)
    assert not causes.touches(outage, other, tables)
    hub = next(iter(circuit.tunnels))
    assert causes.touches(alert("HubIsolated", "hub", hub=hub), circuit.site, tables)
    assert not causes.touches(alert("HubIsolated", "hub", hub="elsewhere"), circuit.site, tables)
    assert causes.touches(alert("AllHubsIsolated", "noc"), circuit.site, tables)
    assert not causes.touches(alert("MonitoringBlind", "noc"), circuit.site, tables)


def test_a_hub_that_nothing_reaches_is_isolated_by_its_ratio_or_its_alert(tables: Inventory) -> None:
    first, second = list(tables.hubs)[:2]
    reading = states.Reading({}, {}, {first: 0.2, second: 0.95})
    assert states.hub_states(tables, reading) == {first: "down", second: "up"}
    row = alert("HubIsolated", "hub", hub=second)
    assert states.hub_states(tables, reading, [(row, Place())])[second] == "down"
    assert causes.isolated_hubs([row], tables.hubs) == {second: row}
    assert set(causes.isolated_hubs([alert("AllHubsIsolated", "noc")], tables.hubs)) == set(tables.hubs)


def test_summaries_say_names_as_well_as_ids(tables: Inventory) -> None:
    circuit = next(c for c in tables.circuits.values() if tables.sites[c.site].name.lower() != c.site)
    site, carrier = tables.sites[circuit.site], tables.carriers[circuit.carrier]
    both, ids = f"{site.name} ({site.id})", {"site": site.id, "carrier": carrier.id, "circuit": circuit.id}

    def said(summary: str, scope: str, *labels: str) -> str:
        row = alert(scope, scope, summary, **{name: ids[name] for name in labels})
        return causes.named(row, tables).summary

    assert said(f"Site {site.id} is down", "site", "site", "carrier") == f"Site {both} is down"
    assert said(f"{site.name} is down", "site", "site") == f"{site.name} is down"
    assert said(f"Carrier {carrier.id} has an outage", "carrier", "carrier") == (
        f"Carrier {carrier.name} ({carrier.id}) has an outage"
    )
    assert said(
        f"Circuit {circuit.id} is down, {site.id} runs on another", "circuit", "site", "circuit", "carrier"
    ) == (f"Circuit {circuit.id} is down, {both} runs on another · {carrier.name}")
    assert said("SNMP agent of x-r1 is silent", "device", "site") == f"SNMP agent of x-r1 is silent · {site.name}"


def test_alerts_are_ordered_by_severity_scope_tier_and_age() -> None:
    def row(severity: str, scope: str, tier: int, minutes: int) -> tuple[Alert, Place]:
        found = alert(f"{severity}-{scope}-{tier}-{minutes}", scope, severity=severity)
        return replace(found, starts_at=NOW - timedelta(minutes=minutes)), Place(tiers=frozenset({tier}))

    wanted = [
        row("page", "noc", 1, 99), row("page", "hub", 1, 50), row("page", "carrier", 1, 9), row("page", "site", 1, 60),
        row("page", "site", 2, 1), row("page", "site", 2, 5), row("warning", "hub", 1, 1),
        row("warning", "site", 3, 1), row("warning", "circuit", 1, 1), row("info", "device", 1, 1),
    ]  # fmt: skip
    shuffled = wanted[::-1]
    assert sorted(shuffled, key=lambda item: order(*item)) == wanted


# -- the site page ------------------------------------------------------------------------------------------------


def measured(circuit: Circuit, **values: float) -> list[Sample]:
    return [
        Sample({"__name__": f"wan_session_{name}", "circuit": circuit.id, "hub": hub}, value)
        for name, value in values.items()
        for hub in circuit.tunnels
    ]


@pytest.mark.parametrize(
    ("values", "state", "remark", "loss"),
    [
        ({"up": 1, "loss_ratio": 0.3, "up_seconds": 301}, "degraded", "LOSSY", 0.3),
        ({"up": 1, "loss_ratio": 0.3, "up_seconds": 120}, "up", "", 0.3),
        ({"up": 1, "loss_ratio": 0.0, "up_seconds": 120}, "up", "", 0.0),
        ({"up": 0, "loss_ratio": 1.0, "up_seconds": 0}, "down", "", None),
        ({"up": 1, "rtt_seconds": 9.0, "up_seconds": 900}, "degraded", "SLOW", None),
        ({"rtt_seconds": 0.1, "loss_ratio": 0.0}, "unknown", "", None),
    ],
)
def test_loss_is_present_loss_and_a_bad_circuit_is_degraded_in_its_header(
    tables: Inventory, values: dict[str, float], state: str, remark: str, loss: float | None
) -> None:
    circuit = next(iter(tables.circuits.values()))
    now = measured(circuit, **values)
    view = site_view.build(tables, circuit.site, site_view.Measured(now=now), NOW.timestamp(), date(2026, 3, 1))
    found = next(c for c in view.circuits if c.circuit.id == circuit.id)
    assert (found.state, found.sessions[0].remark, found.sessions[0].loss) == (state, remark, loss)
    assert found.contact == tables.carriers[circuit.carrier].contact


def test_an_alert_of_a_circuit_degrades_its_header_and_a_dead_one_stays_down(tables: Inventory) -> None:
    circuit = next(iter(tables.circuits.values()))
    degraded = alert("CircuitDegraded", "circuit", circuit=circuit.id, site=circuit.site, severity="warning")
    for up, expected in ((1, "degraded"), (0, "down")):
        answers = site_view.Measured(now=measured(circuit, up=up))
        view = site_view.build(tables, circuit.site, answers, NOW.timestamp(), date(2026, 3, 1))
        found = site_view.seen_now(view, "degraded", NOW, [degraded], NOW)
        assert next(c for c in found.circuits if c.circuit.id == circuit.id).state == expected


def test_a_circuit_that_is_down_shows_no_traffic(tables: Inventory) -> None:
    circuit = next(iter(tables.circuits.values()))
    (device, port), _ = next(i for i in site_questions.wan_ports(tables, circuit.site).items() if i[1] == circuit.id)
    flow = Sample({"device": device, "ifName": port, "direction": "in"}, 5e6)
    for up, expected in ((1, 5e6), (0, None)):
        answers = site_view.Measured(now=[*measured(circuit, up=up), flow])
        view = site_view.build(tables, circuit.site, answers, NOW.timestamp(), date(2026, 3, 1))
        assert next(c for c in view.circuits if c.circuit.id == circuit.id).in_bps == expected


@pytest.mark.parametrize(
    ("reach", "ago_s", "state", "says", "note"),
    [
        (1, 60, "up", "ANSWERS", ""),
        (1, 3600, "unknown", "NOT SINCE 02:00", ""),
        (0, 60, "down", "UNREACHABLE", "no SNMP since 02:59 UTC"),
    ],
)
def test_an_answer_from_before_an_outage_is_not_an_answer(
    tables: Inventory, reach: float, ago_s: int, state: str, says: str, note: str
) -> None:
    device = next(d for d in tables.devices.values() if d.role == "switch")
    names = {"site": device.site, "device": device.id}
    now = [
        Sample({"__name__": "wan_device_up", **names}, reach),
        Sample({"__name__": "up", **names}, 1),
        Sample({"what": "polled_at", **names}, NOW.timestamp() - ago_s),
    ]
    view = site_view.build(tables, device.site, site_view.Measured(now=now), NOW.timestamp(), date(2026, 3, 1))
    found = next(d for d in view.devices if d.device.id == device.id)
    assert (found.state, found.word, found.note) == (state, says, note)


def test_the_bar_of_the_last_hour_ends_in_the_state_of_the_site(tables: Inventory) -> None:
    end = NOW.timestamp()
    samples = tuple((end - 300 + 30 * n, 2.0) for n in range(11))
    answers = site_view.Measured(state=[Series({}, samples)])
    view = site_view.build(tables, next(iter(tables.sites)), answers, end, date(2026, 3, 1))
    began = NOW - timedelta(seconds=40)
    found = site_view.seen_now(view, "degraded", began, [], NOW)
    assert [(r.state, r.end) for r in found.runs] == [("up", began), ("degraded", NOW)]
    assert "fill-degraded" in found.band
    assert [r.state for r in site_view.seen_now(view, "up", began, [], NOW).runs] == ["up"]


def test_a_bar_that_ends_before_now_ends_in_unknown() -> None:
    runs = charts.runs_of(((0, 2), (30, 2)), 30, {2: "up"}, 300)
    assert [(run.state, run.end.timestamp()) for run in runs] == [("up", 30), ("unknown", 300)]


def test_the_endpoint_is_said_where_it_is_not_the_address(tables: Inventory) -> None:
    device = next(iter(tables.devices.values()))
    assert Discovery(tables, with_twin=False).endpoint(device.address) == ""
    twin = Discovery(tables, with_twin=True)
    assert twin.endpoint(device.address) == ""
    twin.learn({"snmp": {str(device.address): "127.1.0.1:16161"}, "echo": {}})
    assert twin.endpoint(device.address) == "127.1.0.1:16161"


@pytest.mark.parametrize(
    ("value", "text"), [(None, "–"), (0.0, "< 0.1 ms"), (0.04, "< 0.1 ms"), (0.1, "0.1 ms"), (140, "140 ms")]
)
def test_times_below_what_we_show_are_not_zero(value: float | None, text: str) -> None:
    assert pages_kit.milliseconds(value) == text


def test_scales_of_next_to_nothing_have_a_sensible_top() -> None:
    line = [charts.Line("a", ((0.0, 0.00001),))]
    assert charts.line_chart(line, 0, 60, 30, least_top=1.0).top == 1.0
    assert charts.line_chart([charts.Line("a", ((0.0, 180.0),))], 0, 60, 30, least_top=1.0).top == 200


# -- filters ------------------------------------------------------------------------------------------------------


def test_a_value_that_nobody_knows_is_said_with_those_that_are_known(tables: Inventory) -> None:
    text = unknown_value({"region": "afrika"}, tables)
    assert text.startswith("There is no region afrika; known: ")
    assert all(region in text for region in tables.regions)
    assert unknown_value({"region": next(iter(tables.regions)), "text": "afrika", "state": ""}, tables) == ""


def test_sites_are_filtered_by_every_field(tables: Inventory) -> None:
    site = next(iter(tables.sites.values()))
    carrier = tables.circuits_of[site.id][0].carrier
    fits = SiteFilter(site.region, "down", str(site.tier), carrier, site.preferred_hub, "f1", site.id)
    hit = frozenset({site.id})
    assert fits.wants(site, "down", hit, tables)
    for miss in (
        replace(fits, region="x"), replace(fits, state="up"), replace(fits, tier="9"), replace(fits, carrier="x"),
        replace(fits, hub="x"), replace(fits, text="elsewhere"),
    ):  # fmt: skip
        assert not miss.wants(site, "down", hit, tables)
    assert not fits.wants(site, "down", frozenset(), tables)
    assert fits.query()["alert"] == "f1"


@pytest.mark.parametrize(
    ("free_mib", "words", "banner"), [(4000, [], ""), (100, ["LOW"], ""), (10, ["FULL"], "DISK FULL"), (None, [], "")]
)
def test_a_disk_that_runs_full_is_named_before_alerting_stops(
    free_mib: int | None, words: list[str], banner: str
) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    free = None if free_mib is None else free_mib * 2**20
    found = health.assess(health.Vitals(started_at=now, watchdog_at=now, disk_free_bytes=free), now)
    assert [check.word for check in found.checks if check.id == "disk"] == words
    assert found.banner.startswith(banner)
    assert bool(found.banner) == bool(banner)
