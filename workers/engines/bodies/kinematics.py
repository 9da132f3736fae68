"""Landmarks of a posed body and how they move with every parameter, analytically.

Rotations are updated on the right, R <- R exp(w), so a joint's column of the Jacobian is its global axis
crossed with the lever to the landmark. Parameters in order: w of the M joints (3M), translation (3), shape
(S).
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from workers.engines.bodies.rotations import exp_map, orthonormalise
from workers.engines.bodies.skeleton import Skeleton

Floats = NDArray[np.float64]
# Shape parameters of the fit: name and the directions of the model it goes along when positive and negative.
SHAPE = (
    ("height", "height", "height"),
    ("girth", "heavy", "light"),
    ("sex", "female", "female"),
    ("youth", "child", "child"),
)


@dataclass(frozen=True, slots=True)
class BodyState:
    """Local rotations (M, 3, 3), root position (3,) in metres in the camera frame, shape (S,)."""

    rotations: Floats
    translation: Floats
    shape: Floats

    def update(self, step: Floats) -> "BodyState":
        """The state after an update (3M + 3 + S,)."""
        count = len(self.rotations)
        rotations = self.rotations @ exp_map(step[: 3 * count].reshape(count, 3))
        return replace(
            self,
            rotations=orthonormalise(rotations),
            translation=self.translation + step[3 * count : 3 * count + 3],
            shape=self.shape + step[3 * count + 3 :],
        )


@dataclass(frozen=True, slots=True, eq=False)
class PosedSkeleton:
    """Global rotations (M, 3, 3), joint positions (M, 3), landmarks (33, 3), landmark Jacobian (33, 3, P)."""

    global_rotations: Floats
    joints: Floats
    joint_shape: Floats
    landmarks: Floats
    jacobian: Floats


class Kinematics:
    """The fitted joints and landmarks as functions of BodyState; the tables are constant."""

    def __init__(self, skeleton: Skeleton) -> None:
        model = skeleton.model
        self.skeleton = skeleton
        self.offsets, self.arms = skeleton.compact(model.base)
        units = np.eye(len(model.shape_names))
        compact = [skeleton.compact(model.rest(units[k])) for k in range(len(units))]
        # offsets and arms in one table, so that a shape takes one product
        self._base = np.concatenate([self.offsets, self.arms])
        self._directions = np.stack([np.concatenate(pair) - self._base for pair in compact])
        self._active = _list_directions(model.shape_names)
        self._levels = _levels(skeleton.parents)
        self._above = skeleton.above.astype(np.float64)
        self._on = skeleton.above[skeleton.riders].astype(np.float64)

    @property
    def size(self) -> int:
        """Number of parameters P."""
        return 3 * len(self.skeleton.joints) + 3 + len(SHAPE)

    def coefficients(self, shape: Floats) -> Floats:
        """The model's shape coefficients (K,) of the fit's shape (S,)."""
        return self.active(shape) @ shape

    def active(self, shape: Floats) -> Floats:
        """d coefficients / d shape (K, S)."""
        plus, minus = self._active
        return np.where(shape >= 0, plus, minus)

    def turn(self, rotations: Floats) -> Floats:
        """Global rotations (M, 3, 3) of local ones."""
        global_rotations = rotations.copy()
        for level in self._levels:
            global_rotations[level] = global_rotations[self.skeleton.parents[level]] @ rotations[level]
        return global_rotations

    def pose(self, state: BodyState) -> PosedSkeleton:
        """Landmarks and their Jacobian at a state."""
        riders, parents, count = self.skeleton.riders, self.skeleton.parents, len(self.offsets)
        # what each unit of shape adds, and the body itself as one more column: (M + 33, 3, S + 1)
        grown = np.tensordot(self._directions, self.active(state.shape), (0, 0))
        columns = np.concatenate([grown, (self._base + grown @ state.shape)[:, :, None]], axis=2)
        global_rotations = self.turn(state.rotations)
        steps = global_rotations[parents] @ columns[:count]
        chains = np.tensordot(self._above, steps, 1)
        points = chains[riders] + global_rotations[riders] @ columns[count:]
        joints, joint_shape = chains[:, :, -1] + state.translation, chains[:, :, :-1]
        landmarks = points[:, :, -1] + state.translation

        width = 3 * count
        jacobian = np.empty((len(riders), 3, self.size))
        # a joint turns about the columns of its global rotation: axis x lever, one component at a time
        x, y, z = ((landmarks[:, None] - joints[None]) * self._on[:, :, None]).transpose(2, 0, 1)[..., None]
        axis_x, axis_y, axis_z = global_rotations.transpose(1, 0, 2)
        turns = jacobian[:, :, :width].reshape(len(riders), 3, count, 3)
        np.subtract(axis_y * z, axis_z * y, out=turns[:, 0])
        np.subtract(axis_z * x, axis_x * z, out=turns[:, 1])
        np.subtract(axis_x * y, axis_y * x, out=turns[:, 2])
        jacobian[:, :, width : width + 3] = np.eye(3)
        jacobian[:, :, width + 3 :] = points[:, :, :-1]
        return PosedSkeleton(global_rotations, joints, joint_shape, landmarks, jacobian)


def _list_directions(names: tuple[str, ...]) -> tuple[Floats, Floats]:
    """The directions (K, S) that each number of a shape goes along where it is positive, and negative."""
    plus, minus = np.zeros((2, len(names), len(SHAPE)))
    for s, (_, up, down) in enumerate(SHAPE):
        plus[names.index(up), s] = 1.0
        minus[names.index(down), s] = 1.0 if up == down else -1.0
    return plus, minus


def cross(a: Floats, b: Floats) -> Floats:
    """Cross product over the last axis, broadcast; several times faster than numpy's on small arrays."""
    x = a[..., 1] * b[..., 2] - a[..., 2] * b[..., 1]
    y = a[..., 2] * b[..., 0] - a[..., 0] * b[..., 2]
    z = a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
    return np.stack([x, y, z], axis=-1)


def _levels(parents: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Joints below the root grouped by depth, so that each group is one batch."""
    depth = np.zeros(len(parents), dtype=np.int64)
    for m in range(1, len(parents)):
        depth[m] = depth[parents[m]] + 1
    return [np.flatnonzero(depth == d) for d in range(1, int(depth.max()) + 1)]
