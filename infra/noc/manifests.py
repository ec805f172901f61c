r"""Kubernetes manifests of a hub's NOC: one set for both hubs, filled in from the stack's outputs and the inventory.

Turns `manifests/*.yaml`, the gateway's configuration and the dashboards into one stream for `kubectl apply -f -`;
refuses a value that is missing or not of its form, so that nothing half filled in reaches a cluster.

    pulumi stack output --json -s noc-valencia-prod > outputs.json
    python -m infra.noc.manifests --hub valencia --environment prod --outputs outputs.json --tenant TENANT \
        --console-host noc.valencia.wan.example --image-tag 1.4.0 | kubectl apply -f -
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import yaml

import inventory
from infra.core import addressing, firewall_rules, promql, rule_groups
from infra.core.errors import InfraError, Problem
from infra.core.stacks import Environment

HERE = Path(__file__).parent
RULES = HERE.parents[1] / "network_ops" / "monitoring" / "rules"
CONSOLE_HOST = 1000  # the console's place among the nodes' addresses, far above what Azure gives to nodes by itself

_GUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_NAME = r"[a-z0-9]([a-z0-9-]*[a-z0-9])?"
# value -> form it must have; those of the stack have the names of its outputs (infra/core/outputs.py)
FORMS: Mapping[str, str] = {
    "hub": _NAME,
    "tenant": _GUID,
    "identity_client_id": _GUID,
    "dashboards_client_id": _GUID,
    "vault_name": r"[A-Za-z][A-Za-z0-9-]{1,22}[A-Za-z0-9]",
    "registry_server": r"[a-z0-9]+(\.[a-z0-9-]+)+",
    "grafana_endpoint": r"https://[a-z0-9-]+(\.[a-z0-9-]+)+",
    "image_tag": r"\w[\w.-]{0,127}(@sha256:[0-9a-f]{64})?",
    "console_host": rf"{_NAME}(\.{_NAME})+",
    "console_ip": r"\d+\.\d+\.\d+\.\d+",
}
OF_STACK = ("identity_client_id", "dashboards_client_id", "vault_name", "registry_server", "grafana_endpoint")
_PLACE = re.compile(r"\$\{(\w+)\}")
Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Mail:
    """Where page-level alerts are mailed: HOST:PORT of the relay inside our networks, and the address."""

    smarthost: str
    recipient: str


def values(
    hub: str, environment: Environment, outputs: Mapping[str, str], known: inventory.Inventory, **given: str
) -> dict[str, str]:
    """All values by name, checked.

    Args:
        hub: whose NOC.
        environment: dev or prod.
        outputs: of the stack noc-<hub>-<environment>.
        known: the inventory, for the addresses that are watched.
        given: tenant, image_tag and console_host.

    Raises:
        InfraError: with every value that is missing or not of its form.
    """
    stack = f"noc-{hub}-{environment}"
    if hub not in known.hubs:
        raise InfraError(f"'{hub}' is no hub of the inventory: {', '.join(known.hubs)}")
    found = {name: str(outputs.get(name, "")) for name in OF_STACK} | given | {"hub": hub}
    found["console_ip"] = str(addressing.plan(known, environment)[hub].subnet("noc", 0, 22)[CONSOLE_HOST])
    problems = [
        Problem(stack, name, found.get(name, ""), f"must look like {form}", "take it from the stack's outputs")
        for name, form in FORMS.items()
        if not re.fullmatch(form, found.get(name, ""))
    ]
    if problems:
        raise InfraError(f"the manifests of {stack} cannot be filled in", problems)
    found["watched"] = json.dumps([{"ipBlock": {"cidr": c}} for c in watched(known, environment)])
    found["federated"] = json.dumps(federated())
    found["dashboards_hash"] = _hash("".join(dashboards().values()))
    return found


def documents(filled: Mapping[str, str], mail: Mail | None = None) -> list[Document]:
    """Every object in the order of creation: those of the files, and the configuration that pods mount.

    Raises:
        InfraError: a file names a value that there is not.
    """
    found: list[Document] = []
    gateway = fill((HERE / "gateway.conf").read_text(encoding="utf-8"), filled)
    for path in sorted((HERE / "manifests").glob("*.yaml")):
        found += [d for d in yaml.safe_load_all(fill(path.read_text(encoding="utf-8"), filled)) if d]
    for document in found:
        if document["kind"] == "StatefulSet":
            template = document["spec"]["template"]
            template["metadata"]["annotations"] = {"wan-noc/gateway": _hash(gateway)}  # a new one restarts the pod
            if mail is not None:
                args = ["--smtp", mail.smarthost, "--mail-to", mail.recipient]
                template["spec"]["containers"][0]["args"] += args
    labels = {"app.kubernetes.io/part-of": "wan-noc"}
    maps = [
        _config_map("noc-gateway", {"nginx.conf": gateway}),
        _config_map(f"noc-dashboards-{filled['dashboards_hash']}", dashboards()),
    ]
    found = [d for d in found if d["kind"] == "Namespace"] + maps + [d for d in found if d["kind"] != "Namespace"]
    for document in found:
        document["metadata"]["labels"] = labels | document["metadata"].get("labels", {})
    return found


def fill(text: str, filled: Mapping[str, str]) -> str:
    """The text with every `${name}` replaced.

    Raises:
        InfraError: a name without a value.
    """
    missing = sorted({m[1] for m in _PLACE.finditer(text)} - set(filled))
    if missing:
        raise InfraError(f"the manifests name values that there are not: {', '.join(missing)}")
    return _PLACE.sub(lambda m: filled[m[1]], text)


def watched(known: inventory.Inventory, environment: Environment) -> list[str]:
    """The ranges that the NOC polls, probes and mails through: sites with their tunnels, and the hubs."""
    groups = firewall_rules.groups(known, environment)
    return sorted({*groups["sites"], *groups["hubs"]}, key=lambda c: (IPv4Network(c).network_address, c))


def dashboards() -> dict[str, str]:
    """The dashboards' files by name, as they go to Grafana."""
    return {p.name: p.read_text(encoding="utf-8") for p in sorted((HERE / "dashboards").glob("*.json"))}


