"""Refining an object's splat on its views, by colour and alpha; kept only when held-out views improve.

Every fifth view is held out. Of the initial splat, whose colours have seen the held-out views too, and the
refined one, the splat with the higher PSNR on them is kept.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from workers.engines.host.errors import HostError
from workers.engines.objects.splats.mcmc import McmcParameters, add_noise, densify, regularise
from workers.engines.objects.splats.optimizer import GaussianParameters
from workers.engines.objects.splats.view_crops import ViewCrop, crop_views, split_held_out
from workers.engines.protocols import Mask, Rgb
from workers.engines.rasterisers.choice import choose_rasteriser
from workers.engines.rasterisers.protocol import Rasteriser, RasteriserMissing
from workers.geometry.gaussians import Gaussians, transform
from workers.geometry.posed_cameras import PosedCamera
from workers.geometry.poses import Similarity
from workers.geometry.spherical_harmonics import SH_C0

log = logging.getLogger(__name__)
Array = NDArray[np.float64]
# Fewer views constrain the unseen side too little, and held-out ones judge too little. Chosen, not measured.
MIN_VIEWS = 8
HELD_OUT_EVERY = 5
# Weight of the squared error of alpha beside that of colour. Not tuned.
ALPHA_WEIGHT = 1.0
# Adam's initial rates, which decay to a tenth; that of the means is a share of the object's size. Not tuned.
# Harmonics learn as fast as degree 0 in its own unit: with the twentieth of 3DGS, 60 steps brought 0.2 dB to
# a drawn block whose colours depend on the side, and with this rate 3.3 dB.
LEARNING_RATES = {"means": 4e-4, "rotations": 1e-3, "scales": 5e-3, "opacities": 2e-2, "colors": 5e-3}
LEARNING_RATES["harmonics"] = LEARNING_RATES["colors"] / SH_C0
FINAL_RATE = 0.1
# Adam steps on a CPU, about 8 s on two cores for 16 views of 192 x 192 (bench/objects/views.py --refine).
CPU_STEPS = 150


@dataclass(frozen=True, slots=True, kw_only=True)
class RefinementBudget:
    """What refining may cost: Adam `steps`, crops of at most `long_side` pixels, and a number of Gaussians.

    With `mcmc` Gaussians are relocated and added; without it their number stays the same.
    """

    steps: int = CPU_STEPS
    long_side: int = 256
    max_gaussians: int = 50_000
    mcmc: McmcParameters | None = None


# Chosen for seconds per object on a GPU; not measured there.
GPU_BUDGET = RefinementBudget(steps=1000, long_side=512, max_gaussians=200_000, mcmc=McmcParameters())


def refine_in_object_frame(
    splat: Gaussians,
    world_from_object: Similarity,
    images: Sequence[Rgb],
    masks: Sequence[Mask],
    views: Sequence[PosedCamera],
    *,
    steps: int,
    seed: int,
) -> tuple[Gaussians, float] | None:
    """The better splat in the object's frame and its gain in dB; None where nothing here can refine it.

    None also for fewer than eight views. With gsplat `GPU_BUDGET` applies unless `steps` is 0, else `steps`
    of the CPU's budget. A gain of 0 means that the initial splat was kept, with all of its Gaussians.
    """
    try:
        rasteriser = choose_rasteriser()
    except RasteriserMissing:
        return None
    budget = GPU_BUDGET if rasteriser.name == "gsplat" and steps else RefinementBudget(steps=steps)
    start = subsample(splat, budget.max_gaussians, np.random.default_rng(seed))
    try:
        result = refine(
            transform(start, world_from_object),
            images,
            masks,
            views,
            rasteriser,
            budget=budget,
            seed=seed,
            baseline=transform(splat, world_from_object),
        )
    except HostError as error:
        log.warning("the splat is not refined: %s", error)
        return None
    if result is None:
        return None
    refined, gain = result
    if gain <= 0:
        return splat, 0.0
    return transform(refined, world_from_object.inverse()), round(gain, 3)


def refine(
    splat: Gaussians,
    images: Sequence[Rgb],
    masks: Sequence[Mask],
    views: Sequence[PosedCamera],
    rasteriser: Rasteriser,
    *,
    budget: RefinementBudget,
    seed: int,
    baseline: Gaussians | None = None,
) -> tuple[Gaussians, float] | None:
    """The better splat in the world and its gain in dB on held-out views; None for fewer than eight views.

    `baseline` is the splat to beat, `splat` itself by default; a gain of 0 means that it was kept.
    """
    if len(views) < MIN_VIEWS or budget.steps < 1:
        return None
    crops, held_out = split_held_out(crop_views(images, masks, views, budget.long_side), HELD_OUT_EVERY)
    refined = _optimise(splat, crops, rasteriser, budget, np.random.default_rng(seed))
    baseline = splat if baseline is None else baseline
    gain = mean_psnr(refined, held_out, rasteriser) - mean_psnr(baseline, held_out, rasteriser)
    return (refined, gain) if gain > 0 else (baseline, 0.0)


def mean_psnr(splat: Gaussians, crops: Sequence[ViewCrop], rasteriser: Rasteriser) -> float:
    """PSNR in dB over a middle grey background, mean over the crops."""
    out = []
    for crop in crops:
        rendering = rasteriser.render(splat, crop.view)
        rendered = rendering.color - 0.5 * rendering.alpha[..., None]
        error = rendered - (crop.color - 0.5 * crop.alpha[..., None])
        out.append(-10 * np.log10(max(float((error.astype(np.float64) ** 2).mean()), 1e-12)))
    return float(np.mean(out))


def subsample(splat: Gaussians, count: int, rng: np.random.Generator) -> Gaussians:
    """At most `count` Gaussians, drawn by the area they cover, and widened to cover what all did."""
    if len(splat.means) <= count:
        return splat
    widths = np.sort(splat.scales.astype(np.float64), axis=1)
    covered = splat.opacities * widths[:, 1] * widths[:, 2]
    kept = np.sort(rng.choice(len(covered), count, replace=False, p=covered / covered.sum()))
    widening = np.float32(np.sqrt(covered.sum() / covered[kept].sum()))
    chosen = splat.select(kept)
    return replace(chosen, scales=chosen.scales * widening)


def _optimise(
    splat: Gaussians,
    crops: Sequence[ViewCrop],
    rasteriser: Rasteriser,
    budget: RefinementBudget,
    rng: np.random.Generator,
) -> Gaussians:
    """The splat after `budget.steps` steps of Adam, each on one crop, in random order."""
    size = float(np.ptp(splat.means, axis=0).max())
    parameters = GaussianParameters.from_gaussians(splat)
    order: list[int] = []
    for step in range(1, budget.steps + 1):
        order = order or [int(k) for k in rng.permutation(len(crops))]
        gradients = _compute_gradients(parameters, crops[order.pop()], rasteriser, rng)
        decay = FINAL_RATE ** (step / budget.steps)
        rates = {
            name: rate * decay * (size if name == "means" else 1.0) for name, rate in LEARNING_RATES.items()
        }
        if budget.mcmc is not None:
            for name, gradient in regularise(parameters, size, budget.mcmc).items():
                gradients[name] += gradient
        parameters.adam_step(gradients, rates, step)
        if budget.mcmc is not None:
            if budget.mcmc.is_due(step, budget.steps):
                densify(parameters, budget.mcmc, rng)
            add_noise(parameters, size, decay, budget.mcmc, rng)
    return parameters.to_gaussians()


def _compute_gradients(
    parameters: GaussianParameters, crop: ViewCrop, rasteriser: Rasteriser, rng: np.random.Generator
) -> dict[str, Array]:
    """Gradients of the squared errors of colour, over a random background, and of alpha."""
    splat = parameters.to_gaussians()
    rendering = rasteriser.render(splat, crop.view)
    background = rng.random(3).astype(np.float32)
    alpha_error = rendering.alpha - crop.alpha
    color_error = rendering.color - crop.color - alpha_error[..., None] * background
    by_color = np.asarray(2 * color_error / color_error.size, dtype=np.float32)
    by_alpha = np.asarray(
        2 * ALPHA_WEIGHT * alpha_error / alpha_error.size - by_color @ background, dtype=np.float32
    )
    _, gradients = rasteriser.backward(splat, crop.view, by_color, by_alpha)
    return parameters.backpropagate(splat, gradients)
