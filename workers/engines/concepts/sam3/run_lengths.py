"""Masks as run lengths, computed on the device that holds them, so that nothing larger crosses the bus."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from workers.engines.protocols import Mask, Runs


def compute_run_lengths(masks: Any) -> tuple[Any, Any]:
    """Run lengths of bool masks (K, H, W), and how many each mask has (K,); both int64 on the masks' device.

    Runs are COCO's: column-major, zeros and ones in turns, zeros first (0 where the first pixel is set). They
    stand one mask after the other in one vector, and those of a mask sum to H * W.
    """
    count, height, width = masks.shape
    pixels = masks.transpose(1, 2).reshape(count, height * width)
    # a run ends where a pixel differs from the one before, and at the end of the mask
    ends = masks.new_ones((count, height * width + 1), dtype=torch.bool)
    ends[:, 0] = pixels[:, 0]
    torch.ne(pixels[:, 1:], pixels[:, :-1], out=ends[:, 1:-1])
    rows, places = torch.nonzero(ends, as_tuple=True)
    starts = torch.zeros_like(places)
    starts[1:] = torch.where(rows[1:] == rows[:-1], places[:-1], 0)
    return places - starts, ends.sum(dim=1)


def read_masks(masks: Any) -> Iterator[tuple[Mask, Runs]]:
    """Bool masks (K, H, W) of any device as arrays (H, W), each with its run lengths."""
    height, width = masks.shape[1:]
    lengths, counts = (values.cpu().numpy() for values in compute_run_lengths(masks))
    for runs in np.split(lengths, np.cumsum(counts)[:-1]):
        yield decode_runs(runs, height, width), runs


def decode_runs(runs: Runs, height: int, width: int) -> Mask:
    """The mask (H, W) of column-major run lengths that sum to H * W."""
    values: NDArray[np.bool_] = np.arange(len(runs)) % 2 == 1
    return np.ascontiguousarray(np.repeat(values, runs).reshape(width, height).T)
