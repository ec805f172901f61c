"""What the continuity stack registers: a failover touches one application, copies go to the other side."""

from __future__ import annotations

from functools import cache
from itertools import pairwise

import pytest
from continuity_support import HUBS, ROOT, few, of_connectivity, record_continuity, shipped

from infra.core.arm import table
from infra.core.stacks import parse
from infra.graph import invariants
from infra.graph.impact import differences
from infra.graph.model import UNKNOWN, Graph, Node
from infra.graph.world import record_stack
from infra.policy.gate import evaluate

ASR = "azure-native:recoveryservices:"
ENDPOINT = "azure-native:trafficmanager:Endpoint"
REGION = {"valencia": "spaincentral", "brindisi": "italynorth"}


@cache
def graph() -> Graph:
    return record_continuity()


def under(found: Graph, node: Node, component: str) -> str:
    return next((a.name for a in found.ancestors(node) if a.type == f"wan-noc:continuity:{component}"), "")


def vault_of(node: Node) -> str:
    return str(node.inputs["resourceName"])


def changed(old: Graph, new: Graph) -> set[str]:
    assert set(old.nodes) == set(new.nodes)
    return {urn for urn in old.nodes if old.nodes[urn].inputs != new.nodes[urn].inputs}


def test_preview_registers_the_same_resources_as_an_update() -> None:
    preview = record_continuity(preview=True)
    assert set(preview.nodes) == set(graph().nodes)
    assert preview.outputs["postgres_writer"] == UNKNOWN
    assert preview.outputs["active_hubs"] == graph().outputs["active_hubs"]


@pytest.mark.parametrize("application", ["erp", "dns"])
def test_a_failover_of_one_application_changes_only_that_applications_two_priorities(application: str) -> None:
    home = few().applications[application].home_hub
    to = next(h for h in HUBS if h != home)
    after = record_continuity({application: to})
    touched = changed(graph(), after)
    assert {under(after, after.nodes[urn], "ServiceName") for urn in touched} == {application}
    assert {after.nodes[urn].type for urn in touched} == {ENDPOINT}
    assert len(touched) == 2
    for urn in touched:
        before, now = dict(graph().nodes[urn].inputs), dict(after.nodes[urn].inputs)
        assert before.pop("priority") != now.pop("priority")
        assert before == now
    assert f"{application}={to}" in str(after.outputs["active_hubs"]).split(",")


def test_the_plan_of_a_failover_names_two_updates_and_no_replacement() -> None:
    changes = differences({"continuity-prod": graph()}, {"continuity-prod": record_continuity({"erp": "brindisi"})})
    assert [(c.kind, list(c.paths)) for c in changes] == [("update", ["priority"])] * 2


def test_a_lost_hub_moves_its_applications_only_and_naming_a_home_hub_is_no_change() -> None:
    lost = {a.id: "brindisi" for a in few().applications.values() if a.home_hub == "valencia"} | {"dns": "brindisi"}
    after = record_continuity(lost)
    assert {under(after, after.nodes[u], "ServiceName") for u in changed(graph(), after)} == set(lost) - {"dns"}


def test_in_every_profile_the_active_hub_has_the_lowest_priority_and_no_two_are_equal() -> None:
    active = dict(pair.split("=") for pair in str(graph().outputs["active_hubs"]).split(","))
    assert set(active) == set(few().applications)
    for application, hub in active.items():
        nested = {
            n.name.removeprefix(f"{application}-"): n.inputs["priority"]
            for n in graph().of_type(ENDPOINT)
            if under(graph(), n, "ServiceName") == application and n.inputs["endpointType"] == "NestedEndpoints"
        }
        assert set(nested) == set(HUBS)
        assert len(set(nested.values())) == len(HUBS)
        assert min(nested, key=lambda h: nested[h]) == hub  # type: ignore[arg-type,return-value]


def test_names_lead_into_the_wan_and_are_never_probed_from_outside() -> None:
    targets = {n.inputs["target"] for n in graph().of_type(ENDPOINT) if n.inputs["endpointType"] == "ExternalEndpoints"}
    assert "erp.valencia.wan.example" in targets
    assert len(targets) == len(few().applications) * len(HUBS)
    assert {n.inputs["alwaysServe"] for n in graph().of_type(ENDPOINT)} == {"Enabled"}


