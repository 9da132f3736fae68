"""Drawn packaged goods, and what stands beside them on a table."""

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from scripts.training.drawn_vessels import draw_profile, trace_arc
from scripts.training.primitives import Array, Part, box, ellipsoid, lathe, loft, place, rounded_box, tube

Generator = np.random.Generator
# Points around a lofted section.
AROUND = 36


def _section(wide: float, deep: float, squareness: float) -> Array:
    """A closed section (AROUND, 3) at y = 0; `squareness` 1 is an ellipse, towards 0 a rectangle."""
    angle = np.linspace(0, 2 * np.pi, AROUND, endpoint=False)
    x, z = (np.sign(v) * np.abs(v) ** squareness for v in (np.cos(angle), np.sin(angle)))
    return np.stack([x * wide / 2, np.zeros(AROUND), z * deep / 2], axis=1)


def _blend(sections: list[tuple[float, Array]], steps: int = 4) -> Part:
    """Sections (height, ring) joined smoothly."""
    heights = np.array([height for height, _ in sections])
    rings = np.stack([ring + np.array([0, height, 0]) for height, ring in sections])
    fine = np.linspace(0, len(heights) - 1, steps * (len(heights) - 1) + 1)
    low = np.minimum(fine.astype(np.int64), len(heights) - 2)
    share = (fine - low)[:, None, None]
    return loft(rings[low] * (1 - share) + rings[low + 1] * share)


def package(rng: Generator) -> list[Part]:
    """A carton or a packet: sharp, or with edges rounded by a little."""
    size = rng.uniform(0.12, 1.0, 3)
    if rng.random() < 0.4:
        return [box(size)]
    parts = [rounded_box(size, float(rng.uniform(0.02, 0.35) * size.min()))]
    if rng.random() < 0.15:
        parts.append(place(box(size * [0.6, 0.1, 0.02]), (0, 0, size[2] / 2)))
    return parts


def tin(rng: Generator) -> list[Part]:
    """A food can with rims: low as tuna, or tall as a soda."""
    radius, tall, lip = rng.uniform(0.25, 0.6), rng.uniform(0.25, 1.6), rng.uniform(0.0, 0.04)
    step, neck = rng.uniform(0.01, 0.05), rng.uniform(0.7, 1.0) if rng.random() < 0.4 else 1.0
    points = [(radius * neck, 0.0), (radius + lip, step), (radius, 2 * step), (radius, tall - 2 * step)]
    points += [(radius * neck + lip, tall - step), (radius * neck + lip, tall)]
    if rng.random() < 0.7:
        points += [(radius * neck - 0.03, tall), (radius * neck - 0.04, tall - 0.03)]
    return [lathe(*draw_profile(rng, points, 0.0))]


def squeeze_bottle(rng: Generator) -> list[Part]:
    """A flat bottle of sauce, soap or lotion, with a cap or a pump."""
    wide, flat, tall = rng.uniform(0.3, 0.6), rng.uniform(0.35, 1.0), rng.uniform(0.7, 1.4)
    square = float(rng.uniform(0.4, 1.0))
    deep, neck = wide * flat, rng.uniform(0.08, 0.2)
    widths = [rng.uniform(0.85, 1.0), 1.0, rng.uniform(0.7, 1.05), rng.uniform(0.7, 1.0)]
    levels = [0.0, rng.uniform(0.05, 0.3) * tall, rng.uniform(0.4, 0.7) * tall, rng.uniform(0.75, 0.9) * tall]
    sections = [
        (level, _section(wide * w, deep * w, square)) for level, w in zip(levels, widths, strict=True)
    ]
    sections += [(tall, _section(neck, min(neck, deep), 1.0)), (tall + 0.05, _section(neck, neck, 1.0))]
    parts = [_blend(sections)]
    cap, high = neck / 2 * rng.uniform(1.0, 1.8), rng.uniform(0.05, 0.35)
    tip = cap * rng.uniform(0.2, 1.0)
    parts.append(lathe(np.array([cap, cap, tip]), np.array([0, high / 2, high]) + tall + 0.03))
    if rng.random() < 0.2:
        parts.append(place(box((rng.uniform(0.2, 0.4), 0.06, 0.08)), (0.1, tall + high + 0.05, 0)))
    return parts


def jug(rng: Generator) -> list[Part]:
    """A canister of detergent, juice or milk, with a handle at its side."""
    wide, flat, tall = rng.uniform(0.45, 0.75), rng.uniform(0.4, 1.0), rng.uniform(0.7, 1.2)
    square, shoulder, neck = float(rng.uniform(0.3, 1.0)), rng.uniform(0.55, 0.8), rng.uniform(0.12, 0.25)
    ring = _section(wide, wide * flat, square)
    off = rng.uniform(-0.2, 0.1) * wide
    top = _section(neck, neck, 1.0) + np.array([off, 0, 0])
    body = [(0.0, ring * 0.95), (0.08, ring), (shoulder * tall, ring)]
    parts = [_blend([*body, (tall, top), (tall + 0.06, top)])]
    cap = neck / 2 * rng.uniform(1.05, 1.5)
    parts.append(place(lathe(np.array([cap, cap]), np.array([0, 0.12])), (off, tall + 0.04, 0)))
    reach, high = rng.uniform(0.12, 0.3), rng.uniform(0.18, 0.35) * tall
    path = trace_arc((wide / 2 - 0.08, shoulder * tall), (reach, high), -90, 90)
    parts.append(tube(path, rng.uniform(0.035, 0.08), rng.uniform(0.8, 1.6)))
    return parts


