"""Points and joints of SMPL-X's body with their derivatives, for Gauss-Newton.

A joint's rotation changes by a small rotation on the left, about the axes of the camera: what hangs on the
joint then turns about it. Pose correctives are part of the points, and left out of the derivatives.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from workers.engines.bodies.rotations import exp_map, hat
from workers.engines.bodies.smplx.model import BETAS, BODY_JOINTS, SmplxModel

Floats = NDArray[np.float64]
# rotations of the joints, then the translation, then the shape
POSE_COLUMNS = 3 * BODY_JOINTS + 3
COLUMNS = POSE_COLUMNS + BETAS


@dataclass(frozen=True, slots=True, eq=False)
class BodyPose:
    """Shape (10,), local rotations (22, 3, 3) and translation (3,) of the body, in the camera's axes."""

    betas: Floats
    rotations: Floats
    translation: Floats

    def move(self, step: Floats, parents: NDArray[np.int64]) -> Self:
        """The pose after a step (79,) in the columns of `linearise`."""
        turns = exp_map(step[: 3 * BODY_JOINTS].reshape(BODY_JOINTS, 3))
        rotations, above = np.empty_like(self.rotations), np.empty_like(self.rotations)
        # what turns an ancestor turns the joint with it: the axes are those before the step
        for joint, parent in enumerate(parents):
            frame = np.eye(3) if parent < 0 else above[parent]
            rotations[joint] = frame.T @ turns[joint] @ frame @ self.rotations[joint]
            above[joint] = frame @ self.rotations[joint]
        translation = self.translation + step[3 * BODY_JOINTS : POSE_COLUMNS]
        return type(self)(self.betas + step[POSE_COLUMNS:], rotations, translation)


@dataclass(frozen=True, slots=True, eq=False)
class Linearised:
    """Points (N, 3) and joints (22, 3), and what a step adds to them: (N, 3, 79) and (22, 3, 79).

    `above` (22, 3, 3) are the global rotations of the joints' parents.
    """

    points: Floats
    joints: Floats
    by_points: Floats
    by_joints: Floats
    above: Floats


class BodyPoints:
    """Chosen vertices of a model on its 22 body joints; what other joints carry follows their ancestor."""

    def __init__(self, model: SmplxModel, vertices: NDArray[np.int64]) -> None:
        self.parents = model.parents[:BODY_JOINTS]
        self._joint_template = model.joint_template[:BODY_JOINTS]
        self._joint_directions = model.joint_directions[:BODY_JOINTS]
        self._template = model.template[vertices]
        self._directions = model.shape_directions[vertices]
        self._correctives = model.pose_directions[vertices][:, :, : 9 * (BODY_JOINTS - 1)]
        self._weights = _fold_weights(model)[vertices]
        self._below = np.eye(BODY_JOINTS)
        for joint in range(BODY_JOINTS - 1, 0, -1):
            self._below[self.parents[joint]] += self._below[joint]

    def linearise(self, pose: BodyPose) -> Linearised:
        """The points and joints of a pose, and their derivatives."""
        rest = self._joint_template + self._joint_directions @ pose.betas
        turned, placed, by_betas = self._chain(pose, rest)
        features = (pose.rotations[1:] - np.eye(3)).reshape(-1)
        shaped = self._template + self._directions @ pose.betas + self._correctives @ features
        # each point as every joint carries it
        carried = np.einsum("jab,njb->nja", turned, shaped[:, None] - rest) + placed
        parts = self._weights[:, :, None] * carried
        # what hangs on each joint, as seen from it
        hanging = np.einsum("jk,nka->nja", self._below, parts)
        arms = hanging - (self._weights @ self._below.T)[:, :, None] * placed
        by_points = np.zeros((len(shaped), 3, COLUMNS))
        by_points[:, :, : 3 * BODY_JOINTS] = _turn(arms)
        by_points[:, :, 3 * BODY_JOINTS : POSE_COLUMNS] = np.eye(3)
        grown = np.einsum("jab,njbk->njak", turned, self._directions[:, None] - self._joint_directions)
        by_points[:, :, POSE_COLUMNS:] = np.einsum("nj,njak->nak", self._weights, grown + by_betas)
        by_joints = np.zeros((BODY_JOINTS, 3, COLUMNS))
        levers = (placed[:, None] - placed[None]) * (self._below.T - np.eye(BODY_JOINTS))[:, :, None]
        by_joints[:, :, : 3 * BODY_JOINTS] = _turn(levers)
        by_joints[:, :, 3 * BODY_JOINTS : POSE_COLUMNS] = np.eye(3)
        by_joints[:, :, POSE_COLUMNS:] = by_betas
        above = np.concatenate([np.eye(3)[None], turned[self.parents[1:]]])
        return Linearised(
            parts.sum(axis=1) + pose.translation, placed + pose.translation, by_points, by_joints, above
        )

    def _chain(self, pose: BodyPose, rest: Floats) -> tuple[Floats, Floats, Floats]:
        """Global rotations (22, 3, 3) and places (22, 3) of the joints, and these by shape (22, 3, 10)."""
        turned, placed = pose.rotations.copy(), rest.copy()
        by_betas = self._joint_directions.copy()
        for joint in range(1, BODY_JOINTS):
            parent = self.parents[joint]
            turned[joint] = turned[parent] @ pose.rotations[joint]
            placed[joint] = placed[parent] + turned[parent] @ (rest[joint] - rest[parent])
            grown = self._joint_directions[joint] - self._joint_directions[parent]
            by_betas[joint] = by_betas[parent] + turned[parent] @ grown
        return turned, placed, by_betas


def _turn(arms: Floats) -> Floats:
    """What small rotations add to the ends of arms (N, J, 3): (N, 3, 3 J)."""
    turning = -hat(arms.reshape(-1, 3)).reshape(*arms.shape, 3)
    return np.moveaxis(turning, 1, 2).reshape(len(arms), 3, -1)


def _fold_weights(model: SmplxModel) -> Floats:
    """Skin weights (V, 22): those of hands, jaw and eyes count for the body joint that they hang on."""
    folded = model.weights.copy()
    for joint in range(folded.shape[1] - 1, BODY_JOINTS - 1, -1):
        folded[:, model.parents[joint]] += folded[:, joint]
    return folded[:, :BODY_JOINTS]
