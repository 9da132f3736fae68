"""Boxes, points and masks of a request as engines take them."""

from collections.abc import Sequence

import numpy as np
from maquette.contract import Box, ObjectPrompt, Point, Rle
from maquette.contract.requests import JobBase

from workers.engines.protocols import Mask, VisualPrompt
from workers.errors import JobProblem
from workers.formats import rle


def check_prompts(request: JobBase, width: int, height: int) -> None:
    """Raise JobProblem for prompts that start no object or do not fit an image of that size."""
    misfit = request.find_unstartable() or request.find_misfit(width, height)
    if misfit is not None:
        raise JobProblem(misfit.code, misfit.detail)


def to_visual_prompts(boxes: Sequence[Box], points: Sequence[Sequence[Point]]) -> list[VisualPrompt]:
    """One prompt per box, then one per list of points."""
    return [VisualPrompt(box=box.xyxy()) for box in boxes] + [_to_points_prompt(group) for group in points]


def to_visual_prompt(prompt: ObjectPrompt, field: str) -> VisualPrompt:
    """A prompt that `check_prompts` accepted; raises JobProblem for a mask that is broken or empty."""
    points = _to_points_prompt(prompt.points)
    return VisualPrompt(
        box=None if prompt.box is None else prompt.box.xyxy(),
        points=points.points,
        labels=points.labels,
        mask=None if prompt.mask is None else decode_mask(prompt.mask, f"{field}.mask"),
    )


def decode_mask(encoded: Rle, field: str) -> Mask:
    """A mask (H, W) with pixels; raises JobProblem `mask_invalid` or `mask_empty`, naming the field."""
    mask = decode_rle(encoded, field)
    if not mask.any():
        raise JobProblem("mask_empty", f"{field} has no pixel")
    return mask


def decode_rle(encoded: Rle, field: str) -> Mask:
    """A mask (H, W); raises JobProblem `mask_invalid` for broken run lengths."""
    try:
        return rle.decode_mask({"size": list(encoded.size), "counts": encoded.counts})
    except rle.RleError as error:
        raise JobProblem("mask_invalid", f"{field} is not valid COCO RLE: {error}") from error


def _to_points_prompt(points: Sequence[Point]) -> VisualPrompt:
    if not points:
        return VisualPrompt()
    return VisualPrompt(
        points=np.array([[point.x, point.y] for point in points], dtype=np.float64),
        labels=np.array([point.label for point in points], dtype=np.int64),
    )
