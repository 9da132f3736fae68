"""Reconstruction from one view, on shapes and views drawn at random, which nothing was tuned on.

    python -m bench run objects.random_shapes [--seed 7] [--count 168] [--each]

Every shape comes from one of the families below, with sizes, parts and a view drawn from the seed: elevations
from 5 to 50 degrees, any azimuth. Scores are those of `objects.shapes`, as means of each family and of all.
Seed 7 is kept for judging: look at other seeds while you change the engine.
"""

import argparse
from collections import Counter
from collections.abc import Callable

import numpy as np
import trimesh
from numpy.typing import NDArray

from bench.objects import analytic_shapes as shapes
from bench.objects.single_view_scores import COLUMNS, Scores, View, add_mean, score_single_view
from bench.report import Report
from workers.engines.objects.default import DefaultObjects

Array = NDArray[np.float64]
Draw = Callable[[np.random.Generator], trimesh.Trimesh]


def _turn(mesh: trimesh.Trimesh, degrees: float, axis: tuple[int, int, int]) -> trimesh.Trimesh:
    mesh.apply_transform(trimesh.transformations.rotation_matrix(np.radians(degrees), axis))
    return mesh


def _sizes(rng: np.random.Generator, *ranges: tuple[float, float]) -> list[float]:
    return [float(rng.uniform(*each)) for each in ranges]


def _block(rng: np.random.Generator) -> trimesh.Trimesh:
    return shapes.box(*_sizes(rng, (0.2, 1.2), (0.15, 1.2), (0.2, 1.2)))


def _ellipsoid(rng: np.random.Generator) -> trimesh.Trimesh:
    return shapes.ball(*_sizes(rng, (0.5, 1.0), (0.4, 1.0), (0.5, 1.0)))


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
    return shapes.turned((0, 0), *pairs, (0, 1.5))


def _dish(rng: np.random.Generator) -> trimesh.Trimesh:
    radius, height = _sizes(rng, (0.6, 1.0), (0.1, 0.5))
    return shapes.turned((0, 0), (radius * float(rng.uniform(0.5, 1)), 0), (radius, height), (0, height))


def _lying(rng: np.random.Generator) -> trimesh.Trimesh:
    """A solid of revolution on its side: a roller, a spindle, a barbell."""
    shape = _pot(rng) if rng.random() < 0.5 else _barbell(rng)
    return _turn(shape, 90, (0, 0, 1))


def _barbell(rng: np.random.Generator) -> trimesh.Trimesh:
    thin, thick, width = _sizes(rng, (0.06, 0.15), (0.25, 0.45), (0.15, 0.5))
    half = ((0.0, 0.0), (thick, 0.0), (thick, width), (thin, width))
    return shapes.turned(*half, *((radius, 1.8 - height) for radius, height in reversed(half)))


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
    return shapes.prism(_polygon(rng), float(rng.uniform(0.2, 1.5)))


def _plaque(rng: np.random.Generator) -> trimesh.Trimesh:
    """The same, standing on its side."""
    return _turn(shapes.prism(_polygon(rng), float(rng.uniform(0.2, 1.0))), 90, (1, 0, 0))


def _bracket(rng: np.random.Generator) -> trimesh.Trimesh:
    """A profile of joined bars, an L, a T, a U or stairs, extruded along a level axis or upwards."""
    depth, bar, width, height = _sizes(rng, (0.2, 0.9), (0.2, 0.4), (0.8, 1.3), (0.7, 1.3))
    base = shapes.at(shapes.box(width, bar, depth), 0, bar / 2, 0)
    side = (width - bar) / 2
    kind = rng.integers(4)
    post = lambda x, tall: shapes.at(shapes.box(bar, tall, depth), x, tall / 2, 0)  # noqa: E731
    if kind == 0:
        shape = shapes.join(base, post(-side, height))
    elif kind == 1:
        shape = shapes.join(shapes.at(base, 0, height - bar, 0), post(0, height))
    elif kind == 2:
        shape = shapes.join(base, post(-side, height), post(side, height))
    else:
        third = width / 3
        shape = shapes.join(
            *(
                shapes.at(shapes.box(third, height * k / 3, depth), third * (k - 2), height * k / 6, 0)
                for k in (1, 2, 3)
            )
        )
    return _turn(shape, 90, (1, 0, 0)) if rng.random() < 0.3 else shape


def _table(rng: np.random.Generator) -> trimesh.Trimesh:
    width, depth, tall, top, leg = _sizes(rng, (0.8, 1.8), (0.6, 1.2), (0.4, 1.0), (0.05, 0.15), (0.06, 0.14))
    inset = leg / 2 + float(rng.uniform(0, 0.1))
    return shapes.join(
        shapes.at(shapes.box(width, top, depth), 0, top / 2, 0),
        *shapes.legs(width / 2 - inset, depth / 2 - inset, tall, leg),
    )


