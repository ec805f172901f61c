"""The one selector language: `region=africa tier<=2 carrier=geo-*` to a list of sites.

A query is words joined by AND. A word is `key OP value` with OP one of = != <= >= < >, or a bare site id (a glob
or a comma list is allowed). Values: a comma list is OR, `*` and `?` are globs. Keys that a site has several of
(circuit, carrier, kind of circuit, device, ...) match when any of them does; `!=` when none does. Refuses what it
does not know, also as a value where the values are a closed set (region, carrier, ...); a glob may match nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from fnmatch import fnmatchcase
from itertools import accumulate
from typing import TypeVar

from inventory.errors import SHOWN, QueryError
from inventory.models import Inventory, Site
from inventory.schema import TIERS

_WORD = re.compile(r"(?P<key>[A-Za-z_-]+)(?P<op><=|>=|!=|=|<|>)(?P<value>.*)")
Ordered = TypeVar("Ordered", float, str)
_ORDERED = ("<=", ">=", "<", ">")


@dataclass(frozen=True, slots=True)
class _Key:
    """A key: its values at a site, a line of help, and whether it is a number or a family of names.

    `known` gives all values there are where the set is closed; None where any text may be asked for.
    """

    values: Callable[[Inventory, Site], Iterable[str]]
    help: str
    is_number: bool = False
    is_family: bool = False
    known: Callable[[Inventory], Iterable[str]] | None = None


KEYS: Mapping[str, _Key] = {
    "site": _Key(lambda _, s: (s.id,), "id of the site", known=lambda i: i.sites),
    "name": _Key(lambda _, s: (s.name,), "its name"),
    "city": _Key(lambda _, s: (s.city,), "its city"),
    "country": _Key(
        lambda _, s: (s.country,), "two-letter country code", known=lambda i: (s.country for s in i.sites.values())
    ),
    "region": _Key(
        lambda _, s: (s.region,),
        "region, or the start of several: africa",
        is_family=True,
        known=lambda i: i.regions,
    ),
    "shard": _Key(
        lambda _, s: (s.shard,),
        "deployment shard",
        is_family=True,
        known=lambda i: (s.shard for s in i.sites.values()),
    ),
    "kind": _Key(lambda _, s: (s.kind,), "kind of site", known=lambda i: (s.kind for s in i.sites.values())),
    "tier": _Key(
        lambda _, s: (str(s.tier),),
        "1 to 4",
        is_number=True,
        known=lambda _: map(str, range(TIERS[0], TIERS[1] + 1)),
    ),
    "hub": _Key(lambda _, s: (s.preferred_hub,), "preferred hub", known=lambda i: i.hubs),
    "standby": _Key(lambda _, s: (s.standby_hub,), "standby hub", known=lambda i: i.hubs),
    "asn": _Key(lambda _, s: (str(s.asn),), "its autonomous system number", is_number=True),
    "desk": _Key(lambda _, s: (s.desk,), "service desk", known=lambda i: i.desks),
    "sla": _Key(lambda _, s: (s.sla,), "service level", known=lambda i: i.slas),
    "timezone": _Key(lambda _, s: (s.timezone,), "IANA time zone"),
    "circuit": _Key(lambda i, s: (c.id for c in i.circuits_of[s.id]), "id of a circuit", known=lambda i: i.circuits),
    "circuit-kind": _Key(
        lambda i, s: (c.kind for c in i.circuits_of[s.id]), "mpls, geo, ...", known=lambda i: i.circuit_kinds
    ),
    "primary": _Key(
        lambda i, s: (c.kind for c in i.circuits_of[s.id] if c.role == "primary"),
        "kind of its primary circuit",
        known=lambda i: i.circuit_kinds,
    ),
    "carrier": _Key(
        lambda i, s: (c.carrier for c in i.circuits_of[s.id]), "a carrier of its circuits", known=lambda i: i.carriers
    ),
    "circuits": _Key(lambda i, s: (str(len(i.circuits_of[s.id])),), "how many circuits", is_number=True),
    "rate": _Key(
        lambda i, s: (f"{sum(c.rate_down_bps for c in i.circuits_of[s.id]) / 1e6:g}",),
        "total rate down, Mbit/s",
        is_number=True,
    ),
    "device": _Key(lambda i, s: (d.id for d in i.devices_of[s.id]), "id of a device", known=lambda i: i.devices),
    "role": _Key(lambda i, s: (d.role for d in i.devices_of[s.id]), "role of a device", known=lambda i: i.roles),
    "model": _Key(lambda i, s: (d.model for d in i.devices_of[s.id]), "model of a device"),
    "platform": _Key(lambda i, s: (d.platform for d in i.devices_of[s.id]), "platform of a device"),
    "eos": _Key(
        lambda i, s: (str(d.end_of_support) for d in i.devices_of[s.id]), "end of support, YYYY-MM-DD: eos<2026"
    ),
}


def select(inv: Inventory, query: str) -> list[Site]:
    """The sites that match every word of `query`, in file order; all sites for an empty query.

    Raises:
        QueryError: a word is not understood, or names something that does not exist.
    """
    named = [word for word in query.split() if word in inv.sites]
    if len(named) > 1:
        raise QueryError(f"no site is {' and '.join(named)} at once; words are joined by AND, write {','.join(named)}")
    terms = [_term(inv, word) for word in query.split()]
    return [s for s in inv.sites.values() if all(term(s) for term in terms)]


def restrict(inv: Inventory, sites: Iterable[Site]) -> Inventory:
    """The inventory with only these sites, their circuits and their devices; the other tables stay whole."""
    kept = {s.id: s for s in sites}
    return replace(
        inv,
        sites=kept,
        circuits={k: c for k, c in inv.circuits.items() if c.site in kept},
        devices={k: d for k, d in inv.devices.items() if d.site in kept},
    )


def _term(inv: Inventory, word: str) -> Callable[[Site], bool]:
    form = _WORD.fullmatch(word)
    if form is None:
        return _bare(inv, word)
    name, op, value = form["key"].lower().replace("_", "-"), form["op"], form["value"]
    key = KEYS.get(name)
    if key is None:
        near = get_close_matches(name, KEYS, n=1, cutoff=0.6)
        hint = f"did you mean '{near[0]}'?" if near else "the keys are " + ", ".join(KEYS)
        raise QueryError(f"'{name}' in '{word}' is not a key; {hint}")
    if not value.strip(","):
        raise QueryError(f"'{word}' lacks a value; write for instance {name}=...")
    matches = _ordered(name, key, op, value) if op in _ORDERED else _any_of(inv, name, key, value)
    if op == "!=":
        return lambda site: not any(matches(v) for v in key.values(inv, site))
    return lambda site: any(matches(v) for v in key.values(inv, site))


def _bare(inv: Inventory, word: str) -> Callable[[Site], bool]:
    if word in inv.sites:
        return lambda site: site.id == word
    if "," in word.strip(","):
        parts = [_bare(inv, part) for part in word.split(",") if part]
        return lambda site: any(part(site) for part in parts)
    if _is_glob(word):
        return lambda site: fnmatchcase(site.id, word)
    if word in KEYS:
        raise QueryError(f"'{word}' lacks a value; write {word}=... ({KEYS[word].help})")
    near = get_close_matches(word, inv.sites, n=1, cutoff=0.6)
    hint = f"did you mean '{near[0]}'?" if near else "write key=value, for instance region=africa"
    raise QueryError(f"there is no site '{word}'; {hint}")


def _ordered(name: str, key: _Key, op: str, value: str) -> Callable[[str], bool]:
    if name == "eos":
        return lambda found: _compare(found, op, value)
    if not key.is_number:
        raise QueryError(f"'{name}' is not a number and cannot be compared with {op}; use = or !=")
    wanted = _number(name, value)
    return lambda found: _compare(float(found), op, wanted)


def _number(name: str, value: str) -> float:
    try:
        return float(value)
    except ValueError:
        raise QueryError(f"'{value}' is not a number; write for instance {name}<=2") from None


def _compare(found: Ordered, op: str, wanted: Ordered) -> bool:
    order = (found > wanted) - (found < wanted)
    return {"<": order < 0, "<=": order <= 0, ">": order > 0, ">=": order >= 0}[op]


def _any_of(inv: Inventory, name: str, key: _Key, value: str) -> Callable[[str], bool]:
    words = [w for w in value.split(",") if w]
    numbers = {_number(name, w) for w in words} if key.is_number else set()
    if key.known is not None:
        known = tuple(dict.fromkeys(key.known(inv)))
        for word in words:
            _check_known(name, key, f"{_number(name, word):g}" if key.is_number else word, known)
    if key.is_number:
        return lambda found: float(found) in numbers
    patterns = [w.casefold() for w in words]
    if key.is_family:
        patterns += [f"{w}-*" for w in patterns]
    return lambda found: any(fnmatchcase(found.casefold(), p) for p in patterns)


def _is_glob(word: str) -> bool:
    return "*" in word or "?" in word or "[" in word


def _check_known(name: str, key: _Key, word: str, known: Collection[str]) -> None:
    """Refuse a word that is no value of the closed set `known`; '0 sites' would hide a slip of the pen."""
    names = {k.casefold(): k for k in known}
    if key.is_family:
        names |= {start: start for k in tuple(names) for start in accumulate(k.split("-"), "{}-{}".format)}
    if not known or _is_glob(word) or word.casefold() in names:
        return
    near = get_close_matches(word.casefold(), names, n=1, cutoff=0.6)
    others = "use one of " + ", ".join(sorted(known)) if len(known) <= SHOWN else "`noc inventory list` shows what is"
    hint = f"did you mean '{names[near[0]]}'?" if near else others
    raise QueryError(f"no {name} '{word}' is in this inventory; {hint}")
