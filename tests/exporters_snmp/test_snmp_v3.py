"""SNMPv3: keys against published vectors, messages against a peer of our own and, in all combinations, a real snmpd."""

from __future__ import annotations

import contextlib
import os
import random
import re
import time
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import snmp_world as w
from snmp_v3_agent import COMBINATIONS, ID, UPTIME, Snmpd, snmpd3, user

from exporters.common.errors import BadInput
from exporters.snmp import message as m
from exporters.snmp import usm, v3
from exporters.snmp.config import Metric
from exporters.snmp.errors import Malformed
from exporters.snmp.layout import learn
from exporters.snmp.plan import Variable, build
from exporters.snmp.usm import AUTH_PROTOCOLS, PRIV_PROTOCOLS, EngineTime, LocalizedUser
from exporters.snmp.v3 import Answer, Outgoing, Report, ReportKind, Session

ENGINE = bytes.fromhex("000000000000000000000002")  # of the samples in RFC 3414 section A.3, as are these keys
MD5_KEY, SHA_KEY = "526f5eed9fcce26f8964c2930787d82b", "6695febc9288e36282235fc7151f128497b38f3f"


def peer(local: LocalizedUser, scoped: bytes, boots: int = 3, at_s: int = 1000, **other: Any) -> bytes:
    """A message as the engine sends it; keys are the module's, structure is our own."""
    flags, payload, salt = other.get("flags", local.flags), scoped, b""
    if flags & 2:
        sealed, salt = local.encrypt(scoped, boots, at_s)
        payload = w.wrap(4, sealed)
    engine, name = (w.wrap(4, other.get(key, getattr(local, key))) for key in ("engine_id", "name"))

    def message(mac: bytes) -> bytes:
        n = [w.wrap(*w.integer(number)) for number in (other.get("msg_id", ID), 65507, 3, boots, at_s)]
        head = w.wrap(0x30, n[0], n[1], w.wrap(4, bytes([flags])), n[2])
        security = w.wrap(0x30, engine, n[3], n[4], name, w.wrap(4, mac), w.wrap(4, salt))
        return w.wrap(0x30, n[2], head, w.wrap(4, security), payload)

    return message(local.mac(message(bytes(local.mac_octets)))) if flags & 1 else message(b"")


ROWS = [((*w.IFX_ENTRY, 6, i), w.integer(10**9 * i, w.C64)) for i in range(25)]


def scoped_pdu(
    engine: bytes = ENGINE, name: bytes = b"", number: int = ID, tag: int = 0xA2, rows: Any = ROWS[:2]
) -> bytes:
    _, body, _ = w.unwrap(w.response(number, rows), 0)
    return w.wrap(0x30, w.wrap(4, engine), w.wrap(4, name), bytes([tag]) + body[body.index(b"public") + 7 :])


def outcome(data: bytes, session: Session, clock: EngineTime = EngineTime()) -> str:  # noqa: B008 - frozen
    try:
        found = v3.open_reply(data, session, clock, ID, clock.at_s)
    except Malformed as error:
        return f"malformed: {error}"
    assert not isinstance(found, Answer) or len(found.data) <= len(data)
    return "answer" if isinstance(found, Answer) else found.kind + ", authentic" * found.authentic


# ------------------------------------------------------------------------------------------------- keys


def test_keys_of_passwords_are_those_of_rfc_3414_a_3() -> None:
    for auth, ku, kul in (("MD5", "9faf3283884e92834ebc9847d8edd963", MD5_KEY),
                          ("SHA", "9fb5cc0381497b3793528939ff788d5d79145211", SHA_KEY)):  # fmt: skip
        key = usm.password_key(AUTH_PROTOCOLS[auth], b"maplesyrup")
        assert (key.hex(), usm.localized_key(AUTH_PROTOCOLS[auth], key, ENGINE).hex()) == (ku, kul)


