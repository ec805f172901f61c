"""The collector `infra`: age and result of each stack's last preview and look for drift, and the end of exemptions.

Turns the records of `noc infra` into metrics. Exemptions count only for a governance stack that has a record: the
repository ships configurations, and one that nobody deploys must alert nobody. Without records there are no metrics.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from prometheus_client.core import GaugeMetricFamily, Metric

from exporters.fleet.gathering import Files, Gathered, listed, shown
from exporters.fleet.records import RESULTS, Drift, Exemptions, Preview, StackRecord, parse_exemptions, parse_record

GOVERNANCE = "governance-"
AHEAD_S = 3600.0  # clocks differ; a time further ahead than this would hide for ever that nothing happens any more


class Deployments:
    """The collector.

    Args:
        records: folder of `<stack>.json`; it need not exist.
        stacks: folder of `Pulumi.<stack>.yaml`; None: no exemptions.
    """

    name = "infra"

    def __init__(self, records: Path, stacks: Path | None) -> None:
        self.records = records
        self._stacks = stacks
        self._record_files = Files(parse_record)
        self._config_files = Files(parse_exemptions)

    @property
    def parsed(self) -> int:
        """How many files have been parsed so far; unchanged ones are not parsed again."""
        return self._record_files.parsed + self._config_files.parsed

    def gather(self, now: float) -> Gathered:
        """All stacks that have a record that can be read.

        Raises:
            Unreadable, OSError: the folder of the records cannot be listed or holds far too much.
        """
        paths = listed(self.records, lambda name: name.endswith(".json") and not name.startswith("."))
        found, unreadable = self._record_files.read(paths)
        records = []
        for path, record in found.items():
            if any(look.time.timestamp() > now + AHEAD_S for look in (record.preview, record.drift) if look):
                unreadable[shown(path)] = "has a time in the future"
            else:
                records.append(record)
        exemptions, more = self._exemptions(record.stack for record in records)
        metrics = (*_previews(records), *_drifts(records), _expiries(exemptions))
        return Gathered(metrics, len(paths), unreadable | more)

    def _exemptions(self, stacks: Iterable[str]) -> tuple[dict[str, Exemptions], dict[str, str]]:
        if self._stacks is None:
            return {}, {}
        paths = {self._stacks / f"Pulumi.{stack}.yaml": stack for stack in stacks if stack.startswith(GOVERNANCE)}
        found, unreadable = self._config_files.read(paths)
        for path in paths:
            if path not in found and shown(path) not in unreadable:
                unreadable[shown(path)] = "does not exist, so nobody sees its exemptions end"
        for path, exemptions in found.items():
            if exemptions.bad:
                unreadable[shown(path)] = "; ".join(exemptions.bad[:3])
        return {paths[path]: exemptions for path, exemptions in found.items()}, unreadable


def _previews(records: Iterable[StackRecord]) -> tuple[Metric, ...]:
    text = "last preview of the stack"
    times = GaugeMetricFamily("wan_noc_stack_preview_timestamp_seconds", f"When the {text} ended.", labels=["stack"])
    results = GaugeMetricFamily(
        "wan_noc_stack_preview_result", f"Whether this was the result of the {text}.", labels=["stack", "result"]
    )
    changes = GaugeMetricFamily(
        "wan_noc_stack_preview_changes", f"Resources by what the {text} would do to them.", labels=["stack", "op"]
    )
    for record in records:
        if record.preview is not None:
            _add_look(times, results, record.stack, record.preview)
            for operation, count in record.preview.changes.items():
                changes.add_metric([record.stack, operation], count)
    return times, results, changes


def _drifts(records: Iterable[StackRecord]) -> tuple[Metric, ...]:
    text = "last look for drift in the stack"
    times = GaugeMetricFamily("wan_noc_stack_drift_timestamp_seconds", f"When the {text} ended.", labels=["stack"])
    results = GaugeMetricFamily(
        "wan_noc_stack_drift_result", f"Whether this was the result of the {text}.", labels=["stack", "result"]
    )
    resources = GaugeMetricFamily(
        "wan_noc_stack_drift_resources", "Resources that are not as the stack's state has them.", labels=["stack"]
    )
    for record in records:
        if record.drift is not None:
            _add_look(times, results, record.stack, record.drift)
            if record.drift.result != "failed":  # a look that failed has seen nothing, which is not "no drift"
                resources.add_metric([record.stack], record.drift.resources)
    return times, results, resources


def _add_look(times: GaugeMetricFamily, results: GaugeMetricFamily, stack: str, look: Preview | Drift) -> None:
    times.add_metric([stack], look.time.timestamp())
    for result in RESULTS:
        results.add_metric([stack, result], float(look.result == result))


def _expiries(exemptions: dict[str, Exemptions]) -> Metric:
    found = GaugeMetricFamily(
        "wan_noc_policy_exemption_expiry_timestamp_seconds",
        "End of the last day of a policy exemption.",
        labels=["stack", "exemption", "owner"],
    )
    for stack, held in exemptions.items():
        for exemption in held.good:
            found.add_metric([stack, exemption.id, exemption.owner], exemption.expires.timestamp())
    return found
