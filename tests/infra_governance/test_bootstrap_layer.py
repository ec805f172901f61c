"""The bootstrap layer: state with its copy, keys, pipelines; nothing open, nothing lost by mistake."""

from __future__ import annotations

import pytest
from governance_support import recorded, refused
from hypothesis import given
from hypothesis import strategies as st

from infra.core.outputs import names_of
from infra.core.pipelines import AUDIENCE, MOST, duties
from infra.core.roles import BUILT_IN
from infra.graph.model import Graph, Node
from infra.settings.bootstrap import Settings

ACCOUNT = "azure-native:storage:StorageAccount"
BLOBS = "azure-native:storage:BlobServiceProperties"
VAULT = "azure-native:keyvault:Vault"
KEY = "azure-native:keyvault:Key"
LOCK = "azure-native:authorization:ManagementLockByScope"
COPY = "azure-native:storage:ObjectReplicationPolicy"
CREDENTIAL = "azure-native:managedidentity:FederatedIdentityCredential"
ROLE = "azure-native:authorization:RoleAssignment"


@pytest.fixture(scope="module")
def graph() -> Graph:
    return recorded("bootstrap-prod")


def named(graph: Graph, token: str, name: str) -> Node:
    return next(n for n in graph.of_type(token) if n.name == name)


def test_it_exports_what_is_declared_and_no_output_is_empty(graph: Graph) -> None:
    assert set(graph.outputs) == set(names_of("bootstrap", ("valencia", "brindisi")))
    assert all(graph.outputs.values())


def test_a_preview_in_which_nothing_is_known_yet_registers_the_same(graph: Graph) -> None:
    assert set(recorded("bootstrap-prod", preview=True).nodes) == set(graph.nodes)


def test_nothing_is_registered_twice_and_every_resource_has_a_parent(graph: Graph) -> None:
    assert not graph.duplicates
    assert all(n.parent for n in graph.resources)


def test_each_region_has_an_account_and_a_vault_of_its_own(graph: Graph) -> None:
    assert {n.inputs["location"] for n in graph.of_type(ACCOUNT)} == {"spaincentral", "italynorth"}
    assert sorted(str(n.inputs["location"]) for n in graph.of_type(VAULT)) == ["italynorth", *["spaincentral"] * 2]


def test_accounts_and_vaults_are_closed_and_stay_closed_to_all_but_azure_itself(graph: Graph) -> None:
    for account in graph.of_type(ACCOUNT):
        i = account.inputs
        assert (i["publicNetworkAccess"], i["networkRuleSet"]["defaultAction"]) == ("Disabled", "Deny")
        assert i["networkRuleSet"]["ipRules"] == []
        assert not (i["allowBlobPublicAccess"])
        assert not (i["allowSharedKeyAccess"])
        assert not (i["allowCrossTenantReplication"])
        assert (i["sku"], i["minimumTlsVersion"], i["enableHttpsTrafficOnly"]) == (
            {"name": "Standard_ZRS"},
            "TLS1_2",
            True,
        )
    for vault in graph.of_type(VAULT):
        p = vault.inputs["properties"]
        assert (p["publicNetworkAccess"], p["networkAcls"]["defaultAction"]) == ("Disabled", "Deny")
        assert p["enableRbacAuthorization"]
        assert p["enablePurgeProtection"]
        assert "accessPolicies" not in p


def test_what_would_hurt_to_lose_is_protected_and_locked(graph: Graph) -> None:
    tokens = (ACCOUNT, BLOBS, VAULT, KEY, LOCK, COPY, "azure-native:storage:BlobContainer")
    assert all(n.protect for token in tokens for n in graph.of_type(token))
    scopes = {n.inputs["scope"] for n in graph.of_type(LOCK)}
    groups = {str(n.id).partition("/providers/")[0] for token in (ACCOUNT, VAULT) for n in graph.of_type(token)}
    site_vault = named(graph, VAULT, "kv-wo-site-prod")
    assert scopes == {g for g in groups if "site-keys" not in g} | {site_vault.id}


