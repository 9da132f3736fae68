"""Solids of revolution: the profile about a tilted axis that explains an outline.

Each circle about the axis is as large as the mask allows; what the circles leave uncovered speaks against
the tilt. Circles that cover nothing of their own are cut off at both ends, which leaves flat tops and bottoms
where the outline has them.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.engines.objects.single_view.coarse_mask import CoarseMask
from workers.engines.objects.single_view.mirror_axis import MirrorAxis
from workers.engines.objects.single_view.revolution_solid import RevolutionAxis, SolidOfRevolution
from workers.geometry.overlap import mask_iou

Array = NDArray[np.float64]
# Circles along the axis, corners of each while fitting, halvings of their radius (1/400 of the mask's side).
RINGS, CORNERS, HALVINGS = 64, 24, 9
# How far a circle may leave the mask, in samples: rough outlines would else pinch it.
TOLERANCE = 0.8
# Share of the mask that circles cut off at an end may have covered alone.
MAX_LOST_SHARE = 0.004
# Radius below which there is no solid, as a share of the mask's longer side.
MIN_RADIUS = 0.004
# The first radius tried and the range of heights exceed the mask's by these factors.
RADIUS_MARGIN, HEIGHT_MARGIN = 1.2, 1.15
# Rings that a solid, and one with a hole, need.
MIN_RINGS, MIN_PIERCED_RINGS = 4, 3
# A hole may reach this share of the outer radius.
MAX_HOLE_RADIUS = 0.97


def fit_profile(coarse: CoarseMask, mirror: MirrorAxis, tilt: float) -> SolidOfRevolution:
    """The largest solid of revolution whose outline stays within the mask, with its ends cut off.

    The top of its axis, seen as `mirror`, is `tilt` degrees nearer to the camera. `iou` is 0 where there is
    no such solid.
    """
    axis = RevolutionAxis.tilted(coarse.camera, mirror, tilt)
    heights = _spread_heights(coarse, mirror, tilt)
    unit = 1 / coarse.camera.focal_length
    low, high = np.zeros(RINGS), np.full(RINGS, RADIUS_MARGIN * max(coarse.mask.shape) * unit)
    for _ in range(HALVINGS):
        radii = (low + high) / 2
        fits = (coarse.distance_outside(axis.rings(heights, radii, CORNERS)) <= TOLERANCE).all(axis=1)
        low, high = np.where(fits, radii, low), np.where(fits, high, radii)
    kept = _find_longest_run(low > MIN_RADIUS * max(coarse.mask.shape) * unit)
    if kept.stop - kept.start < MIN_RINGS:
        return SolidOfRevolution(axis, heights[:MIN_RINGS], np.full(MIN_RINGS, unit), tilt, 0.0)
    heights, radii = heights[kept], low[kept]
    needed, iou = _cut_ends(coarse, axis, heights, radii)
    return SolidOfRevolution(axis, heights[needed], radii[needed], tilt, iou)


def pierce(coarse: CoarseMask, solid: SolidOfRevolution) -> SolidOfRevolution | None:
    """The solid with the thickest wall that leaves the mask's holes open, None where no wall is left.

    At each height the rays through the holes must pass inside the wall.
    """
    ys, xs = np.nonzero(coarse.holes)
    pixels = np.stack([xs, ys], axis=1) + 0.5
    rays = coarse.camera.unproject(pixels.astype(np.float64), np.ones(len(pixels)))
    axis = solid.axis
    centres = axis.origin + solid.heights[:, None] * axis.up
    depth = (centres @ axis.up)[:, None] / (rays @ axis.up)[None]
    reach = np.linalg.norm(depth[..., None] * rays - centres[:, None], axis=2).max(axis=1)
    kept = _find_longest_run(reach < MAX_HOLE_RADIUS * solid.radii)
    if kept.stop - kept.start < MIN_PIERCED_RINGS:
        return None
    heights, radii, inner = solid.heights[kept], solid.radii[kept], reach[kept]
    covered = (
        _draw_owners(coarse, _outline_frusta(coarse, axis, heights, radii), range(len(heights) - 1)) >= 0
    )
    open_area = np.ones(coarse.mask.shape, dtype=np.uint8)
    for ring in _to_opencv(coarse, axis.rings(heights, inner, CORNERS)):
        disc = np.zeros_like(open_area)
        cv2.fillConvexPoly(disc, ring, 1, cv2.LINE_8, 4)
        open_area &= disc
    iou = mask_iou(covered & (open_area == 0), coarse.mask & ~coarse.holes)
    return SolidOfRevolution(axis, heights, radii, solid.tilt, iou, inner)


def _spread_heights(coarse: CoarseMask, mirror: MirrorAxis, tilt: float) -> Array:
    """Heights (RINGS,) along the axis that span the mask, with the camera's perspective undone."""
    along = (coarse.pixels() + 0.5 - mirror.point) @ mirror.direction
    foreshortening = np.cos(np.radians(tilt))
    ends = np.array([along.min() - 0.5, along.max() + 0.5]) / coarse.camera.focal_length / foreshortening
    return np.linspace(HEIGHT_MARGIN * ends[0], HEIGHT_MARGIN * ends[1], RINGS)


