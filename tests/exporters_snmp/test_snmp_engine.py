"""The engine against agents that are late, disorderly, sparing, lying, changing or dead."""

from __future__ import annotations

import asyncio
import random
import socket
import time

import pytest
import snmp_world as w

from exporters.snmp.errors import PollFailed


async def test_a_second_poll_is_one_datagram_read_by_layout_with_fresh_values() -> None:
    async with w.agent() as agent, w.engine() as engine:
        first = await w.poll(engine, agent.target)
        asked = len(agent.asked)
        second = await w.poll(engine, agent.target)
        third = await w.poll(engine, agent.target)
        assert not first.partial
        assert len(agent.asked) - asked <= 4
        assert engine.read_stats.fast > 0
        a, b, c = (w.samples(r.text) for r in (first, second, third))
        assert a.keys() == b.keys() == c.keys()
        assert len(a) == 5 + 6 * 9
        moved = [k for k in a if k[0].startswith("ifHC")]
        assert len(moved) == 12
        for key in moved:
            steps = (b[key] - a[key]) % 2**53, (c[key] - b[key]) % 2**53
            assert steps == (1000, 1000), (key, steps)


async def test_values_of_all_sizes_and_signs_are_exact_on_the_fast_path() -> None:
    sizes = [0, 1, 127, 128, 255, 32767, 32768, 8388607, 8388608, 2**31 - 1, 2**31, 2**32 - 1]
    wide = [*sizes, 2**39, 2**40 + 3, 2**47 + 5, 2**53 - 1, 2**53 + 7, 2**55 + 9, 2**63 + 11, 2**64 - 1]
    values = w.router(len(wide))
    held: dict[int, int] = {}
    for number, value in enumerate(wide, 1):
        held[number] = value
        values[(*w.IFX_ENTRY, 6, number)] = lambda n=number: w.integer(held[n], w.C64)  # type: ignore[misc]
        signed = (-1) ** number * min(value, 2**31 - 1)
        values[(*w.IF_ENTRY, 8, number)] = w.integer(signed)
    async with w.agent(values) as agent, w.engine() as engine:
        for _ in range(3):
            result = await w.poll(engine, agent.target)
            for number, value in enumerate(wide, 1):
                index = str(number)
                assert w.sample(result.text, "ifHCInOctets", ifIndex=index) == held[number] % 2**53
                expected = (-1) ** number * min(value, 2**31 - 1)
                assert w.sample(result.text, "ifOperStatus", ifIndex=index) == expected
            for number in held:
                held[number] ^= 1  # other values of the same sizes: the layout holds
        assert engine.read_stats.fast >= 4


async def test_a_text_that_changes_is_shown_at_the_next_poll() -> None:
    async with w.agent() as agent, w.engine() as engine:
        for name in ("r1", "r1", "r2", 'r"3'):
            agent.values[(1, 3, 6, 1, 2, 1, 1, 5, 0)] = w.octets(name)
            result = await w.poll(engine, agent.target)
            shown = [dict(ls)["sysName"] for (n, ls) in w.samples(result.text) if n == "sysName"]
            assert shown == [name.replace('"', '\\"')]


async def test_late_and_reordered_replies_are_answers() -> None:
    async with w.agent(w.router(40)) as agent, w.engine() as engine:
        await w.poll(engine, agent.target)
        shuffle = random.Random(7)
        agent.alter = lambda ask, reply: [(shuffle.uniform(0.0, 0.15), reply)]
        for _ in range(3):
            result = await w.poll(engine, agent.target)
            assert not result.partial
            assert len(w.samples(result.text)) == 5 + 40 * 9


async def test_a_reply_after_its_request_was_sent_again_still_counts() -> None:
    async with w.agent() as agent, w.engine() as engine:
        await w.poll(engine, agent.target)
        first: list[int] = []

        def only_the_first_and_late(ask: w.Ask, reply: bytes) -> list[tuple[float, bytes]]:
            first.append(ask.request_id)
            return [(1.2, reply)] if len(first) <= 2 else []

        agent.alter = only_the_first_and_late
        result = await w.poll(engine, agent.target)
        assert not result.partial
        assert sum(result.retried.values()) > 0


async def test_lost_datagrams_are_asked_again_before_the_deadline() -> None:
    async with w.agent(w.router(40)) as agent, w.engine() as engine:
        await w.poll(engine, agent.target)
        dice = random.Random(3)
        agent.alter = lambda ask, reply: [] if dice.random() < 0.2 else [(0.02, reply)]
        for _ in range(5):
            result = await w.poll(engine, agent.target)
            assert not result.partial


