"""Boxes: the cuboid whose outline is a mask's convex hull.

Seen from a corner a box has six outline vertices, which fix its turn, its sides and its place up to the
distance. Support functions of hull and box are matched by damped least squares from several starts at once
(Levenberg 1944, Marquardt 1963).
"""

from dataclasses import dataclass
from itertools import product

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from workers.engines.objects.single_view.coarse_mask import Window

Array = NDArray[np.float64]
DIRECTIONS = 48
ROUNDS = 24
STEP = 1e-5
PRIOR_PITCH = 25.0
# Standard deviations of what the outline leaves open: degrees of pitch and roll, of log sides.
SPREAD_PITCH, SPREAD_ROLL, SPREAD_SIDES = 30.0, 8.0, 3.0
SIGNS = np.array(list(product((-0.5, 0.5), repeat=3)))
CORNER_FACES = np.array(
    [
        [0, 1, 3], [0, 3, 2], [4, 6, 7], [4, 7, 5], [0, 4, 5], [0, 5, 1],
        [2, 3, 7], [2, 7, 6], [0, 2, 6], [0, 6, 4], [1, 5, 7], [1, 7, 3],
    ],
    dtype=np.int64,
)  # fmt: skip
DIVISIONS = 16
# A covered sample's edge lies this far beyond its centre, in the mean over directions.
HALF_SAMPLE = 0.4


@dataclass(frozen=True, slots=True)
class Boxed:
    """Eight corners (8, 3) in the camera frame, ordered by sign of x, y, z; `iou` of its outline."""

    corners: Array
    iou: float

    def mesh(self) -> tuple[Array, NDArray[np.int64]]:
        """Closed mesh, faces divided so that colours have room: vertices (V, 3), faces (F, 3)."""
        points, faces = [], []
        steps = np.linspace(0, 1, DIVISIONS + 1)
        for triangle in range(0, 12, 2):
            a, b, c = self.corners[CORNER_FACES[triangle]]
            d = self.corners[CORNER_FACES[triangle + 1][2]]
            # a, b, c, d run round a side
            u, v = np.meshgrid(steps, steps, indexing="ij")
            u, v = u[..., None], v[..., None]
            points.append(((1 - u) * ((1 - v) * a + v * d) + u * ((1 - v) * b + v * c)).reshape(-1, 3))
            i, j = np.meshgrid(np.arange(DIVISIONS), np.arange(DIVISIONS), indexing="ij")
            at = (len(points) - 1) * (DIVISIONS + 1) ** 2 + (i * (DIVISIONS + 1) + j).ravel()
            down, over = at + DIVISIONS + 1, at + 1
            faces += [np.stack([at, down, down + 1], 1), np.stack([at, down + 1, over], 1)]
        loose = np.concatenate(points)
        unit = np.abs(np.diff(self.corners[[0, 7]], axis=0)).max() * 1e-9
        _, first, back = np.unique(
            np.round(loose / unit).astype(np.int64), axis=0, return_index=True, return_inverse=True
        )
        return loose[first], back.reshape(-1)[np.concatenate(faces)].astype(np.int64)


