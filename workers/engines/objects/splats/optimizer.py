"""Gaussians as unconstrained parameters, with Adam's moments (Kingma & Ba 2015)."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workers.engines.rasterisers.protocol import GaussianGradients
from workers.geometry.gaussians import Gaussians

Array = NDArray[np.float64]
# Decay of Adam's moments and its epsilon. The second decay is below the usual 0.999, since runs are as short
# as 150 steps. Not tuned.
BETA_1, BETA_2, EPSILON = 0.9, 0.99, 1e-12
# Bounds of opacities, so that their logits stay finite: when parameters are made, and when they are read.
OPACITY_MARGIN, MAX_LOGIT = 1e-4, 6.0


def logit(opacities: Array) -> Array:
    """The inverse of `sigmoid`, for values in (0, 1)."""
    return np.log(opacities / (1 - opacities))


def sigmoid(logits: Array) -> Array:
    """The logistic function."""
    return 1 / (1 + np.exp(-logits))


@dataclass(slots=True, eq=False)
class GaussianParameters:
    """N Gaussians as `values` by field name, float64: scales (N, 3) are logarithms, opacities (N,) logits.

    `first_moments` and `second_moments` are Adam's, in the same shapes.
    """

    values: dict[str, Array]
    first_moments: dict[str, Array]
    second_moments: dict[str, Array]

    @classmethod
    def from_gaussians(cls, splat: Gaussians) -> "GaussianParameters":
        """The parameters of a splat before the first step."""
        opacities = np.clip(splat.opacities.astype(np.float64), OPACITY_MARGIN, 1 - OPACITY_MARGIN)
        values = {
            "means": splat.means.astype(np.float64),
            "rotations": splat.rotations.astype(np.float64),
            "scales": np.log(splat.scales.astype(np.float64)),
            "opacities": logit(opacities),
            "colors": splat.colors.astype(np.float64),
        }
        if splat.harmonics is not None:
            values["harmonics"] = splat.harmonics.astype(np.float64)
        zeros = ({name: np.zeros_like(value) for name, value in values.items()} for _ in range(2))
        return cls(values, *zeros)

    def __len__(self) -> int:
        return len(self.values["means"])

    def to_gaussians(self) -> Gaussians:
        """The splat that the parameters stand for."""
        values, harmonics = self.values, self.values.get("harmonics")
        # harmonics bring colours of other directions back into their range
        colors = np.clip(values["colors"], 0, 1) if harmonics is None else values["colors"]
        rotations = values["rotations"] / np.linalg.norm(values["rotations"], axis=1, keepdims=True)
        return Gaussians(
            values["means"].astype(np.float32),
            rotations.astype(np.float32),
            np.exp(values["scales"]).astype(np.float32),
            sigmoid(np.clip(values["opacities"], -MAX_LOGIT, MAX_LOGIT)).astype(np.float32),
            colors.astype(np.float32),
            None if harmonics is None else harmonics.astype(np.float32),
        )

    def backpropagate(self, splat: Gaussians, gradients: GaussianGradients) -> dict[str, Array]:
        """Gradients with respect to the parameters, from those with respect to `self.to_gaussians()`."""
        opacities = splat.opacities.astype(np.float64)
        by_harmonics = gradients.harmonics
        more = {} if by_harmonics is None else {"harmonics": by_harmonics.astype(np.float64)}
        return more | {
            "means": gradients.means.astype(np.float64),
            "rotations": gradients.rotations.astype(np.float64),
            "scales": gradients.scales.astype(np.float64) * splat.scales,
            "opacities": gradients.opacities * opacities * (1 - opacities),
            "colors": gradients.colors.astype(np.float64),
        }

    def adam_step(
        self, gradients: Mapping[str, Array], learning_rates: Mapping[str, float], step: int
    ) -> None:
        """Update the parameters by Adam's step number `step`, counted from 1."""
        for name, gradient in gradients.items():
            first, second = self.first_moments[name], self.second_moments[name]
            first += (1 - BETA_1) * (gradient - first)
            second += (1 - BETA_2) * (gradient**2 - second)
            change = first / (1 - BETA_1**step) / (np.sqrt(second / (1 - BETA_2**step)) + EPSILON)
            self.values[name] -= learning_rates[name] * change

    def overwrite(self, rows: NDArray[np.int64], sources: NDArray[np.int64]) -> None:
        """Make the Gaussians at `rows` copies of those at `sources`; the moments of both become zero."""
        for name, value in self.values.items():
            value[rows] = value[sources]
            for moments in (self.first_moments[name], self.second_moments[name]):
                moments[rows] = 0
                moments[sources] = 0

    def append(self, sources: NDArray[np.int64]) -> None:
        """Append copies of the Gaussians at `sources`; the moments of both become zero."""
        for name, value in self.values.items():
            self.values[name] = np.concatenate([value, value[sources]])
            for moments in (self.first_moments, self.second_moments):
                moments[name][sources] = 0
                moments[name] = np.concatenate([moments[name], np.zeros_like(value[sources])])
