"""A real net-snmp agent with an SNMPv3 user for each combination of protocols that it offers."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import snmp_world as w

from exporters.snmp import message as m
from exporters.snmp import v3
from exporters.snmp.usm import AUTH_PROTOCOLS, PRIV_PROTOCOLS, EngineTime, User
from exporters.snmp.v3 import Outgoing, Report, ReportKind, Session

ID = 0x41424344
UPTIME = m.oid_content(w.UPTIME)
COMBINATIONS = [(auth, priv) for auth in AUTH_PROTOCOLS for priv in ("", *PRIV_PROTOCOLS)]


def user(auth: str = "", priv: str = "", **other: str) -> User:
    level = "authPriv" if priv else "authNoPriv" if auth else "noAuthNoPriv"
    name = f"u{auth}{priv}"
    secrets = {"auth_password": "auth-secret" if auth else "", "priv_password": "priv-secret" if priv else ""}
    return User(**{"name": name, "level": level, "auth_protocol": auth, "priv_protocol": priv, **secrets, **other})


@dataclass
class Snmpd:
    """A real agent with a user for each combination; each start counts its engineBoots."""

    directory: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        path = os.environ.get("PATH", "") + ":/usr/sbin"
        environment = os.environ | {"MIBS": "", "SNMP_PERSISTENT_DIR": str(self.directory), "PATH": path}
        log, conf = self.directory / "log", f"{self.directory}/agent.conf,{self.directory}/snmpd.conf"  # ours, its own
        command = ["snmpd", "-f", "-Lf", str(log), "-C", "-c", conf, "-p", str(self.directory / "pid")]
        self.process = subprocess.Popen([*command, f"udp:127.0.0.1:{self.port}"], env=environment)
        until = time.monotonic() + 20
        while self.ask(v3.encode_discovery(ID), 0.2) is None:
            assert time.monotonic() < until, log.read_text()
            time.sleep(0.05)

    def stop(self) -> None:
        assert self.process is not None
        self.process.terminate()
        self.process.wait(10)

    def ask(self, data: bytes | bytearray, timeout_s: float = 5.0) -> bytes | None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.connect(("127.0.0.1", self.port))
            sock.settimeout(timeout_s)
            sock.send(data)
            with contextlib.suppress(TimeoutError, ConnectionRefusedError):
                return sock.recv(65536)
        return None

    def discover(self) -> Report:
        data = self.ask(v3.encode_discovery(ID))
        assert data is not None
        report = v3.open_discovery(data, ID)
        assert (report.kind, report.authentic) == (ReportKind.UNKNOWN_ENGINE_IDS, False)
        return report

    def request(self, session: Session, request: m.Request, clock: EngineTime, wait_s: float = 5.0) -> Any:
        data = self.ask(Outgoing(request, session).seal(ID, clock, time.monotonic()), wait_s)
        return None if data is None else v3.open_reply(data, session, clock, ID, time.monotonic())


@contextmanager
def snmpd3(directory: Path) -> Iterator[Snmpd]:
    """The agent, running until the block ends; its engineBoots and users live in `directory`."""
    lines = ["createUser u", "rouser u noauth"]
    for auth, priv in COMBINATIONS:
        lines += [f"createUser u{auth}{priv} {auth} auth-secret" + (f" {priv} priv-secret" if priv else "")]
        lines += [f"rouser u{auth}{priv} {'priv' if priv else 'auth'}"]
    (directory / "agent.conf").write_text("\n".join([*lines, "sysName real-agent", ""]))
    made = Snmpd(directory, w.free_udp_port())
    made.start()
    try:
        yield made
    finally:
        made.stop()
