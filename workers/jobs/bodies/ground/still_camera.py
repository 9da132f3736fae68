"""Whether a video's camera stands still: corners of the background are followed from the first frame.

Corners (Shi and Tomasi 1994) are found outside the people of the first frame, on a picture 320 pixels wide,
and looked for in every later one (Lucas and Kanade 1981, with pyramids). Their median shift is how far the
camera has moved; people who walk over some of them do not change a median.
"""

import io
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.engines.protocols import Mask, Rgb
from workers.formats.images import shrink_image
from workers.jobs.bodies.gap_filling import find_spans

Grey = NDArray[np.uint8]
SIDE = 320
# Most corners, their least quality relative to the best and their least distance in pixels, as in OpenCV's
# documentation; fewer than this many that are found again tell nothing.
CORNERS, QUALITY, DISTANCE, LEAST_CORNERS = 150, 0.01, 7, 12
WINDOW = (15, 15)
# Shift in pixels of 320 up to which a camera stands still: 0.2% of the width, 6 mm on a person 4 m away.
# Share of the frames that must show it.
STILL_PIXELS, STILL_SHARE = 0.5, 0.9
# Seconds from which on a larger shift is a movement or another shot, and not a fault of a few frames.
MOVED_SECONDS = 0.3


class CameraWatch:
    """Measures how far the background has moved since the first frame."""

    def __init__(self, reference: Grey, corners: NDArray[np.float32]) -> None:
        self._reference, self._corners = reference, corners

    @classmethod
    def begin(cls, frame: Rgb, people: Sequence[Mask]) -> "CameraWatch":
        """Watch from this frame (H, W, 3) on, without what masks (H, W) cover of it."""
        grey = _shrink(frame)
        free = np.full(grey.shape, 255, dtype=np.uint8)
        for mask in people:
            small = cv2.resize(mask.astype(np.uint8), grey.shape[::-1], interpolation=cv2.INTER_AREA)
            free[cv2.dilate(small, np.ones((5, 5), np.uint8)) > 0] = 0
        found = cv2.goodFeaturesToTrack(grey, CORNERS, QUALITY, DISTANCE, mask=free)
        return cls(grey, np.zeros((0, 1, 2), np.float32) if found is None else found)

    def dump(self) -> bytes:
        """What `load` needs to go on watching, as NPZ bytes."""
        out = io.BytesIO()
        np.savez_compressed(out, allow_pickle=False, reference=self._reference, corners=self._corners)
        return out.getvalue()

    @classmethod
    def load(cls, data: bytes) -> "CameraWatch":
        """The watch that was dumped."""
        with np.load(io.BytesIO(data), allow_pickle=False) as stored:
            return cls(stored["reference"], stored["corners"])

    def measure(self, frame: Rgb) -> float:
        """The median shift in pixels of a picture 320 wide; NaN where too few corners are found again."""
        if len(self._corners) < LEAST_CORNERS:
            return float("nan")
        moved, found, _ = cv2.calcOpticalFlowPyrLK(
            self._reference, _shrink(frame), self._corners, np.empty_like(self._corners), winSize=WINDOW
        )
        kept = found[:, 0] > 0
        if kept.sum() < LEAST_CORNERS:
            return float("nan")
        return float(np.median(np.linalg.norm(moved[kept, 0] - self._corners[kept, 0], axis=1)))


def stands_still(shifts: NDArray[np.float64]) -> bool:
    """Whether a camera with these shifts (T,) of `CameraWatch.measure` stands still."""
    return len(shifts) > 0 and float((shifts <= STILL_PIXELS).mean()) >= STILL_SHARE


def find_moved(shifts: NDArray[np.float64], seconds: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Frames (T,) in which a camera that otherwise stands still had moved, or may have, of `shifts` (T,).

    `seconds` (T,) are the times of the frames.
    """
    moved = ~(shifts <= STILL_PIXELS)
    for frames in find_spans(moved.astype(np.uint8)):
        after = seconds[min(frames.stop, len(seconds) - 1)]
        moved[frames] = after - seconds[frames.start] >= MOVED_SECONDS
    return moved


def _shrink(frame: Rgb) -> Grey:
    grey: Grey = cv2.cvtColor(shrink_image(frame, SIDE), cv2.COLOR_RGB2GRAY)
    return grey
