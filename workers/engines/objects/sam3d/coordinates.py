"""Upstream's coordinates to ours. Its splat is z up, its GLB y up, its pose in row vectors of PyTorch3D.

    p_glb = (x, z, -y) of p_ply                     p_p3d = s (p_ply R(q)) + t       (row vectors)

PyTorch3D's camera is x left, y up, z forward. With columns, OpenCV's axes and the GLB's as object frame:

    p_cv = s D R(q)' A p_glb + D t,   D = diag(-1, -1, 1),   p_ply = A p_glb
"""

import numpy as np
from numpy.typing import NDArray

from workers.geometry.cameras import Camera
from workers.geometry.poses import OPENCV_FROM_PYTORCH3D, Similarity, matrix_from_quaternion

Floats = NDArray[np.float64]
GLB_FROM_PLY: Floats = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])
# Upstream's splat frame (z up) to the object frame (y up).
OBJECT_FROM_PLY = Similarity.from_parts(GLB_FROM_PLY, np.zeros(3))
# Points that a camera is fitted to at least. Chosen, not measured.
MIN_POINTS = 16


def convert_pose(rotation: Floats, translation: Floats, scale: float) -> Similarity:
    """The pose of an asset in the camera (OpenCV) from upstream's q (4,) wxyz, t (3,) and s."""
    turn = OPENCV_FROM_PYTORCH3D @ matrix_from_quaternion(rotation).T @ GLB_FROM_PLY.T
    return Similarity.from_parts(turn, OPENCV_FROM_PYTORCH3D @ translation, scale)


def fit_camera(pointmap: NDArray[np.float32], width: int, height: int) -> Camera | None:
    """The pinhole camera that saw a pointmap (h, w, 3) in PyTorch3D's axes; None when too little is known.

    Square pixels and a centred principal point: f minimises the distance of f x/z to the pixels' places.
    """
    rows, columns = pointmap.shape[:2]
    points = pointmap.astype(np.float64) @ OPENCV_FROM_PYTORCH3D.T
    u, v = np.meshgrid((np.arange(columns) + 0.5) / columns - 0.5, (np.arange(rows) + 0.5) / rows - 0.5)
    known = np.isfinite(points).all(axis=2) & (points[..., 2] > 1e-6)
    if known.sum() < MIN_POINTS:
        return None
    slopes = points[known][:, :2] / points[known][:, 2:]
    places = np.stack([u[known] * width, v[known] * height], axis=1)
    focal = float((slopes * places).sum() / (slopes**2).sum())
    if not (np.isfinite(focal) and focal > 0):
        return None
    return Camera(width, height, focal, focal, width / 2, height / 2, source="estimated")
