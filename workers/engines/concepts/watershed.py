"""The last resort without any weights: a watershed grown from what the click says."""

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.engines.protocols import Box, Mask, Rgb

OBJECT, GROUND = 1, 2


def watershed(image: Rgb, box: Box | None, points: NDArray[np.float64], labels: NDArray[np.int64]) -> Mask:
    """Cut out one object from an RGB image (H, W, 3) by a box, by points (N, 2) with labels, or both.

    The seed is the middle of the box or a disc at each inner point; outside the box, the image's frame and
    the outer points are background. Box mIoU is about 0.6 where MobileSAM has 0.83.
    """
    height, width = image.shape[:2]
    seeds = np.zeros((height, width), np.int32)
    if box is None:
        seeds[0], seeds[-1], seeds[:, 0], seeds[:, -1] = GROUND, GROUND, GROUND, GROUND
        reach = max(2, round(0.01 * max(height, width)))
    else:
        seeds[:] = GROUND
        x0, y0, x1, y1 = int(box[0]), int(box[1]), int(np.ceil(box[2])), int(np.ceil(box[3]))
        seeds[y0:y1, x0:x1] = 0
        reach = max(1, round(0.05 * min(x1 - x0, y1 - y0)))
        if not (labels == 1).any():
            centre = (x0 + x1) // 2, (y0 + y1) // 2
            axes = max(1, round(0.3 * (x1 - x0))), max(1, round(0.3 * (y1 - y0)))
            cv2.ellipse(seeds, centre, axes, 0, 0, 360, OBJECT, -1)
    for (x, y), label in zip(points, labels, strict=True):
        cv2.circle(seeds, (int(x), int(y)), reach, OBJECT if label == 1 else GROUND, -1)
    smooth = cv2.medianBlur(np.ascontiguousarray(image[..., ::-1]), 5)
    grown = cv2.watershed(smooth, seeds)
    return np.asarray(grown == OBJECT, dtype=np.bool_)