def test_each_regions_vault_protects_the_other_hub() -> None:
    for here, there in zip(HUBS, reversed(HUBS), strict=True):
        vault = f"rsv-{here}-prod"
        (site,) = [
            n
            for n in graph().of_type(f"{ASR}ReplicationFabric")
            if vault_of(n) == vault and "customDetails" not in n.inputs["properties"]  # type: ignore[operator]
        ]
        assert site.inputs["fabricName"] == f"site-{there}-prod"
        (mapping,) = [n for n in graph().of_type(f"{ASR}ReplicationNetworkMapping") if vault_of(n) == vault]
        details = mapping.inputs["properties"]
        assert f"vnet-recovery-{here}-prod" in details["recoveryNetworkId"]  # type: ignore[index,operator,call-overload]
        assert f"vnet-recovery-{there}-prod" in details["fabricSpecificDetails"]["primaryNetworkId"]  # type: ignore[index,operator,call-overload]
        plans = [
            n.inputs["recoveryPlanName"]
            for n in graph().of_type(f"{ASR}ReplicationRecoveryPlan")
            if vault_of(n) == vault
        ]
        assert plans
        assert all(str(p).startswith(f"rp-{there}-tier") for p in plans)


def test_changes_to_a_vaults_replication_wait_for_each_other() -> None:
    for hub in HUBS:
        chain = [
            n
            for n in graph()
            if under(graph(), n, "RecoveryVault") == hub
            and (n.type.startswith(f"{ASR}Replication") or n.type == "azure-native:resources:Resource")
        ]
        assert len(chain) > 15
        for before, after in pairwise(chain_order(chain)):
            assert before.urn in after.dependencies


def chain_order(nodes: list[Node]) -> list[Node]:
    """Nodes in the order in which their explicit dependencies make them wait."""
    depth: dict[str, int] = {}
    by_urn = {n.urn: n for n in nodes}

    def rank(node: Node) -> int:
        if node.urn not in depth:
            depth[node.urn] = 1 + max((rank(by_urn[u]) for u in node.dependencies if u in by_urn), default=0)
        return depth[node.urn]

    return sorted(nodes, key=rank)


def test_recovery_plans_start_groups_in_order_once_machines_are_known() -> None:
    machines = {"identity-sso-1": "item-a", "erp-app-1": "item-b", "erp-app-2": "item-c"}
    found = record_continuity(
        config={
            "siteContainers": '{"valencia": "cloud_1"}',
            "replicatedMachines": str(machines).replace("'", '"'),
        }
    )
    (plan,) = [n for n in found.of_type(f"{ASR}ReplicationRecoveryPlan") if n.name == "rp-valencia-tier1-prod"]
    groups = plan.inputs["properties"]["groups"]  # type: ignore[index,call-overload]
    assert [g["groupType"] for g in groups] == ["Shutdown", "Failover", "Boot", "Boot"]  # type: ignore[index,union-attr,call-overload]
    items = [[i["id"].rpartition("/")[2] for i in g.get("replicationProtectedItems", [])] for g in groups]  # type: ignore[index,union-attr,call-overload]
    assert items == [[], [], ["item-a"], ["item-b", "item-c"]]
    mapped = [n for n in found.of_type(f"{ASR}ReplicationProtectionContainerMapping") if "map-site" in n.name]
    assert {n.inputs["protectionContainerName"] for n in mapped} == {"cloud_1"}


def test_the_database_is_over_two_zones_without_passwords_and_its_replica_in_the_other_region() -> None:
    servers = {str(n.inputs["location"]): n.inputs for n in graph().of_type("azure-native:dbforpostgresql:Server")}
    writer, replica = servers["spaincentral"], servers["italynorth"]
    assert writer["highAvailability"]["mode"] == "ZoneRedundant"  # type: ignore[index,call-overload]
    assert (writer["createMode"], replica["createMode"]) == ("Create", "Replica")
    for server in (writer, replica):
        assert server["authConfig"]["passwordAuth"] == "Disabled"  # type: ignore[index,call-overload]
        assert "administratorLoginPassword" not in server
        assert server["network"] == {"publicNetworkAccess": "Disabled"}
    assert str(graph().outputs["postgres_writer"]).startswith("psql-wo-dr-prod.writer.")


def test_after_a_promotion_naming_the_new_writer_makes_nothing_anew() -> None:
    after = record_continuity(config={"databaseHub": "brindisi"})
    assert set(after.nodes) == set(graph().nodes)
    for urn in changed(graph(), after):
        node, before = after.nodes[urn], graph().nodes[urn]
        differing = {k for k in {*node.inputs, *before.inputs} if node.inputs.get(k) != before.inputs.get(k)}
        left = differing - set(node.ignore_changes)
        assert left <= {"highAvailability", "maintenanceWindow", "tags"}, (node.name, left)


