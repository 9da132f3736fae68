"""Reading, validating and merging visual prompts, and the instance that answers one."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workers.engines.protocols import Box, Mask, SegmentedInstance, VisualPrompt
from workers.geometry.borders import truncation_flags
from workers.geometry.boxes import bounding_box, clip_box

Points = NDArray[np.float64]
Labels = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class ParsedPrompt:
    """A valid prompt: its box inside the image, points (N, 2) with labels (N,), and its mask (H, W)."""

    box: Box | None
    points: Points
    labels: Labels
    mask: Mask | None

    @property
    def inner_points(self) -> Points:
        """The points (M, 2) inside the object."""
        return np.asarray(self.points[self.labels == 1], np.float64)

    @property
    def region_box(self) -> Box | None:
        """The box, else the mask's bounding box, None for points alone."""
        if self.box is None and self.mask is not None:
            return bounding_box(self.mask)
        return self.box


def read_points(prompt: VisualPrompt) -> tuple[Points, Labels]:
    """The points (N, 2) and labels (N,) of a prompt, N = 0 without points; raises ValueError if malformed."""
    if prompt.points is None:
        return np.zeros((0, 2), np.float64), np.zeros(0, np.int64)
    points = np.asarray(prompt.points, np.float64).reshape(-1, 2)
    labels = np.ones(len(points), np.int64) if prompt.labels is None else np.asarray(prompt.labels, np.int64)
    if labels.shape != (len(points),) or not np.isin(labels, (0, 1)).all():
        raise ValueError("each point needs one label, 1 inside or 0 outside")
    if not np.isfinite(points).all():
        raise ValueError("a point holds a value that is not finite")
    return points, labels


def parse_prompt(prompt: VisualPrompt, size: tuple[int, int], *, is_correction: bool = False) -> ParsedPrompt:
    """Validate a prompt for an image of (height, width); raises ValueError if it can never be answered.

    A prompt that corrects a known object may have points outside the object alone.
    """
    points, labels = read_points(prompt)
    if prompt.mask is not None and (prompt.mask.shape != size or not prompt.mask.any()):
        raise ValueError(f"a mask prompt is a non-empty mask of the image's size {size}")
    if len(points) and not ((points >= 0) & (points <= size[::-1])).all():
        raise ValueError("a point lies outside the image")
    box = None if prompt.box is None else clip_box(prompt.box, size)
    has_points = bool(len(points)) if is_correction else bool((labels == 1).any())
    if box is None and prompt.mask is None and not has_points:
        raise ValueError("a visual prompt needs a box, a mask, or a point inside the object")
    return ParsedPrompt(box, points, labels, prompt.mask)


def can_start_object(prompt: VisualPrompt) -> bool:
    """Whether a prompt can name an object of which nothing is known yet."""
    return prompt.box is not None or prompt.mask is not None or bool((read_points(prompt)[1] == 1).any())


def merge_prompts(prompts: Sequence[VisualPrompt]) -> VisualPrompt:
    """Several prompts for one object on one frame as one: the last box, the last mask, and all points."""
    boxes = [prompt.box for prompt in prompts if prompt.box is not None]
    masks = [prompt.mask for prompt in prompts if prompt.mask is not None]
    points, labels = _concatenate_points(prompts)
    return VisualPrompt(boxes[-1] if boxes else None, points, labels, masks[-1] if masks else None)


def merge_since_last_region(prompts: Sequence[VisualPrompt]) -> VisualPrompt:
    """Several prompts for one object on one frame as one: the last box or mask, and all points from it on.

    The last box or mask replaces everything before it.
    """
    regions = [row for row, prompt in enumerate(prompts) if prompt.box is not None or prompt.mask is not None]
    since = prompts[regions[-1] :] if regions else prompts
    if len(since) == 1:
        return since[0]
    points, labels = _concatenate_points(since)
    return VisualPrompt(since[0].box, points, labels, since[0].mask)


def _concatenate_points(prompts: Sequence[VisualPrompt]) -> tuple[Points | None, Labels | None]:
    read = [read_points(prompt) for prompt in prompts if prompt.points is not None]
    if not read:
        return None, None
    return np.concatenate([points for points, _ in read]), np.concatenate([labels for _, labels in read])


def build_instance(
    prompt: ParsedPrompt,
    index: int,
    mask: Mask,
    quality: float,
    stability: float | None,
    *,
    low_quality: float,
    flags: tuple[str, ...] = (),
) -> SegmentedInstance:
    """The instance that answers prompt `index` by a mask (H, W); the prompt itself replaces an empty mask.

    A quality (0..1) below `low_quality`, as that of a replaced mask always is, is flagged `low_iou`.
    """
    if not mask.any():
        mask = draw_box_and_points(mask.shape, prompt.region_box, prompt.inner_points)
        quality, stability = 0.0, None
    flags = (*quality_flags(mask, quality, low_quality), *flags)
    return SegmentedInstance(mask, bounding_box(mask), quality, index, None, flags, stability)


def quality_flags(mask: Mask, quality: float, low_quality: float) -> tuple[str, ...]:
    """`low_iou` for a quality below `low_quality`, `truncated` for a mask at the border of the image."""
    return (*(("low_iou",) if quality < low_quality else ()), *truncation_flags(mask))


def draw_box_and_points(size: tuple[int, ...], box: Box | None, points: Points) -> Mask:
    """A mask of (height, width) with the inside of a box and the pixels of points (N, 2)."""
    mask = np.zeros(size, np.bool_)
    if box is not None:
        mask[int(box[1]) : int(np.ceil(box[3])), int(box[0]) : int(np.ceil(box[2]))] = True
    for x, y in points:
        mask[min(max(int(y), 0), size[0] - 1), min(max(int(x), 0), size[1] - 1)] = True
    return mask
