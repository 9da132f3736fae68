"""Landmarks of a posed body and how they move with every parameter, analytically.

Rotations are updated on the right, R <- R exp(w), so a joint's column of the Jacobian is its global axis
crossed with the lever to the landmark. Parameters in order: w of the M joints (3M), translation (3), shape
(S).
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from workers.engines.bodies.rotations import exp_map, from_quaternions, quaternions
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
        global_rotations = self.rotations @ exp_map(step[: 3 * count].reshape(count, 3))
        # Products drift away from rotations; a round trip through quaternions projects them back.
        return replace(
            self,
            rotations=from_quaternions(quaternions(global_rotations)),
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
        self._offset_directions = np.stack([o - self.offsets for o, _ in compact])
        self._arm_directions = np.stack([a - self.arms for _, a in compact])
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
        names = self.skeleton.model.shape_names
        out = np.zeros((len(names), len(SHAPE)))
        for s, (_, plus, minus) in enumerate(SHAPE):
            if plus == minus or shape[s] >= 0:
                out[names.index(plus), s] = 1.0
            else:
                out[names.index(minus), s] = -1.0
        return out

    def turn(self, rotations: Floats) -> Floats:
        """Global rotations (M, 3, 3) of local ones."""
        global_rotations = rotations.copy()
        for level in self._levels:
            global_rotations[level] = global_rotations[self.skeleton.parents[level]] @ rotations[level]
        return global_rotations

    def pose(self, state: BodyState) -> PosedSkeleton:
        """Landmarks and their Jacobian at a state."""
        riders, parents = self.skeleton.riders, self.skeleton.parents
        active = self.active(state.shape)
        weights = active @ state.shape
        offsets = self.offsets + np.tensordot(weights, self._offset_directions, 1)
        arms = self.arms + np.tensordot(weights, self._arm_directions, 1)
        global_rotations = self.turn(state.rotations)
        steps = np.einsum("mab,mb->ma", global_rotations[parents], offsets)
        joints = state.translation + self._above @ steps
        landmarks = joints[riders] + np.einsum("lab,lb->la", global_rotations[riders], arms)

        offset_shape = np.einsum("ks,kmb->mbs", active, self._offset_directions)
        arm_shape = np.einsum("ks,klb->lbs", active, self._arm_directions)
        step_shape = global_rotations[parents] @ offset_shape
        joint_shape = np.tensordot(self._above, step_shape, 1)
        landmark_shape = joint_shape[riders] + global_rotations[riders] @ arm_shape

        count = len(riders)
        jacobian = np.empty((count, 3, self.size))
        # Axes are the columns of the global rotation: (m, axis, xyz).
        axes = global_rotations.transpose(0, 2, 1)[None]
        lever = (landmarks[:, None] - joints[None])[:, :, None]
        turns = cross(axes, lever) * self._on[:, :, None, None]
        width = 3 * len(parents)
        jacobian[:, :, :width] = turns.reshape(count, width, 3).transpose(0, 2, 1)
        jacobian[:, :, width : width + 3] = np.eye(3)
        jacobian[:, :, width + 3 :] = landmark_shape
        return PosedSkeleton(global_rotations, joints, joint_shape, landmarks, jacobian)


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
