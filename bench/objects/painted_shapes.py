"""Ground truth of the object benches: shapes of longest side 1, their outer surface, and paints for them."""

from dataclasses import dataclass

import numpy as np
import trimesh
from numpy.typing import NDArray

from bench.objects.analytic_shapes import SHAPES
from workers.engines.objects.splats.surfels import sample_surface
from workers.geometry.meshes import face_normals, vertex_normals

Array = NDArray[np.float64]
PAINTS = ("waves", "speckle", "lamp", "flat")
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
    lit from one side; `flat` is one colour without any shading, so that only the outline carries information.
    """
    return paint_mesh(SHAPES[name][1](), paint)


def paint_mesh(mesh: trimesh.Trimesh, paint: str) -> PaintedMesh:
    """A mesh of longest side 1 about the origin, painted as by `paint_shape`."""
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
        waves = rng.normal(size=(3, 12)) * 40
        grain = np.tanh(np.sin(vertices @ waves + rng.uniform(0, 6, 12)).sum(axis=1))
        colors = np.array([150.0, 120, 90]) + 40 * grain[:, None]
    elif paint == "lamp":
        light = np.clip(vertex_normals(vertices, faces) @ (LAMP / np.linalg.norm(LAMP)), 0, 1)
        colors = np.array([200.0, 170, 140]) * (0.4 + 0.6 * light[:, None])
    else:
        colors = np.tile([180.0, 150, 120], (len(vertices), 1))
    return PaintedMesh(vertices, faces, np.clip(colors, 0, 255).astype(np.uint8))


def sample_outer_surface(mesh: trimesh.Trimesh, count: int, *, outer: bool = True) -> Array:
    """Points (N, 3) spread over a mesh of longest side 1 about the origin.

    With `outer`, points of a part that lie inside another part are left out: no solid has a surface there.
    """
    low, high = mesh.bounds
    parts = mesh.split(only_watertight=False) if outer else [mesh]
    size = float((high - low).max())
    places = [(np.asarray(part.vertices) - (low + high) / 2) / size for part in parts]
    starts = np.cumsum([0, *(len(part) for part in places)])
    vertices = np.concatenate(places)
    faces = np.concatenate([np.asarray(part.faces) + k for part, k in zip(parts, starts, strict=False)])
    owner = np.repeat(np.arange(len(parts)), [len(part.faces) for part in parts])
    samples = sample_surface(vertices, faces, count, 0)
    points = samples.interpolate(vertices, faces)
    normals = face_normals(vertices, faces)[samples.faces]
    # a little outside, so that faces that touch count as inside each other
    probes = points + 2e-3 * normals / np.linalg.norm(normals, axis=1, keepdims=True)
    hidden = np.zeros(len(points), dtype=bool)
    for number, part in enumerate(places):
        near = ((probes > part.min(axis=0)) & (probes < part.max(axis=0))).all(axis=1)
        near &= owner[samples.faces] != number
        triangles = part[np.asarray(parts[number].faces)]
        hidden[near] |= winding_numbers(probes[near], triangles) > 0.5
    return points[~hidden]


def winding_numbers(points: Array, triangles: Array) -> Array:
    """Winding numbers (N,) of closed triangles (F, 3, 3) around points (van Oosterom & Strackee 1983)."""
    out = np.empty(len(points))
    for part in np.array_split(np.arange(len(points)), max(1, len(points) * len(triangles) // 1_000_000)):
        a, b, c = (triangles[None, :, k] - points[part, None] for k in range(3))
        la, lb, lc = (np.linalg.norm(side, axis=2) for side in (a, b, c))
        volume = (a * np.cross(b, c)).sum(axis=2)
        rest = la * lb * lc + (a * b).sum(axis=2) * lc + (b * c).sum(axis=2) * la + (c * a).sum(axis=2) * lb
        out[part] = 2 * np.arctan2(volume, rest).sum(axis=1) / (4 * np.pi)
    return np.abs(out)
