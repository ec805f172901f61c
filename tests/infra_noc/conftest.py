"""What the tests of a NOC's hosting share: a recorded stack, and manifests filled in with made-up values."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

import inventory
from infra import programme
from infra.core import outputs
from infra.core.stacks import Kind, parse
from infra.graph import Graph
from infra.graph.record import record
from infra.noc import manifests

GUID = "11111111-2222-3333-4444-555555555555"
OUTPUTS = {
    "identity_client_id": "aaaaaaaa-2222-3333-4444-555555555555",
    "dashboards_client_id": "bbbbbbbb-2222-3333-4444-555555555555",
    "vault_name": "kv-wo-noc-valencia-prod",
    "registry_server": "crwonocvalenciaprod.azurecr.io",
    "grafana_endpoint": "https://amg-wo-valencia-prod.spaincentral.grafana.azure.com",
}
GIVEN = {"tenant": GUID, "image_tag": "1.0.0", "console_host": "noc.valencia.wan.example"}


@pytest.fixture(scope="session")
def shipped() -> inventory.Inventory:
    return inventory.load(inventory.packaged_tables())


@pytest.fixture(scope="session")
def recorded(shipped: inventory.Inventory) -> Callable[..., Graph]:
    """Record a NOC's stack; each set of settings once."""
    done: dict[tuple[object, ...], Graph] = {}

    def run(hub: str = "valencia", environment: str = "prod", preview: bool = False, **settings: str) -> Graph:
        key = (hub, environment, preview, *sorted(settings.items()))
        if key not in done:
            stack = parse(f"noc-{hub}-{environment}")
            config = {"layer": stack.layer, "environment": environment} | settings
            context = programme.prepare(config, stack.name, shipped)
            kinds: tuple[Kind, ...] = ("connectivity", "bootstrap")
            references: Mapping[str, Mapping[str, str]] = {
                f"{kind}-{environment}": {
                    **{n: f"/subscriptions/made-up/{n}" for n in outputs.names_of(kind, shipped.hubs)},
                    "version": outputs.VERSION,
                }
                for kind in kinds
            }
            run_layer = programme.programme_of(stack)
            done[key] = record(stack, lambda: run_layer(context), config, references=references, preview=preview)
        return done[key]

    return run


@pytest.fixture(scope="session")
def filled(shipped: inventory.Inventory) -> dict[str, str]:
    return manifests.values("valencia", "prod", OUTPUTS, shipped, **GIVEN)


@pytest.fixture(scope="session")
def objects(filled: dict[str, str]) -> list[manifests.Document]:
    return manifests.documents(filled, manifests.Mail("relay.hub.wan.example:587", "noc@wan.example"))
