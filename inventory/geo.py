"""Distances on the globe, and the round-trip times that follow from them.

Turns coordinates into kilometres and kilometres into the milliseconds that light needs in fibre. Estimates only:
they fill a cell that nobody has measured yet and are never preferred to a measured figure.
"""

from __future__ import annotations

from math import asin, cos, radians, sin, sqrt
from typing import Protocol

EARTH_RADIUS_KM = 6371.0
FIBRE_KM_PER_MS = 204.0  # speed of light in glass: refractive index 1.47


class Place(Protocol):
    """Anything with coordinates in degrees."""

    @property
    def latitude(self) -> float:
        """Degrees north."""

    @property
    def longitude(self) -> float:
        """Degrees east."""


def distance_km(a: Place, b: Place) -> float:
    """Great-circle distance between two places in kilometres (haversine)."""
    lat_a, lat_b = radians(a.latitude), radians(b.latitude)
    dlat, dlon = lat_b - lat_a, radians(b.longitude - a.longitude)
    h = sin(dlat / 2) ** 2 + cos(lat_a) * cos(lat_b) * sin(dlon / 2) ** 2
    return 2 * EARTH_RADIUS_KM * asin(min(1.0, sqrt(h)))


def fibre_rtt_ms(km: float, route_factor: float = 1.0) -> float:
    """Round-trip time over `km` of great circle in milliseconds; cables are `route_factor` times longer."""
    return 2 * km * route_factor / FIBRE_KM_PER_MS