def squeeze_tube(rng: Generator) -> list[Part]:
    """A tube of toothpaste or cream: round at the cap, flat at the other end; lying or on its cap."""
    radius, tall = rng.uniform(0.1, 0.3), rng.uniform(0.7, 1.3)
    end = _section(2 * radius * rng.uniform(1.0, 1.4), 0.03, 0.6)
    parts = [_blend([(0.0, _section(2 * radius, 2 * radius, 1.0)), (tall, end), (tall + 0.08, end)], 10)]
    cap, high = radius * rng.uniform(0.4, 1.05), rng.uniform(0.1, 0.3)
    parts.append(lathe(np.array([cap, cap]), np.array([-high, 0])))
    angle = 90.0 if rng.random() < 0.6 else rng.choice([0.0, 180.0])
    return [place(part, rotation=Rotation.from_euler("x", angle, degrees=True).as_matrix()) for part in parts]


def tub(rng: Generator) -> list[Part]:
    """A tapered tub with a lid: butter, ice cream, yoghurt."""
    radius, tall, taper = rng.uniform(0.3, 0.6), rng.uniform(0.25, 1.1), rng.uniform(0.65, 0.98)
    square = float(rng.uniform(0.2, 1.0))
    flatten = float(rng.uniform(0.5, 1.0)) if square < 0.7 else 1.0
    lip, lid = rng.uniform(1.0, 1.08), rng.uniform(0.03, 0.12)
    points = [(radius * taper, 0.0), (radius, tall), (radius * lip, tall), (radius * lip, tall + lid)]
    if rng.random() < 0.5:
        points += [(radius * 0.9, tall + lid), (radius * 0.88, tall + lid / 2)]
    return [lathe(*draw_profile(rng, points, 0.2), square, flatten)]


def pouch(rng: Generator) -> list[Part]:
    """A filled bag: crisps, rice, a cushion; flat at its seams."""
    wide, tall, thick = rng.uniform(0.5, 0.9), rng.uniform(0.6, 1.1), rng.uniform(0.1, 0.4)
    levels = np.linspace(0, 1, 12)
    swell = np.maximum(4 * levels * (1 - levels), 0.0) ** rng.uniform(0.4, 0.9)
    if rng.random() < 0.4:
        swell = np.maximum(swell, np.where(levels < 0.5, rng.uniform(0.5, 1.0), 0))
    narrow = 1 - rng.uniform(0, 0.12) * swell
    square = float(rng.uniform(0.5, 1.0))
    rings = [
        (float(level * tall), _section(wide * n, max(thick * s, 0.02), square))
        for level, n, s in zip(levels, narrow, swell, strict=True)
    ]
    part = _blend(rings, 1)
    lean = rng.uniform(-15, 0) if rng.random() < 0.6 else 90.0
    return [place(part, rotation=Rotation.from_euler("x", lean, degrees=True).as_matrix())]


def basket(rng: Generator) -> list[Part]:
    """An open, tapered basket or bin, round or square, with or without handles."""
    top, taper = 0.5, rng.uniform(0.65, 1.0)
    tall, wall = rng.uniform(0.2, 0.9), rng.uniform(0.02, 0.06)
    square, flatten = float(rng.choice([1.0, rng.uniform(0.12, 0.5)])), float(rng.uniform(0.55, 1.0))
    outer = [(top * taper, 0.0), (top, tall)]
    inner = [(top - wall, tall), (top * taper - wall, wall * 1.2)]
    parts = [lathe(*draw_profile(rng, [*outer, *inner], 0.0), square, flatten)]
    kind = rng.integers(4)
    if kind == 0:
        parts.append(tube(trace_arc((0, tall * 0.9), (top, rng.uniform(0.2, 0.6)), 0, 180), 0.025))
    elif kind == 1:
        for side in (0, 180):
            ear = tube(trace_arc((top * 0.95, tall * 0.85), (0.12, 0.12), -90, 90), 0.025)
            parts.append(place(ear, rotation=Rotation.from_euler("y", side, degrees=True).as_matrix()))
    return parts


