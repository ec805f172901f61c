"""Where the parts of the NOC are reached, as the rendered configuration needs it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Mail:
    """Mail for alerts of severity page.

    Args:
        smarthost: HOST:PORT of the mail server.
        sender: address the mails come from.
        recipient: address or comma-separated addresses.
        require_tls: insist on STARTTLS; None: insist unless the server is on this machine.
        username: for authentication; empty: none.
        password_file: file with the password; the password itself is never written into the configuration.
    """

    smarthost: str
    sender: str
    recipient: str
    require_tls: bool | None = None
    username: str = ""
    password_file: Path | None = None


@dataclass(frozen=True, slots=True)
class Settings:
    """Addresses of the parts, as URLs without path (`http://127.0.0.1:9090`).

    Args:
        console_url: serves service discovery, its own metrics and the webhook.
        snmp_url: SNMP exporter.
        probes_url: prober.
        fleet_url: fleet exporter.
        prometheus_url: Prometheus, as people reach it (links in notifications).
        alertmanager_url: Alertmanager.
        token_file: bearer token of the console's machine interface; absolute, because it is read by other processes.
        webhook_url: where alerts are posted; None: the console's `/hooks/alertmanager`.
        mail: mail for pages; None: no mail.
        external_labels: labels that tell this Prometheus from others.
    """

    console_url: str
    snmp_url: str
    probes_url: str
    fleet_url: str
    prometheus_url: str
    alertmanager_url: str
    token_file: Path
    webhook_url: str | None = None
    mail: Mail | None = None
    external_labels: Mapping[str, str] = field(default_factory=dict)
