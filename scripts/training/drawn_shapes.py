"""Endless drawn objects: what stands on tables and in rooms, composed of primitives at random."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from scripts.training.drawn_furniture import cabinet, chair, lamp, screen, shelf, sofa, table, tray
from scripts.training.drawn_goods import (
    basket,
    book,
    caddy,
    jug,
    ladle,
    moka,
    package,
    pouch,
    squeeze_bottle,
    squeeze_tube,
    stack,
    tin,
    tub,
)
from scripts.training.drawn_vessels import (
    bottle,
    bowl,
    can,
    draw_turn,
    glass,
    jar,
    kettle,
    mug,
    pan,
    plate,
    trace_arc,
    vase,
)
from scripts.training.primitives import Array, Part, box, ellipsoid, lathe, loft, place, prism, tube

Generator = np.random.Generator
Draw = Callable[[Generator], list[Part]]


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
    return [place(part, rotation=draw_turn(rng)) for part in parts]


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
        parts.append(place(part, where, draw_turn(rng) if rng.random() < 0.3 else None))
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
    part = tube(trace_arc((0, 0), (radius, radius), 0, 337), thick, rng.uniform(0.5, 1.5))
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
# What stands on tables counts for more than furniture: half of all objects are of these.
GOODS: tuple[Draw, ...] = (
    *(package, package, package, tin, tin, squeeze_bottle, squeeze_bottle, jug, squeeze_tube, tub, pouch),
    *(basket, basket, book, book, caddy, stack, moka, ladle, bottle, mug, mug, bowl, bowl, plate, pan),
)
GOODS_SHARE = 0.5


def draw_shape(rng: Generator) -> tuple[Array, NDArray[np.int64], NDArray[np.int64]]:
    """Vertices (V, 3), faces (F, 3) and the part (F,) of each face; y up, longest side 1 about the origin."""
    families = GOODS if rng.random() < GOODS_SHARE else FAMILIES
    parts = families[int(rng.integers(len(families)))](rng)
    starts = np.cumsum([0, *(len(part[0]) for part in parts)])
    vertices = np.concatenate([part[0] for part in parts])
    faces = np.concatenate([part[1] + start for part, start in zip(parts, starts, strict=False)])
    owner = np.repeat(np.arange(len(parts)), [len(part[1]) for part in parts])
    if rng.random() < 0.3:
        vertices = vertices * rng.uniform(0.6, 1.4, 3)
    vertices = vertices @ draw_turn(rng).T
    if rng.random() < 0.12:
        # lying on a side, or held in a hand
        vertices = vertices @ np.asarray(Rotation.random(rng=rng).as_matrix()).T
    low, high = vertices.min(axis=0), vertices.max(axis=0)
    return (vertices - (low + high) / 2) / float((high - low).max()), faces, owner
