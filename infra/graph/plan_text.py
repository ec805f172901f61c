"""Says what a plan would do: changes grouped by stack and by what is equal about them, then whom they touch.

Pure. Turns an `Impact` into text of at most 120 columns and into JSON. Equal changes are said once with their number;
nothing that the engine would refuse is hidden in a group.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from infra.graph.draw import short_type
from infra.graph.impact import KINDS, Change, Impact, SubjectKind
from infra.graph.model import Json
from inventory import Inventory

WIDTH = 120
_SIGNS = {"create": "+", "update": "~", "replace": "±", "delete": "-"}
_NAMED = 6  # names of a group before the rest is counted
_WORDS: Mapping[SubjectKind, str] = {"site": "sites", "application": "applications", "rule": "alert rules"}


def plan_text(
    impact: Impact, inventory: Inventory, against: str, stacks: int, unsaved: Sequence[str] = (), narrowed: bool = False
) -> str:
    """The plan for a person.

    Args:
        impact: what differs.
        inventory: the tables as they are now, for the number of sites and their regions.
        against: what it was compared with, in words.
        stacks: how many stacks were recorded.
        unsaved: stacks that nothing is saved of, so that all of them is new.
        narrowed: only some stacks were asked for, so that what lies in others is not seen.
    """
    fresh = set(unsaved)
    changes = [c for c in impact.changes if c.stack not in fresh]
    lines = (
        [_headline(changes, against)] if changes or len(fresh) < stacks else [f"nothing to compare with in {against}"]
    )
    for stack in dict.fromkeys(c.stack for c in changes):
        lines += ["", stack, *_grouped([c for c in changes if c.stack == stack])]
    if unsaved:
        new = sum(c.stack in fresh for c in impact.changes)
        lines += ["", _cut(f"not saved before, so all new: {new} resources in {_names(list(unsaved))}")]
    if impact.moved:
        lines += [
            "",
            "The same Azure resource goes from one place to another. Deploy the stack that gives it up first, then the",
            "one that takes it (within one stack: an alias), or Azure refuses to create it twice:",
        ]
        lines += [_cut(f"  {_whence(gone)} → {_whence(comes)}") for gone, comes in impact.moved[:_NAMED]]
        lines += [f"  … and {len(impact.moved) - _NAMED} more"] if len(impact.moved) > _NAMED else []
    refused = [c for c in changes if c.refused]
    if refused:
        lines += [
            "",
            f"REFUSED by protection: {len(refused)}. Take the protection off in a deployment of its own first:",
        ]
        lines += [_cut(f"  {_SIGNS[c.kind]} {short_type(c.node.type)} {c.node.name} in {c.stack}") for c in refused]
    if changes or not unsaved:
        lines += ["", *_touched(impact, inventory)]
    if changes and narrowed:
        lines.append(f"(looked for in the {stacks} stack{'s' * (stacks > 1)} planned here only; without names: in all)")
    return "\n".join(lines)


def _headline(changes: Sequence[Change], against: str) -> str:
    if not changes:
        return f"nothing changes against {against}"
    counts = ", ".join(f"{n} {kind}" for kind in KINDS if (n := sum(c.kind == kind for c in changes)))
    stacks = len({c.stack for c in changes})
    return f"{len(changes)} resource{_s(changes)} in {stacks} stack{'s' * (stacks > 1)} ({counts}) against {against}"


def _grouped(changes: Sequence[Change]) -> list[str]:
    groups: dict[tuple[str, str, tuple[str, ...], tuple[str, ...]], list[Change]] = {}
    for change in changes:
        alike = tuple(dict.fromkeys(re.sub(r"\[\d+\]", "[]", p) for p in change.paths))
        values = tuple(_values(change))
        groups.setdefault((change.kind, change.node.type, alike, values), []).append(change)
    lines: list[str] = []
    for (kind, token, paths, values), same in groups.items():
        number = f"{len(same)} " if len(same) > 1 else ""
        start = f"  {_SIGNS[kind]} {number}{short_type(token)} {_names([c.node.name for c in same])}"
        lines.append(_cut(start + ("   PROTECTED" if any(c.refused for c in same) else "")))
        lines += [_cut(f"      {text}") for text in (values or paths)[:_NAMED]]
        if len(values or paths) > _NAMED:
            lines.append(f"      … and {len(values or paths) - _NAMED} more properties")
    return lines


def _values(change: Change) -> list[str]:
    """`vpnGatewayScaleUnit: 24 → 25` for each path; the first that forces a replacement says so."""
    if change.kind not in ("update", "replace") or change.before is None:
        return []
    found = []
    for path in change.paths:
        if path.startswith("("):
            option = path.strip("()")
            old, new = getattr(change.before, option, ""), getattr(change.node, option, "")
            found.append(f"{path}: {old} → {new}" if option != "id" else f"id: {change.before.id} → {change.node.id}")
        else:
            found.append(f"{path}: {_shown(change.before.inputs, path)} → {_shown(change.node.inputs, path)}")
    return found


def _shown(inputs: Mapping[str, Json], path: str) -> str:
    value: Json | Mapping[str, Json] = inputs
    for number, name in re.findall(r"\[(\d+)\]|([^.\[]+)", path):
        if isinstance(value, Mapping):
            value = value.get(name)
        elif isinstance(value, list) and number and int(number) < len(value):
            value = value[int(number)]
        else:
            value = None
    if isinstance(value, list):
        return f"[{len(value)}: {', '.join(_word(v) for v in value[:3])}{', …' if len(value) > 3 else ''}]"
    return _word(value)


def _word(value: Json | Mapping[str, Json]) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, Mapping):
        name = value.get("name") or value.get("alert") or value.get("id")
        return str(name) if name else "{…}"
    text = str(value)
    return text if len(text) <= 44 else f"…{text[-43:]}"


def _touched(impact: Impact, inventory: Inventory) -> list[str]:
    lines = []
    for title, directly in (("touches", True), ("reaches through what they use", False)):
        for kind, word in _WORDS.items():
            ids = impact.subjects(kind, directly=directly)
            if ids:
                lines.append(_cut(f"{title} {_whom(kind, word, ids, inventory)}"))
                lines += [] if directly else [_cut(f"    by {text}") for text in _causes(impact, kind)]
    return lines or ["touches no site, application or alert rule"]


def _whom(kind: SubjectKind, word: str, ids: Sequence[str], inventory: Inventory) -> str:
    total = {"site": len(inventory.sites), "application": len(inventory.applications), "rule": 0}[kind]
    if kind == "site" and len(ids) > _NAMED:
        regions: dict[str, int] = {}
        for site in ids:
            region = inventory.sites[site].region if site in inventory.sites else "no longer in the inventory"
            regions[region] = regions.get(region, 0) + 1
        every = "all " if len(ids) == total else ""
        return f"{every}{len(ids)} {word}: {', '.join(f'{r} {n}' for r, n in sorted(regions.items()))}"
    return f"{len(ids)} {word if len(ids) != 1 else word.removesuffix('s')}: {_names(ids, _NAMED * 2)}"


def _causes(impact: Impact, kind: SubjectKind) -> list[str]:
    """The changes that reach most subjects of a kind, with how many each."""
    reach: dict[tuple[str, str], int] = {}
    for subject, changes in impact.indirect.items():
        if subject.kind == kind:
            for change in changes:
                key = (short_type(change.node.type), change.node.name)
                reach[key] = reach.get(key, 0) + 1
    ordered = sorted(reach.items(), key=lambda item: (-item[1], item[0]))
    lines = [f"{type_} {name} ({count})" for (type_, name), count in ordered[:_NAMED]]
    return [*lines, *([f"… and {len(ordered) - _NAMED} more changes"] if len(ordered) > _NAMED else [])]


def plan_json(impact: Impact, against: str, unsaved: Sequence[str] = ()) -> dict[str, object]:
    """The plan for a programme: every change, whom it touches, what would be refused."""
    return {
        "against": against,
        "unsaved": list(unsaved),
        "counts": {kind: impact.count(kind) for kind in KINDS},
        "changes": [
            {
                "stack": c.stack,
                "kind": c.kind,
                "type": c.node.type,
                "name": c.node.name,
                "urn": c.node.urn,
                "paths": list(c.paths),
                "refused": c.refused,
            }
            for c in impact.changes
        ],
        "moved": [[gone.node.urn, comes.node.urn] for gone, comes in impact.moved],
        "touches": {w: impact.subjects(k, directly=True) for k, w in _WORDS.items()},
        "reaches": {w: impact.subjects(k, directly=False) for k, w in _WORDS.items()},
    }


def _whence(change: Change) -> str:
    return f"{short_type(change.node.type)} {change.node.name} in {change.stack}"


def _names(names: Sequence[str], most: int = _NAMED) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _s(things: Sequence[object]) -> str:
    return "" if len(things) == 1 else "s"


def _cut(text: str) -> str:
    return text if len(text) <= WIDTH else text[: WIDTH - 1] + "…"
