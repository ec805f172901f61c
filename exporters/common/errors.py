"""Errors that end an exporter before or while it serves, each with the exit code that the command returns."""

from __future__ import annotations


class ExporterError(Exception):
    """Root of the exporters' errors; its text is one sentence with the remedy, fit to be shown as it is."""

    exit_code = 1


class BadInput(ExporterError):  # noqa: N818 - reads as what it is
    """Our input was wrong: configuration, address, port or option. The user corrects it and starts again."""

    exit_code = 2


class Refused(ExporterError):  # noqa: N818 - reads as what it is
    """A guard refused to go on, for example to listen on an address that others can reach."""

    exit_code = 4
