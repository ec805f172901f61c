"""How a console is set up: one frozen value, filled by the command line and checked before anything starts."""

from __future__ import annotations

import ipaddress
import re
import socket
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from network_ops.noc.errors import BadInputError

REPOSITORY = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything the console needs to know.

    URLs carry no trailing slash. `twin` None means the real network. `token` is what the other parts show as
    bearer. `packages` is the folder of the npm packages (htmx, world-atlas). `settle` is how long a restarted
    Alertmanager may still be missing alerts that Prometheus has yet to send again. `secure_cookies` is for a
    console behind https.
    """

    inventory: Path
    prometheus: str
    alertmanager: str
    state_dir: Path
    database: str
    host: str
    port: int
    token: str
    twin: str | None = None
    run_file: Path | None = None
    anonymous_view: bool = True
    allowed_hosts: frozenset[str] = field(default_factory=frozenset)
    secure_cookies: bool = False
    packages: Path = REPOSITORY / "node_modules"
    runbooks: Path = REPOSITORY / "docs" / "runbooks"
    settle: timedelta = timedelta(seconds=75)


def is_loopback(host: str) -> bool:
    """Whether a listening address reaches this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def parse_listen(text: str) -> tuple[str, int]:
    """Split HOST:PORT (`[::1]:8080` for IPv6).

    Raises:
        BadInputError: there is no port, or it is not one.
    """
    host, colon, port = text.rpartition(":")
    # Only these ten digits: str.isdigit() takes ² and ٣ as well.
    number = int(port) if re.fullmatch("[0-9]{1,5}", port) else -1
    if not colon or not host or not 0 <= number <= 65535:
        raise BadInputError(f"--listen {text} is not HOST:PORT, for example 127.0.0.1:8080")
    return host.strip("[]"), number


def read_token(path: Path) -> str:
    """The bearer token in a file.

    Raises:
        BadInputError: the file cannot be read or is empty.
    """
    try:
        token = path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text"
        raise BadInputError(f"the token file {path} cannot be read ({why}): check --token-file") from error
    if len(token) < 16:
        raise BadInputError(f"the token file {path} holds less than 16 characters: write a random token into it")
    return token


def default_database(state_dir: Path) -> str:
    """The URL of the console's SQLite file in a state directory."""
    return f"sqlite:///{state_dir / 'console.sqlite'}"


def hosts_of(host: str, more: tuple[str, ...]) -> frozenset[str]:
    """Names that the Host header may carry; empty = any.

    A console on loopback is protected from DNS rebinding by accepting loopback names only. One that listens to
    the network accepts any name unless some are given, since we cannot know what it is called there.
    """
    if more:
        return frozenset({*(name.lower() for name in more), "127.0.0.1", "localhost", "[::1]"})
    if is_loopback(host):
        name = f"[{host}]" if ":" in host else host
        return frozenset({"127.0.0.1", "localhost", "[::1]", name.lower()})
    return frozenset()


def check_port_free(host: str, port: int) -> None:
    """Refuse a port that is taken before anything else is started.

    Raises:
        BadInputError: the address cannot be listened on.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise BadInputError(
                f"cannot listen on {host}:{port} ({error.strerror}): stop what uses it or choose another --listen"
            ) from error
