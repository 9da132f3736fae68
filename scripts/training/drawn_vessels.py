"""Drawn vessels: bottles, jars, mugs, bowls, pans and kettles, and how profiles are drawn."""

import numpy as np
from scipy.spatial.transform import Rotation

from scripts.training.primitives import Array, Part, box, ellipsoid, lathe, place, tube

Generator = np.random.Generator


def draw_profile(
    rng: Generator, points: list[tuple[float, float]], smooth: float = 0.5
) -> tuple[Array, Array]:
    """Radii and heights through points (radius, height), rounded at random."""
    radii, heights = (np.array(column, dtype=np.float64) for column in zip(*points, strict=True))
    if rng.random() < smooth:
        steps = np.linspace(0, 1, 32)
        along = np.linspace(0, 1, len(points))
        kernel = np.hanning(int(rng.integers(5, 11)))
        pad = len(kernel) // 2
        rounded = []
        for values in (radii, heights):
            fine = np.interp(steps, along, values)
            wide = np.pad(fine, pad, mode="edge")
            rounded.append(np.convolve(wide, kernel / kernel.sum(), mode="valid")[: len(fine)])
        radii, heights = rounded
    return np.maximum(radii, 1e-3), heights


def trace_arc(centre: tuple[float, float], radii: tuple[float, float], start: float, stop: float) -> Array:
    """Points (N, 3) of an elliptic arc in the x-y plane; angles in degrees."""
    angle = np.radians(np.linspace(start, stop, 16))
    return np.stack(
        [centre[0] + radii[0] * np.cos(angle), centre[1] + radii[1] * np.sin(angle), 0 * angle], axis=1
    )


def draw_turn(rng: Generator, axis: str = "y") -> Array:
    return np.asarray(Rotation.from_euler(axis, rng.uniform(0, 360), degrees=True).as_matrix())


def draw_section(rng: Generator) -> tuple[float, float]:
    """Squareness and flatness of a bottle's section: mostly round."""
    if rng.random() < 0.65:
        return 1.0, 1.0
    return float(rng.uniform(0.3, 1.0)), float(rng.uniform(0.35, 1.0))


def bottle(rng: Generator) -> list[Part]:
    radius, body, neck = rng.uniform(0.18, 0.45), rng.uniform(0.5, 1.0), rng.uniform(0.05, 0.16)
    shoulder, end = body + rng.uniform(0.02, 0.35), 1.0 + rng.uniform(0.1, 0.4)
    waist = radius * rng.uniform(0.75, 1.1)
    points = [(radius, 0.0), (radius, body * 0.2), (waist, body * 0.55), (radius, body)]
    points += [(neck, shoulder), (neck, max(end, shoulder + 0.03))]
    parts = [lathe(*draw_profile(rng, points), *draw_section(rng))]
    if rng.random() < 0.6:
        cap, tall = neck * rng.uniform(1.0, 2.2), rng.uniform(0.05, 0.25)
        parts.append(lathe(np.array([cap, cap]), np.array([0, tall]) + max(end, shoulder + 0.03)))
    if rng.random() < 0.15:
        top = max(end, shoulder) + 0.05
        parts.append(place(box((rng.uniform(0.2, 0.5), 0.08, 0.1)), (0.12, top, 0)))
    return parts


def can(rng: Generator) -> list[Part]:
    radius, taper = rng.uniform(0.2, 1.2), rng.uniform(0.75, 1.1)
    points = [(radius * taper, 0.0), (radius, 0.05), (radius, 0.92), (radius * rng.uniform(0.7, 1.0), 1.0)]
    return [lathe(*draw_profile(rng, points, 0.3), *draw_section(rng))]


def jar(rng: Generator) -> list[Part]:
    radius, lid = rng.uniform(0.25, 0.6), rng.uniform(0.5, 1.1)
    points = [(radius * 0.9, 0.0), (radius, 0.1), (radius, 0.75), (radius * lid, 0.85), (radius * lid, 1.0)]
    parts = [lathe(*draw_profile(rng, points), *draw_section(rng))]
    if rng.random() < 0.3:
        parts.append(place(ellipsoid((0.08, 0.08, 0.08)), (0, 1.05, 0)))
    return parts


def vase(rng: Generator) -> list[Part]:
    count = int(rng.integers(3, 7))
    radii = rng.uniform(0.12, 0.55, count)
    heights = np.linspace(0, rng.uniform(0.5, 1.4), count)
    return [lathe(*draw_profile(rng, list(zip(radii.tolist(), heights.tolist(), strict=True)), 0.8))]


