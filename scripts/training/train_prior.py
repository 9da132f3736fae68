"""Trains the shape prior on rendered samples, on the CPU.

    build/convert/bin/python -m scripts.training.train_prior --data build/prior --steps 3700 \
      --classifier models/pplcnetv2_imagenet.onnx --depth-share 0

Seeded; the state is saved every 100 steps, and the same command goes on where it was stopped. Prints a line
of Markdown every 100 steps: the mean absolute error of front and back, in shares of the object's size.
"""

import argparse
import math
import time
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from scripts.training.batches import DEPTH_SHARE, iterate_batches
from scripts.training.image_features import load_classifier
from scripts.training.prior_network import WIDTHS, PriorNetwork

BATCH, RATE, DECAY, WARM_UP = 16, 1.5e-3, 0.02, 300
# The rate from weights that are trained already, and batches that determine its norms.
WARM_RATE, NORM_BATCHES = 6e-4, 12
# The rate of a classifier's stages, as a share of that of the rest: they are trained already.
IMAGE_RATE = 0.25
# Exponent of the expected error by which a sample's likelihood is weighted (beta-NLL, Seitzer et al. 2022):
# with 0 what is easy learns most. The factor keeps the loss of an error of 0.1 as it was.
BETA, BETA_FACTOR = 0.5, 10**0.5
# Weight of differences between neighbours, which carry the surface's slope, and their bound at depth steps.
SLOPE_WEIGHT, MAX_STEP = 2.0, 0.1
# Error in sizes of the object by which a pixel's share in the score falls to 1 / e, the score's weight, and
# that of possibilities that are not the nearest: with none they would never come near.
NEAR, SCORE_WEIGHT, FAR_WEIGHT = 0.08, 0.5, 0.05
# The log factors of depth that are learned, and their weight.
STRETCH_RANGE, STRETCH_WEIGHT = (-0.7, 1.0), 0.3
SAVED_EVERY = 100
LOGGED = ("step", "loss", "front", "back", "chosen", "nearest", "log depth", "seconds")
AVERAGED = 0.998


def compute_loss(
    outputs: tuple[Tensor, Tensor, Tensor, Tensor], batch: dict[str, Tensor]
) -> tuple[Tensor, Tensor]:
    """The loss of all hypotheses, and the errors (5,) of the first, the chosen, the best and the stretch.

    The first two are front and back of the first hypothesis; the last is that of the log of its depth.

    Per hypothesis the weighted negative log likelihood of Laplace errors, and slopes. The first learns from
    every sample; of the others mostly the one that is nearest, so that they are possibilities and not their
    mean. The distance of the whole object is no error: one view does not determine it, and no result uses it.
    """
    depths, scales, scores, stretches = outputs
    valid = batch["valid"].float()[:, None]
    target = batch["target"][:, None]
    count = valid.sum(dim=(3, 4)).clamp(min=1)
    difference = (depths - target) * valid
    offset = (difference.sum(dim=(3, 4)) / count).mean(dim=2)
    error = (difference - offset[:, :, None, None, None]).abs()
    weight = BETA_FACTOR * torch.exp(BETA * scales).detach()
    likely = weight * (error * torch.exp(-scales) + scales) + error
    losses = ((likely * valid).sum(dim=(3, 4)) / count).mean(dim=2)
    losses = losses + SLOPE_WEIGHT * _compare_slopes(depths, target, valid)
    absolute = ((error * valid).sum(dim=(3, 4)) / count).detach()
    quality = ((torch.exp(-error / NEAR) * valid).sum(dim=(3, 4)) / count).mean(dim=2).detach()
    best = quality[:, 1:].argmax(dim=1, keepdim=True)
    weights = torch.full_like(quality[:, 1:], FAR_WEIGHT).scatter(1, best, 1.0)
    shape = losses[:, 0] + (losses[:, 1:] * weights).sum(dim=1)
    wanted = torch.log(_spread(target, valid) / _spread(depths.detach(), valid)).clamp(*STRETCH_RANGE)
    off = (stretches - wanted).abs()
    score = functional.binary_cross_entropy_with_logits(scores, quality)
    means = absolute.mean(dim=2)
    taken = scores.detach().argmax(dim=1, keepdim=True)
    nearest = quality.argmax(dim=1, keepdim=True)
    others = (means.gather(1, index).mean() for index in (taken, nearest))
    errors = torch.stack([*absolute[:, 0].mean(dim=0), *others, off[:, 0].mean().detach()])
    return shape.mean() / 2 + SCORE_WEIGHT * score + STRETCH_WEIGHT * off.mean(), errors


def _spread(depths: Tensor, valid: Tensor) -> Tensor:
    """The standard deviations (N, K) of depths (N, K, 2, S, S): how deep objects are."""
    count = 2 * valid.sum(dim=(2, 3, 4)).clamp(min=1)
    mean = (depths * valid).sum(dim=(2, 3, 4)) / count
    square = ((depths - mean[:, :, None, None, None]).square() * valid).sum(dim=(2, 3, 4)) / count
    return (square + 1e-6).sqrt()


