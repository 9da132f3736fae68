"""Solids of revolution: the profile and the tilt that explain an outline.

For a tilt of the axis towards the camera, each circle about the axis is as large as the mask allows; what
the circles leave uncovered speaks against the tilt. Circles that cover nothing of their own are cut off at
both ends, which leaves flat tops and bottoms where the outline has them.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.engines.objects.single_view.coarse_mask import Window
from workers.geometry.overlap import mask_iou

Array = NDArray[np.float64]
RINGS = 64
CORNERS = 24
SECTIONS = 64
SLACK = 0.8
LOST_SHARE = 0.004
LEAST_RADIUS = 0.004
STEEPEST = 60
WALL = 0.97
TILTS = tuple(range(0, STEEPEST + 1, 5))


@dataclass(frozen=True, slots=True)
class Axis:
    """A line in the camera frame: `origin` (3,) at z = 1 and unit `up`, and two unit normals to it."""

    origin: Array
    up: Array
    side: Array
    across: Array

    def rings(self, heights: Array, radii: Array, corners: int) -> Array:
        """Circles (K, corners, 3) about the axis for heights (K,) and radii (K,)."""
        turn = np.linspace(0, 2 * np.pi, corners, endpoint=False)
        circle = np.cos(turn)[:, None] * self.side + np.sin(turn)[:, None] * self.across
        centres = self.origin + heights[:, None] * self.up
        return np.asarray(centres[:, None] + radii[:, None, None] * circle)


@dataclass(frozen=True, slots=True)
class Turned:
    """A profile (heights, radii) about an axis tilted by `tilt` degrees; `iou` is how it covers the mask.

    `hole` has the radii of the hole along the axis, where there is one.
    """

    axis: Axis
    heights: Array
    radii: Array
    tilt: float
    iou: float
    hole: Array | None = None

    def mesh(self) -> tuple[Array, NDArray[np.int64]]:
        """Closed mesh: vertices (V, 3) in the camera frame and faces (F, 3), counter-clockwise outside."""
        heights, radii = self.heights, self.radii
        if self.hole is not None:
            # up the outside and down the hole
            heights = np.concatenate([heights, heights[::-1]])
            radii = np.concatenate([radii, self.hole[::-1]])
        rings = self.axis.rings(heights, radii, SECTIONS).reshape(-1, 3)
        count = len(heights)
        k = np.arange(SECTIONS)
        n = (k + 1) % SECTIONS
        walls = []
        for ring in range(count - (self.hole is None)):
            low, high = ring * SECTIONS, (ring + 1) % count * SECTIONS
            walls += [np.stack([low + k, low + n, high + n], 1), np.stack([low + k, high + n, high + k], 1)]
        if self.hole is not None:
            return rings, np.concatenate(walls).astype(np.int64)
        ends = self.axis.origin + heights[[0, -1], None] * self.axis.up
        bottom, top, last = count * SECTIONS, count * SECTIONS + 1, (count - 1) * SECTIONS
        walls.append(np.stack([np.full(SECTIONS, bottom), n, k], 1))
        walls.append(np.stack([np.full(SECTIONS, top), last + k, last + n], 1))
        return np.concatenate([rings, ends]), np.concatenate(walls).astype(np.int64)


def midline(window: Window) -> tuple[Array, Array, float]:
    """Where a nearly upright mirror axis lies: a pixel (2,) on it, its unit direction (2,) up, and how even.

    The last is the IoU of the mask with its mirror image.
    """
    rows = np.flatnonzero(window.mask.any(axis=1))
    first = window.mask[rows].argmax(axis=1)
    last = window.mask.shape[1] - window.mask[rows, ::-1].argmax(axis=1)
    middle, width = (first + last) / 2, (last - first).astype(np.float64)
    y = rows + 0.5
    slope, offset = np.polyfit(y, middle, 1, w=np.sqrt(width))
    if abs(slope) > 0.5:
        slope, offset = 0.0, float(np.average(middle, weights=width))
    direction = -np.array([slope, 1.0]) / np.hypot(slope, 1)
    ys, _ = np.nonzero(window.mask)
    centre = float(ys.mean() + 0.5)
    point = np.array([offset + slope * centre, centre])
    return point, direction, evenness(window, point, direction)


def evenness(window: Window, point: Array, direction: Array) -> float:
    """IoU of the mask with its mirror image about a line through a pixel (2,) along a unit direction (2,)."""
    ys, xs = np.nonzero(window.mask)
    normal = np.array([-direction[1], direction[0]])
    pixels = np.stack([xs, ys], axis=1) + 0.5
    mirrored = pixels - 2 * ((pixels - point) @ normal)[:, None] * normal
    mx, my = np.floor(mirrored).astype(np.int64).T
    held = (mx >= 0) & (my >= 0) & (mx < window.mask.shape[1]) & (my < window.mask.shape[0])
    both = int(window.mask[my[held], mx[held]].sum())
    return both / max(2 * len(xs) - both, 1)


def length_to_width(window: Window, point: Array, direction: Array) -> float:
    """The mask's extent along an axis over that across it."""
    ys, xs = np.nonzero(window.mask)
    pixels = np.stack([xs, ys], axis=1) + 0.5 - point
    across = pixels @ np.array([-direction[1], direction[0]])
    return float((np.ptp(pixels @ direction) + 1) / (np.ptp(across) + 1))


def tilted(window: Window, point: Array, direction: Array, degrees: float) -> Axis:
    """The axis through a pixel along an image direction, its top `degrees` nearer to the camera."""
    camera = window.camera
    origin = camera.unproject(point, np.asarray(1.0))
    view = origin / np.linalg.norm(origin)
    ahead = camera.unproject(point + direction, np.asarray(1.0)) - origin
    flat = ahead - (ahead @ view) * view
    flat /= np.linalg.norm(flat)
    angle = np.radians(degrees)
    up = np.cos(angle) * flat - np.sin(angle) * view
    side = np.cross(view, up)
    side /= np.linalg.norm(side)
    # side, across, up are right-handed: rings run counter-clockwise about the axis
    return Axis(origin, up, side, np.cross(up, side))


