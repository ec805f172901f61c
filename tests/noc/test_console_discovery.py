"""Service discovery and the other things the console learns from its neighbours, without any of them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from inventory.models import Inventory
from network_ops.noc.discovery import Discovery
from network_ops.noc.errors import UnreachableError
from network_ops.noc.feeds import children_of, vital_signs
from network_ops.noc.health import Child
from network_ops.noc.prometheus import Sample


def twin_map(tables: Inventory, port: int) -> dict[str, dict[str, str]]:
    devices = {str(d.address): f"127.1.0.1:{port}" for d in tables.devices.values()}
    sessions = {str(s.site_address): f"127.2.0.1:{port}" for s in tables.sessions.values()}
    return {"snmp": devices, "echo": devices | sessions}


def test_without_a_twin_targets_are_the_inventorys_own_addresses(tables: Inventory) -> None:
    found = json.loads(Discovery(tables, with_twin=False).snmp(None).body)
    assert {t for group in found for t in group["targets"]} == {f"{d.address}:161" for d in tables.devices.values()}


def test_while_the_twins_map_is_not_known_there_is_no_answer_rather_than_an_empty_one(tables: Inventory) -> None:
    discovery = Discovery(tables, with_twin=True)
    with pytest.raises(UnreachableError, match="not known yet"):
        discovery.snmp(60)
    assert discovery.learn(twin_map(tables, 1000))
    assert b"127.1.0.1:1000" in discovery.snmp(None).body
    assert discovery.learn(None)
    with pytest.raises(UnreachableError):
        discovery.probes()


def test_a_twin_that_moved_gives_new_targets_and_one_that_stayed_the_same_document(tables: Inventory) -> None:
    discovery = Discovery(tables, with_twin=True)
    discovery.learn(twin_map(tables, 1000))
    before = discovery.probes()
    assert not discovery.learn(twin_map(tables, 1000))
    assert discovery.probes() is before
    assert discovery.learn(twin_map(tables, 2000))
    assert discovery.probes().etag != before.etag


def test_a_twin_of_another_inventory_is_named_as_the_trouble(tables: Inventory) -> None:
    discovery = Discovery(tables, with_twin=True)
    discovery.learn({"snmp": {}, "echo": {}})
    with pytest.raises(UnreachableError, match="another inventory"):
        discovery.snmp(None)


def test_targets_are_split_by_their_interval(tables: Inventory) -> None:
    discovery = Discovery(tables, with_twin=False)
    intervals = {int(role.interval.total_seconds()) for role in tables.roles.values()}
    parts = [len(json.loads(discovery.snmp(seconds).body)) for seconds in intervals]
    assert sum(parts) == len(tables.devices)


def test_the_run_file_tells_children_and_which_process_the_twin_is(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    assert children_of(path) is None
    path.write_text('{"children": [')
    assert children_of(path) is None
    rows = [{"name": "twin", "pid": 7, "url": "", "restarts": 1, "since": "", "state": "up"}]
    path.write_text(json.dumps({"pid": 1, "started_at": "", "children": rows, "sweep": {}}))
    assert children_of(path) == ((Child("twin", "up", 1),), 7)


def test_vital_signs_that_are_missing_are_not_healthy() -> None:
    assert vital_signs([]) == {"snmp_up": 0, "snmp_polled": 0, "probes_up": False}
    found = vital_signs([Sample({"what": "probes_at"}, 1_000_000_000), Sample({"what": "snmp_up"}, 3)])
    assert found["probes_at"] == datetime.fromtimestamp(1_000_000_000, UTC)
    assert (found["probes_up"], found["snmp_up"]) == (True, 3)
