"""The point that several known cameras look at, when their rays all but meet."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from workers.engines.protocols import Box

Array = NDArray[np.float64]
LEAST_VIEWS = 3
# degrees between the two rays that differ most: with less, a small error of a box moves the point far along
# them; chosen, not measured
LEAST_PARALLAX = 10.0
# of the distance to the point, by which nine of ten rays may miss it. An object that moves on its own
# seldom keeps to that, but it can, and so its box is flagged `assumed_still`. Chosen on rendered clips of
# other seeds than those that `python -m bench run datasets.ground_truth` reports
MOST_MISSED = 0.006
MISSED_PERCENTILE = 90


def triangulate(boxes: Sequence[Box], poses: Sequence[Array], intrinsics: Array) -> Array | None:
    """The point (3,) in the world nearest to the rays through the middle of 2D boxes, in the least squares.

    `poses` are world_from_cam (4, 4), `intrinsics` is K (3, 3). None for fewer than three views, too little
    parallax, rays that miss the point, or a point behind a camera.
    """
    if len(boxes) < LEAST_VIEWS:
        return None
    origins, rays = _cast_rays(boxes, poses, intrinsics)
    if np.degrees(np.arccos(np.clip((rays @ rays.T).min(), -1, 1))) < LEAST_PARALLAX:
        return None
    across = np.eye(3) - rays[:, :, None] * rays[:, None, :]
    point = np.linalg.solve(across.sum(axis=0), (across @ origins[:, :, None]).sum(axis=0)).ravel()
    distance = np.linalg.norm(point - origins, axis=1)
    missed = np.linalg.norm((across @ (point - origins)[:, :, None])[:, :, 0], axis=1)
    missed = missed / np.maximum(distance, 1e-9)
    is_behind = np.any(((point - origins) * rays).sum(axis=1) <= 0)
    if float(np.percentile(missed, MISSED_PERCENTILE)) > MOST_MISSED or is_behind:
        return None
    return np.asarray(point)


def _cast_rays(boxes: Sequence[Box], poses: Sequence[Array], intrinsics: Array) -> tuple[Array, Array]:
    """Origins (N, 3) and unit directions (N, 3) in the world of rays through the middle of boxes."""
    back = np.linalg.inv(intrinsics)
    origins, rays = [], []
    for box, pose in zip(boxes, poses, strict=True):
        x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
        ray = pose[:3, :3] @ (back @ np.array([x, y, 1.0]))
        origins.append(pose[:3, 3])
        rays.append(ray / np.linalg.norm(ray))
    return np.array(origins), np.array(rays)
