"""Solids of longest side 1 with colours of their own."""

from dataclasses import dataclass

import numpy as np
import trimesh
from numpy.typing import NDArray

from bench.objects.solids import SHAPES
from workers.geometry.meshes import vertex_normals

Array = NDArray[np.float64]
PAINTS = ("waves", "speckle", "lamp", "flat")
# Longest edge of a painted mesh, so that fine paint is kept.
FINE_EDGE = 0.03
LAMP = np.array([0.5, 0.8, 0.33])


@dataclass(frozen=True)
class PaintedMesh:
    """Vertices (V, 3) about the origin, faces (F, 3) and sRGB (V, 3)."""

    vertices: Array
    faces: NDArray[np.int64]
    colors: NDArray[np.uint8]


def paint_shape(name: str, paint: str) -> PaintedMesh:
    """A shape with colours of its own, which do not depend on the camera.

    `waves` are smooth, bright and everywhere; `speckle` is fine grain of 40 grey levels; `lamp` is one colour
    lit from one side; `flat` is one colour without any shading, so that only the outline gives information.
    """
    return paint_mesh(SHAPES[name][1](), paint)


def paint_mesh(mesh: trimesh.Trimesh, paint: str) -> PaintedMesh:
    """A mesh of longest side 1 about the origin, painted as `paint_shape` does."""
    mesh = mesh.copy()
    low, high = mesh.bounds
    mesh.apply_translation(-(low + high) / 2)
    mesh.apply_scale(1 / float((high - low).max()))
    while paint == "waves" and len(mesh.faces) < 6000:
        mesh = mesh.subdivide()
    if paint != "waves":
        mesh = trimesh.Trimesh(*trimesh.remesh.subdivide_to_size(mesh.vertices, mesh.faces, FINE_EDGE))
    vertices, faces = np.asarray(mesh.vertices), np.asarray(mesh.faces, dtype=np.int64)
    if paint == "waves":
        colors = 128 + 100 * np.sin(vertices @ np.array([[14.0, 3, 5], [4, 17, 6], [7, 2, 15]]))
    elif paint == "speckle":
        rng = np.random.default_rng(0)
        ways = rng.normal(size=(3, 12)) * 40
        grain = np.tanh(np.sin(vertices @ ways + rng.uniform(0, 6, 12)).sum(axis=1))
        colors = np.array([150.0, 120, 90]) + 40 * grain[:, None]
    elif paint == "lamp":
        light = np.clip(vertex_normals(vertices, faces) @ (LAMP / np.linalg.norm(LAMP)), 0, 1)
        colors = np.array([200.0, 170, 140]) * (0.4 + 0.6 * light[:, None])
    else:
        colors = np.tile([180.0, 150, 120], (len(vertices), 1))
    return PaintedMesh(vertices, faces, np.clip(colors, 0, 255).astype(np.uint8))
