"""Region similarity J and contour accuracy F of video object segmentation.

Perazzi et al., "A Benchmark Dataset and Evaluation Methodology for Video Object Segmentation" (2016), with
the contours and the tolerance of the DAVIS 2017 evaluation: 0.008 of the image's diagonal.
"""

from collections.abc import Iterable

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.evaluation.benchmark import Scores

Mask = NDArray[np.bool_]
TOLERANCE = 0.008
# of J or F from which a frame is recalled
RECALLED = 0.5


def measure_region(truth: Mask, found: Mask) -> float:
    """J, the IoU of two masks (H, W); 1 when both are empty."""
    union = int(np.count_nonzero(truth | found))
    return int(np.count_nonzero(truth & found)) / union if union else 1.0


def measure_contour(truth: Mask, found: Mask, tolerance: float = TOLERANCE) -> float:
    """F, the harmonic mean of the shares of both contours that lie near the other one."""
    radius = int(np.ceil(tolerance * np.hypot(*truth.shape)))
    outlines = trace_contour(truth), trace_contour(found)
    counts = [int(np.count_nonzero(outline)) for outline in outlines]
    if not all(counts):
        return float(counts[0] == counts[1])
    near = [cv2.dilate(outline.view(np.uint8), _disk(radius)).astype(np.bool_) for outline in outlines]
    recall = int(np.count_nonzero(outlines[0] & near[1])) / counts[0]
    precision = int(np.count_nonzero(outlines[1] & near[0])) / counts[1]
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def trace_contour(mask: Mask) -> Mask:
    """Pixels (H, W) that differ from the next one to the right, below, or both: contours one pixel wide."""
    # beyond the border lies what lies on it, so that borders are no contours; the corner never is
    padded = np.pad(mask, ((0, 1), (0, 1)), mode="edge")
    own = padded[:-1, :-1]
    contour: Mask = (own != padded[:-1, 1:]) | (own != padded[1:, :-1]) | (own != padded[1:, 1:])
    return contour


def average_objects(objects: Iterable[tuple[list[float], list[float]]]) -> Scores:
    """J&F, J and F over objects with their values per frame; means of objects, not of frames."""
    kept = [(np.array(j), np.array(f)) for j, f in objects if j]
    if not kept:
        return dict.fromkeys(("J&F", "J", "F", "J_recall", "F_recall"))
    region, contour = (float(np.mean([values[k].mean() for values in kept])) for k in (0, 1))
    recalls = [float(np.mean([(values[k] > RECALLED).mean() for values in kept])) for k in (0, 1)]
    return {
        "J&F": (region + contour) / 2,
        "J": region,
        "F": contour,
        "J_recall": recalls[0],
        "F_recall": recalls[1],
    }


def _disk(radius: int) -> NDArray[np.uint8]:
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    disk: NDArray[np.uint8] = (x * x + y * y <= radius * radius).astype(np.uint8)
    return disk
