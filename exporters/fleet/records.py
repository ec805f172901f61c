"""What `noc infra` remembers of a stack, and the policy exemptions of its configuration: bytes to frozen values.

A record is `<stack>.json`: the last preview and the last look for drift. Exemptions stand in the configuration of a
governance stack, `Pulumi.<stack>.yaml`, key `wan-noc:exemptions`. Refuses what is of another version or form, by the
name of the field. Parsed by hand: two dozen small files are no reason to load a validation library into every NOC.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal, get_args

from exporters.fleet.gathering import Unreadable

VERSION = 1
MOST_CHANGES = 32
MOST_RESOURCES = 1_000_000
MOST_EXEMPTIONS = 200
EXEMPTIONS_KEY = "wan-noc:exemptions"
Result = Literal["same", "changes", "failed"]
RESULTS: tuple[Result, ...] = get_args(Result)
STACK = re.compile(r"[a-z][a-z0-9-]{0,98}[a-z0-9]")
_OPERATION = re.compile(r"[a-z][a-z-]{0,31}")


@dataclass(frozen=True, slots=True)
class Preview:
    """The last preview of a stack: `changes` counts resources by the engine's word for what would be done to them."""

    time: datetime
    result: Result
    changes: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Drift:
    """The last comparison of a stack's state with the cloud: `resources` are not as the state has them."""

    time: datetime
    result: Result
    resources: int


@dataclass(frozen=True, slots=True)
class StackRecord:
    """One stack; either part may be missing until it has been done once."""

    stack: str
    preview: Preview | None
    drift: Drift | None


@dataclass(frozen=True, slots=True)
class Exemption:
    """A policy exemption: `expires` is the end (UTC) of its last day."""

    id: str
    owner: str
    expires: datetime


@dataclass(frozen=True, slots=True)
class Exemptions:
    """The exemptions of one configuration, and a sentence for each entry that is none."""

    good: tuple[Exemption, ...]
    bad: tuple[str, ...]


def parse_record(name: str, content: bytes) -> StackRecord:
    """A record.

    Args:
        name: the file's name, which must be `<stack>.json` of the stack inside.
        content: the file's bytes.

    Raises:
        Unreadable: not JSON, another version, or a field that is missing or wrong; the message names it.
    """
    try:
        root = _mapping(json.loads(content), "the file")
    except (ValueError, RecursionError) as error:
        raise Unreadable("is no JSON in UTF-8") from error
    if root.get("version") != VERSION:
        raise Unreadable(f"has version {root.get('version')!r}, this exporter reads {VERSION}")
    stack = root.get("stack")
    if not isinstance(stack, str) or not STACK.fullmatch(stack) or name != f"{stack}.json":
        raise Unreadable(f"is of stack {stack!r}, which its name does not say")
    preview, drift = root.get("preview"), root.get("drift")
    return StackRecord(
        stack,
        None if preview is None else _preview(_mapping(preview, "preview")),
        None if drift is None else _drift(_mapping(drift, "drift")),
    )


def _preview(found: Mapping[str, object]) -> Preview:
    changes = _mapping(found.get("changes", {}), "preview.changes")
    if len(changes) > MOST_CHANGES or not all(_OPERATION.fullmatch(operation) for operation in changes):
        raise Unreadable("preview.changes does not count steps by operation")
    counts = {operation: _count(number, f"preview.changes.{operation}") for operation, number in changes.items()}
    return Preview(_moment(found, "preview"), _result(found, "preview"), counts)


def _drift(found: Mapping[str, object]) -> Drift:
    return Drift(_moment(found, "drift"), _result(found, "drift"), _count(found.get("resources"), "drift.resources"))


def _mapping(value: object, what: str) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise Unreadable(f"{what} is no object")
    return value


def _moment(found: Mapping[str, object], what: str) -> datetime:
    text = found.get("time")
    try:
        moment = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise Unreadable(f"{what}.time is {text!r} and no time in ISO 8601 with its zone")
    return moment


def _result(found: Mapping[str, object], what: str) -> Result:
    for result in RESULTS:
        if found.get("result") == result:
            return result
    raise Unreadable(f"{what}.result is {found.get('result')!r} and none of {', '.join(RESULTS)}")


def _count(value: object, what: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MOST_RESOURCES:
        raise Unreadable(f"{what} is {value!r} and no count")
    return value


def parse_exemptions(_name: str, content: bytes) -> Exemptions:
    """The exemptions of the configuration file of a governance stack.

    Of each entry `id`, `owner` and `until` (a date, the last day of the exemption) are read; the rest is the policy
    engine's business. An entry that lacks one of them is left out and named, the others count.

    Raises:
        Unreadable: not YAML, or the key holds no list. Nor may it be missing: the programme's own default would hold
            then, and nobody would see it end.
    """
    import yaml  # only a NOC that has governance records pays for it

    try:
        root = yaml.load(content, Loader=yaml.CSafeLoader)
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, RecursionError) as error:
        raise Unreadable("is no YAML in UTF-8") from error
    config = _mapping(_mapping(root or {}, "the file").get("config") or {}, "config")
    if EXEMPTIONS_KEY not in config:
        raise Unreadable(f"does not say {EXEMPTIONS_KEY}; write out which exemptions hold, [] for none")
    entries = config[EXEMPTIONS_KEY]
    if isinstance(entries, str):  # `pulumi config set` without --path keeps JSON as text
        try:
            entries = json.loads(entries)
        except ValueError as error:
            raise Unreadable(f"{EXEMPTIONS_KEY} is no JSON") from error
    if not isinstance(entries, list) or len(entries) > MOST_EXEMPTIONS:
        raise Unreadable(f"{EXEMPTIONS_KEY} is no list of at most {MOST_EXEMPTIONS}")
    good: dict[str, Exemption] = {}
    bad: list[str] = []
    for number, entry in enumerate(entries, 1):
        try:
            found = _exemption(entry)
            if found.id in good:
                raise Unreadable(f"id '{found.id}' is there twice")
            good[found.id] = found
        except Unreadable as error:
            bad.append(f"exemption {number}: {error}")
    return Exemptions(tuple(good.values()), tuple(bad))


def _exemption(entry: object) -> Exemption:
    found = _mapping(entry, "the entry")
    words = [found.get("id"), found.get("owner")]
    if not all(isinstance(word, str) and 0 < len(word) <= 100 and word.isprintable() for word in words):
        raise Unreadable("id and owner must be texts of at most 100 letters")
    until = found.get("until")
    try:
        day = date.fromisoformat(until) if isinstance(until, str) else until
    except ValueError:
        day = None
    if not isinstance(day, date) or isinstance(day, datetime) or day == date.max:
        raise Unreadable(f"until is {until!r} and no date such as 2027-03-31")
    return Exemption(str(words[0]), str(words[1]), datetime.combine(day + timedelta(days=1), time(), UTC))
