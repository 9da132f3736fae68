"""Where a visible object went when optical flow does not say: template matching by colour (flow pixels)."""

import cv2
import numpy as np

from workers.engines.concepts.masks import mask_area
from workers.engines.concepts.tracking.config import PropagationConfig
from workers.engines.concepts.tracking.optical_flow import Floats, FrameFlow
from workers.engines.protocols import Mask
from workers.geometry.boxes import mask_extent


def find_shift(flow: FrameFlow, visible: Mask, expected: Floats, config: PropagationConfig) -> Floats | None:
    """The whole-pixel shift (x, y) near `expected` that explains the colours of `visible` (h, w) much better.

    None where the expected shift is good enough, or where none is much better.
    """
    x0, y0, x1, y1 = mask_extent(visible)
    stencil, template = visible[y0:y1, x0:x1], flow.old[y0:y1, x0:x1]
    dx, dy = round(float(expected[0])), round(float(expected[1]))
    pad = config.search_radius + max(abs(dx), abs(dy))
    area = cv2.copyMakeBorder(flow.new, pad, pad, pad, pad, cv2.BORDER_REPLICATE)
    area = area[y0 : y1 + 2 * pad, x0 : x1 + 2 * pad]
    there = area[pad + dy : pad + dy + y1 - y0, pad + dx : pad + dx + x1 - x0]
    squares = np.square(there[stencil].astype(np.float32) - template[stencil]).sum()
    difference = _root_mean_square(float(squares), stencil)
    if difference < config.good_match:
        return None
    stencil3 = cv2.merge([stencil.astype(np.uint8)] * 3)
    score = cv2.matchTemplate(area, template, cv2.TM_SQDIFF, mask=stencil3)
    best = int(np.argmin(score))
    y, x = divmod(best, score.shape[1])
    limit = min(config.better_match_share * difference, config.fair_match)
    if _root_mean_square(float(score[y, x]), stencil) > limit:
        return None
    return np.array([x - pad, y - pad], np.float32)


def _root_mean_square(squares: float, stencil: Mask) -> float:
    """The RMS colour difference in grey levels of a sum of squares over the three channels of a stencil."""
    return float(np.sqrt(max(squares, 0.0) / (3 * max(mask_area(stencil), 1))))
