"""Reads snmp.yml files (auths: and modules:, snmp_exporter's format) into `config`, strictly.

A file that is malformed is refused with **all** its errors, each naming file, module, metric and remedy. What
is well formed but not supported yet does not spoil the rest: its module or auth is kept as refused, by name,
and said when it is used. Nothing that stands in a file is silently ignored.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import yaml

from exporters.snmp import config as c
from exporters.snmp.errors import ConfigError, Malformed
from exporters.snmp.message import parse_oid
from exporters.snmp.usm import AUTH_PROTOCOLS, LEVELS, PRIV_PROTOCOLS

SHIPPED = Path(__file__).with_name("snmp.yml")

_MODULE_KEYS = {"walk", "get", "metrics", "max_repetitions", "retries", "timeout", "filters"}
_MODULE_KEYS |= {"allow_nonincreasing_oids"}
_MODULE_MOOT = {"use_unconnected_udp_socket"}  # our socket is never connected; replies are checked by address
_METRIC_KEYS = {"name", "oid", "type", "help", "indexes", "lookups", "enum_values", "scale", "offset"}
_METRIC_KEYS |= {"regex_extracts", "datetime_pattern"}
_AUTH_KEYS = {"community", "version", "security_level", "username", "password", "auth_protocol", "priv_protocol"}
_AUTH_KEYS |= {"priv_password", "context_name"}
_AUTH_DEFAULTS = {
    "username": "", "security_level": "noAuthNoPriv", "auth_protocol": "MD5", "password": "", "priv_protocol": "DES",
    "priv_password": "", "context_name": "",
}  # fmt: skip
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*\Z")

Table = dict[object, object]


class _Problems:
    """Collects all errors of one file; `at` is where we are."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.found: list[str] = []

    def add(self, where: str, what: str) -> None:
        self.found.append(f"{self.path}: {where}: {what}")


def load(paths: Iterable[Path]) -> c.Config:
    """Read and join configuration files; a name that stands in two of them is an error.

    Raises:
        ConfigError: a file that cannot be read, is not YAML, or is malformed; the message lists every error.
    """
    modules: dict[str, c.Module] = {}
    auths: dict[str, c.Auth] = {}
    for path in paths:
        problems = _Problems(path)
        document = _read(path)
        old = _is_old(document)
        for key in () if old else document.keys() - {"auths", "modules", "version"}:
            problems.add(str(key), "unknown top-level key; known are auths and modules")
        for name, body in _table(document.get("auths") or {}, "auths", problems).items():
            auth = _auth(str(name), body, problems)
            if auths.setdefault(auth.name, auth) is not auth:
                problems.add(f"auth {name}", "stands in another file too; keep one of them")
        bodies = document if old else _table(document.get("modules") or {}, "modules", problems)
        for name, body in bodies.items():
            module = _module(str(name), body, problems, old=old)
            if modules.setdefault(module.name, module) is not module:
                problems.add(f"module {name}", "stands in another file too; keep one of them")
        if problems.found:
            raise ConfigError("\n".join(problems.found))
    return c.Config(modules, auths)


def _is_old(document: Table) -> bool:
    """The dialect of snmp_exporter up to 0.21: modules at the top, each with its version and auth."""
    bodies = [body for key, body in document.items() if key not in ("auths", "modules", "version")]
    keys = {key for body in bodies if isinstance(body, dict) for key in body}
    return bool(keys & {"walk", "get", "metrics"}) and not document.keys() & {"auths", "modules"}