@pytest.mark.parametrize(
    ("auth", "priv", "key"),  # drafts: blumenthal-aes-usm-04 A.1, reeder-snmpv3-usm-3desede-00 B.1 and B.2 (cut)
    [
        ("SHA", "AES256", SHA_KEY + "505e07eb9af25568fa1f5dbe"),
        ("SHA", "AES192", SHA_KEY + "505e07eb"),
        ("SHA", "AES256C", SHA_KEY + "9b8b6d78936ba6e7d19dfd9c"),
        ("SHA", "AES192C", SHA_KEY + "9b8b6d78"),
        ("MD5", "AES256C", MD5_KEY + "79eff44a90650ee0a3a40abfac5acc12"),
        ("SHA", "AES", SHA_KEY[:32]),
    ],
)
def test_keys_that_are_too_short_are_extended_as_the_drafts_have_it(auth: str, priv: str, key: str) -> None:
    made = usm.localized_priv_key(AUTH_PROTOCOLS[auth], PRIV_PROTOCOLS[priv], b"maplesyrup", ENGINE)
    assert made.hex() == key


def test_authentication_is_cut_as_rfc_7860_and_rfc_3414_have_it() -> None:
    sizes = {name: len(user(name).localize(ENGINE).mac(b"message")) for name in AUTH_PROTOCOLS}
    assert sizes == {"MD5": 12, "SHA": 12, "SHA224": 16, "SHA256": 24, "SHA384": 32, "SHA512": 48}


def test_a_password_is_expanded_once_for_all_engines_and_never_shown() -> None:
    usm.password_key.cache_clear()
    made = user("SHA512", "AES256", auth_password="only-for-this-test")
    local = [made.localize(number.to_bytes(8, "big")) for number in range(50)]
    assert usm.password_key.cache_info().misses == 2
    assert made.localize(bytes(8)) is local[0]
    assert re.search("secret|only-for", repr(made) + repr(local[0])) is None
    assert [one.weak for one in (made, user("MD5", "DES"), user("SHA"))] == [(), ("MD5", "DES"), ()]


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""}, {"name": "x" * 33}, {"level": "authpriv"}, {"auth_protocol": "SHA-256"}, {"auth_protocol": ""},
        {"priv_protocol": "AES128"}, {"auth_password": ""}, {"priv_password": "7 chars"},
    ],
)  # fmt: skip
def test_users_that_cannot_be_are_refused_without_a_word_of_their_secrets(wrong: dict[str, str]) -> None:
    with pytest.raises(BadInput) as raised:
        user("SHA256", "AES", **wrong)
    assert re.search("secret|7 chars", str(raised.value)) is None


def test_no_salt_comes_twice_not_even_in_a_forked_process() -> None:
    local = [user("SHA", priv).localize(ENGINE) for priv in ("AES", "DES")]
    salts = {one.encrypt(b"text", 1, 1)[1] for _ in range(20_000) for one in local}
    assert len(salts) == 40_000
    ours, theirs = os.pipe()
    child = os.fork()
    if not child:
        os.write(theirs, local[0].encrypt(b"text", 1, 1)[1])
        os._exit(0)
    os.waitpid(child, 0)
    near = int.from_bytes(os.read(ours, 8), "big") - int.from_bytes(local[0].encrypt(b"text", 1, 1)[1], "big")
    assert abs(near) > 1_000_000


@pytest.mark.parametrize("priv", PRIV_PROTOCOLS)
def test_what_is_encrypted_is_decrypted_with_the_same_time_and_salt_only(priv: str) -> None:
    local = user("SHA256", priv).localize(ENGINE)
    for size in (0, 1, 7, 8, 9, 1200):
        plain = random.Random(size).randbytes(size)
        sealed, salt = local.encrypt(plain, 7, 2**31 - 1)
        assert len(sealed) == local.sealed_size(size)
        assert local.decrypt(sealed, 7, 2**31 - 1, salt)[:size] == plain
    assert local.decrypt(sealed, 7, 2**31 - 1, bytes(8))[:size] != plain


