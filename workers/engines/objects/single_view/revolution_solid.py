"""A solid of revolution in the camera frame, and its mesh."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from workers.engines.objects.single_view.mirror_axis import MirrorAxis
from workers.geometry.cameras import Camera

Array = NDArray[np.float64]
# Corners of each circle of the mesh.
SECTIONS = 64
# Thickness of a hollow solid's wall and floor, as a share of its largest radius; bowls and cups differ little
# between 0.05 and 0.1. A cavity ends where it would be narrower than its wall, and needs some rings.
WALL, MIN_CAVITY_RINGS = 0.05, 3


@dataclass(frozen=True, slots=True)
class RevolutionAxis:
    """A line in the camera frame: `origin` (3,) at z = 1 and unit `up`, and two unit normals to it."""

    origin: Array
    up: Array
    side: Array
    across: Array

    @classmethod
    def tilted(cls, camera: Camera, mirror: MirrorAxis, degrees: float) -> "RevolutionAxis":
        """The axis that is seen as `mirror`, its top `degrees` nearer to the camera."""
        origin = camera.unproject(mirror.point, np.asarray(1.0))
        view = origin / np.linalg.norm(origin)
        ahead = camera.unproject(mirror.point + mirror.direction, np.asarray(1.0)) - origin
        flat = ahead - (ahead @ view) * view
        flat /= np.linalg.norm(flat)
        angle = np.radians(degrees)
        up = np.cos(angle) * flat - np.sin(angle) * view
        side = np.cross(view, up)
        side /= np.linalg.norm(side)
        # side, across, up are right-handed: rings run counter-clockwise about the axis
        return cls(origin, up, side, np.cross(up, side))

    def rings(self, heights: Array, radii: Array, corners: int) -> Array:
        """Circles (K, corners, 3) about the axis for heights (K,) and radii (K,)."""
        angles = np.linspace(0, 2 * np.pi, corners, endpoint=False)
        circle = np.cos(angles)[:, None] * self.side + np.sin(angles)[:, None] * self.across
        centres = self.origin + heights[:, None] * self.up
        return np.asarray(centres[:, None] + radii[:, None, None] * circle)


@dataclass(frozen=True, slots=True)
class SolidOfRevolution:
    """A profile, `heights` (K,) and `radii` (K,), about an axis tilted by `tilt` degrees.

    `iou` is that of its outline with the coarse mask; `hole` has the radii (K,) of the hole along the axis,
    where there is one; `cavity` the heights and radii (J, 2) of a cavity that is open at the top, from its
    rim to its floor.
    """

    axis: RevolutionAxis
    heights: Array
    radii: Array
    tilt: float
    iou: float
    hole: Array | None = None
    cavity: Array | None = None

    def hollow_out(self) -> "SolidOfRevolution | None":
        """The same solid with an even wall about a cavity, open at the top; None without room for one."""
        if self.hole is not None:
            return None
        wall = WALL * float(self.radii.max())
        inner = self.radii - wall
        is_open = (inner > wall) & (self.heights >= self.heights[0] + wall)
        count = int(np.logical_and.accumulate(is_open[::-1]).sum())
        if count < MIN_CAVITY_RINGS:
            return None
        cavity = np.column_stack([self.heights, inner])[::-1][:count]
        return replace(self, cavity=cavity)

    def axes(self) -> Array:
        """Its x, y (up the axis) and z (to the camera) as rows (3, 3)."""
        return np.stack([self.axis.side, self.axis.up, -self.axis.across])

    def mesh(self) -> tuple[Array, NDArray[np.int64]]:
        """Closed mesh: vertices (V, 3) in the camera frame and faces (F, 3), counter-clockwise outside."""
        return self._closed_mesh() if self.hole is None else self._pierced_mesh(self.hole)

    def _closed_mesh(self) -> tuple[Array, NDArray[np.int64]]:
        heights, radii = self.heights, self.radii
        if self.cavity is not None:
            heights, radii = np.concatenate([np.column_stack([heights, radii]), self.cavity]).T
        count = len(heights)
        rings = self.axis.rings(heights, radii, SECTIONS).reshape(-1, 3)
        walls = [face for ring in range(count - 1) for face in _wall_faces(ring, ring + 1)]
        ends = self.axis.origin + heights[[0, -1], None] * self.axis.up
        k, n = _section_indices()
        bottom, top, last = count * SECTIONS, count * SECTIONS + 1, (count - 1) * SECTIONS
        walls.append(np.stack([np.full(SECTIONS, bottom), n, k], 1))
        walls.append(np.stack([np.full(SECTIONS, top), last + k, last + n], 1))
        return np.concatenate([rings, ends]), np.concatenate(walls).astype(np.int64)

    def _pierced_mesh(self, hole: Array) -> tuple[Array, NDArray[np.int64]]:
        # up the outside and down the hole
        heights = np.concatenate([self.heights, self.heights[::-1]])
        radii = np.concatenate([self.radii, hole[::-1]])
        count = len(heights)
        walls = [face for ring in range(count) for face in _wall_faces(ring, (ring + 1) % count)]
        rings = self.axis.rings(heights, radii, SECTIONS).reshape(-1, 3)
        return rings, np.concatenate(walls).astype(np.int64)


def _section_indices() -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The corners (SECTIONS,) of a circle, and the next one of each."""
    k = np.arange(SECTIONS)
    return k, (k + 1) % SECTIONS


def _wall_faces(lower: int, upper: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Two triangles (SECTIONS, 3) for each section of the wall between two rings."""
    k, n = _section_indices()
    low, high = lower * SECTIONS, upper * SECTIONS
    return np.stack([low + k, low + n, high + n], 1), np.stack([low + k, high + n, high + k], 1)
