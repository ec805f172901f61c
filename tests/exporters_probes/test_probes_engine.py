"""The engine in virtual time: detection, recovery, pacing, suspicion, stalls, reloads."""

from __future__ import annotations

import errno
import itertools

import pytest
from probe_world import World, device, session, site

from exporters.probes.exposition import quality_text


def many(sites: int, carriers: int = 5) -> list[object]:
    return [t for n in range(sites) for t in site(f"s{n:03}", (f"geo-{n % carriers}",))]


def test_the_first_picture_of_1600_sessions_and_2000_devices_is_there_within_five_seconds() -> None:
    world = World([t for n in range(400) for t in site(f"s{n}", ("geo-one", "mpls-one"), devices=5)])
    world.run(5.0)
    assert sum(world.state().values()) == 400 * 4 + 2000


def test_a_dead_circuit_is_seen_within_the_budget_and_its_neighbour_stays_up() -> None:
    world = World(site("ke-nairobi", ("geo-one", "mpls-one")))
    world.run(60)
    world.dead = lambda target: target.circuit == "ke-nairobi.a"
    took = world.until(lambda: world.state()["ke-nairobi.a@valencia"] == 0, 10)
    assert took < 7.5
    state = world.state()
    assert [state[f"ke-nairobi.{leg}@{hub}"] for leg in "ab" for hub in ("valencia", "brindisi")] == [0, 0, 1, 1]


def test_a_dead_site_is_published_whole_and_so_is_its_return() -> None:
    world = World(site("ke-nairobi", ("geo-one", "mpls-one"), devices=3))
    world.run(47.3)
    sessions = [name for name in world.state() if "@" in name]
    for dead in (True, False, True, False):
        world.dead = lambda _, dead=dead: dead
        before = {name: world.state()[name] for name in sessions}

        def moved(before: dict[str, int] = before) -> bool:
            return {name: world.state()[name] for name in sessions} != before

        world.until(moved, 10)
        assert {world.state()[name] for name in sessions} == {0 if dead else 1}, "not one circuit after the other"
        world.run(40)


def test_devices_of_a_dead_site_are_found_long_before_their_turn() -> None:
    world = World(site("ke-nairobi", devices=3))
    world.run(61)
    world.dead = lambda _: True
    took = world.until(lambda: not any(world.state().values()), 12)
    assert took < 11
    world.dead = lambda _: False
    assert world.until(lambda: all(world.state().values()), 12) < 9


def test_recovery_is_seen_within_two_seconds_of_the_next_probe() -> None:
    world = World([session("ke-nairobi", rtt_ms=600)])
    world.run(30)
    world.dead = lambda _: True
    world.run(30)
    assert world.state() == {"ke-nairobi.a@valencia": 0}
    world.dead = lambda _: False
    assert world.until(lambda: world.state()["ke-nairobi.a@valencia"] == 1, 8) < 5 + 2


def test_an_hour_at_two_per_cent_loss_calls_nobody_down_and_measures_the_loss() -> None:
    world = World([session(f"s{n}", rtt_ms=80) for n in range(24)], loss=0.02, seed=7)
    world.run(3600)
    assert world.engine.changes == {"up": 24}
    qualities = [live.quality for live in world.engine.lives]
    total, lost = sum(q.total for q in qualities), sum(q.lost for q in qualities)
    assert total == pytest.approx(24 * 720, abs=48)
    assert 0.015 < lost / total < 0.025, "re-probes must not bias the loss"


def test_thirty_per_cent_loss_is_measured_as_such() -> None:
    world = World([session(f"s{n}", rtt_ms=600) for n in range(30)], loss=0.3, seed=3)
    world.run(400)
    losses = [live.quality.loss_ratio or 0 for live in world.engine.lives]
    assert 0.25 < sum(losses) / len(losses) < 0.35
    assert world.engine.changes["down"] <= 1


