"""Which clicks and removals of a video come on which of its frames."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from workers.engines.protocols import TrackPrompts, VisualPrompt
from workers.geometry.boxes import clip_box


def points_of(click: VisualPrompt) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The points (N, 2) and labels (N,) of a click, empty without; ValueError if malformed."""
    if click.points is None:
        return np.zeros((0, 2), np.float64), np.zeros(0, np.int64)
    points = np.asarray(click.points, np.float64).reshape(-1, 2)
    labels = np.ones(len(points), np.int64) if click.labels is None else np.asarray(click.labels, np.int64)
    if labels.shape != (len(points),) or not np.isin(labels, (0, 1)).all():
        raise ValueError("each point needs one label, 1 inside or 0 outside")
    if not np.isfinite(points).all():
        raise ValueError("a point holds a value that is not finite")
    return points, labels


def check(click: VisualPrompt, size: tuple[int, int], *, mends: bool = False) -> None:
    """Raise ValueError for a click that can never be answered in an image of (height, width).

    One that `mends` a known object may say only where that is not.
    """
    points, labels = points_of(click)
    if click.mask is not None and (click.mask.shape != size or not click.mask.any()):
        raise ValueError(f"a mask prompt is a non-empty mask of the image's size {size}")
    if len(points) and not ((points >= 0) & (points <= size[::-1])).all():
        raise ValueError("a point lies outside the image")
    if click.box is not None:
        clip_box(click.box, size)
    elif click.mask is None and not (len(points) if mends else (labels == 1).any()):
        raise ValueError("a click needs a box, a mask, or a point inside the object")


def together(clicks: Sequence[VisualPrompt]) -> VisualPrompt:
    """Several clicks on one object and one frame as one: the last box, the last mask, and all points."""
    boxes = [click.box for click in clicks if click.box is not None]
    masks = [click.mask for click in clicks if click.mask is not None]
    pointed = [points_of(click) for click in clicks if click.points is not None]
    return VisualPrompt(
        boxes[-1] if boxes else None,
        np.concatenate([points for points, _ in pointed]) if pointed else None,
        np.concatenate([labels for _, labels in pointed]) if pointed else None,
        masks[-1] if masks else None,
    )


class PromptSchedule:
    """The prompts of a video by the index of their frame."""

    def __init__(self, prompts: TrackPrompts) -> None:
        self._prompts = prompts

    def check(self, size: tuple[int, int]) -> None:
        """Raise ValueError for the first click that can never be answered in frames of (height, width)."""
        known = set()
        for timed in self._prompts.visual_prompts:
            mends = timed.id in known or timed.id > self._prompts.objects
            check(timed.prompt, size, mends=mends)
            known.add(timed.id)

    def clicks(self, frame: int) -> dict[int, VisualPrompt]:
        """The click of each object on a frame, those on one object as one."""
        asked: dict[int, list[VisualPrompt]] = {}
        for timed in self._prompts.visual_prompts:
            if timed.frame == frame:
                asked.setdefault(timed.id, []).append(timed.prompt)
        return {number: together(clicks) for number, clicks in asked.items()}

    def removals(self, frame: int) -> list[int]:
        """The ids that go on a frame."""
        return [removal.id for removal in self._prompts.removals if removal.frame == frame]
