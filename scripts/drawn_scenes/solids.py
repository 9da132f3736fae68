"""Meshes of the MOVi-like clips: the solids, and the floor and walls of their room."""

from collections.abc import Callable

import numpy as np
import trimesh

# in metres; a lane of `motion` holds the widest solid
WIDEST = 0.85
SIDE_WALL = 5.0


def _make_wedge(a: float, b: float, c: float) -> trimesh.Trimesh:
    corners = np.array([(x, y, z) for x in (-0.5, 0.5) for y in (-0.5, 0.5) for z in (-0.5, 0.5)])
    corners = corners[~((corners[:, 0] > 0) & (corners[:, 2] > 0))]
    return trimesh.convex.convex_hull(corners * (a, b, c))


SOLIDS: dict[str, Callable[[float, float, float], trimesh.Trimesh]] = {
    "box": lambda a, b, c: trimesh.creation.box((a, b, c)),
    "ball": lambda a, b, c: trimesh.creation.icosphere(subdivisions=3, radius=a / 2),
    "cylinder": lambda a, b, c: trimesh.creation.cylinder(radius=b / 2, height=c, sections=36),
    "cone": lambda a, b, c: trimesh.creation.cone(radius=a / 2, height=c, sections=36),
    "torus": lambda a, b, c: trimesh.creation.torus(a / 2 - b / 8, b / 8, 36, 14),
    "capsule": lambda a, b, c: trimesh.creation.capsule(height=c / 2, radius=b / 2, count=[18, 18]),
    "wedge": _make_wedge,
}


def make_solid(label: str, rng: np.random.Generator, scale: float) -> tuple[str, trimesh.Trimesh]:
    """A shape at most WIDEST across, scaled, its box centred on the origin; a torus stands upright."""
    a, b, c = np.sort(rng.uniform(0.55, 0.95, 3))[::-1]
    mesh = SOLIDS[label](float(a), float(b), float(c))
    if label == "torus":
        mesh.apply_transform(trimesh.transformations.rotation_matrix(np.pi / 2, (1, 0, 0)))
    mesh.apply_translation(-mesh.bounds.mean(axis=0))
    wide = float(np.hypot(mesh.extents[0], mesh.extents[1]))
    mesh.apply_scale(scale * min(1.0, WIDEST / wide))
    return label, mesh


def make_floor() -> trimesh.Trimesh:
    corners = [(-SIDE_WALL, -4.9, 0), (SIDE_WALL, -4.9, 0), (SIDE_WALL, 5, 0), (-SIDE_WALL, 5, 0)]
    return trimesh.Trimesh(corners, [(0, 1, 2), (0, 2, 3)], process=False)


def make_walls() -> trimesh.Trimesh:
    line = [(-SIDE_WALL, -4.9), (-SIDE_WALL, 5.0), (SIDE_WALL, 5.0), (SIDE_WALL, -4.9)]
    corners = [(x, y, z) for x, y in line for z in (0.0, 5.5)]
    faces = [face for k in (0, 2, 4) for face in ((k, k + 2, k + 1), (k + 1, k + 2, k + 3))]
    return trimesh.Trimesh(corners, faces, process=False)