async def test_a_wrong_request_id_is_not_an_answer() -> None:
    async with w.agent() as agent, w.engine() as engine:
        await w.poll(engine, agent.target)

        def other_id(ask: w.Ask, reply: bytes) -> list[tuple[float, bytes]]:
            rows = [(oid, w.integer(666)) for oid in ask.names]
            return [(0.0, w.response(ask.request_id + 1000, rows)), (0.05, reply)]

        agent.alter = other_id
        result = await w.poll(engine, agent.target)
        assert " 666\n" not in result.text
        assert engine.transport.stats.unknown > 0


async def test_a_reply_from_another_port_is_not_an_answer() -> None:
    async with w.agent() as agent, w.engine() as engine:
        await w.poll(engine, agent.target)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            agent.stranger = stranger
            with pytest.raises(PollFailed) as failed:
                await w.poll(engine, agent.target, budget_s=1.0)
        assert failed.value.reason == "timeout"
        assert engine.transport.stats.strangers > 0


async def test_too_big_is_split_once_and_remembered() -> None:
    async with w.agent(w.router(12)) as agent, w.engine() as engine:

        def at_most_ten(ask: w.Ask, reply: bytes) -> list[tuple[float, bytes]]:
            if ask.kind == 0xA0 and len(ask.names) > 10:
                return [(0.0, w.response(ask.request_id, [], status=1))]
            return [(0.0, reply)]

        agent.alter = at_most_ten
        for _ in range(8):
            result = await w.poll(engine, agent.target)
            assert not result.partial
            assert len(w.samples(result.text)) == 5 + 12 * 9
        before = engine.read_stats.split
        await w.poll(engine, agent.target)
        assert engine.read_stats.split == before


async def test_one_variable_that_fails_costs_only_itself() -> None:
    bad = (*w.IF_ENTRY, 14, 3)
    async with w.agent() as agent, w.engine() as engine:

        def fails(ask: w.Ask, reply: bytes) -> list[tuple[float, bytes]]:
            if ask.kind == 0xA0 and bad in ask.names:
                return [(0.0, w.response(ask.request_id, [], status=5, index=ask.names.index(bad) + 1))]
            return [(0.0, reply)]

        agent.alter = fails
        for _ in range(2):
            result = await w.poll(engine, agent.target)
            assert result.partial
            assert result.unanswered == 1
            keys = w.samples(result.text)
            assert len(keys) == 5 + 6 * 9 - 1
            assert not [k for k in keys if k[0] == "ifInErrors" and ("ifIndex", "3") in k[1]]


async def test_dropped_varbinds_are_asked_once_more_and_then_left_out() -> None:
    never = (*w.IF_ENTRY, 13, 2)
    async with w.agent() as agent, w.engine() as engine:

        def drops(ask: w.Ask, reply: bytes) -> list[tuple[float, bytes]]:
            if ask.kind != 0xA0:
                return [(0.0, reply)]
            kept = [oid for oid in ask.names if oid != never][: -10 if len(ask.names) > 20 else None]
            return [(0.0, w.response(ask.request_id, [(oid, agent.value(oid)) for oid in kept]))]

        await w.poll(engine, agent.target)
        agent.alter = drops
        result = await w.poll(engine, agent.target)
        assert result.partial
        keys = w.samples(result.text)
        assert not [k for k in keys if k[0] == "ifInDiscards" and ("ifIndex", "2") in k[1]]
        assert len(keys) == 5 + 6 * 9 - 1
        assert result.unanswered == 1


async def test_a_lost_datagram_leaves_its_values_out_and_marks_the_poll() -> None:
    async with w.agent(w.router(40)) as agent, w.engine() as engine:
        whole = await w.poll(engine, agent.target)
        lost = (*w.IFX_ENTRY, 10, 40)
        agent.alter = lambda ask, reply: [] if lost in ask.names or w.pack_oid(lost) in reply else [(0.0, reply)]
        result = await w.poll(engine, agent.target, budget_s=2.0)
        assert result.partial
        assert result.unanswered > 0
        left = w.samples(result.text)
        assert left.keys() < w.samples(whole.text).keys()
        agent.alter = None
        assert not (await w.poll(engine, agent.target)).partial


