"""The views that show an object, checked; and how well a surface agrees with their masks."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from maquette.contract import Problem
from numpy.typing import NDArray

from workers.engines.protocols import Mask, ObjectAsset, RequestRefused, Rgb
from workers.geometry.borders import touches_border
from workers.geometry.mesh_renderer import silhouette
from workers.geometry.overlap import mask_iou
from workers.geometry.posed_cameras import PosedCamera

Array = NDArray[np.float64]
LEAST_VIEWS = 3
LEAST_PIXELS = 64
JUDGED_VIEWS = 8
# the object of one view
OneView = Callable[[Rgb, Mask, PosedCamera], ObjectAsset]


@dataclass(frozen=True, slots=True)
class Taken:
    """The views that show the object; `numbers` are their places among those given."""

    images: list[Rgb]
    masks: list[Mask]
    views: list[PosedCamera]
    numbers: list[int]
    cut: int


def taken_of(frames: Sequence[Rgb], masks: Sequence[Mask], cameras: Sequence[PosedCamera]) -> Taken:
    """Those views that show enough of it.

    Raises ValueError for shapes that do not fit, and RequestRefused `too_few_views`.
    """
    if not len(frames) == len(masks) == len(cameras):
        raise ValueError(
            f"frames, masks and cameras must be as many: {len(frames)}, {len(masks)}, {len(cameras)}"
        )
    numbers = []
    for number, (frame, mask, view) in enumerate(zip(frames, masks, cameras, strict=True)):
        size = (view.camera.height, view.camera.width)
        if frame.shape[:2] != size or mask.shape != size or mask.dtype != np.bool_:
            raise ValueError(f"view {number}: frame, bool mask and camera must have one size, {size}")
        if int(mask.sum()) >= LEAST_PIXELS:
            numbers.append(number)
    if len(numbers) < LEAST_VIEWS:
        raise RequestRefused(
            Problem.from_code(
                "too_few_views",
                422,
                f"{len(numbers)} views show the object, at least {LEAST_VIEWS} are needed",
            )
        )
    return those(frames, masks, cameras, numbers, numbers)


def those(
    images: Sequence[Rgb],
    masks: Sequence[Mask],
    views: Sequence[PosedCamera],
    chosen: Sequence[int],
    numbers: list[int],
) -> Taken:
    """The views `chosen`, which were given as `numbers`."""
    picked = [masks[k] for k in chosen]
    cut = sum(touches_border(mask) for mask in picked)
    return Taken([images[k] for k in chosen], picked, [views[k] for k in chosen], numbers, cut)


def agreement(points: Array, faces: NDArray[np.int64], taken: Taken) -> float:
    """Mean IoU of the mesh's outline with the masks, over up to eight views."""
    chosen = np.unique(np.linspace(0, len(taken.views) - 1, JUDGED_VIEWS).round().astype(np.int64))
    found = []
    for k in chosen:
        view, mask = taken.views[k], taken.masks[k]
        drawn = silhouette(view.cam_from_world.apply(points), faces, view.camera)
        found.append(mask_iou(drawn, mask))
    return float(np.mean(found))
