"""Batches for the shape prior from rendered shards, with all that goes wrong in real crops."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

# Shares of samples with a measured depth, a ragged mask, a wrong focal length, no colours, and other ones.
DEPTH_SHARE, RAGGED_SHARE, WRONG_FOCAL_SHARE, GREY_SHARE, SWAPPED_SHARE = 0.35, 0.3, 0.2, 0.1, 0.3
# Deviations of the logs of gamma and of each colour's gain.
GAMMA_DEVIATION, GAIN_DEVIATION = 0.2, 0.08
# Share of measured depths without noise and holes, and the largest share of single pixels that are missing.
EXACT_SHARE, MISSING_SHARE = 0.4, 0.3
# Share of the object's side that its crop spans; the same as `prior_input.FILL`.
FILL = 0.92


def iterate_shards(folder: Path, rng: np.random.Generator) -> Iterator[dict[str, np.ndarray]]:
    """Endless shards in random order; new ones are found as they are written."""
    while True:
        for path in rng.permutation(sorted(str(path) for path in folder.glob("*.npz"))):
            with np.load(path, allow_pickle=False) as arrays:
                yield {name: arrays[name] for name in arrays.files}


def iterate_batches(
    folder: Path,
    size: int,
    rng: np.random.Generator,
    depth_share: float = DEPTH_SHARE,
    mixed: int = 4,
) -> Iterator[dict[str, Tensor]]:
    """Endless batches of `size`, each drawn from `mixed` shards at a time."""
    shards = iterate_shards(folder, rng)
    while True:
        group = [next(shards) for _ in range(mixed)]
        joined = {name: np.concatenate([shard[name] for shard in group]) for name in group[0]}
        order = rng.permutation(len(joined["mask"]))
        for start in range(0, len(order) - size + 1, size):
            chosen = order[start : start + size]
            yield augment({name: values[chosen] for name, values in joined.items()}, rng, depth_share)


def augment(
    arrays: dict[str, np.ndarray], rng: np.random.Generator, depth_share: float = DEPTH_SHARE
) -> dict[str, Tensor]:
    """`crop` (N, 6, S, S), `tangent` (N,), `target` (N, 2, S, S) and `valid` (N, 1, S, S) of raw samples."""
    count = len(arrays["mask"])
    rgb = torch.from_numpy(arrays["rgb"]).permute(0, 3, 1, 2).float() / 255
    mask = torch.from_numpy(arrays["mask"])[:, None].float()
    depths = torch.from_numpy(np.stack([arrays["front"], arrays["back"]], axis=1).astype(np.float32))
    tangent = torch.from_numpy(arrays["tangent"])
    mirrored = _choose(rng, count, 0.5)
    rgb, mask, depths = (torch.where(mirrored, values.flip(3), values) for values in (rgb, mask, depths))
    seen = torch.where(_choose(rng, count, RAGGED_SHARE), _tear(mask, rng), mask)
    rgb = _recolour(rgb, rng) * seen
    valid = (mask > 0) & (seen > 0) & torch.isfinite(depths).all(dim=1, keepdim=True)
    target = torch.nan_to_num(depths)
    measured, known = _measure(target[:, :1], tangent, valid, rng, depth_share)
    wrong = torch.from_numpy(np.exp(rng.normal(0, 0.35, count)).astype(np.float32))
    stated = torch.where(_choose(rng, count, WRONG_FOCAL_SHARE).flatten(), tangent * wrong, tangent)
    crop = torch.cat([rgb, seen, measured, known], dim=1)
    return {"crop": crop, "tangent": stated, "target": target, "valid": valid}


def _choose(rng: np.random.Generator, count: int, share: float) -> Tensor:
    return torch.from_numpy(rng.random(count) < share)[:, None, None, None]


def _recolour(rgb: Tensor, rng: np.random.Generator) -> Tensor:
    """Images (N, 3, S, S) in [0, 1] in grey, with swapped channels, and as other cameras expose them."""
    count = len(rgb)
    rgb = torch.where(_choose(rng, count, GREY_SHARE), rgb.mean(dim=1, keepdim=True), rgb)
    channels = torch.from_numpy(rng.permuted(np.tile(np.arange(3), (count, 1)), axis=1))
    swapped = rgb.gather(1, channels[:, :, None, None].expand_as(rgb))
    rgb = torch.where(_choose(rng, count, SWAPPED_SHARE), swapped, rgb)
    gain = torch.from_numpy(np.exp(rng.normal(0, GAIN_DEVIATION, (count, 3, 1, 1))).astype(np.float32))
    gamma = torch.from_numpy(np.exp(rng.normal(0, GAMMA_DEVIATION, (count, 1, 1, 1))).astype(np.float32))
    return (rgb.clamp(1e-3, 1) ** gamma * gain).clamp(0, 1)


def _noise(rng: np.random.Generator, count: int, coarse: int, side: int) -> Tensor:
    """Smooth noise (N, 1, S, S) of about unit deviation."""
    field = torch.from_numpy(rng.normal(size=(count, 1, coarse, coarse)).astype(np.float32))
    return functional.interpolate(field, size=(side, side), mode="bilinear", align_corners=False)


def _tear(mask: Tensor, rng: np.random.Generator) -> Tensor:
    """Masks whose outlines wander by a pixel or two, as those of a segmenter do."""
    soft = functional.avg_pool2d(mask, 5, 1, 2)
    return (soft + 0.25 * _noise(rng, len(mask), 16, mask.shape[-1]) > 0.5).float()


def _measure(
    front: Tensor, tangent: Tensor, valid: Tensor, rng: np.random.Generator, depth_share: float
) -> tuple[Tensor, Tensor]:
    """Measured depth relative to its median, as `prior_input` makes it, and where it is known."""
    count, side = len(front), front.shape[-1]
    extent = (2 * FILL * tangent)[:, None, None, None]
    z = 1 + front * extent
    exact = rng.random((count, 1, 1, 1)) < EXACT_SHARE
    spread = np.where(exact, 0, np.abs(rng.normal(0, 0.02, exact.shape)))
    noise = torch.from_numpy(spread.astype(np.float32))
    z = z + extent * noise * _noise(rng, count, 20, side)
    bound = np.where(exact, np.inf, rng.uniform(0.2, 3, exact.shape))
    missing = np.where(exact, 0, rng.uniform(0, MISSING_SHARE, exact.shape))
    holes = _noise(rng, count, 8, side) > torch.from_numpy(bound.astype(np.float32))
    holes |= torch.from_numpy(rng.random((count, 1, side, side)) < missing)
    known = valid & ~holes & _choose(rng, count, depth_share)
    flat = torch.where(known, z, torch.nan).flatten(1)
    median = torch.nan_to_num(flat.nanmedian(dim=1).values, nan=1.0)[:, None, None, None]
    relative = (z - median) / (extent * median)
    return torch.where(known, relative.clamp(-2, 2), 0.0), known.float()
