"""Hand-picked seeds and GeoNames to the rows of sites.csv, with decisions left empty for `assign`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from inventory.generation.cities import City, Gazetteer

SITE_COUNT = 594
SUFFIX = {
    "resident-coordinator": "rco",
    "information-centre": "unic",
    "liaison-office": "liaison",
    "mission-headquarters": "mission",
    "sector": "sector",
    "team-site": "team",
}
SLA = {1: "critical", 2: "high", 3: "standard", 4: "field"}

REGIONS = {
    "americas-north": "US CA MX BB BZ CR CU DO SV GT HT HN JM NI PA TT",
    "americas-south": "AR BO BR CL CO EC GY PY PE SR UY VE",
    "europe": "CH AT IT ES FR GB DE NL DK SE NO FI PT IE HU CY GR BE CZ PL RU TR AL AM AZ BY BA GE KZ KG MD ME MK RS "
    "TJ TM UA UZ XK",
    "africa-west": "DZ BJ BF CV CI GM GH GN GW LR LY ML MR MA EH NE NG SN SL TG TN",
    "africa-central": "AO BI CM CF TD CG CD GQ GA RW UG ST",
    "africa-east": "KM SZ KE LS MG MW MU MZ NA ZA SO TZ ZM ZW BW",
    "africa-horn": "DJ ER ET SD SS",
    "middle-east": "BH IQ JO KW LB SA SY AE YE PS IL EG QA OM IR",
    "asia-pacific": "AF BD BT KH CN FJ IN ID LA MY MV MN MM NP PK PG PH WS LK TH TL VN FM KP SB VU JP KR SG AU NZ",
}
REGION_OF = {country: region for region, countries in REGIONS.items() for country in countries.split()}
DESK_OF = {
    "americas-north": "new-york",
    "americas-south": "new-york",
    "europe": "geneva",
    "africa-west": "geneva",
    "africa-central": "brindisi",
    "africa-east": "nairobi",
    "africa-horn": "nairobi",
    "middle-east": "brindisi",
    "asia-pacific": "bangkok",
}


@dataclass(frozen=True, slots=True)
class Seed:
    """A site before it has circuits: `hard` is the share of such sites that only a satellite reaches."""

    kind: str
    name: str
    city: City
    tier: int
    hard: float = 0.0
    mission: str = ""

    @property
    def region(self) -> str:
        """The region of the seed's country."""
        return REGION_OF[self.city.country]


def read_seeds() -> dict[str, Any]:
    """The hand-picked places of seeds.yaml."""
    text = (Path(__file__).parent / "seeds.yaml").read_text("utf-8")
    found: dict[str, Any] = yaml.load(text, Loader=yaml.CSafeLoader)
    return found


def seeds(gazetteer: Gazetteer) -> list[Seed]:
    """All sites, in the order in which they take the plain id of their city."""
    data = read_seeds()
    found = [Seed(kind, name, gazetteer.find(cc, city), 1) for kind, cc, city, name in data["offices"]]
    for mission in data["missions"]:
        found.extend(_mission(gazetteer, mission))
    for country in data["resident_coordinators"].split():
        city = gazetteer.find(country, data["capitals"].get(country) or gazetteer.capital(country))
        name = f"Resident coordinator, {gazetteer.country(country)}"
        found.append(Seed("resident-coordinator", name, city, 2 if city.population > 2_500_000 else 3))
    for kind, title in (("information_centres", "Information centre"), ("liaison_offices", "Liaison office")):
        for country, names in data[kind].items():
            for name in names:
                city = gazetteer.find(country, name)
                found.append(Seed(kind[:-1].replace("_", "-"), f"{title} {city.name}", city, 3))
    return found


def _mission(gazetteer: Gazetteer, mission: dict[str, Any]) -> Iterator[Seed]:
    country, name, hard = mission["country"], mission["name"], mission["hard"]
    headquarters = gazetteer.find(country, mission["headquarters"])
    yield Seed("mission-headquarters", f"{name}: headquarters", headquarters, 2, 0.0, name)
    sectors = [gazetteer.find(country, s) for s in mission["sectors"]]
    for city in sectors:
        yield Seed("sector", f"{name}: sector {city.name}", city, 3, hard, name)
    box = mission.get("box")
    team = gazetteer.largest(
        country,
        mission["team_sites"],
        apart_km=mission.get("spacing_km", 25),
        from_=[headquarters, *sectors],
        box=tuple(box) if box else None,
    )
    for city in team:
        yield Seed("team-site", f"{name}: team site {city.name}", city, 4, hard, name)


def identified(found: list[Seed]) -> dict[str, Seed]:
    """Seeds by id: country and city; a second site of a city adds its kind, a third its mission or a number."""
    by_id: dict[str, Seed] = {}
    for seed in found:
        base = f"{seed.city.country.lower()}-{seed.city.slug}"
        suffix = f"{base}-{SUFFIX.get(seed.kind, seed.kind)}"
        options = [base, suffix, *(f"{suffix}-{n}" for n in range(2, 9))]
        by_id[next(o for o in options if o not in by_id)] = seed
    return by_id


def site_rows(by_id: dict[str, Seed]) -> list[dict[str, str]]:
    """Rows of sites.csv, ordered by region and id."""
    rows = [
        {
            "id": key,
            "name": s.name,
            "city": s.city.name,
            "country": s.city.country,
            "latitude": f"{s.city.latitude:.5f}",
            "longitude": f"{s.city.longitude:.5f}",
            "region": s.region,
            "kind": s.kind,
            "tier": str(s.tier),
            "timezone": s.city.timezone,
            "desk": DESK_OF[s.region],
            "sla": SLA[s.tier],
        }
        for key, s in by_id.items()
    ]
    order = list(REGIONS)
    return sorted(rows, key=lambda r: (order.index(r["region"]), r["id"]))
