"""Cuboids: the box whose outline is a mask's convex hull.

Seen from a corner a box has six outline vertices, which fix its rotation, its sides and its place up to the
distance. The support functions of hull and box are matched by least squares from several starts.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from workers.engines.objects.single_view.coarse_mask import CoarseMask, attainable_iou, resample_mask
from workers.engines.objects.single_view.hypotheses import ShapeFit, ShapeName, build_parametric_fit
from workers.engines.objects.single_view.label_prior import LabelPrior
from workers.engines.objects.single_view.least_squares import minimise_from_starts
from workers.engines.objects.single_view.mask_view import MaskView
from workers.engines.objects.single_view.measured_cuboid import SIGNS, refine_box
from workers.engines.objects.single_view.registration import (
    MIN_SAMPLES,
    Registered,
    compare_with_depth,
    sample_depth,
    scale_with_depth,
)
from workers.geometry.mesh_renderer import silhouette
from workers.geometry.overlap import mask_iou

Array = NDArray[np.float64]
# IoU with the coarse mask from which a box is a candidate, in general and where the label says "box".
MIN_IOU, MIN_IOU_EXPECTED = 0.92, 0.91
# A mask that covers less of its convex hull is no box; holes over this share of it neither.
MIN_CONVEXITY, MAX_HOLE_SHARE = 0.9, 0.01
# A mask that covers more of its smallest rectangle may be a box seen head-on, which shows no depth.
HEAD_ON_RECTANGULARITY = 0.96
# Share of samples by which depth must agree better with the box of the outline for it to stay. Of 24 boxes
# (of training's objects and of the first half) six stay: two gain 0.34 and 0.15 of IoU, three up to 0.014,
# one loses 0.009; without this share a seventh loses 0.010.
KEPT_AGREEMENT = 0.05
# Directions in which support functions are compared, and rounds of least squares.
DIRECTIONS, ROUNDS = 48, 24
# Usual pitch in degrees, and standard deviations of what the outline leaves open: degrees of pitch and roll,
# and logs of sides, for a residual of one sample.
USUAL_PITCH = 25.0
PITCH_DEVIATION, ROLL_DEVIATION, LOG_SIDE_DEVIATION = 30.0, 8.0, 3.0
# A covered sample's edge lies this far beyond its centre, in samples, in the mean over directions.
HALF_SAMPLE = 0.4
# Squares along each edge of a side of the mesh, so that vertex colours have room.
DIVISIONS = 16
# Corners of the six sides, in order around each, counter-clockwise from outside.
SIDES = np.array(
    [[0, 1, 3, 2], [4, 6, 7, 5], [0, 4, 5, 1], [2, 3, 7, 6], [0, 2, 6, 4], [1, 5, 7, 3]], dtype=np.int64
)


class CuboidHypothesis:
    """Boxes, where the mask is convex and has no holes."""

    name: ShapeName = "box"

    def fit(self, view: MaskView, prior: LabelPrior) -> Iterator[ShapeFit]:
        """At most one box."""
        if not view.is_parametric or prior.excludes(self.name):
            return
        coarse = view.coarse
        if coarse.hole_share() > MAX_HOLE_SHARE or coarse.convexity() < MIN_CONVEXITY:
            return
        # head-on, the thickness that the label gives an inflated mask is the better guess
        if prior.thickness is not None and coarse.rectangularity() > HEAD_ON_RECTANGULARITY:
            return
        cuboid = fit_cuboid(coarse)
        required = MIN_IOU_EXPECTED if prior.expects(self.name) else MIN_IOU
        if cuboid.iou >= min(required, attainable_iou(coarse.mask)):
            axes, measured = (cuboid.axes(), None) if view.depth is None else measure_cuboid(cuboid, view)
            yield build_parametric_fit(self.name, cuboid.mesh(), axes, cuboid.iou, view, prior, measured)


@dataclass(frozen=True, slots=True)
class Cuboid:
    """Eight corners (8, 3) in the camera frame, ordered by sign of x, y, z; `iou` of its outline."""

    corners: Array
    iou: float

    def axes(self) -> Array:
        """Its x, y (up) and z (the side that faces the camera most) as rows (3, 3)."""
        edges = self.corners[[4, 2, 1]] - self.corners[0]
        x, y, z = edges / np.linalg.norm(edges, axis=1, keepdims=True)
        view = self.corners.mean(axis=0)
        quarter_turns = ((x, y, z), (-z, y, x), (-x, y, -z), (z, y, -x))
        return np.stack(min(quarter_turns, key=lambda axes: float(axes[2] @ view)))

    def mesh(self) -> tuple[Array, NDArray[np.int64]]:
        """Closed mesh with divided sides: vertices (V, 3), faces (F, 3) counter-clockwise outside."""
        points: list[Array] = []
        faces: list[NDArray[np.int64]] = []
        steps = np.linspace(0, 1, DIVISIONS + 1)
        u, v = (grid[..., None] for grid in np.meshgrid(steps, steps, indexing="ij"))
        i, j = np.meshgrid(np.arange(DIVISIONS), np.arange(DIVISIONS), indexing="ij")
        for side in SIDES:
            a, b, c, d = self.corners[side]
            at = len(points) * (DIVISIONS + 1) ** 2 + (i * (DIVISIONS + 1) + j).ravel()
            points.append(((1 - u) * ((1 - v) * a + v * d) + u * ((1 - v) * b + v * c)).reshape(-1, 3))
            down, right = at + DIVISIONS + 1, at + 1
            faces += [np.stack([at, down, down + 1], 1), np.stack([at, down + 1, right], 1)]
        return _merge_vertices(np.concatenate(points), np.concatenate(faces), self.corners)


def fit_cuboid(coarse: CoarseMask) -> Cuboid:
    """The box that matches the mask's convex hull best, at about z = 1."""
    hull, normals, support = _measure_support(coarse)
    centre = (hull.min(axis=0) + hull.max(axis=0)) / 2
    size = float(np.ptp(hull, axis=0).max()) / coarse.camera.focal_length

    def residuals(values: Array) -> Array:
        return _compute_residuals(values, coarse, normals, support, size)

    values, cost = minimise_from_starts(residuals, _list_starts(centre), ROUNDS)
    best = int(cost.argmin())
    corners = _place_corners(values[best : best + 1], coarse, size)[0]
    outline = np.zeros(coarse.mask.shape, dtype=np.uint8)
    # OpenCV's sixteenths of a sample, centres at whole numbers
    pixels = np.round(coarse.camera.project(corners) * 16 - 8).astype(np.int32)
    cv2.fillConvexPoly(outline, cv2.convexHull(pixels), 1, cv2.LINE_8, 4)
    return Cuboid(corners, mask_iou(outline > 0, coarse.mask))