def fit(window: Window) -> Boxed:
    """The box that matches the mask's convex hull best; `iou` tells how well it explains the mask."""
    outline = _hull(window.mask)
    angles = np.linspace(0, 2 * np.pi, DIRECTIONS, endpoint=False)
    normals = np.stack([np.cos(angles), np.sin(angles)])
    wanted = (outline @ normals).max(axis=0) + HALF_SAMPLE
    middle = (outline.min(axis=0) + outline.max(axis=0)) / 2
    focal = float(np.sqrt(window.camera.fx * window.camera.fy))
    size = float(np.ptp(outline, axis=0).max()) / focal
    values = _starts(middle, size)
    damping = np.full(len(values), 1e-2)
    residual = _residual(values, window, normals, wanted, size)
    cost = (residual**2).sum(axis=1)
    for _ in range(ROUNDS):
        shifted = values[:, None] + STEP * np.eye(8)
        jacobian = (_residual(shifted.reshape(-1, 8), window, normals, wanted, size)).reshape(
            len(values), 8, -1
        )
        jacobian = (jacobian - residual[:, None]) / STEP
        normal = jacobian @ jacobian.transpose(0, 2, 1)
        gradient = (jacobian @ residual[..., None])[..., 0]
        ridge = (
            damping[:, None, None] * np.eye(8) * np.maximum(np.einsum("nii->ni", normal)[:, :, None], 1e-6)
        )
        step = np.linalg.solve(normal + ridge, -gradient[..., None])[..., 0]
        trial = values + np.clip(step, -0.5, 0.5)
        tried = _residual(trial, window, normals, wanted, size)
        better = (tried**2).sum(axis=1) < cost
        values = np.where(better[:, None], trial, values)
        residual = np.where(better[:, None], tried, residual)
        cost = (residual**2).sum(axis=1)
        damping = np.clip(np.where(better, damping * 0.3, damping * 4), 1e-7, 1e4)
    best = int(cost.argmin())
    corners = _corners(values[best : best + 1], window, size)[0]
    drawn = np.zeros(window.mask.shape, dtype=np.uint8)
    pixels = np.round(window.camera.project(corners) * 16 - 8).astype(np.int32)
    cv2.fillConvexPoly(drawn, cv2.convexHull(pixels), 1, cv2.LINE_8, 4)
    return Boxed(corners, window.iou(drawn > 0))


def _hull(mask: NDArray[np.bool_]) -> Array:
    """Corners (N, 2) of the convex hull of a mask's pixel centres."""
    ys, xs = np.nonzero(mask)
    return np.asarray(cv2.convexHull(np.stack([xs, ys], 1).astype(np.int32))[:, 0] + 0.5, dtype=np.float64)


def _starts(middle: Array, size: float) -> Array:
    """Rows of yaw, pitch, roll (radians), three log sides in units of `size`, the centre's pixel / 100."""
    sides = ((0.7, 0.7, 0.7), (0.9, 0.25, 0.6), (0.5, 1.0, 0.4), (1.0, 0.2, 0.25))
    rows = [
        [np.radians(yaw), np.radians(pitch), 0.0, *np.log(side), *(middle / 100)]
        for yaw, pitch, side in product((-60, -20, 20, 60), (15, 35), sides)
    ]
    return np.array(rows)


def _corners(values: Array, window: Window, size: float) -> Array:
    """Camera-frame corners (N, 8, 3) for rows of values (N, 8); the centres stand at z = 1."""
    # y is up in the box; a positive pitch looks down on it
    turn = Rotation.from_euler("yxz", values[:, :3]).as_matrix()
    turn = np.diag([1.0, -1.0, -1.0]) @ turn
    sides = size * np.exp(np.clip(values[:, 3:6], -6, 3))
    local = SIGNS * sides[:, None]
    centre = window.camera.unproject(values[:, 6:] * 100, np.ones(len(values)))
    return np.asarray(local @ turn.transpose(0, 2, 1) + centre[:, None])


def _residual(values: Array, window: Window, normals: Array, wanted: Array, size: float) -> Array:
    """Support differences in samples (N, DIRECTIONS), and the weak priors (N, 5)."""
    corners = _corners(values, window, size)
    corners[..., 2] = np.maximum(corners[..., 2], 0.05)
    support = (window.camera.project(corners) @ normals).max(axis=1)
    priors = np.column_stack(
        [
            (np.degrees(values[:, 1]) - PRIOR_PITCH) / SPREAD_PITCH,
            np.degrees(values[:, 2]) / SPREAD_ROLL,
            values[:, 3:6] / SPREAD_SIDES,
        ]
    )
    return np.concatenate([support - wanted, priors], axis=1)
