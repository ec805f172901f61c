"""Which children make a NOC and how each is started: pure, from options to command lines."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from network_ops.supervisor.children import ChildSpec
from network_ops.supervisor.errors import StartError
from network_ops.supervisor.state import StateDir

STACKS = Path(__file__).resolve().parents[2] / "infra" / "stacks"
"""Configuration of the deployments, where the repository is at hand: the dates of policy exemptions stand there."""

TwinKind = Literal["simulated", "none"]

# Prometheus is the largest part. A smaller garbage collection target trades a little CPU for a third less memory.
_PROMETHEUS_ENV = {"GOGC": "60"}
_PACKAGES = {
    "prometheus": "prometheus",
    "prometheus-alertmanager": "prometheus-alertmanager",
    "alertmanager": "prometheus-alertmanager",
}


@dataclass(frozen=True, slots=True)
class Options:
    """What `noc up` was asked for.

    `snmp_config` is a module file of the user's, None for the shipped one. `infra_records` is where `noc infra` leaves
    its records, None for the folder in the state directory.
    """

    twin: TwinKind
    inventory: Path
    state: StateDir
    ports: Mapping[str, int]
    snmp_config: Path | None = None
    retention: str = "15d"
    anonymous_view: bool = True
    infra_records: Path | None = None


def part_names(twin: TwinKind) -> tuple[str, ...]:
    """The children of a NOC in the order of their start."""
    rest = ("console", "snmp", "probes", "fleet", "alertmanager", "prometheus")
    return ("twin", *rest) if twin == "simulated" else rest


def program(*names: str) -> str:
    """The path of the first of these programs that is installed.

    Raises:
        StartError: none is; the message names the Debian package.
    """
    for name in names:
        found = shutil.which(name, path=None) or shutil.which(name, path="/usr/sbin:/sbin:/usr/local/bin")
        if found:
            return found
    raise StartError(
        f"the program {names[0]} is missing: install the Debian package {_PACKAGES[names[0]]} (`make install` does it)"
    )


def url(options: Options, name: str) -> str:
    """The loopback URL of a part."""
    return f"http://127.0.0.1:{options.ports[name]}"


def specs(options: Options) -> dict[str, ChildSpec]:
    """The children by name, in the order of their start.

    Raises:
        StartError: a program is missing.
    """
    state = options.state
    token = ("--token-file", str(state.token_file))
    monitoring = state.root / "monitoring"
    noc = (sys.executable, "-m", "network_ops.cli.main")

    def listen(name: str) -> str:
        return f"127.0.0.1:{options.ports[name]}"

    names = part_names(options.twin)

    twin_url = ("--twin", url(options, "twin")) if options.twin == "simulated" else ()
    view = "--anonymous-view" if options.anonymous_view else "--no-anonymous-view"
    config = ("--config", str(options.snmp_config)) if options.snmp_config else ()
    stacks = ("--stacks", str(STACKS)) if STACKS.is_dir() else ()
    discovery = url(options, "console") + "/api/sd"
    argv: dict[str, tuple[str, ...]] = {
        "console": (
            *noc, "console", "serve", "--inventory", str(options.inventory),
            "--prometheus", url(options, "prometheus"), "--alertmanager", url(options, "alertmanager"),
            *twin_url, "--state-dir", str(state.root), "--database", f"sqlite:///{state.database}",
            "--listen", listen("console"), *token, "--run-file", str(state.run_file), view,
        ),
        "snmp": (
            *noc, "exporter", "snmp", *config, "--listen", listen("snmp"), "--targets", discovery + "/snmp", *token,
        ),
        "probes": (
            *noc, "exporter", "probes", "--listen", listen("probes"), "--targets", discovery + "/probes", *token,
        ),
        "fleet": (
            *noc, "exporter", "fleet", "--listen", listen("fleet"),
            "--records", str(options.infra_records or state.infra_records), *stacks,
        ),
        "alertmanager": (
            program("prometheus-alertmanager", "alertmanager"),
            f"--config.file={monitoring / 'alertmanager.yml'}", f"--storage.path={state.root / 'alertmanager'}",
            f"--web.listen-address={listen('alertmanager')}", "--cluster.listen-address=", "--log.level=warn",
        ),
        "prometheus": (
            program("prometheus"),
            f"--config.file={monitoring / 'prometheus.yml'}", f"--storage.tsdb.path={state.root / 'prometheus'}",
            f"--web.listen-address={listen('prometheus')}", f"--storage.tsdb.retention.time={options.retention}",
            # Alerts are sent again every 20 s and end 80 s after the last sending: a restarted Alertmanager
            # knows them again quickly, and a restarted Prometheus has that long before they would resolve.
            "--rules.alert.resend-delay=20s", "--log.level=warn",
        ),
    }  # fmt: skip
    if "twin" in names:
        argv["twin"] = (
            *noc, "twin", "run", "--inventory", str(options.inventory), "--control", listen("twin"),
            *token, "--state-file", str(state.root / "twin.json"),
        )  # fmt: skip
    health = {"alertmanager": "/-/ready", "prometheus": "/-/ready"}
    return {
        name: ChildSpec(
            name=name,
            argv=argv[name],
            url=url(options, name),
            health=url(options, name) + health.get(name, "/healthz"),
            log=state.logs(name),
            env=_PROMETHEUS_ENV if name == "prometheus" else {},
        )
        for name in names
    }
