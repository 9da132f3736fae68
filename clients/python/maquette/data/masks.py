"""COCO's compressed RLE of many masks at once: no loop over characters."""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from maquette.data.errors import DataError
from maquette.data.tables import PackedStrings

PLACE = 5 * np.arange(8)


def paint(outs: Iterable[NDArray[np.bool_]], texts: PackedStrings, rows: Sequence[int]) -> None:
    """Add mask `rows[k]` of the counts to the k-th of `outs` (H, W), which are False before.

    Raises DataError `dataset_broken` when the runs of a mask do not fill it.
    """
    for out, runs in zip(outs, run_lengths(texts, rows), strict=True):
        height, width = out.shape
        ends = runs.cumsum()
        if runs.min() < 0 or ends[-1] != height * width:
            raise DataError("dataset_broken", f"the runs of a mask do not fill {height} x {width} pixels")
        bounds = ends.tolist()
        firsts, lasts = bounds[:-1:2], bounds[1::2]
        if not firsts:
            continue
        # column-major: only the columns between the first and the last pixel are touched
        left, right = firsts[0] // height, (lasts[-1] - 1) // height + 1
        flat = np.zeros((right - left) * height, np.bool_)
        offset = left * height
        for first, last in zip(firsts, lasts, strict=False):
            flat[first - offset : last - offset] = True
        out[:, left:right] = flat.reshape(right - left, height).T


def run_lengths(texts: PackedStrings, rows: Sequence[int]) -> list[NDArray[np.int64]]:
    """Lengths of the runs of each of some masks, the first one of zeros."""
    if not len(rows):
        return []
    parts = [texts.codes[texts.ends[row] : texts.ends[row + 1]] for row in rows]
    codes = np.concatenate(parts).astype(np.int64) - 48
    last = np.cumsum([len(part) for part in parts]) - 1
    done = (codes & 0x20) == 0
    ends = np.flatnonzero(done)
    whole = all(map(len, parts)) and done[last].all()
    if not whole or codes.min() < 0 or codes.max() > 63:
        raise DataError("dataset_broken", "the counts of a mask are no compressed runs")
    starts = np.zeros_like(ends)
    starts[1:] = ends[:-1] + 1
    lengths = ends - starts + 1
    if lengths.max() > len(PLACE):
        raise DataError("dataset_broken", "the counts of a mask hold a run that no picture has")
    place = PLACE[np.arange(len(codes)) - np.repeat(starts, lengths)]
    runs: NDArray[np.int64] = np.add.reduceat((codes & 0x1F) << place, starts)
    runs -= (codes[ends] & 0x10) << (5 * lengths - 4)
    found = np.split(runs, np.searchsorted(ends, last[:-1]) + 1)
    for mine in found:
        # from the fourth run on, runs are told as differences to the one two before
        mine[1::2] = mine[1::2].cumsum()
        mine[2::2] = mine[2::2].cumsum()
    return found
