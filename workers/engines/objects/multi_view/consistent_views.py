"""Which masks of several views fit together: one mask that misses a part takes that part from the hull."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from workers.engines.objects.multi_view.visual_hull import Field, Grid
from workers.geometry.overlap import mask_iou
from workers.geometry.posed_cameras import PosedCamera

Flags = NDArray[np.bool_]
GOOD_ENOUGH, LEAST_GAIN, LEAST_SHARE = 0.9, 0.004, 0.5


def agreeing(grid: Grid, inside: Sequence[Field], views: Sequence[PosedCamera], least: int) -> list[int]:
    """Numbers of the views to carve with: all, unless the hull without some explains all masks better.

    `inside` has signed distances (H, W) to the masks' outlines. Views are left out one by one, the most
    harmful first, while the mean IoU of the hull's outline with all masks grows; half of them stay, and
    `least` at the fewest.
    """
    points = np.concatenate([grid.layer(index) for index in range(grid.side)])
    drawn = [_Drawn(points, grid.step, field, view) for field, view in zip(inside, views, strict=True)]
    out_of = np.stack([one.outside for one in drawn])
    needed = max(1, len(views) // 2)
    candidates = np.flatnonzero(np.stack([one.seen for one in drawn]).sum(axis=0) >= needed)
    kept = list(range(len(views)))
    count = out_of[:, candidates].sum(axis=0)
    best = _explained(drawn, candidates[count == 0])
    while best < GOOD_ENOUGH and len(kept) > max(least, LEAST_SHARE * len(views)):
        found = [
            (_explained(drawn, candidates[count - out_of[number, candidates] == 0]), number)
            for number in kept
        ]
        value, number = max(found)
        if value < best + LEAST_GAIN:
            break
        best = value
        kept.remove(number)
        count = count - out_of[number, candidates]
    return kept


class _Drawn:
    """The grid's points in one view: outside its mask or not, and in cells as large as a step of the grid."""

    def __init__(self, points: NDArray[np.float64], step: float, field: Field, view: PosedCamera) -> None:
        height, width = field.shape
        pixels, depth = view.project(points)
        at = np.floor(pixels).astype(np.int64)
        self.seen: Flags = (depth > 0) & (at >= 0).all(axis=1) & (at[:, 0] < width) & (at[:, 1] < height)
        at = np.clip(at, 0, (width - 1, height - 1))
        self.outside: Flags = self.seen & (field[at[:, 1], at[:, 0]] <= 0)
        cell = max(1, round(1.5 * step * view.camera.fx / float(np.median(depth[self.seen]))))
        across = -(-width // cell)
        self._cells = np.where(self.seen, at[:, 1] // cell * across + at[:, 0] // cell, -1)
        rows, columns = np.nonzero(field > 0)
        size = across * -(-height // cell)
        held = np.bincount(rows // cell * across + columns // cell, minlength=size)
        self._mask: Flags = held >= cell * cell / 2

    def iou(self, held: NDArray[np.int64]) -> float:
        """Of the outline of the points `held` with the mask, in cells."""
        outline = np.zeros_like(self._mask)
        cells = self._cells[held]
        outline[cells[cells >= 0]] = True
        return mask_iou(outline, self._mask)


def _explained(drawn: Sequence[_Drawn], held: NDArray[np.int64]) -> float:
    return float(np.mean([one.iou(held) for one in drawn]))
