"""What a scrape asks for: turns the query string of /snmp into target, credentials and modules. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from urllib.parse import parse_qs

from exporters.snmp.addresses import parse_target
from exporters.snmp.config import Auth, Config, Module
from exporters.snmp.errors import UnknownName

DEFAULT_AUTH = "public_v2"
DEFAULT_MODULE = "if_mib"


@dataclass(frozen=True, slots=True)
class ScrapeRequest:
    """A scrape that can be carried out: all its names are known."""

    target: str
    auth: Auth
    modules: tuple[Module, ...]


def parse_query(config: Config, query: bytes) -> ScrapeRequest:
    """Read `target=...&module=a,b&auth=...`; auth and module have the peer's defaults.

    Raises:
        UnknownName: target missing, or target, auth or module unknown or not usable: HTTP 400.
    """
    values = parse_qs(query.decode("latin-1"), keep_blank_values=True)
    targets = values.get("target", [])
    if len(targets) != 1 or not targets[0]:
        raise UnknownName("'target' parameter must be specified once, for example /snmp?target=192.0.2.1&module=if_mib")
    auths = values.get("auth", [])
    if len(auths) > 1:
        raise UnknownName("'auth' parameter must only be specified once")
    names = [name.strip() for part in values.get("module", [DEFAULT_MODULE]) for name in part.split(",")]
    if not all(names):
        raise UnknownName("'module' parameter must not be empty")
    parse_target(targets[0])
    modules = tuple(config.module(name) for name in dict.fromkeys(names))
    own = next((module.auth for module in modules if module.auth is not None), None)
    if own is None or (auths and auths[0]):
        own = config.auth((auths and auths[0]) or DEFAULT_AUTH)
    context, engine = (values.get(name, [""])[0] for name in ("snmp_context", "snmp_engineid"))
    if own.version == 3 and (context or engine):  # without meaning in SNMPv2c, as with the peer
        own = replace(own, context=context or own.context, context_engine_id=_engine_id(engine))
    return ScrapeRequest(targets[0], own, modules)


def _engine_id(text: str) -> bytes:
    try:
        return bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        raise UnknownName(f"'snmp_engineid' {text!r} is not written in hexadecimal digits") from None
