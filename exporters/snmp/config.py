"""What to read: modules and credentials as typed, frozen values, as they stand in an snmp.yml file. Pure.

`loader` makes them from a file; `discovery` and `plan` read them. Object identifiers are tuples of arcs.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from exporters.common.errors import BadInput
from exporters.snmp.errors import UnknownName
from exporters.snmp.usm import User

Arcs = tuple[int, ...]
Shape = Literal["number", "label", "info", "states", "bits", "time", "extract"]

NUMBERS = frozenset({"gauge", "counter", "Float", "Double"})
TIMES = frozenset({"DateAndTime", "ParseDateAndTime", "NTPTimeStamp"})
# Types whose own type stands in the variable before: the column to the left, or the arc before in an index
# (InetAddressType of RFC 4001, LldpPortIdSubtype of IEEE 802.1AB).
COMBINED: Mapping[str, Mapping[int, str]] = {
    "InetAddress": {1: "InetAddressIPv4", 2: "InetAddressIPv6"},
    "InetAddressMissingSize": {1: "InetAddressIPv4", 2: "InetAddressIPv6"},
    "LldpPortId": {1: "DisplayString", 2: "DisplayString", 3: "PhysAddress48", 5: "DisplayString", 7: "DisplayString"},
}
TEXTS = COMBINED.keys() | {
    "OctetString", "DisplayString", "PhysAddress48", "InetAddressIPv4", "InetAddressIPv6", "IpAddr",
}  # fmt: skip
SHAPES: Mapping[str, Shape] = {"EnumAsInfo": "info", "EnumAsStateSet": "states", "Bits": "bits"}
INTEGERS = frozenset({"gauge", "counter", "Integer", "Integer32", "EnumAsInfo"})
INDEX_TYPES = TEXTS | INTEGERS
LOOKUP_TYPES = TEXTS | INTEGERS | {"Bits"}
METRIC_TYPES = NUMBERS | TIMES | TEXTS | SHAPES.keys()

_TEMPLATE = re.compile(r"\$(?:\{(\w+)\}|(\w+)|\$)")  # Go: regexp.Expand
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


@dataclass(frozen=True, slots=True)
class Index:
    """One part of a row's index that becomes a label. `size` is its fixed number of arcs, 0 where it varies.

    `implied` (RFC 2578 IMPLIED): a string without leading length that takes all arcs left.
    """

    label: str
    type: str
    size: int = 0
    implied: bool = False
    enum: tuple[tuple[int, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Lookup:
    """A label read from another column: `oid` plus the arcs of `labels`. Without `labels` it drops `label`."""

    labels: tuple[str, ...]
    label: str
    oid: Arcs = ()
    type: str = ""


@dataclass(frozen=True, slots=True)
class Extract:
    """A number taken out of a text: the whole text must match; `value` is Go's template (`$1`, `${name}`)."""

    pattern: re.Pattern[str]
    value: str = "$1"

    def read(self, text: str) -> float | None:
        """The number; None where the text does not match or gives no number."""
        found = self.pattern.fullmatch(text)
        if found is None:
            return None

        def group(match: re.Match[str]) -> str:
            name = match.group(1) or match.group(2)
            if name is None:
                return "$"
            try:
                return found.group(int(name) if name.isdigit() else name) or ""
            except IndexError:
                return ""

        try:
            return float(_TEMPLATE.sub(group, self.value))
        except ValueError:
            return None


@dataclass(frozen=True, slots=True)
class Filter:
    """Only rows of the `targets` whose last arc is one under `oid` with a value that one of `values` is found in."""

    oid: Arcs
    targets: tuple[Arcs, ...]
    values: tuple[re.Pattern[str], ...]


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric of a module: a scalar or column of the MIB, and how its values become samples.

    `extracts` are tried in order on the value's text; a metric of a file with several names of extracts stands here
    once for each. `pattern` is that of ParseDateAndTime (strptime).
    """

    name: str
    oid: Arcs
    type: str
    help: str
    indexes: tuple[Index, ...] = ()
    lookups: tuple[Lookup, ...] = ()
    enum: tuple[tuple[int, str], ...] = ()
    scale: float = 0.0
    offset: float = 0.0
    pattern: str = ""
    extracts: tuple[Extract, ...] = ()

    @property
    def shape(self) -> Shape:
        """How a value becomes samples: a number, a label, an info metric, one sample per state, ..."""
        if self.type in NUMBERS:
            return "number"
        if self.extracts:
            return "extract"
        return "time" if self.type in TIMES else SHAPES.get(self.type, "label")

    @property
    def family(self) -> str:
        """Name of the samples: info metrics end in `_info`, as the peer's do."""
        return f"{self.name}_info" if self.type == "EnumAsInfo" else self.name

    @property
    def shown_help(self) -> str:
        """Text for the exposition's HELP line, with the peer's word on how the samples were made."""
        if self.extracts:
            return f"{self.help} (regex extracted)"
        return f"{self.help} ({self.type})" if self.type in SHAPES else self.help

    @property
    def prometheus_type(self) -> str:
        """Type for the exposition's TYPE line."""
        return "counter" if self.type == "counter" else "gauge"


