"""Alertmanager's configuration as data: who is told of what, grouped by cause, and what explains what. Pure."""

from __future__ import annotations

from network_ops.monitoring.settings import Mail, Settings

Config = dict[str, object]

CONSOLE, MAIL = "console", "mail"

# What is held back while its cause is known. `equal`: labels that cause and consequence share. A site is not held back
# by one isolated hub: it still has the other, so when it is down as well, that is news of its own.
_INHIBITIONS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    (
        "AllHubsIsolated",
        "SiteDown|CircuitDown|CircuitDegraded|CircuitFlapping|CarrierOutage|HubIsolated|DeviceDown|AgentSilent|BgpSessionDown",
        (),
    ),
    ("CarrierOutage", "SiteDown|CircuitDown|CircuitDegraded|CircuitFlapping", ("carrier",)),
    (
        "SiteDown",
        "CircuitDown|CircuitDegraded|DeviceDown|AgentSilent|BgpSessionDown|InterfaceSaturated",
        ("site",),
    ),
    ("CircuitDown", "CircuitDegraded|BgpSessionDown|InterfaceSaturated", ("circuit",)),
    ("CircuitFlapping", "CircuitDown|CircuitDegraded", ("circuit",)),
    ("InterfaceSaturated", "CircuitDegraded", ("circuit",)),
    ("HubIsolated", "BgpSessionDown", ("hub",)),
    ("DeviceDown", "AgentSilent", ("device",)),
    ("SnmpBlind", "AgentSilent", ()),
)


def alertmanager_config(settings: Settings) -> Config:
    """The whole configuration.

    The console gets everything at once (it holds the state and polls besides). Mail is for pages only, waits 10 s so
    that the cause is known when it leaves, and puts what happened together into one message.
    """
    routes: list[Config] = [
        {
            # A notification is due again when `repeat_interval` has passed at a flush; just below the flush
            # interval, so that clock jitter does not skip every other one.
            "receiver": CONSOLE,
            "matchers": ['alertname="Watchdog"'],
            "group_by": ["alertname"],
            "group_wait": "1s",
            "group_interval": "30s",
            "repeat_interval": "25s",
        }
    ]
    receivers: list[Config] = [{"name": CONSOLE, "webhook_configs": [_webhook(settings)]}]
    if settings.mail is not None:
        routes.append(
            {
                "receiver": MAIL,
                "matchers": ['severity="page"'],
                "group_by": ["alertname", "carrier", "hub", "component"],
                "group_wait": "10s",
                "group_interval": "15s",
                "repeat_interval": "4h",
                "continue": True,
            }
        )
        receivers.append({"name": MAIL, "email_configs": [_mail(settings.mail)]})
    routes.append({"receiver": CONSOLE, "group_by": ["alertname", "scope"]})
    return {
        "global": {"resolve_timeout": "5m"},
        "route": {
            "receiver": CONSOLE,
            "group_by": ["alertname", "scope"],
            "group_wait": "1s",
            "group_interval": "5s",
            "repeat_interval": "4h",
            "routes": routes,
        },
        "receivers": receivers,
        "inhibit_rules": [_inhibition(*rule) for rule in _INHIBITIONS],
    }


def _inhibition(cause: str, consequences: str, equal: tuple[str, ...]) -> Config:
    rule: Config = {
        "source_matchers": [f'alertname="{cause}"'],
        "target_matchers": [f'alertname=~"{consequences}"'],
    }
    if equal:
        rule["equal"] = list(equal)
        # Alertmanager takes a label that both lack for equal; a consequence must really carry it.
        rule["target_matchers"] = [f'alertname=~"{consequences}"', *(f'{label}!=""' for label in equal)]
    return rule


def _webhook(settings: Settings) -> Config:
    return {
        "url": settings.webhook_url or f"{settings.console_url.rstrip('/')}/hooks/alertmanager",
        "send_resolved": True,
        "max_alerts": 50,  # the console reads only that something changed; it asks for the list itself
        "http_config": {
            "authorization": {"type": "Bearer", "credentials_file": str(settings.token_file)},
            "follow_redirects": False,
        },
    }


def _mail(mail: Mail) -> Config:
    host = mail.smarthost.rpartition(":")[0].strip("[]")
    local = host in ("localhost", "::1") or host.startswith("127.")
    config: Config = {
        "to": mail.recipient,
        "from": mail.sender,
        "smarthost": mail.smarthost,
        "require_tls": not local if mail.require_tls is None else mail.require_tls,
        "send_resolved": True,
        "headers": {"Subject": _SUBJECT},
        "html": "",
        "text": _TEXT,
    }
    if mail.username:
        config["auth_username"] = mail.username
    if mail.password_file is not None:
        config["auth_password_file"] = str(mail.password_file)
    return config


_SUBJECT = (
    '[{{ .Status | toUpper }}{{ if eq .Status "firing" }}:{{ .Alerts.Firing | len }}{{ end }}] '
    "{{ if eq (len .Alerts) 1 }}{{ (index .Alerts 0).Annotations.summary }}"
    "{{ else }}{{ .GroupLabels.alertname }}: {{ .Alerts | len }} alerts{{ end }}"
)
_TEXT = """{{ range .Alerts }}{{ .Status | toUpper }}  {{ .Annotations.summary }}
  {{ .Annotations.description }}
  Do: {{ .Annotations.action }}
  Since {{ .StartsAt.UTC.Format "2006-01-02 15:04:05" }} UTC. Runbook: docs/runbooks/{{ .Labels.alertname }}.md

{{ end }}"""