def test_evidence_is_unchangeable_versioned_locked_and_copied_both_ways() -> None:
    policies = graph().of_type("azure-native:storage:BlobContainerImmutabilityPolicy")
    assert {(n.inputs["accountName"], n.inputs["containerName"]) for n in policies} == {
        (f"stwoevid{hub}prod", name) for hub in HUBS for name in ("evidence", "evidence-copy")
    }
    assert all(n.protect and n.retain_on_delete for n in policies)
    locks = graph().of_type("azure-native:authorization:ManagementLockByScope")
    assert {str(n.inputs["scope"]).rpartition("/")[2] for n in locks} == {f"stwoevid{hub}prod" for hub in HUBS}
    ways = {
        (str(n.inputs["sourceAccount"]).rpartition("/")[2], str(n.inputs["destinationAccount"]).rpartition("/")[2])
        for n in graph().of_type("azure-native:storage:ObjectReplicationPolicy")
    }
    assert ways == {("stwoevidvalenciaprod", "stwoevidbrindisiprod"), ("stwoevidbrindisiprod", "stwoevidvalenciaprod")}
    for account in graph().of_type("azure-native:storage:StorageAccount"):
        assert account.inputs["sku"] == {"name": "Standard_ZRS"}


def test_the_sources_replication_policy_takes_the_ids_that_the_destination_gave() -> None:
    found = {n.name: n for n in graph().of_type("azure-native:storage:ObjectReplicationPolicy")}
    first, second = found["valencia-brindisi-destination"], found["valencia-brindisi-source"]
    assert first.inputs["objectReplicationPolicyId"] == "default"
    assert second.data_edges["objectReplicationPolicyId"] == (first.urn,)
    assert second.inputs["rules"][0]["ruleId"]  # type: ignore[index,call-overload]


def test_a_legal_hold_is_registered_where_one_is_named_and_a_wrong_tag_is_refused() -> None:
    assert graph().of_type("azure-native:storage:BlobContainerLegalHold") == []
    held = record_continuity(config={"legalHolds": '["drevidence"]'}).of_type(
        "azure-native:storage:BlobContainerLegalHold"
    )
    assert {n.inputs["containerName"] for n in held} == {"evidence"}
    with pytest.raises(Exception, match="legalHolds is 'a b': a tag has 3 to 23 letters and digits"):
        record_continuity(config={"legalHolds": '["a b"]'})


def test_machines_failed_over_are_reachable_and_a_rehearsal_is_not() -> None:
    connected = {
        str(n.inputs["remoteVirtualNetwork"]["id"]).rpartition("/")[2]  # type: ignore[index,call-overload]
        for n in graph().of_type("azure-native:network:HubVirtualNetworkConnection")
    }
    assert connected == {f"vnet-{p}-{hub}-prod" for p in ("continuity", "recovery") for hub in HUBS}
    for hub in HUBS:
        first, second = (
            next(n for n in graph() if n.name == f"vhc-{p}-{hub}-prod") for p in ("continuity", "recovery")
        )
        assert first.urn in second.depends_on


def test_every_service_has_its_private_endpoint_in_its_own_region() -> None:
    found = {
        (str(n.inputs["location"]), n.inputs["privateLinkServiceConnections"][0]["groupIds"][0])  # type: ignore[index,call-overload]
        for n in graph().of_type("azure-native:network:PrivateEndpoint")
    }
    groups = ("vault", "postgresqlServer", "blob", "AzureSiteRecovery", "AzureBackup")
    assert found == {(place, group) for place in REGION.values() for group in groups}


@pytest.mark.parametrize("environment", ["dev", "prod"])
def test_the_committed_stacks_pass_every_policy_and_invariant(environment: str) -> None:
    stack = f"continuity-{environment}"
    references = {f"connectivity-{environment}": of_connectivity(shipped())}
    found = record_stack(parse(stack), shipped(), references=references)
    assert (ROOT / f"infra/stacks/Pulumi.{stack}.yaml").is_file()
    assert not found.duplicates
    assert all(n.type in table() for n in found.resources)
    assert [str(v) for v in evaluate([found])] == []
    assert [str(b) for b in invariants.broken([found], shipped())] == []
