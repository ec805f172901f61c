"""The Kubernetes manifests: sound by Kubernetes' own schema, closed, and true to our command line and metrics."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

import click
import kubernetes_validate
import pytest
import yaml

import inventory
from infra.core import addressing, promql, rule_groups
from infra.core.errors import InfraError
from infra.noc import manifests
from infra.noc.manifests import Document, dashboards, documents, expressions, fill, values
from infra.settings.noc import Settings
from network_ops.cli.main import cli

KUBERNETES = str(Settings.model_fields["kubernetes_version"].default)
CUSTOM = {"SecretProviderClass", "PodMonitor"}  # no schema in Kubernetes itself: checked by hand below
OUTPUTS = {
    "identity_client_id": "aaaaaaaa-2222-3333-4444-555555555555",
    "dashboards_client_id": "bbbbbbbb-2222-3333-4444-555555555555",
    "vault_name": "kv-wo-noc-brindisi-dev",
    "registry_server": "crwonocbrindisidev.azurecr.io",
    "grafana_endpoint": "https://amg-wo-brindisi-dev.italynorth.grafana.azure.com",
}
GIVEN = {
    "tenant": "11111111-2222-3333-4444-555555555555",
    "image_tag": "1.0.0",
    "console_host": "noc.brindisi.wan.example",
}


def of_kind(objects: list[Document], kind: str) -> list[Document]:
    found = [o for o in objects if o["kind"] == kind]
    assert found, kind
    return found


def pods(objects: list[Document]) -> list[dict[str, Any]]:
    return [o["spec"]["template"] for o in objects if o["kind"] in ("StatefulSet", "Job")]


def containers(objects: list[Document]) -> Iterator[dict[str, Any]]:
    for pod in pods(objects):
        yield from pod["spec"]["containers"]


def test_kubernetes_schema_holds_for_every_object(objects: list[Document]) -> None:
    checked = [o for o in objects if o["kind"] not in CUSTOM]
    for thing in checked:
        kubernetes_validate.validate(thing, KUBERNETES, strict=True)
    assert len(checked) >= 14
    assert {o["kind"] for o in objects} - {o["kind"] for o in checked} == CUSTOM


def test_the_schema_check_sees_a_wrong_key(objects: list[Document]) -> None:
    wrong = copy.deepcopy(of_kind(objects, "StatefulSet")[0])
    wrong["spec"]["template"]["spec"]["containers"][0]["livenesProbe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, KUBERNETES, strict=True)


def test_everything_stands_in_the_namespace_and_names_are_unique(objects: list[Document]) -> None:
    assert objects[0]["kind"] == "Namespace", "what the rest stands in comes first"
    keys = [(o["kind"], o["metadata"].get("namespace"), o["metadata"]["name"]) for o in objects]
    assert len(set(keys)) == len(keys)
    assert {k for k, namespace, _ in keys if namespace != "noc"} == {"Namespace", "StorageClass"}


def test_pods_keep_to_the_restricted_standard_that_the_namespace_demands(objects: list[Document]) -> None:
    labels = objects[0]["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
    for pod in pods(objects):
        security = pod["spec"]["securityContext"]
        assert security["runAsNonRoot"]
        assert security["runAsUser"] >= 10000
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}
        assert {s["name"] for s in security.get("sysctls", [])} <= {"net.ipv4.ping_group_range"}  # one of the safe ones
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod["spec"])
        assert pod["spec"]["automountServiceAccountToken"] is False
        assert not [v for v in pod["spec"]["volumes"] if "hostPath" in v]
    for container in containers(objects):
        closed = container["securityContext"]
        assert closed["allowPrivilegeEscalation"] is False
        assert closed["readOnlyRootFilesystem"] is True
        assert closed["capabilities"] == {"drop": ["ALL"]}
        assert {"requests", "limits"} <= set(container["resources"])
        assert not [p for p in container.get("ports", ()) if "hostPort" in p]


def test_no_secret_is_in_them(objects: list[Document]) -> None:
    assert not [o for o in objects if o["kind"] == "Secret"]
    provided = {
        (made["secretName"], item["key"])
        for o in of_kind(objects, "SecretProviderClass")
        for made in o["spec"]["secretObjects"]
        for item in made["data"]
    }
    used = {
        (ref["name"], ref["key"])
        for c in containers(objects)
        for e in c.get("env", ())
        if (ref := e.get("valueFrom", {}).get("secretKeyRef"))
    }
    assert used == provided == {("noc-snmp", "community")}


def test_what_the_vault_hands_out_is_what_is_mounted(objects: list[Document], filled: dict[str, str]) -> None:
    provider = of_kind(objects, "SecretProviderClass")[0]
    assert provider["spec"]["parameters"]["keyvaultName"] == filled["vault_name"]
    handed = {
        yaml.safe_load(item)["objectAlias"]
        for item in yaml.safe_load(provider["spec"]["parameters"]["objects"])["array"]
    }
    gateway = next(o for o in objects if o["metadata"]["name"] == "noc-gateway")["data"]["nginx.conf"]
    assert handed == {"console.pem", "snmp-community"}
    assert "/tls/console.pem" in gateway


def test_every_noc_command_is_one_that_our_command_line_takes(objects: list[Document]) -> None:
    checked = 0
    for container in containers(objects):
        if "command" in container:
            continue  # another program than the image's own, noc
        parse(cli, list(container["args"]))
        checked += 1
    assert checked == 1
    with pytest.raises(click.UsageError):
        parse(cli, ["up", "--state-directory", "/state"])


def parse(command: click.Command, args: list[str]) -> None:
    """Parse a command line down to its verb, as click would before it runs anything."""
    context = command.make_context("noc", args)
    if isinstance(command, click.Group):
        rest = [*context._protected_args, *context.args]
        name, verb, more = command.resolve_command(context, rest)
        assert name
        assert verb
        parse(verb, more)


def test_the_simulated_network_is_never_what_a_cluster_watches(objects: list[Document]) -> None:
    args = of_kind(objects, "StatefulSet")[0]["spec"]["template"]["spec"]["containers"][0]["args"]
    assert args[args.index("--twin") + 1] == "none"
    assert args[-4:] == ["--smtp", "relay.hub.wan.example:587", "--mail-to", "noc@wan.example"]


def test_python_modules_that_pods_start_are_ours_and_have_these_options(objects: list[Document]) -> None:
    command = of_kind(objects, "Job")[0]["spec"]["template"]["spec"]["containers"][0]["command"]
    module = command[command.index("-m") + 1]
    options = [c for c in command if c.startswith("--")]
    done = subprocess.run([sys.executable, "-m", module, "--help"], capture_output=True, text=True, check=True)
    assert options
    assert all(o in done.stdout for o in options)


def test_mounts_and_volumes_match(objects: list[Document]) -> None:
    maps = {o["metadata"]["name"] for o in of_kind(objects, "ConfigMap")}
    for thing in (o for o in objects if o["kind"] in ("StatefulSet", "Job")):
        spec = thing["spec"]["template"]["spec"]
        claims = {c["metadata"]["name"] for c in thing["spec"].get("volumeClaimTemplates", ())}
        volumes = {v["name"] for v in spec["volumes"]} | claims
        assert {m["name"] for c in spec["containers"] for m in c["volumeMounts"]} == volumes
        assert {v["configMap"]["name"] for v in spec["volumes"] if "configMap" in v} <= maps


def test_selectors_find_the_pod_and_services_find_its_ports(objects: list[Document]) -> None:
    labels = of_kind(objects, "StatefulSet")[0]["spec"]["template"]["metadata"]["labels"]
    ports = {p["name"] for c in containers(objects) for p in c.get("ports", ())}
    for service in of_kind(objects, "Service"):
        assert service["spec"]["selector"].items() <= labels.items()
        assert {p["targetPort"] for p in service["spec"]["ports"]} <= ports
    monitor = of_kind(objects, "PodMonitor")[0]["spec"]
    assert monitor["selector"]["matchLabels"].items() <= labels.items()
    assert {e["port"] for e in monitor["podMetricsEndpoints"]} <= ports
    assert of_kind(objects, "PodDisruptionBudget")[0]["spec"]["selector"]["matchLabels"].items() <= labels.items()


def test_workload_identities_are_those_of_the_stack(objects: list[Document], filled: dict[str, str]) -> None:
    accounts = {a["metadata"]["name"]: a["metadata"]["annotations"] for a in of_kind(objects, "ServiceAccount")}
    key = "azure.workload.identity/client-id"
    assert {n: a[key] for n, a in accounts.items()} == {
        "noc": filled["identity_client_id"],
        "dashboards": filled["dashboards_client_id"],
    }
    for pod in pods(objects):
        assert pod["spec"]["serviceAccountName"] in accounts
        assert pod["metadata"]["labels"]["azure.workload.identity/use"] == "true"


def test_the_network_is_closed_but_for_what_is_needed(objects: list[Document]) -> None:
    policies = {p["metadata"]["name"]: p["spec"] for p in of_kind(objects, "NetworkPolicy")}
    deny = policies["default-deny"]
    assert deny["podSelector"] == {}
    assert sorted(deny["policyTypes"]) == ["Egress", "Ingress"]
    assert not {"ingress", "egress"} & set(deny)
    assert {p["port"] for rule in policies["noc"]["ingress"] for p in rule["ports"]} == {8443, 9091}
    names = {p["metadata"]["labels"]["app.kubernetes.io/name"] for p in pods(objects)}
    assert names == {
        p["podSelector"]["matchLabels"]["app.kubernetes.io/name"] for n, p in policies.items() if n in names
    }


def test_the_pod_may_reach_every_device_and_session_and_no_azure_range(
    objects: list[Document], shipped: inventory.Inventory
) -> None:
    rule = next(p for p in of_kind(objects, "NetworkPolicy") if p["metadata"]["name"] == "noc")["spec"]["egress"][0]
    open_to = [IPv4Network(t["ipBlock"]["cidr"]) for t in rule["to"]]
    addresses = [d.address for d in shipped.devices.values()]
    addresses += [s.site_address for s in shipped.sessions.values()]
    assert len(addresses) > 3000
    assert all(any(a in n for n in open_to) for a in addresses if isinstance(a, IPv4Address))
    assert addressing.disjoint([*open_to, addressing.POOLS["prod"], addressing.POOLS["dev"]])


def test_managed_prometheus_gets_every_series_that_its_rules_and_the_dashboards_read(objects: list[Document]) -> None:
    endpoint = of_kind(objects, "PodMonitor")[0]["spec"]["podMetricsEndpoints"][0]
    assert endpoint["honorLabels"] is True
    sent = {name for selector in endpoint["params"]["match[]"] for name in [selector.split('"')[1]]}
    groups = rule_groups.load(manifests.RULES)
    recorded = {r.record for g in groups for r in g.rules if r.record}
    shown = {m for t in dashboards().values() for _, e in expressions(json.loads(t)) for m in promql.metrics(e)}
    assert sent == (rule_groups.raw_metrics(groups) | shown) - recorded
    assert not sent & recorded, "recorded there by the same rules: twice would be two series of one name"


def test_a_new_gateway_or_dashboard_brings_a_new_pod_or_job(
    filled: dict[str, str], objects: list[Document], monkeypatch: pytest.MonkeyPatch
) -> None:
    other = documents(filled | {"console_host": "other.wan.example"})
    note = [
        of_kind(o, "StatefulSet")[0]["spec"]["template"]["metadata"]["annotations"]["wan-noc/gateway"]
        for o in (objects, other)
    ]
    assert note[0] != note[1]
    before = of_kind(objects, "Job")[0]["metadata"]["name"]
    monkeypatch.setattr(manifests, "dashboards", lambda: {"a.json": "{}"})
    assert manifests._hash("{}") not in before


def test_the_consoles_address_is_one_of_the_nodes_subnet(shipped: inventory.Inventory) -> None:
    for hub in shipped.hubs:
        found = values(hub, "dev", OUTPUTS, shipped, **GIVEN)
        assert IPv4Address(found["console_ip"]) in addressing.plan(shipped, "dev")[hub].subnet("noc", 0, 22)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("tenant", "me"),
        ("vault_name", ""),
        ("registry_server", "https://x.azurecr.io"),
        ("grafana_endpoint", "http://x"),
        ("console_host", "noc.example}\n"),
        ("image_tag", "a b"),
    ],
)
def test_a_value_of_the_wrong_form_is_refused(shipped: inventory.Inventory, name: str, value: str) -> None:
    outputs, given = dict(OUTPUTS), dict(GIVEN)
    (given if name in given else outputs)[name] = value
    with pytest.raises(InfraError, match=name):
        values("brindisi", "dev", outputs, shipped, **given)


def test_an_unknown_hub_is_refused(shipped: inventory.Inventory) -> None:
    with pytest.raises(InfraError, match="no hub of the inventory"):
        values("genoa", "dev", OUTPUTS, shipped, **GIVEN)


def test_a_place_without_a_value_is_refused() -> None:
    with pytest.raises(InfraError, match="that there are not: b"):
        fill("${a} ${b} $c", {"a": "1"})
    assert fill("${a} $c", {"a": "1"}) == "1 $c"


def test_the_command_prints_what_kubectl_takes(tmp_path: Path) -> None:
    file = tmp_path / "outputs.json"
    file.write_text(json.dumps(OUTPUTS))
    base = [sys.executable, "-m", "infra.noc.manifests", "--hub", "brindisi", "--environment", "dev"]
    base += ["--outputs", str(file), "--image-tag", "1", "--console-host", GIVEN["console_host"], "--tenant"]
    done = subprocess.run([*base, GIVEN["tenant"]], capture_output=True, text=True, check=True)
    assert next(yaml.safe_load_all(done.stdout))["kind"] == "Namespace"
    assert "${" not in done.stdout.replace("${datasource}", "")
    wrong = subprocess.run([*base, "none"], capture_output=True, text=True, check=False)
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "tenant is 'none'" in wrong.stderr