def _vessel(rng: Generator, bottom: float, top: float, height: float, middle: float) -> Part:
    """A hollow vessel with thin walls."""
    wall, ground = rng.uniform(0.02, 0.07) * top + 0.01, rng.uniform(0.03, 0.1) * height + 0.01
    outer = [(bottom, 0.0), (middle, height * 0.5), (top, height)]
    inner = [(top - wall, height), (middle - wall, max(height * 0.5, ground)), (bottom * 0.9 - wall, ground)]
    squareness, flatten = draw_section(rng) if rng.random() < 0.4 else (1.0, 1.0)
    return lathe(*draw_profile(rng, [*outer, *inner], 0.3), squareness, flatten)


def mug(rng: Generator) -> list[Part]:
    top, height = rng.uniform(0.3, 0.55), rng.uniform(0.6, 1.2)
    bottom = top * rng.uniform(0.7, 1.0)
    parts = [_vessel(rng, bottom, top, height, (bottom + top) / 2 * rng.uniform(0.95, 1.08))]
    if rng.random() < 0.8:
        reach, tall, thick = rng.uniform(0.18, 0.35), rng.uniform(0.2, 0.38) * height, rng.uniform(0.03, 0.07)
        path = trace_arc((min(bottom, top) * 0.95, height * rng.uniform(0.45, 0.6)), (reach, tall), -90, 90)
        parts.append(tube(path, thick, rng.uniform(0.8, 2.0)))
    return parts


def bowl(rng: Generator) -> list[Part]:
    height, bottom = rng.uniform(0.15, 0.8), rng.uniform(0.3, 0.7)
    return [_vessel(rng, bottom, 1.0, height, bottom + (1 - bottom) * rng.uniform(0.5, 0.95))]


def plate(rng: Generator) -> list[Part]:
    height, flat = rng.uniform(0.06, 0.22), rng.uniform(0.5, 0.85)
    return [_vessel(rng, flat * 0.8, 1.0, height, flat)]


def pan(rng: Generator) -> list[Part]:
    height = rng.uniform(0.12, 0.9)
    top = rng.uniform(0.5, 0.75)
    parts = [_vessel(rng, top * rng.uniform(0.75, 1.0), top, height, top * 0.97)]
    length, thick = rng.uniform(0.4, 1.1), rng.uniform(0.03, 0.07)
    rise = rng.uniform(-0.05, 0.3)
    path = np.linspace([top * 0.9, height * 0.85, 0], [top + length, height * 0.85 + rise, 0], 8)
    if rng.random() < 0.65:
        parts.append(tube(path, thick, rng.uniform(0.6, 1.6)))
    else:
        for side in (0, 180):
            ear = tube(trace_arc((top * 0.95, 0), (0.15, 0.18), -90, 90), thick * 0.8)
            lying = Rotation.from_euler("xy", [90, side], degrees=True).as_matrix()
            parts.append(place(ear, (0, height * 0.8, 0), lying))
    if rng.random() < 0.3:
        lid = [(top, height), (top * 0.9, height + 0.05), (0.05, height + rng.uniform(0.08, 0.2))]
        parts.append(lathe(*draw_profile(rng, lid)))
        parts.append(place(ellipsoid((0.08, 0.07, 0.08)), (0, height + 0.2, 0)))
    return parts


def kettle(rng: Generator) -> list[Part]:
    radius, height = rng.uniform(0.3, 0.55), rng.uniform(0.5, 1.1)
    points = [
        (radius, 0),
        (radius * rng.uniform(0.9, 1.2), height * 0.35),
        (radius * rng.uniform(0.4, 0.9), height),
    ]
    sides = draw_section(rng)
    parts = [lathe(*draw_profile(rng, points), *sides)]
    parts.append(
        lathe(np.array([radius * 0.4, 0.06, 0.06]), np.array([height, height + 0.08, height + 0.16]))
    )
    path = np.linspace(
        [radius * 0.7, height * 0.45, 0], [radius * rng.uniform(1.3, 1.8), height * 0.95, 0], 8
    )
    parts.append(tube(path, np.linspace(0.12, 0.05, 8)))
    if rng.random() < 0.5:
        parts.append(tube(trace_arc((0, height * 0.9), (radius, height * 0.5), 0, 180), 0.04))
    else:
        parts.append(tube(trace_arc((-radius * 0.7, height * 0.6), (0.35, height * 0.35), 90, 270), 0.05))
    return parts


def glass(rng: Generator) -> list[Part]:
    foot, stem, top = rng.uniform(0.25, 0.4), rng.uniform(0.3, 0.6), rng.uniform(0.2, 0.45)
    points = [(foot, 0), (foot, 0.03), (0.04, 0.08), (0.04, stem), (top * 1.1, stem + 0.3), (top, 1.1)]
    return [lathe(*draw_profile(rng, points, 0.4))]
