"""Says what a month costs, and how sure that is: for people and for programmes.

Pure. Turns an `Estimate` into text of at most 120 columns and into JSON.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

from infra.cost.estimate import PRICED_AT_LEAST, Estimate, Line
from infra.cost.prices import PriceTable

WIDTH = 120
_LINES = 30


def text(found: Estimate, table: PriceTable) -> str:
    """The estimate for a person: by stack, by meter, what it rests on, what is free, what is UNPRICED."""
    parts = [_stacks(found), _meters(found), _basis(found, table), _free(found), _unpriced(found)]
    return "\n\n".join("\n".join(p) for p in parts if p)


def _stacks(found: Estimate) -> list[str]:
    lines = [f"{'stack':<38}{'resources':>10}{found.currency + ' a month':>18}", "─" * 66]
    for stack, resources in found.by_stack.items():
        lines.append(f"{stack:<38}{resources:>10,}{found.of(stack):>18,.0f}")
    lines.append(f"{'total':<38}{found.resources:>10,}{found.total:>18,.0f}")
    return lines


def _meters(found: Estimate) -> list[str]:
    """The meters over all stacks, dearest first."""
    merged: dict[tuple[str, bool], list[Line]] = {}
    for line in found.lines:
        merged.setdefault((line.price.meter, line.assumed), []).append(line)
    rows = sorted(merged.values(), key=lambda group: -sum(x.amount for x in group))
    head = f"{'meter':<34}{'resources':>10}{'quantity':>14}  {'unit':<12}{'price':>9}{found.currency:>12}  rests on"
    lines = [head, "─" * WIDTH]
    for group in rows[:_LINES]:
        price = group[0].price
        basis = price.quality + (", assumed use" if group[0].assumed else "")
        quantity, amount = sum(x.quantity for x in group), sum(x.amount for x in group)
        count = sum(x.resources for x in group)
        figures = f"{count:>10,}{quantity:>14,.1f}  {price.unit:<12}{price.price:>9.4g}{amount:>12,.0f}"
        lines.append(f"{price.meter:<34}{figures}  {basis}"[:WIDTH])
    rest = rows[_LINES:]
    if rest:
        amount = sum(x.amount for group in rest for x in group)
        lines.append(f"{f'… and {len(rest)} smaller meters':<79}{amount:>12,.0f}")
    return lines


def _basis(found: Estimate, table: PriceTable) -> list[str]:
    shares = found.shares()
    oldest = min((line.price.dated for line in found.lines), default=table.valid_until)
    words = {
        "list": "list prices",
        "other-region": "another region's prices",
        "estimate": "estimated prices",
        "assumed use": "assumed use",
    }
    said = ", ".join(f"{shares[key]:.0%} {word}" for key, word in words.items())
    return [
        f"The sum rests on {said}",
        "(use is assumed where no input says how much there is; that share overlaps the others).",
        f"Prices without any agreement or tax, the oldest of {oldest}; the table is valid until {table.valid_until}.",
        f"Priced or free: {found.priced_share:.1%} of {found.resources:,} resources (at least {PRICED_AT_LEAST:.0%}).",
    ]


def _free(found: Estimate) -> list[str]:
    total = sum(found.free.values())
    return [f"FREE: {total:,} resources of {len(found.free)} types, each with its reason in free.csv"] if total else []


def _unpriced(found: Estimate) -> list[str]:
    if not found.unpriced:
        return ["UNPRICED: none"]
    lines = ["UNPRICED, not in the sum:"]
    lines += [f"  {count:>5} {kind}" for kind, count in sorted(found.unpriced.items(), key=lambda i: (-i[1], i[0]))]
    if found.missing_meters:
        lines.append(f"  meters without a price: {', '.join(found.missing_meters)}")
    return lines


def as_json(found: Estimate, table: PriceTable, today: date) -> Mapping[str, object]:
    """The estimate for a programme."""
    lines: Sequence[Mapping[str, object]] = [
        {
            "stack": x.stack,
            "type": x.type,
            "meter": x.price.meter,
            "resources": x.resources,
            "quantity": x.quantity,
            "unit": x.price.unit,
            "price": x.price.price,
            "amount": round(x.amount, 2),
            "quality": x.price.quality,
            "assumed": x.assumed,
            "source": x.price.source,
            "dated": x.price.dated.isoformat(),
        }
        for x in found.lines
    ]
    return {
        "currency": found.currency,
        "total": round(found.total, 2),
        "by_stack": {stack: round(found.of(stack), 2) for stack in found.by_stack},
        "shares": found.shares(),
        "priced_share": found.priced_share,
        "resources": found.resources,
        "lines": lines,
        "free": dict(found.free),
        "unpriced": dict(found.unpriced),
        "missing_meters": list(found.missing_meters),
        "valid_until": table.valid_until.isoformat(),
        "today": today.isoformat(),
    }
