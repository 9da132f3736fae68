"""Crops of views around an object, as refinement and plane sweep compare them with renderings."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.engines.protocols import Mask, Rgb
from workers.geometry.boxes import mask_extent
from workers.geometry.posed_cameras import PosedCamera

# Border around the mask, as a share of its longer side: what is rendered beside the mask is wrong too. Not
# tuned.
MARGIN = 0.08


@dataclass(frozen=True, slots=True, eq=False)
class ViewCrop:
    """The part of a view that shows the object: colours (h, w, 3) over black and alpha (h, w), in [0, 1]."""

    view: PosedCamera
    color: NDArray[np.float32]
    alpha: NDArray[np.float32]


def crop_view(image: Rgb, mask: Mask, view: PosedCamera, long_side: int) -> ViewCrop:
    """Crop a view to its mask, which must not be empty, scaled down to at most `long_side` pixels."""
    left, top, right, bottom = mask_extent(mask)
    margin = int(MARGIN * (max(right - left, bottom - top) - 1)) + 2
    y0, y1 = max(top - margin, 0), min(bottom + margin, mask.shape[0])
    x0, x1 = max(left - margin, 0), min(right + margin, mask.shape[1])
    ratio = min(1.0, long_side / max(y1 - y0, x1 - x0))
    width, height = max(1, round((x1 - x0) * ratio)), max(1, round((y1 - y0) * ratio))
    camera = view.camera.crop(x0, y0, x1 - x0, y1 - y0).resized(width, height)
    alpha = mask[y0:y1, x0:x1].astype(np.float32)
    color = image[y0:y1, x0:x1].astype(np.float32) / 255 * alpha[..., None]
    if ratio < 1:
        alpha = cv2.resize(alpha, (width, height), interpolation=cv2.INTER_AREA)
        color = cv2.resize(color, (width, height), interpolation=cv2.INTER_AREA)
    return ViewCrop(PosedCamera(camera, view.cam_from_world), np.asarray(color), np.asarray(alpha))


def crop_views(
    images: Sequence[Rgb], masks: Sequence[Mask], views: Sequence[PosedCamera], long_side: int
) -> list[ViewCrop]:
    """`crop_view` of each view."""
    return [
        crop_view(image, mask, view, long_side)
        for image, mask, view in zip(images, masks, views, strict=True)
    ]


def split_held_out(crops: Sequence[ViewCrop], every: int) -> tuple[list[ViewCrop], list[ViewCrop]]:
    """The crops to optimise on, and every `every`-th one, which is held out to judge the result."""
    held_out = range(every // 2, len(crops), every)
    return [crop for number, crop in enumerate(crops) if number not in held_out], [crops[k] for k in held_out]
