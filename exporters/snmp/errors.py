"""Errors of the SNMP exporter. The three families of polling failures carry the reason that is counted."""

from __future__ import annotations

from typing import Literal

from exporters.common.errors import BadInput, ExporterError

Reason = Literal["timeout", "refused", "credentials", "nonsense", "unresolved", "discovery", "busy", "network"]

REASONS: tuple[Reason, ...] = (
    "timeout",
    "refused",
    "credentials",
    "nonsense",
    "unresolved",
    "discovery",
    "busy",
    "network",
)


class ConfigError(BadInput):
    """The configuration file is wrong; the message names file, module, metric and remedy."""


class UnknownName(ExporterError):  # noqa: N818 - reads as what it is
    """A scrape names a module, auth or target that cannot be used: answered with HTTP 400."""


class Malformed(ValueError):  # noqa: N818 - reads as what it is
    """Bytes that are not what SNMPv2c (RFC 3416, RFC 1901) and BER allow, or not within our bounds."""


class PollFailed(ExporterError):  # noqa: N818 - reads as what it is
    """A target gave nothing in this poll: answered with HTTP 500 and counted under `reason`."""

    def __init__(self, reason: Reason, sentence: str) -> None:
        super().__init__(sentence)
        self.reason: Reason = reason