def test_a_lock_goes_first_because_it_came_last(graph: Graph) -> None:
    lock = named(graph, LOCK, "state-valencia")
    kinds = {graph.nodes[u].type for u in lock.dependencies}
    assert {"azure-native:storage:BlobContainer", KEY} <= kinds


def test_the_account_is_encrypted_with_the_regions_own_key_after_its_identity_may_use_it(graph: Graph) -> None:
    for hub in ("valencia", "brindisi"):
        account = named(graph, ACCOUNT, f"stwostate{hub}prod")
        encryption = account.inputs["encryption"]
        assert encryption["keySource"] == "Microsoft.Keyvault"
        assert encryption["requireInfrastructureEncryption"]
        assert f"kv-wo-iac-{hub}-prod" in encryption["keyVaultProperties"]["keyVaultUri"]
        role = named(graph, ROLE, f"state-encryption-{hub}")
        assert role.urn in account.depends_on
        assert role.inputs["scope"] == named(graph, KEY, f"state-encryption-{hub}").id
        identity = encryption["encryptionIdentity"]["encryptionUserAssignedIdentity"]
        assert account.inputs["identity"]["userAssignedIdentities"] == [identity]


def test_the_secrets_key_is_never_rotated_in_place_but_the_encryption_key_is(graph: Graph) -> None:
    for key in graph.of_type(KEY):
        rotates = "rotationPolicy" in key.inputs["properties"]
        assert rotates == key.name.startswith("state-encryption")


def test_copies_go_from_the_states_hub_to_the_other_and_need_versions_on_both_sides(graph: Graph) -> None:
    destination, source = named(graph, COPY, "state-copy-destination"), named(graph, COPY, "state-copy-source")
    home, away = (named(graph, ACCOUNT, f"stwostate{h}prod").id for h in ("valencia", "brindisi"))
    for policy in (destination, source):
        assert (policy.inputs["sourceAccount"], policy.inputs["destinationAccount"]) == (home, away)
    assert destination.inputs["accountName"] == "stwostatebrindisiprod"
    assert source.inputs["accountName"] == "stwostatevalenciaprod"
    assert destination.urn in source.dependencies
    assert {n.urn for n in graph.of_type(BLOBS)} <= destination.dependencies
    for blobs in graph.of_type(BLOBS):
        assert blobs.inputs["isVersioningEnabled"]
        assert blobs.inputs["changeFeed"] == {"enabled": True}
    assert source.inputs["objectReplicationPolicyId"] != "default"
    assert source.inputs["rules"][0]["ruleId"]


def test_locks_of_running_deployments_are_not_copied(graph: Graph) -> None:
    copied = named(graph, COPY, "state-copy-source").inputs["rules"][0]["filters"]["prefixMatch"]
    assert not any(".pulumi/locks/org/x.json".startswith(p) for p in copied)
    assert any(".pulumi/stacks/wan-noc/sites-prod.json".startswith(p) for p in copied)


def test_the_states_hub_can_be_the_other_one() -> None:
    swapped = recorded("bootstrap-prod", stateHub="brindisi")
    assert swapped.outputs["state_account"] == "stwostatebrindisiprod"
    assert swapped.outputs["copy_account"] == "stwostatevalenciaprod"
    assert named(swapped, VAULT, "kv-wo-site-prod").inputs["location"] == "italynorth"


def test_pipelines_have_no_password_and_their_credentials_are_written_one_after_the_other() -> None:
    graph = recorded("bootstrap-dev")
    credentials = graph.of_type(CREDENTIAL)
    assert all(c.inputs["audiences"] == [AUDIENCE] for c in credentials)
    of_preview = [c for c in credentials if "preview" in c.name]
    assert len(of_preview) == 2
    assert of_preview[0].urn in of_preview[1].dependencies


def test_prod_is_previewed_from_the_main_branch_only_and_changed_from_its_environment_only() -> None:
    prod, dev = (duties("o/r", "main", e) for e in ("prod", "dev"))
    assert set(prod["deploy"].subjects.values()) == {"repo:o/r:environment:prod"}
    assert set(prod["preview"].subjects.values()) == {"repo:o/r:ref:refs/heads/main"}
    assert "repo:o/r:pull_request" in dev["preview"].subjects.values()
    assert all(len(d.subjects) <= MOST for d in (*prod.values(), *dev.values()))


