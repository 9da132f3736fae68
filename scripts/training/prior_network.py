"""The shape prior: from a crop of an object to the depth of its front and its back.

A U-Net with attention at its coarse end and several heads: the first gives the mean of what the object may
be, the others one possibility each, and scores say which of them is nearest.

Needs torch, which the product does not: see scripts/training/README.md.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from scripts.training.image_features import FEATURES, ImageFeatures

# Channels from half the crop's resolution down, halving it each time.
WIDTHS = (32, 64, 128, 192)
# Blocks of attention between the pixels of a crop an eighth as wide, their heads, and that crop's side.
BLOCKS, HEADS, TOKENS_SIDE = 3, 4, 10
# Pixels along a cell of the coarse mask, and sides in cells of the boxes over which it is averaged: how far
# inside a pixel lies.
CELL, BOXES = 4, (3, 5, 11)
# Bounds of the predicted log scale of errors.
LOG_SCALE = (-6.0, 1.0)
# What the object may be: its mean, and three possibilities.
HYPOTHESES = 4
# Channels of a head: front, back and the log scales of their errors, for 2 x 2 pixels each.
HEAD = 16
# Crop channels: red, green, blue in [0, 1] inside the mask, the mask, measured depth, where there is any.
CHANNELS = 6


def _convolve(inner: int, outer: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inner, outer, 3, stride, 1, bias=False), nn.BatchNorm2d(outer), nn.ReLU(inplace=True)
    )


class Attention(nn.Module):
    """A pre-norm transformer block over the pixels of a feature map: what one side shows of the others."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.before, self.after = nn.LayerNorm(width), nn.LayerNorm(width)
        self.project, self.join = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.think = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens (N, T, C) to tokens of the same shape."""
        count, length, width = tokens.shape
        joint = self.project(self.before(tokens)).reshape(count, length, 3, HEADS, width // HEADS)
        query, key, value = joint.permute(2, 0, 3, 1, 4)
        weights = (query @ key.transpose(-1, -2) * (width // HEADS) ** -0.5).softmax(dim=-1)
        mixed = (weights @ value).transpose(1, 2).reshape(count, length, width)
        tokens = tokens + self.join(mixed)
        return tokens + self.think(self.after(tokens))


class PriorNetwork(nn.Module):
    """Front and back depths, relative to the object's size, log scales of their errors, and scores."""

    def __init__(self, widths: tuple[int, ...] = WIDTHS, image: ImageFeatures | None = None) -> None:
        super().__init__()
        self.image = image
        if image is not None:
            # they begin at nothing, so that a trained network stays what it is
            pairs = zip(FEATURES, widths, strict=True)
            self.seen = nn.ModuleList(nn.Conv2d(inner, outer, 1) for inner, outer in pairs)
            self.recognised = nn.Linear(FEATURES[-1], widths[-1])
            for module in (*self.seen, self.recognised):
                nn.init.zeros_(module.weight)
                nn.init.zeros_(module.bias)
        channels = CHANNELS + 2 + len(BOXES)
        self.stem = nn.Sequential(nn.PixelUnshuffle(2), _convolve(4 * channels, widths[0]))
        pairs = list(pairwise(widths))
        self.down = nn.ModuleList(nn.Sequential(_convolve(a, b, 2), _convolve(b, b)) for a, b in pairs)
        self.middle = _convolve(widths[-1], widths[-1])
        self.up = nn.ModuleList(nn.Sequential(_convolve(a + b, a), _convolve(a, a)) for a, b in pairs)
        coarse = widths[-2]
        self.place = nn.Parameter(torch.randn(1, TOKENS_SIDE * TOKENS_SIDE, coarse) * 0.02)
        self.attention = nn.Sequential(*(Attention(coarse) for _ in range(BLOCKS)))
        self.pooled = nn.Linear(widths[-1], widths[-1])
        self.head = nn.Conv2d(widths[0], HYPOTHESES * HEAD, 3, 1, 1)
        seen = widths[-1] + coarse + widths[0]
        self.score = nn.Sequential(
            nn.Linear(seen, coarse), nn.ReLU(inplace=True), nn.Linear(coarse, HYPOTHESES)
        )
        self.stretch = nn.Sequential(
            nn.Linear(seen, coarse), nn.ReLU(inplace=True), nn.Linear(coarse, HYPOTHESES)
        )

    def forward(self, crop: Tensor, tangent: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """`crop` (N, 6, S, S) and `tangent` (N,) to what K hypotheses say.

        Depths and log scales (N, K, 2, S, S), front and back; the logits (N, K) of their scores; and the log
        factors (N, K) by which the object is deeper than that: what differs from pixel to pixel is averaged
        away, and with it some of the depth.
        """
        image = None if self.image is None else self.image(crop)
        features = self.stem(_add_geometry(crop, tangent))
        skipped = []
        for number, stage in enumerate((*self.down, self.middle)):
            if image is not None:
                features = features + self.seen[number](image[number])
            skipped.append(features)
            features = stage(features)
        whole = self.pooled(features.mean(dim=(2, 3)))
        if image is not None:
            whole = whole + self.recognised(image[-1].mean(dim=(2, 3)))
        features = features + whole[:, :, None, None]
        seen = [whole]
        for stage, skip in zip(reversed(self.up), reversed(skipped[:-1]), strict=True):
            wider = functional.interpolate(features, scale_factor=2.0, mode="nearest")
            features = stage(torch.cat([wider, skip], dim=1))
            if features.shape[-1] == TOKENS_SIDE:
                tokens = self.attention(features.flatten(2).transpose(1, 2) + self.place)
                seen.append(tokens.mean(dim=1))
                features = tokens.transpose(1, 2).reshape(features.shape)
        seen.append(features.mean(dim=(2, 3)))
        raw = functional.pixel_shuffle(self.head(features).float(), 2)
        raw = raw.unflatten(1, (HYPOTHESES, HEAD // 4))
        front = raw[:, :, :1] + crop[:, None, 4:5]
        back = front + 0.5 * functional.softplus(raw[:, :, 1:2])
        whole = torch.cat(seen, dim=1)
        depths, scales = torch.cat([front, back], dim=2), raw[:, :, 2:].clamp(*LOG_SCALE)
        return depths, scales, self.score(whole).float(), self.stretch(whole).float()


def _add_geometry(crop: Tensor, tangent: Tensor) -> Tensor:
    """The crop with the slopes of its rays and averages of its mask as further channels."""
    side = crop.shape[-1]
    steps = (torch.arange(side, device=crop.device, dtype=crop.dtype) + 0.5) / side * 2 - 1
    x = (steps[None, None, None] * tangent[:, None, None, None]).expand(-1, 1, side, -1)
    y = (steps[None, None, :, None] * tangent[:, None, None, None]).expand(-1, 1, -1, side)
    mask = crop[:, 3:4]
    coarse = functional.avg_pool2d(mask, CELL)
    averages = [
        functional.interpolate(
            functional.avg_pool2d(coarse, box, 1, box // 2),
            scale_factor=float(CELL),
            mode="bilinear",
            align_corners=False,
        )
        for box in BOXES
    ]
    return torch.cat([crop, x, y, *averages], dim=1)
