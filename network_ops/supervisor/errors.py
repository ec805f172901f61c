"""What can keep the NOC from starting, as sentences with a remedy."""

from __future__ import annotations


class StartError(Exception):
    """The NOC cannot start; the message names the thing and the remedy. Becomes exit code `code`."""

    code = 2


class GuardError(StartError):
    """A guard refuses: for instance a second NOC on the same state directory."""

    code = 4
