"""Records and exemptions: what is read from them, what is refused and in which words."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporters.fleet.gathering import Unreadable
from exporters.fleet.records import EXEMPTIONS_KEY, MOST_RESOURCES, Drift, Preview, parse_exemptions, parse_record
from infra.core.stacks import parse
from infra.engine import records

NAME = "hub-valencia-prod.json"


def record(**changes: Any) -> dict[str, Any]:
    return {
        "version": 1,
        "stack": "hub-valencia-prod",
        "preview": {"time": "2026-11-21T03:00:00Z", "result": "changes", "changes": {"create": 2, "same": 40}},
        "drift": {"time": "2026-11-21T04:00:00+01:00", "resources": 3, "result": "changes"},
    } | changes


def test_a_record_gives_the_last_preview_and_the_last_look_for_drift() -> None:
    found = parse_record(NAME, json.dumps(record()).encode())
    at = datetime(2026, 11, 21, 3, tzinfo=UTC)
    assert found.stack == "hub-valencia-prod"
    assert found.preview == Preview(at, "changes", {"create": 2, "same": 40})
    assert found.drift == Drift(at, "changes", 3)


def test_a_stack_that_was_never_looked_at_for_drift_has_none() -> None:
    text = record()
    del text["drift"]
    assert parse_record(NAME, json.dumps(text).encode()).drift is None
    assert parse_record(NAME, json.dumps(record(preview=None)).encode()).preview is None


def test_what_the_engine_writes_is_what_the_exporter_reads(tmp_path: Path) -> None:
    stack = parse("sites-europe-1-prod")
    records.write_preview(stack, tmp_path, "changes", {"create": 5, "create-replacement": 1}, "digest")
    records.write_drift(stack, tmp_path, "same", 0)
    (path,) = tmp_path.iterdir()
    found = parse_record(path.name, path.read_bytes())
    assert found.preview is not None
    assert found.drift is not None
    assert (found.preview.result, found.preview.changes) == ("changes", {"create": 5, "create-replacement": 1})
    assert (found.drift.result, found.drift.resources) == ("same", 0)
    assert 0 <= (datetime.now(UTC) - found.drift.time).total_seconds() < 60


def test_the_engine_and_the_exporter_know_the_same_results_and_version() -> None:
    from typing import get_args

    from exporters.fleet.records import RESULTS, VERSION

    assert (records.VERSION, get_args(records.Result)) == (VERSION, RESULTS)


PREVIEW = record()["preview"]
DRIFT = record()["drift"]
BROKEN: list[tuple[object, str]] = [
    ([], "the file is no object"),
    (record(version=2), "has version 2, this exporter reads 1"),
    (record(stack="noc-valencia-prod"), "is of stack 'noc-valencia-prod', which its name does not say"),
    (record(stack=7), "is of stack 7, which its name does not say"),
    (record(preview=[]), "preview is no object"),
    (record(preview=PREVIEW | {"time": "yesterday"}), "preview.time is 'yesterday' and no time in ISO 8601"),
    (record(preview=PREVIEW | {"time": "2026-11-21T03:00:00"}), "and no time in ISO 8601 with its zone"),
    (record(preview=PREVIEW | {"time": 17}), "preview.time is 17 and no time"),
    (record(preview=PREVIEW | {"result": "fine"}), "preview.result is 'fine' and none of same, changes, failed"),
    (record(preview=PREVIEW | {"changes": {"create": -1}}), "preview.changes.create is -1 and no count"),
    (record(preview=PREVIEW | {"changes": {"create": True}}), "preview.changes.create is True and no count"),
    (record(preview=PREVIEW | {"changes": {"create": MOST_RESOURCES + 1}}), "and no count"),
    (record(preview=PREVIEW | {"changes": {'a"b': 1}}), "preview.changes does not count steps by operation"),
    (record(preview=PREVIEW | {"changes": {"a" * n: 1 for n in range(1, 34)}}), "does not count steps by operation"),
    (record(drift=DRIFT | {"resources": 1.5}), "drift.resources is 1.5 and no count"),
    (record(drift={"time": DRIFT["time"], "result": "same"}), "drift.resources is None and no count"),
]


@pytest.mark.parametrize(("content", "expected"), BROKEN, ids=lambda v: v if isinstance(v, str) else "")
def test_a_broken_record_is_refused_by_the_name_of_its_field(content: object, expected: str) -> None:
    with pytest.raises(Unreadable) as error:
        parse_record(NAME, json.dumps(content).encode())
    assert expected in str(error.value)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b'{"version": ' + b"9" * 5000 + b"}"])
def test_what_is_no_json_is_refused(content: bytes) -> None:
    with pytest.raises(Unreadable, match="is no JSON in UTF-8"):
        parse_record(NAME, content)


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(
    where=st.sampled_from([(), ("preview",), ("drift",), ("preview", "changes"), ("preview", "time"), ("drift", "time"),
                           ("drift", "resources"), ("preview", "result"), ("stack",), ("version",)]),
    value=PLAIN,
)  # fmt: skip
def test_no_record_whatsoever_raises_anything_else(where: tuple[str, ...], value: object) -> None:
    content: Any = record(preview=dict(PREVIEW), drift=dict(DRIFT))
    if where:
        holder = content
        for step in where[:-1]:
            holder = holder[step]
        holder[where[-1]] = value
    with suppress(Unreadable):
        assert parse_record(NAME, json.dumps(content if where else value).encode()).stack == "hub-valencia-prod"


def configuration(entries: str) -> bytes:
    return f"config:\n  wan-noc:layer: governance\n  {EXEMPTIONS_KEY}:\n{entries}\n".encode()


def test_an_exemption_lasts_until_the_end_of_its_last_day() -> None:
    found = parse_exemptions("", configuration(
        "    - {id: arc, policy: residency, types: [x], until: 2027-03-31, owner: hubs, reason: Arc needs it}"
    ))  # fmt: skip
    (exemption,) = found.good
    assert (exemption.id, exemption.owner) == ("arc", "hubs")
    assert exemption.expires == datetime(2027, 4, 1, tzinfo=UTC)
    assert found.bad == ()


def test_exemptions_kept_as_json_text_are_read_too() -> None:
    entries = json.dumps([{"id": "arc", "until": "2027-03-31", "owner": "hubs"}])
    found = parse_exemptions("", f"config: {{'{EXEMPTIONS_KEY}': '{entries}'}}".encode())
    assert [e.id for e in found.good] == ["arc"]


def test_a_configuration_may_say_that_there_are_none() -> None:
    found = parse_exemptions("", f"config: {{'{EXEMPTIONS_KEY}': []}}".encode())
    assert (found.good, found.bad) == ((), ())


@pytest.mark.parametrize("content", [b"", b"config:\n", b"config:\n  wan-noc:layer: governance\n"])
def test_a_configuration_that_is_silent_on_exemptions_is_refused(content: bytes) -> None:
    with pytest.raises(Unreadable, match="does not say wan-noc:exemptions; write out which exemptions hold"):
        parse_exemptions("", content)


@pytest.mark.parametrize("environment", ["dev", "prod"])
def test_the_shipped_exemptions_are_read_as_governance_deploys_them(environment: str) -> None:
    import yaml

    from infra.settings.governance import Exemption as Deployed

    path = Path(__file__).parents[2] / "infra" / "stacks" / f"Pulumi.governance-{environment}.yaml"
    found = parse_exemptions(path.name, path.read_bytes())
    deployed = [Deployed.model_validate(e) for e in yaml.safe_load(path.read_text())["config"][EXEMPTIONS_KEY]]
    assert found.bad == ()
    assert [(e.id, e.owner, e.expires.date()) for e in found.good] == [
        (e.id, e.owner, e.until + timedelta(days=1)) for e in deployed
    ]
    assert deployed, "nothing was compared"


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ("{id: a, owner: o}", "until is None and no date such as 2027-03-31"),
        ("{id: a, owner: o, until: soon}", "until is 'soon' and no date"),
        ("{id: a, owner: o, until: 2027-03-31T10:00:00Z}", "and no date"),
        ("{id: a, owner: o, until: 9999-12-31}", "and no date"),
        ("{owner: o, until: 2027-03-31}", "id and owner must be texts of at most 100 letters"),
        ("{id: a, until: 2027-03-31}", "id and owner must be texts"),
        ('{id: "a\\u0007", owner: o, until: 2027-03-31}', "id and owner must be texts"),
        ("{id: good, owner: o, until: 2027-03-31}", "id 'good' is there twice"),
        ("text", "the entry is no object"),
    ],
)
def test_a_broken_exemption_is_named_and_the_others_count(entry: str, expected: str) -> None:
    found = parse_exemptions("", configuration(f"    - {{id: good, owner: o, until: 2027-03-31}}\n    - {entry}"))
    assert [e.id for e in found.good] == ["good"]
    (sentence,) = found.bad
    assert sentence.startswith("exemption 2: ")
    assert expected in sentence


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"config: [", "is no YAML in UTF-8"),
        (b"\xff", "is no YAML in UTF-8"),
        (b"- a", "the file is no object"),
        (b"config: 1", "config is no object"),
        (f"config: {{'{EXEMPTIONS_KEY}': 7}}".encode(), "is no list of at most 200"),
        (f"config: {{'{EXEMPTIONS_KEY}': 'x'}}".encode(), "is no JSON"),
        (configuration("    - a\n" * 201), "is no list of at most 200"),
    ],
)
def test_a_configuration_of_another_form_is_refused(content: bytes, expected: str) -> None:
    with pytest.raises(Unreadable, match=expected):
        parse_exemptions("", content)