def test_a_carrier_outage_is_found_quickly_without_waiting_for_each_session_to_be_due() -> None:
    world = World([t for n in range(200) for t in site(f"s{n:03}", (f"geo-{n % 5}",))], session_interval_s=60)
    world.run(130)
    world.dead = lambda target: target.carrier == "geo-2"
    hit = [t.id for t in world.targets if t.carrier == "geo-2"]
    took = world.until(lambda: not any(world.state()[name] for name in hit), 20)
    assert took < 15, "alone, the last session would be due after 60 s"
    state = world.state()
    assert all(state[t.id] for t in world.targets if t.kind == "session" and t.carrier != "geo-2")
    world.dead = lambda _: False
    assert world.until(lambda: all(world.state()[name] for name in hit), 20) < 15


def test_a_hub_isolation_of_800_sessions_is_complete_within_seven_seconds() -> None:
    world = World([t for n in range(400) for t in site(f"s{n:03}", ("geo-one", "mpls-one"), devices=2)])
    world.run(40)
    world.dead = lambda target: target.hub == "valencia"
    hit = [t.id for t in world.targets if t.hub == "valencia"]

    def most_down() -> bool:
        return sum(live.judgement.state.value == "down" for live in world.engine.lives) >= 0.8 * len(hit)

    assert world.until(most_down, 10) < 6.5
    world.run(4)
    state = world.state()
    assert not any(state[name] for name in hit)
    assert all(state[t.id] for t in world.targets if t.hub == "brindisi" or t.kind == "device")


def test_no_burst_goes_above_the_packet_rate_and_no_session_is_asked_twice_a_second() -> None:
    world = World([t for n in range(300) for t in site(f"s{n:03}", ("geo-one",), devices=2)])
    world.run(40)
    world.dead = lambda target: target.kind == "session"
    del world.sent[:]
    world.run(10)
    times = [at for at, _ in world.sent]
    busiest = max(
        sum(1 for at in times if start <= at < start + 1) for start in range(int(times[0]), int(times[-1]) + 1)
    )
    assert busiest <= 1400 * 1.06
    asked: dict[str, list[float]] = {}
    for at, target in world.sent:
        asked.setdefault(target.id, []).append(at)
    # In 10 s a session has at most 2 or 3 scheduled probes, one round of at most 8 and one extra probe a second.
    assert max(len(found) for found in asked.values()) <= 3 + 8 + 10


def test_the_schedule_is_flat() -> None:
    world = World([t for n in range(400) for t in site(f"s{n:03}", ("geo-one", "mpls-one"))])
    world.run(20)
    del world.sent[:]
    world.run(10)
    per_tenth = [0] * 101
    for at, _ in world.sent:
        per_tenth[int((at - world.sent[0][0]) * 10)] += 1
    expected = (1600 / 5 + 400 / 30) / 10
    assert all(0.7 * expected <= count <= 1.3 * expected for count in per_tenth[1:99])


def test_sessions_of_one_site_take_turns() -> None:
    world = World(site("ke-nairobi", ("geo-one", "mpls-one"), devices=0))
    world.run(20)
    due = sorted(live.next_due % 5 for live in world.engine.lives)
    gaps = [b - a for a, b in itertools.pairwise(due)]
    assert gaps == pytest.approx([1.25, 1.25, 1.25])


@pytest.mark.parametrize("code", [errno.ENETUNREACH, errno.EPERM, errno.ENOBUFS])
def test_a_prober_that_cannot_send_calls_nobody_down_and_then_says_nothing(code: int) -> None:
    world = World(site("ke-nairobi", devices=0))
    world.run(30)
    world.broken = lambda: OSError(code, "broken")
    world.run(25)
    assert set(world.state().values()) == {1}
    world.run(10)
    assert world.state() == {}, "a verdict without evidence is not repeated"
    assert world.engine.send_errors[errno.errorcode[code]] > 10
    assert world.engine.changes == {"up": 2}
    assert all(live.quality.lost == 0 for live in world.engine.lives), "not sent is not lost"
    world.broken = lambda: None
    world.run(8)
    assert set(world.state().values()) == {1}


