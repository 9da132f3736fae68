"""Refining an object's splat on the views it was made of, by colour and alpha; kept only when it helps.

Every few views are held out. The splat that is better on them, in PSNR over random backgrounds, is the one
that is given: the start, whose colours have seen the held-out views too, or the refined one.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.engines.objects.splats import mcmc
from workers.engines.objects.splats.mcmc import Growth
from workers.engines.objects.splats.optimizer import Opened
from workers.engines.protocols import Mask, Rgb
from workers.engines.rasterisers.protocol import Rasteriser
from workers.geometry.boxes import mask_extent
from workers.geometry.gaussians import Gaussians
from workers.geometry.posed_cameras import PosedCamera

Array = NDArray[np.float64]
LEAST_VIEWS = 8
HELD_EVERY = 5
LONG_SIDE = 256
MARGIN = 0.08
ALPHA_WEIGHT = 1.0
# Adam's rates; those of means and log scales are shares of the object's size and of e.
RATES = {"means": 4e-4, "rotations": 1e-3, "scales": 5e-3, "opacities": 2e-2, "colors": 5e-3}


@dataclass(frozen=True, slots=True, eq=False)
class Target:
    """A window of a view that holds the object: colours (h, w, 3) and alpha (h, w) in [0, 1]."""

    view: PosedCamera
    color: NDArray[np.float32]
    alpha: NDArray[np.float32]


def refine(
    splat: Gaussians,
    images: Sequence[Rgb],
    masks: Sequence[Mask],
    views: Sequence[PosedCamera],
    rasteriser: Rasteriser,
    *,
    steps: int,
    seed: int,
    growth: Growth | None = None,
    long_side: int = LONG_SIDE,
    against: Gaussians | None = None,
) -> tuple[Gaussians, float] | None:
    """The better splat (in the world) and its gain in dB on held-out views; None when there are too few.

    A gain of 0 means that the start was kept. With `growth` Gaussians are moved and added; without, their
    number stays. Views are looked at in windows of at most `long_side` pixels. `against` is what has to be
    beaten and is kept else, `splat` unless it is told.
    """
    if len(views) < LEAST_VIEWS or steps < 1:
        return None
    targets = [target(*of, long_side) for of in zip(images, masks, views, strict=True)]
    held = targets[HELD_EVERY // 2 :: HELD_EVERY]
    shown = [one for number, one in enumerate(targets) if number % HELD_EVERY != HELD_EVERY // 2]
    size = float(np.ptp(splat.means, axis=0).max())
    opened = Opened.of(splat)
    rng = np.random.default_rng(seed)
    order: list[int] = []
    for step in range(1, steps + 1):
        order = order or [int(k) for k in rng.permutation(len(shown))]
        slopes = _slopes(opened, shown[order.pop()], rasteriser, rng)
        fade = 0.1 ** (step / steps)
        rates = {name: rate * fade * (size if name == "means" else 1.0) for name, rate in RATES.items()}
        if growth is not None:
            for name, slope in mcmc.costs(opened, size).items():
                slopes[name] += slope
        opened.step(slopes, rates, step)
        if growth is not None:
            if growth.due(step, steps):
                mcmc.grow(opened, growth, rng)
            mcmc.wander(opened, size, fade, rng)
    made = opened.splat()
    rival = splat if against is None else against
    gain = quality(made, held, rasteriser) - quality(rival, held, rasteriser)
    return (made, gain) if gain > 0 else (rival, 0.0)


def target(image: Rgb, mask: Mask, view: PosedCamera, long_side: int = LONG_SIDE) -> Target:
    """The object's window of a view, at most `long_side` pixels long."""
    left, top, right, bottom = mask_extent(mask)
    margin = int(MARGIN * (max(right - left, bottom - top) - 1)) + 2
    y0, y1 = max(top - margin, 0), min(bottom + margin, mask.shape[0])
    x0, x1 = max(left - margin, 0), min(right + margin, mask.shape[1])
    ratio = min(1.0, long_side / max(y1 - y0, x1 - x0))
    width, height = max(1, round((x1 - x0) * ratio)), max(1, round((y1 - y0) * ratio))
    camera = view.camera.crop(x0, y0, x1 - x0, y1 - y0).resized(width, height)
    alpha = mask[y0:y1, x0:x1].astype(np.float32)
    color = image[y0:y1, x0:x1].astype(np.float32) / 255 * alpha[..., None]
    if ratio < 1:
        alpha = cv2.resize(alpha, (width, height), interpolation=cv2.INTER_AREA)
        color = cv2.resize(color, (width, height), interpolation=cv2.INTER_AREA)
    return Target(PosedCamera(camera, view.cam_from_world), np.asarray(color), np.asarray(alpha))


def quality(splat: Gaussians, targets: Sequence[Target], rasteriser: Rasteriser) -> float:
    """PSNR in dB over a middle grey, mean over the targets."""
    out = []
    for one in targets:
        drawn = rasteriser.render(splat, one.view)
        error = (drawn.color - 0.5 * drawn.alpha[..., None]) - (one.color - 0.5 * one.alpha[..., None])
        out.append(-10 * np.log10(max(float((error.astype(np.float64) ** 2).mean()), 1e-12)))
    return float(np.mean(out))


def _slopes(
    opened: Opened, one: Target, rasteriser: Rasteriser, rng: np.random.Generator
) -> dict[str, Array]:
    """Gradients of the squared errors of colour, over a random background, and of alpha."""
    splat = opened.splat()
    drawn = rasteriser.render(splat, one.view)
    background = rng.random(3).astype(np.float32)
    more = drawn.alpha - one.alpha
    error = drawn.color - one.color - more[..., None] * background
    by_color = np.asarray(2 * error / error.size, dtype=np.float32)
    by_alpha = np.asarray(2 * ALPHA_WEIGHT * more / more.size - by_color @ background, dtype=np.float32)
    _, found = rasteriser.backward(splat, one.view, by_color, by_alpha)
    return opened.slopes(splat, found)
