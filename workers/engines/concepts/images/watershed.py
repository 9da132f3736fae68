"""The fallback without any weights: a watershed (Meyer 1991, by OpenCV) that grows from the prompt."""

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.engines.protocols import Box, Mask, Rgb

FOREGROUND, BACKGROUND = 1, 2
# Radius of a point's seed as a share of the image's longest side, or of the box's shorter side, and the half
# axes of the seed in a box as a share of its sides. Chosen, not measured.
POINT_SEED_SHARE = 0.01
POINT_IN_BOX_SEED_SHARE = 0.05
BOX_SEED_SHARE = 0.3
# side in pixels of the median filter that removes texture before flooding; chosen, not measured
MEDIAN_SIDE = 5


def watershed(image: Rgb, box: Box | None, points: NDArray[np.float64], labels: NDArray[np.int64]) -> Mask:
    """Segment one object of an RGB image (H, W, 3) by a box, by points (N, 2) with labels (N,), or both.

    The foreground seed is the middle of the box or a disc at each inner point; outside the box, the image's
    border and the outer points are background. Box mIoU is about 0.6 where MobileSAM has 0.83.
    """
    height, width = image.shape[:2]
    seeds = np.zeros((height, width), np.int32)
    if box is None:
        seeds[0], seeds[-1], seeds[:, 0], seeds[:, -1] = BACKGROUND, BACKGROUND, BACKGROUND, BACKGROUND
        radius = max(2, round(POINT_SEED_SHARE * max(height, width)))
    else:
        seeds[:] = BACKGROUND
        x0, y0, x1, y1 = int(box[0]), int(box[1]), int(np.ceil(box[2])), int(np.ceil(box[3]))
        seeds[y0:y1, x0:x1] = 0
        radius = max(1, round(POINT_IN_BOX_SEED_SHARE * min(x1 - x0, y1 - y0)))
        if not (labels == 1).any():
            centre = (x0 + x1) // 2, (y0 + y1) // 2
            axes = max(1, round(BOX_SEED_SHARE * (x1 - x0))), max(1, round(BOX_SEED_SHARE * (y1 - y0)))
            cv2.ellipse(seeds, centre, axes, 0, 0, 360, FOREGROUND, -1)
    for (x, y), label in zip(points, labels, strict=True):
        cv2.circle(seeds, (int(x), int(y)), radius, FOREGROUND if label == 1 else BACKGROUND, -1)
    smooth = cv2.medianBlur(np.ascontiguousarray(image[..., ::-1]), MEDIAN_SIDE)
    flooded = cv2.watershed(smooth, seeds)
    return np.asarray(flooded == FOREGROUND, dtype=np.bool_)
