"""Endless drawn objects: what stands on tables and in rooms, composed of primitives at random."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from scripts.training.primitives import (
    Array,
    Part,
    box,
    ellipsoid,
    lathe,
    loft,
    place,
    prism,
    tube,
)

Generator = np.random.Generator
Draw = Callable[[Generator], list[Part]]


def _profile(rng: Generator, points: list[tuple[float, float]], smooth: float = 0.5) -> tuple[Array, Array]:
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


def _arc(centre: tuple[float, float], radii: tuple[float, float], start: float, stop: float) -> Array:
    """Points (N, 3) of an elliptic arc in the x-y plane; angles in degrees."""
    angle = np.radians(np.linspace(start, stop, 16))
    return np.stack(
        [centre[0] + radii[0] * np.cos(angle), centre[1] + radii[1] * np.sin(angle), 0 * angle], axis=1
    )


def _turn(rng: Generator, axis: str = "y") -> Array:
    return np.asarray(Rotation.from_euler(axis, rng.uniform(0, 360), degrees=True).as_matrix())


def _section(rng: Generator) -> tuple[float, float]:
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
    parts = [lathe(*_profile(rng, points), *_section(rng))]
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
    return [lathe(*_profile(rng, points, 0.3), *_section(rng))]


def jar(rng: Generator) -> list[Part]:
    radius, lid = rng.uniform(0.25, 0.6), rng.uniform(0.5, 1.1)
    points = [(radius * 0.9, 0.0), (radius, 0.1), (radius, 0.75), (radius * lid, 0.85), (radius * lid, 1.0)]
    parts = [lathe(*_profile(rng, points), *_section(rng))]
    if rng.random() < 0.3:
        parts.append(place(ellipsoid((0.08, 0.08, 0.08)), (0, 1.05, 0)))
    return parts


def vase(rng: Generator) -> list[Part]:
    count = int(rng.integers(3, 7))
    radii = rng.uniform(0.12, 0.55, count)
    heights = np.linspace(0, rng.uniform(0.5, 1.4), count)
    return [lathe(*_profile(rng, list(zip(radii.tolist(), heights.tolist(), strict=True)), 0.8))]


def _vessel(rng: Generator, bottom: float, top: float, height: float, middle: float) -> Part:
    """A hollow vessel with thin walls."""
    wall, ground = rng.uniform(0.02, 0.07) * top + 0.01, rng.uniform(0.03, 0.1) * height + 0.01
    outer = [(bottom, 0.0), (middle, height * 0.5), (top, height)]
    inner = [(top - wall, height), (middle - wall, max(height * 0.5, ground)), (bottom * 0.9 - wall, ground)]
    squareness, flatten = _section(rng) if rng.random() < 0.4 else (1.0, 1.0)
    return lathe(*_profile(rng, [*outer, *inner], 0.3), squareness, flatten)


def mug(rng: Generator) -> list[Part]:
    top, height = rng.uniform(0.3, 0.55), rng.uniform(0.6, 1.2)
    bottom = top * rng.uniform(0.7, 1.0)
    parts = [_vessel(rng, bottom, top, height, (bottom + top) / 2 * rng.uniform(0.95, 1.08))]
    if rng.random() < 0.8:
        reach, tall, thick = rng.uniform(0.18, 0.35), rng.uniform(0.2, 0.38) * height, rng.uniform(0.03, 0.07)
        path = _arc((min(bottom, top) * 0.95, height * rng.uniform(0.45, 0.6)), (reach, tall), -90, 90)
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
            ear = tube(_arc((top * 0.95, 0), (0.15, 0.18), -90, 90), thick * 0.8)
            lying = Rotation.from_euler("xy", [90, side], degrees=True).as_matrix()
            parts.append(place(ear, (0, height * 0.8, 0), lying))
    if rng.random() < 0.3:
        lid = [(top, height), (top * 0.9, height + 0.05), (0.05, height + rng.uniform(0.08, 0.2))]
        parts.append(lathe(*_profile(rng, lid)))
        parts.append(place(ellipsoid((0.08, 0.07, 0.08)), (0, height + 0.2, 0)))
    return parts


def kettle(rng: Generator) -> list[Part]:
    radius, height = rng.uniform(0.3, 0.55), rng.uniform(0.5, 1.1)
    points = [
        (radius, 0),
        (radius * rng.uniform(0.9, 1.2), height * 0.35),
        (radius * rng.uniform(0.4, 0.9), height),
    ]
    sides = _section(rng)
    parts = [lathe(*_profile(rng, points), *sides)]
    parts.append(
        lathe(np.array([radius * 0.4, 0.06, 0.06]), np.array([height, height + 0.08, height + 0.16]))
    )
    path = np.linspace(
        [radius * 0.7, height * 0.45, 0], [radius * rng.uniform(1.3, 1.8), height * 0.95, 0], 8
    )
    parts.append(tube(path, np.linspace(0.12, 0.05, 8)))
    if rng.random() < 0.5:
        parts.append(tube(_arc((0, height * 0.9), (radius, height * 0.5), 0, 180), 0.04))
    else:
        parts.append(tube(_arc((-radius * 0.7, height * 0.6), (0.35, height * 0.35), 90, 270), 0.05))
    return parts


def glass(rng: Generator) -> list[Part]:
    foot, stem, top = rng.uniform(0.25, 0.4), rng.uniform(0.3, 0.6), rng.uniform(0.2, 0.45)
    points = [(foot, 0), (foot, 0.03), (0.04, 0.08), (0.04, stem), (top * 1.1, stem + 0.3), (top, 1.1)]
    return [lathe(*_profile(rng, points, 0.4))]


def carton(rng: Generator) -> list[Part]:
    size = rng.uniform(0.15, 1.0, 3)
    if rng.random() < 0.5:
        return [box(size)]
    edge = float(rng.uniform(0.05, 0.35))
    return [ellipsoid(size / 2, (edge, edge if rng.random() < 0.6 else float(rng.uniform(0.05, 1.0))))]


def slab(rng: Generator) -> list[Part]:
    """A book, a phone, a tile, a chopping board."""
    size = np.array([rng.uniform(0.5, 1.0), rng.uniform(0.02, 0.2), rng.uniform(0.4, 1.0)])
    part = box(size) if rng.random() < 0.6 else ellipsoid(size / 2, (0.1, float(rng.uniform(0.05, 0.9))))
    if rng.random() < 0.4:
        return [place(part, rotation=Rotation.from_euler("x", rng.uniform(60, 90), degrees=True).as_matrix())]
    return [part]


def gable(rng: Generator) -> list[Part]:
    """A milk carton."""
    side, deep, tall, roof = rng.uniform(0.3, 0.5), rng.uniform(0.3, 0.5), rng.uniform(0.5, 1.0), 0.25
    ring = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) / 2 * [side, deep]
    levels = [(0.0, 1.0), (tall, 1.0), (tall + roof, 0.08), (tall + roof + 0.08, 0.08)]
    rings = np.stack([np.stack([ring[:, 0], np.full(4, y), ring[:, 1] * s], axis=1) for y, s in levels])
    parts = [loft(np.repeat(rings, 4, axis=1))]
    if rng.random() < 0.5:
        cap = lathe(np.array([0.07, 0.07]), np.array([0, 0.07]))
        lean = Rotation.from_euler("x", 45, degrees=True).as_matrix()
        parts.append(place(cap, (0, tall + roof / 2, deep / 4), lean))
    return parts


def tray(rng: Generator) -> list[Part]:
    """An open box: a basket, a drawer, a crate; sometimes with compartments."""
    wide, deep, tall = rng.uniform(0.5, 1.0), rng.uniform(0.4, 1.0), rng.uniform(0.08, 0.8)
    wall = rng.uniform(0.02, 0.06)
    parts = [place(box((wide, wall, deep)), (0, wall / 2, 0))]
    xs = [-1.0, 1.0] + ([0.0] if rng.random() < 0.35 else [])
    zs = [-1.0, 1.0] + ([0.0] if rng.random() < 0.2 else [])
    front = tall * (rng.uniform(0.4, 1.0) if rng.random() < 0.3 else 1.0)
    parts += [place(box((wall, tall, deep)), (x * (wide - wall) / 2, tall / 2, 0)) for x in xs]
    for z in zs:
        high = front if z == 1.0 else tall
        parts.append(place(box((wide, high, wall)), (0, high / 2, z * (deep - wall) / 2)))
    if rng.random() < 0.25:
        parts.append(tube(_arc((0, tall), (wide / 2, rng.uniform(0.2, 0.5)), 0, 180), 0.03))
    return parts


def cabinet(rng: Generator) -> list[Part]:
    """A box with panels, knobs or shelves: a drawer chest, a microwave, a washing machine."""
    wide, tall, deep = rng.uniform(0.4, 1.2), rng.uniform(0.35, 1.4), rng.uniform(0.3, 0.8)
    parts = [place(box((wide, tall, deep)), (0, tall / 2, 0))]
    rows, columns = int(rng.integers(1, 5)), int(rng.integers(1, 3))
    bulge = rng.uniform(0.005, 0.04)
    for row in range(rows):
        for column in range(columns):
            x, y = wide * ((column + 0.5) / columns - 0.5), tall * (row + 0.5) / rows
            size = (wide / columns * 0.92, tall / rows * 0.92, bulge)
            parts.append(place(box(size), (x, y, deep / 2 + bulge / 2)))
            if rng.random() < 0.6:
                parts.append(place(ellipsoid((0.05, 0.025, 0.03)), (x, y, deep / 2 + bulge + 0.02)))
    if rng.random() < 0.4:
        parts += _legs(rng, wide, deep, rng.uniform(0.05, 0.3))
    if rng.random() < 0.3:
        parts.append(place(box((wide * 1.06, 0.04, deep * 1.06)), (0, tall + 0.02, 0)))
    return parts


def _legs(rng: Generator, wide: float, deep: float, tall: float) -> list[Part]:
    thick = rng.uniform(0.02, 0.06)
    inset = rng.uniform(0.0, 0.12) + thick
    is_round = rng.random() < 0.4
    parts = []
    for x in (-1, 1):
        for z in (-1, 1):
            where = (x * (wide / 2 - inset), -tall / 2, z * (deep / 2 - inset))
            leg = (
                lathe(np.array([thick, thick]), np.array([-tall / 2, tall / 2]))
                if is_round
                else box((2 * thick, tall, 2 * thick))
            )
            parts.append(place(leg, where))
    return parts


def shelf(rng: Generator) -> list[Part]:
    wide, tall, deep, wall = rng.uniform(0.4, 1.0), rng.uniform(0.4, 1.4), rng.uniform(0.2, 0.5), 0.03
    rows = int(rng.integers(1, 5))
    parts = [place(box((wall, tall, deep)), (side * wide / 2, tall / 2, 0)) for side in (-1, 1)]
    parts += [place(box((wide, wall, deep)), (0, tall * row / rows, 0)) for row in range(rows + 1)]
    if rng.random() < 0.6:
        parts.append(place(box((wide, tall, wall)), (0, tall / 2, -deep / 2)))
    return parts


def table(rng: Generator) -> list[Part]:
    wide, deep, thick, tall = (
        rng.uniform(0.6, 1.4),
        rng.uniform(0.5, 1.0),
        rng.uniform(0.03, 0.12),
        rng.uniform(0.3, 1),
    )
    if rng.random() < 0.3:
        top = lathe(np.array([wide / 2, wide / 2]), np.array([0, thick]))
        if rng.random() < 0.5:
            foot = [(0.3, -tall), (0.3, -tall + 0.03), (0.06, -tall + 0.1), (0.06, 0.0)]
            return [top, lathe(*_profile(rng, foot, 0.5))]
        return [top, *_legs(rng, wide * 0.7, wide * 0.7, tall)]
    return [place(box((wide, thick, deep)), (0, thick / 2, 0)), *_legs(rng, wide, deep, tall)]


def chair(rng: Generator) -> list[Part]:
    wide, deep, tall, back = (
        rng.uniform(0.4, 0.6),
        rng.uniform(0.4, 0.6),
        rng.uniform(0.3, 0.5),
        rng.uniform(0.3, 0.7),
    )
    thick = rng.uniform(0.03, 0.15)
    soft = float(rng.uniform(0.1, 0.5))
    seat = (
        ellipsoid((wide / 2, thick / 2, deep / 2), (soft, soft))
        if rng.random() < 0.5
        else box((wide, thick, deep))
    )
    parts = [seat, *_legs(rng, wide, deep, tall)]
    lean = Rotation.from_euler("x", -rng.uniform(0, 18), degrees=True).as_matrix()
    rest = place(box((wide, back, rng.uniform(0.02, 0.12))), (0, back / 2, 0))
    parts.append(place(rest, (0, 0, -deep / 2), lean))
    if rng.random() < 0.35:
        arm = rng.uniform(0.15, 0.3)
        parts += [place(box((0.06, arm, deep)), (side * wide / 2, arm / 2, 0)) for side in (-1, 1)]
    return parts


def sofa(rng: Generator) -> list[Part]:
    wide, deep, high = rng.uniform(0.6, 2.0), rng.uniform(0.6, 0.9), rng.uniform(0.25, 0.45)
    soft = float(rng.uniform(0.1, 0.4))
    rounded = lambda *size: ellipsoid([s / 2 for s in size], (soft, soft))  # noqa: E731
    arm, back = rng.uniform(0.1, 0.25), rng.uniform(0.3, 0.6)
    parts = [
        place(rounded(wide, high, deep), (0, high / 2, 0)),
        place(rounded(wide, back, 0.22), (0, high + back / 2 - 0.05, -deep / 2 + 0.1)),
    ]
    return parts + [
        place(rounded(arm, high + 0.25, deep), (side * wide / 2, (high + 0.25) / 2, 0)) for side in (-1, 1)
    ]


def lamp(rng: Generator) -> list[Part]:
    tall, shade, top = rng.uniform(0.4, 1.2), rng.uniform(0.2, 0.5), rng.uniform(0.1, 0.4)
    foot, stem = rng.uniform(0.12, 0.35), rng.uniform(0.02, 0.08)
    base = [(foot, 0), (foot, 0.04), (stem, 0.08), (stem * rng.uniform(1, 2.5), tall / 2), (stem, tall)]
    high = rng.uniform(0.2, 0.5)
    return [
        lathe(*_profile(rng, base)),
        lathe(np.array([shade, min(top, shade)]), np.array([tall - high / 2, tall + high / 2])),
    ]


def screen(rng: Generator) -> list[Part]:
    wide, tall, thick, post = (
        rng.uniform(0.6, 1.2),
        rng.uniform(0.35, 0.8),
        rng.uniform(0.02, 0.12),
        rng.uniform(0.02, 0.3),
    )
    parts = [place(box((wide, tall, thick)), (0, post + tall / 2, 0))]
    parts.append(place(box((rng.uniform(0.03, 0.2), post, 0.05)), (0, post / 2, -0.02)))
    parts.append(place(box((rng.uniform(0.2, 0.5), 0.02, rng.uniform(0.15, 0.3))), (0, 0, 0)))
    return parts


def laptop(rng: Generator) -> list[Part]:
    wide, deep, thick = rng.uniform(0.8, 1.0), rng.uniform(0.5, 0.7), rng.uniform(0.02, 0.05)
    lean = Rotation.from_euler("x", -rng.uniform(0, 45), degrees=True).as_matrix()
    lid = place(box((wide, deep, thick)), (0, deep / 2, 0))
    return [box((wide, thick, deep)), place(lid, (0, 0, -deep / 2), lean)]


def tool(rng: Generator) -> list[Part]:
    """A bar with a head: a hammer, a spoon, a screwdriver, a knife, a brush."""
    length, thick = rng.uniform(0.5, 1.0), rng.uniform(0.02, 0.07)
    along = np.linspace([0, 0, 0], [length, 0, 0], 12)
    parts = [tube(along, thick * (1 + rng.uniform(-0.3, 0.5) * np.linspace(0, 1, 12)), rng.uniform(0.4, 1.0))]
    head = rng.integers(4)
    if head == 0:
        parts.append(place(box((0.12, 0.12, rng.uniform(0.2, 0.5))), (length, 0, 0)))
    elif head == 1:
        parts.append(place(ellipsoid((rng.uniform(0.1, 0.2), 0.03, rng.uniform(0.07, 0.15))), (length, 0, 0)))
    elif head == 2:
        grip = rng.uniform(1.5, 3) * thick
        parts.append(tube(np.linspace([-0.4, 0, 0], [0, 0, 0], 10), grip * np.hanning(14)[2:12]))
    else:
        size = (rng.uniform(0.2, 0.5), rng.uniform(0.01, 0.05), rng.uniform(0.06, 0.2))
        parts.append(place(ellipsoid(np.array(size) / 2, (0.3, 0.5)), (length + size[0] / 3, 0, 0)))
    return [place(part, rotation=_turn(rng)) for part in parts]


def fruit(rng: Generator) -> list[Part]:
    """A ball with bumps and dents: fruit, bread, stones, toys."""
    vertices, faces = ellipsoid(
        rng.uniform(0.3, 0.6, 3) if rng.random() < 0.6 else [0.5, rng.uniform(0.35, 0.6), 0.5]
    )
    waves, phase = rng.normal(size=(3, 6)) * rng.uniform(1, 4), rng.uniform(0, 6, 6)
    bump = np.sin(vertices @ waves + phase).mean(axis=1, keepdims=True)
    parts = [(vertices * (1 + rng.uniform(0, 0.35) * bump), faces)]
    if rng.random() < 0.3:
        parts.append(tube(np.linspace([0, 0.4, 0], [rng.uniform(-0.1, 0.1), 0.7, 0], 6), 0.03))
    return parts


def animal(rng: Generator) -> list[Part]:
    body, thick, tall = rng.uniform(0.35, 0.6), rng.uniform(0.15, 0.3), rng.uniform(0.2, 0.5)
    parts = [
        ellipsoid((body, thick, thick)),
        place(ellipsoid(rng.uniform(0.12, 0.28, 3)), (body, rng.uniform(0, 0.4), 0)),
    ]
    for x in (-0.6 * body, 0.6 * body):
        for z in (-0.5 * thick, 0.5 * thick):
            parts.append(place(ellipsoid((0.07, tall / 2, 0.07), (0.5, 1.0)), (x, -tall / 2, z)))
    if rng.random() < 0.5:
        parts.append(tube(np.linspace([-body, 0, 0], [-body - 0.3, 0.3, 0], 6), 0.04))
    return parts


def vehicle(rng: Generator) -> list[Part]:
    long, tall, wide = rng.uniform(0.7, 1.2), rng.uniform(0.15, 0.3), rng.uniform(0.3, 0.5)
    soft = float(rng.uniform(0.1, 0.6))
    parts = [ellipsoid((long / 2, tall / 2, wide / 2), (soft, 0.3))]
    cab = rng.uniform(0.2, 0.6) * long
    parts.append(
        place(
            ellipsoid((cab / 2, tall / 2, wide * 0.45), (soft, 0.3)),
            (rng.uniform(-0.2, 0.2) * long, tall * 0.8, 0),
        )
    )
    wheel = rng.uniform(0.07, 0.14)
    for x in (-0.3 * long, 0.3 * long):
        for z in (-wide / 2, wide / 2):
            tyre = lathe(np.array([wheel, wheel]), np.array([-0.05, 0.05]))
            parts.append(
                place(tyre, (x, -tall / 2, z), Rotation.from_euler("x", 90, degrees=True).as_matrix())
            )
    return parts


def extrusion(rng: Generator) -> list[Part]:
    """A plan extruded: stars, flowers, polygons; upright or lying."""
    tips = int(rng.integers(3, 9))
    angle = np.linspace(0, 2 * np.pi, 96, endpoint=False)
    kind = rng.integers(3)
    if kind == 0:
        radius = 1 - rng.uniform(0.2, 0.6) * np.abs(((angle * tips / np.pi) % 2) - 1)
    elif kind == 1:
        radius = 1 / np.cos((angle % (2 * np.pi / tips)) - np.pi / tips)
    else:
        radius = 1 + rng.uniform(0.05, 0.4) * np.cos(tips * angle)
    outline = np.stack([radius * np.cos(angle), radius * np.sin(angle) * rng.uniform(0.4, 1.0)], axis=1) / 2
    part = prism(outline, float(rng.uniform(0.1, 1.2)))
    if rng.random() < 0.6:
        return [place(part, rotation=Rotation.from_euler("x", 90, degrees=True).as_matrix())]
    return [part]


def composite(rng: Generator) -> list[Part]:
    """A few parts stacked or joined: appliances, dispensers, toys."""
    parts: list[Part] = []
    high = 0.0
    for _ in range(int(rng.integers(2, 5))):
        size = rng.uniform(0.15, 0.7, 3)
        edge = float(rng.uniform(0.1, 1.0))
        kind = rng.integers(3)
        if kind == 0:
            part = ellipsoid(size / 2, (edge, edge))
        elif kind == 1:
            part = box(size)
        else:
            part = lathe(np.full(2, size[0] / 2), np.array([-0.5, 0.5]) * size[1])
        if rng.random() < 0.6:
            where = (rng.uniform(-0.15, 0.15), high + size[1] / 2, rng.uniform(-0.15, 0.15))
            high += 0.9 * size[1]
        else:
            where = (rng.uniform(-0.5, 0.5), size[1] / 2, rng.uniform(-0.5, 0.5))
        parts.append(place(part, where, _turn(rng) if rng.random() < 0.3 else None))
    return parts


def bracket(rng: Generator) -> list[Part]:
    """Bars joined at right angles: an L, a T, a U, stairs, a holder."""
    bar, deep = rng.uniform(0.08, 0.3), rng.uniform(0.15, 0.9)
    wide = rng.uniform(0.6, 1.2)
    parts = [place(box((wide, bar, deep)), (0, bar / 2, 0))]
    for x in rng.choice([-1.0, 0.0, 1.0], size=int(rng.integers(1, 4)), replace=False):
        tall = rng.uniform(0.2, 1.0)
        parts.append(place(box((bar, tall, deep)), (x * (wide - bar) / 2, tall / 2, 0)))
    return parts


def ring(rng: Generator) -> list[Part]:
    radius, thick = rng.uniform(0.25, 0.45), rng.uniform(0.05, 0.22)
    part = tube(np.concatenate([_arc((0, 0), (radius, radius), 0, 337)] * 1), thick, rng.uniform(0.5, 1.5))
    if rng.random() < 0.6:
        return [place(part, rotation=Rotation.from_euler("x", 90, degrees=True).as_matrix())]
    return [part]


FAMILIES: tuple[Draw, ...] = (
    *(
        bottle,
        can,
        jar,
        vase,
        mug,
        bowl,
        plate,
        pan,
        kettle,
        glass,
        carton,
        carton,
        slab,
        gable,
        tray,
        cabinet,
    ),
    *(shelf, table, chair, sofa, lamp, screen, laptop, tool, fruit, animal, vehicle, extrusion, composite),
    *(composite, bracket, ring),
)


def draw_shape(rng: Generator) -> tuple[Array, NDArray[np.int64], NDArray[np.int64]]:
    """Vertices (V, 3), faces (F, 3) and the part (F,) of each face; y up, longest side 1 about the origin."""
    parts = FAMILIES[int(rng.integers(len(FAMILIES)))](rng)
    starts = np.cumsum([0, *(len(part[0]) for part in parts)])
    vertices = np.concatenate([part[0] for part in parts])
    faces = np.concatenate([part[1] + start for part, start in zip(parts, starts, strict=False)])
    owner = np.repeat(np.arange(len(parts)), [len(part[1]) for part in parts])
    if rng.random() < 0.3:
        vertices = vertices * rng.uniform(0.6, 1.4, 3)
    vertices = vertices @ _turn(rng).T
    if rng.random() < 0.12:
        # lying on a side, or held in a hand
        vertices = vertices @ np.asarray(Rotation.random(rng=rng).as_matrix()).T
    low, high = vertices.min(axis=0), vertices.max(axis=0)
    return (vertices - (low + high) / 2) / float((high - low).max()), faces, owner