def _compare_slopes(depths: Tensor, target: Tensor, valid: Tensor) -> Tensor:
    """The mean errors (N, K) of the differences between neighbours."""
    out = depths.new_zeros(depths.shape[:2])
    for axis in (3, 4):
        both = valid.narrow(axis, 1, valid.shape[axis] - 1) * valid.narrow(axis, 0, valid.shape[axis] - 1)
        step, wanted = (values.diff(dim=axis).clamp(-MAX_STEP, MAX_STEP) for values in (depths, target))
        total = both.sum(dim=(2, 3, 4)).clamp(min=1)
        out = out + ((step - wanted).abs() * both).sum(dim=(2, 3, 4)) / total
    return out


def schedule(step: int, steps: int) -> float:
    """The learning rate's factor: warm-up, then a half cosine to zero."""
    return min(step / WARM_UP, 0.5 + 0.5 * math.cos(math.pi * min(step / steps, 1)))


class Trainer:
    """The network, its running average, and the optimiser; resumable."""

    def __init__(
        self, seed: int, steps: int, widths: tuple[int, ...] = WIDTHS, classifier: Path | None = None
    ) -> None:
        torch.manual_seed(seed)
        image = None if classifier is None else load_classifier(classifier)
        self.network = PriorNetwork(widths, image).to(memory_format=torch.channels_last)
        self.average = deepcopy(self.network)
        named = list(self.network.named_parameters())
        groups = [
            {"params": [p for name, p in named if name.startswith("image.") is is_image], "share": share}
            for is_image, share in ((False, 1.0), (True, IMAGE_RATE))
        ]
        self.optimizer = torch.optim.AdamW(
            [group for group in groups if group["params"]], RATE, weight_decay=DECAY
        )
        self.steps, self.step, self.rate = steps, 0, RATE

    def start_from(self, model: Path, batches: Iterator[dict[str, Tensor]]) -> None:
        """Take the weights of an ONNX file that `export_prior` wrote; the batches determine the norms."""
        from scripts.training.warm_start import load_onnx, measure_norms  # onnx is needed for nothing else

        self.rate = WARM_RATE
        for network in (self.network, self.average):
            load_onnx(network, model)
        measure_norms(self.network, [next(batches) for _ in range(NORM_BATCHES)])
        self.average.load_state_dict(self.network.state_dict())

    def train(self, batch: dict[str, Tensor]) -> tuple[float, Tensor]:
        """One step; its loss and the errors (5,) of `compute_loss`."""
        self.step += 1
        self.network.train()
        for group in self.optimizer.param_groups:
            group["lr"] = group["share"] * self.rate * schedule(self.step, self.steps)
        crop = batch["crop"].contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16):
            outputs = self.network(crop, batch["tangent"])
        loss, errors = compute_loss(tuple(output.float() for output in outputs), batch)
        self.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)
        self.optimizer.step()
        kept = min(AVERAGED, self.step / (self.step + 10))
        with torch.no_grad():
            for slow, fast in zip(
                self.average.state_dict().values(), self.network.state_dict().values(), strict=True
            ):
                if slow.dtype.is_floating_point:
                    slow.lerp_(fast, 1 - kept)
                else:
                    slow.copy_(fast)
        return float(loss.detach()), errors

    def save(self, path: Path) -> None:
        """Write the state completely or not at all."""
        state: dict[str, Any] = {
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "rate": self.rate,
        }
        partial = path.with_suffix(".part")
        torch.save(state, partial)
        partial.replace(path)

    def load(self, path: Path) -> None:
        """Go on from a saved state."""
        state = torch.load(path, weights_only=True)
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.rate = state["step"], state["rate"]


def main() -> None:
    """The command of the module's docstring."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, default=Path("build/prior"))
    parser.add_argument("--steps", type=int, default=6000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--start", type=Path, help="an ONNX file whose weights to begin with")
    parser.add_argument("--classifier", type=Path, help="the ONNX file of PP-LCNetV2, to see what it sees")
    parser.add_argument("--depth-share", type=float, default=DEPTH_SHARE, help="samples with measured depth")
    parser.add_argument("--out", type=Path, default=Path("build/prior.pt"))
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    trainer = Trainer(options.seed, options.steps, classifier=options.classifier)
    if options.out.exists():
        trainer.load(options.out)
    rng = np.random.default_rng([options.seed, trainer.step])
    batches = iterate_batches(options.data, BATCH, rng, options.depth_share)
    if options.start and not options.out.exists():
        trainer.start_from(options.start, batches)
    start, losses, errors = time.monotonic(), [], []
    print(f"| {' | '.join(LOGGED)} |\n{'|---' * len(LOGGED)}|", flush=True)
    while trainer.step < options.steps:
        loss, error = trainer.train(next(batches))
        losses.append(loss)
        errors.append(error)
        if trainer.step % SAVED_EVERY == 0 or trainer.step == options.steps:
            shares = " | ".join(f"{value:.4f}" for value in torch.stack(errors).mean(dim=0).tolist())
            seconds = time.monotonic() - start
            print(
                f"| {trainer.step} | {np.mean(losses):.3f} | {shares} | {seconds:.0f} |",
                flush=True,
            )
            losses, errors = [], []
            trainer.save(options.out)


if __name__ == "__main__":
    main()
