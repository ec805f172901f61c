"""Configuration of a hub's hosting: the Azure Local cluster, its networks, and the hub's ExpressRoute circuits."""

from __future__ import annotations

from datetime import date
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, StrictBool, StrictInt
from pydantic.alias_generators import to_camel

from infra.core import hosting, hub_network
from infra.core.errors import Problem
from infra.settings.base import Address, Common, Guid
from inventory import Inventory

_STRICT = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True)
ArmId = r"^(/subscriptions/[0-9a-f-]{36}/resourceGroups/[^/]+/providers/.+)?$"


class ClusterNode(BaseModel):
    """One physical machine of the cluster: cores without hyper-threading, memory in GiB."""

    model_config = _STRICT
    name: str = Field(pattern=r"^[a-z][a-z0-9-]{0,14}$")
    cores: StrictInt = Field(ge=4)
    memory_gb: StrictInt = Field(ge=32)


class NodePool(BaseModel):
    """Kubernetes workers on the cluster: how many, and their size in virtual CPUs and GiB for the capacity check."""

    model_config = _STRICT
    count: StrictInt = Field(default=3, ge=1, le=50)
    vm_size: str = Field(default="Standard_A4_v2", pattern=r"^Standard_\w+$")
    cpus: StrictInt = Field(default=4, ge=1)
    memory_gb: StrictInt = Field(default=8, ge=2)


_NODES = tuple(ClusterNode(name=f"node-{n}", cores=64, memory_gb=1024) for n in range(1, 5))
_VLANS = {"management": 10, "tier1": 101, "tier2": 102, "tier3": 103, "aks": 110}