def test_a_pipeline_that_looks_cannot_write_the_state(graph: Graph) -> None:
    roles = {n.name: str(n.inputs["roleDefinitionId"]).rpartition("/")[2] for n in graph.of_type(ROLE)}
    assert roles["preview-state-valencia"] == BUILT_IN["Storage Blob Data Reader"]
    assert roles["deploy-state-valencia"] == BUILT_IN["Storage Blob Data Contributor"]
    assert BUILT_IN["Contributor"] not in roles.values()


def test_the_people_who_deploy_bootstrap_may_use_its_state_and_keys(graph: Graph) -> None:
    """An owner of the subscription has no right to data; the backend and the secrets provider need it."""
    given = [n for n in graph.of_type(ROLE) if n.name.startswith("operators-")]
    assert {n.inputs["principalType"] for n in given} == {"Group"}
    scopes = {str(n.inputs["scope"]) for n in given}
    assert {str(n.id) for n in graph.of_type(ACCOUNT)} < scopes
    assert len(scopes) == 4


def test_no_role_of_this_layer_reaches_beyond_one_resource(graph: Graph) -> None:
    for role in graph.of_type(ROLE):
        assert "/providers/Microsoft." in str(role.inputs["scope"]), role.name


def test_reading_a_key_or_the_state_leaves_a_trace(graph: Graph) -> None:
    watched = {str(n.inputs["resourceUri"]) for n in graph.of_type("azure-native:monitor:DiagnosticSetting")}
    assert {n.id for token in (VAULT, BLOBS) for n in graph.of_type(token)} == watched


def test_the_first_run_can_be_let_in_until_a_day() -> None:
    graph = recorded("bootstrap-prod", bootstrapAddresses='["20.50.1.7", "20.50.2.0/28"]', bootstrapUntil="2026-12-10")
    for account in graph.of_type(ACCOUNT):
        assert account.inputs["publicNetworkAccess"] == "Enabled"
        rules = account.inputs["networkRuleSet"]
        assert rules["defaultAction"] == "Deny"
        assert [x["iPAddressOrRange"] for x in rules["ipRules"]] == ["20.50.1.7", "20.50.2.0/28"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"bootstrapAddresses": '["20.50.1.7"]'}, "bootstrapUntil: must be given with bootstrapAddresses"),
        ({"bootstrapAddresses": '["20.50.1.7"]', "bootstrapUntil": "2026-11-30"}, "is past"),
        ({"bootstrapAddresses": '["20.50.1.7"]', "bootstrapUntil": "2027-01-01"}, "more than 14 days ahead"),
        ({"bootstrapAddresses": '["10.1.2.3"]', "bootstrapUntil": "2026-12-02"}, "must be a public range"),
        ({"bootstrapAddresses": '["20.0.0.0/8"]', "bootstrapUntil": "2026-12-02"}, "at most 256 addresses"),
        ({"bootstrapAddresses": '["20.50.1.8/31"]', "bootstrapUntil": "2026-12-02"}, "no /31"),
        ({"bootstrapAddresses": '["20.50.1.8/32"]', "bootstrapUntil": "2026-12-02"}, "without a length"),
        ({"stateHub": "geneva"}, "is not a hub of the inventory"),
        ({"issuer": "http://x"}, "issuer"),
        ({"statHub": "valencia"}, "did you mean 'stateHub'?"),
        ({"organisation": "toolong"}, "organisation"),
    ],
)
def test_bad_configuration_is_refused_before_anything_is_made(changes: dict[str, str], words: str) -> None:
    assert words in refused("bootstrap-prod", **changes)


@given(st.ip_addresses(v=4))
def test_no_private_address_is_ever_let_in(address: object) -> None:
    text = str(address)
    try:
        Settings(layer="bootstrap", environment="prod", bootstrap_addresses=(text,))
    except ValueError:
        return
    assert not text.startswith(("10.", "127.", "169.254.", "192.168."))