def test_a_stall_of_the_prober_is_a_gap_and_not_an_outage() -> None:
    world = World([session(f"s{n}") for n in range(100)], loss=0.0)
    world.run(30)
    world.dead = lambda _: True  # what was sent before and during the stall finds no way back
    world.run(0.5)
    world.dead = lambda _: False
    world.now += 3.0
    world.tick()
    world.run(20)
    assert world.engine.stalls == 1
    assert world.engine.changes == {"up": 100}
    assert sum(live.quality.lost for live in world.engine.lives) == 0


def test_a_prober_that_is_not_stalled_would_have_counted_the_same_as_loss() -> None:
    world = World([session(f"s{n}") for n in range(100)])
    world.run(30)
    world.dead = lambda _: True
    world.run(0.5)
    world.dead = lambda _: False
    world.run(23)
    assert sum(live.quality.lost for live in world.engine.lives) > 5


def test_a_late_reply_counts_as_received_and_ends_the_suspicion() -> None:
    world = World([session("ke-nairobi", rtt_ms=600)])
    world.run(60)
    before = world.live("ke-nairobi.a@valencia").quality.lost
    slow = world.engine
    for live in slow.lives:
        object.__setattr__(live.target, "rtt_s", 1.45)  # the path became slower than any time-out so far
    world.run(12)
    live = world.live("ke-nairobi.a@valencia")
    assert live.quality.lost == before
    assert slow.changes == {"up": 1}
    assert (live.quality.srtt_s or 0) > 0.7


def test_replies_from_elsewhere_and_duplicates_are_counted_only() -> None:
    world = World([session("ke-nairobi")])
    world.run(20)
    live = world.live("ke-nairobi.a@valencia")
    world.engine.reply(live.index, live.sequence, "127.0.0.9", 7, world.now)
    world.engine.reply(live.index, live.sequence, "127.0.0.1", 8, world.now)
    world.engine.reply(99999, 1, "127.0.0.1", 7, world.now)
    total = live.quality.total
    world.engine.reply(live.index, 1, "127.0.0.1", 7, world.now)
    assert world.engine.replies["wrong source"] == 2
    assert world.engine.replies["unknown"] == 1
    assert world.engine.replies["duplicate or too late"] == 1
    assert live.quality.total == total


def test_a_reload_keeps_the_state_and_rhythm_of_what_did_not_change() -> None:
    world = World([*site("ke-nairobi"), *site("so-mogadishu")])
    world.run(31)
    kept = world.live("ke-nairobi.a@valencia")
    total, due = kept.quality.total, kept.next_due
    from exporters.probes.targets import from_discovery

    targets, _ = from_discovery([*site("ke-nairobi"), *site("ug-entebbe")])
    world.engine.set_targets(targets, world.now)
    assert world.live("ke-nairobi.a@valencia") is kept
    assert (kept.quality.total, kept.next_due) == (total, due)
    assert "so-mogadishu.a@valencia" not in world.state()
    world.run(4)
    assert world.state()["ug-entebbe.a@valencia"] == 1
    world.run(16)
    assert kept.quality.total == total + 4, "no probe missed, none doubled"


def test_the_quality_page_has_each_figure_once_per_session() -> None:
    world = World([*site("ke-nairobi"), device("ke-nairobi", "ups1")])
    world.run(40)
    text = quality_text(world.engine, world.now).decode()
    for name in ("rtt_seconds", "jitter_seconds", "loss_ratio", "probes_total", "probes_lost_total",
                 "baseline_rtt_seconds", "baseline_loss_ratio"):  # fmt: skip
        series = f'wan_session_{name}{{circuit="ke-nairobi.a",hub="valencia"}} '
        assert text.count(series) == 1, name
    info = 'site="ke-nairobi",circuit="ke-nairobi.a",hub="valencia",carrier="geo-one",kind="geo",peer="10.200.0.0"'
    assert f"wan_session_info{{{info}}} 1\n" in text
    world.dead = lambda _: True
    world.run(40)
    text = quality_text(world.engine, world.now).decode()
    assert 'wan_session_rtt_seconds{circuit="ke-nairobi.a"' not in text, "an old RTT is not repeated"
    assert 'wan_session_loss_ratio{circuit="ke-nairobi.a"' in text