@dataclass(frozen=True, slots=True)
class Module:
    """A named set of metrics, with what to walk and get for them and how patiently.

    `timeout_s` bounds the wait for one answer before it is asked again; `retries` how often it is asked again.
    `disordered`: rows may come in any order (allow_nonincreasing_oids). `auth`: its own credentials (the old dialect).
    `unsupported` says, one sentence each, what this exporter does not do yet: such a module is refused when used.
    """

    name: str
    walk: tuple[Arcs, ...] = ()
    get: tuple[Arcs, ...] = ()
    metrics: tuple[Metric, ...] = ()
    max_repetitions: int = 25
    retries: int = 3
    timeout_s: float = 5.0
    filters: tuple[Filter, ...] = ()
    disordered: bool = False
    auth: Auth | None = None
    unsupported: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Auth:
    """Credentials. Secrets and the user's name may hold `${NAME}`: a variable of the environment, read when used.

    `context` and `context_engine_id` are of SNMPv3, like all that begins with the user's name.
    """

    name: str
    community: str = field(default="public", repr=False)
    version: int = 2
    username: str = ""
    level: str = "noAuthNoPriv"
    auth_protocol: str = "MD5"
    password: str = field(default="", repr=False)
    priv_protocol: str = "DES"
    priv_password: str = field(default="", repr=False)
    context: str = ""
    context_engine_id: bytes = b""

    def user(self, environment: Mapping[str, str] = os.environ) -> User:
        """The user of SNMPv3, with references to the environment replaced.

        Raises:
            UnknownName: a variable that is not set, or a password that is too short.
        """
        texts = (self.username, self.password, self.priv_password)
        name, password, private = (self._filled(text, environment) for text in texts)
        try:
            return User(name, self.level, self.auth_protocol, password, self.priv_protocol, private)
        except BadInput as error:
            raise UnknownName(f"auth '{self.name}' cannot be used: {error}") from error

    def secret(self, environment: Mapping[str, str] = os.environ) -> bytes:
        """The community, with references to the environment replaced.

        Raises:
            UnknownName: a variable that is not set; the message names it.
        """
        return self._filled(self.community, environment).encode()

    def _filled(self, text: str, environment: Mapping[str, str]) -> str:
        def value(match: re.Match[str]) -> str:
            name = match.group(1)
            if name not in environment:
                raise UnknownName(
                    f"auth '{self.name}' takes a secret from the environment variable {name}, which is not set; "
                    f"set {name} where the exporter is started, or ask for another auth"
                )
            return environment[name]

        return _VARIABLE.sub(value, text)


@dataclass(frozen=True, slots=True)
class Config:
    """All modules and credentials of the configuration files, by name."""

    modules: Mapping[str, Module] = field(default_factory=dict)
    auths: Mapping[str, Auth] = field(default_factory=dict)

    def module(self, name: str) -> Module:
        """A usable module.

        Raises:
            UnknownName: unknown, or using something that is not supported yet (named in the message).
        """
        module = self.modules.get(name)
        if module is None:
            raise UnknownName(f"Unknown module '{name}'; the configuration has: {', '.join(sorted(self.modules))}")
        if module.unsupported:
            raise UnknownName(f"module '{name}' cannot be used: {'; '.join(module.unsupported)}")
        return module

    def auth(self, name: str) -> Auth:
        """Usable credentials.

        Raises:
            UnknownName: unknown.
        """
        auth = self.auths.get(name)
        if auth is None:
            raise UnknownName(f"Unknown auth '{name}'; the configuration has: {', '.join(sorted(self.auths))}")
        return auth

    def refusals(self) -> list[str]:
        """One sentence for each module that will be refused when used, for the log at start."""
        return [
            f"module '{m.name}' will be refused: {'; '.join(m.unsupported)}"
            for m in self.modules.values()
            if m.unsupported
        ]
