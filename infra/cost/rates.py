"""What each type of resource is billed by: meters and quantities of a month, read from its inputs.

Pure. Turns a recorded resource into `Use`s (meter, quantity). A use that the inputs do not tell is taken from usage.csv
and marked as assumed. Types that are neither here nor in free.csv stay UNPRICED; nothing is guessed by name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from infra.graph.model import Json, Node

HOURS = 730.0  # of a month, as Azure's own calculator has it
DAYS = HOURS / 24
_SECONDS = HOURS * 3600
Usage: TypeAlias = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Use:
    """A quantity of a meter in one month; `assumed` where no input says how much is used."""

    meter: str
    quantity: float
    assumed: bool = False


Rate: TypeAlias = Callable[[Node, Usage], Iterable[Use]]


def billed_type(node: Node) -> str:
    """`network:VpnGateway`; a generic ARM resource by its own provider (`recoveryservices:replicationFabrics`)."""
    if node.type == "azure-native:resources:Resource":
        words = node.id.rpartition("/providers/")[2].split("/")
        return f"{words[0].lower().removeprefix('microsoft.')}:{words[-2]}" if len(words) > 1 else "resources:Resource"
    return node.type.removeprefix("azure-native:")


def uses(node: Node, usage: Usage) -> tuple[Use, ...] | None:
    """What a month of the resource uses; None where its type has no rate."""
    rate = RATES.get(billed_type(node))
    return tuple(rate(node, usage)) if rate else None


def _get(node: Node, path: str) -> Json:
    value: Json | Mapping[str, Json] = node.inputs
    for step in path.split("."):
        value = value.get(step) if isinstance(value, Mapping) else None
    return value if not isinstance(value, Mapping) else None


def _number(node: Node, path: str, default: float) -> float:
    value = _get(node, path)
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else default


def _text(node: Node, path: str, default: str) -> str:
    value = _get(node, path)
    return value if isinstance(value, str) and value else default


def _objects(node: Node, path: str) -> list[dict[str, Json]]:
    value = _get(node, path)
    return [v for v in value if isinstance(v, dict)] if isinstance(value, list) else []


def _hub(node: Node, usage: Usage) -> Iterator[Use]:
    yield Use("vwan.hub", HOURS)
    yield Use("vwan.hub.data", usage["hub_data_gb"], assumed=True)
    extra = _number(node, "virtualRouterAutoScaleConfiguration.minCapacity", 2) - 2  # two units are in the hub's price
    if extra > 0:
        yield Use("vwan.routing-unit", extra * HOURS)


def _vpn_gateway(node: Node, usage: Usage) -> Iterator[Use]:
    yield Use("vwan.vpn.scale-unit", _number(node, "vpnGatewayScaleUnit", 1) * HOURS)


def _vpn_connection(node: Node, usage: Usage) -> Iterator[Use]:
    """A unit for each branch and gateway, whatever its links, and what leaves Azure over the preferred one."""
    yield Use("vwan.vpn.connection", HOURS)
    if _get(node, "routingConfiguration.inboundRouteMap.id"):
        return  # standby: carries traffic only when the other hub is gone
    rates = [
        float(v) for c in _objects(node, "vpnLinkConnections") if isinstance(v := c.get("connectionBandwidth"), int)
    ]
    if rates:
        gigabytes = max(rates) * 1e6 * usage["egress_share"] * _SECONDS / 8 / 1e9
        yield Use("internet.data", gigabytes, assumed=True)


def _er_gateway(node: Node, usage: Usage) -> Iterator[Use]:
    units = _number(node, "autoScaleConfiguration.bounds.min", 1)
    yield Use("vwan.er.scale-unit", min(units, 5) * HOURS)
    if units > 5:
        yield Use("vwan.er.scale-unit.over-5", (units - 5) * HOURS)


def _er_circuit(node: Node, usage: Usage) -> Iterator[Use]:
    family = "metered" if _text(node, "sku.family", "MeteredData") == "MeteredData" else "unlimited"
    speed = int(_number(node, "serviceProviderProperties.bandwidthInMbps", 0))
    yield Use(f"er.circuit.{family}.{speed}", 1)
    if _text(node, "sku.tier", "Standard") == "Premium":
        yield Use("er.circuit.premium-add-on", 1)
    if family == "metered":
        yield Use("er.data", usage["er_data_gb"], assumed=True)


def _firewall(node: Node, usage: Usage) -> Iterator[Use]:
    yield Use(f"firewall.{_text(node, 'sku.tier', 'Standard')}", HOURS)
    yield Use("firewall.data", usage["firewall_gb"], assumed=True)


def _private_endpoint(node: Node, usage: Usage) -> Iterator[Use]:
    yield Use("private-endpoint", HOURS)
    yield Use("private-endpoint.data", usage["private_endpoint_gb"], assumed=True)


def _log_workspace(node: Node, usage: Usage) -> Iterator[Use]:
    cap = _number(node, "workspaceCapping.dailyQuotaGb", -1)
    daily = min(cap, usage["log_gb_a_day"]) if cap > 0 else usage["log_gb_a_day"]
    yield Use("log-analytics.data", daily * DAYS, assumed=True)
    paid_days = max(0.0, _number(node, "retentionInDays", 30) - 31)  # the first 31 days are in the price
    if paid_days:
        yield Use("log-analytics.retention", daily * paid_days, assumed=True)


def _storage(node: Node, usage: Usage) -> Iterator[Use]:
    copies = _text(node, "sku.name", "Standard_LRS").rpartition("_")[2]
    yield Use(f"storage.{copies}.{_text(node, 'accessTier', 'Hot')}", usage["storage_gb"], assumed=True)


def _vault(node: Node, usage: Usage) -> Iterator[Use]:
    yield Use("key-vault.operations", usage["vault_operations"] / 10_000, assumed=True)


def _key(node: Node, usage: Usage) -> Iterator[Use]:
    if not _text(node, "properties.kty", "RSA").endswith("HSM"):
        return  # software keys are billed by operation of the vault
    plain = _text(node, "properties.kty", "") == "RSA-HSM" and _number(node, "properties.keySize", 2048) == 2048
    yield Use("key-vault.hsm-key.RSA-2048" if plain else "key-vault.hsm-key", 1)


def cores_of(size: str) -> float:
    """Virtual CPUs of a size by its name: 4 for `Standard_D4ds_v5`; 0 where the name has none."""
    found = re.search(r"_[A-Z]+(\d+)", size)
    return float(found[1]) if found else 0.0


def _machines(size: str, count: float) -> Iterator[Use]:
    series = size.partition("_")[2][:1]
    yield Use(f"vm.vcpu.{series}", cores_of(size) * count * HOURS)


def _pool(pool: Mapping[str, Json]) -> Iterator[Use]:
    count, disk = pool.get("count"), pool.get("osDiskSizeGB")
    nodes = float(count) if isinstance(count, (int, float)) else 1.0
    yield from _machines(str(pool.get("vmSize", "")), nodes)
    if isinstance(disk, (int, float)) and disk and pool.get("osDiskType") != "Ephemeral":
        yield Use("disk.premium", float(disk) * nodes)


def _cluster(node: Node, usage: Usage) -> Iterator[Use]:
    yield Use(f"aks.{_text(node, 'sku.tier', 'Free')}", HOURS)
    for pool in _objects(node, "agentPoolProfiles"):
        yield from _pool(pool)


def _postgres(node: Node, usage: Usage) -> Iterator[Use]:
    tier = _text(node, "sku.tier", "GeneralPurpose")
    copies = 2 if _text(node, "highAvailability.mode", "Disabled") in ("ZoneRedundant", "SameZone") else 1
    size = _number(node, "storage.storageSizeGB", 32)
    yield Use(f"postgres.vcore.{tier}", cores_of(_text(node, "sku.name", "")) * copies * HOURS)
    yield Use("postgres.storage", size * copies)
    # Backups as large as the storage are in the price of one copy.
    extra = size * max(0.0, _number(node, "backup.backupRetentionDays", 7) / 7 - 1) * 0.2
    if extra:
        yield Use("postgres.backup", extra, assumed=True)


def _endpoint(node: Node, usage: Usage) -> Iterator[Use]:
    kind = "external" if "external" in _text(node, "endpointType", "").lower() else "azure"
    yield Use(f"traffic-manager.check.{kind}", 1)


def _traffic(node: Node, usage: Usage) -> Iterator[Use]:
    yield Use("traffic-manager.queries", usage["dns_queries"], assumed=True)


def _prometheus(node: Node, usage: Usage) -> Iterator[Use]:
    yield Use("prometheus.samples", usage["samples_a_month"] / 10, assumed=True)
    yield Use("prometheus.queries", usage["samples_queried"] / 10, assumed=True)


def _grafana(node: Node, usage: Usage) -> Iterator[Use]:
    yield Use(f"grafana.{_text(node, 'sku.name', 'Standard')}", HOURS)
    yield Use("grafana.user", usage["grafana_users"], assumed=True)


def _registry(node: Node, usage: Usage) -> Iterator[Use]:
    yield Use(f"registry.{_text(node, 'sku.name', 'Premium')}", DAYS)


def _azure_local(node: Node, usage: Usage) -> Iterator[Use]:
    """Billed by physical core; no input has their number, so that it is assumed for each machine of the cluster."""
    yield Use("azure-local.core", usage["azure_local_cores"], assumed=True)


def _machine(node: Node, usage: Usage) -> Iterator[Use]:
    """A machine of a hub costs nothing itself; kept ready in Azure by Site Recovery it does."""
    yield Use("site-recovery.to-azure", usage["replicated_share"], assumed=True)


def _machine_disk(node: Node, usage: Usage) -> Iterator[Use]:
    """The copy of a disk in the region that protects its machine; the disk in the hub is the cluster's own."""
    size = _number(node, "diskSizeGB", 0)
    yield Use("disk.standard-ssd", size * usage["replicated_share"], assumed=True)


