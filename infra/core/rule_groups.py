"""Our alert rules as Azure's managed Prometheus takes them: from the very files that the NOC's own Prometheus runs.

Turns `network_ops/monitoring/rules/*.yml` into groups of Azure rules. Azure evaluates at most once a minute and holds
an alert for whole minutes from one on, so everything is slower there (minutes, not seconds): these groups are the
second pair of eyes, the NOC's own Prometheus stays the first. A rule that would be wrong at that pace is kept, switched
off, with the reason; one that would be wrong and is not in that table is refused.

Limits: interval 1 to 15 minutes (REST reference of prometheusRuleGroups 2023-03-01), `for` from 1 minute
(Azure/prometheus-collector #672: "Rules[13].For ... must be greater than or equal to '1'"), 20 rules a group (service
limits of Azure Monitor, read 2026-11), names without any of :@/#{}%&+*<>? (REST reference).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import yaml

from infra.core import promql
from infra.core.errors import InfraError, Problem

RULES_A_GROUP = 20
SHORTEST_S, LONGEST_S = 60, 900
RECORDED_HOLD_S = 120  # Azure feeds recorded series back a minute later: two in a chain must have had their time
SEVERITY: Mapping[str, int] = {"page": 1, "warning": 2, "info": 4}  # Azure: 0 critical ... 4 verbose
Pages = Literal["blindness", "all"]

# Right only at the pace of our own Prometheus; they stay there. Azure gets them switched off, so that they are seen.
NOT_AT_A_MINUTE: Mapping[str, str] = {
    "Watchdog": "proves that the NOC's own path of alerts works; it needs sample times to the second",
    "DeviceDown": "counts 38 samples of 3 s in wan:site_up; at one a minute it would never fire",
    "CircuitFlapping": "counts changes between samples of 3 s; at one a minute most are not seen",
    "AllHubsIsolated": "looks at 15 s of a recorded series, which at one sample a minute are nearly always empty",
}
_DURATION = re.compile(r"(\d+)(ms|[smhdwy])")
_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800, "y": 31536000}
_QUERY_BLOCK = re.compile(r"\{\{\s*with (?:(?!\}\}).)*\|\s*query\s*\}\}.*?\{\{\s*end\s*\}\}", re.DOTALL)
_BAD_NAME = re.compile(r"[:@/#{}%&+*<>?]")


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: `alert` or `record` is its name, the other is empty. `off` says why it is switched off, or is empty.

    `severity` is Azure's number, `hold` the ISO 8601 duration of `for` (empty: none); `pages` whether people are told
    from Azure.
    """

    expression: str
    alert: str = ""
    record: str = ""
    hold: str = ""
    severity: int | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    pages: bool = False
    off: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """One Azure rule group: `name` is the file's group name, with `-2` and so on where it had to be split."""

    name: str
    source: str
    interval: str
    rules: tuple[Rule, ...]

    @property
    def alerts(self) -> tuple[str, ...]:
        """Names of its alerts, each once, in order."""
        return tuple(dict.fromkeys(r.alert for r in self.rules if r.alert))


def load(folder: Path, pages: Pages = "blindness") -> list[Group]:
    """The groups of all rule files of a folder, tests left out, in order of file names.

    Args:
        folder: `network_ops/monitoring/rules`.
        pages: who is told from Azure: of our own blindness only (the NOC tells the rest itself), or of every page.

    Raises:
        InfraError: a file or rule that Azure could not run; one problem each.
    """
    files = sorted(p for p in folder.glob("*.yml") if not p.stem.endswith("_test"))
    if not files:
        raise InfraError(f"there are no rule files in {folder}")
    return convert({p.name: yaml.safe_load(p.read_text(encoding="utf-8")) for p in files}, pages)


