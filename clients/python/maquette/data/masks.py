"""COCO's compressed RLE for many masks in a row: no loop over characters."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from maquette.data.errors import DataError

PLACE = 5 * np.arange(8)


def paint(out: NDArray[np.bool_], counts: str) -> None:
    """Add a mask to `out` (H, W), which is False before; raises DataError `dataset_broken` when the runs do
    not fill it.
    """
    runs = run_lengths(counts)
    height, width = out.shape
    ends = np.cumsum(runs)
    if runs.min() < 0 or ends[-1] != height * width:
        raise DataError("dataset_broken", f"the runs of a mask do not fill {height} x {width} pixels")
    firsts, lasts = ends[:-1:2], ends[1::2]
    if not len(firsts):
        return
    # column-major: only the columns between the first and the last pixel are touched
    left, right = int(firsts[0]) // height, (int(lasts[-1]) - 1) // height + 1
    flat = np.zeros((right - left) * height, np.bool_)
    offset = left * height
    for first, last in zip((firsts - offset).tolist(), (lasts - offset).tolist(), strict=True):
        flat[first:last] = True
    out[:, left:right] = flat.reshape(right - left, height).T


def run_lengths(counts: str) -> NDArray[np.int64]:
    """Lengths of the runs, the first one of zeros."""
    codes = np.frombuffer(counts.encode("ascii", "replace"), np.uint8).astype(np.int64) - 48
    ends = np.flatnonzero((codes & 0x20) == 0)
    if not len(ends) or ends[-1] != len(codes) - 1 or codes.min() < 0 or codes.max() > 63:
        raise DataError("dataset_broken", "the counts of a mask are no compressed runs")
    starts = np.zeros_like(ends)
    starts[1:] = ends[:-1] + 1
    lengths = ends - starts + 1
    if lengths.max() > len(PLACE):
        raise DataError("dataset_broken", "the counts of a mask hold a run that no picture has")
    place = PLACE[np.arange(len(codes)) - np.repeat(starts, lengths)]
    runs: NDArray[Any] = np.add.reduceat((codes & 0x1F) << place, starts)
    runs -= (codes[ends] & 0x10) << (5 * lengths - 4)
    # from the fourth run on, runs are told as differences to the one two before
    runs[1::2] = np.cumsum(runs[1::2])
    runs[2::2] = np.cumsum(runs[2::2])
    return runs
