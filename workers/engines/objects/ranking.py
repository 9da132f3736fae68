"""Which extrusion to believe: two linear rules learned from drawn shapes whose other sides are known.

One tells how well an extrusion will look from other sides, one how well inflation will; both from figures of
the outline alone. `bench/objects_ranking.py` draws the shapes, none of them the bench's, and fits the rules.
"""

import numpy as np
from numpy.typing import NDArray

from workers.engines.objects.extruded import Extruded, candidates
from workers.engines.objects.ranking_weights import EXTRUDED, INFLATED
from workers.engines.objects.regular import Plan
from workers.engines.objects.single_view.coarse_mask import Window

Array = NDArray[np.float64]
MARGIN = 0.03
# an ellipse is seen of round things
ROUND = 0.97


def of_window(window: Window) -> Array:
    """Figures (8,) of a mask that tell how well inflation will do."""
    hull, ellipse = window.hull_share(), window.ellipse_iou()
    aspect = min(window.aspect(), 3.0)
    share = window.rectangle_share()
    return np.array([1, hull, share, aspect, window.straight_share(), ellipse, ellipse**4, hull**4])


def of_extrusion(found: Extruded, plan: Plan, mask: Array) -> Array:
    """Figures (25,) of an extrusion, its cap's plan and the mask (of `of_window`)."""
    length = found.samples / (max(found.cap.shape) - 4)
    upright = found.yaw is None
    aside = 0.0 if found.yaw is None else abs(found.yaw) / 90
    pitch = (found.pitch - 25) / 20
    _, hull, _, _, straight, ellipse, round_, _ = mask
    return np.array(
        [
            *(1, length, length**2, plan.square, plan.square**4, plan.folds, plan.even, plan.mirror),
            *(found.iou, min(plan.corners, 24) / 10, np.log(found.cap_share() + 0.02), pitch, pitch**2),
            *(float(upright), aside, aside**2, plan.folds * plan.even, plan.square * plan.even),
            *(
                length * plan.square**2,
                length * plan.folds,
                straight,
                ellipse,
                hull,
                straight * length,
                round_,
            ),
        ]
    )


def figures(window: Window) -> tuple[Array, list[tuple[Extruded, Array]]]:
    """A mask's figures, and its extrusions with theirs."""
    mask = of_window(window)
    out = []
    for found in candidates(window):
        plan = found.shape()
        if plan is not None:
            out.append((found, of_extrusion(found, plan, mask)))
    return mask, out


def likeliest(window: Window) -> Extruded | None:
    """The extrusion that will look best from other sides; None where inflation will look better."""
    if window.ellipse_iou() > ROUND:
        return None
    mask, found = figures(window)
    if not found:
        return None
    expected = np.array([row for _, row in found]) @ np.array(EXTRUDED)
    best = int(expected.argmax())
    if expected[best] <= mask @ np.array(INFLATED) + MARGIN:
        return None
    return found[best][0]
