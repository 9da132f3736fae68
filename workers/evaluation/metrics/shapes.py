"""Shape and layout of one object against a known one.

SAM 3D Team, "SAM 3D: 3Dfy Anything in Images" (2025), appendix on evaluation. Where its text leaves a choice,
`docs/evaluation.md` says which was taken.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from workers.evaluation.metrics.point_sets import (
    align_points,
    measure_diameter,
    measure_distances,
    thin_points,
)

Floats = NDArray[np.float64]
# distance in a box of [-1, 1] up to which a point is right
NEAR = 0.01
# ADD-S, in diameters, below which a pose is right
POSED = 0.1


def align_shape(found: Floats, truth: Floats, yaws: int = 1) -> Floats:
    """Points (N, 3) in normalised units, aligned with others; the best of `yaws` turns about y as a start."""
    starts = Rotation.from_euler("y", np.arange(yaws)[:, None] * (2 * np.pi / yaws)).as_matrix()
    fits = [align_points(found, truth, start) for start in starts]
    rotation, translation, _ = min(fits, key=lambda fit: fit[2])
    return np.asarray(found @ rotation.T + translation)


def score_shape(found: Floats, truth: Floats, voxels: int) -> dict[str, float]:
    """F1@0.01, vIoU and Chamfer distance of points (N, 3) on two surfaces in the box [-1, 1]."""
    to_truth, to_found = measure_distances(found, truth), measure_distances(truth, found)
    precision, recall = float((to_truth < NEAR).mean()), float((to_found < NEAR).mean())
    both = precision + recall
    return {
        "F1@0.01": 2 * precision * recall / both if both else 0.0,
        "vIoU": measure_voxel_iou(found, truth, voxels),
        "Chamfer": float(to_truth.mean() + to_found.mean()) / 2,
    }


def measure_voxel_iou(found: Floats, truth: Floats, voxels: int) -> float:
    """IoU of the voxels that points (N, 3) occupy, of `voxels` along each side of [-1, 1]."""
    occupied = []
    for points in (found, truth):
        cells = np.clip(((points + 1) / 2 * voxels).astype(np.int64), 0, voxels - 1)
        occupied.append(set(np.unique(cells @ np.array([voxels * voxels, voxels, 1])).tolist()))
    return len(occupied[0] & occupied[1]) / len(occupied[0] | occupied[1])


def score_layout(found: Floats, truth: Floats) -> dict[str, float]:
    """3D IoU of boxes, rotation in degrees and ADD-S in diameters, of points (N, 3) in the camera's frame."""
    rotation, _, _ = align_points(found, truth)
    a, b = thin_points(found), thin_points(truth)
    distance = float(measure_distances(a, truth).mean() + measure_distances(b, found).mean()) / 2
    share = distance / max(measure_diameter(truth), 1e-12)
    return {
        "3D_IoU": measure_box_iou_3d(found, truth),
        "ICP_Rot": float(np.degrees(Rotation.from_matrix(rotation).magnitude())),
        "ADD_S": share,
        "ADD_S@0.1": float(share < POSED),
    }


def measure_box_iou_3d(found: Floats, truth: Floats) -> float:
    """IoU of the boxes along the axes around points (N, 3)."""
    low = np.maximum(found.min(axis=0), truth.min(axis=0))
    high = np.minimum(found.max(axis=0), truth.max(axis=0))
    shared = float(np.clip(high - low, 0, None).prod())
    volumes = [float(np.ptp(points, axis=0).prod()) for points in (found, truth)]
    union = sum(volumes) - shared
    return shared / union if union > 0 else 0.0


def average_objects(objects: Sequence[dict[str, float]], names: Sequence[str]) -> dict[str, float | None]:
    """The mean of each score over the objects that have it, None where none has."""
    values = {name: [one[name] for one in objects if name in one] for name in names}
    return {name: float(np.mean(known)) if known else None for name, known in values.items()}