def convert(documents: Mapping[str, Any], pages: Pages = "blindness") -> list[Group]:
    """The groups of parsed rule files, by file name. Pure; see `load`."""
    recorded = {r["record"] for d in documents.values() for g in d["groups"] for r in g["rules"] if "record" in r}
    groups: list[Group] = []
    problems: list[Problem] = []
    for source, document in documents.items():
        for group in document["groups"]:
            rules = tuple(_rule(raw, recorded, pages) for raw in group["rules"])
            problems += _problems(source, group["name"], rules, recorded)
            interval = iso(min(max(seconds(group.get("interval", "1m")), SHORTEST_S), LONGEST_S))
            for part, start in enumerate(range(0, len(rules), RULES_A_GROUP), start=1):
                name = group["name"] if part == 1 else f"{group['name']}-{part}"
                groups.append(Group(name, source, interval, rules[start : start + RULES_A_GROUP]))
    names = [g.name for g in groups]
    problems += [
        Problem("noc", f"rule group {n}", "", "stands in two rule files", "rename one of them")
        for n in sorted({n for n in names if names.count(n) > 1})
    ]
    if problems:
        raise InfraError("the alert rules cannot be run by Azure's managed Prometheus", problems)
    return groups


def raw_metrics(groups: Iterable[Group]) -> frozenset[str]:
    """The metrics that the switched-on rules read and that no rule records: what must reach the workspace."""
    rules = [r for g in groups for r in g.rules if not r.off]
    recorded = {r.record for r in rules if r.record}
    return frozenset().union(*(promql.metrics(r.expression) for r in rules)) - recorded


def seconds(text: str) -> float:
    """Seconds of a Prometheus duration such as 3s, 1m30s, 15d.

    Raises:
        InfraError: it is none.
    """
    parts = _DURATION.findall(str(text))
    if not parts or "".join(n + u for n, u in parts) != str(text):
        raise InfraError(f"'{text}' is no duration of Prometheus (3s, 1m30s, 10m)")
    return sum(int(n) * _SECONDS[u] for n, u in parts)


def iso(length_s: float) -> str:
    """ISO 8601 of a length, in whole minutes, rounded up: Azure counts in minutes."""
    return f"PT{max(1, -int(-length_s // 60))}M"


def _rule(raw: Mapping[str, Any], recorded: set[str], pages: Pages) -> Rule:
    labels = {k: str(v) for k, v in raw.get("labels", {}).items()}
    expression = str(raw["expr"]).strip()
    if "record" in raw:
        return Rule(expression, record=raw["record"], labels=labels)
    worst = _worst(labels.get("severity", ""))
    hold_s = seconds(raw.get("for", "0s"))
    if promql.metrics(expression) & recorded:
        hold_s = max(hold_s, RECORDED_HOLD_S)
    elif hold_s:
        hold_s = max(hold_s, SHORTEST_S)
    off = NOT_AT_A_MINUTE.get(raw["alert"], "")
    annotations = {k: _QUERY_BLOCK.sub("(see the console)", str(v)) for k, v in raw.get("annotations", {}).items()}
    return Rule(
        expression,
        alert=raw["alert"],
        hold=iso(hold_s) if hold_s else "",
        severity=SEVERITY.get(worst, 3),
        labels=labels | ({"severity": worst} if worst else {}),
        annotations=annotations | ({"off": off} if off else {}),
        pages=not off and worst == "page" and (pages == "all" or labels.get("team") == "noc"),
        off=off,
    )


def _worst(severity: str) -> str:
    """The worst severity word in a label; a template (`{{ if ... }}page{{ else }}warning{{ end }}`) has several."""
    found = [word for word in SEVERITY if re.search(rf"(?<!\w){word}(?!\w)", severity)]
    return min(found, key=SEVERITY.__getitem__, default="")


def _problems(source: str, group: str, rules: tuple[Rule, ...], recorded: set[str]) -> list[Problem]:
    where = f"{source}: {group}"
    found = []
    if _BAD_NAME.search(group):
        found.append(Problem("noc", where, group, "has a sign that Azure refuses in names", "rename the group"))
    for rule in rules:
        name = rule.alert or rule.record
        if not rule.off and (
            "timestamp(" in rule.expression or any(promql.ranged(rule.expression, r) for r in recorded)
        ):
            found.append(
                Problem("noc", where, name, "reads a range of a recorded series, which Azure records once a minute",
                        "rewrite it, or add it to NOT_AT_A_MINUTE in infra/core/rule_groups.py with the reason")
            )  # fmt: skip
        if rule.alert and rule.severity == 3:
            found.append(
                Problem("noc", where, name, "has no severity of " + ", ".join(SEVERITY), "give it the label severity")
            )
    return found
