"""Refining a box by a depth map: its pose and its sides follow from the outline and the map together.

A box stays a box, which the projective map of `registration` does not ensure: of a side seen at a slant the
outline determines the length only together with the angle, and depth determines both.
"""

from functools import partial
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from workers.engines.objects.single_view.coarse_mask import CoarseMask
from workers.engines.objects.single_view.least_squares import minimise_from_starts

Array = NDArray[np.float64]
SIGNS = np.array(list(product((-0.5, 0.5), repeat=3)))
# Standard deviations of outline (samples of the coarse mask) and depth (sizes of the object), about the same
# length; all samples of depth together weigh as much as DEPTH_SHARE times all directions of the outline.
OUTLINE_DEVIATION, DEPTH_DEVIATION, DEPTH_SHARE = 0.5, 0.008, 4.0
# Differences in depth, in sizes of the object, beyond which a sample counts little, stage by stage, and steps
# of least squares in each.
REACHES, ROUNDS = (0.15, 0.05, 0.02), 8
# Weight of what lies behind the box against what lies before it: a box is the hull of trims and recesses.
BEHIND = 0.4
# Deviations of the logs of sides, which hold those that nothing determines.
LOG_SIDE_DEVIATION = 1.0
# Samples of depth that are compared at most: more change nothing and take time.
MAX_SAMPLES = 400
# Depth in sizes of the object that a ray which misses the box counts as.
MISS = 1.0


def refine_box(
    corners: Array, coarse: CoarseMask, normals: Array, support: Array, rays: Array, measured: Array
) -> Array:
    """Corners (8, 3) in metres of a box at about z = 1, fitted to an outline and to depth.

    `support` (D,) is that of the outline, in samples, along `normals` (2, D); `measured` (N,) is z on `rays`
    (N, 3) with z = 1. Corners that no ray meets are returned as they are: depth cannot confirm them.
    """
    chosen = np.linspace(0, len(rays) - 1, min(len(rays), MAX_SAMPLES)).astype(np.int64)
    rays, measured = rays[chosen], measured[chosen]
    centre = corners.mean(axis=0)
    edges = corners[[4, 2, 1]] - corners[0]
    sides = np.linalg.norm(edges, axis=1)
    size = float(np.ptp(corners, axis=0).max())
    turned = (edges / sides[:, None]).T
    entered = intersect_box(rays, centre[None], turned[None], sides[None])[0]
    hit = np.isfinite(entered)
    if not hit.any():
        return corners
    scale = float(np.median(measured[hit] / entered[hit]))
    weight = np.sqrt(DEPTH_SHARE * len(support) / len(rays)) / DEPTH_DEVIATION

    def place(values: Array) -> tuple[Array, Array, Array]:
        rotation = Rotation.from_rotvec(values[:, :3]).as_matrix() @ turned
        grown = np.exp(np.clip(values[:, 8:9], -1, 1))
        moved = (centre + size * np.pad(values[:, 6:8], ((0, 0), (0, 1)))) * grown
        return moved, rotation, sides * np.exp(np.clip(values[:, 3:6], -3, 3)) * grown

    def compare(values: Array, reach: float) -> Array:
        moved, rotation, long = place(values)
        local = SIGNS * long[:, None]
        placed = local @ rotation.transpose(0, 2, 1) + moved[:, None]
        placed[..., 2] = np.maximum(placed[..., 2], 0.05)
        outline = ((coarse.camera.project(placed) @ normals).max(axis=1) - support) / OUTLINE_DEVIATION
        entered = intersect_box(rays, moved, rotation, long)
        difference = np.nan_to_num((measured / scale - entered) / size, nan=MISS, posinf=MISS, neginf=-MISS)
        difference = np.where(difference > 0, BEHIND * difference, difference)
        depth = weight * difference / np.sqrt(1 + (difference / reach) ** 2)
        return np.concatenate([outline, depth, values[:, 3:6] / LOG_SIDE_DEVIATION], axis=1)

    values = np.zeros((1, 9))
    for reach in REACHES:
        values, _ = minimise_from_starts(partial(compare, reach=reach), values, ROUNDS)
    moved, rotation, long = place(values)
    return np.asarray(scale * ((SIGNS * long[:, None]) @ rotation.transpose(0, 2, 1) + moved[:, None])[0])


def intersect_box(rays: Array, centre: Array, rotation: Array, sides: Array) -> Array:
    """z (M, N) at which rays (N, 3) with z = 1 enter M boxes, NaN where they miss.

    The columns of `rotation` (M, 3, 3) are the axes of boxes of `sides` (M, 3) about `centre` (M, 3).
    """
    direction = rays @ rotation
    origin = -centre[:, None] @ rotation
    with np.errstate(divide="ignore", invalid="ignore"):
        one = (-sides[:, None] / 2 - origin) / direction
        other = (sides[:, None] / 2 - origin) / direction
    near = np.minimum(one, other).max(axis=-1)
    far = np.maximum(one, other).min(axis=-1)
    return np.where((near <= far) & (near > 0), near, np.nan)
