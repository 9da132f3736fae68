"""Dense optical flow between neighbouring frames (DIS, Kroeger et al. 2016), checked in both directions.

Units: flow pixels, those of the frame scaled to `PropagationConfig.flow_side`, per frame.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.engines.concepts.tracking.config import PropagationConfig
from workers.engines.protocols import Mask, Rgb

# DIS needs at least this many pixels per side
MIN_SIDE = 32

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameFlow:
    """Flow f32[h,w,2] (x, y) from the old frame to the new one and back, and both frames in flow pixels.

    `consistent` marks pixels of the old frame where the two directions agree, `consistent_back` pixels of the
    new one. `texture` f32[h,w] is the gradient strength of the old frame, at least 1: flow is reliable where
    it is high.
    """

    forward: Floats
    backward: Floats
    consistent: Mask
    consistent_back: Mask
    texture: Floats
    old: Rgb
    new: Rgb


def downscale(image: Rgb, side: int) -> Rgb:
    """An image (H, W, 3) whose longest side is at most `side` pixels."""
    scale = min(1.0, side / max(image.shape[:2]))
    if scale == 1.0:
        return np.ascontiguousarray(image)
    size = max(round(image.shape[1] * scale), 1), max(round(image.shape[0] * scale), 1)
    return np.asarray(cv2.resize(np.ascontiguousarray(image), size, interpolation=cv2.INTER_AREA))


def make_flow_image(work: Rgb, side: int) -> Rgb:
    """The image on which flow is computed: at most `side` pixels, at least what DIS needs on each side."""
    small = downscale(work, side)
    height, width = max(small.shape[0], MIN_SIDE), max(small.shape[1], MIN_SIDE)
    return np.asarray(cv2.resize(small, (width, height)))


def compute_flow(old: Rgb, new: Rgb, config: PropagationConfig) -> FrameFlow:
    """DIS flow in both directions between two flow images."""
    dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    before, after = cv2.cvtColor(old, cv2.COLOR_RGB2GRAY), cv2.cvtColor(new, cv2.COLOR_RGB2GRAY)
    forward = np.asarray(dis.calc(before, after, None), dtype=np.float32)
    backward = np.asarray(dis.calc(after, before, None), dtype=np.float32)
    gx, gy = cv2.Sobel(before, cv2.CV_32F, 1, 0), cv2.Sobel(before, cv2.CV_32F, 0, 1)
    texture = cv2.blur(cv2.magnitude(gx, gy), (3, 3)) + np.float32(1)
    return FrameFlow(
        forward=forward,
        backward=backward,
        consistent=_check_consistency(forward, backward, config),
        consistent_back=_check_consistency(backward, forward, config),
        texture=texture,
        old=old,
        new=new,
    )


def _check_consistency(there: Floats, back: Floats, config: PropagationConfig) -> Mask:
    """Where following the flow there and back returns to about the same pixel."""
    target = pixel_grid(*there.shape[:2]) + there
    returned = cv2.remap(back, target, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    error = np.linalg.norm(there + returned, axis=2)
    limit = config.consistency_pixels + config.consistency_share * np.linalg.norm(there, axis=2)
    return np.asarray(error < limit, dtype=np.bool_)


def pixel_grid(height: int, width: int) -> Floats:
    """The (x, y) of each pixel, f32[h,w,2], as cv2.remap counts them: centres at whole numbers."""
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    return np.stack([x, y], axis=-1)
