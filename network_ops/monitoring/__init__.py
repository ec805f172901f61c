"""Monitoring: renders the configuration of Prometheus and Alertmanager, and holds the rules by subject.

Public: `render`, `Settings`, `Mail`, `RULES` (the folder of the rule files).
"""

from network_ops.monitoring.render import RULES, render
from network_ops.monitoring.settings import Mail, Settings

__all__ = ["RULES", "Mail", "Settings", "render"]
