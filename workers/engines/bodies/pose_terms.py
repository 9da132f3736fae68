"""What a fit expects of a pose, as residuals with their Jacobians: the learned prior, the joints' ranges."""

import numpy as np
from numpy.typing import NDArray

from workers.engines.bodies.kinematics import BodyState, Kinematics
from workers.engines.bodies.pose_prior import PosePrior, to_features
from workers.engines.bodies.rotations import hat, log_map, right_jacobian_inverse

Floats = NDArray[np.float64]
# Weight of the prior's cost against that of landmarks, whose errors go together more than the fit assumes.
PRIOR_WORTH = 0.5
# Deviation in radians beyond a joint's range.
LIMIT_RADIANS = 0.04


class PoseTerms:
    """The terms of one kinematic model; the tables are constant."""

    def __init__(self, kinematics: Kinematics, prior: PosePrior) -> None:
        skeleton = kinematics.skeleton
        self._prior = prior
        self._frames = skeleton.frames[1:]
        self._low, self._high = skeleton.low[1:], skeleton.high[1:]
        self._size = kinematics.size
        self._count = 3 * len(self._frames)

    def evaluate(
        self, state: BodyState, up: Floats, worth: float = PRIOR_WORTH
    ) -> tuple[Floats, Floats, float]:
        """Residuals (N,), Jacobian (N, P) and cost of both terms; `worth` is the weight of the prior's."""
        vectors = log_map(state.rotations[1:])
        angles = np.einsum("mab,mb->ma", self._frames, vectors)
        change = self._frames @ right_jacobian_inverse(vectors)
        tilt = state.rotations[0].T @ up
        residual, slopes, cost = self._prior.evaluate(to_features(tilt, angles))
        share = np.sqrt(worth)
        jacobian = np.zeros((len(residual) + self._count, self._size))
        # d(exp(-w) R^T up) = up_in_pelvis x w
        jacobian[: len(residual), :3] = share * slopes[:, :3] @ hat(tilt)
        blocks = share * slopes[:, 3:].reshape(len(residual), -1, 3).transpose(1, 0, 2) @ change
        jacobian[: len(residual), 3 : 3 + self._count] = blocks.transpose(1, 0, 2).reshape(len(residual), -1)
        over = np.maximum(angles - self._high, 0.0) + np.minimum(angles - self._low, 0.0)
        stiff = (over != 0.0)[..., None] * change / LIMIT_RADIANS
        rows = len(residual) + np.arange(self._count).reshape(-1, 3)
        columns = 3 + np.arange(self._count).reshape(-1, 3)
        jacobian[rows[:, :, None], columns[:, None, :]] = stiff
        limits = over.reshape(-1) / LIMIT_RADIANS
        total = worth * cost + float(limits @ limits)
        return np.concatenate([share * residual, limits]), jacobian, total
