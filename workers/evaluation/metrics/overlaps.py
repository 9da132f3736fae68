"""IoUs of instances in images, and of tracks over all frames of a video, from RLE and boxes."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_masks

Floats = NDArray[np.float64]
Rle = dict[str, Any]
# xywh in pixels
Box = Sequence[float]


def measure_mask_overlaps(found: Sequence[Rle | None], truth: Sequence[Rle | None]) -> Floats:
    """IoUs (D, G) of masks as RLE."""
    return _call_iou(list(found), list(truth))


def measure_box_overlaps(found: Sequence[Box], truth: Sequence[Box]) -> Floats:
    """IoUs (D, G) of boxes xywh."""
    return _call_iou(np.array(found, np.float64).reshape(-1, 4), np.array(truth, np.float64).reshape(-1, 4))


def measure_masklet_overlaps(
    found: Sequence[Sequence[Rle | None]], truth: Sequence[Sequence[Rle | None]]
) -> Floats:
    """IoUs (D, G) of tracks of F masks each: pixels of all frames together, 1 where both are empty."""
    shared, areas = np.zeros((len(found), len(truth))), np.zeros((len(found), len(truth)))
    if not found or not truth:
        return shared
    for own, other in zip(zip(*found, strict=True), zip(*truth, strict=True), strict=True):
        sizes = [np.array([measure_area(mask) for mask in masks]) for masks in (own, other)]
        rows, columns = (np.flatnonzero(one) for one in sizes)
        overlaps = measure_mask_overlaps([own[row] for row in rows], [other[column] for column in columns])
        both = sizes[0][:, None] + sizes[1][None]
        areas += both
        # the number of shared pixels from IoU and areas
        shared[np.ix_(rows, columns)] += np.rint(overlaps / (1 + overlaps) * both[np.ix_(rows, columns)])
    return _divide(shared, areas - shared)


def measure_tracklet_overlaps(
    found: Sequence[Sequence[Box | None]], truth: Sequence[Sequence[Box | None]]
) -> Floats:
    """IoUs (D, G) of tracks of F boxes xywh each: areas of all frames together."""
    if not found or not truth:
        return np.zeros((len(found), len(truth)))
    a, b = _stack_boxes(found)[:, None], _stack_boxes(truth)[None]
    low = np.maximum(a[..., :2], b[..., :2])
    high = np.minimum(a[..., :2] + a[..., 2:], b[..., :2] + b[..., 2:])
    shared = np.clip(high - low, 0, None).prod(axis=-1)
    union = a[..., 2:].prod(axis=-1) + b[..., 2:].prod(axis=-1) - shared
    return _divide(shared.sum(axis=-1), union.sum(axis=-1))


def measure_area(mask: Rle | None) -> float:
    """Pixels of a mask, 0 for none."""
    return 0.0 if mask is None else float(coco_masks.area(mask))


def _call_iou(found: Any, truth: Any) -> Floats:
    if len(found) == 0 or len(truth) == 0:
        return np.zeros((len(found), len(truth)))
    return np.asarray(coco_masks.iou(found, truth, [0] * len(truth)), np.float64)


def _stack_boxes(tracks: Sequence[Sequence[Box | None]]) -> Floats:
    return np.array([[box or (0.0, 0.0, 0.0, 0.0) for box in track] for track in tracks], np.float64)


def _divide(shared: Floats, union: Floats) -> Floats:
    return np.where(union > 0, shared / np.where(union > 0, union, 1.0), 1.0)
