"""Steps and digest: what counts as a change, and when two plans are the same plan."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pulumi.automation import EngineEvent

import inventory
from infra.engine.steps import OUTPUTS, PROTECT, UNPROTECT, Plan, digest, plan_of
from infra.engine.summary import lines, touched

STACK = "urn:pulumi:s-dev::wan-noc::pulumi:pulumi:Stack::wan-noc-s-dev"
SITE = "urn:pulumi:s-dev::wan-noc::wan-noc:sites:SiteLink::"
VPN = "urn:pulumi:s-dev::wan-noc::wan-noc:sites:SiteLink$azure-native:network:VpnSite::"
SIGNATURE, SECRET = "4dabf18193072939515e22adb298388d", "1b47061264138c4ac30d75fd1eb44270"


def state(urn: str, inputs: Mapping[str, Any], parent: str = STACK, protect: bool = False) -> dict[str, Any]:
    return {
        "type": urn.split("::")[2].rpartition("$")[2],
        "urn": urn,
        "id": "",
        "parent": parent,
        "provider": "",
        "custom": "azure-native" in urn,
        "protect": protect,
        "inputs": dict(inputs),
        "outputs": {},
    }


def told(
    op: str,
    urn: str = VPN + "es-madrid",
    old: Mapping[str, Any] | None = None,
    new: Mapping[str, Any] | None = None,
    *,
    parent: str = SITE + "es-madrid",
    kind: str = "resourcePreEvent",
    before: bool = False,
    after: bool = False,
    keys: list[str] | None = None,
) -> EngineEvent:
    changed = sorted(k for k in {*(old or {}), *(new or {})} if (old or {}).get(k) != (new or {}).get(k))
    metadata = {
        "op": op,
        "urn": urn,
        "type": urn.split("::")[2].rpartition("$")[2],
        "provider": "",
        "old": None if old is None else state(urn, old, parent, before),
        "new": None if new is None else state(urn, new, parent, after),
        "keys": keys,
        "detailedDiff": {k: {"diffKind": "update"} for k in changed} if old is not None and new is not None else None,
    }
    return EngineEvent.from_json({"sequence": 1, "timestamp": 1, kind: {"metadata": metadata, "planning": True}})


def plan(*events: EngineEvent) -> Plan:
    return plan_of("s-dev", events)


def secret(text: str) -> dict[str, str]:
    return {SIGNATURE: SECRET, "ciphertext": text}


def test_what_stays_the_same_is_no_step_and_is_counted() -> None:
    found = plan(told("same", old={"a": 1}, new={"a": 1}))
    assert (found.steps, found.unchanged, found.counts) == ((), 1, {})


def test_an_operation_told_before_and_after_is_one_step() -> None:
    events = [told("create", new={"a": 1}, kind=k) for k in ("resourcePreEvent", "resOutputsEvent")]
    assert [s.op for s in plan(*events).steps] == ["create"]


def test_a_replacement_told_in_three_parts_is_one_step_with_its_reason() -> None:
    parts = [
        told("create-replacement", old={"l": "a"}, new={"l": "b"}, keys=["l"]),
        told("replace", old={"l": "a"}, new={"l": "b"}, keys=["l"]),
        told("delete-replaced", old={"l": "a"}),
    ]
    (step,) = plan(*parts).steps
    assert (step.op, step.replace_keys, step.paths) == ("replace", ("l",), ("l update",))


def test_a_delete_left_over_from_an_interrupted_replacement_is_a_step() -> None:
    assert [s.op for s in plan(told("delete-replaced", old={"l": "a"})).steps] == ["delete-replaced"]


def test_a_refresh_that_finds_drift_is_a_step_and_one_that_finds_none_is_not() -> None:
    drifted = [told("refresh", old={"t": 1}, new={"t": 1}), told("update", old={"t": 1}, new={"t": 2})]
    still = [told("refresh", old={"t": 1}, new={"t": 1}), told("same", old={"t": 1}, new={"t": 1})]
    assert [s.op for s in plan(*drifted).steps] == ["update"]
    assert plan(*still).steps == ()


@pytest.mark.parametrize(("before", "after", "op"), [(True, False, UNPROTECT), (False, True, PROTECT)])
def test_a_changed_protection_is_a_step_although_the_engine_calls_it_the_same(
    before: bool, after: bool, op: str
) -> None:
    (step,) = plan(told("same", old={"a": 1}, new={"a": 1}, before=before, after=after)).steps
    assert (step.op, step.protected) == (op, before)


def test_a_stack_reference_is_never_a_step() -> None:
    urn = "urn:pulumi:s-dev::wan-noc::pulumi:pulumi:StackReference::organization/wan-noc/bootstrap-dev"
    assert plan(told("read", urn, new={"name": "x"})).steps == ()


def outputs(old: Mapping[str, Any], new: Mapping[str, Any]) -> EngineEvent:
    found = told("same", STACK, old={}, new={}, kind="resOutputsEvent")
    assert found.res_outputs_event is not None
    metadata = found.res_outputs_event.metadata
    assert metadata.old is not None
    assert metadata.new is not None
    metadata.old.outputs, metadata.new.outputs = dict(old), dict(new)
    return found


def test_changed_outputs_alone_are_a_step_that_names_them() -> None:
    (step,) = plan(outputs({"a": "1", "b": "2"}, {"a": "1", "b": "3"})).steps
    assert (step.op, step.paths) == (OUTPUTS, ("b",))
    assert plan(outputs({"a": "1"}, {"a": "1"})).steps == ()


EVENTS = [
    told("create", VPN + "es-madrid", new={"a": 1}),
    told("update", VPN + "it-roma", old={"a": 1}, new={"a": 2}, parent=SITE + "it-roma"),
    told("delete", VPN + "fr-paris", old={"a": 1}, parent=SITE + "fr-paris"),
    outputs({"a": "1"}, {"a": "2"}),
]


@given(st.randoms(use_true_random=False))
def test_the_digest_does_not_depend_on_order(chance: random.Random) -> None:
    events = list(EVENTS)
    chance.shuffle(events)
    assert plan(*events).digest == plan(*EVENTS).digest


@pytest.mark.parametrize(
    "other",
    [
        told("delete", VPN + "es-madrid", old={"a": 1}),
        told("create", VPN + "es-toledo", new={"a": 1}),
        told("create", VPN + "es-madrid", new={"a": 2}),
        told("create", VPN + "es-madrid", new={"a": 1, "b": [{"c": None}]}),
        told("create", VPN + "es-madrid", new={"a": 1}, after=True),
        told("create", VPN.replace("VpnSite", "VpnGateway") + "es-madrid", new={"a": 1}),
        told("create", VPN + "es-madrid", new={"a": secret("x")}),
    ],
)
def test_the_digest_differs_for_another_operation_resource_or_value(other: EngineEvent) -> None:
    assert plan(other, *EVENTS[1:]).digest != plan(*EVENTS).digest


def test_the_digest_differs_when_the_state_before_was_another() -> None:
    assert (
        plan(told("update", old={"a": 1}, new={"a": 2})).digest
        != plan(told("update", old={"a": 3}, new={"a": 2})).digest
    )


def test_the_digest_of_nothing_differs_between_stacks() -> None:
    assert digest("a-dev", ()) != digest("b-dev", ())


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-1000, 1000) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(VALUES, VALUES)
def test_the_digest_is_equal_exactly_for_equal_values(one: Any, two: Any) -> None:
    same = plan(told("create", new={"v": one})).digest == plan(told("create", new={"v": two})).digest
    assert same == (repr_of(one) == repr_of(two))


def repr_of(value: Any) -> str:
    """Python takes True for 1; the engine does not."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{k!r}:{repr_of(v)}" for k, v in sorted(value.items())) + "}"
    return "[" + ",".join(map(repr_of, value)) + "]" if isinstance(value, list) else repr(value)


