"""Whether a camera stood still, by blocks of its first frame that are found in their place again.

Blocks work on soft walls, where the few corners there are belong to things that move.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

# share of the blocks that have to stay where they were in every frame that is compared. Of 50 rendered clips
# with moving objects, still cameras kept 0.36 to 0.68 of the blocks and moving ones none
STILL_SHARE = 0.25
# blocks along each side of the image, and pixels around a block that are searched; chosen, not measured
GRID, REACH = 10, 3
# fewer textured blocks than this say nothing, and the camera counts as moving; chosen, not measured
LEAST_BLOCKS = 12
# standard deviation of grey levels in a block; a flat one fits anywhere. Chosen, not measured
LEAST_TEXTURE = 2.0
# pixels of the longer side at which frames are compared; chosen for speed
COMPARED_SIDE = 320

Gray = NDArray[np.uint8]


class StillCameraDetector:
    """Takes a few frames of a clip, the last among them, and compares each with the first."""

    def __init__(self) -> None:
        self._first: Gray | None = None
        self._shares: list[float] = []

    def add(self, gray: Gray) -> None:
        """Compare a grey frame (H, W) with the first one."""
        height, width = gray.shape
        scale = min(1.0, COMPARED_SIDE / max(height, width))
        size = max(16, round(width * scale)), max(16, round(height * scale))
        small = cv2.GaussianBlur(cv2.resize(gray, size, interpolation=cv2.INTER_AREA), (0, 0), 1)
        if self._first is None:
            self._first = small
        else:
            self._shares.append(_measure_unmoved_share(self._first, small))

    @property
    def is_still(self) -> bool:
        """Whether enough blocks stayed exactly in place in every frame that was compared."""
        return bool(self._shares) and min(self._shares) >= STILL_SHARE


def _measure_unmoved_share(first: Gray, now: Gray) -> float:
    """The share of textured blocks that fit best where they were; 0 when there are too few of them."""
    height, width = first.shape[0] // GRID, first.shape[1] // GRID
    unmoved = []
    for y in range(height, first.shape[0] - 2 * height + 1, height):
        for x in range(width, first.shape[1] - 2 * width + 1, width):
            block = now[y : y + height, x : x + width]
            if block.std() < LEAST_TEXTURE:
                continue
            around = first[y - REACH : y + height + REACH, x - REACH : x + width + REACH]
            fit = cv2.matchTemplate(around, block, cv2.TM_SQDIFF)
            unmoved.append(int(np.argmin(fit)) == REACH * fit.shape[1] + REACH)
    return float(np.mean(unmoved)) if len(unmoved) >= LEAST_BLOCKS else 0.0
