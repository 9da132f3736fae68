"""Drawn furniture: trays, cabinets, shelves, tables, chairs, sofas, lamps and screens."""

import numpy as np
from scipy.spatial.transform import Rotation

from scripts.training.drawn_vessels import draw_profile, trace_arc
from scripts.training.primitives import Part, box, ellipsoid, lathe, place, tube

Generator = np.random.Generator


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
        parts.append(tube(trace_arc((0, tall), (wide / 2, rng.uniform(0.2, 0.5)), 0, 180), 0.03))
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
            return [top, lathe(*draw_profile(rng, foot, 0.5))]
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
        lathe(*draw_profile(rng, base)),
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
