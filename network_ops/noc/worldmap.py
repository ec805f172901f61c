"""The map of the world: TopoJSON outlines to one SVG path, sites to places that can be told apart.

Natural Earth projection (Savric, Jenny, Patterson, Petrovic, Hurni 2011) on a sheet `WIDTH` units wide, cut off
where nobody works. Nothing is fetched: the outlines come from the npm package world-atlas (Natural Earth data).
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from network_ops.noc.errors import BadInputError

WIDTH = 2000.0
NORTH, SOUTH = 80.0, -56.0
_SCALE = WIDTH / 2 / (0.8707 * math.pi)
_GOLDEN = math.pi * (3 - math.sqrt(5))

Point = tuple[float, float]


def _natural_earth(longitude: float, latitude: float) -> Point:
    lam, phi = math.radians(longitude), math.radians(latitude)
    p2 = phi * phi
    p4 = p2 * p2
    x = lam * (0.8707 - 0.131979 * p2 + p4 * (-0.013791 + p4 * (0.003971 * p2 - 0.001529 * p4)))
    y = phi * (1.007226 + p2 * (0.015085 + p4 * (-0.044475 + 0.028874 * p2 - 0.005916 * p4)))
    return x, y


_TOP = _natural_earth(0, NORTH)[1]
HEIGHT = round((_TOP - _natural_earth(0, SOUTH)[1]) * _SCALE)


def project(longitude: float, latitude: float) -> Point:
    """Sheet coordinates of a place, x to the right and y downwards."""
    x, y = _natural_earth(longitude, latitude)
    return WIDTH / 2 + x * _SCALE, (_TOP - y) * _SCALE


def _decode(topology: dict[str, object]) -> list[list[Point]]:
    """The arcs of a quantised TopoJSON (its specification, 2.1.2 and 2.1.3) as longitudes and latitudes."""
    transform: dict[str, Sequence[float]] = topology["transform"]  # type: ignore[assignment] # JSON, checked by use
    (kx, ky), (dx, dy) = transform["scale"], transform["translate"]
    arcs: list[list[Point]] = []
    for arc in topology["arcs"]:  # type: ignore[attr-defined]
        x = y = 0
        points = []
        for step_x, step_y in arc:
            x, y = x + step_x, y + step_y
            points.append((x * kx + dx, y * ky + dy))
        arcs.append(points)
    return arcs


def _rings(topology: dict[str, object]) -> Iterable[list[Point]]:
    arcs = _decode(topology)
    land: dict[str, list[dict[str, list[list[list[int]]]]]] = topology["objects"]["land"]  # type: ignore[index]
    for geometry in land["geometries"]:
        for polygon in geometry["arcs"]:
            for ring in polygon:
                points: list[Point] = []
                for index in ring:
                    arc = arcs[index] if index >= 0 else arcs[~index][::-1]
                    points.extend(arc[1:] if points else arc)
                yield points


def _unwrapped(ring: list[Point]) -> list[list[Point]]:
    """A ring that crosses the antimeridian as two whole rings, one at each edge of the map."""
    whole: list[Point] = []
    turn = 0.0
    for longitude, latitude in ring:
        if whole and abs(longitude + turn - whole[-1][0]) > 180:
            turn += 360 if whole[-1][0] > longitude + turn else -360
        whole.append((longitude + turn, latitude))
    longitudes = [longitude for longitude, _ in whole]
    if max(longitudes) <= 180 and min(longitudes) >= -180:
        return [whole]
    other = -360.0 if max(longitudes) > 180 else 360.0
    return [whole, [(longitude + other, latitude) for longitude, latitude in whole]]


def outline_path(topology: dict[str, object]) -> str:
    """All land as one SVG path in whole sheet units; islands too small to see and Antarctica are left out."""
    parts: list[str] = []
    for ring in (part for whole in _rings(topology) for part in _unwrapped(whole)):
        if max(latitude for _, latitude in ring) < SOUTH - 4:
            continue
        points = [project(longitude, max(latitude, -62.0)) for longitude, latitude in ring]
        whole = [(round(x), round(y)) for x, y in points]
        xs, ys = [x for x, _ in whole], [y for _, y in whole]
        if max(xs) - min(xs) + max(ys) - min(ys) < 3:
            continue
        text = f"M{whole[0][0]} {whole[0][1]}"
        x, y = whole[0]
        steps = []
        for next_x, next_y in whole[1:]:
            if (next_x, next_y) != (x, y):
                steps.append(f"{next_x - x},{next_y - y}")
                x, y = next_x, next_y
        parts.append(text + "l" + " ".join(steps) + "z")
    return "".join(parts)


def outline_svg(packages: Path) -> bytes:
    """The outlines as an SVG file whose element `land` a page refers to.

    Raises:
        BadInputError: world-atlas is not installed or is not what we know.
    """
    path = packages / "world-atlas" / "land-110m.json"
    try:
        topology = json.loads(path.read_bytes())
        land = outline_path(topology)
    except OSError as error:
        raise BadInputError(f"{path} cannot be read ({error.strerror}): run `make install` (npm ci)") from error
    except (ValueError, KeyError, TypeError) as error:
        raise BadInputError(f"{path} is not the TopoJSON of world-atlas 2: run `make install` (npm ci)") from error
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH:g} {HEIGHT}"><path id="land" d="{land}"/></svg>'
    ).encode()


@dataclass(frozen=True, slots=True)
class View:
    """A window on the sheet: its corner and the factor by which it is enlarged to fill the map's box."""

    x: float
    y: float
    zoom: float
    height: float

    def place(self, point: Point) -> Point:
        """Box coordinates of a point of the sheet."""
        return (point[0] - self.x) * self.zoom, (point[1] - self.y) * self.zoom

    @property
    def transform(self) -> str:
        """The same for the outlines, as an SVG transform."""
        return f"scale({self.zoom:.3f}) translate({-self.x:.1f} {-self.y:.1f})"


