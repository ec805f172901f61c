"""Slices: known rows read by GETBULK from a known position with a known count, in one round trip, and checked."""

from __future__ import annotations

from collections.abc import Callable

import snmp_world as w

from exporters.snmp import plan as plans
from exporters.snmp.config import Metric
from exporters.snmp.message import oid_content
from exporters.snmp.plan import Variable, build

GET, GET_BULK = 0xA0, 0xA5
OCTETS = (*w.IFX_ENTRY, 10)


def column(number: int, rows: int, before: bytes = b"") -> list[Variable]:
    """The variables of one column; `before` is the last row of the column to the left."""
    metric = Metric(f"m{number}", (*w.IFX_ENTRY, number), "counter", "h")
    names = [oid_content((*w.IFX_ENTRY, number, row)) for row in range(1, rows + 1)]
    after = [before or oid_content((*w.IFX_ENTRY, number)), *names]
    pairs = zip(names, after, range(1, rows + 1), strict=False)
    return [Variable(name, 30, 0, metric, f'i="{row}"', after=stands) for name, stands, row in pairs]


def test_long_stretches_are_sliced_evenly_and_short_ones_are_got() -> None:
    many = column(10, 100)
    batches = build(many, b"public").batches
    assert [(b.bulk, len(b.variables)) for b in batches] == [(True, 33), (True, 33), (True, 34)]
    assert sum(len(b.request.data) for b in batches) < 300
    few = [v for number in range(1, 9) for v in column(number, 6)]
    assert [b.bulk for b in build(few, b"public").batches] == [False, False]


def test_a_slice_runs_on_into_the_next_column_where_nothing_can_lie_between() -> None:
    first = column(6, 20)
    second = column(7, 20, first[-1].name)
    (batch,) = build([*first, *second], b"public").batches
    assert (batch.bulk, len(batch.variables)) == (True, 40)
    apart = build([*first, *column(9, 20)], b"public").batches
    assert [(b.bulk, len(b.variables)) for b in apart] == [(True, 20), (True, 20)]


def test_what_fails_by_itself_is_never_in_a_slice() -> None:
    many = column(10, 40)
    batches = build(many, b"public", isolated=frozenset({many[20].name})).batches
    assert [len(b.variables) for b in batches if not b.bulk] == [1]
    assert [v for b in batches for v in b.variables] == many


def kinds(agent: w.Agent, since: int) -> list[int]:
    return [ask.kind for ask in agent.asked[since:]]


async def test_slices_read_the_same_values_as_gets_in_one_round_trip() -> None:
    async with w.agent(w.router(50)) as agent, w.engine() as engine:
        first = await w.poll(engine, agent.target)
        asked = len(agent.asked)
        second = await w.poll(engine, agent.target)
        assert GET_BULK in kinds(agent, asked)
        assert not second.partial
        assert w.samples(second.text).keys() == w.samples(first.text).keys()
        for row in (1, 25, 50):
            assert w.sample(second.text, "ifHCInOctets", ifIndex=str(row)) % 1000 == 0
        slices = sum(ask.third for ask in agent.asked[asked:] if ask.kind == GET_BULK)
        assert slices >= 300  # most of what was read


def leaving_out(above: int) -> Callable[[w.Ask, bytes], list[tuple[float, bytes]]]:
    """An agent that leaves every fifth row out of replies with more repetitions than it can count."""

    def alter(ask: w.Ask, reply: bytes) -> list[tuple[float, bytes]]:
        if ask.kind != GET_BULK or ask.third <= above:
            return [(0.0, reply)]
        _, message, _ = w.unwrap(reply, 0)
        at = w.unwrap(message, w.unwrap(message, 0)[2])[2]
        _, pdu, _ = w.unwrap(message, at)
        for _ in range(3):
            at = w.unwrap(pdu, 0 if _ == 0 else at)[2]
        _, rows, _ = w.unwrap(pdu, at)
        kept, at, number = [], 0, 0
        while at < len(rows):
            _, row, at = w.unwrap(rows, at)
            number += 1
            if number % 5:
                name, value_at = w.unwrap(row, 0)[1:]
                tag, content, _ = w.unwrap(row, value_at)
                kept.append((w.unpack_oid(name), (tag, content)))
        return [(0.0, w.response(ask.request_id, kept))]

    return alter


async def test_rows_that_an_agent_leaves_out_are_read_in_the_same_poll_and_slices_get_shorter() -> None:
    async with w.agent(w.router(50)) as agent, w.engine() as engine:
        whole = w.samples((await w.poll(engine, agent.target)).text).keys()
        agent.alter = leaving_out(above=15)
        longest = []
        for _ in range(4):
            asked = len(agent.asked)
            result = await w.poll(engine, agent.target)
            assert not result.partial
            assert w.samples(result.text).keys() == whole
            longest.append(max((a.third for a in agent.asked[asked:] if a.kind == GET_BULK), default=0))
        assert longest[0] > 15 >= longest[-1]
        assert engine.stats.discoveries == {"first contact": 1}


async def test_a_row_that_vanishes_is_left_out_at_once_and_no_value_goes_to_its_neighbour() -> None:
    async with w.agent(w.router(50)) as agent, w.engine() as engine:
        await w.poll(engine, agent.target)
        for oid in [oid for oid in agent.values if oid[-1] == 25 and oid[:-2] in (w.IF_ENTRY, w.IFX_ENTRY)]:
            del agent.values[oid]
        agent.values[*w.IFX_ENTRY, 15, 26] = w.integer(4242, w.G32)
        result = await w.poll(engine, agent.target)
        found = w.samples(result.text)
        assert not [k for k in found if ("ifIndex", "25") in k[1]]
        assert w.sample(result.text, "ifHighSpeed", ifIndex="26") == 4242
        assert w.sample(result.text, "ifHighSpeed", ifIndex="24") == 1000


async def test_shorter_slices_are_remembered_and_end_in_gets() -> None:
    many = column(10, 50)
    plan = build(many, b"public")
    while plan.most_rows >= plans.LEAST_ROWS:
        plan = plans.with_rows(plan, plan.most_rows // 2, b"public")
    assert not any(b.bulk for b in plan.batches)
    assert [v for b in plan.batches for v in b.variables] == many