def book(rng: Generator) -> list[Part]:
    """A book: a cover with a spine about pages that stand back; lying, upright or leaning."""
    wide, tall, thick = rng.uniform(0.55, 0.8), rng.uniform(0.8, 1.1), rng.uniform(0.03, 0.28)
    cover, back = rng.uniform(0.006, 0.02), rng.uniform(0.0, 0.03)
    parts = [place(box((wide, tall, cover)), (0, 0, side * thick / 2)) for side in (-1, 1)]
    parts.append(place(box((wide - back, tall - 2 * back, thick)), (-back / 2, 0, 0)))
    parts.append(place(box((cover, tall, thick)), (-wide / 2, 0, 0)))
    angle = rng.choice([90.0, 0.0, rng.uniform(-25, 0)])
    return [place(part, rotation=Rotation.from_euler("x", angle, degrees=True).as_matrix()) for part in parts]


def caddy(rng: Generator) -> list[Part]:
    """A holder in steps: a desk caddy, a rack, a box with open compartments of different heights."""
    deep, wall, x = rng.uniform(0.25, 0.6), rng.uniform(0.015, 0.04), 0.0
    parts = []
    for _ in range(int(rng.integers(2, 5))):
        wide, tall = rng.uniform(0.15, 0.45), rng.uniform(0.15, 0.8)
        for offset in (0.0, wide):
            parts.append(place(box((wall, tall, deep)), (x + offset, tall / 2, 0)))
        for z in (-deep / 2, deep / 2):
            parts.append(place(box((wide, tall, wall)), (x + wide / 2, tall / 2, z)))
        parts.append(place(box((wide, wall, deep)), (x + wide / 2, wall / 2, 0)))
        x += wide
    return parts


def stack(rng: Generator) -> list[Part]:
    """A few goods on or beside one another are one mask at times: here a lid, a dish and its foot."""
    count = int(rng.integers(2, 4))
    parts: list[Part] = []
    high, radius = 0.0, rng.uniform(0.3, 0.6)
    for _ in range(count):
        tall = rng.uniform(0.05, 0.5)
        if rng.random() < 0.5:
            part = rounded_box(
                (2 * radius, tall, 2 * radius * rng.uniform(0.5, 1.0)), 0.15 * min(tall, radius)
            )
            parts.append(place(part, (0, high + tall / 2, 0)))
        else:
            parts.append(
                lathe(np.array([radius, radius * rng.uniform(0.8, 1.1)]), np.array([high, high + tall]))
            )
        high += tall
        radius *= rng.uniform(0.5, 1.1)
    if rng.random() < 0.3:
        parts.append(place(ellipsoid((0.07, 0.06, 0.07)), (0, high + 0.04, 0)))
    return parts


def moka(rng: Generator) -> list[Part]:
    """A jug with corners, a waist, a spout and a handle: a moka pot, a pitcher, a blender."""
    sides = int(rng.choice([8, 10, 40]))
    bottom, waist, top = rng.uniform(0.28, 0.4), rng.uniform(0.18, 0.3), rng.uniform(0.25, 0.4)
    tall = rng.uniform(0.8, 1.2)
    angle = np.linspace(0, 2 * np.pi, sides, endpoint=False)
    ring = np.stack([np.cos(angle), 0 * angle, np.sin(angle)], axis=1)
    levels = [(0.0, bottom), (tall * 0.42, waist), (tall * 0.5, waist), (tall, top), (tall * 1.08, 0.05)]
    parts = [loft(np.stack([ring * radius + [0, y, 0] for y, radius in levels]))]
    parts.append(place(ellipsoid((0.05, 0.06, 0.05)), (0, tall * 1.1, 0)))
    spout = np.linspace([top * 0.7, tall * 0.8, 0], [top * 1.35, tall * 1.0, 0], 5)
    parts.append(tube(spout, np.linspace(0.1, 0.03, 5)))
    path = np.array([[-top, tall * 0.92, 0], [-top * 1.9, tall * 0.9, 0], [-top * 1.8, tall * 0.45, 0]])
    fine = np.linspace(0, 2, 9)
    path = np.stack([np.interp(fine, np.arange(3), path[:, axis]) for axis in range(3)], axis=1)
    parts.append(tube(path, rng.uniform(0.03, 0.06)))
    return parts


def ladle(rng: Generator) -> list[Part]:
    """A thin thing that lies: a spoon, a spatula, tongs, a pen, a remote control."""
    length, thick = rng.uniform(0.5, 0.9), rng.uniform(0.015, 0.05)
    rise: NDArray[np.float64] = rng.uniform(-0.1, 0.2) * np.linspace(0, 1, 10) ** 2
    path = np.stack([np.linspace(0, length, 10), rise, np.zeros(10)], axis=1)
    parts = [tube(path, thick, rng.uniform(0.5, 2.0))]
    if rng.random() < 0.7:
        head = (rng.uniform(0.08, 0.2), rng.uniform(0.015, 0.08), rng.uniform(0.05, 0.14))
        parts.append(place(ellipsoid(head, (1.0, float(rng.uniform(0.3, 1.0)))), (-head[0] * 0.8, 0, 0)))
    return parts
