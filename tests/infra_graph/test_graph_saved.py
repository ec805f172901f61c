"""Saved graphs: the same after a round trip, stable on disk, and free of secrets."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from graph_samples import graph, resource, wan
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.core.errors import InfraError
from infra.graph import saved
from infra.graph.impact import differences
from infra.graph.model import Graph, Node

SECRET = "hunter2-the-real-one"
STACK = "sites-x-prod"


def secretive(value: str = SECRET) -> Graph:
    inputs = {"links": [{"name": "a", "key": value}, {"name": "b", "key": value + "b"}], "plain": "seen"}
    node = resource(STACK, "network:VpnConnection", "c", **inputs)  # type: ignore[arg-type]
    hidden = replace(node, secrets=frozenset({"links[0].key", "links[1].key"}), timeouts={"create": "1h"})
    return replace(graph(STACK, [hidden]), outputs={"o": value, "n": "x"}, secret_outputs=frozenset({"o"}))


@pytest.mark.parametrize("stack", sorted(wan()))
def test_a_saved_graph_comes_back_as_it_was(stack: str, tmp_path: Path) -> None:
    one = wan()[stack]
    saved.save(one, tmp_path)
    back = saved.load(tmp_path)[stack]
    assert back.nodes == one.nodes
    assert (back.stack, back.outputs, back.reads) == (one.stack, one.outputs, one.reads)


def test_equal_graphs_are_equal_files_whatever_the_order_of_registration(tmp_path: Path) -> None:
    one = wan()["connectivity-prod"]
    turned = replace(one, nodes=dict(reversed(one.nodes.items())), seconds=9.0)
    assert saved.save(one, tmp_path).read_bytes() == saved.save(turned, tmp_path).read_bytes()


def test_no_secret_reaches_the_disk_and_a_changed_one_is_seen(tmp_path: Path) -> None:
    path = saved.save(secretive(), tmp_path)
    assert SECRET not in path.read_text()
    assert "seen" in path.read_text()
    key = saved.key_of(tmp_path)
    before = saved.load(tmp_path)
    assert differences(before, {STACK: saved.redact(secretive(), key)}) == []
    (change,) = differences(before, {STACK: saved.redact(secretive("other"), key)})
    assert change.paths == ("links[0].key", "links[1].key")


def test_the_key_is_the_owners_alone_and_made_once(tmp_path: Path) -> None:
    first = saved.key_of(tmp_path / "new")
    assert saved.key_of(tmp_path / "new") == first
    assert (tmp_path / "new" / ".key").stat().st_mode & 0o077 == 0
    assert saved.key_of(tmp_path / "other") != first


@pytest.mark.parametrize("mask", [0o000, 0o077, 0o777])
def test_folders_and_files_are_the_owners_alone_whatever_the_umask(tmp_path: Path, mask: int) -> None:
    old = os.umask(mask)
    try:
        path = saved.save(wan()["connectivity-prod"], tmp_path / "a" / "b" / "c")
        saved.save(wan()["connectivity-prod"], tmp_path / "a" / "b" / "c")
    finally:
        os.umask(old)
    levels = [tmp_path / "a", tmp_path / "a" / "b", tmp_path / "a" / "b" / "c"]
    assert [p.stat().st_mode & 0o777 for p in levels] == [0o700] * 3
    assert [p.stat().st_mode & 0o777 for p in (path, path.parent / ".key")] == [0o600] * 2
    assert sorted(p.name for p in path.parent.iterdir()) == [".key", "connectivity-prod.json"]


def test_a_link_in_the_place_of_the_scratch_file_is_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("as it was")
    (tmp_path / "connectivity-prod.json.new").symlink_to(victim)
    with pytest.raises(InfraError, match="cannot be saved there"):
        saved.save(wan()["connectivity-prod"], tmp_path)
    assert victim.read_text() == "as it was"


def test_another_key_gives_other_digests() -> None:
    assert saved.redact(secretive(), b"a").outputs["o"] != saved.redact(secretive(), b"b").outputs["o"]


def test_a_path_that_cannot_be_followed_hides_the_whole_property() -> None:
    node = replace(resource(STACK, "x:Y", "z", tags={"a.b": SECRET}), secrets=frozenset({"tags.a.b"}))
    hidden = saved.redact(graph(STACK, [node]), b"k")
    assert SECRET not in json.dumps([n.inputs for n in hidden.resources], default=str)


@pytest.mark.parametrize("text", ["{", "[]", '{"version": 0}', '{"version": 1, "stack": "x", "nodes": []}'])
def test_a_file_that_is_no_saved_graph_is_refused_with_its_remedy(text: str, tmp_path: Path) -> None:
    (tmp_path / "sites-x-prod.json").write_text(text)
    with pytest.raises(InfraError, match="noc infra plan --save"):
        saved.load(tmp_path)


def test_only_one_environment_is_loaded_when_asked_and_a_stack_can_be_forgotten(tmp_path: Path) -> None:
    saved.save(wan()["connectivity-prod"], tmp_path)
    saved.save(
        replace(wan()["connectivity-prod"], stack=replace(wan()["connectivity-prod"].stack, environment="dev")),
        tmp_path,
    )
    assert set(saved.load(tmp_path)) == {"connectivity-prod", "connectivity-dev"}
    assert set(saved.load(tmp_path, "dev")) == {"connectivity-dev"}
    saved.forget("connectivity-dev", tmp_path)
    saved.forget("connectivity-dev", tmp_path)
    assert set(saved.load(tmp_path)) == {"connectivity-prod"}


values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", min_size=1, max_size=2), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(deadline=None)  # machines differ
@given(st.dictionaries(st.text("xyz", min_size=1, max_size=3), values, max_size=4))
def test_any_inputs_survive_the_round_trip(inputs: dict[str, object]) -> None:
    node = Node("urn:pulumi:connectivity-dev::wan-noc::t::n", "t", "n", "", True, inputs)  # type: ignore[arg-type]
    one = graph("connectivity-dev", [node])
    text = json.dumps(saved.to_json(one))
    assert saved.from_json(json.loads(text)).nodes == one.nodes
