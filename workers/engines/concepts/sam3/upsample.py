"""Mask logits brought to the image's size as booleans, one by one, without a float image per mask."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from workers.engines.concepts.sam3.run_lengths import read_masks
from workers.engines.protocols import Mask, Runs

# Share of the image's area above which PyTorch's own kernel is used instead of a crop about the object.
# Chosen, not measured; bench/concepts/sam3_postprocessing.py compares the two ways as a whole.
CROP_SHARE = 0.15


def upsample_masks(logits: Any, size: tuple[int, int], chunk: int, *, probabilities: bool) -> Iterator[Mask]:
    """The masks of `upsample_with_runs` alone."""
    for mask, _ in upsample_with_runs(logits, size, chunk, probabilities=probabilities):
        yield mask


def upsample_with_runs(
    logits: Any, size: tuple[int, int], chunk: int, *, probabilities: bool
) -> Iterator[tuple[Mask, Runs | None]]:
    """Boolean masks (H, W) of logits (K, h, w), interpolated as transformers' processors do (bilinear).

    With `probabilities` they are interpolated and cut at 0.5 (the detector), else logits are cut at 0 (visual
    prompts and video). A GPU takes `chunk` masks at a time and computes their run lengths, which alone leave
    it. On a CPU only the surroundings of a small object are interpolated, and there are no run lengths.
    """
    threshold = 0.5 if probabilities else 0.0
    if not len(logits):
        return
    on_gpu = _is_on_gpu(logits)
    for part in logits.split(chunk if on_gpu else 1):
        field = part.float().sigmoid() if probabilities else part.float()
        window = None if on_gpu else _find_window((field[0] > threshold).cpu().numpy(), size)
        if on_gpu:
            yield from _interpolate_on_gpu(field, size, threshold)
        elif window is None:
            yield np.ascontiguousarray(_interpolate(field, size, threshold)[0].numpy()), None
        else:
            mask = np.zeros(size, np.bool_)
            mask[window] = (_interpolate_window(field[0], size, window) > threshold).numpy()
            yield mask, None


def _is_on_gpu(logits: Any) -> bool:
    return bool(logits.is_cuda)


def _interpolate_on_gpu(
    field: Any, size: tuple[int, int], threshold: float
) -> Iterator[tuple[Mask, Runs | None]]:
    """The masks of a few fields (K, h, w); on the CPU, one by one, where they do not fit on the GPU."""
    try:
        masks = list(read_masks(_interpolate(field, size, threshold)))
    except torch.OutOfMemoryError:
        torch.cuda.empty_cache()
        for each in field.cpu().split(1):
            yield from read_masks(_interpolate(each, size, threshold))
    else:
        yield from masks


def _interpolate(field: Any, size: tuple[int, int], threshold: float) -> Any:
    full = torch.nn.functional.interpolate(field[:, None], size=size, mode="bilinear", align_corners=False)
    return full[:, 0] > threshold


def _find_window(cells: NDArray[np.bool_], size: tuple[int, int]) -> tuple[slice, slice] | None:
    """The pixels (rows, columns) that a set cell can reach, or None where that is most of the image."""
    rows, columns = (
        _find_reach(np.flatnonzero(cells.any(1 - axis)), cells.shape[axis], size[axis]) for axis in (0, 1)
    )
    area = (rows.stop - rows.start) * (columns.stop - columns.start)
    return None if area > CROP_SHARE * size[0] * size[1] else (rows, columns)


def _find_reach(on: NDArray[np.intp], cells: int, size: int) -> slice:
    """The pixels of one axis that read one of the cells `on`: bilinear interpolation reads two per axis."""
    if not len(on):
        return slice(0, 0)
    scale = size / cells
    low, high = (on[0] - 0.5) * scale - 1, (on[-1] + 1.5) * scale + 1
    return slice(max(int(low), 0), min(int(high) + 1, size))


def _interpolate_window(field: Any, size: tuple[int, int], window: tuple[slice, slice]) -> Any:
    """What bilinear interpolation of the field (h, w) to the size (H, W) gives inside a window."""
    above, below, down = _neighbours(size[0], field.shape[0], window[0])
    rows = torch.lerp(field[above], field[below], down[:, None])
    left, right, across = _neighbours(size[1], field.shape[1], window[1])
    return torch.lerp(rows[:, left], rows[:, right], across)


def _neighbours(size: int, cells: int, window: slice) -> tuple[Any, Any, Any]:
    """For each pixel of a window on one axis: its lower and upper cell, and the weight of the upper one."""
    pixels = torch.arange(window.start, window.stop, dtype=torch.float32)
    at = ((pixels + 0.5) * (cells / size) - 0.5).clamp(min=0)
    low = at.long()
    return low, (low + 1).clamp(max=cells - 1), at - low
