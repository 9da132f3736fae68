"""Densification while a splat is refined: 3D Gaussian splatting as Markov chain Monte Carlo (3DGS-MCMC).

After Kheradmand et al. 2024: transparent Gaussians are relocated to opaque ones, the number grows up to a
cap, and noise makes nearly transparent ones explore. A Gaussian that is copied shares its opacity with its
copies, so that the rendering stays the same.
"""

from dataclasses import dataclass
from math import comb

import numpy as np
from numpy.typing import NDArray

from workers.engines.objects.splats.optimizer import (
    OPACITY_MARGIN,
    Array,
    GaussianParameters,
    logit,
    sigmoid,
)
from workers.geometry.poses import matrix_from_quaternion


@dataclass(frozen=True, slots=True, kw_only=True)
class McmcParameters:
    """Hyperparameters of the densification; "paper" is Kheradmand et al. 2024 with its published code.

    - `max_gaussians`: the cap. Chosen, not measured: about 70 MB of parameters and moments.
    - `interval`: steps between two densifications; the paper has 100 in 30,000 steps, here runs have 1000.
    - `growth`: share of new Gaussians per densification; 0.05 in the paper, more for the shorter runs.
    - `stop_at`: share of the steps after which nothing is added, so that new Gaussians are refined too.
    - `dead_opacity`: Gaussians at or below this opacity are relocated (paper).
    - `opacity_cost`, `scale_cost`: weights in the loss of the mean opacity and of the mean standard deviation
      over the object's size. Chosen below the paper's 0.01, not tuned.
    - `noise`: step of the noise relative to the learning rate of the means: 5e5 x 1.6e-4 (paper).
    - `noise_sharpness`: how sharply opacity above `dead_opacity` ends the noise (paper).
    - `max_copies`: the most copies of one Gaussian that equation 9 is evaluated for (paper).
    """

    max_gaussians: int = 200_000
    interval: int = 25
    growth: float = 0.2
    stop_at: float = 0.75
    dead_opacity: float = 0.005
    opacity_cost: float = 1e-3
    scale_cost: float = 1e-3
    noise: float = 80.0
    noise_sharpness: float = 100.0
    max_copies: int = 51

    def is_due(self, step: int, steps: int) -> bool:
        """Whether the splat is densified after step `step` of `steps`."""
        return step % self.interval == 0 and step <= self.stop_at * steps


def split_opacity(
    opacities: Array, scales: Array, copies: NDArray[np.int64], max_copies: int = McmcParameters().max_copies
) -> tuple[Array, Array]:
    """Opacities (N,) and standard deviations (N, 3) of Gaussians that become `copies` (N,) each; eq. 9."""
    counts = np.minimum(copies, max_copies)
    split = 1 - (1 - opacities) ** (1 / counts)
    total = np.zeros_like(opacities)
    for layer in range(1, int(counts.max(initial=1)) + 1):
        terms = sum(comb(layer - 1, k) * (-1) ** k * split ** (k + 1) / np.sqrt(k + 1) for k in range(layer))
        total += np.where(layer <= counts, terms, 0.0)
    return split, scales * (opacities / total)[:, None]


def densify(gaussians: GaussianParameters, options: McmcParameters, rng: np.random.Generator) -> None:
    """Relocate the dead Gaussians, then add new ones up to the cap; changes `gaussians` in place."""
    opacities = sigmoid(gaussians.values["opacities"])
    dead = np.flatnonzero(opacities <= options.dead_opacity)
    alive = np.flatnonzero(opacities > options.dead_opacity)
    if not len(alive):
        return
    if len(dead):
        gaussians.overwrite(dead, _draw_copies(gaussians, alive, len(dead), options, rng))
        alive = np.arange(len(gaussians))
    grown = min(options.max_gaussians, int(np.ceil((1 + options.growth) * len(gaussians))))
    added = grown - len(gaussians)
    if added > 0:
        gaussians.append(_draw_copies(gaussians, alive, added, options, rng))


def add_noise(
    gaussians: GaussianParameters,
    size: float,
    strength: float,
    options: McmcParameters,
    rng: np.random.Generator,
) -> None:
    """Move the means by noise of each Gaussian's own shape, the more the more transparent it is; eq. 8.

    `size` is the object's, in the unit of the means; `strength` decays with the learning rate.
    """
    splat = gaussians.to_gaussians()
    axes = matrix_from_quaternion(splat.rotations)
    roots = axes * splat.scales[:, None, :].astype(np.float64)
    opacities = splat.opacities.astype(np.float64)
    faint = 1 / (1 + np.exp(options.noise_sharpness * (opacities - options.dead_opacity)))
    noise = rng.standard_normal((len(gaussians), 3)) * faint[:, None]
    step = options.noise * strength / size
    gaussians.values["means"] += step * np.einsum("nij,nkj,nk->ni", roots, roots, noise)


def regularise(gaussians: GaussianParameters, size: float, options: McmcParameters) -> dict[str, Array]:
    """Gradients of the costs of mean opacity and mean size, which let unneeded Gaussians fade."""
    splat = gaussians.to_gaussians()
    opacities = splat.opacities.astype(np.float64)
    count = len(gaussians)
    return {
        "opacities": options.opacity_cost * opacities * (1 - opacities) / count,
        "scales": options.scale_cost * splat.scales.astype(np.float64) / size / (3 * count),
    }


def _draw_copies(
    gaussians: GaussianParameters,
    alive: NDArray[np.int64],
    count: int,
    options: McmcParameters,
    rng: np.random.Generator,
) -> NDArray[np.int64]:
    """Draw `count` Gaussians by opacity and split each one's opacity among its copies."""
    opacities = sigmoid(gaussians.values["opacities"][alive])
    sampled = rng.choice(alive, count, p=opacities / opacities.sum())
    sources, copies = np.unique(sampled, return_counts=True)
    before = sigmoid(gaussians.values["opacities"][sources])
    scales = np.exp(gaussians.values["scales"][sources])
    opacities, scales = split_opacity(before, scales, copies + 1, options.max_copies)
    opacities = np.clip(opacities, options.dead_opacity, 1 - OPACITY_MARGIN)
    gaussians.values["opacities"][sources] = logit(opacities)
    gaussians.values["scales"][sources] = np.log(scales)
    return np.asarray(sampled, dtype=np.int64)
