"""Solids and views drawn at random, which nothing was tuned on."""

from collections.abc import Callable

import numpy as np
import trimesh
from numpy.typing import NDArray

from bench.objects.solids import ball, box, join, legs, place, prism, revolve, upright

Array = NDArray[np.float64]
Draw = Callable[[np.random.Generator], trimesh.Trimesh]


def _turn(mesh: trimesh.Trimesh, degrees: float, axis: tuple[int, int, int]) -> trimesh.Trimesh:
    mesh.apply_transform(trimesh.transformations.rotation_matrix(np.radians(degrees), axis))
    return mesh


def _sizes(rng: np.random.Generator, *ranges: tuple[float, float]) -> list[float]:
    return [float(rng.uniform(*each)) for each in ranges]


def _block(rng: np.random.Generator) -> trimesh.Trimesh:
    return box(*_sizes(rng, (0.2, 1.2), (0.15, 1.2), (0.2, 1.2)))


def _ellipsoid(rng: np.random.Generator) -> trimesh.Trimesh:
    return ball(*_sizes(rng, (0.5, 1.0), (0.4, 1.0), (0.5, 1.0)))


def _pot(rng: np.random.Generator) -> trimesh.Trimesh:
    """A solid of revolution with a smooth or a broken profile."""
    count = int(rng.integers(2, 6))
    heights = np.concatenate([[0], np.sort(rng.uniform(0.1, 1.4, count)), [1.5]])
    radii = rng.uniform(0.15, 0.6, count + 2)
    if rng.random() < 0.5:
        fine = np.linspace(0, 1.5, 24)
        radii = np.interp(fine, heights, radii)
        radii = np.convolve(np.pad(radii, 3, mode="edge"), np.ones(7) / 7, mode="valid")
        heights = fine
    pairs = list(zip(radii.tolist(), heights.tolist(), strict=True))
    return revolve((0, 0), *pairs, (0, 1.5))


def _dish(rng: np.random.Generator) -> trimesh.Trimesh:
    radius, height = _sizes(rng, (0.6, 1.0), (0.1, 0.5))
    return revolve((0, 0), (radius * float(rng.uniform(0.5, 1)), 0), (radius, height), (0, height))


def _lying(rng: np.random.Generator) -> trimesh.Trimesh:
    """A solid of revolution on its side: a roller, a spindle, a barbell."""
    solid = _pot(rng) if rng.random() < 0.5 else _barbell(rng)
    return _turn(solid, 90, (0, 0, 1))


def _barbell(rng: np.random.Generator) -> trimesh.Trimesh:
    thin, thick, width = _sizes(rng, (0.06, 0.15), (0.25, 0.45), (0.15, 0.5))
    half = ((0.0, 0.0), (thick, 0.0), (thick, width), (thin, width))
    return revolve(*half, *((radius, 1.8 - height) for radius, height in reversed(half)))


def _polygon(rng: np.random.Generator) -> Array:
    """A star-shaped plan: a star, a regular polygon, a flower."""
    kind, tips = rng.integers(3), int(rng.integers(3, 8))
    if kind == 0:
        angle = np.linspace(0, 2 * np.pi, 2 * tips, endpoint=False)
        radius = np.where(np.arange(2 * tips) % 2, rng.uniform(0.35, 0.7), 1.0)
    elif kind == 1:
        angle = np.linspace(0, 2 * np.pi, tips, endpoint=False)
        radius = np.ones(tips)
    else:
        angle = np.linspace(0, 2 * np.pi, 96, endpoint=False)
        radius = 1 + rng.uniform(0.1, 0.3) * np.cos(tips * angle)
    return np.column_stack([radius * np.cos(angle), radius * np.sin(angle)])


def _cookie(rng: np.random.Generator) -> trimesh.Trimesh:
    """A plan extruded upwards."""
    return prism(_polygon(rng), float(rng.uniform(0.2, 1.5)))


def _plaque(rng: np.random.Generator) -> trimesh.Trimesh:
    """The same, standing on its side."""
    return _turn(prism(_polygon(rng), float(rng.uniform(0.2, 1.0))), 90, (1, 0, 0))


def _bracket(rng: np.random.Generator) -> trimesh.Trimesh:
    """A profile of joined bars, an L, a T, a U or stairs, extruded along a level axis or upwards."""
    depth, bar, width, height = _sizes(rng, (0.2, 0.9), (0.2, 0.4), (0.8, 1.3), (0.7, 1.3))
    base = place(box(width, bar, depth), 0, bar / 2, 0)
    side = (width - bar) / 2
    kind = rng.integers(4)
    post = lambda x, tall: place(box(bar, tall, depth), x, tall / 2, 0)  # noqa: E731
    if kind == 0:
        solid = join(base, post(-side, height))
    elif kind == 1:
        solid = join(place(base, 0, height - bar, 0), post(0, height))
    elif kind == 2:
        solid = join(base, post(-side, height), post(side, height))
    else:
        third = width / 3
        solid = join(
            *(place(box(third, height * k / 3, depth), third * (k - 2), height * k / 6, 0) for k in (1, 2, 3))
        )
    return _turn(solid, 90, (1, 0, 0)) if rng.random() < 0.3 else solid


