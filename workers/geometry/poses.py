"""Similarity transforms and changes of camera axes. Quaternions are wxyz, points are columns.

Camera axes: OpenCV is x right, y down, z forward; OpenGL, Blender and glTF are x right, y up, z backward;
PyTorch3D is x left, y up, z forward.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.transform import Rotation

OPENGL_FROM_OPENCV: NDArray[np.float64] = np.diag([1.0, -1.0, -1.0])
OPENCV_FROM_PYTORCH3D: NDArray[np.float64] = np.diag([-1.0, -1.0, 1.0])


@dataclass(frozen=True, slots=True)
class Similarity:
    """The map p -> scale * R(rotation) @ p + translation; `rotation` is a unit quaternion wxyz."""

    rotation: tuple[float, float, float, float] = (1.0, 0.0, 0.0, 0.0)
    translation: tuple[float, float, float] = (0.0, 0.0, 0.0)
    scale: float = 1.0

    @classmethod
    def from_parts(
        cls, rotation: NDArray[np.float64], translation: ArrayLike, scale: float = 1.0
    ) -> "Similarity":
        """From a rotation matrix (3, 3), a translation (3,) and a positive scale."""
        x, y, z = (float(value) for value in np.asarray(translation, dtype=np.float64))
        return cls(quaternion_from_matrix(rotation), (x, y, z), float(scale))

    def rotation_matrix(self) -> NDArray[np.float64]:
        """The 3x3 rotation."""
        return matrix_from_quaternion(self.rotation)

    def matrix(self) -> NDArray[np.float64]:
        """The 4x4 matrix of the transform."""
        out = np.eye(4)
        out[:3, :3] = self.scale * self.rotation_matrix()
        out[:3, 3] = self.translation
        return out

    def apply(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Transform points of shape (..., 3)."""
        moved = points @ (self.scale * self.rotation_matrix()).T + np.asarray(self.translation)
        return np.asarray(moved, dtype=np.float64)

    def inverse(self) -> "Similarity":
        """The inverse map; the scale must not be zero."""
        inverse = self.rotation_matrix().T
        translation = -inverse @ np.asarray(self.translation) / self.scale
        return Similarity.from_parts(inverse, translation, 1.0 / self.scale)

    def compose(self, first: "Similarity") -> "Similarity":
        """This map after `first`: a.compose(b).apply(p) == a.apply(b.apply(p))."""
        return Similarity.from_parts(
            self.rotation_matrix() @ first.rotation_matrix(),
            self.apply(np.asarray(first.translation, dtype=np.float64)),
            self.scale * first.scale,
        )


def quaternion_from_matrix(rotation: NDArray[np.float64]) -> tuple[float, float, float, float]:
    """The unit quaternion wxyz, with w at least 0, of a rotation matrix (3, 3)."""
    x, y, z, w = (float(value) for value in Rotation.from_matrix(rotation).as_quat(canonical=True))
    return w, x, y, z


def multiply_quaternions(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Hamilton products a * b of quaternions wxyz (..., 4), broadcast: the rotation by b, then by a."""
    aw, ax, ay, az = np.moveaxis(np.asarray(a, dtype=np.float64), -1, 0)
    bw, bx, by, bz = np.moveaxis(np.asarray(b, dtype=np.float64), -1, 0)
    return np.stack(
        [
            aw * bw - ax * bx - ay * by - az * bz,
            aw * bx + ax * bw + ay * bz - az * by,
            aw * by - ax * bz + ay * bw + az * bx,
            aw * bz + ax * by - ay * bx + az * bw,
        ],
        axis=-1,
    )


def change_camera_axes(pose: Similarity, axes: NDArray[np.float64]) -> Similarity:
    """The same pose in other camera axes: p_cam becomes axes @ p_cam with a rotation `axes` (3, 3)."""
    return Similarity.from_parts(
        axes @ pose.rotation_matrix(), axes @ np.asarray(pose.translation, dtype=np.float64), pose.scale
    )


def opengl_from_opencv(pose: Similarity) -> Similarity:
    """Change a pose from the OpenCV to the OpenGL (and glTF) camera frame."""
    return change_camera_axes(pose, OPENGL_FROM_OPENCV)


def opencv_from_opengl(pose: Similarity) -> Similarity:
    """The inverse of `opengl_from_opencv`, which is its own inverse."""
    return change_camera_axes(pose, OPENGL_FROM_OPENCV)


def look_at(eye: ArrayLike, target: ArrayLike, up: ArrayLike = (0.0, 1.0, 0.0)) -> Similarity:
    """`cam_from_world` of an OpenCV camera at `eye` that looks at `target`, with `up` upwards in the image.

    An `up` along the viewing direction is replaced by another axis. Raises ValueError when eye and target
    coincide.
    """
    origin = np.asarray(eye, dtype=np.float64)
    forward = np.asarray(target, dtype=np.float64) - origin
    distance = float(np.linalg.norm(forward))
    if distance < 1e-12:
        raise ValueError("eye and target are the same point")
    forward = forward / distance
    right = np.cross(forward, np.asarray(up, dtype=np.float64))
    if np.linalg.norm(right) < 1e-9:
        right = np.cross(forward, np.roll(np.asarray(up, dtype=np.float64), 1))
    right = right / np.linalg.norm(right)
    rotation = np.stack([right, np.cross(forward, right), forward])
    return Similarity.from_parts(rotation, -rotation @ origin)


def matrix_from_quaternion(rotation: ArrayLike) -> NDArray[np.float64]:
    """Rotation matrices (3, 3) or (N, 3, 3) of quaternions wxyz (4,) or (N, 4) of any length."""
    xyzw = np.roll(np.asarray(rotation, dtype=np.float64), -1, axis=-1)
    return np.asarray(Rotation.from_quat(xyzw).as_matrix(), dtype=np.float64)