def measure_cuboid(cuboid: Cuboid, view: MaskView) -> tuple[Array, Registered | None]:
    """The axes (3, 3) of a box that depth has refined, and how depth agrees with it.

    Depth that follows handles, recesses or a hollow turns a box away from its sides: where many more samples
    agree with the box of the outline, at the distance that was measured, and more lie on it, it stays.
    """
    refined = refine_cuboid(cuboid, view)
    measured = None if refined is None else compare_with_depth(*refined.mesh(), view)
    scaled = scale_with_depth(*cuboid.mesh(), view)
    if refined is None or measured is None or scaled is None:
        return cuboid.axes(), measured
    agrees_better = scaled.agreeing > measured.agreeing + KEPT_AGREEMENT
    if agrees_better and scaled.exact > measured.exact:
        return cuboid.axes(), scaled
    return refined.axes(), measured


def refine_cuboid(cuboid: Cuboid, view: MaskView) -> Cuboid | None:
    """The box in metres that outline and depth determine together; None where the map says too little."""
    coarse = view.coarse
    rays, measured = sample_depth(view)
    if len(rays) < MIN_SAMPLES:
        return None
    _, normals, support = _measure_support(coarse)
    corners = refine_box(cuboid.corners, coarse, normals, support, rays, measured)
    # what pixels lose of a box's outline is known once there is a box
    lost = _measure_lost_support(corners, view, normals)
    corners = refine_box(corners, coarse, normals, support + lost, rays, measured)
    return Cuboid(corners, cuboid.iou)