def test_whole_numbers_are_alike_however_they_are_written() -> None:
    assert plan(told("create", new={"asn": 65001})).digest == plan(told("create", new={"asn": 65001.0})).digest


@given(st.text(max_size=40), st.text(max_size=40))
def test_the_digest_tells_nothing_of_a_secret(one: str, two: str) -> None:
    assert plan(told("create", new={"k": secret(one)})).digest == plan(told("create", new={"k": secret(two)})).digest


def test_a_plan_is_summed_up_by_site_application_and_hub() -> None:
    known = inventory.load(inventory.packaged_tables())
    site = next(iter(known.sites))
    hub = next(iter(known.hubs))
    found = plan(
        told("create", SITE + site, new={}, parent=STACK),
        told("create", VPN + "vpn-of-the-site", new={"a": 1}, parent=SITE + site),
        told("replace", VPN + "gw", old={"l": 1}, new={"l": 2}, parent=SITE + hub, keys=["l"], before=True),
        told("same", SITE + hub, old={}, new={}, parent=STACK),
        told("delete", "urn:pulumi:s-dev::wan-noc::azure-native:network:VirtualWan::wan", old={"a": 1}, parent=STACK),
    )
    seen = touched(found, known)
    assert seen.sites == {site: {"create": 2}}
    assert seen.hubs == {hub: {"replace": 1}}
    assert seen.other == {"the stack itself": {"delete": 1}}
    text = "\n".join(lines(found, known))
    assert "2 to create, 1 to delete, 1 to replace; 1 unchanged" in text
    assert "replace VpnSite gw because of l (protected)" in text
    assert "delete VirtualWan wan" in text


def test_a_change_is_read_with_its_values_and_a_secret_is_only_marked() -> None:
    old = {"tags": {"owner": "a"}, "ports": [1, 2], "key": secret("x"), "same": 1}
    new = {"tags": {"owner": "b", "new": True}, "ports": [1, 3], "key": secret("y"), "same": 1}
    known = inventory.load(inventory.packaged_tables())
    shown = lines(plan(told("update", old=old, new=new)), known)
    assert [line.strip() for line in shown[-5:]] == [
        "~ VpnSite es-madrid",
        "key (secret)",
        "ports[1]: 2 → 3",
        "tags.new: nothing → true",
        'tags.owner: "a" → "b"',
    ]


def test_equal_changes_are_one_line_and_what_is_lost_is_named_one_by_one() -> None:
    known = inventory.load(inventory.packaged_tables())
    made = [told("create", urn=f"{VPN}s{n}", new={"a": 1}) for n in range(5)]
    gone = [told("delete", urn=f"{VPN}g{n}", old={"a": 1}) for n in range(2)]
    shown = lines(plan(*made, *gone), known)
    assert [line.strip() for line in shown[-3:]] == [
        "delete VpnSite g0",
        "delete VpnSite g1",
        "+ 5 VpnSite s0, s1, s2 and 2 more",
    ]
