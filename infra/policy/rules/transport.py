"""TLS 1.2 or later wherever a service lets one choose, and no health check or database over plain text.

Source: Microsoft cloud security benchmark v1 DP-3. Services that do not let one choose (Key Vault, Grafana, Azure
Monitor, AKS) accept TLS 1.2 and later only [unverified for each of them].
"""

from __future__ import annotations

from collections.abc import Callable

from infra.policy.model import Resource
from infra.policy.rules.want import Want, wants

_NEW = ("TLS1_2", "TLS1_3")
_OLD = "older versions are broken"


def _setting(name: str) -> Callable[[Resource], bool]:
    return lambda resource: resource.text("configurationName") == name


WANTS = (
    Want("azure-native:storage:StorageAccount", "minimumTlsVersion", _NEW, _OLD),
    Want("azure-native:trafficmanager:Profile", "monitorConfig.protocol", ("HTTPS", "TCP"), "no plain HTTP probes"),
    Want(
        "azure-native:dbforpostgresql:Configuration",
        "value",
        ("on",),
        "clients must use TLS",
        when=_setting("require_secure_transport"),
    ),
    Want(
        "azure-native:dbforpostgresql:Configuration",
        "value",
        ("TLSv1.2", "TLSv1.3"),
        _OLD,
        when=_setting("ssl_min_protocol_version"),
    ),
)
transport = wants(WANTS)