def _stool(rng: np.random.Generator) -> trimesh.Trimesh:
    radius, tall, top, leg = _sizes(rng, (0.35, 0.8), (0.5, 1.0), (0.06, 0.2), (0.03, 0.07))
    count, turn = int(rng.integers(3, 5)), float(rng.uniform(0, 2 * np.pi))
    parts = [shapes.at(shapes.upright(trimesh.creation.cylinder(radius, top)), 0, top / 2, 0)]
    for angle in turn + np.arange(count) * 2 * np.pi / count:
        x, z = 0.8 * radius * np.cos(angle), 0.8 * radius * np.sin(angle)
        parts.append(shapes.at(shapes.upright(trimesh.creation.cylinder(leg, tall)), x, -tall / 2, z))
    return shapes.join(*parts)


def _chair(rng: np.random.Generator) -> trimesh.Trimesh:
    width, depth, tall, back, leg = _sizes(rng, (0.6, 1.4), (0.6, 1.0), (0.5, 0.9), (0.4, 1.0), (0.07, 0.13))
    thick = float(rng.uniform(0.07, 0.15))
    parts = [
        shapes.box(width, thick, depth),
        shapes.at(shapes.box(width, back, thick), 0, back / 2, -(depth - thick) / 2),
        *shapes.legs((width - leg) / 2, (depth - leg) / 2, tall, leg),
    ]
    if rng.random() < 0.3:
        offset = (width - thick) / 2
        parts += [shapes.at(shapes.box(thick, 0.3, depth), side * offset, 0.15, 0) for side in (-1, 1)]
    return shapes.join(*parts)


def _screen(rng: np.random.Generator) -> trimesh.Trimesh:
    """A slab on a post on a foot."""
    width, tall, post, foot = _sizes(rng, (0.9, 1.5), (0.5, 0.9), (0.15, 0.4), (0.3, 0.6))
    return shapes.join(
        shapes.at(shapes.box(width, tall, 0.08), 0, post + tall / 2, 0),
        shapes.at(shapes.box(0.12, post, 0.08), 0, post / 2, 0),
        shapes.box(foot, 0.06, 0.35),
    )


def _animal(rng: np.random.Generator) -> trimesh.Trimesh:
    """A body, a head and four legs, all round."""
    body, wide, leg, tall = _sizes(rng, (0.5, 0.8), (0.22, 0.4), (0.06, 0.11), (0.4, 0.7))
    parts = [
        shapes.ball(body, wide, wide),
        shapes.at(shapes.ball(0.25, 0.22, 0.2), body + 0.1, float(rng.uniform(0.1, 0.4)), 0),
    ]
    for x in (-0.6 * body, 0.6 * body):
        for z in (-0.5 * wide, 0.5 * wide):
            parts.append(shapes.at(shapes.upright(trimesh.creation.cylinder(leg, tall)), x, -tall / 2, z))
    return shapes.join(*parts)


def _blob(rng: np.random.Generator) -> trimesh.Trimesh:
    """A few overlapping balls."""
    where, parts = np.zeros(3), []
    for _ in range(int(rng.integers(2, 6))):
        radius = float(rng.uniform(0.25, 0.6))
        parts.append(shapes.at(shapes.ball(radius, radius, radius), *where))
        step = rng.normal(size=3)
        where = where + 0.8 * radius * step / np.linalg.norm(step)
    return shapes.join(*parts)


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


def draw_shape(seed: int, index: int) -> tuple[str, trimesh.Trimesh, View]:
    """The family, the mesh and the view of one shape of a seed."""
    rng = np.random.default_rng([seed, index])
    family = list(FAMILIES)[index % len(FAMILIES)]
    view = (float(rng.uniform(-180, 180)), float(rng.uniform(5, 50)))
    return family, FAMILIES[family](rng), view


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seed", type=int, default=7, help="7 is kept for judging")
    parser.add_argument("--count", type=int, default=168, help="how many shapes")
    parser.add_argument("--side", type=int, default=256, help="image side in pixels")
    parser.add_argument("--each", action="store_true", help="also report every shape")


def run(options: argparse.Namespace, report: Report) -> None:
    engine = DefaultObjects(splats=1000)
    families: dict[str, list[Scores]] = {}
    each = report.table("Shapes", {"shape": "", **COLUMNS, "hypothesis": ""}) if options.each else None
    for index in range(options.count):
        family, mesh, view = draw_shape(options.seed, index)
        scores = score_single_view(engine, mesh, view, side=options.side)
        families.setdefault(family, []).append(scores)
        if each is not None:
            each.add(f"{index} {family}, {view[0]:.0f}° {view[1]:.0f}°", *scores.figures, scores.kind)
    table = report.table("Families", {"family": "", **COLUMNS, "hypotheses": ""})
    for family, members in families.items():
        kinds = Counter(score.kind for score in members)
        counts = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
        add_mean(table, family, scores=members, tail=counts)
    every = [score for members in families.values() for score in members]
    add_mean(table, "mean", scores=every)
    report.add({"lowest_input_iou": min(score.input_iou for score in every)})
