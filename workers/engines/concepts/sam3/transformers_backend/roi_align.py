"""ROI pooling in plain torch: the one thing for which SAM 3's boxes need torchvision.

The sampling is that of torchvision's `roi_align` with its defaults (aligned=False, adaptive sampling ratio):
He et al., Mask R-CNN, 2017; a bin's value is the mean of bilinear samples, zero beyond the border by 1.
"""

from types import SimpleNamespace
from typing import Any

import torch
from transformers.models.sam3 import modeling_sam3 as stock


def roi_align(features: Any, boxes: Any, output_size: int) -> Any:
    """Pool (B, C, H, W) features in boxes to (sum of boxes, C, S, S), image by image.

    `boxes` holds for each image a float (N, 4) of xyxy in feature cells.
    """
    pooled = [
        _pool_box(plane, box, output_size)
        for plane, of_image in zip(features, boxes, strict=True)
        for box in of_image.float().tolist()
    ]
    if not pooled:
        return features.new_zeros((0, features.shape[1], output_size, output_size))
    return torch.stack(pooled)


def install() -> None:
    """Let transformers' geometry encoder use ours where torchvision is not installed."""
    if not hasattr(stock, "torchvision"):
        stock.torchvision = SimpleNamespace(ops=SimpleNamespace(roi_align=roi_align))


def _pool_box(plane: Any, box: list[float], size: int) -> Any:
    rows = _sampling_weights(box[1], box[3], size, plane.shape[1], plane)
    columns = _sampling_weights(box[0], box[2], size, plane.shape[2], plane)
    with torch.autocast(plane.device.type, enabled=False):
        return rows @ plane @ columns.T


def _sampling_weights(low: float, high: float, size: int, cells: int, like: Any) -> Any:
    """The share (size, cells) of each cell in each bin along one axis; bilinear sampling is separable."""
    length = max(high - low, 1.0)
    samples = max(int(-(-length // size)), 1)
    at = low + (torch.arange(size * samples, dtype=torch.float64) + 0.5) * length / (size * samples)
    inside = (at >= -1.0) & (at <= cells)
    at = at.clamp(0.0, cells - 1.0)
    left = at.floor().long()
    right = (left + 1).clamp(max=cells - 1)
    part = at - left
    out = torch.zeros(size * samples, cells, dtype=torch.float64)
    index = torch.arange(size * samples)
    out.index_put_((index, left), (1 - part) * inside, accumulate=True)
    out.index_put_((index, right), part * inside, accumulate=True)
    return out.view(size, samples, cells).mean(dim=1).to(like)
