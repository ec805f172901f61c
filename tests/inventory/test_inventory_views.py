"""What other programs get: targets, interfaces, sessions, the graph."""

from __future__ import annotations

import json
from collections import Counter
from ipaddress import ip_address

import pytest

import inventory
from inventory import Inventory, InventoryError, views
from inventory.graph import as_dot, as_json, as_text, dependency_graph
from inventory.models import Address
from inventory.ports import circuits_on, port_names
from inventory.views import Service


def test_an_snmp_target_has_the_labels_that_the_exporter_and_the_alerts_use(shipped: Inventory) -> None:
    group = next(g for g in views.snmp_targets(shipped) if g["labels"]["device"] == "ke-nairobi-r1")
    address = shipped.devices["ke-nairobi-r1"].address
    assert group == {
        "targets": [f"{address}:161"],
        "labels": {
            "__param_module": "system,if_wan,bgp4",
            "__param_auth": "public_v2",
            "device": "ke-nairobi-r1",
            "site": "ke-nairobi",
            "region": "africa-east",
            "tier": "1",
            "role": "router",
        },
    }


def test_the_intervals_divide_the_devices(shipped: Inventory) -> None:
    fast, slow = views.snmp_targets(shipped, interval_s=60), views.snmp_targets(shipped, interval_s=240)
    assert len(fast) + len(slow) == len(shipped.devices)
    assert {g["labels"]["role"] for g in slow} == {"switch"}
    assert views.snmp_targets(shipped, interval_s=61) == []


def test_a_session_is_probed_at_the_sites_end_of_its_tunnel(shipped: Inventory) -> None:
    session = shipped.sessions["cd-goma.a@brindisi"]
    group = next(
        g
        for g in views.probe_targets(shipped)
        if g["labels"].get("circuit") == "cd-goma.a" and g["labels"].get("hub") == "brindisi"
    )
    assert group["targets"] == [str(session.site_address)]
    assert session.site_address == session.circuit.tunnels["brindisi"][1]
    assert group["labels"] == {
        "probe": "session",
        "module": "icmp",
        "site": "cd-goma",
        "circuit": "cd-goma.a",
        "hub": "brindisi",
        "peer": str(session.hub_address),
        "region": "africa-central",
        "tier": "3",
        "carrier": session.circuit.carrier,
        "kind": session.circuit.kind,
        "rtt_ms": f"{session.rtt_ms:g}",
        "loss_ratio": "0.005",
    }


def test_the_twin_s_map_decides_where_an_address_is_reached_and_with_which_module(shipped: Inventory) -> None:
    asked: list[tuple[Address, Service]] = []

    def locate(address: Address, service: Service) -> str:
        asked.append((address, service))
        return "127.2.0.1:16007"

    groups = views.probe_targets(shipped, locate)
    assert {g["labels"]["module"] for g in groups} == {"udp"}
    assert {g["targets"][0] for g in groups} == {"127.2.0.1:16007"}
    assert Counter(s for _, s in asked) == {"echo": len(groups)}
    assert {s for _, s in asked} == {"echo"}


def test_an_ipv6_address_is_pinged_as_it_is_and_bracketed_for_snmp() -> None:
    address = ip_address("2001:db8::1")
    assert views.direct(address, "echo") == "2001:db8::1"
    assert views.direct(address, "snmp") == "[2001:db8::1]:161"
    assert views._module(views.direct(address, "echo")) == "icmp"


def test_a_devices_delay_is_that_of_its_sites_home_session(shipped: Inventory) -> None:
    group = next(g for g in views.probe_targets(shipped) if g["labels"].get("device") == "cd-goma-ups")
    assert group["labels"]["probe"] == "device"
    assert float(group["labels"]["rtt_ms"]) == inventory.home_session(shipped, "cd-goma").rtt_ms


def test_the_home_session_is_the_primary_circuit_to_the_preferred_hub(shipped: Inventory) -> None:
    assert inventory.home_session(shipped, "ke-nairobi").id == "ke-nairobi.a@brindisi"
    assert [s.id for s in inventory.sessions_of(shipped, "ke-nairobi")] == [
        "ke-nairobi.a@brindisi",
        "ke-nairobi.a@valencia",
        "ke-nairobi.b@brindisi",
        "ke-nairobi.b@valencia",
    ]
    with pytest.raises(InventoryError, match="there is no site 'nowhere'"):
        inventory.home_session(shipped, "nowhere")


def test_every_circuit_ends_on_exactly_one_router_port(shipped: Inventory) -> None:
    ends = Counter(
        interface.circuit
        for device in shipped.devices.values()
        if device.role == "router"
        for interface in inventory.interfaces(shipped, device)
        if interface.circuit and not interface.hub
    )
    assert set(ends) == set(shipped.circuits)
    assert set(ends.values()) == {1}