WORLD = View(0.0, 0.0, 1.0, float(HEIGHT))


def view_of(points: Sequence[Point], margin: float = 16.0) -> View:
    """The window that shows these points (sheet coordinates), no more than eight times enlarged."""
    if not points:
        return WORLD
    xs, ys = [x for x, _ in points], [y for _, y in points]
    left, right, top, bottom = min(xs) - margin, max(xs) + margin, min(ys) - margin, max(ys) + margin
    width = max(right - left, (bottom - top) * WIDTH / HEIGHT, WIDTH / 8)
    if width >= WIDTH * 0.9:
        return WORLD
    height = width * HEIGHT / WIDTH
    x = (left + right - width) / 2
    y = (top + bottom - height) / 2
    return View(x, y, WIDTH / width, float(HEIGHT))


def spread(points: Sequence[Point], distance: float) -> list[Point]:
    """Move points that would lie on each other apart, so that each site can be seen and pointed at.

    Each keeps at least `distance` to those before it, going round its true place in a sunflower spiral until
    there is room; the earlier in the sequence, the truer the place. Deterministic.
    """
    cells: dict[tuple[int, int], list[Point]] = {}

    def free(x: float, y: float) -> bool:
        column, row = int(x // distance), int(y // distance)
        return not any(
            (x - px) ** 2 + (y - py) ** 2 < distance * distance
            for i in (column - 1, column, column + 1)
            for j in (row - 1, row, row + 1)
            for px, py in cells.get((i, j), ())
        )

    placed: list[Point] = []
    for x0, y0 in points:
        x, y, step = x0, y0, 0
        while step < 600 and not free(x, y):
            step += 1
            radius = distance * 0.42 * math.sqrt(step)
            x, y = x0 + radius * math.cos(step * _GOLDEN), y0 + radius * math.sin(step * _GOLDEN)
        cells.setdefault((int(x // distance), int(y // distance)), []).append((x, y))
        placed.append((x, y))
    return placed