class Settings(Common):
    """A hub: Azure Local, Arc, machines, Kubernetes, ExpressRoute."""

    machine_password: SecretStr = Field(
        min_length=14, description="Secret: first password of the machines' local account"
    )
    peering_key_seed: SecretStr = Field(
        min_length=32, description="Secret from which the MD5 keys of the ExpressRoute peerings are derived"
    )
    machine_account: str = Field(
        "hubadmin", pattern=r"^[a-z][a-z0-9]{2,19}$", description="Local account of the machines"
    )
    metadata_region: Literal["westeurope"] = Field(
        "westeurope", description="Region of Azure Local's control plane: metadata only, by dated exemption"
    )
    nodes: tuple[ClusterNode, ...] = Field(
        _NODES, min_length=1, max_length=hosting.NODES_MOST, description="Physical machines of the cluster"
    )
    usable_gb: StrictInt = Field(80_000, ge=100, description="Volume space after mirroring, GiB")
    cpu_ratio: StrictInt = Field(3, ge=1, le=8, description="Virtual CPUs per core")
    host_memory_gb: StrictInt = Field(64, ge=8, description="Memory that each node keeps for itself, GiB")
    machine_percent: StrictInt = Field(100, ge=1, le=100, description="Size of machines in percent of the inventory's")
    single_machines: StrictBool = Field(False, description="One machine of each kind instead of count (development)")
    adopt: StrictBool = Field(
        False, description="Import cluster, Arc setting and custom location that Azure Local's own deployment left"
    )
    resource_bridge: str = Field(
        "", pattern=ArmId, description="ARM id of the cluster's Arc resource bridge; empty: as the deployment names it"
    )
    vm_switch: str = Field(
        "ConvergedSwitch(managementcompute)", min_length=1, description="Virtual switch of the logical networks"
    )
    vlans: dict[str, StrictInt] = Field(_VLANS, description="VLAN of each logical network: management, tier1..3, aks")
    storage_paths: dict[str, str] = Field(
        {"machines": "C:\\ClusterStorage\\Machines", "images": "C:\\ClusterStorage\\Images"},
        description="Folder of each storage path; 'machines' and 'images' are required",
    )
    linux_image: str = Field(
        "C:\\ClusterStorage\\Images\\ubuntu-24.04.vhdx", min_length=5, description="Disk image for Linux machines"
    )
    windows_sku: str = Field(
        "2022-datacenter-azure-edition", pattern=r"^[a-z0-9-]+$", description="Marketplace SKU for Windows machines"
    )
    windows_version: str = Field("20348.2461.240510", pattern=r"^[\d.]+$", description="Version of that image")
    name_servers: tuple[Address, ...] = Field((), description="Name servers of the hub, asked before Azure's resolver")
    fixed_addresses: dict[str, Address] = Field(
        default_factory=dict, description="Addresses of machines that need a fixed one: <application>-<machine>-<n>"
    )
    local_kubernetes_version: str = Field("1.29.4", pattern=r"^\d+\.\d+\.\d+$", description="Kubernetes on the cluster")
    kubernetes_admins: tuple[Guid, ...] = Field((), description="Entra groups that administer Kubernetes")
    control_plane_nodes: StrictInt = Field(
        3, ge=1, le=5, description="Machines of the Kubernetes control plane: 1, 3 or 5"
    )
    workers: NodePool = Field(NodePool(), description="Kubernetes workers")
    ssh_key: str = Field("", description="Public SSH key for Kubernetes nodes and Linux machines; empty: none")
    cloud_edges: StrictBool = Field(
        True, description="Order the hub's ExpressRoute circuits; false where another environment owns them"
    )
    edge_asn: StrictInt = Field(64_900, ge=1, le=4_294_967_294, description="BGP AS number of the hub's edge routers")
    edge_vlans: dict[str, StrictInt] = Field(
        default_factory=dict, description="VLAN of each ExpressRoute circuit; default 300"
    )
    provider_names: dict[str, str] = Field(
        default_factory=dict, description="What ExpressRoute calls a carrier; default its name in carriers.csv"
    )
    ordered_circuits: tuple[str, ...] = Field(
        (), description="Circuits that the carrier has not provisioned yet: ordered, neither peered nor connected"
    )
    er_tier: Literal["Standard", "Premium"] = Field("Standard", description="Reach of the ExpressRoute circuits")
    er_metering: Literal["MeteredData", "UnlimitedData"] = Field("MeteredData", description="How traffic is charged")

    def problems(self, stack: str, known: Inventory, today: date) -> list[Problem]:
        """Everything about this hub that would be refused later: capacity, names, addresses, circuits, VLANs."""
        hub, name, inventory = self.layer.partition("-")[2], stack, known
        if hub not in inventory.hubs:
            return []  # said by infra.core.limits
        found = hosting.machines(inventory, hub, self.machine_percent, single=self.single_machines)
        wanted = hosting.worst_day(inventory, hub, self.machine_percent, single=self.single_machines)
        problems = [
            *hosting.unfit(name, hosting.by_tier(inventory, wanted), self.usable(), self.platform(), len(self.nodes)),
            *hosting.names_clash(name, inventory, found),
            *hosting.fixed_addresses(name, inventory, hub, self.environment, self.fixed_addresses),
            *(hosting.circuits(name, inventory, hub) if self.cloud_edges else ()),
            *self._keys(name, hub, inventory),
        ]
        if self.control_plane_nodes % 2 == 0:
            value, rule = str(self.control_plane_nodes), "an even number cannot outvote a fault"
            problems.append(Problem(name, "controlPlaneNodes", value, rule, "use 1, 3 or 5"))
        if self.edge_asn in range(65_515, 65_521):
            rule = "65515 to 65520 are Azure's own"
            problems.append(Problem(name, "edgeAsn", str(self.edge_asn), rule, "use a private AS number, e.g. 64900"))
        return problems

    def figures(self, known: Inventory) -> list[tuple[str, int, int, str]]:
        """How full the cluster is on the worst day: one node down, the other hub's tier 1 here."""
        hub = self.layer.partition("-")[2]
        total, there = self.platform(), self.usable()
        wanted = hosting.worst_day(known, hub, self.machine_percent, single=self.single_machines)
        for load in wanted.values():
            total += load
        return [
            (f"cluster, {hub}: virtual CPUs, N-1", total.cpus, there.cpus, "vCPU"),
            (f"cluster, {hub}: memory, N-1", total.memory_gb, there.memory_gb, "GiB"),
            (f"cluster, {hub}: disk", total.disk_gb, there.disk_gb, "GiB"),
        ]

    def usable(self) -> hosting.Load:
        """What the cluster gives to virtual machines with its largest node lost."""
        nodes = [hosting.Node(n.cores, n.memory_gb) for n in self.nodes]
        return hosting.usable(nodes, self.usable_gb, self.cpu_ratio, self.host_memory_gb)

    def platform(self) -> hosting.Load:
        """What Kubernetes takes: control plane (4 virtual CPUs, 8 GiB each) and workers; 120 GiB of disk each."""
        count = self.control_plane_nodes + self.workers.count
        cpus = 4 * self.control_plane_nodes + self.workers.cpus * self.workers.count
        memory = 8 * self.control_plane_nodes + self.workers.memory_gb * self.workers.count
        return hosting.Load(cpus, memory, 120 * count)

    def _keys(self, stack: str, hub: str, inventory: Inventory) -> list[Problem]:
        """Problems of keys that must name something that exists: networks, storage paths, circuits, carriers."""
        circuits = {e.id for e in hub_network.edges_of(inventory, hub)}
        allowed = (
            ("vlans", set(self.vlans), set(hub_network.LOGICAL), True),
            ("edgeVlans", set(self.edge_vlans), circuits, False),
            ("orderedCircuits", set(self.ordered_circuits), circuits, False),
            ("providerNames", set(self.provider_names), set(inventory.carriers), False),
        )
        found = [
            Problem(stack, f"{key}.{one}", "", "there is no such thing", "the names are " + ", ".join(sorted(names)))
            for key, given, names, _ in allowed
            for one in sorted(given - names)
        ]
        found += [
            Problem(stack, f"{key}.{one}", "", "is missing", "give every logical network its VLAN")
            for key, given, names, every in allowed
            for one in sorted(names - given if every else ())
        ]
        found += [
            Problem(stack, f"{key}.{one}", str(vlan), "a VLAN is 1 to 4094", "choose another")
            for key, vlans in (("vlans", self.vlans), ("edgeVlans", self.edge_vlans))
            for one, vlan in vlans.items()
            if not 1 <= vlan <= 4094
        ]
        found += [
            Problem(stack, f"storagePaths.{one}", "", "is missing", "give its folder")
            for one in ("images", "machines")
            if one not in self.storage_paths
        ]
        return found