def test_the_time_window_is_150_s_behind_and_open_ahead() -> None:
    clock = EngineTime(3, 1000, at_s=50.0, authentic=True)
    assert clock.time_at(60.9) == 1010
    for boots, at_s, fresh in ((3, 860, True), (3, 859, False), (3, 5000, True), (4, 0, True), (2, 9999, False)):
        assert clock.accepts(boots, at_s, 60.0) is fresh, (boots, at_s)
    assert not clock.accepts(2**31 - 1, 1000, 60.0)
    assert replace(clock, authentic=False).accepts(1, 0, 60.0)
    assert clock.heard(3, 1000, 60.0) is clock
    assert clock.heard(3, 1001, 60.0) == EngineTime(3, 1001, 60.0, authentic=True)
    assert clock.heard(4, 2, 60.0) == EngineTime(4, 2, 60.0, authentic=True)


# ------------------------------------------------------------------------------------------------- messages


@pytest.mark.parametrize(("auth", "priv"), [("", ""), ("SHA256", ""), ("SHA256", "AES"), ("MD5", "DES")])
def test_a_sealed_request_is_patched_to_what_a_fresh_one_is(auth: str, priv: str) -> None:
    local = user(auth, priv).localize(ENGINE)
    session = Session(local, b"vrf-1", b"\x80other-engine")
    outgoing = Outgoing(m.encode_bulk(b"any community", UPTIME, 20), session)
    times = [(1, 0), (1, 127), (127, 128), (2**31 - 2, 2**31)]  # engineBoots and engineTime of one to four octets
    for number, (boots, at_s) in enumerate(times, m.REQUEST_ID_LAST - 3):
        data = bytes(outgoing.seal(number, EngineTime(boots, at_s, 5.0), 5.0))
        envelope = v3._open_envelope(data, number)
        assert v3.peek(data) == number
        assert (envelope.boots, envelope.time) == (boots, min(at_s, 2**31 - 1))
        assert (envelope.engine_id, envelope.name, envelope.flags) == (ENGINE, local.name, local.flags)
        scoped, at = v3._decrypted(data, envelope, local) if priv else (data, envelope.payload_at)
        context, tag, at, end = v3._open_scoped(scoped, at, 15)
        assert (context, tag) == ((b"\x80other-engine", b"vrf-1"), m.GET_BULK)
        ask = w.parse_request(w.wrap(0x30, b"\x02\x01\x01\x04\x00", scoped[at:end]))
        assert (ask.request_id, ask.third, ask.names) == (number, 20, [w.UPTIME])
        if auth:
            assert local.authentic(data, envelope.mac_start, envelope.mac_end)


def test_a_reply_is_believed_only_if_all_of_it_is_right() -> None:
    for auth, priv in (("", ""), ("SHA", ""), ("SHA512", "AES256C"), ("MD5", "DES")):
        local = user(auth, priv).localize(ENGINE)
        session, good = Session(local), peer(local, scoped_pdu())
        assert (outcome(good, session), v3.peek(good)) == ("answer", ID)
        wrong = {
            "cut": good[:-1],
            "trailing": good + b"\0",
            "replayed": peer(local, scoped_pdu(), msg_id=ID - 1),
            "other request inside": peer(local, scoped_pdu(number=ID - 1)),
            "other engine": peer(local, scoped_pdu(), engine_id=b"\x80another"),
            "other user": peer(local, scoped_pdu(), name=b"somebody"),
            "other context engine": peer(local, scoped_pdu(engine=b"\x80another")),
            "other context": peer(local, scoped_pdu(name=b"vrf")),
            "a request": peer(local, scoped_pdu(tag=0xA0)),
            "priv without auth": peer(local, scoped_pdu(), flags=2) if priv else b"",
            "a v2c message": w.response(ID, [(w.UPTIME, w.integer(5, w.TICKS))]),
        }
        if auth:
            other = user(auth, priv, auth_password="another secret", name=local.user.name).localize(ENGINE)
            wrong |= {f"octet {i}": good[:i] + bytes([good[i] ^ 1]) + good[i + 1 :] for i in range(len(good))}
            wrong |= {"lower level": peer(local, scoped_pdu(), flags=0), "wrong key": peer(other, scoped_pdu())}
            wrong |= {"in plain text": peer(local, scoped_pdu(), flags=1)} if priv else {}
            assert "outside the time window" in outcome(good, session, EngineTime(3, 1200, authentic=True))
        for name, data in wrong.items():
            assert outcome(data, session).startswith("malformed"), (auth, priv, name)


