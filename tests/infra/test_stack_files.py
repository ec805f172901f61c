"""Stack files as an attacker or a broken disk leaves them: one list of problems, and no secret in it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from infra.core.errors import InfraError
from infra.core.stacks import parse
from infra.settings import settings_of, stack_files
from infra.settings.stack_files import read_config, read_document

HEAD = "config:\n  wan-noc:layer: {}\n  wan-noc:environment: prod\n"
SECRET = "hunter2-the-real-one-of-more-than-32-characters"


def refused(folder: Path, content: str | bytes, stack: str = "connectivity-prod") -> InfraError:
    raw = content.encode() if isinstance(content, str) else content
    (folder / f"Pulumi.{stack}.yaml").write_bytes(raw)
    with pytest.raises(InfraError) as caught:
        read_config(parse(stack), folder)
    assert caught.value.problems
    assert all(p.stack == stack and p.rule and p.remedy and len(p.value) <= 120 for p in caught.value.problems)
    return caught.value


def setting(folder: Path, text: str, layer: str = "connectivity") -> InfraError:
    return refused(folder, HEAD.format(layer) + f"  {text}\n", f"{layer}-prod")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("just a word\n", "is text instead of an object"),
        ("- a\n- b\n", "is a list instead of an object"),
        ("42", "is a whole number instead of an object"),
        ("config: [a, b]\n", "'config' is a list instead of an object"),
        ("x: 1\nconfig: text\n", "'line 2': 'config' is text"),
        ("# caf\nconfig:\n  wan-noc:owner: José\n".encode("latin-1"), "'line 3': is no UTF-8 text"),
        (b"\xff\xfe\x00\x01", "'line 1': is no UTF-8 text"),
        ("config:\n  wan-noc:owner: a\x00b\n", "'line 2': has a character that YAML does not allow"),
        ("config: &a\n  wan-noc:owner: *a\n", "'line 2': has an alias"),
        ("x: &x [*x]\nconfig: {}\n", "'line 1': has an alias"),
        ("config: " + "[" * 3000, "cannot be read as YAML|is nested deeper than 20 levels"),
        ("config: " + "[" * 40 + "]" * 40, "is nested deeper than 20 levels"),
        ("config: {}\n---\nconfig: {}\n", "'line 2, column 1': cannot be read as YAML"),
        ("config:\n  ? [a, b]\n  : 1\n", "'line 2': a key is a list"),
        ("config:\n  wan-noc:owner: !!python/name:os.system x\n", "has a YAML tag that is not allowed"),
        ("config:\n  wan-noc:owner: !!binary aGVsbG8=\n", "has a YAML tag that is not allowed"),
        ("config:\n  wan-noc:budget: !!int abc\n", "is no plain number"),
        ("x" * (stack_files.MOST_BYTES + 1), "is longer than 1,000,000 bytes"),
    ],
)
def test_a_file_of_another_form_is_refused_by_name_and_line(tmp_path: Path, content: str | bytes, said: str) -> None:
    error = refused(tmp_path, content)
    assert error.problems[0].key.startswith(("infra/stacks/Pulumi.connectivity-prod.yaml", "owner", "budget"))
    assert any(part in str(error) for part in said.split("|")), str(error)


@pytest.mark.parametrize("content", ["", "# a comment\n", "null\n", "config:\n", "config: {}\n"])
def test_an_empty_file_lacks_its_layer(tmp_path: Path, content: str) -> None:
    error = refused(tmp_path, content)
    assert [p.key for p in error.problems] == ["wan-noc:layer", "wan-noc:environment"]
    assert error.problems[0].rule == "is missing"
    assert "wan-noc:layer: connectivity" in error.problems[0].remedy


def test_what_is_no_regular_file_is_refused_at_once(tmp_path: Path) -> None:
    path = tmp_path / "Pulumi.connectivity-prod.yaml"
    path.mkdir()
    with pytest.raises(InfraError, match="is no regular file"):
        read_config(parse("connectivity-prod"), tmp_path)
    path.rmdir()
    os.mkfifo(path)
    with pytest.raises(InfraError, match="is no regular file"):
        read_document(parse("connectivity-prod"), tmp_path)
    path.unlink()
    path.symlink_to(path)
    with pytest.raises(InfraError, match="is no regular file"):
        read_document(parse("connectivity-prod"), tmp_path)


def test_a_yaml_error_tells_the_place_and_never_the_line(tmp_path: Path) -> None:
    error = refused(tmp_path, f"config:\n  wan-noc:siteKeySeed: '{SECRET}\n  x: [\n")
    assert "hunter2" not in str(error)
    assert "line " in error.problems[0].value
    assert error.__cause__ is None  # a chain would print the line


def test_a_document_keeps_sealed_values_and_other_keys_as_they_are(tmp_path: Path) -> None:
    text = "encryptionsalt: v1:abc\n" + HEAD.format("connectivity") + "  wan-noc:x: {secure: v1:def}\n"
    (tmp_path / "Pulumi.connectivity-prod.yaml").write_text(text)
    found = read_document(parse("connectivity-prod"), tmp_path)
    assert found["encryptionsalt"] == "v1:abc"
    assert found["config"]["wan-noc:x"] == {"secure": "v1:def"}
    (tmp_path / "Pulumi.connectivity-prod.yaml").write_text("")
    assert read_document(parse("connectivity-prod"), tmp_path) == {"config": {}}


def test_an_unquoted_date_is_refused_with_its_line_and_remedy(tmp_path: Path) -> None:
    (problem,) = setting(tmp_path, "wan-noc:bootstrapUntil: 2026-11-28", "bootstrap").problems
    assert (problem.key, problem.value) == ("bootstrapUntil", "2026-11-28")
    assert "line 4 of infra/stacks/Pulumi.bootstrap-prod.yaml" in problem.rule
    assert problem.remedy == 'write "2026-11-28" in quotes'
    deep = setting(tmp_path, "wan-noc:exemptions: [{id: x, until: 2027-05-31}]", "governance")
    assert deep.problems[0].key == "exemptions.0.until"


@pytest.mark.parametrize(
    "text",
    ["wan-noc:owner: one\n  wan-noc:owner: two", "wan-noc:dnsServers: {valencia: [10.1.1.1], valencia: [10.1.1.2]}"],
)
def test_a_key_that_stands_there_twice_is_refused(tmp_path: Path, text: str) -> None:
    assert "stands there twice" in setting(tmp_path, text).problems[0].rule


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("wan-noc:owner: [a, b]", "owner: is a list instead of text (line 4"),
        ("wan-noc:owner: {a: b}", "owner: is an object instead of text"),
        ("wan-noc:owner: null", "is nothing instead of text"),
        ("wan-noc:owner:", "owner: is nothing instead of text"),
        ("wan-noc:owner: true", "is true or false instead of text"),
        ("wan-noc:owner: 1.30", "is a number instead of text"),
        ("wan-noc:vpnUnits: true", "is true or false instead of a whole number"),
        ("wan-noc:vpnUnits: 1.5", "is a number instead of a whole number"),
        ("wan-noc:vpnUnits: 010", "is no plain number"),
        ("wan-noc:vpnUnits: 1:30", "is no plain number"),
        ("wan-noc:vpnUnits: [1]", "is a list instead of a whole number"),
        ("wan-noc:vpnUnits: {secure: v1:x}", "is an object instead of a whole number"),
        ("wan-noc:dnsServers: '{}'", "is text instead of an object"),
        ("wan-noc:dnsServers: []", "is a list instead of an object"),
    ],
)
def test_a_value_of_another_type_is_refused_before_it_becomes_text(tmp_path: Path, text: str, said: str) -> None:
    assert said in str(setting(tmp_path, text))


def test_values_as_the_engine_itself_writes_them_pass(tmp_path: Path) -> None:
    text = HEAD.format("hub-valencia") + '  wan-noc:usableGb: "200"\n  wan-noc:adopt: "true"\n  wan-noc:owner: 12\n'
    (tmp_path / "Pulumi.hub-valencia-prod.yaml").write_text(text)
    found = read_config(parse("hub-valencia-prod"), tmp_path)
    assert (found.values["usableGb"], found.values["adopt"], found.values["owner"]) == ("200", "true", "12")


@pytest.mark.parametrize(
    "value", [SECRET, f"[{SECRET}]", f"{{a: {SECRET}}}", f"{{secure: {SECRET}, b: 1}}", "{secure: }", "", "2026-11-28"]
)
def test_an_unsealed_secret_is_refused_and_never_shown(tmp_path: Path, value: str) -> None:
    error = setting(tmp_path, f"wan-noc:siteKeySeed: {value}", "sites-europe-1")
    (problem,) = error.problems
    assert problem.key == "siteKeySeed"
    assert "unsealed (line 4" in problem.rule
    assert problem.remedy.startswith("pulumi config set --secret siteKeySeed -s sites-europe-1-prod")
    assert "hunter2" not in str(error)
    assert "2026" not in str(error)


def test_over_long_values_are_cut_in_errors(tmp_path: Path) -> None:
    assert len(str(setting(tmp_path, f"wan-noc:vpnUnits: {'x' * 5000}"))) < 700
    assert len(str(setting(tmp_path, f"{'k' * 500}: 1"))) < 900
    raw = {"layer": "connectivity", "environment": "prod", "tenant": "x" * 5000, "y" * 5000: "1"}
    with pytest.raises(InfraError) as caught:
        settings_of("connectivity", raw, "connectivity-prod")
    assert all(len(p.value) <= 120 and len(p.key) <= 120 for p in caught.value.problems)
