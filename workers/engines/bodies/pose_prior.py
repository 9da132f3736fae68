"""A learned prior over poses: which angles go together, and how a pelvis so posed is tilted.

A mixture of Gaussians over 66 features: the direction of up in the pelvis' axes, and the angles of the 21
joints below it. A fit takes its best component, whose weight and volume count in the cost (Olson and Agarwal
2013), with Student's t in the place of the Gaussian: a pose that was never seen costs a bounded amount.
`scripts/training/train_pose_prior.py` makes it.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from workers.engines.weights import find_weight

FILE = "pose_prior.npz"
Floats = NDArray[np.float64]
# Degrees of freedom of Student's t over the features, chosen, not measured: the cost grows with the logarithm
# of the distance from about as many deviations as there are features.
FREEDOM = 30.0
# Deviation of the direction of up where nothing but the image's own axis shows it, as a length: 11 degrees.
UP_UNKNOWN = 0.2


def to_features(up: Floats, angles: Floats) -> Floats:
    """Features (..., 66) of up in the pelvis' axes (..., 3) and joint angles (..., 21, 3)."""
    return np.concatenate([up, angles.reshape(*angles.shape[:-2], -1)], axis=-1)


@dataclass(frozen=True, slots=True, eq=False)
class PosePrior:
    """K components: weights (K,), means (K, D), whitening (K, D, D), costs (K,) at the means, the least 0."""

    weights: Floats
    means: Floats
    whitening: Floats
    offsets: Floats

    @property
    def size(self) -> int:
        """Number of features D."""
        return int(self.means.shape[1])

    def evaluate(self, features: Floats) -> tuple[Floats, Floats, float]:
        """Residuals (D,), their slopes (D, D) by the features, and the cost; robust weights are in both."""
        scaled = self._whiten(features)
        squared = (scaled**2).sum(axis=1)
        costs = self._bound(squared) + self.offsets
        best = int(np.argmin(costs))
        weight = np.sqrt((FREEDOM + self.size) / (FREEDOM + squared[best]))
        return scaled[best] * weight, self.whitening[best] * weight, float(costs[best])

    def log_likelihood(self, features: Floats) -> float:
        """Log-density of features (D,) under the mixture of Gaussians, in nats."""
        scaled = self._whiten(features)
        volumes = np.linalg.slogdet(self.whitening)[1] - 0.5 * self.size * np.log(2 * np.pi)
        joint = np.log(self.weights) + volumes - 0.5 * (scaled**2).sum(axis=1)
        return float(np.logaddexp.reduce(joint))

    def as_one_gaussian(self) -> "PosePrior":
        """The Gaussian with the mixture's mean and covariance."""
        mean = self.weights @ self.means
        within = np.linalg.inv(np.einsum("kde,kdf->kef", self.whitening, self.whitening))
        between = self.means - mean
        covariance = np.einsum("k,kde->de", self.weights, within)
        covariance += np.einsum("k,kd,ke->de", self.weights, between, between)
        return make_pose_prior(np.ones(1), mean[None], covariance[None])

    def _whiten(self, features: Floats) -> Floats:
        """Features (K, D) about each component's mean, over its deviations."""
        scaled: Floats = (self.whitening @ (features - self.means)[:, :, None])[:, :, 0]
        return scaled

    def _bound(self, squared: Floats) -> Floats:
        bounded: Floats = (FREEDOM + self.size) * np.log1p(squared / FREEDOM)
        return bounded


@lru_cache(maxsize=4)
def load_pose_prior(up_deviation: float = UP_UNKNOWN) -> PosePrior:
    """The shipped prior for an up that is known to a deviation; raises the errors of `find_weight`."""
    with np.load(find_weight(FILE), allow_pickle=False) as data:
        weights, means, covariances = (
            data[name].astype(np.float64) for name in ("weights", "means", "covariances")
        )
    covariances[:, :3, :3] += up_deviation**2 * np.eye(3)
    return make_pose_prior(weights / weights.sum(), means, covariances)


def make_pose_prior(weights: Floats, means: Floats, covariances: Floats) -> PosePrior:
    """The prior of a mixture: weights (K,), means (K, D), covariances (K, D, D)."""
    whitening = np.linalg.cholesky(np.linalg.inv(covariances)).transpose(0, 2, 1)
    offsets = np.linalg.slogdet(covariances)[1] - 2 * np.log(weights)
    return PosePrior(weights, means, whitening, offsets - offsets.min())