def test_reports_are_typed_and_marked_by_whether_they_are_authentic() -> None:
    session = Session(user("SHA256", "AES").localize(ENGINE))
    known = {(15, 1, 1, n): kind for n, kind in enumerate(list(ReportKind)[:6], 1)} | {
        (12, 1, 5): ReportKind.UNKNOWN_CONTEXTS, (15, 1, 1, 7): ReportKind.OTHER,
    }  # fmt: skip
    for arcs, kind in known.items():
        row = ((1, 3, 6, 1, 6, 3, *arcs, 0), w.integer(9, w.C32))
        for flags in (0, 1, 3):
            data = peer(session.user, scoped_pdu(number=0, tag=0xA8, rows=[row]), flags=flags)
            found = v3.open_reply(data, session, EngineTime(), ID, 0.0)
            assert found == Report(kind, ENGINE, 3, 1000, authentic=flags > 0)
            assert found.meaning


def test_layouts_work_on_decrypted_replies() -> None:
    local = user("SHA256", "AES").localize(ENGINE)
    metric = Metric("ifHCInOctets", (*w.IFX_ENTRY, 6), "counter", "")
    variables = [Variable(m.oid_content((*w.IFX_ENTRY, 6, i)), 30, 0, metric, f'ifIndex="{i}"') for i in range(25)]
    (batch,) = build(variables, b"").batches
    found = v3.open_reply(peer(local, scoped_pdu(rows=ROWS)), Session(local), EngineTime(), ID, 0.0)
    assert isinstance(found, Answer)
    assert found.clock == EngineTime(3, 1000, 0.0, authentic=True)
    layout = learn(batch, m.decode_reply(found.data, b""), frozenset())
    assert layout is not None
    data = peer(local, scoped_pdu(rows=ROWS, number=ID + 1), at_s=1001, msg_id=ID + 1)
    again = v3.open_reply(data, Session(local), found.clock, ID + 1, 0.0)
    assert isinstance(again, Answer)
    assert 'ifIndex="24"} 24000000000' in (layout.read(again.data) or "")[0]


def test_mutated_datagrams_are_malformed_or_harmless() -> None:
    dice = random.Random(20)
    plain, full = user().localize(ENGINE), user("SHA256", "AES").localize(ENGINE)
    report = scoped_pdu(tag=0xA8)
    seeds = [peer(plain, scoped_pdu()), peer(full, scoped_pdu()), peer(full, report, flags=0), peer(full, report)]
    tracemalloc.start()
    before, seen = tracemalloc.get_traced_memory()[0], {""}
    for turn in range(20_000):
        if turn % 3:
            data = _mutated(dice, seeds[turn % 4])
        else:  # what passes authentication: the parser behind it meets the mutation
            data = peer(full, _mutated(dice, dice.choice((scoped_pdu(), report))))
        v3.peek(data)
        seen |= {outcome(data, Session(plain)), outcome(data, Session(full))}
        with contextlib.suppress(Malformed):
            v3.open_discovery(data, ID)
    assert {"answer", "other", "other, authentic", "malformed: a wrong digest"} <= seen
    seen.clear()
    assert tracemalloc.get_traced_memory()[0] - before < 200_000
    tracemalloc.stop()


def _mutated(dice: random.Random, data: bytes) -> bytes:
    out = bytearray(data)
    for _ in range(dice.choice((1, 1, 2, 8))):
        at = dice.randrange(len(out) + 1)
        how = dice.randrange(6)
        if how < 2:
            out[at : at + dice.randrange(9) if how else None] = dice.randbytes(dice.randrange(9) * how)
        elif at < len(out):
            out[at] = dice.choice((0, 0x7F, 0x80, 0x84, 0xFF, out[at] ^ 1 << dice.randrange(8), dice.randrange(256)))
    return bytes(out)


