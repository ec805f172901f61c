"""The `config:` block of Pulumi.yaml, made from the settings models: `python -m infra.settings.schema` writes it.

The engine checks types and secrets from that block before our programme starts. Every key has a default there (a key
without one would be demanded of every stack), except `layer` and `environment`; what a layer demands beyond that, its
model says. Secrets without default are left out: they are demanded by the layer's model alone.
"""

from __future__ import annotations

import json
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined, to_jsonable_python

from infra.core.stacks import KINDS, PROJECT
from infra.settings import model_of
from infra.settings.base import is_secret

PROJECT_FILE = Path(__file__).parents[2] / "Pulumi.yaml"
HEAD = """\
# The one Pulumi project: a stack per blast radius, its configuration in infra/stacks. `noc infra check` looks at all of
# them without an engine; `noc infra preview STACK` or `pulumi preview -s STACK` ask the engine. The config block is
# written by `python -m infra.settings.schema` from infra/settings/*.py.
"""


def config_block() -> dict[str, dict[str, Any]]:
    """Pulumi's typed configuration schema by key, with the description and default of the settings models."""
    found: dict[str, dict[str, Any]] = {}
    users: dict[str, list[str]] = {}
    for kind in KINDS:
        for name, field in model_of(kind).model_fields.items():
            key = f"{PROJECT}:{field.alias or name}"
            if is_secret(field) or field.default is None:  # a default of null would be none: the key would be demanded
                continue
            found.setdefault(key, _entry(field))
            users.setdefault(key, []).append(kind)
    for key, layers in users.items():
        if len(layers) < len(KINDS):
            found[key]["description"] += f" [{', '.join(layers)}]"
    return found


def own_keys(raw: Mapping[str, str]) -> Mapping[str, str]:
    """The configuration without keys that only other layers have and that stand at the project's default.

    A default in Pulumi.yaml reaches every stack. A key of another layer with any other value stays, and is refused
    later as unknown: somebody wrote it into the wrong file.
    """
    word = raw.get("layer", "").partition("-")[0]
    kind = next((k for k in KINDS if k == word), None)
    if kind is None:
        return raw
    own = {f.alias or name for name, f in model_of(kind).model_fields.items()}
    if own.issuperset(raw):
        return raw
    defaults = {key.partition(":")[2]: entry.get("default") for key, entry in config_block().items()}
    return {k: v for k, v in raw.items() if k in own or k not in defaults or _value(v) != defaults[k] != v}


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def project() -> str:
    """The whole text of Pulumi.yaml."""
    document = {
        "name": PROJECT,
        "description": "Hybrid cloud and hub hosting of a 594-site wide area network",
        "runtime": {"name": "python", "options": {"virtualenv": ".venv"}},
        "main": "infra/",
        "stackConfigDir": "infra/stacks",
        "config": config_block(),
    }
    return HEAD + yaml.safe_dump(document, sort_keys=False, width=118, allow_unicode=True)


def _entry(field: FieldInfo) -> dict[str, Any]:
    entry: dict[str, Any] = {**type_of(field.annotation), "description": field.description or ""}
    default = field.get_default(call_default_factory=True, validated_data={})
    if default is not PydanticUndefined:
        entry["default"] = to_jsonable_python(default, by_alias=True)
    return entry


def type_of(annotation: Any) -> dict[str, Any]:
    """The engine's type of a setting: `type`, and `items` for arrays."""
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        return type_of(typing.get_args(annotation)[0])
    if origin in (typing.Union, types.UnionType):
        return type_of(next(a for a in typing.get_args(annotation) if a is not type(None)))
    if annotation is bool:
        return {"type": "boolean"}
    if annotation is int:
        return {"type": "integer"}
    if origin in (list, tuple):
        return {"type": "array", "items": type_of(typing.get_args(annotation)[0])}
    if origin is dict or hasattr(annotation, "model_fields"):
        return {"type": "object"}
    return {"type": "string"}


if __name__ == "__main__":
    PROJECT_FILE.write_text(project(), encoding="utf-8")
