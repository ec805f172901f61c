"""The console's doors by table: who may try a password how often, which browser is known, what is cut or refused."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from urllib.parse import unquote

import pytest

from network_ops.noc import browsers
from network_ops.noc.alerts import Place, parse_active
from network_ops.noc.api import alert_out
from network_ops.noc.errors import BadInputError
from network_ops.noc.picture import OpenAlert
from network_ops.noc.settings import parse_listen
from network_ops.noc.throttle import ACCOUNT, PAIR, PEER, Throttle

NOW = datetime(2026, 3, 1, 3, 0, tzinfo=UTC)


def test_guessing_a_password_gets_slow_for_the_account_and_recovers() -> None:
    throttle = Throttle()
    waits = [throttle.wait("amina", "192.0.2.1", NOW) for _ in range(PAIR.burst + 1)]
    assert not any(waits[:-1])
    assert waits[-1] > timedelta()
    assert not throttle.wait("boris", "192.0.2.1", NOW)
    assert not throttle.wait("amina", "192.0.2.1", NOW + PAIR.refill)


def test_a_guesser_does_not_lock_out_the_owner_at_another_address() -> None:
    throttle = Throttle()
    assert any(throttle.wait("amina", "192.0.2.1", NOW) for _ in range(PAIR.burst + 1))
    assert not throttle.wait("amina", "192.0.2.2", NOW)


def test_twenty_wrong_names_from_one_address_lock_nobody_out_there_but_hundreds_do() -> None:
    throttle = Throttle()
    assert not any(throttle.wait(f"name{n}", "192.0.2.1", NOW) for n in range(20))
    assert not throttle.wait("amina", "192.0.2.1", NOW)
    assert any(throttle.wait(f"name{n}", "192.0.2.1", NOW) for n in range(PEER.burst))


def test_guessing_one_account_from_many_addresses_gets_slow_but_not_for_a_browser_known_there() -> None:
    throttle = Throttle()
    assert any(throttle.wait("amina", f"192.0.2.{n}", NOW) for n in range(ACCOUNT.burst + 1))
    assert throttle.wait("amina", "198.51.100.1", NOW)
    assert not throttle.wait("amina", "198.51.100.1", NOW, browser="hers")
    assert any(throttle.wait("amina", "198.51.100.1", NOW, browser="hers") for _ in range(PAIR.burst))


def test_one_ipv6_network_is_one_guesser() -> None:
    throttle = Throttle()
    assert any(throttle.wait("amina", f"2001:db8::{n:x}", NOW) for n in range(PAIR.burst + 1))
    assert not throttle.wait("amina", "2001:db8:0:1::1", NOW)


def test_the_throttle_stays_small_and_does_not_forget_who_guesses_most() -> None:
    throttle = Throttle()
    assert any(throttle.wait("amina", "192.0.2.1", NOW) for _ in range(PAIR.burst + 1))
    for n in range(6000):
        throttle.wait(f"name{n}", f"10.{n >> 8}.{n & 255}.1", NOW)
    assert len(throttle.buckets) < 4200
    assert throttle.wait("amina", "192.0.2.1", NOW)


def test_a_browser_is_known_to_the_accounts_that_used_it_and_to_no_other() -> None:
    key = browsers.signing_key("a token for tests only")
    cookie = browsers.remembered("", "amina", key)
    shared = browsers.remembered(cookie, "boris", key)
    browser = browsers.known(cookie, "amina", key)
    assert browser
    assert [browsers.known(shared, name, key) for name in ("amina", "boris", "viola")] == [browser, browser, None]
    assert browsers.known(cookie, "amina", browsers.signing_key("another token of tests")) is None
    mark = cookie.partition(".")[2]
    assert browsers.known(f"{browsers.remembered('', 'boris', key)[:22]}.{mark}", "amina", key) is None


@pytest.mark.parametrize("cookie", ["", ".", "x", "a" * 22, "ü" * 22, ".".join(["a" * 22] * 18), "a" * 22 + ".b"])
def test_a_made_up_cookie_makes_no_browser_known(cookie: str) -> None:
    key = browsers.signing_key("a token for tests only")
    assert browsers.known(cookie, "amina", key) is None
    assert browsers.known(browsers.remembered(cookie, "amina", key), "amina", key)


def test_a_desk_shared_by_many_remembers_the_last_ones() -> None:
    key, cookie = browsers.signing_key("a token for tests only"), ""
    for n in range(browsers.MOST_ACCOUNTS + 4):
        cookie = browsers.remembered(cookie, f"name{n}", key)
    assert browsers.known(cookie, "name0", key) is None
    assert browsers.known(cookie, f"name{browsers.MOST_ACCOUNTS + 3}", key)
    assert browsers.known(cookie, "name4", key)


def test_texts_of_an_alert_are_bounded_when_they_are_read() -> None:
    row = {
        "fingerprint": "f", "startsAt": NOW.isoformat(), "status": {"state": "active"},
        "labels": {"alertname": "A" * 5000, "site": "s" * 200, "l" * 300: "x"},
        "annotations": {"summary": "s" * 50_000, "description": "d" * 2000, "action": "a" * 2001},
    }  # fmt: skip
    (alert,) = parse_active(json.dumps([row]).encode())
    assert (len(alert.name), alert.name[-1], alert.labels["site"]) == (200, "…", "s" * 200)
    assert {len(name) for name in alert.labels} == {9, 4, 200}
    assert [len(t) for t in (alert.summary, alert.description, alert.action)] == [2000, 2000, 2000]
    assert alert.description == "d" * 2000


@pytest.mark.parametrize(
    "text", ["127.0.0.1:²", "127.0.0.1:٣", "127.0.0.1:", ":80", "h:65536", "h:-1", "h:" + "9" * 5000]
)
def test_what_is_no_port_is_a_sentence(text: str) -> None:
    with pytest.raises(BadInputError, match="HOST:PORT"):
        parse_listen(text)
    assert parse_listen("[::1]:8080") == ("::1", 8080)


@pytest.mark.parametrize("name", ["SiteDown", "a/b?c#d", 'x" onclick="y', "%2e", "ü ²"])
def test_a_runbooks_address_is_one_segment_whatever_the_alert_is_called(name: str) -> None:
    row = {
        "fingerprint": "f", "startsAt": NOW.isoformat(), "status": {"state": "active"}, "labels": {"alertname": name},
    }  # fmt: skip
    (alert,) = parse_active(json.dumps([row]).encode())
    opened = OpenAlert(alert, Place(), True, None)
    address = alert_out(opened).runbook
    assert address.startswith("/runbooks/")
    assert unquote(address.removeprefix("/runbooks/")) == name
    assert not set(address.removeprefix("/runbooks/")) & set('/?#" <>')