# ------------------------------------------------------------------------------------------------- a real snmpd


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Snmpd]:
    with snmpd3(tmp_path_factory.mktemp("snmpd3")) as made:
        yield made


@pytest.mark.parametrize(("auth", "priv"), [("", ""), *COMBINATIONS])
def test_discovery_get_and_bulk_with_every_combination_of_a_real_agent(agent: Snmpd, auth: str, priv: str) -> None:
    report = agent.discover()
    session, clock = Session(user(auth, priv).localize(report.engine_id)), report.clock(time.monotonic())
    found = agent.request(session, m.encode_get(b"", [UPTIME]), clock)
    assert found.clock.authentic is bool(auth)
    (varbind,) = m.decode_reply(found.data, b"").varbinds
    assert (varbind.oid, varbind.tag) == (UPTIME, m.TIME_TICKS)
    found = agent.request(session, m.encode_bulk(b"", m.oid_content((1, 3, 6, 1, 2, 1, 1)), 25), found.clock)
    reply = m.decode_reply(found.data, b"")
    assert (len(reply.varbinds), reply.error_status) == (25, 0)
    assert m.rising([m.decode_oid(v.oid) for v in reply.varbinds])
    assert b"real-agent" in found.data


def test_wrong_password_unknown_user_wrong_level_and_wrong_privacy_are_told_apart(agent: Snmpd) -> None:
    report = agent.discover()
    clock, get = report.clock(time.monotonic()), m.encode_get(b"", [UPTIME])
    for wrong, kind in (
        (user("SHA256", "AES", auth_password="wrong secret"), ReportKind.WRONG_DIGESTS),
        (user("SHA256", "AES", name="nobody"), ReportKind.UNKNOWN_USER_NAMES),
        (user("SHA256", "AES", name="uSHA256"), ReportKind.UNSUPPORTED_SEC_LEVELS),
    ):
        found = agent.request(Session(wrong.localize(report.engine_id)), get, clock)
        assert (found.kind, found.engine_id, found.authentic) == (kind, report.engine_id, False)
    other = agent.request(Session(user("SHA256", "AES").localize(b"\x80another")), get, clock)
    assert (other.kind, other.engine_id) == (ReportKind.UNKNOWN_ENGINE_IDS, report.engine_id)
    for priv in ("AES", "DES"):
        session = Session(user("SHA256", priv, priv_password="wrong secret").localize(report.engine_id))
        assert agent.request(session, get, clock, wait_s=0.5) is None  # net-snmp says nothing at all
        data = agent.ask(v3.encode_probe(session, ID))
        assert data is not None
        assert outcome(data, session, clock) == "usmStatsNotInTimeWindows, authentic"


def test_a_restarted_agent_corrects_our_clock_by_an_authentic_report_and_has_our_keys(agent: Snmpd) -> None:
    report = agent.discover()
    session, get = Session(user("SHA512", "AES256C").localize(report.engine_id)), m.encode_get(b"", [UPTIME])
    found = agent.request(session, get, report.clock(time.monotonic()))
    agent.stop()
    kept = (agent.directory / "snmpd.conf").read_text()
    agent.start()
    late = agent.request(session, get, found.clock)
    assert (late.kind, late.authentic, late.boots) == (ReportKind.NOT_IN_TIME_WINDOWS, True, found.clock.boots + 1)
    assert isinstance(agent.request(session, get, late.clock(time.monotonic())), Answer)
    keys = dict(re.findall(r'^usmUser .*? "(\w+)" "\w+" NULL \S+ \S+ \S+ 0x(\w+) ', kept, re.MULTILINE))
    for auth, priv in COMBINATIONS:  # net-snmp's own keys
        if priv:
            made = usm.localized_priv_key(AUTH_PROTOCOLS[auth], PRIV_PROTOCOLS[priv], b"priv-secret", report.engine_id)
            assert keys[f"u{auth}{priv}"] == made.hex(), (auth, priv)
