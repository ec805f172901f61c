"""Small programmes and stacks for the tests of the rehearsal: a hub with a gateway and a few sites."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pulumi
from pulumi import automation
from pulumi_azure_native import network, resources

from infra.core.arm import NO_SUBSCRIPTION
from infra.engine.workspace import open_stack
from infra.rehearsal.world import World

STACK = "connectivity-dev"
LOCATION = "spaincentral"
PROJECT = """\
name: wan-noc
runtime:
  name: python
main: infra/
stackConfigDir: infra/stacks
"""
GROUP = f"/subscriptions/{NO_SUBSCRIPTION}/resourceGroups/rg-wan"
NETWORK = f"{GROUP}/providers/Microsoft.Network"
KEY = "a-made-up-key-that-nobody-may-read"


def wan(
    sites: Sequence[str] = ("geneva", "vienna"),
    *,
    lanes: bool = True,
    hub_location: str = LOCATION,
    prefix: str = "10.248.0.0/23",
    protect: bool = False,
) -> Callable[[], None]:
    """A resource group, a WAN, a hub, a gateway, and for each site a VPN site and a connection."""

    def programme() -> None:
        guard = pulumi.ResourceOptions(protect=protect)
        group = resources.ResourceGroup("rg-wan", resource_group_name="rg-wan", location=LOCATION, opts=guard)
        the_wan = network.VirtualWan("vwan", resource_group_name=group.name, virtual_wan_name="vwan", location=LOCATION)
        the_hub = network.VirtualHub(
            "hub",
            resource_group_name=group.name,
            virtual_hub_name="vhub-valencia",
            location=hub_location,
            address_prefix=prefix,
            virtual_wan=network.SubResourceArgs(id=the_wan.id),
        )
        gateway = network.VpnGateway(
            "gateway",
            resource_group_name=group.name,
            gateway_name="vpng",
            location=LOCATION,
            virtual_hub=network.SubResourceArgs(id=the_hub.id),
        )
        before: list[pulumi.Resource] = []
        for name in sites:
            site = network.VpnSite(
                f"vst-{name}",
                resource_group_name=group.name,
                vpn_site_name=f"vst-{name}",
                location=LOCATION,
                virtual_wan=network.SubResourceArgs(id=the_wan.id),
            )
            connection = network.VpnConnection(
                f"vcn-{name}",
                network.VpnConnectionInitArgs(
                    resource_group_name=group.name,
                    gateway_name=gateway.name,
                    connection_name=f"vcn-{name}",
                    remote_vpn_site=network.SubResourceArgs(id=site.id),
                    shared_key=pulumi.Output.secret(KEY),
                ),
                pulumi.ResourceOptions(depends_on=before if lanes else None),
            )
            before = [connection]
        pulumi.export("hub_id", the_hub.id)
        pulumi.export("key", pulumi.Output.secret(KEY))

    return programme


@contextmanager
def opened(
    folder: Path,
    programme: Callable[[], None],
    world: World,
    *,
    stack: str = STACK,
    config: Mapping[str, Any] | None = None,
    block: str = "",
    checkpoints: bool = False,
) -> Iterator[automation.Stack]:
    """A stack in `folder` with a Pulumi.yaml of its own; `block` is that file's config block."""
    files = folder / "files"
    files.mkdir(exist_ok=True)
    (files / "Pulumi.yaml").write_text(PROJECT + block)
    with open_stack(
        stack,
        rehearsal=world,
        state_dir=folder / "rehearsal",
        programme=programme,
        config=config,
        project=files / "Pulumi.yaml",
        stack_files=files,
        checkpoints=checkpoints,
    ) as found:
        yield found


def changes_of(do: Callable[..., Any]) -> dict[str, set[str]]:
    """Run a verb; the names of the resources by operation, without what stayed the same."""
    found: dict[str, set[str]] = {}

    def hear(event: automation.EngineEvent) -> None:
        if event.resource_pre_event is not None:
            data = event.resource_pre_event.metadata
            operation = str(getattr(data.op, "value", data.op))
            ours = "::pulumi:providers:" not in data.urn
            if ours and operation not in ("same", "read", "refresh"):
                found.setdefault(operation, set()).add(data.urn.rpartition("::")[2])

    do(on_event=hear)
    return found