def expressions(dashboard: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Title and PromQL of every query of a dashboard, those of its variables included."""
    for panel in dashboard["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"]
    for variable in dashboard.get("templating", {}).get("list", ()):
        asked = re.fullmatch(r"label_values\((.+),\s*\w+\)", str(variable.get("query", "")), re.DOTALL)
        if asked:
            yield f"variable {variable['name']}", asked[1]


def federated() -> list[str]:
    """Selectors of what managed Prometheus needs: what rules and dashboards read and no rule there records."""
    groups = rule_groups.load(RULES)
    recorded = {r.record for g in groups for r in g.rules if r.record}
    shown = {
        name
        for text in dashboards().values()
        for _, expression in expressions(json.loads(text))
        for name in promql.metrics(expression)
    }
    wanted = (rule_groups.raw_metrics(groups) | shown) - recorded
    return [f'{{__name__="{name}"}}' for name in sorted(wanted)]


def _config_map(name: str, data: Mapping[str, str]) -> Document:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": "noc"},
        "data": dict(data),
    }


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:10]


def main() -> None:
    """Print the manifests of one hub; exit 2 when they cannot be filled in."""
    parser = argparse.ArgumentParser(description="Kubernetes manifests of a hub's NOC, for kubectl apply -f -")
    parser.add_argument("--hub", required=True)
    parser.add_argument("--environment", choices=["dev", "prod"], required=True)
    parser.add_argument("--outputs", type=Path, required=True, help="pulumi stack output --json -s noc-HUB-ENVIRONMENT")
    parser.add_argument("--tenant", required=True, help="Entra tenant of the identities")
    parser.add_argument("--console-host", required=True, help="the console's name in our DNS")
    parser.add_argument("--image-tag", required=True)
    parser.add_argument("--smtp", metavar="HOST:PORT", help="mail relay for page-level alerts")
    parser.add_argument("--mail-to", metavar="ADDRESS")
    parser.add_argument("--inventory", type=Path, default=inventory.packaged_tables(), help="folder of the tables")
    options = parser.parse_args()
    if bool(options.smtp) != bool(options.mail_to):
        parser.error("--smtp and --mail-to go together")
    mail = Mail(options.smtp, options.mail_to) if options.smtp else None
    try:
        outputs = json.loads(options.outputs.read_text(encoding="utf-8"))
        filled = values(
            options.hub,
            options.environment,
            outputs,
            inventory.load(options.inventory),
            tenant=options.tenant,
            image_tag=options.image_tag,
            console_host=options.console_host,
        )
        yaml.safe_dump_all(documents(filled, mail), sys.stdout, sort_keys=False, width=120)
    except (InfraError, inventory.InventoryError, OSError, ValueError) as error:
        sys.stderr.write(f"manifests: {error}\n")
        sys.exit(2)


if __name__ == "__main__":
    main()
