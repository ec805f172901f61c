"""The estimate of a month: every resource priced, free for a reason, or UNPRICED by type.

Pure. Turns (graphs, price table) into lines by stack and meter. It says how much of the sum rests on list prices, on
another region's prices, on estimates and on assumed use, because a single total would look surer than it is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from infra.cost.prices import QUALITIES, Price, PriceTable
from infra.cost.rates import billed_type, uses
from infra.graph.model import Graph

PRICED_AT_LEAST = 0.8  # of all resources; below it an estimate says too little


@dataclass(frozen=True, slots=True)
class Line:
    """All uses of one meter by the resources of one type in one stack, in a month."""

    stack: str
    type: str
    price: Price
    resources: int
    quantity: float
    assumed: bool

    @property
    def amount(self) -> float:
        """In the table's currency."""
        return self.quantity * self.price.price


@dataclass(frozen=True)
class Estimate:
    """A month: what is billed, what is free by type (with the reason in the table), what nobody has priced."""

    currency: str
    lines: tuple[Line, ...]
    free: Mapping[str, int]
    unpriced: Mapping[str, int]
    missing_meters: tuple[str, ...]
    resources: int
    by_stack: Mapping[str, int]

    @property
    def total(self) -> float:
        """The month in the table's currency."""
        return sum(line.amount for line in self.lines)

    def of(self, stack: str) -> float:
        """The month of one stack."""
        return sum(line.amount for line in self.lines if line.stack == stack)

    @property
    def priced_share(self) -> float:
        """Share of all resources that are priced or known to be free, 0 to 1."""
        return 1 - sum(self.unpriced.values()) / self.resources if self.resources else 1.0

    def shares(self) -> dict[str, float]:
        """Share of the sum (0 to 1) by what it rests on: list, other-region, estimate; and assumed use across them."""
        total = self.total or 1.0
        found = {q: sum(x.amount for x in self.lines if x.price.quality == q) / total for q in QUALITIES}
        return found | {"assumed use": sum(x.amount for x in self.lines if x.assumed) / total}


def estimate(graphs: Iterable[Graph], table: PriceTable) -> Estimate:
    """The month of some stacks."""
    free: Counter[str] = Counter()
    unpriced: Counter[str] = Counter()
    missing: set[str] = set()
    lines: list[Line] = []
    by_stack: dict[str, int] = {}
    for graph in graphs:
        by_stack[graph.stack.name] = len(graph.resources)
        sums: dict[tuple[str, str, bool], tuple[set[str], float]] = {}
        for node in graph.resources:
            found = uses(node, table.usage)
            absent = [u.meter for u in found or () if u.meter not in table.prices]
            if found is None and billed_type(node) in table.free:
                free[billed_type(node)] += 1
            elif found is None or absent:
                unpriced[billed_type(node)] += 1
                missing |= set(absent)
            else:
                for use in found:
                    users, quantity = sums.get((billed_type(node), use.meter, use.assumed), (set(), 0.0))
                    sums[billed_type(node), use.meter, use.assumed] = users | {node.urn}, quantity + use.quantity
        lines += _lines(graph.stack.name, sums, table)
    return Estimate(
        currency=table.currency,
        lines=tuple(lines),
        free=dict(sorted(free.items())),
        unpriced=dict(sorted(unpriced.items())),
        missing_meters=tuple(sorted(missing)),
        resources=sum(by_stack.values()),
        by_stack=by_stack,
    )


def _lines(
    stack: str, sums: Mapping[tuple[str, str, bool], tuple[set[str], float]], table: PriceTable
) -> Iterator[Line]:
    for (kind, meter, assumed), (users, quantity) in sorted(sums.items()):
        yield Line(stack, kind, table.prices[meter], len(users), quantity, assumed)
