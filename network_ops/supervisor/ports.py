"""Which loopback ports the parts listen on, and the check that they are free before anything starts."""

from __future__ import annotations

import socket
from collections.abc import Mapping

from network_ops.supervisor.errors import StartError

DEFAULT_PORTS: Mapping[str, int] = {
    "console": 8594,
    "twin": 9594,
    "snmp": 9116,
    "probes": 9115,
    "fleet": 9595,
    "prometheus": 9090,
    "alertmanager": 9093,
}
"""snmp and probes have the ports of snmp_exporter and blackbox_exporter, which they stand in for."""


def parse_ports(choices: tuple[str, ...], names: tuple[str, ...]) -> dict[str, int]:
    """The ports to use: the defaults of `names` with `NAME=PORT` choices laid over.

    Raises:
        StartError: a choice is not NAME=PORT with a known name and a port of 1 to 65535.
    """
    ports = {name: DEFAULT_PORTS[name] for name in names}
    for choice in choices:
        name, _, number = choice.partition("=")
        if name not in DEFAULT_PORTS or not (number.isascii() and number.isdecimal()) or not 0 < int(number) < 65536:
            known = ", ".join(DEFAULT_PORTS)
            raise StartError(f"--port {choice!r} is not NAME=PORT with a name of: {known}")
        if name in ports:
            ports[name] = int(number)
    taken: dict[int, str] = {}
    for name, port in ports.items():
        if port in taken:
            raise StartError(f"port {port} is given to both {taken[port]} and {name}: choose with --port {name}=PORT")
        taken[port] = name
    return ports


def free_ports(names: tuple[str, ...]) -> dict[str, int]:
    """Ports that are free now, for runs beside another NOC (tests, smoke)."""
    sockets = {name: socket.socket() for name in names}
    try:
        for opened in sockets.values():
            opened.bind(("127.0.0.1", 0))
        return {name: int(opened.getsockname()[1]) for name, opened in sockets.items()}
    finally:
        for opened in sockets.values():
            opened.close()


def check_free(ports: Mapping[str, int]) -> None:
    """Refuse to start when a port is taken.

    Raises:
        StartError: names each taken port and the option that moves it.
    """
    taken = []
    for name, port in ports.items():
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                taken.append(f"port {port} ({name}) is taken: choose another with --port {name}=PORT")
    if taken:
        raise StartError("; ".join(taken))