def test_a_router_has_a_tunnel_per_session_and_counts_its_interfaces_without_gaps(shipped: Inventory) -> None:
    seen = set()
    for device in shipped.devices.values():
        found = inventory.interfaces(shipped, device)
        assert [i.index for i in found] == list(range(1, len(found) + 1))
        assert len({i.name for i in found}) == len(found)
        seen |= {f"{i.circuit}@{i.hub}" for i in found if i.hub}
        if device.role == "router":
            tunnels = [(i.circuit, i.hub) for i in found if i.hub]
            assert tunnels == [(s.circuit.id, s.hub) for s in inventory.sessions_on(shipped, device)]
            assert 4 <= len(found) <= 48
    assert seen == set(shipped.sessions)


def test_a_second_router_carries_the_second_circuit(shipped: Inventory) -> None:
    first, second = inventory.routers_of(shipped, "ke-nairobi")
    assert [c.id for c in circuits_on(shipped, first)] == ["ke-nairobi.a"]
    assert [c.id for c in circuits_on(shipped, second)] == ["ke-nairobi.b"]


@pytest.mark.parametrize(
    ("platform", "expected"),
    [
        ("cisco_xe", ("GigabitEthernet0/0/0", "GigabitEthernet0/0/1")),
        ("juniper_junos", ("ge-0/0/0", "ge-0/0/1")),
        ("mikrotik_routeros", ("ether1", "ether2")),
        ("a platform of tomorrow", ("eth0", "eth1")),
    ],
)
def test_ports_are_named_as_the_platform_names_them(platform: str, expected: tuple[str, ...]) -> None:
    assert port_names(platform, 2) == expected


def test_the_ansible_inventory_has_each_device_once_and_groups_that_ansible_accepts(shipped: Inventory) -> None:
    found = json.loads(json.dumps(views.ansible_inventory(shipped)))
    assert set(found["_meta"]["hostvars"]) == set(shipped.devices)
    assert found["_meta"]["hostvars"]["ke-nairobi-r1"]["ansible_network_os"] == "cisco_xe"
    assert "ke-nairobi-r1" in found["role_router"]["hosts"]
    assert found["all"]["children"] == sorted(set(found) - {"_meta", "all"})
    assert all(name.replace("_", "").isalnum() for name in found["all"]["children"])


def test_the_graph_says_what_a_site_needs(shipped: Inventory) -> None:
    graph = dependency_graph(shipped, ["cd-goma"])
    alternatives = [e.target for e in graph.needs["site:cd-goma"]]
    assert set(alternatives) == {f"session:{s.id}" for s in inventory.sessions_of(shipped, "cd-goma")}
    assert {e.any_of for e in graph.needs["site:cd-goma"]} == {"session"}
    carrier = shipped.circuits["cd-goma.a"].carrier
    needs = {e.target for e in graph.needs["session:cd-goma.a@brindisi"]}
    assert needs == {"circuit:cd-goma.a", "hub:brindisi"}
    assert [e.target for e in graph.needs["circuit:cd-goma.a"]] == [f"carrier:{carrier}"]
    assert [e.target for e in graph.needs[f"carrier:{carrier}"]] == [f"teleport:{carrier}"]


def test_the_whole_graph_has_every_thing_once_and_no_loose_edge(shipped: Inventory) -> None:
    graph = dependency_graph(shipped)
    count = Counter(n.type for n in graph.nodes)
    assert count["site"] == len(shipped.sites)
    assert count["session"] == len(shipped.sessions)
    assert count["device"] == len(shipped.devices)
    assert count["application"] == len(shipped.applications)
    names = {n.id for n in graph.nodes}
    assert len(names) == len(graph.nodes)
    assert all(e.source in names and e.target in names for e in graph.edges)


def test_the_graph_is_printed_as_text_dot_and_json(shipped: Inventory) -> None:
    graph = dependency_graph(shipped, ["cd-goma"])
    text = as_text(graph)
    assert text.startswith("device:cd-goma-r1  router ")
    assert "\n    | session:cd-goma.a@valencia  geo to Valencia\n      - circuit:cd-goma.a  " in text
    dot = as_dot(graph)
    assert '  "site:cd-goma" -> "session:cd-goma.a@brindisi" [style=dashed];' in dot
    assert dot.count("{") == dot.count("}") == 1
    assert {e["source"] for e in as_json(graph)["edges"]} <= {n["id"] for n in as_json(graph)["nodes"]}