def _measure_lost_support(corners: Array, view: MaskView, normals: Array) -> Array:
    """By how much (D,) the pixels of a box's mask fall short of its outline, in samples."""
    vertices, faces = Cuboid(corners, 1.0).mesh()
    drawn = silhouette(vertices, faces, view.camera)
    if not drawn.any():
        return np.zeros(normals.shape[1])
    own = resample_mask(drawn, view.camera)
    _, _, support = _measure_support(own)
    exact = (own.camera.project(corners) @ normals).max(axis=0)
    return np.asarray((exact - support) * view.coarse.camera.focal_length / own.camera.focal_length)


def _measure_support(coarse: CoarseMask) -> tuple[Array, Array, Array]:
    """The mask's convex hull (H, 2) in samples, directions (2, D), and its support (D,) along them."""
    hull = cv2.convexHull(coarse.pixels().astype(np.int32))[:, 0] + 0.5
    hull = np.asarray(hull, dtype=np.float64)
    angles = np.linspace(0, 2 * np.pi, DIRECTIONS, endpoint=False)
    normals = np.stack([np.cos(angles), np.sin(angles)])
    return hull, normals, (hull @ normals).max(axis=0) + HALF_SAMPLE


def _list_starts(centre: Array) -> Array:
    """Rows of yaw, pitch, roll (radians), three log sides in the mask's unit, the centre's pixel / 100."""
    sides = ((0.7, 0.7, 0.7), (0.9, 0.25, 0.6), (0.5, 1.0, 0.4), (1.0, 0.2, 0.25))
    rows = [
        [np.radians(yaw), np.radians(pitch), 0.0, *np.log(side), *(centre / 100)]
        for yaw, pitch, side in product((-60, -20, 20, 60), (15, 35), sides)
    ]
    return np.array(rows)


def _place_corners(values: Array, coarse: CoarseMask, size: float) -> Array:
    """Camera-frame corners (N, 8, 3) for rows of values (N, 8); the centres stand at z = 1."""
    # y is up in the box; a positive pitch looks down on it
    rotation = Rotation.from_euler("yxz", values[:, :3]).as_matrix()
    rotation = np.diag([1.0, -1.0, -1.0]) @ rotation
    sides = size * np.exp(np.clip(values[:, 3:6], -6, 3))
    local = SIGNS * sides[:, None]
    centre = coarse.camera.unproject(values[:, 6:] * 100, np.ones(len(values)))
    return np.asarray(local @ rotation.transpose(0, 2, 1) + centre[:, None])


def _compute_residuals(
    values: Array, coarse: CoarseMask, normals: Array, support: Array, size: float
) -> Array:
    """Differences of support in samples (N, DIRECTIONS), and the weak priors (N, 5)."""
    corners = _place_corners(values, coarse, size)
    corners[..., 2] = np.maximum(corners[..., 2], 0.05)
    box_support = (coarse.camera.project(corners) @ normals).max(axis=1)
    priors = np.column_stack(
        [
            (np.degrees(values[:, 1]) - USUAL_PITCH) / PITCH_DEVIATION,
            np.degrees(values[:, 2]) / ROLL_DEVIATION,
            values[:, 3:6] / LOG_SIDE_DEVIATION,
        ]
    )
    return np.concatenate([box_support - support, priors], axis=1)


def _merge_vertices(
    points: Array, faces: NDArray[np.int64], corners: Array
) -> tuple[Array, NDArray[np.int64]]:
    """The mesh with the vertices of neighbouring sides joined."""
    unit = np.abs(np.diff(corners[[0, 7]], axis=0)).max() * 1e-9
    _, first, index = np.unique(
        np.round(points / unit).astype(np.int64), axis=0, return_index=True, return_inverse=True
    )
    return points[first], index.reshape(-1)[faces].astype(np.int64)