async def test_a_dead_target_fails_within_its_deadline_and_costs_few_datagrams() -> None:
    async with w.agent() as agent, w.engine() as engine:
        agent.alter = lambda ask, reply: []
        for _ in range(2):
            began = time.monotonic()
            with pytest.raises(PollFailed) as failed:
                await w.poll(engine, agent.target, budget_s=1.5)
            assert time.monotonic() - began < 1.7
            assert failed.value.reason == "timeout"
            assert "dead, or wrong community" in str(failed.value)
        await asyncio.sleep(0)
        assert len(agent.asked) < 25


async def test_a_closed_port_is_refused_at_once() -> None:
    async with w.engine() as engine:
        began = time.monotonic()
        with pytest.raises(PollFailed) as failed:
            await w.poll(engine, f"127.0.0.1:{w.free_udp_port()}")
        assert failed.value.reason == "refused"
        assert time.monotonic() - began < 1.0
        assert engine.stats.failures == {"refused": 1}


async def test_nonsense_is_called_nonsense() -> None:
    async with w.agent() as agent, w.engine() as engine:
        agent.alter = lambda ask, reply: [(0.0, reply + b"\x00")]
        with pytest.raises(PollFailed) as failed:
            await w.poll(engine, agent.target, budget_s=20.0)
        assert failed.value.reason == "nonsense"


async def test_an_authorization_error_is_called_credentials() -> None:
    async with w.agent() as agent, w.engine() as engine:
        agent.alter = lambda ask, reply: [(0.0, w.response(ask.request_id, [], status=16))]
        with pytest.raises(PollFailed) as failed:
            await w.poll(engine, agent.target)
        assert failed.value.reason == "credentials"


async def test_a_walk_that_loops_for_ever_ends_and_costs_only_its_column() -> None:
    async with w.agent() as agent, w.engine() as engine:
        column = (*w.IFX_ENTRY, 6)

        def loops(ask: w.Ask, reply: bytes) -> list[tuple[float, bytes]]:
            if ask.kind == 0xA5 and ask.names[0][: len(column)] == column:
                rows = [((*column, number), w.integer(5, w.C64)) for number in (1, 2, 1, 2)]
                return [(0.0, w.response(ask.request_id, rows))]
            return [(0.0, reply)]

        agent.alter = loops
        result = await w.poll(engine, agent.target)
        keys = w.samples(result.text)
        assert result.partial
        assert not [k for k in keys if k[0] == "ifHCInOctets"]
        assert len([k for k in keys if k[0] == "ifHCOutOctets"]) == 6
        assert len([ask for ask in agent.asked if ask.names[0][: len(column)] == column and ask.kind == 0xA5]) <= 2


async def test_a_walk_that_never_ends_is_stopped() -> None:
    async with w.agent() as agent, w.engine() as engine:
        column = (*w.IFX_ENTRY, 6)

        def endless(ask: w.Ask, reply: bytes) -> list[tuple[float, bytes]]:
            name = ask.names[0]
            if ask.kind == 0xA5 and name[: len(column)] == column:
                first = (name[len(column)] if len(name) > len(column) else 0) + 1
                rows = [((*column, first + i), w.integer(5, w.C64)) for i in range(ask.third)]
                return [(0.0, w.response(ask.request_id, rows))]
            return [(0.0, reply)]

        agent.alter = endless
        result = await w.poll(engine, agent.target, budget_s=10.0)
        assert result.partial
        assert len(agent.asked) < 600


async def test_a_new_interface_appears_as_soon_as_the_table_changes() -> None:
    async with w.agent() as agent, w.engine() as engine:
        await w.poll(engine, agent.target)
        await w.poll(engine, agent.target)
        w.add_interface(agent.values, 7)
        agent.values[w.IF_NUMBER] = w.integer(7)
        result = await w.poll(engine, agent.target)
        assert w.sample(result.text, "ifHighSpeed", ifIndex="7", ifName="ge-0/0/7", ifAlias="to circuit 7") == 1000
        assert engine.stats.discoveries == {"first contact": 1, "interface table changed": 1}


async def test_renumbered_interfaces_after_a_restart_never_carry_old_labels() -> None:
    async with w.agent() as agent, w.engine() as engine:
        await w.poll(engine, agent.target)
        for number in range(1, 7):
            agent.values[(*w.IFX_ENTRY, 1, number)] = w.octets(f"new-{number}")
            agent.values[(*w.IF_ENTRY, 14, number)] = w.integer(1000 + number, w.C32)
        agent.values[w.UPTIME] = w.integer(50, w.TICKS)
        result = await w.poll(engine, agent.target)
        assert "ge-0/0/" not in result.text
        assert w.sample(result.text, "ifInErrors", ifName="new-4") == 1004
        assert engine.stats.discoveries["agent restarted"] == 1


