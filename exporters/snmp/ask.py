"""Questions that people ask a device: one subtree, or some instances, once.

Turns (engine, target, credentials, object identifiers) into found variables, and a variable into words.
"""

from __future__ import annotations

from collections.abc import Sequence

from exporters.snmp.config import Arcs, Auth
from exporters.snmp.engine import Engine
from exporters.snmp.errors import PollFailed
from exporters.snmp.message import (
    COUNTER32,
    COUNTER64,
    GAUGE32,
    INTEGER,
    IP_ADDRESS,
    NULL,
    OCTET_STRING,
    OID,
    OPAQUE,
    TIME_TICKS,
    decode_oid,
    oid_content,
)
from exporters.snmp.values import text
from exporters.snmp.walk import Column, Found, Scalars

REPETITIONS = 25
_NAMES = {
    INTEGER: "INTEGER", OCTET_STRING: "OCTET STRING", NULL: "NULL", OID: "OBJECT IDENTIFIER", IP_ADDRESS: "IpAddress",
    COUNTER32: "Counter32", GAUGE32: "Gauge32", TIME_TICKS: "TimeTicks", OPAQUE: "Opaque", COUNTER64: "Counter64",
}  # fmt: skip


async def walk(engine: Engine, target: str, auth: Auth, oid: Arcs, budget_s: float) -> Column:
    """All variables of a subtree; its `trouble` says why it ended early, if it did.

    Raises:
        UnknownName: target or credentials cannot be used. PollFailed: nothing was heard.
    """
    conversation, community = await engine.talk(target, auth, budget_s)
    column = Column(oid_content(oid), REPETITIONS)
    column.start(conversation, community)
    await conversation.run()
    if not conversation.heard:
        raise conversation.failure()
    if not column.done and not column.trouble:
        column.trouble = f"not finished within {budget_s:.0f} s"
    return column


async def get(engine: Engine, target: str, auth: Auth, oids: Sequence[Arcs], budget_s: float) -> dict[Arcs, Found]:
    """The instances that the device has, by object identifier.

    Raises:
        UnknownName: target or credentials cannot be used. PollFailed: nothing was heard, or we are refused.
    """
    conversation, community = await engine.talk(target, auth, budget_s)
    names = {oid_content(oid): oid for oid in oids}
    scalars = Scalars()
    scalars.start(conversation, community, list(names))
    await conversation.run()
    if not conversation.heard:
        raise conversation.failure()
    if scalars.denied and not scalars.found:
        raise PollFailed("credentials", "the agent answers authorizationError: these credentials may not read")
    return {names[name]: found for name, found in scalars.found.items()}


def shown(found: Found) -> tuple[str, str, str]:
    """Object identifier, type and value of a variable; octets as text where they are printable, else in hexadecimal."""
    name = ".".join(map(str, decode_oid(found.name)))
    kind = _NAMES.get(found.tag, f"type {found.tag:#04x}")
    if found.tag == OCTET_STRING:
        try:
            words = found.content.decode()
        except UnicodeDecodeError:
            words = ""
        if words.isprintable() and (words or not found.content):
            return name, kind, f'"{words}"'
    value = text(found.tag, found.content, "OctetString")
    return name, kind, "0x" + found.content.hex().upper() if value is None else value
