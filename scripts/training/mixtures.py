"""Mixtures of Gaussians by expectation-maximisation (Dempster, Laird and Rubin 1977), seeded."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
# Rounds of k-means and of expectation-maximisation.
ROUNDS_APART, ROUNDS = 15, 25
# Added to the diagonal of every covariance: 3 degrees squared.
RIDGE = np.radians(3.0) ** 2
# Samples that the shared covariance counts for in each component, so that small ones stay broad.
SHRINKAGE = 100.0
# Weight of the Gaussian of all samples that every mixture has, and by how much it is widened.
BACKGROUND, BACKGROUND_SPREAD = 0.1, 1.15


@dataclass(frozen=True, slots=True, eq=False)
class Mixture:
    """Weights (K,), means (K, D) and covariances (K, D, D)."""

    weights: Floats
    means: Floats
    covariances: Floats

    def log_likelihood(self, samples: Floats) -> Floats:
        """Log-density (N,) of samples (N, D)."""
        joint = self.log_joint(samples)
        top = joint.max(axis=1)
        out: Floats = top + np.log(np.exp(joint - top[:, None]).sum(axis=1))
        return out

    def log_joint(self, samples: Floats) -> Floats:
        """Log of weight times density (N, K) per component."""
        out = np.empty((len(samples), len(self.weights)))
        for k, (weight, mean, covariance) in enumerate(
            zip(self.weights, self.means, self.covariances, strict=True)
        ):
            factor = np.linalg.cholesky(covariance)
            scaled = np.linalg.solve(factor, (samples - mean).T)
            log_det = 2 * np.log(np.diag(factor)).sum()
            out[:, k] = np.log(weight) - 0.5 * (
                (scaled**2).sum(axis=0) + log_det + len(mean) * np.log(2 * np.pi)
            )
        return out


def fit_mixture(samples: Floats, components: int, seed: int) -> Mixture:
    """The mixture of samples (N, D) after a fixed number of rounds from k-means."""
    rng = np.random.default_rng(seed)
    means = samples[rng.choice(len(samples), components, replace=False)]
    for _ in range(ROUNDS_APART):
        distance = (samples**2).sum(axis=1)[:, None] - 2 * samples @ means.T + (means**2).sum(axis=1)
        owner = distance.argmin(axis=1)
        means = np.stack(
            [samples[owner == k].mean(axis=0) if (owner == k).any() else means[k] for k in range(components)]
        )
    shares = np.eye(components)[owner]
    shared = np.cov(samples.T)
    mixture = _maximise(samples, shares, shared)
    for _ in range(ROUNDS):
        joint = mixture.log_joint(samples)
        shares = np.exp(joint - joint.max(axis=1, keepdims=True))
        mixture = _maximise(samples, shares / shares.sum(axis=1, keepdims=True), shared)
    return _add_background(mixture, samples.mean(axis=0), shared)


def _add_background(mixture: Mixture, mean: Floats, shared: Floats) -> Mixture:
    """The mixture and one Gaussian of all samples, for poses that are like none of them."""
    return Mixture(
        np.append((1 - BACKGROUND) * mixture.weights, BACKGROUND),
        np.concatenate([mixture.means, mean[None]]),
        np.concatenate([mixture.covariances, (BACKGROUND_SPREAD**2 * shared)[None]]),
    )


def _maximise(samples: Floats, shares: Floats, shared: Floats) -> Mixture:
    counts = shares.sum(axis=0) + 1e-9
    means = (shares.T @ samples) / counts[:, None]
    covariances = np.empty((len(counts), samples.shape[1], samples.shape[1]))
    for k in range(len(counts)):
        centred = samples - means[k]
        own = (centred * shares[:, k, None]).T @ centred
        covariances[k] = (own + SHRINKAGE * shared) / (counts[k] + SHRINKAGE)
        covariances[k][np.diag_indices(samples.shape[1])] += RIDGE
    return Mixture(counts / counts.sum(), means, covariances)
