"""Growing a splat while it is refined: 3DGS as Markov chain Monte Carlo (Kheradmand et al. 2024).

Gaussians that nobody sees move to where others are dense, their number grows to a cap, and nearly transparent
ones wander. A Gaussian that is copied shares its light with its copies, so that the picture stays.
"""

from dataclasses import dataclass
from math import comb

import numpy as np
from numpy.typing import NDArray

from workers.engines.objects.splats.optimizer import Array, Opened
from workers.geometry.poses import matrix_from_quaternion

MOST = 200_000
DEAD = 0.005
# The paper's weights: how much each Gaussian's opacity and size cost.
COST = {"opacities": 1e-3, "scales": 1e-3}
# Its noise (5e5 times its rate of means, 1.6e-4 of the scene) and how sharply opacity ends it.
WANDER, SHARP = 80.0, 100.0
MOST_COPIES = 51


@dataclass(frozen=True, slots=True)
class Growth:
    """At most `cap` Gaussians; every `every` steps, `share` more and the dead ones moved.

    Nothing grows in the last quarter of the steps, so that newcomers are refined too.
    """

    cap: int = MOST
    every: int = 25
    share: float = 0.2

    def due(self, step: int, steps: int) -> bool:
        """Whether the splat grows after this step of so many."""
        return step % self.every == 0 and step <= 0.75 * steps


def shared(opacities: Array, scales: Array, copies: NDArray[np.int64]) -> tuple[Array, Array]:
    """Opacities (N,) and standard deviations (N, 3) of Gaussians that become `copies` (N,) each; eq. 9."""
    counts = np.minimum(copies, MOST_COPIES)
    thinner = 1 - (1 - opacities) ** (1 / counts)
    whole = np.zeros_like(opacities)
    for layer in range(1, int(counts.max(initial=1)) + 1):
        terms = sum(
            comb(layer - 1, k) * (-1) ** k * thinner ** (k + 1) / np.sqrt(k + 1) for k in range(layer)
        )
        whole += np.where(layer <= counts, terms, 0.0)
    return thinner, scales * (opacities / whole)[:, None]


def grow(opened: Opened, growth: Growth, rng: np.random.Generator) -> None:
    """Move the dead Gaussians, then add new ones up to the cap; `opened` is changed."""
    opacities = 1 / (1 + np.exp(-opened.values["opacities"]))
    dead = np.flatnonzero(opacities <= DEAD)
    alive = np.flatnonzero(opacities > DEAD)
    if not len(alive):
        return
    if len(dead):
        opened.put(dead, _copied(opened, alive, len(dead), rng))
        alive = np.arange(len(opened))
    more = min(growth.cap, int(np.ceil((1 + growth.share) * len(opened)))) - len(opened)
    if more > 0:
        opened.add(_copied(opened, alive, more, rng))


def wander(opened: Opened, size: float, strength: float, rng: np.random.Generator) -> None:
    """Move the means by noise of each Gaussian's own shape, the fainter the more; `size` is the object's."""
    splat = opened.splat()
    axes = matrix_from_quaternion(splat.rotations)
    reach = axes * splat.scales[:, None, :].astype(np.float64)
    faint = 1 / (1 + np.exp(SHARP * (splat.opacities.astype(np.float64) - DEAD)))
    noise = rng.standard_normal((len(opened), 3)) * faint[:, None]
    opened.values["means"] += WANDER * strength / size * np.einsum("nij,nkj,nk->ni", reach, reach, noise)


def costs(opened: Opened, size: float) -> dict[str, Array]:
    """Gradients of the mean opacity and the mean size, which let needless Gaussians fade."""
    splat = opened.splat()
    opacities = splat.opacities.astype(np.float64)
    count = len(opened)
    return {
        "opacities": COST["opacities"] * opacities * (1 - opacities) / count,
        "scales": COST["scales"] * splat.scales.astype(np.float64) / size / (3 * count),
    }


def _copied(
    opened: Opened, alive: NDArray[np.int64], count: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Draw `count` Gaussians by opacity and thin each by how often it is copied."""
    opacities = 1 / (1 + np.exp(-opened.values["opacities"][alive]))
    drawn = rng.choice(alive, count, p=opacities / opacities.sum())
    sources, times = np.unique(drawn, return_counts=True)
    before = 1 / (1 + np.exp(-opened.values["opacities"][sources]))
    thinner, scales = shared(before, np.exp(opened.values["scales"][sources]), times + 1)
    thinner = np.clip(thinner, DEAD, 1 - 1e-4)
    opened.values["opacities"][sources] = np.log(thinner / (1 - thinner))
    opened.values["scales"][sources] = np.log(scales)
    return np.asarray(drawn, dtype=np.int64)