def _find_longest_run(flags: NDArray[np.bool_]) -> slice:
    """The longest run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    if not len(edges):
        return slice(0, 0)
    starts, stops = edges[::2], edges[1::2]
    best = int((stops - starts).argmax())
    return slice(int(starts[best]), int(stops[best]))


def _cut_ends(coarse: CoarseMask, axis: RevolutionAxis, heights: Array, radii: Array) -> tuple[slice, float]:
    """Which rings are needed to cover the mask, and the IoU of what all of them cover."""
    frusta = _outline_frusta(coarse, axis, heights, radii)
    budget = MAX_LOST_SHARE * int(coarse.mask.sum())
    # drawn from the top down, a sample belongs to the lowest frustum that covers it
    owner = _draw_owners(coarse, frusta, range(len(frusta) - 1, -1, -1))
    counts = np.bincount(owner[coarse.mask & (owner >= 0)], minlength=len(frusta))
    top = max(int((np.cumsum(counts[::-1])[::-1] > budget).sum()), MIN_RINGS - 1)
    owner_from_below = _draw_owners(coarse, frusta, range(top))
    counts = np.bincount(owner_from_below[coarse.mask & (owner_from_below >= 0)], minlength=len(frusta))
    bottom = min(int((np.cumsum(counts) <= budget).sum()), top - (MIN_RINGS - 1))
    return slice(bottom, top + 1), mask_iou(owner >= 0, coarse.mask)


def _draw_owners(coarse: CoarseMask, frusta: list[NDArray[np.int32]], order: range) -> NDArray[np.int16]:
    """Which frustum is drawn last at each sample (h, w), -1 for none."""
    owner = np.full(coarse.mask.shape, -1, dtype=np.int16)
    for k in order:
        cv2.fillConvexPoly(owner, frusta[k], k, cv2.LINE_8, 4)
    return owner


def _outline_frusta(
    coarse: CoarseMask, axis: RevolutionAxis, heights: Array, radii: Array
) -> list[NDArray[np.int32]]:
    """The outlines of the frusta between neighbouring circles."""
    corners = _to_opencv(coarse, axis.rings(heights, radii, CORNERS))
    return [cv2.convexHull(np.concatenate([corners[k], corners[k + 1]])) for k in range(len(heights) - 1)]


def _to_opencv(coarse: CoarseMask, points: Array) -> NDArray[np.int32]:
    """Camera-frame points as OpenCV draws them: sixteenths of a sample, centres at whole numbers."""
    return np.round(coarse.camera.project(points) * 16 - 8).astype(np.int32)
