"""Closed meshes of simple parts, of which drawn shapes are composed; y is up, lengths are arbitrary."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
# Vertices (V, 3) and faces (F, 3).
Part = tuple[Array, NDArray[np.int64]]


def ellipsoid(radii: Sequence[float], sharpness: tuple[float, float] = (1.0, 1.0)) -> Part:
    """A superellipsoid: exponents 1 give an ellipsoid, towards 0 a box, 2 an octahedron."""
    latitude = np.linspace(-np.pi / 2, np.pi / 2, 25)[:, None]
    longitude = np.linspace(0, 2 * np.pi, 32, endpoint=False)[None]
    across = _signed_power(np.cos(latitude), sharpness[0])
    points = np.stack(
        [
            across * _signed_power(np.cos(longitude), sharpness[1]),
            _signed_power(np.sin(latitude), sharpness[0]) + 0 * longitude,
            across * _signed_power(np.sin(longitude), sharpness[1]),
        ],
        axis=-1,
    )
    return _close_rings(points * np.asarray(radii, dtype=np.float64))


def box(size: Sequence[float]) -> Part:
    """A box about the origin with sharp edges."""
    corners = np.array([[x, y, z] for x in (-0.5, 0.5) for y in (-0.5, 0.5) for z in (-0.5, 0.5)])
    sides = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    faces = [face for a, b, c, d in sides for face in ((a, b, c), (a, c, d))]
    return corners * np.asarray(size, dtype=np.float64), np.array(faces, dtype=np.int64)


def rounded_box(size: Sequence[float], radius: float) -> Part:
    """A box about the origin whose edges are rounded by `radius`, at most half its shortest side."""
    directions, faces = ellipsoid((1.0, 1.0, 1.0))
    half = np.asarray(size, dtype=np.float64) / 2
    corner = np.where(directions >= -1e-9, 1.0, -1.0) * (half - radius)
    return corner + radius * directions, faces


def lathe(radii: Array, heights: Array, squareness: float = 1.0, flatten: float = 1.0) -> Part:
    """A profile (N,) turned about y; `squareness` under 1 makes the rings rounded squares."""
    angle = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    ring = np.stack(
        [_signed_power(np.cos(angle), squareness), _signed_power(np.sin(angle), squareness) * flatten]
    )
    points = np.stack(
        [
            radii[:, None] * ring[0],
            np.broadcast_to(heights[:, None], (len(heights), len(angle))),
            radii[:, None] * ring[1],
        ],
        axis=-1,
    )
    return _close_rings(points)


def loft(rings: Array) -> Part:
    """Rings (N, M, 3) of points joined in order, closed at both ends."""
    return _close_rings(rings)


def tube(path: Array, radius: Array | float, flatten: float = 1.0) -> Part:
    """A round bar along points (N, 3), of radius (N,) or one for all; closed at the ends."""
    tangent = np.gradient(path, axis=0)
    tangent /= np.maximum(np.linalg.norm(tangent, axis=1, keepdims=True), 1e-9)
    spread = np.ptp(path, axis=0)
    normal = np.broadcast_to(np.eye(3)[int(spread.argmin())], path.shape)
    side = np.cross(tangent, normal)
    side /= np.maximum(np.linalg.norm(side, axis=1, keepdims=True), 1e-9)
    normal = np.cross(side, tangent)
    angle = np.linspace(0, 2 * np.pi, 12, endpoint=False)
    thick = np.broadcast_to(np.asarray(radius, dtype=np.float64), (len(path),))[:, None, None]
    around = np.cos(angle)[:, None] * side[:, None] + flatten * np.sin(angle)[:, None] * normal[:, None]
    return _close_rings(path[:, None] + thick * around)


def prism(outline: Array, height: float) -> Part:
    """A star-shaped outline (N, 2) in x and z, extruded along y about the origin."""
    flat = np.stack([outline[:, 0], np.zeros(len(outline)), outline[:, 1]], axis=1)
    lift = np.array([0.0, height / 2, 0.0])
    return _close_rings(np.stack([flat - lift, flat + lift]))


def place(part: Part, offset: Sequence[float] = (0, 0, 0), rotation: Array | None = None) -> Part:
    """The part rotated about the origin by a matrix (3, 3), then moved."""
    vertices = part[0] if rotation is None else part[0] @ rotation.T
    return vertices + np.asarray(offset, dtype=np.float64), part[1]


def _signed_power(values: Array, exponent: float) -> Array:
    return np.asarray(np.sign(values) * np.abs(values) ** exponent)


def _close_rings(points: Array) -> Part:
    """Rings (N, M, 3) joined in order, with a fan to the centre of the first and of the last."""
    count, around, _ = points.shape
    vertices = np.concatenate([points.reshape(-1, 3), points[[0, -1]].mean(axis=1)])
    here = np.arange(around)
    there = (here + 1) % around
    faces = []
    for ring in range(count - 1):
        a, b = ring * around + here, ring * around + there
        c, d = a + around, b + around
        faces += [np.stack([a, c, b], 1), np.stack([b, c, d], 1)]
    first, last = count * around, count * around + 1
    faces.append(np.stack([np.full(around, first), here, there], 1))
    top = (count - 1) * around
    faces.append(np.stack([np.full(around, last), top + there, top + here], 1))
    return vertices, np.concatenate(faces).astype(np.int64)
