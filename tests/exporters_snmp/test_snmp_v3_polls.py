"""Polls over SNMPv3 against a real snmpd: every combination, what is wrong told apart, a restart, two users at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import snmp_world as w
from snmp_v3_agent import COMBINATIONS, Snmpd, snmpd3

from exporters.snmp import loader
from exporters.snmp.config import Auth
from exporters.snmp.engine import Engine
from exporters.snmp.errors import ConfigError, PollFailed, UnknownName
from exporters.snmp.request import parse_query
from exporters.snmp.state import PollResult


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Snmpd]:
    with snmpd3(tmp_path_factory.mktemp("polls3")) as made:
        yield made


def credentials(auth: str = "SHA256", priv: str = "AES", **other: str) -> Auth:
    level = "authPriv" if priv else "authNoPriv" if auth else "noAuthNoPriv"
    made = Auth("v3", "", 3, f"u{auth}{priv}", level, auth, "auth-secret", priv, "priv-secret")
    return replace(made, **other)  # type: ignore[arg-type]


async def poll(engine: Engine, agent: Snmpd, auth: Auth, modules: str = "system,if_mib", s: float = 8.0) -> PollResult:
    chosen = tuple(engine.config.module(name) for name in modules.split(","))
    return await engine.poll(f"127.0.0.1:{agent.port}", auth, chosen, s)


@pytest.mark.parametrize(("auth", "priv"), [("", ""), *COMBINATIONS])
async def test_a_poll_with_every_combination(agent: Snmpd, auth: str, priv: str) -> None:
    async with w.engine() as engine:
        for _ in range(2):
            result = await poll(engine, agent, credentials(auth, priv))
            assert not result.partial
            assert w.sample(result.text, "sysName", sysName="real-agent") == 1
        assert engine.read_stats.fast > 0  # what comes decrypted goes the fast way too
        assert "if_mib" in result.modules
        assert result.walk_s == 0.0


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"password": "wrong secret"}, "the password or auth_protocol is wrong"),
        ({"auth_protocol": "SHA"}, "the password or auth_protocol is wrong"),
        ({"username": "nobody"}, "the username is not known there"),
        ({"username": "uSHA256"}, "the user has no such security_level there"),
        ({"priv_password": "wrong secret"}, "the priv_password or priv_protocol is wrong"),
        ({"priv_protocol": "DES"}, "the priv_password or priv_protocol is wrong"),
    ],
)
async def test_wrong_credentials_are_told_apart_and_never_taken_for_a_dead_device(
    agent: Snmpd, wrong: dict[str, str], said: str
) -> None:
    async with w.engine() as engine:
        with pytest.raises(PollFailed, match=said) as failed:
            await poll(engine, agent, credentials(**wrong), s=3.0)
        assert failed.value.reason == "credentials"
        assert "secret" not in str(failed.value)
        result = await poll(engine, agent, credentials())  # and harm nobody who is right
        assert not result.partial


async def test_a_dead_device_is_a_timeout_or_refused() -> None:
    async with w.engine() as engine:
        with pytest.raises(PollFailed) as failed:
            await engine.poll("127.0.0.1:9", credentials(), (engine.config.module("system"),), 1.5)
        assert failed.value.reason in ("timeout", "refused")


async def test_a_restarted_agent_costs_no_poll(agent: Snmpd) -> None:
    async with w.engine() as engine:
        await poll(engine, agent, credentials())
        agent.stop()
        agent.start()
        result = await poll(engine, agent, credentials())
        assert not result.partial
        assert engine.stats.discoveries == {"first contact": 1, "agent restarted": 1}


async def test_another_engine_at_the_same_address_is_discovered_in_the_same_poll(agent: Snmpd, tmp_path: Path) -> None:
    async with w.engine() as engine:
        await poll(engine, agent, credentials())
        agent.stop()
        try:
            with snmpd3(tmp_path) as other:
                other.stop()
                other.port = agent.port
                other.start()
                assert not (await poll(engine, agent, credentials())).partial
        finally:
            agent.start()


async def test_two_users_and_a_community_do_not_disturb_each_other(agent: Snmpd) -> None:
    async with w.engine() as engine:
        for _ in range(2):
            for auth, priv in (("SHA256", "AES"), ("SHA512", "AES256C"), ("", "")):
                assert not (await poll(engine, agent, credentials(auth, priv))).partial


# -- configuration --------------------------------------------------------------------------------------------------

V3 = """
auths:
  v3: {version: 3, username: u, security_level: authPriv, auth_protocol: SHA256, password: "${A_SECRET}",
       priv_protocol: AES, priv_password: "${P_SECRET}", context_name: one}
modules:
  m: {get: [1.3.6.1.2.1.1.3.0], metrics: [{name: up, oid: 1.3.6.1.2.1.1.3, type: gauge, help: x}]}
"""


def loaded(tmp_path: Path, text: str) -> loader.c.Config:
    path = tmp_path / "snmp.yml"
    path.write_text(text)
    return loader.load([path])


def test_a_user_is_read_as_the_peer_reads_it_with_secrets_by_reference(tmp_path: Path) -> None:
    auth = loaded(tmp_path, V3).auth("v3")
    user = auth.user({"A_SECRET": "one-secret", "P_SECRET": "two-secret"})
    assert (user.name, user.level, user.auth_protocol, user.auth_password) == ("u", "authPriv", "SHA256", "one-secret")
    assert (user.priv_protocol, user.priv_password, auth.context) == ("AES", "two-secret", "one")
    assert "secret" not in repr(user) + repr(replace(auth, password="one-secret", priv_password="two-secret"))
    with pytest.raises(UnknownName, match="A_SECRET, which is not set"):
        auth.user({})
    with pytest.raises(
        UnknownName, match="auth 'v3' cannot be used: auth password of user u has less than 8"
    ) as failed:
        auth.user({"A_SECRET": "short", "P_SECRET": "two-secret"})
    assert "short" not in str(failed.value)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("authPriv", "authpriv", "auth v3: security_level 'authpriv'; expected one of noAuthNoPriv"),
        ("SHA256", "SHA255", "auth v3: auth_protocol 'SHA255'; expected one of MD5"),
        ("AES,", "AES512,", "auth v3: priv_protocol 'AES512'; expected one of DES"),
        ("username: u,", "", "auth v3: username is missing"),
        ('"${P_SECRET}"', '""', "auth v3: priv_password is missing; authPriv needs one"),
    ],
)
def test_a_user_that_cannot_be_is_refused_when_the_file_is_read(tmp_path: Path, old: str, new: str, said: str) -> None:
    with pytest.raises(ConfigError) as failed:
        loaded(tmp_path, V3.replace(old, new))
    assert said in str(failed.value)


def test_context_and_engine_of_a_scrape_go_to_the_user_and_mean_nothing_without_one(tmp_path: Path) -> None:
    config = loaded(tmp_path, V3)
    asked = parse_query(config, b"target=192.0.2.1&module=m&auth=v3&snmp_context=two&snmp_engineid=0x8000abcdef")
    assert (asked.auth.context, asked.auth.context_engine_id.hex()) == ("two", "8000abcdef")
    with pytest.raises(UnknownName, match="snmp_engineid"):
        parse_query(config, b"target=192.0.2.1&module=m&auth=v3&snmp_engineid=xyz")
