"""COCO compressed RLE of many masks at once, without a loop over characters."""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from maquette.data.errors import DataError
from maquette.data.tables import PackedStrings

# a character holds five bits of a run, the lowest first; eight are enough for every image
SHIFTS = 5 * np.arange(8)
# of a character, after 48 is subtracted: further characters follow; the number is negative
MORE_BIT, SIGN_BIT, VALUE_BITS = 0x20, 0x10, 0x1F


def paint(outs: Iterable[NDArray[np.bool_]], counts: PackedStrings, rows: Sequence[int]) -> None:
    """Set the pixels of mask `rows[k]` in the k-th of `outs` (H, W), which are False before.

    Raises DataError `dataset_broken` when the runs of a mask do not fill it.
    """
    for out, runs in zip(outs, decode_runs(counts, rows), strict=True):
        height, width = out.shape
        ends = runs.cumsum()
        if runs.min() < 0 or ends[-1] != height * width:
            raise DataError("dataset_broken", f"the runs of a mask do not fill {height} x {width} pixels")
        bounds = ends.tolist()
        firsts, lasts = bounds[:-1:2], bounds[1::2]
        if not firsts:
            continue
        # runs go down the columns: only the columns between the first and the last pixel are touched
        left, right = firsts[0] // height, (lasts[-1] - 1) // height + 1
        flat = np.zeros((right - left) * height, np.bool_)
        offset = left * height
        for first, last in zip(firsts, lasts, strict=False):
            flat[first - offset : last - offset] = True
        out[:, left:right] = flat.reshape(right - left, height).T


def decode_runs(counts: PackedStrings, rows: Sequence[int]) -> list[NDArray[np.int64]]:
    """The lengths of the runs of some masks, each beginning with a run of zeros; raises DataError."""
    if not len(rows):
        return []
    parts = [counts.codes[counts.ends[row] : counts.ends[row + 1]] for row in rows]
    codes = np.concatenate(parts).astype(np.int64) - 48
    last_of_mask = np.cumsum([len(part) for part in parts]) - 1
    ends_run = (codes & MORE_BIT) == 0
    is_complete = all(map(len, parts)) and ends_run[last_of_mask].all()
    if not is_complete or codes.min() < 0 or codes.max() > 63:
        raise DataError("dataset_broken", "the counts of a mask are not compressed RLE")
    ends = np.flatnonzero(ends_run)
    runs = _join_characters(codes, ends)
    by_mask = np.split(runs, np.searchsorted(ends, last_of_mask[:-1]) + 1)
    for mask_runs in by_mask:
        # from the fourth run on, a run is stored as its difference to the one two before
        mask_runs[1::2] = mask_runs[1::2].cumsum()
        mask_runs[2::2] = mask_runs[2::2].cumsum()
    return by_mask


def _join_characters(codes: NDArray[np.int64], ends: NDArray[np.intp]) -> NDArray[np.int64]:
    """The stored number of each run, whose last character is at `ends`."""
    starts = np.zeros_like(ends)
    starts[1:] = ends[:-1] + 1
    lengths = ends - starts + 1
    if lengths.max() > len(SHIFTS):
        raise DataError("dataset_broken", "a run of a mask is longer than any image")
    shifts = SHIFTS[np.arange(len(codes)) - np.repeat(starts, lengths)]
    numbers: NDArray[np.int64] = np.add.reduceat((codes & VALUE_BITS) << shifts, starts)
    numbers -= (codes[ends] & SIGN_BIT) << (5 * lengths - 4)
    return numbers
