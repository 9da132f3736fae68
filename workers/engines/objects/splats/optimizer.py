"""A splat in values that may take any number, with the moments of the Adam optimiser (Kingma & Ba 2015)."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workers.engines.rasterisers.protocol import GaussianGradients
from workers.geometry.gaussians import Gaussians

Array = NDArray[np.float64]
FIRST, SECOND, TINY = 0.9, 0.99, 1e-12
LIMIT = 6.0


@dataclass(slots=True, eq=False)
class Opened:
    """N Gaussians as `values` by name, float64: scales (N, 3) are logarithms, opacities (N,) logits.

    `first` and `second` are the moments of each value, of the same shapes.
    """

    values: dict[str, Array]
    first: dict[str, Array]
    second: dict[str, Array]

    @classmethod
    def of(cls, splat: Gaussians) -> "Opened":
        """A splat before its first step."""
        opacities = np.clip(splat.opacities.astype(np.float64), 1e-4, 1 - 1e-4)
        values = {
            "means": splat.means.astype(np.float64),
            "rotations": splat.rotations.astype(np.float64),
            "scales": np.log(splat.scales.astype(np.float64)),
            "opacities": np.log(opacities / (1 - opacities)),
            "colors": splat.colors.astype(np.float64),
        }
        return cls(values, *({name: np.zeros_like(of) for name, of in values.items()} for _ in range(2)))

    def __len__(self) -> int:
        return len(self.values["means"])

    def splat(self) -> Gaussians:
        """The splat that the values stand for."""
        values = self.values
        rotations = values["rotations"] / np.linalg.norm(values["rotations"], axis=1, keepdims=True)
        return Gaussians(
            values["means"].astype(np.float32),
            rotations.astype(np.float32),
            np.exp(values["scales"]).astype(np.float32),
            (1 / (1 + np.exp(-np.clip(values["opacities"], -LIMIT, LIMIT)))).astype(np.float32),
            np.clip(values["colors"], 0, 1).astype(np.float32),
        )

    def slopes(self, splat: Gaussians, found: GaussianGradients) -> dict[str, Array]:
        """Gradients by the values, from those by the numbers of `splat`, which is `self.splat()`."""
        opacities = splat.opacities.astype(np.float64)
        return {
            "means": found.means.astype(np.float64),
            "rotations": found.rotations.astype(np.float64),
            "scales": found.scales.astype(np.float64) * splat.scales,
            "opacities": found.opacities * opacities * (1 - opacities),
            "colors": found.colors.astype(np.float64),
        }

    def step(self, slopes: Mapping[str, Array], rates: Mapping[str, float], number: int) -> None:
        """Adam's step `number`, counted from 1."""
        for name, slope in slopes.items():
            first, second = self.first[name], self.second[name]
            first += (1 - FIRST) * (slope - first)
            second += (1 - SECOND) * (slope**2 - second)
            change = first / (1 - FIRST**number) / (np.sqrt(second / (1 - SECOND**number)) + TINY)
            self.values[name] -= rates[name] * change

    def put(self, rows: NDArray[np.int64], sources: NDArray[np.int64]) -> None:
        """Make the Gaussians at `rows` copies of those at `sources`; both start again without moments."""
        for name, value in self.values.items():
            value[rows] = value[sources]
            for moments in (self.first[name], self.second[name]):
                moments[rows] = 0
                moments[sources] = 0

    def add(self, sources: NDArray[np.int64]) -> None:
        """Append copies of the Gaussians at `sources`; both start again without moments."""
        for name, value in self.values.items():
            self.values[name] = np.concatenate([value, value[sources]])
            for moments in (self.first, self.second):
                moments[name][sources] = 0
                moments[name] = np.concatenate([moments[name], np.zeros_like(value[sources])])
