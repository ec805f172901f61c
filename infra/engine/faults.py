"""The engine's failures in its own words, without stack traces and without secrets.

Turns what the Automation API raises, and the diagnostics that the engine sent, into one `EngineError` or
`RefusedError`. The engine writes both values of a secret into its message when an update leaves its plan, so of those
messages only the resource's name is kept.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from pulumi.automation import EngineEvent
from pulumi.automation.errors import CommandError

from infra.core.errors import EngineError, InfraError, RefusedError

_UNHANDLED = "an unhandled error occurred: "
_ENDINGS = {"update failed", "preview failed", "refresh failed", "destroy failed"}
_INLINE = "python inline source runtime error: "
_CALLED = "Exception calling application: "  # gRPC's words before an error of the programme that it passed on
# The engine's ways to say that an update leaves its plan (3.250, pkg/resource/deploy).
_PLAN = re.compile(r"violates plan|is not allowed by the plan|expected resource operations for")
_LOCKED = re.compile(r"the stack is currently locked by.*", re.DOTALL)
_MOST = 20  # messages shown


class UpdateError(EngineError):
    """The engine began and ended with a fault; `changed` resources had been changed by then."""

    def __init__(self, summary: str, changed: int) -> None:
        self.changed = changed
        super().__init__(summary)


def fault(stack: str, verb: str, error: CommandError, events: Sequence[EngineEvent], changed: int) -> InfraError:
    """What to raise for an engine that ended with a fault.

    Args:
        stack: name of the stack.
        verb: what was asked for (`up`).
        error: what the Automation API raised.
        events: what the engine told until then.
        changed: how many resources had already been changed.
    """
    told = messages(events)
    outside = sorted({name for name, text in _errors(events) if _PLAN.search(text)})
    if outside and not told:
        summary = (
            f"stack {stack}: the engine stopped, because it would have done something else than was previewed, "
            f"first at {', '.join(outside)}"
        )
        if not changed:
            return RefusedError(f"{summary}; nothing was changed. Preview again: noc infra preview {stack}")
        return UpdateError(
            f"{summary}; {changed} resources had been changed. Preview again: noc infra preview {stack}", changed
        )
    if not told:
        told = _of_command(str(error), stack)
    lines = [f"stack {stack}: {verb} failed" + (f" after {changed} changes" if changed else "; nothing was changed")]
    lines += ["  " + text.replace("\n", "\n    ") for text in told[:_MOST]]
    if len(told) > _MOST:
        lines.append(f"  ... and {len(told) - _MOST} more")
    if changed:
        lines.append(
            f"  what was done is in the state; run it again, or look first: noc infra refresh {stack} --preview-only"
        )
    return UpdateError("\n".join(lines), changed)


def messages(events: Iterable[EngineEvent]) -> list[str]:
    """Each error that the engine told, once, with the resource's name before it; not those about its plan."""
    found: dict[str, None] = {}
    for name, text in _errors(events):
        if not _PLAN.search(text):  # where anything else failed, these only say that the rest was not reached
            found[f"{name}: {text}" if name and name not in text else text] = None
    return list(found)


def _errors(events: Iterable[EngineEvent]) -> Iterator[tuple[str, str]]:
    """Resource's name, or nothing, and text of each error; without the engine's closing words and stack traces."""
    for event in events:
        told = event.diagnostic_event
        if told is None or told.severity != "error":
            continue
        text = told.message.strip()
        for start in (_UNHANDLED, _INLINE, _CALLED):
            text = text.removeprefix(start)
        text = text.partition("\nTraceback (most recent call last)")[0].strip()
        name = told.urn.rpartition("::")[2] if told.urn else ""
        found = _PLAN.search(text)
        if found:
            urns = re.findall(r"urn:pulumi:\S+", text[: found.start()] + text[found.end() :].partition(" but ")[0])
            yield name or (urns[0].rpartition("::")[2].rstrip(":,") if urns else "the stack"), found[0]
        elif text and text not in _ENDINGS:
            yield name, text


def _of_command(text: str, stack: str) -> list[str]:
    """The errors that the engine wrote before it could send events (configuration, locks, log-in)."""
    written = text.rpartition("\n stderr: ")[2] if "\n stderr: " in text else ""  # never stdout: it may hold secrets
    locked = _LOCKED.search(written)
    if locked:
        return [f"{locked[0].strip()}\nwhen you know that it is dead: noc infra recover {stack} --break-lock"]
    errors = [line.removeprefix("error: ").strip() for line in written.splitlines() if line.startswith("error: ")]
    # 3.250 says nothing at all when an output is not what the plan expects; all resources are done by then.
    return errors or ["the engine ended with a fault and without a word; preview again to see what is left to do"]
