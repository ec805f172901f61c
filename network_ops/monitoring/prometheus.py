"""Prometheus' configuration as data: what is scraped, how often, with which labels. Pure."""

from __future__ import annotations

from urllib.parse import urlsplit

from inventory.models import Inventory
from network_ops.monitoring.settings import Settings

Config = dict[str, object]

FAST_JOB, SLOW_JOB = "snmp", "snmp-slow"
STATE_INTERVAL, PROBES_INTERVAL, FLEET_INTERVAL = "3s", "15s", "60s"


def prometheus_config(inv: Inventory, settings: Settings) -> Config:
    """The whole configuration. Rule files are expected in `rules/` beside it."""
    config: Config = {
        "global": {"scrape_interval": "15s", "scrape_timeout": "10s", "evaluation_interval": "15s"},
        "rule_files": ["rules/*.yml"],
        "alerting": {"alertmanagers": [_alertmanager(settings)]},
        "scrape_configs": [
            *(_snmp_job(name, interval_s, settings) for name, interval_s in snmp_jobs(inv)),
            _static_job("probes-state", settings.probes_url, STATE_INTERVAL, "3s", "/metrics/state"),
            _static_job("probes", settings.probes_url, PROBES_INTERVAL, "10s", "/metrics") | {"params": {"own": ["0"]}},
            _static_job("snmp-exporter", settings.snmp_url, "15s", "5s", "/metrics"),
            _static_job("prober", settings.probes_url, "15s", "5s", "/metrics/self"),
            _static_job("fleet", settings.fleet_url, FLEET_INTERVAL, "10s", "/metrics"),
            _static_job("noc", settings.console_url, "15s", "10s", "/metrics"),
        ],
    }
    if settings.external_labels:
        config["global"] |= {"external_labels": dict(settings.external_labels)}  # type: ignore[operator]
    return config


def snmp_jobs(inv: Inventory) -> list[tuple[str, int]]:
    """Job name and interval in seconds for each interval of the inventory's roles.

    The shortest is `snmp`, the next `snmp-slow`, further ones `snmp-slow-<seconds>`.
    """
    intervals = sorted({int(role.interval.total_seconds()) for role in inv.roles.values()})
    names = [FAST_JOB, SLOW_JOB, *(f"{SLOW_JOB}-{seconds}" for seconds in intervals[2:])]
    return list(zip(names, intervals, strict=False))


def _snmp_job(name: str, interval_s: int, settings: Settings) -> Config:
    url = f"{settings.console_url.rstrip('/')}/api/sd/snmp?interval={interval_s}"
    return {
        "job_name": name,
        "scrape_interval": f"{interval_s}s",
        # The exporter ends before the scraper does: a satellite with loss may take many seconds, a dead device all.
        "scrape_timeout": f"{min(30, interval_s)}s",
        "metrics_path": "/snmp",
        "http_sd_configs": [{"url": url, "refresh_interval": "60s", "authorization": _authorization(settings)}],
        "relabel_configs": [
            {"source_labels": ["__address__"], "target_label": "__param_target"},
            {"source_labels": ["device"], "target_label": "instance"},
            {"target_label": "__address__", "replacement": _netloc(settings.snmp_url)},
        ],
    }


def _static_job(name: str, url: str, interval: str, timeout: str, path: str) -> Config:
    return {
        "job_name": name,
        "scrape_interval": interval,
        "scrape_timeout": timeout,
        "metrics_path": path,
        "static_configs": [{"targets": [_netloc(url)]}],
    }


def _alertmanager(settings: Settings) -> Config:
    return {"static_configs": [{"targets": [_netloc(settings.alertmanager_url)]}], "timeout": "5s"}


def _authorization(settings: Settings) -> Config:
    return {"type": "Bearer", "credentials_file": str(settings.token_file)}


def _netloc(url: str) -> str:
    """HOST:PORT of a URL.

    Raises:
        ValueError: the URL has no host.
    """
    found = urlsplit(url).netloc
    if not found:
        raise ValueError(f"{url!r} is not a URL such as http://127.0.0.1:9090")
    return found