def fit(window: Window, point: Array, direction: Array, degrees: float) -> Turned:
    """The largest solid of revolution with that axis whose outline stays within the mask, ends cut off."""
    axis = tilted(window, point, direction, degrees)
    heights = _heights(window, axis, point, direction, degrees)
    unit = 1 / float(np.sqrt(window.camera.fx * window.camera.fy))
    low, high = np.zeros(RINGS), np.full(RINGS, 1.2 * max(window.mask.shape) * unit)
    for _ in range(9):
        radii = (low + high) / 2
        fits = (window.off(axis.rings(heights, radii, CORNERS)) <= SLACK).all(axis=1)
        low, high = np.where(fits, radii, low), np.where(fits, high, radii)
    held = low > LEAST_RADIUS * max(window.mask.shape) * unit
    kept = _longest(held)
    if kept.stop - kept.start < 4:
        return Turned(axis, heights[:4], np.full(4, unit), degrees, 0.0)
    heights, radii = heights[kept], low[kept]
    cut, iou = _cut(window, axis, heights, radii)
    return Turned(axis, heights[cut], radii[cut], degrees, iou)


def _heights(window: Window, axis: Axis, point: Array, direction: Array, degrees: float) -> Array:
    """Heights along the axis that span the mask, with the cameras' perspective undone."""
    ys, xs = np.nonzero(window.mask)
    along = (np.stack([xs, ys], axis=1) + 0.5 - point) @ direction
    focal = float(np.sqrt(window.camera.fx * window.camera.fy))
    lean = np.cos(np.radians(degrees))
    ends = np.array([along.min() - 0.5, along.max() + 0.5]) / focal / lean
    return np.linspace(1.15 * ends[0], 1.15 * ends[1], RINGS)


def _longest(held: NDArray[np.bool_]) -> slice:
    """The longest run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], held, [False]]).astype(np.int8)))
    if not len(edges):
        return slice(0, 0)
    starts, stops = edges[::2], edges[1::2]
    best = int((stops - starts).argmax())
    return slice(int(starts[best]), int(stops[best]))


def _cut(window: Window, axis: Axis, heights: Array, radii: Array) -> tuple[slice, float]:
    """Which rings are needed to cover the mask, and the IoU of what these cover."""
    hulls = _frusta(window, axis, heights, radii)
    budget = LOST_SHARE * int(window.mask.sum())
    owner = _owners(window, hulls, range(len(hulls) - 1, -1, -1))
    counts = np.bincount(owner[window.mask & (owner >= 0)], minlength=len(hulls))
    top = max(int((np.cumsum(counts[::-1])[::-1] > budget).sum()), 3)
    below = _owners(window, hulls, range(top))
    counts = np.bincount(below[window.mask & (below >= 0)], minlength=len(hulls))
    bottom = min(int((np.cumsum(counts) <= budget).sum()), top - 3)
    return slice(bottom, top + 1), window.iou(owner >= 0)


def _owners(window: Window, hulls: list[NDArray[np.int32]], order: range) -> NDArray[np.int16]:
    """Which frustum is drawn last at each sample, -1 for none."""
    owner = np.full(window.mask.shape, -1, dtype=np.int16)
    for k in order:
        cv2.fillConvexPoly(owner, hulls[k], k, cv2.LINE_8, 4)
    return owner


def pierced(window: Window, found: Turned) -> Turned | None:
    """The same solid with the widest wall that leaves the mask's hole open, None where no wall is left.

    At each height the hole's rays must pass inside the wall.
    """
    ys, xs = np.nonzero(window.open)
    pixels = np.stack([xs, ys], axis=1) + 0.5
    rays = window.camera.unproject(pixels.astype(np.float64), np.ones(len(pixels)))
    axis = found.axis
    centres = axis.origin + found.heights[:, None] * axis.up
    depth = (centres @ axis.up)[:, None] / (rays @ axis.up)[None]
    reach = np.linalg.norm(depth[..., None] * rays - centres[:, None], axis=2).max(axis=1)
    kept = _longest(reach < WALL * found.radii)
    if kept.stop - kept.start < 3:
        return None
    heights, radii, inner = found.heights[kept], found.radii[kept], reach[kept]
    drawn = _owners(window, _frusta(window, axis, heights, radii), range(len(heights) - 1)) >= 0
    through = np.ones(window.mask.shape, dtype=np.uint8)
    for ring in _pixels(window, axis.rings(heights, inner, CORNERS)):
        disc = np.zeros_like(through)
        cv2.fillConvexPoly(disc, ring, 1, cv2.LINE_8, 4)
        through &= disc
    drawn &= through == 0
    wanted = window.mask & ~window.open
    iou = mask_iou(drawn, wanted)
    return Turned(axis, heights, radii, found.tilt, iou, inner)


def _pixels(window: Window, points: Array) -> NDArray[np.int32]:
    """Camera-frame points as OpenCV draws them: sixteenths of a sample, centres at whole numbers."""
    return np.round(window.camera.project(points) * 16 - 8).astype(np.int32)


def _frusta(window: Window, axis: Axis, heights: Array, radii: Array) -> list[NDArray[np.int32]]:
    """The outlines between each two neighbouring circles."""
    corners = _pixels(window, axis.rings(heights, radii, CORNERS))
    return [cv2.convexHull(np.concatenate([corners[k], corners[k + 1]])) for k in range(len(heights) - 1)]
