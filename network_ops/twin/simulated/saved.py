"""The shape of the state file: turns parsed JSON into a `SavedTwin`, or says which value is wrong and why.

A restarted twin trusts what it gets from here, so everything is looked at: kinds, times, marks, ports. Ids that the
inventory no longer has are fine, because tables may change between two runs; the engine leaves them out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypedDict, cast, get_args

from network_ops.twin.faults import FaultKind

from .engine import SavedEngine

FORMAT: Final = 1
_LAST_INSTANT: Final = 253_402_214_400  # the last day of the year 9999, beyond which datetime does not go


class SavedTwin(TypedDict):
    """The state file. `ports` are those last used, so that the map survives a restart."""

    format: int
    ports: dict[str, list[int]]
    engine: SavedEngine


class ShapeError(ValueError):
    """A value of the document is not what it must be; the message names it."""


Check = Callable[[object, str], object]


def checked(document: object) -> SavedTwin:
    """The document, verified.

    Raises:
        ShapeError: the first value that is wrong.
    """
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise ShapeError(f"it is not a twin's state of format {FORMAT}")
    _record(document, "", {"format": _whole, "ports": _map(_list(_port)), "engine": _engine})
    return cast("SavedTwin", document)


def _engine(value: object, where: str) -> None:
    _record(
        value,
        where,
        {
            "born": _instant,
            "seed": _integer,
            "saved_at": _instant,
            "counter": _whole,
            "faults": _list(_fault),
            "flaps": _map(_row(_flag, _instant)),
            "history": _history,
        },
    )
    ids = [fault["id"] for fault in cast("SavedEngine", value)["faults"]]
    _demand(len(set(ids)) == len(ids), f"{where}.faults", "faults with ids of their own")


def _fault(value: object, where: str) -> None:
    fields: dict[str, Check] = {"id": _text, "kind": _kind, "target": _text, "injected_at": _instant}
    _record(value, where, {**fields, "expires_at": lambda v, w: None if v is None else _instant(v, w)})


def _history(value: object, where: str) -> None:
    gates = _map(_row(_amount, _time, _whole))
    _record(value, where, {"boots": _map(_row(_time, _whole)), "lines": gates, "degraded": gates, "sessions": gates})


def _record(value: object, where: str, fields: dict[str, Check]) -> None:
    name = where or "the document"
    if not isinstance(value, dict) or set(value) != set(fields):
        raise ShapeError(f"{name} must be an object with {', '.join(fields)}")
    for field, check in fields.items():
        check(value[field], f"{where}.{field}".lstrip("."))


def _map(check: Check) -> Check:
    def every(value: object, where: str) -> None:
        if not isinstance(value, dict):
            raise ShapeError(f"{where} must be an object")
        for name, entry in value.items():
            check(entry, f"{where}.{name[:100]!a}")

    return every


def _list(check: Check) -> Check:
    def every(value: object, where: str) -> None:
        if not isinstance(value, list):
            raise ShapeError(f"{where} must be a list")
        for number, entry in enumerate(value):
            check(entry, f"{where}[{number}]")

    return every


def _row(*checks: Check) -> Check:
    def every(value: object, where: str) -> None:
        if not isinstance(value, list) or len(value) != len(checks):
            raise ShapeError(f"{where} must be a list of {len(checks)}")
        for number, (check, entry) in enumerate(zip(checks, value, strict=True)):
            check(entry, f"{where}[{number}]")

    return every


def _demand(right: bool, where: str, what: str) -> None:
    if not right:
        raise ShapeError(f"{where} must be {what}")


def _between(value: object, low: float, high: float) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and low <= value <= high


def _instant(value: object, where: str) -> None:
    _demand(_between(value, 0, _LAST_INSTANT), where, "seconds since 1970")


def _time(value: object, where: str) -> None:
    # Devices may have booted before 1970 in a test's world, and nothing turns these into a calendar's date.
    _demand(_between(value, -_LAST_INSTANT, _LAST_INSTANT), where, "seconds since 1970")


def _amount(value: object, where: str) -> None:
    _demand(_between(value, -1e18, 1e18), where, "a number")


def _integer(value: object, where: str) -> None:
    _demand(isinstance(value, int) and not isinstance(value, bool), where, "a whole number")


def _whole(value: object, where: str) -> None:
    _demand(isinstance(value, int) and _between(value, 0, 2**53), where, "a whole number from 0 up")


def _port(value: object, where: str) -> None:
    _demand(isinstance(value, int) and _between(value, 1, 65535), where, "a port")


def _flag(value: object, where: str) -> None:
    _demand(isinstance(value, bool), where, "true or false")


def _text(value: object, where: str) -> None:
    _demand(isinstance(value, str) and value.isprintable() and 0 < len(value) <= 200, where, "a name")


def _kind(value: object, where: str) -> None:
    _demand(value in get_args(FaultKind), where, f"one of {', '.join(get_args(FaultKind))}")