async def test_a_renamed_alias_is_found_by_the_refresh() -> None:
    async with w.agent() as agent, w.engine() as engine:
        await w.poll(engine, agent.target)
        agent.values[(*w.IFX_ENTRY, 18, 2)] = w.octets("moved to leo")
        for target in engine._targets.values():
            for entry in target.entries.values():
                entry.refresh_at = 0.0
        result = await w.poll(engine, agent.target)
        assert w.sample(result.text, "ifOperStatus", ifAlias="moved to leo") == 1


async def test_a_vanished_instance_is_left_out() -> None:
    async with w.agent() as agent, w.engine() as engine:
        await w.poll(engine, agent.target)
        del agent.values[(*w.IF_ENTRY, 14, 3)]
        result = await w.poll(engine, agent.target)
        assert not result.partial
        assert len(w.samples(result.text)) == 5 + 6 * 9 - 1


async def test_the_same_question_at_the_same_time_is_asked_once() -> None:
    async with w.agent() as agent, w.engine() as engine:
        await w.poll(engine, agent.target)
        agent.alter = lambda ask, reply: [(0.1, reply)]
        asked = len(agent.asked)
        results = await asyncio.gather(*(w.poll(engine, agent.target) for _ in range(5)))
        assert len({r.text for r in results}) == 1
        assert len(agent.asked) - asked <= 2
        assert engine.stats.shared == 4


async def test_different_questions_to_one_target_take_turns() -> None:
    async with w.agent() as agent, w.engine() as engine:
        agent.alter = lambda ask, reply: [(0.02, reply)]
        a, b = await asyncio.gather(w.poll(engine, agent.target, "system"), w.poll(engine, agent.target, "if_port"))
        assert len(w.samples(a.text)) == 5
        assert len(w.samples(b.text)) == 6 * 3 + 6


async def test_a_walk_too_slow_for_one_scrape_serves_the_next() -> None:
    async with w.agent(w.router(60)) as agent, w.engine() as engine:
        agent.alter = lambda ask, reply: [(0.4, reply)]
        with pytest.raises(PollFailed) as failed:
            await w.poll(engine, agent.target, budget_s=0.5)
        assert failed.value.reason == "discovery"
        result = await w.poll(engine, agent.target, budget_s=10.0)
        assert len(w.samples(result.text)) == 5 + 60 * 9
        assert engine.stats.discoveries == {"first contact": 1}


async def test_a_poll_over_a_satellite_takes_about_one_round_trip() -> None:
    async with w.agent(w.router(60)) as agent, w.engine() as engine:
        agent.alter = lambda ask, reply: [(0.3, reply)]
        await w.poll(engine, agent.target, budget_s=10.0)
        result = await w.poll(engine, agent.target)
        assert result.duration_s < 1.3 * 0.3


async def test_an_agent_on_ipv6_is_polled_too() -> None:
    loop = asyncio.get_running_loop()
    agent = w.Agent(w.router())
    transport, _ = await loop.create_datagram_endpoint(lambda: agent, local_addr=("::1", 0))
    try:
        async with w.engine() as engine:
            for _ in range(2):
                result = await w.poll(engine, f"[::1]:{agent.port}")
            assert len(w.samples(result.text)) == 5 + 6 * 9
            with pytest.raises(PollFailed) as failed:
                await w.poll(engine, f"[::1]:{w.free_udp_port()}")
            assert failed.value.reason == "refused"
    finally:
        transport.close()


async def test_values_without_the_answer_that_proves_their_index_are_not_shown() -> None:
    async with w.agent(w.router(40)) as agent, w.engine() as engine:
        await w.poll(engine, agent.target, "if_wan,system")
        agent.alter = lambda ask, reply: [] if w.UPTIME in ask.names else [(0.0, reply)]
        with pytest.raises(PollFailed) as failed:
            await w.poll(engine, agent.target, "if_wan,system", budget_s=1.5)
        assert failed.value.reason == "timeout"
        assert "whether the index still holds" in str(failed.value)


async def test_an_agent_without_any_of_the_variables_gives_an_empty_answer_until_it_dies() -> None:
    async with w.agent({(1, 3, 6, 1, 4, 1, 32473, 1, 0): w.integer(1)}) as agent, w.engine() as engine:
        for _ in range(2):
            result = await w.poll(engine, agent.target, "bgp4")
            assert (result.text, result.partial) == ("", False)
        agent.alter = lambda ask, reply: []
        with pytest.raises(PollFailed):
            await w.poll(engine, agent.target, "bgp4", budget_s=1.0)
