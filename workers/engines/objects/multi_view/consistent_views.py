"""Leaving out views whose masks miss a part: one such mask would take that part from the hull."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from workers.engines.objects.multi_view.distance_field import Array, Distances
from workers.engines.objects.multi_view.views import MIN_VIEWS, MaskedViews
from workers.engines.objects.multi_view.visual_hull import place_rough_grid, signed_distance
from workers.geometry.overlap import mask_iou
from workers.geometry.posed_cameras import PosedCamera

Flags = NDArray[np.bool_]
# Mean IoU of the rough hull with all masks from which no view is left out: the grid's steps cost as much.
GOOD_IOU = 0.9
# Gain of mean IoU below which leaving out one more view is not worth it.
MIN_GAIN = 0.004
# At least this share of the views stays.
MIN_KEPT_SHARE = 0.5
# Cells that IoU is measured in, in steps of the grid.
CELL_STEPS = 1.5


def select_consistent(views: MaskedViews, up: Array) -> MaskedViews:
    """The views whose masks fit together: all, unless the hull without some explains all masks better.

    Views are left out one by one, the most harmful first, while the mean IoU of the hull's silhouette with
    all masks grows; half of them stay, and `MIN_VIEWS` at the fewest.
    """
    grid = place_rough_grid(views, up)
    points = np.concatenate([grid.layer(index) for index in range(grid.side)])
    distances = [signed_distance(mask) for mask in views.masks]
    projected = [
        _ProjectedGrid(points, grid.step, distance, view)
        for distance, view in zip(distances, views.cameras, strict=True)
    ]
    return views.subset(_greedy_selection(projected))


def _greedy_selection(projected: Sequence["_ProjectedGrid"]) -> list[int]:
    """The places of the views to keep."""
    outside = np.stack([view.outside for view in projected])
    needed = max(1, len(projected) // 2)
    candidates = np.flatnonzero(np.stack([view.visible for view in projected]).sum(axis=0) >= needed)
    kept = list(range(len(projected)))
    outside_of = outside[:, candidates].sum(axis=0)
    best = _mean_iou(projected, candidates[outside_of == 0])
    while best < GOOD_IOU and len(kept) > max(MIN_VIEWS, MIN_KEPT_SHARE * len(projected)):
        trials = [
            (_mean_iou(projected, candidates[outside_of - outside[number, candidates] == 0]), number)
            for number in kept
        ]
        iou, number = max(trials)
        if iou < best + MIN_GAIN:
            break
        best = iou
        kept.remove(number)
        outside_of = outside_of - outside[number, candidates]
    return kept


class _ProjectedGrid:
    """The grid's points in one view: outside its mask or not, and in which cell of its image."""

    def __init__(self, points: Array, step: float, distance: Distances, view: PosedCamera) -> None:
        height, width = distance.shape
        pixels, depth = view.project(points)
        at = np.floor(pixels).astype(np.int64)
        self.visible: Flags = (depth > 0) & (at >= 0).all(axis=1) & (at[:, 0] < width) & (at[:, 1] < height)
        at = np.clip(at, 0, (width - 1, height - 1))
        self.outside: Flags = self.visible & (distance[at[:, 1], at[:, 0]] <= 0)
        cell = max(1, round(CELL_STEPS * step * view.camera.fx / float(np.median(depth[self.visible]))))
        across = -(-width // cell)
        self._cells = np.where(self.visible, at[:, 1] // cell * across + at[:, 0] // cell, -1)
        rows, columns = np.nonzero(distance > 0)
        size = across * -(-height // cell)
        covered = np.bincount(rows // cell * across + columns // cell, minlength=size)
        self._mask: Flags = covered >= cell * cell / 2

    def iou(self, hull: NDArray[np.int64]) -> float:
        """IoU in cells of the silhouette of the points at `hull` with the mask."""
        silhouette = np.zeros_like(self._mask)
        cells = self._cells[hull]
        silhouette[cells[cells >= 0]] = True
        return mask_iou(silhouette, self._mask)


def _mean_iou(projected: Sequence[_ProjectedGrid], hull: NDArray[np.int64]) -> float:
    return float(np.mean([view.iou(hull) for view in projected]))
