"""What is probed: turns service-discovery targets into `ProbeTarget`s with numeric addresses.

An entry that cannot be probed is a counted problem with its reason, never the end of the others. Names are not
resolved: a lookup that hangs would stop every probe, so the inventory gives addresses.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from exporters.common.targets import Target

Module = Literal["udp", "icmp"]
Labels = tuple[tuple[str, str], ...]

DEFAULT_RTT_S = 0.3
ECHO_PORT = 7  # RFC 862


@dataclass(frozen=True, slots=True)
class ProbeTarget:
    """One session or device to probe. `rtt_s` is its baseline round trip, `loss_ratio` its baseline loss (0 to 1).

    `labels` identify it in the state series, in the order shown; `hub`, `carrier`, `circuit` are empty for devices.
    """

    kind: Literal["session", "device"]
    id: str
    site: str
    module: Module
    host: str
    port: int
    family: int
    rtt_s: float
    loss_ratio: float
    labels: Labels
    circuit: str = ""
    hub: str = ""
    carrier: str = ""
    peer: str = ""


SESSION_LABELS = ("site", "circuit", "hub", "region", "tier", "carrier", "kind")
DEVICE_LABELS = ("site", "device", "role", "region", "tier")


def from_discovery(found: Iterable[Target]) -> tuple[tuple[ProbeTarget, ...], tuple[str, ...]]:
    """Turn discovered targets into probe targets and the sentences about those refused.

    A target needs the labels `probe` (session or device), `module` (udp or icmp), `site`, and `circuit` with `hub` or
    `device`; an id that comes twice is refused the second time.
    """
    targets: dict[tuple[str, str], ProbeTarget] = {}
    problems: list[str] = []
    for entry in found:
        try:
            target = _one(entry)
        except ValueError as error:
            problems.append(f"target {entry.address}: {error}")
            continue
        key = (target.kind, target.id)
        if key in targets:
            problems.append(f"target {entry.address}: {target.kind} {target.id} is listed twice; keep one")
            continue
        targets[key] = target
    return tuple(targets.values()), tuple(problems)


def _one(entry: Target) -> ProbeTarget:
    probe, module = entry.label("probe"), entry.label("module")
    if probe not in ("session", "device"):
        raise ValueError(f"label probe is {probe!r}; it must be session or device")
    if module not in ("udp", "icmp"):
        raise ValueError(f"label module is {module!r}; it must be udp or icmp")
    names = SESSION_LABELS if probe == "session" else DEVICE_LABELS
    for name in ("site", "circuit", "hub") if probe == "session" else ("site", "device"):
        if not entry.label(name):
            raise ValueError(f"label {name} is missing; a {probe} needs it")
    host, port, family = parse_endpoint(entry.address, ECHO_PORT if module == "udp" else 0)
    session = probe == "session"
    return ProbeTarget(
        kind="session" if session else "device",
        id=f"{entry.label('circuit')}@{entry.label('hub')}" if session else entry.label("device"),
        site=entry.label("site"),
        module="udp" if module == "udp" else "icmp",
        host=host,
        port=port if module == "udp" else 0,
        family=family,
        rtt_s=_number(entry, "rtt_ms", DEFAULT_RTT_S * 1000) / 1000,
        loss_ratio=_number(entry, "loss_ratio", 0.0),
        labels=tuple((name, entry.label(name)) for name in names),
        circuit=entry.label("circuit") if session else "",
        hub=entry.label("hub") if session else "",
        carrier=entry.label("carrier") if session else "",
        peer=entry.label("peer") if session else "",
    )


def parse_endpoint(text: str, default_port: int) -> tuple[str, int, int]:
    """Split "ADDRESS", "ADDRESS:PORT" or "[ADDRESS]:PORT" into canonical address, port and IP version (4 or 6).

    Raises:
        ValueError: the host is not a numeric address, or the port is not 1 to 65535.
    """
    host, port = text, default_port
    if text.startswith("[") or text.count(":") == 1:
        host, _, port_text = text.rpartition(":") if not text.endswith("]") else (text, "", str(default_port))
        if not port_text.isdecimal() or int(port_text) > 65535:
            raise ValueError(f"port {port_text!r} is not a number up to 65535")
        port = int(port_text)
    try:
        address = ipaddress.ip_address(host.removeprefix("[").removesuffix("]"))
    except ValueError:
        raise ValueError(f"{host!r} is not a numeric IP address; names are not resolved here") from None
    return str(address), port, address.version


def _number(entry: Target, name: str, default: float) -> float:
    text = entry.label(name)
    if not text:
        return default
    try:
        value = float(text)
    except ValueError:
        raise ValueError(f"label {name} is {text!r}; it must be a number") from None
    if not 0 <= value < 1e6:
        raise ValueError(f"label {name} is {text}; it must be 0 or more")
    return value
