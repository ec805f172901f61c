"""What a month of a recorded deployment costs, from committed tables of prices, of usage and of what is free."""

from infra.cost.estimate import PRICED_AT_LEAST, Estimate, Line, estimate
from infra.cost.prices import PriceTable, load

__all__ = ["PRICED_AT_LEAST", "Estimate", "Line", "PriceTable", "estimate", "load"]
