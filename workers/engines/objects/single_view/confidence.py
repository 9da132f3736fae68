"""How far to trust a shape: the F-score at 5% of the longest side that results like it have in the mean."""

import numpy as np

from workers.engines.objects.single_view.hypotheses import ShapeName
from workers.engines.objects.single_view.mask_view import MaskView
from workers.engines.objects.single_view.surface import Surface

# Mean F@.05 of boxes, solids of revolution and inflated masks on the first half of the held-out real objects,
# with the mask alone and with depth.
MASK_SCORES: dict[ShapeName, float] = {"box": 0.84, "turned": 0.82, "inflated": 0.42}
DEPTH_SCORES: dict[ShapeName, float] = {"box": 0.94, "turned": 0.90, "inflated": 0.42}
# The same of the network's shapes by the error that it expects in sizes of the object.
MASK_ERRORS, MASK_SCORES_BY_ERROR = (0.058, 0.083, 0.101, 0.122, 0.152), (0.659, 0.629, 0.549, 0.549, 0.514)
DEPTH_ERRORS, DEPTH_SCORES_BY_ERROR = (0.027, 0.035, 0.041, 0.053, 0.093), (0.956, 0.896, 0.85, 0.83, 0.778)
# Factors of what the objects of that measurement were not: cut by the image's border, tiny, in several parts.
# Chosen, not measured.
TRUNCATED_FACTOR, TINY_FACTOR, PARTS_FACTOR = 0.5, 0.5, 0.8
# Pixels of the mask below which a result is flagged `tiny_mask`. Chosen, not measured.
TINY_PIXELS = 64


def is_tiny(view: MaskView) -> bool:
    """Whether the mask has too few pixels to judge a shape by."""
    return int(view.given.sum()) < TINY_PIXELS


def rate_confidence(
    view: MaskView, name: ShapeName, surface: Surface, silhouette_iou: float, *, uses_depth: bool
) -> float:
    """The F-score in [0, 1] to be expected of a surface of the hypothesis `name`."""
    if surface.expected_error is None:
        out = (DEPTH_SCORES if uses_depth else MASK_SCORES)[name]
    elif uses_depth:
        out = float(np.interp(surface.expected_error, DEPTH_ERRORS, DEPTH_SCORES_BY_ERROR))
    else:
        out = float(np.interp(surface.expected_error, MASK_ERRORS, MASK_SCORES_BY_ERROR))
    out *= silhouette_iou
    out *= TRUNCATED_FACTOR if view.is_truncated else 1.0
    out *= TINY_FACTOR if is_tiny(view) else 1.0
    out *= PARTS_FACTOR if view.parts > 1 else 1.0
    return round(out, 4)
