"""The committed tables: prices with source and date, assumed usage, and what is free.

Turns three CSV files into frozen tables; refuses a price table that is past its date, because an old price looks just
like a right one.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Literal, get_args

from infra.core.errors import InfraError, Problem

FOLDER = Path(__file__).parent
PRICES, USAGE, FREE = FOLDER / "prices.csv", FOLDER / "usage.csv", FOLDER / "free.csv"
Quality = Literal["list", "other-region", "estimate"]
QUALITIES: tuple[Quality, ...] = get_args(Quality)


@dataclass(frozen=True, slots=True)
class Price:
    """One meter: price of a unit in the table's currency, how good it is, where it is from and of when."""

    meter: str
    unit: str
    price: float
    quality: Quality
    source: str
    dated: date


@dataclass(frozen=True)
class PriceTable:
    """All three tables. `usage` is what we assume by key, `free` the reason by type token without `azure-native:`."""

    valid_until: date
    currency: str
    prices: Mapping[str, Price]
    usage: Mapping[str, float]
    free: Mapping[str, str]


def load(today: date, prices: Path = PRICES, usage: Path = USAGE, free: Path = FREE) -> PriceTable:
    """The tables, valid today.

    Raises:
        InfraError: the price table is past its date, or a row cannot be used; only `cost` needs them.
    """
    valid_until = _valid_until(prices)
    if today > valid_until:
        remedy = "renew its rows as its head says and set valid_until; nothing else depends on it"
        problem = Problem("cost", str(prices.name), str(valid_until), f"is past its date (today is {today})", remedy)
        raise InfraError("the price table has expired; no estimate is better than a wrong one", [problem])
    problems: list[Problem] = []
    found: dict[str, Price] = {}
    currencies: set[str] = set()
    for line, row in _rows(prices):
        try:
            price = _price(row)
        except (KeyError, ValueError) as error:
            problems.append(
                Problem("cost", f"{prices.name}:{line}", row.get("meter", ""), str(error), "correct the row")
            )
            continue
        if price.meter in found:
            problems.append(Problem("cost", f"{prices.name}:{line}", price.meter, "is there twice", "remove one"))
        found[price.meter] = price
        currencies.add(row["currency"])
    if len(currencies) > 1:
        rule = f"there are prices in {', '.join(sorted(currencies))}"
        problems.append(Problem("cost", prices.name, "", rule, "write all in one currency"))
    assumed: dict[str, float] = {}
    for line, row in _rows(usage):
        try:
            assumed[row["key"]] = float(row["value"])
        except (KeyError, ValueError) as error:
            problems.append(Problem("cost", f"{usage.name}:{line}", row.get("key", ""), str(error), "correct the row"))
    if problems:
        raise InfraError("the price tables cannot be used", problems)
    reasons = {row["type"]: row["reason"] for _, row in _rows(free)}
    return PriceTable(valid_until, next(iter(currencies), "USD"), found, assumed, reasons)


def _price(row: Mapping[str, str]) -> Price:
    quality = next((q for q in QUALITIES if q == row["quality"]), None)
    if quality is None:
        raise ValueError(f"quality is {', '.join(QUALITIES)}")
    amount = float(row["price"])
    if amount < 0:
        raise ValueError("a price is not negative")
    if not row["source"]:
        raise ValueError("a price has a source")
    return Price(row["meter"], row["unit"], amount, quality, row["source"], date.fromisoformat(row["date"]))


def _valid_until(path: Path) -> date:
    first = path.read_text(encoding="utf-8").partition("\n")[0]
    word = first.removeprefix("# valid_until:").strip()
    try:
        return date.fromisoformat(word)
    except ValueError:
        problem = Problem(
            "cost", path.name, first, "has no date of validity", "start it with '# valid_until: YYYY-MM-DD'"
        )
        raise InfraError("the price table cannot be used", [problem]) from None


def _rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """(line, row) of a table; lines that start with # are remarks."""
    numbered = [
        (n, text) for n, text in enumerate(path.read_text(encoding="utf-8").splitlines(), 1) if not text.startswith("#")
    ]
    reader = csv.DictReader(text for _, text in numbered)
    for (number, _), row in zip(numbered[1:], reader, strict=True):
        yield number, {key: (value or "").strip() for key, value in row.items() if key}
