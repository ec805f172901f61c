"""What can go wrong in the console, by what the caller does about it."""

from __future__ import annotations


class ConsoleError(Exception):
    """Root of the console's errors; the message is one sentence with its remedy."""

    exit_code = 1


class BadInputError(ConsoleError):
    """Our input is wrong (an option, the database, the state directory): correct it and start again."""

    exit_code = 2


class AlreadyRunningError(ConsoleError):
    """Another console holds the state directory."""

    exit_code = 4


class UnreachableError(ConsoleError):
    """A peer (Prometheus, Alertmanager, the twin) cannot be reached: keep what is known and try again."""


class NonsenseError(ConsoleError):
    """A peer answered something that is not its protocol: keep what is known and say so."""


class StorageError(ConsoleError):
    """The database refused a write (full, read-only, locked): nothing was recorded, tell the operator."""
