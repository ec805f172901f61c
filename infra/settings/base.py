"""The configuration of a stack as frozen, typed values: what every layer shares, and how raw values become it.

Turns the engine's flat text values (`wan-noc:budget: "12000"`, objects as JSON) into the model of the stack's layer;
refuses unknown keys, wrong types and missing secrets, all at once. Descriptions and defaults here are also those of
the `config:` block in Pulumi.yaml, which a test holds equal.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from difflib import get_close_matches
from ipaddress import IPv4Address, IPv4Network
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError
from pydantic.alias_generators import to_camel
from pydantic.fields import FieldInfo

from infra.core.arm import NO_SUBSCRIPTION
from infra.core.errors import InfraError, Problem
from inventory import Inventory

Guid = Annotated[str, Field(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]
SHOWN = 120  # characters of a value in an error
_RULE = 400  # characters of a rule or a remedy, which may hold a value
TAG = 256  # characters of a tag's value in Azure
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


def shown(text: str, most: int = SHOWN) -> str:
    """A text as errors show it: cut to `most` characters."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def brief(problem: Problem) -> Problem:
    """The problem with over-long parts cut."""
    return replace(
        problem,
        key=shown(problem.key),
        value=shown(problem.value),
        rule=shown(problem.rule, _RULE),
        remedy=shown(problem.remedy, _RULE),
    )


def _not_a_number(value: object) -> object:
    """A number would be taken for seconds since 1970, or for an address."""
    if isinstance(value, bool | int | float):
        raise ValueError("must be text")
    return value


def _domain(text: str) -> str:
    if len(text) > 253:
        raise ValueError("must have at most 253 characters")
    for label in text.split("."):
        if not _LABEL.fullmatch(label):
            rule = "must have 1 to 63 letters, digits and hyphens, no hyphen at either end"
            raise ValueError(f"'{shown(label)}' {rule}")
    return text


Day = Annotated[date, BeforeValidator(_not_a_number)]
Address = Annotated[IPv4Address, BeforeValidator(_not_a_number)]
Network = Annotated[IPv4Network, BeforeValidator(_not_a_number)]
Domain = Annotated[str, Field(pattern=r"^[a-z0-9-]+(\.[a-z0-9-]+)+$"), AfterValidator(_domain)]


class Common(BaseModel):
    """Keys that every stack has. Keys are camelCase in files (`dataClass`), snake_case here."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True, arbitrary_types_allowed=False
    )

    layer: str = Field(description="Which part of the whole this stack is: connectivity, sites-europe-1, hub-valencia")
    environment: Literal["dev", "prod"] = Field(description="dev or prod; nothing is shared between the two")
    organisation: str = Field(
        "wo", pattern=r"^[a-z][a-z0-9]{1,5}$", description="Code of the organisation in globally unique names"
    )
    tenant: Guid = Field(NO_SUBSCRIPTION, description="Entra tenant")
    subscription: Guid = Field(NO_SUBSCRIPTION, description="Azure subscription of this stack; zeros: rehearsal only")
    inventory: str = Field("inventory", description="Folder of the inventory's tables, relative to Pulumi.yaml")
    owner: str = Field(
        "platform-engineering", min_length=2, max_length=TAG, description="Team that answers for the resources (a tag)"
    )
    cost_centre: str = Field("ict-network", min_length=2, max_length=TAG, description="Where the costs go (a tag)")
    data_class: Literal["unclassified", "confidential", "strictly-confidential"] = Field(
        "unclassified", description="Highest class of the data held (a tag)"
    )
    contact: str = Field(
        "noc@wan.example",
        pattern=r"^[^@\s]+@[^@\s]+$",
        max_length=254,
        description="Mail address for budgets and service alerts",
    )

    def problems(self, stack: str, known: Inventory, today: date) -> list[Problem]:
        """What types cannot tell: dates that are past, values that do not go together. None by default."""
        return []

    def figures(self, known: Inventory) -> list[tuple[str, int, int, str]]:
        """Limits that depend on this layer's settings: name, used, most, unit. None by default."""
        return []


Layer = TypeVar("Layer", bound=Common)


def parse(model: type[Layer], raw: Mapping[str, str], stack: str) -> Layer:
    """The settings of a stack from the engine's raw values (keys without the project's prefix).

    Args:
        model: the layer's class.
        raw: value by camelCase key; anything that is not text is JSON, as the engine passes it.
        stack: name of the stack, for the messages.

    Raises:
        InfraError: with one problem for each wrong, unknown or missing key.
    """
    known = {f.alias or name: f for name, f in model.model_fields.items()}
    values: dict[str, Any] = {}
    problems: list[Problem] = []
    for key, text in raw.items():
        if key not in known:
            near = get_close_matches(key, known, n=1, cutoff=0.6)
            hint = f"did you mean '{near[0]}'?" if near else "the keys of this layer are " + ", ".join(known)
            problems.append(Problem(stack, shown(key), "", "is not a configuration key of this layer", hint))
            continue
        values[key] = _value(text, known[key].annotation)
    try:
        settings = model.model_validate(values)
    except ValidationError as error:
        problems += [_problem(stack, e, values, known) for e in error.errors(include_url=False)]
    if problems:
        raise InfraError(
            f"the configuration of stack {stack} cannot be used; nothing was created", map(brief, problems)
        )
    return settings


def is_secret(field: FieldInfo) -> bool:
    """Whether a setting is a secret: sealed in the stack's file, and never shown."""
    return field.annotation is SecretStr or "SecretStr" in str(field.annotation)


def required_secrets(model: type[Common]) -> tuple[str, ...]:
    """The keys of a layer that must be set with `pulumi config set --secret`; recordings use placeholders for them."""
    fields = model.model_fields.items()
    return tuple(f.alias or name for name, f in fields if f.annotation is SecretStr and f.is_required())


def _value(text: str, annotation: object) -> object:
    """Text stays text where the model wants text; everything else is the engine's JSON."""
    if annotation is str or annotation is SecretStr or "Literal" in str(annotation):
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _problem(stack: str, error: Any, values: Mapping[str, Any], known: Mapping[str, Any]) -> Problem:
    path = [str(part) for part in error["loc"]] or ["configuration"]  # a rule over several keys has no place
    key = ".".join(path)
    field = known.get(path[0])
    secret = field is not None and is_secret(field)
    if error["type"] == "missing":
        remedy = f"pulumi config set {'--secret ' if secret else ''}{key} VALUE -s {stack}"
        return Problem(stack, key, "", "secret is missing" if secret else "is missing", remedy)
    value = "" if secret else str(values.get(path[0], "") if len(path) == 1 else error.get("input", ""))
    rule = re.sub(r"^Value error, ", "", str(error["msg"]))
    return Problem(stack, key, value, rule[:1].lower() + rule[1:], (field.description if field else "") or "see docs")
