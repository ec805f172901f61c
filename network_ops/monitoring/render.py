"""Renders: writes prometheus.yml, alertmanager.yml and rules/*.yml into a directory, each file whole or not at all.

Rule files are copied as they stand in `rules/`, without their tests; rule files of an earlier version are removed.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import yaml

from inventory.models import Inventory
from network_ops.monitoring.alertmanager import alertmanager_config
from network_ops.monitoring.prometheus import prometheus_config
from network_ops.monitoring.settings import Settings

RULES = Path(__file__).parent / "rules"
_HEADING = "# Rendered from the inventory: changes made here are lost. See network_ops/monitoring/README.md.\n"


def rule_files() -> tuple[Path, ...]:
    """The shipped rule files, tests left out."""
    return tuple(sorted(path for path in RULES.glob("*.yml") if not path.stem.endswith("_test")))


def render(inv: Inventory, settings: Settings, directory: Path) -> tuple[Path, ...]:
    """Write the configuration below `directory`, which is made if need be.

    Returns:
        The files that changed; empty when Prometheus and Alertmanager need no reload.

    Raises:
        OSError: a file cannot be written; what stood there before is still whole.
    """
    wanted = {
        Path("prometheus.yml"): _HEADING + _yaml(prometheus_config(inv, settings)),
        Path("alertmanager.yml"): _HEADING + _yaml(alertmanager_config(settings)),
    }
    wanted |= {Path("rules", path.name): path.read_text(encoding="utf-8") for path in rule_files()}
    (directory / "rules").mkdir(parents=True, exist_ok=True)
    changed = [directory / name for name, text in wanted.items() if _replace(directory / name, text)]
    for path in (directory / "rules").glob("*.yml"):
        if Path("rules", path.name) not in wanted:
            path.unlink()
            changed.append(path)
    return tuple(changed)


def _yaml(document: dict[str, object]) -> str:
    return yaml.safe_dump(document, sort_keys=False, width=120, allow_unicode=True)


def _replace(path: Path, text: str) -> bool:
    """Replace a file atomically; tells whether its content changed."""
    try:
        if path.read_text(encoding="utf-8") == text:
            return False
    except FileNotFoundError:
        pass
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return True