def _read(path: Path) -> Table:
    try:
        document = yaml.load(path.read_bytes(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}; name an snmp.yml with --config") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(document, dict):
        raise ConfigError(f"{path}: holds no auths: and modules:; it is not an snmp.yml")
    return document


def _table(value: object, where: str, problems: _Problems) -> Table:
    if isinstance(value, dict):
        return value
    problems.add(where, f"expected a mapping, found {type(value).__name__}")
    return {}


def _list(value: object, where: str, problems: _Problems) -> list[object]:
    if value is None:
        return []
    if isinstance(value, list):
        return value
    problems.add(where, f"expected a list, found {type(value).__name__}")
    return []


def _auth(name: str, value: object, problems: _Problems) -> c.Auth:
    where = f"auth {name}"
    body = _table(value, where, problems)
    for key in body.keys() - _AUTH_KEYS:
        problems.add(where, f"unknown key '{key}'; remove it")
    version = body.get("version", 2)
    if version not in (1, 2, 3):
        problems.add(where, f"version {version!r}; expected 1, 2 or 3")
    texts = {key: str(body.get(key) or default) for key, default in _AUTH_DEFAULTS.items()}
    if version == 3:
        _check_user(where, texts, problems)
    return c.Auth(
        name,
        str(body.get("community", "public")),
        version if version in (1, 2, 3) else 2,
        texts["username"],
        texts["security_level"],
        texts["auth_protocol"],
        texts["password"],
        texts["priv_protocol"],
        texts["priv_password"],
        texts["context_name"],
    )


def _check_user(where: str, texts: dict[str, str], problems: _Problems) -> None:
    """What the peer checks of an SNMPv3 user: level, protocols, and that nothing is missing."""
    level = texts["security_level"]
    if level not in LEVELS:
        problems.add(where, f"security_level {level!r}; expected one of {', '.join(LEVELS)}")
        return
    if not texts["username"]:
        problems.add(where, "username is missing; SNMPv3 needs one")
    wanted = (("auth_protocol", "password", AUTH_PROTOCOLS, 1), ("priv_protocol", "priv_password", PRIV_PROTOCOLS, 2))
    for protocol, password, known, flag in wanted:
        if LEVELS[level] & flag:
            if texts[protocol] not in known:
                problems.add(where, f"{protocol} {texts[protocol]!r}; expected one of {', '.join(known)}")
            if not texts[password]:
                problems.add(where, f"{password} is missing; {level} needs one (write it as ${{NAME}})")


def _module(name: str, value: object, problems: _Problems, *, old: bool = False) -> c.Module:
    where = f"module {name}"
    body = _table(value, where, problems)
    later: list[str] = []
    for key in body.keys() - _MODULE_KEYS - _MODULE_MOOT:
        if key != "version" and key != "auth":
            problems.add(where, f"unknown key '{key}'; known are {', '.join(sorted(_MODULE_KEYS))}")
        elif not old:
            problems.add(where, f"'{key}' in a module is the old dialect; move it to an entry of auths:")
    auth: c.Auth | None = None
    if old:
        own = _table(body.get("auth") or {}, f"{where}: auth", problems)
        auth = _auth(name, {**own, "version": body.get("version", 2)}, problems)
    walk = tuple(_oid(v, f"{where}: walk", problems) for v in _list(body.get("walk"), f"{where}: walk", problems))
    get = tuple(_oid(v, f"{where}: get", problems) for v in _list(body.get("get"), f"{where}: get", problems))
    listed = _list(body.get("metrics"), f"{where}: metrics", problems)
    metrics = tuple(metric for item in listed for metric in _metrics(item, where, problems))
    later.extend(
        f"metric '{metric.name}' lies under none of walk: and get:, so it would never be read"
        for metric in metrics
        if metric.oid and not _covered(metric.oid, walk, get)
    )
    return c.Module(
        name,
        walk,
        get,
        metrics,
        max_repetitions=max(1, _whole(body, "max_repetitions", 25, where, problems)),
        retries=_whole(body, "retries", 3, where, problems),
        timeout_s=_duration(body.get("timeout", "5s"), where, problems),
        filters=tuple(_filter(f, where, problems) for f in _list(body.get("filters"), f"{where}: filters", problems)),
        disordered=body.get("allow_nonincreasing_oids") is True,
        auth=auth,
        unsupported=tuple(dict.fromkeys(later)),
    )


def _covered(oid: c.Arcs, walk: Iterable[c.Arcs], get: Iterable[c.Arcs]) -> bool:
    return any(oid[: len(w)] == w or w[: len(oid)] == oid for w in walk) or any(g[: len(oid)] == oid for g in get)


def _filter(value: object, module: str, problems: _Problems) -> c.Filter:
    where = f"{module}: filter"
    body = _table(value, where, problems)
    for key in body.keys() - {"oid", "targets", "values"}:
        problems.add(where, f"unknown key '{key}'; known are oid, targets, values")
    targets = tuple(_oid(target, where, problems) for target in _list(body.get("targets"), where, problems))
    values = (_pattern(str(text), where, problems) for text in _list(body.get("values"), where, problems))
    return c.Filter(_oid(body.get("oid"), where, problems), targets, tuple(v for v in values if v is not None))


def _pattern(text: str, where: str, problems: _Problems) -> re.Pattern[str] | None:
    try:
        return re.compile(text)
    except re.error as error:
        problems.add(where, f"{text!r} is no regular expression: {error}")
        return None


def _metrics(value: object, module: str, problems: _Problems) -> Iterable[c.Metric]:
    """A metric of the file; one for each name of its regex_extracts, which are metrics of their own."""
    metric = _metric(value, module, problems)
    where = f"{module}: metric {metric.name}"
    extracts = value.get("regex_extracts") if isinstance(value, dict) else None
    if not extracts:
        return (metric,)
    found = []
    for suffix, rows in _table(extracts, f"{where}: regex_extracts", problems).items():
        bodies = [_table(row, f"{where}: regex_extracts", problems) for row in _list(rows, where, problems)]
        pairs = [(_pattern(str(b.get("regex", "")), where, problems), str(b.get("value", "$1"))) for b in bodies]
        taken = tuple(c.Extract(pattern, template) for pattern, template in pairs if pattern is not None)
        found.append(replace(metric, name=f"{metric.name}{suffix}", extracts=taken))
    return found


def _metric(value: object, module: str, problems: _Problems) -> c.Metric:
    body = _table(value, f"{module}: metrics", problems)
    name = str(body.get("name", ""))
    where = f"{module}: metric {name or '(without name)'}"
    if not _NAME.match(name):
        problems.add(where, f"{name!r} is no name for a metric; use letters, digits and underscores")
    for key in body.keys() - _METRIC_KEYS:
        problems.add(where, f"unknown key '{key}'; known are {', '.join(sorted(_METRIC_KEYS))}")
    kind = str(body.get("type", ""))
    if kind not in c.METRIC_TYPES:
        problems.add(where, f"unknown type {kind!r}; use gauge, counter, DisplayString, OctetString ...")
    return c.Metric(
        name,
        _oid(body.get("oid"), where, problems),
        kind,
        str(body.get("help") or ""),
        tuple(_index(i, where, problems) for i in _list(body.get("indexes"), where, problems)),
        tuple(_lookup(i, where, problems) for i in _list(body.get("lookups"), where, problems)),
        _enum(body.get("enum_values"), where, problems),
        _real(body, "scale", where, problems),
        _real(body, "offset", where, problems),
        str(body.get("datetime_pattern") or ""),
    )


def _index(value: object, metric: str, problems: _Problems) -> c.Index:
    body = _table(value, f"{metric}: indexes", problems)
    label = str(body.get("labelname", ""))
    where = f"{metric}: index {label or '(without labelname)'}"
    kind = str(body.get("type", ""))
    if not _NAME.match(label):
        problems.add(where, "needs a labelname")
    for key in body.keys() - {"labelname", "type", "fixed_size", "implied", "enum_values"}:
        problems.add(where, f"unknown key '{key}'; remove it")
    if kind not in c.INDEX_TYPES:
        problems.add(where, f"unknown type {kind!r}")
    size = _whole(body, "fixed_size", 0, where, problems)
    return c.Index(label, kind, size, body.get("implied") is True, _enum(body.get("enum_values"), where, problems))


def _lookup(value: object, metric: str, problems: _Problems) -> c.Lookup:
    body = _table(value, f"{metric}: lookups", problems)
    label = str(body.get("labelname", ""))
    where = f"{metric}: lookup {label or '(without labelname)'}"
    for key in body.keys() - {"labels", "labelname", "oid", "type"}:
        problems.add(where, f"unknown key '{key}'; remove it")
    labels = tuple(str(item) for item in _list(body.get("labels"), where, problems))
    if not labels:
        return c.Lookup((), label)
    kind = str(body.get("type", ""))
    if kind not in c.LOOKUP_TYPES:
        problems.add(where, f"unknown type {kind!r}")
    return c.Lookup(labels, label, _oid(body.get("oid"), where, problems), kind)


def _oid(value: object, where: str, problems: _Problems) -> c.Arcs:
    try:
        return parse_oid(str(value))
    except Malformed as error:
        problems.add(where, f"{error}; write it as 1.3.6.1.2.1.1.3 (in quotes if it is short)")
        return ()


def _enum(value: object, where: str, problems: _Problems) -> tuple[tuple[int, str], ...]:
    body = _table(value or {}, f"{where}: enum_values", problems)
    if not all(isinstance(number, int) for number in body):
        problems.add(where, "enum_values must map whole numbers to names")
        return ()
    return tuple((int(str(number)), str(name)) for number, name in body.items())


def _whole(body: Table, key: str, default: int, where: str, problems: _Problems) -> int:
    value = body.get(key, default)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 65535:
        return value
    problems.add(where, f"{key} {value!r}; expected a whole number from 0 to 65535")
    return default


def _real(body: Table, key: str, where: str, problems: _Problems) -> float:
    value = body.get(key, 0)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    problems.add(where, f"{key} {value!r}; expected a number")
    return 0.0


def _duration(value: object, where: str, problems: _Problems) -> float:
    parts = _DURATION.findall(str(value))
    if not parts or "".join(n + u for n, u in parts) != str(value):
        problems.add(where, f"timeout {value!r}; expected a duration such as 5s or 500ms")
        return 5.0
    return sum(float(number) * _SECONDS[unit] for number, unit in parts)
