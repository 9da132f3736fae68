"""Points on the surface that a camera can see of a solid made of overlapping parts."""

import numpy as np
import trimesh
from numpy.typing import NDArray

from workers.engines.objects.splats.surfels import sample_surface
from workers.geometry.meshes import face_normals

Array = NDArray[np.float64]


def sample_outer_surface(mesh: trimesh.Trimesh, count: int, *, outer: bool = True) -> Array:
    """Points (N, 3) spread over a mesh of longest side 1 about the origin.

    With `outer`, points of a part that lie inside another part are left out: no solid has a surface there.
    """
    low, high = mesh.bounds
    parts = mesh.split(only_watertight=False) if outer else [mesh]
    size = float((high - low).max())
    placed = [(np.asarray(part.vertices) - (low + high) / 2) / size for part in parts]
    starts = np.cumsum([0, *(len(part) for part in placed)])
    vertices = np.concatenate(placed)
    faces = np.concatenate([np.asarray(part.faces) + k for part, k in zip(parts, starts, strict=False)])
    owner = np.repeat(np.arange(len(parts)), [len(part.faces) for part in parts])
    samples = sample_surface(vertices, faces, count, 0)
    points = samples.interpolate(vertices, faces)
    normals = face_normals(vertices, faces)[samples.faces]
    # a little outside, so that faces that touch count as inside each other
    probes = points + 2e-3 * normals / np.linalg.norm(normals, axis=1, keepdims=True)
    hidden = np.zeros(len(points), dtype=bool)
    for number, part in enumerate(placed):
        near = ((probes > part.min(axis=0)) & (probes < part.max(axis=0))).all(axis=1)
        near &= owner[samples.faces] != number
        triangles = part[np.asarray(parts[number].faces)]
        hidden[near] |= winding_number(probes[near], triangles) > 0.5
    return points[~hidden]


def winding_number(points: Array, triangles: Array) -> Array:
    """Winding numbers of closed triangles (F, 3, 3) about points (N, 3): van Oosterom & Strackee 1983."""
    out = np.empty(len(points))
    for part in np.array_split(np.arange(len(points)), max(1, len(points) * len(triangles) // 1_000_000)):
        a, b, c = (triangles[None, :, k] - points[part, None] for k in range(3))
        la, lb, lc = (np.linalg.norm(side, axis=2) for side in (a, b, c))
        volume = (a * np.cross(b, c)).sum(axis=2)
        rest = la * lb * lc + (a * b).sum(axis=2) * lc + (b * c).sum(axis=2) * la + (c * a).sum(axis=2) * lb
        out[part] = 2 * np.arctan2(volume, rest).sum(axis=1) / (4 * np.pi)
    return np.abs(out)
