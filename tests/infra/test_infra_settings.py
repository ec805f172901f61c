"""The configuration block of Pulumi.yaml and the settings models: one source, and one layer's keys are its own."""

from __future__ import annotations

import json

import pytest
import yaml
from pydantic import SecretStr

from infra.core.errors import InfraError
from infra.core.stacks import KINDS
from infra.settings import model_of, schema, settings_of
from infra.settings.base import required_secrets


def test_the_project_file_is_written_from_the_settings_models() -> None:
    assert schema.PROJECT_FILE.read_text(encoding="utf-8") == schema.project(), "run python -m infra.settings.schema"


def test_the_project_file_names_no_plugin_which_would_shadow_the_real_provider() -> None:
    project = yaml.safe_load(schema.PROJECT_FILE.read_text(encoding="utf-8"))
    assert set(project) == {"name", "description", "runtime", "main", "stackConfigDir", "config"}


def test_every_key_says_what_it_is_for() -> None:
    for kind in KINDS:
        for name, field in model_of(kind).model_fields.items():
            assert field.description, f"{kind}: {name}"


def test_a_key_that_several_layers_have_means_the_same_in_all_of_them() -> None:
    seen: dict[str, tuple[str, object]] = {}
    for kind in KINDS:
        for name, field in model_of(kind).model_fields.items():
            key = field.alias or name
            if field.annotation is not SecretStr:
                entry = schema._entry(field)
                first = seen.setdefault(key, (kind, entry))
                assert first[1] == entry, f"{key}: {kind} and {first[0]} differ"


def test_only_layer_and_environment_are_demanded_of_every_stack() -> None:
    without = {key for key, entry in schema.config_block().items() if "default" not in entry}
    assert without == {"wan-noc:layer", "wan-noc:environment"}


def as_the_engine_passes_it(kind: str, **values: str) -> dict[str, str]:
    """All defaults of the project, of whatever layer, as text: what a programme gets from the real engine."""
    block = schema.config_block().items()
    raw = {key.partition(":")[2]: entry["default"] for key, entry in block if "default" in entry}
    text = {key: value if isinstance(value, str) else json.dumps(value) for key, value in raw.items()}
    layer = {"sites": "sites-europe-1", "hub": "hub-valencia", "noc": "noc-valencia"}.get(kind, kind)
    secrets = dict.fromkeys(required_secrets(model_of(kind)), "a made-up secret that is long enough")
    return {**text, **secrets, "layer": layer, "environment": "prod", **values}


@pytest.mark.parametrize("kind", KINDS)
def test_defaults_of_other_layers_do_not_disturb(kind) -> None:
    raw = as_the_engine_passes_it(kind)
    with pytest.raises(InfraError, match="is not a configuration key of this layer"):
        settings_of(kind, raw, "x")
    assert settings_of(kind, schema.own_keys(raw), "x").environment == "prod"


def test_a_key_of_another_layer_with_a_value_is_refused() -> None:
    raw = as_the_engine_passes_it("connectivity", lanes="3")
    with pytest.raises(InfraError) as error:
        settings_of("connectivity", schema.own_keys(raw), "connectivity-prod")
    assert [p.key for p in error.value.problems] == ["lanes"]
