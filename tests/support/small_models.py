"""Small torch models, and a loop that trains one: the loss must be finite in every step."""

import itertools
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

# a file that gets one line of Markdown for each model that was trained
TABLE = "MAQUETTE_TRAIN_TABLE"
Batch = Any


@dataclass(frozen=True, slots=True)
class Outcome:
    """The loss of the first step, mean losses of the last quarter of the steps, and those of a baseline that
    knows nothing of its input."""

    first: float
    loss: float
    baseline: float
    steps: int


def train(
    parameters: Iterable[nn.Parameter],
    batches: Callable[[], Iterable[Batch]],
    losses: Callable[[Batch], tuple[torch.Tensor, torch.Tensor]],
    *,
    steps: int,
    rate: float = 3e-3,
) -> Outcome:
    """Train for so many steps; `losses` gives the loss of a batch and that of the baseline."""
    optimizer = torch.optim.Adam(parameters, lr=rate)
    seen: list[tuple[float, float]] = []
    for batch in itertools.islice(_repeat(batches), steps):
        loss, baseline = losses(batch)
        assert torch.isfinite(loss), f"the loss of step {len(seen)} is {loss.item()}"
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        seen.append((float(loss), float(baseline)))
    late = np.array(seen[-max(1, steps // 4) :]).mean(axis=0)
    return Outcome(first=seen[0][0], loss=float(late[0]), baseline=float(late[1]), steps=len(seen))


def _repeat(batches: Callable[[], Iterable[Batch]]) -> Iterable[Batch]:
    while True:
        is_empty = True
        for batch in batches():
            is_empty = False
            yield batch
        assert not is_empty, "the loader gives no batch"


def record(name: str, loader: str, sizes: tuple[int, int], target: str, outcome: Outcome) -> None:
    """Check that the model beats the baseline; add a line to the table of results.

    `sizes` are how many workers loaded, and how many samples make a batch.
    """
    assert outcome.loss < outcome.baseline, f"{name}: {outcome}"
    if path := os.environ.get(TABLE):
        cells = (
            f"`{name}`",
            loader,
            *sizes,
            outcome.steps,
            target,
            f"{outcome.baseline:.3f}",
            f"{outcome.first:.3f}",
            f"{outcome.loss:.3f}",
        )
        with Path(path).open("a") as file:
            file.write(f"| {' | '.join(map(str, cells))} |\n")


def make_pixel_net(outputs: int) -> nn.Module:
    """Images (B, 3, H, W) to maps (B, outputs, H, W)."""
    return nn.Sequential(
        nn.Conv2d(3, 16, 5, padding=2),
        nn.ReLU(),
        nn.Conv2d(16, 16, 5, padding=4, dilation=2),
        nn.ReLU(),
        nn.Conv2d(16, 16, 5, padding=8, dilation=4),
        nn.ReLU(),
        nn.Conv2d(16, outputs, 1),
    )


def make_mlp(inputs: int, outputs: int) -> nn.Module:
    """Vectors to vectors."""
    return nn.Sequential(nn.Linear(inputs, 128), nn.ReLU(), nn.Linear(128, outputs))


def make_act_config(meta: Any, chunk: int) -> Any:
    """The settings of a small ACT policy (LeRobot) for a dataset's metadata; it plans `chunk` actions."""
    from lerobot.configs.types import FeatureType
    from lerobot.policies.act.configuration_act import ACTConfig
    from lerobot.utils.feature_utils import dataset_to_policy_features

    features = dataset_to_policy_features(meta.features)
    return ACTConfig(
        input_features={k: f for k, f in features.items() if f.type is not FeatureType.ACTION},
        output_features={"action": features["action"]},
        chunk_size=chunk,
        n_action_steps=chunk,
        dim_model=64,
        dim_feedforward=128,
        n_heads=4,
        n_encoder_layers=1,
        n_vae_encoder_layers=1,
        pretrained_backbone_weights=None,
        # the loss is then that of the actions alone
        use_vae=False,
        dropout=0.0,
        device="cpu",
    )


def shrink(images: torch.Tensor, side: int) -> torch.Tensor:
    """Images (B, C, H, W) of any type as f32 of side x side."""
    return nn.functional.interpolate(images.float(), size=(side, side), mode="area")


def segmentation_losses(
    net: nn.Module, images: torch.Tensor, masks: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Cross entropy of masks (B, 1, H, W), and that of their mean share; images in [0, 1]."""
    entropy = nn.functional.binary_cross_entropy_with_logits
    share = masks.mean().clamp(1e-4, 1 - 1e-4)
    constant = torch.full_like(masks, float(torch.logit(share)))
    return entropy(net(images - 0.5) + constant, masks), entropy(constant, masks)