def _table(rng: np.random.Generator) -> trimesh.Trimesh:
    width, depth, tall, top, leg = _sizes(rng, (0.8, 1.8), (0.6, 1.2), (0.4, 1.0), (0.05, 0.15), (0.06, 0.14))
    inset = leg / 2 + float(rng.uniform(0, 0.1))
    return join(
        place(box(width, top, depth), 0, top / 2, 0),
        *legs(width / 2 - inset, depth / 2 - inset, tall, leg),
    )


def _stool(rng: np.random.Generator) -> trimesh.Trimesh:
    radius, tall, top, leg = _sizes(rng, (0.35, 0.8), (0.5, 1.0), (0.06, 0.2), (0.03, 0.07))
    count, turn = int(rng.integers(3, 5)), float(rng.uniform(0, 2 * np.pi))
    parts = [place(upright(trimesh.creation.cylinder(radius, top)), 0, top / 2, 0)]
    for angle in turn + np.arange(count) * 2 * np.pi / count:
        x, z = 0.8 * radius * np.cos(angle), 0.8 * radius * np.sin(angle)
        parts.append(place(upright(trimesh.creation.cylinder(leg, tall)), x, -tall / 2, z))
    return join(*parts)


def _chair(rng: np.random.Generator) -> trimesh.Trimesh:
    width, depth, tall, back, leg = _sizes(rng, (0.6, 1.4), (0.6, 1.0), (0.5, 0.9), (0.4, 1.0), (0.07, 0.13))
    thick = float(rng.uniform(0.07, 0.15))
    parts = [
        box(width, thick, depth),
        place(box(width, back, thick), 0, back / 2, -(depth - thick) / 2),
        *legs((width - leg) / 2, (depth - leg) / 2, tall, leg),
    ]
    if rng.random() < 0.3:
        parts += [place(box(thick, 0.3, depth), side * (width - thick) / 2, 0.15, 0) for side in (-1, 1)]
    return join(*parts)


def _screen(rng: np.random.Generator) -> trimesh.Trimesh:
    """A slab on a post on a foot."""
    width, tall, post, foot = _sizes(rng, (0.9, 1.5), (0.5, 0.9), (0.15, 0.4), (0.3, 0.6))
    return join(
        place(box(width, tall, 0.08), 0, post + tall / 2, 0),
        place(box(0.12, post, 0.08), 0, post / 2, 0),
        box(foot, 0.06, 0.35),
    )


def _animal(rng: np.random.Generator) -> trimesh.Trimesh:
    """A body, a head and four legs, all round."""
    body, wide, leg, tall = _sizes(rng, (0.5, 0.8), (0.22, 0.4), (0.06, 0.11), (0.4, 0.7))
    parts = [
        ball(body, wide, wide),
        place(ball(0.25, 0.22, 0.2), body + 0.1, float(rng.uniform(0.1, 0.4)), 0),
    ]
    for x in (-0.6 * body, 0.6 * body):
        for z in (-0.5 * wide, 0.5 * wide):
            parts.append(place(upright(trimesh.creation.cylinder(leg, tall)), x, -tall / 2, z))
    return join(*parts)


def _blob(rng: np.random.Generator) -> trimesh.Trimesh:
    """A few overlapping balls."""
    where, parts = np.zeros(3), []
    for _ in range(int(rng.integers(2, 6))):
        radius = float(rng.uniform(0.25, 0.6))
        parts.append(place(ball(radius, radius, radius), *where))
        step = rng.normal(size=3)
        where = where + 0.8 * radius * step / np.linalg.norm(step)
    return join(*parts)


FAMILIES: dict[str, Draw] = {
    "block": _block,
    "ellipsoid": _ellipsoid,
    "pot": _pot,
    "dish": _dish,
    "lying": _lying,
    "cookie": _cookie,
    "plaque": _plaque,
    "bracket": _bracket,
    "table": _table,
    "stool": _stool,
    "chair": _chair,
    "screen": _screen,
    "animal": _animal,
    "blob": _blob,
}


def draw_solid(seed: int, index: int) -> tuple[str, trimesh.Trimesh, tuple[float, float]]:
    """The family, the mesh and the view (azimuth, elevation) of one shape of a seed."""
    rng = np.random.default_rng([seed, index])
    family = list(FAMILIES)[index % len(FAMILIES)]
    view = (float(rng.uniform(-180, 180)), float(rng.uniform(5, 50)))
    return family, FAMILIES[family](rng), view