def _replicated(node: Node, usage: Usage) -> Iterator[Use]:
    yield Use("site-recovery.to-azure", 1)


def _backed_up(node: Node, usage: Usage) -> Iterator[Use]:
    yield Use("backup.instance", 1)
    yield Use("backup.storage.ZRS", usage["backup_gb"], assumed=True)


def _log_alert(node: Node, usage: Usage) -> Iterator[Use]:
    often = {"PT1M": "1-minute", "PT5M": "5-minutes", "PT10M": "10-minutes"}
    yield Use(f"log-alert.{often.get(_text(node, 'evaluationFrequency', 'PT5M'), '15-minutes')}", 1)


def _metric_alert(node: Node, usage: Usage) -> Iterator[Use]:
    yield Use("metric-alert.series", max(1, len(_objects(node, "criteria.allOf"))))


def _fixed(meter: str, quantity: float) -> Rate:
    return lambda node, usage: (Use(meter, quantity),)


def _assumed(meter: str, key: str) -> Rate:
    return lambda node, usage: (Use(meter, usage[key], assumed=True),)


RATES: Mapping[str, Rate] = {
    "azurestackhci:Cluster": _azure_local,
    "azurestackhci:VirtualHardDisk": _machine_disk,
    "azurestackhci:VirtualMachineInstance": _machine,
    "containerregistry:Registry": _registry,
    "containerservice:AgentPool": lambda node, usage: _pool(node.inputs),
    "containerservice:ManagedCluster": _cluster,
    "dashboard:Grafana": _grafana,
    "datareplication:ProtectedItem": _replicated,
    "dbforpostgresql:Server": _postgres,
    "dnsresolver:DnsForwardingRuleset": _fixed("dns.ruleset", 1),
    "dnsresolver:InboundEndpoint": _fixed("dns.resolver-endpoint", 1),
    "dnsresolver:OutboundEndpoint": _fixed("dns.resolver-endpoint", 1),
    "keyvault:Key": _key,
    "keyvault:ManagedHsm": _fixed("key-vault.managed-hsm", HOURS),
    "keyvault:Vault": _vault,
    "monitor:AzureMonitorWorkspace": _prometheus,
    "monitor:MetricAlert": _metric_alert,
    "monitor:ScheduledQueryRule": _log_alert,
    "network:AzureFirewall": _firewall,
    "network:BastionHost": _fixed("bastion.hour", HOURS),
    "network:ExpressRouteCircuit": _er_circuit,
    "network:ExpressRouteConnection": _fixed("vwan.er.connection", HOURS),
    "network:ExpressRouteGateway": _er_gateway,
    "network:FlowLog": _assumed("flow-log.data", "flow_log_gb"),
    "network:PrivateEndpoint": _private_endpoint,
    "network:VirtualHub": _hub,
    "network:VpnConnection": _vpn_connection,
    "network:VpnGateway": _vpn_gateway,
    "operationalinsights:Workspace": _log_workspace,
    "privatedns:PrivateZone": _fixed("dns.zone", 1),
    "recoveryservices:ProtectedItem": _backed_up,
    "recoveryservices:ReplicationProtectedItem": _replicated,
    "storage:StorageAccount": _storage,
    "trafficmanager:Endpoint": _endpoint,
    "trafficmanager:Profile": _traffic,
}
