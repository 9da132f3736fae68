"""Trains the shape prior on rendered samples, on the CPU.

    build/convert/bin/python -m scripts.training.train_prior --data build/prior --steps 7200

Seeded; the state is saved every 100 steps, and the same command goes on where it was stopped. Prints a line
of Markdown every 100 steps: the mean absolute error of front and back, in shares of the object's size.
"""

import argparse
import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from scripts.training.batches import iterate_batches
from scripts.training.prior_network import PriorNetwork

BATCH, RATE, DECAY, WARM_UP = 16, 1.5e-3, 0.02, 300
# Weight of differences between neighbours, which carry the surface's slope, and their bound at depth steps.
SLOPE_WEIGHT, MAX_STEP = 2.0, 0.1
SAVED_EVERY = 100
AVERAGED = 0.998


def compute_loss(depths: Tensor, scales: Tensor, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    """The mean negative log likelihood of Laplace errors and slopes, and the absolute errors (2,).

    The distance of the whole object is no error: one view does not determine it, and no result uses it.
    """
    valid = batch["valid"].float()
    count = valid.sum(dim=(2, 3)).clamp(min=1)
    difference = (depths - batch["target"]) * valid
    offset = (difference.sum(dim=(2, 3)) / count).mean(dim=1)
    error = (difference - offset[:, None, None, None]).abs()
    likely = error * torch.exp(-scales) + scales + error
    per_sample = (likely * valid).sum(dim=(2, 3)) / count
    slope = depths.new_zeros(())
    for axis in (2, 3):
        both = valid.narrow(axis, 1, valid.shape[axis] - 1) * valid.narrow(axis, 0, valid.shape[axis] - 1)
        step, wanted = (
            values.diff(dim=axis).clamp(-MAX_STEP, MAX_STEP) for values in (depths, batch["target"])
        )
        slope = slope + ((step - wanted).abs() * both).sum() / both.sum().clamp(min=1)
    absolute = ((error * valid).sum(dim=(2, 3)) / count).mean(dim=0)
    return per_sample.mean() + SLOPE_WEIGHT * slope, absolute.detach()


def schedule(step: int, steps: int) -> float:
    """The learning rate's factor: warm-up, then a half cosine to zero."""
    return min(step / WARM_UP, 0.5 + 0.5 * math.cos(math.pi * min(step / steps, 1)))


class Trainer:
    """The network, its running average, and the optimiser; resumable."""

    def __init__(self, seed: int, steps: int, widths: tuple[int, ...] | None = None) -> None:
        torch.manual_seed(seed)
        build = (lambda: PriorNetwork(widths)) if widths else PriorNetwork
        self.network = build().to(memory_format=torch.channels_last)
        self.average = build()
        self.average.load_state_dict(self.network.state_dict())
        self.optimizer = torch.optim.AdamW(self.network.parameters(), RATE, weight_decay=DECAY)
        self.steps, self.step = steps, 0

    def train(self, batch: dict[str, Tensor]) -> tuple[float, Tensor]:
        """One step; its loss and the absolute errors (2,)."""
        self.step += 1
        self.network.train()
        for group in self.optimizer.param_groups:
            group["lr"] = RATE * schedule(self.step, self.steps)
        crop = batch["crop"].contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16):
            depths, scales = self.network(crop, batch["tangent"])
        loss, errors = compute_loss(depths.float(), scales.float(), batch)
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
        self.step = state["step"]


def main() -> None:
    """The command of the module's docstring."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, default=Path("build/prior"))
    parser.add_argument("--steps", type=int, default=6000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("build/prior.pt"))
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    trainer = Trainer(options.seed, options.steps)
    if options.out.exists():
        trainer.load(options.out)
    batches = iterate_batches(options.data, BATCH, np.random.default_rng([options.seed, trainer.step]))
    start, losses, errors = time.monotonic(), [], []
    print("| step | loss | front | back | seconds |\n|---|---|---|---|---|", flush=True)
    while trainer.step < options.steps:
        loss, error = trainer.train(next(batches))
        losses.append(loss)
        errors.append(error)
        if trainer.step % SAVED_EVERY == 0 or trainer.step == options.steps:
            front, back = torch.stack(errors).mean(dim=0).tolist()
            seconds = time.monotonic() - start
            print(
                f"| {trainer.step} | {np.mean(losses):.3f} | {front:.4f} | {back:.4f} | {seconds:.0f} |",
                flush=True,
            )
            losses, errors = [], []
            trainer.save(options.out)


if __name__ == "__main__":
    main()
