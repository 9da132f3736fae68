"""24 analytic shapes, some with parts that meet, by name; y is up."""

from collections.abc import Callable

import numpy as np
import trimesh
from numpy.typing import NDArray

Array = NDArray[np.float64]


def box(*size: float) -> trimesh.Trimesh:
    return trimesh.creation.box(size)


def at(mesh: trimesh.Trimesh, *offset: float) -> trimesh.Trimesh:
    mesh.apply_translation(offset)
    return mesh


def join(*parts: trimesh.Trimesh) -> trimesh.Trimesh:
    return trimesh.util.concatenate(parts)


def upright(mesh: trimesh.Trimesh) -> trimesh.Trimesh:
    """trimesh makes solids around z; here y is up."""
    mesh.apply_transform(trimesh.transformations.rotation_matrix(-np.pi / 2, [1, 0, 0]))
    return mesh


def turned(*profile: tuple[float, float]) -> trimesh.Trimesh:
    """A solid of revolution about y from (radius, height) pairs."""
    return upright(trimesh.creation.revolve(np.asarray(profile, dtype=np.float64), sections=48))


def ball(*radii: float) -> trimesh.Trimesh:
    mesh = trimesh.creation.icosphere(4)
    mesh.apply_scale(radii)
    return mesh


def prism(outline: Array, height: float) -> trimesh.Trimesh:
    """A star-shaped outline (N, 2) extruded along y."""
    count = len(outline)
    flat = np.column_stack([outline[:, 0], np.zeros(count), outline[:, 1]])
    points = np.vstack([flat, flat + np.array([0, height, 0]), [[0, 0, 0], [0, height, 0]]])
    k = np.arange(count)
    n = (k + 1) % count
    bottom, top = np.full(count, 2 * count), np.full(count, 2 * count + 1)
    faces = np.vstack(
        [
            np.column_stack([k, n, bottom]),
            np.column_stack([n + count, k + count, top]),
            np.column_stack([k, k + count, n]),
            np.column_stack([n, k + count, n + count]),
        ]
    )
    mesh = trimesh.Trimesh(points, faces)
    mesh.fix_normals()
    return mesh


def star() -> trimesh.Trimesh:
    angle = np.linspace(0, 2 * np.pi, 10, endpoint=False)
    radius = np.where(np.arange(10) % 2, 0.45, 1.0)
    return prism(np.column_stack([radius * np.cos(angle), radius * np.sin(angle)]), 0.4)


def legs(x: float, z: float, height: float, width: float) -> list[trimesh.Trimesh]:
    return [at(box(width, height, width), sx * x, -height / 2, sz * z) for sx in (-1, 1) for sz in (-1, 1)]


def mug() -> trimesh.Trimesh:
    body = turned((0, 0), (0.5, 0), (0.5, 1.1), (0.42, 1.1), (0.42, 0.1), (0, 0.1))
    handle = trimesh.creation.torus(0.3, 0.07, major_sections=32, minor_sections=12)
    return join(body, at(handle, 0.6, 0.55, 0))


SHAPES: dict[str, tuple[str, Callable[[], trimesh.Trimesh]]] = {
    "sphere": ("ball", lambda: ball(1, 1, 1)),
    "egg": ("apple", lambda: ball(0.8, 1, 0.8)),
    "pebble": ("stone", lambda: ball(1, 0.5, 0.8)),
    "cube": ("box", lambda: box(1, 1, 1)),
    "book": ("book", lambda: box(1, 0.2, 0.7)),
    "carton": ("box", lambda: box(0.6, 1.2, 0.4)),
    "plank": ("plank", lambda: box(1.6, 0.15, 0.3)),
    "can": ("can", lambda: upright(trimesh.creation.cylinder(0.5, 1.2))),
    "plate": ("plate", lambda: upright(trimesh.creation.cylinder(1.0, 0.2))),
    "pole": ("pole", lambda: upright(trimesh.creation.cylinder(0.12, 2.0))),
    "cone": ("cone", lambda: upright(trimesh.creation.cone(0.6, 1.3))),
    "capsule": ("capsule", lambda: upright(trimesh.creation.capsule(1.0, 0.4))),
    "torus": ("donut", lambda: upright(trimesh.creation.torus(0.7, 0.25))),
    "ring": ("ring", lambda: upright(trimesh.creation.annulus(0.6, 0.9, 0.3))),
    "bottle": (
        "bottle",
        lambda: turned((0, 0), (0.35, 0), (0.35, 1.0), (0.12, 1.35), (0.12, 1.7), (0, 1.7)),
    ),
    "vase": ("vase", lambda: turned((0, 0), (0.3, 0), (0.55, 0.5), (0.25, 1.0), (0.4, 1.2), (0, 1.2))),
    "bowl": ("bowl", lambda: turned((0, 0), (0.4, 0), (0.9, 0.6), (0.82, 0.6), (0.36, 0.08), (0, 0.08))),
    "mug": ("cup", mug),
    "dumbbell": (
        "dumbbell",
        lambda: join(
            at(ball(0.4, 0.4, 0.4), -0.8, 0, 0), at(ball(0.4, 0.4, 0.4), 0.8, 0, 0), box(1.4, 0.2, 0.2)
        ),
    ),
    "ell": ("bracket", lambda: join(box(1, 0.35, 0.5), at(box(0.35, 0.8, 0.5), -0.325, 0.575, 0))),
    "table": ("dining table", lambda: join(box(1.6, 0.1, 1.0), *legs(0.7, 0.4, 0.8, 0.1))),
    "chair": (
        "chair",
        lambda: join(box(0.9, 0.1, 0.9), at(box(0.9, 0.9, 0.1), 0, 0.45, -0.4), *legs(0.4, 0.4, 0.8, 0.1)),
    ),
    "star": ("star", star),
    "snowman": ("snowman", lambda: join(ball(0.6, 0.6, 0.6), at(ball(0.4, 0.4, 0.4), 0, 0.8, 0))),
}
