"""Which splat of an object is given: the one it began as, or the one refined on the views of it."""

import logging
from dataclasses import replace

import numpy as np

from workers.engines.host.errors import HostError
from workers.engines.objects.multi_view.views import Taken
from workers.engines.objects.splats.mcmc import MOST, Growth
from workers.engines.objects.splats.refinement import LONG_SIDE, refine
from workers.engines.rasterisers.choice import choose_rasteriser
from workers.engines.rasterisers.protocol import RasteriserMissing
from workers.geometry.gaussians import Gaussians, transform
from workers.geometry.poses import Similarity

log = logging.getLogger(__name__)
STEPS, CPU_MOST = 150, 50_000
# what a GPU has time for: more steps, larger windows, and a splat that grows
GPU_STEPS, GPU_SIDE = 1000, 512


def refined(
    splat: Gaussians, world_from_object: Similarity, taken: Taken, steps: int, seed: int
) -> tuple[Gaussians, float] | None:
    """The better splat and its gain in dB; None where nothing here can refine, or views are too few.

    `splat` is in the object's frame. With gsplat it takes 1000 steps and grows to at most 200,000 Gaussians,
    else `steps`, of at most 50,000. A gain of 0 means that the start was kept, whole.
    """
    try:
        rasteriser = choose_rasteriser()
    except RasteriserMissing:
        return None
    fast = rasteriser.name == "gsplat"
    start = thinned(splat, MOST if fast else CPU_MOST, np.random.default_rng(seed))
    try:
        found = refine(
            transform(start, world_from_object),
            taken.images,
            taken.masks,
            taken.views,
            rasteriser,
            steps=GPU_STEPS if fast and steps else steps,
            seed=seed,
            growth=Growth() if fast else None,
            long_side=GPU_SIDE if fast else LONG_SIDE,
            against=transform(splat, world_from_object),
        )
    except HostError as error:
        log.warning("the splat is not refined: %s", error)
        return None
    if found is None:
        return None
    made, gain = found
    return (transform(made, world_from_object.inverse()), round(gain, 3)) if gain > 0 else (splat, 0.0)


def thinned(splat: Gaussians, most: int, rng: np.random.Generator) -> Gaussians:
    """At most so many Gaussians, drawn by how much they cover, and widened to cover what all did."""
    if len(splat.means) <= most:
        return splat
    widths = np.sort(splat.scales.astype(np.float64), axis=1)
    covered = splat.opacities * widths[:, 1] * widths[:, 2]
    kept = np.sort(rng.choice(len(covered), most, replace=False, p=covered / covered.sum()))
    wider = np.float32(np.sqrt(covered.sum() / covered[kept].sum()))
    chosen = splat.select(kept)
    return replace(chosen, scales=chosen.scales * wider)
