"""What the real engine does with changes: nothing twice, only what is gone, what drifted, what must be replaced."""

from __future__ import annotations

from pathlib import Path

import pulumi
import pytest
from pulumi.automation import CommandError
from pulumi_azure_native import keyvault, network, resources
from rehearsal_support import GROUP, KEY, NETWORK, changes_of, opened, wan

from infra.engine.workspace import Rehearsal
from infra.rehearsal.world import World

pytestmark = pytest.mark.usefixtures("engine")
ALL = {"wan-noc-connectivity-dev", "rg-wan", "vwan", "hub", "gateway"} | {
    f"{kind}-{site}" for kind in ("vst", "vcn") for site in ("geneva", "vienna")
}


def test_up_makes_what_the_preview_said_and_a_second_up_nothing(tmp_path: Path) -> None:
    world = World()
    with opened(tmp_path, wan(), world) as stack:
        assert changes_of(stack.preview) == {"create": ALL}
        assert len(world) == 0
        assert changes_of(stack.up) == {"create": ALL}
        made = {r.id for r in world}
        assert f"{NETWORK}/vpnGateways/vpng/vpnConnections/vcn-geneva" in made
        assert len(made) == 8
        assert changes_of(stack.up) == {}


def test_outputs_are_unknown_in_a_preview_of_something_new(tmp_path: Path) -> None:
    told: list[tuple[bool, str]] = []

    def programme() -> None:
        group = resources.ResourceGroup("rg-wan", resource_group_name="rg-wan", location="spaincentral")
        group.id.apply(lambda known: told.append((pulumi.runtime.is_dry_run(), known)))

    with opened(tmp_path, programme, World()) as stack:
        stack.preview()
        stack.up()
    assert told == [(False, GROUP)]


def test_a_site_that_is_added_and_removed_touches_only_its_own_resources(standing: World, tmp_path: Path) -> None:
    before = {r.id for r in standing}
    # Nairobi comes between the two in the lane: that Vienna's connection now waits for another one is no change.
    with opened(tmp_path, wan(("geneva", "nairobi", "vienna")), standing) as stack:
        assert changes_of(stack.up) == {"create": {"vst-nairobi", "vcn-nairobi"}}
    added = {f"{NETWORK}/vpnSites/vst-nairobi", f"{NETWORK}/vpnGateways/vpng/vpnConnections/vcn-nairobi"}
    assert {r.id for r in standing} - before == added
    with opened(tmp_path, wan(), standing) as stack:
        assert changes_of(stack.up) == {"delete": {"vst-nairobi", "vcn-nairobi"}}
    assert {r.id for r in standing} == before


def test_drift_is_seen_by_a_refresh_and_put_right_by_the_next_up(standing: World, tmp_path: Path) -> None:
    site = f"{NETWORK}/vpnSites/vst-geneva"
    with opened(tmp_path, wan(), standing) as stack:
        standing.drift(site, tags={"changed": "by hand"})
        assert changes_of(stack.preview) == {}
        stack.refresh()
        assert changes_of(stack.up) == {"update": {"vst-geneva"}}
        found = standing.get(site)
        assert found is not None
        assert "tags" not in found.inputs


def test_what_was_deleted_behind_our_back_is_made_again(standing: World, tmp_path: Path) -> None:
    connection = f"{NETWORK}/vpnGateways/vpng/vpnConnections/vcn-vienna"
    with opened(tmp_path, wan(), standing) as stack:
        standing.lose(connection)
        stack.refresh()
        assert changes_of(stack.up) == {"create": {"vcn-vienna"}}
        assert standing.get(connection) is not None


def test_a_new_name_replaces_the_resource_and_a_new_tag_does_not(tmp_path: Path) -> None:
    world = World()

    def vault(name: str, **tags: str) -> None:
        group = resources.ResourceGroup("rg-wan", resource_group_name="rg-wan", location="spaincentral")
        sku = keyvault.SkuArgs(family="A", name="standard")
        properties = keyvault.VaultPropertiesArgs(sku=sku, tenant_id="00000000-0000-0000-0000-000000000000")
        keyvault.Vault("kv", resource_group_name=group.name, vault_name=name, properties=properties, tags=tags)

    with opened(tmp_path, lambda: vault("kv-one"), world) as stack:
        stack.up()
    with opened(tmp_path, lambda: vault("kv-one", owner="us"), world) as stack:
        assert changes_of(stack.up) == {"update": {"kv"}}
    with opened(tmp_path, lambda: vault("kv-two", owner="us"), world) as stack:
        assert "kv" in changes_of(stack.up)["replace"]
    assert [r.id.rpartition("/")[2] for r in world.find("vaults/")] == ["kv-two"]


def test_a_hub_in_use_cannot_be_moved_and_the_rehearsal_shows_it_first(standing: World, tmp_path: Path) -> None:
    """azure-native deletes before it replaces; Azure does not delete a hub that has a gateway."""
    with opened(tmp_path, wan(hub_location="italynorth"), standing) as stack:
        found = changes_of(stack.preview)
        assert (found["replace"], found["update"]) == ({"hub"}, {"gateway"})
        with pytest.raises(CommandError, match="InUseCannotBeDeleted"):
            stack.up()
    assert standing.find("virtualHubs/")[0].inputs["location"] == "spaincentral"


def test_secrets_are_encrypted_in_the_state_and_stay_so_after_a_refresh(standing: World, tmp_path: Path) -> None:
    with opened(tmp_path, wan(), standing) as stack:
        state = Rehearsal(tmp_path / "rehearsal").checkpoint(stack.name)
        assert "ciphertext" in state.read_text()
        assert KEY not in state.read_text()
        stack.refresh()
        assert KEY not in state.read_text()
        outputs = stack.outputs()
        assert (outputs["key"].value, outputs["key"].secret) == (KEY, True)
        assert outputs["hub_id"].value == f"{NETWORK}/virtualHubs/vhub-valencia"


def test_a_preview_tells_of_a_change_in_place_and_makes_none(standing: World, tmp_path: Path) -> None:
    with opened(tmp_path, wan(prefix="10.252.0.0/23"), standing) as stack:
        assert changes_of(stack.preview) == {"update": {"hub"}}
    assert standing.find("virtualHubs/")[0].inputs["addressPrefix"] == "10.248.0.0/23"


def test_the_sites_need_the_wan_that_they_refer_to(tmp_path: Path) -> None:
    world = World()

    def programme() -> None:
        group = resources.ResourceGroup("rg-wan", resource_group_name="rg-wan", location="spaincentral")
        nowhere = network.SubResourceArgs(id=f"{NETWORK}/virtualWans/nowhere")
        network.VpnSite("vst", resource_group_name=group.name, vpn_site_name="vst", virtual_wan=nowhere)

    with (
        opened(tmp_path, programme, world) as stack,
        pytest.raises(CommandError, match="InvalidResourceReference"),
    ):
        stack.up()
