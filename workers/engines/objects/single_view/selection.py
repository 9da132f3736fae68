"""Which simple solid an outline is: a box, a solid of revolution, or none.

A shape counts as found when its own outline, drawn from the input camera, covers the mask. Where a mask
alone leaves the tilt open, the steepest tilt that still explains it is taken: flat tops and bottoms then
come out flat. Outlines that every tilt explains are of round things, whose tilt does not matter.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from workers.engines.objects.single_view import cuboid as boxed
from workers.engines.objects.single_view import revolution as turned
from workers.engines.objects.single_view.coarse_mask import Window, attainable, window_of
from workers.engines.objects.single_view.label_prior import expected_shape, thickness_factor
from workers.geometry.cameras import Camera

Array = NDArray[np.float64]
LEAST_PIXELS = 400
FOUND, FOUND_LABEL = 0.965, 0.93
EVEN, EVEN_LABEL = 0.93, 0.8
SOLID_HULL = 0.9
HOLES = 0.01
RECTANGLE = 0.96
AS_GOOD, HOLED_AS_GOOD = 0.0075, 0.03
STEPS, SHARP = 0.3, 0.98
ROUND_TILT = 60
USUAL_TILT = 25
ROUND_ASPECT = 1.35
SLENDER, SLENDER_RANGE = 5.0, 3.0


@dataclass(frozen=True, slots=True)
class Shape:
    """A closed mesh in the camera frame, at about z = 1; `axes` has rows x, y (up) and z (to the camera)."""

    kind: Literal["box", "turned"]
    vertices: Array
    faces: NDArray[np.int64]
    axes: Array
    iou: float


def find_shapes(mask: NDArray[np.bool_], camera: Camera, label: str | None) -> Iterator[Shape]:
    """The simple solids that explain a mask (H, W), the likeliest first."""
    if int(mask.sum()) < LEAST_PIXELS:
        return
    window = window_of(mask, camera)
    expected = expected_shape(label)
    holes = window.holes > HOLES
    found: list[Shape] = []
    # Head on, a rectangle says nothing of its depth, but the label may.
    head_on = thickness_factor(label) is not None and window.rectangle_share() > RECTANGLE
    if expected not in ("turned", "round") and not holes and not head_on:
        found += _box(window, FOUND_LABEL if expected == "box" else FOUND)
    if expected not in ("box", "round"):
        # what the steps of a mask of few pixels cost an outline says nothing against a shape or a tilt
        steps = max(AS_GOOD, STEPS * (1 - attainable(mask)))
        found += _turned(window, steps, holes=holes, labelled=expected == "turned")
    yield from sorted(found, key=lambda shape: -shape.iou)


def _box(window: Window, wanted: float) -> list[Shape]:
    if window.hull_share() < SOLID_HULL:
        return []
    box = boxed.fit(window)
    if box.iou < min(wanted, attainable(window.mask)):
        return []
    vertices, faces = box.mesh()
    edges = box.corners[[4, 2, 1]] - box.corners[0]
    x, y, z = edges / np.linalg.norm(edges, axis=1, keepdims=True)
    view = box.corners.mean(axis=0)
    axes = min(((x, y, z), (-z, y, x), (-x, y, -z), (z, y, -x)), key=lambda frame: float(frame[2] @ view))
    return [Shape("box", vertices, faces, np.stack(axes), box.iou)]


def _turned(window: Window, steps: float, *, holes: bool, labelled: bool) -> list[Shape]:
    point, direction, even = turned.midline(window)
    if even < (EVEN_LABEL if labelled else EVEN):
        return []
    fits = [turned.fit(window, point, direction, degrees) for degrees in turned.TILTS]
    best = max(fit.iou for fit in fits)
    if best < (FOUND_LABEL if labelled else FOUND):
        return []
    aspect = window.aspect()
    if aspect < ROUND_ASPECT and not holes and window.ellipse_iou() >= best - steps:
        return []
    wanted = min(best - AS_GOOD, max(best - steps, SHARP))
    steepest = max(fit.tilt for fit in fits if fit.iou >= wanted)
    if steepest >= ROUND_TILT and not holes:
        if aspect < ROUND_ASPECT:
            return []
        steepest = USUAL_TILT
    # The ends of things slender along the axis are too few samples to tell their tilt.
    along = turned.length_to_width(window, point, direction)
    trust = float(np.clip((SLENDER - along) / SLENDER_RANGE, 0, 1))
    chosen = turned.fit(window, point, direction, trust * steepest + (1 - trust) * USUAL_TILT)
    if holes:
        open_ones = [turned.pierced(window, fit) for fit in fits if fit.iou >= best - HOLED_AS_GOOD]
        best_open = max((one for one in open_ones if one), key=lambda one: one.iou, default=None)
        if best_open is None:
            return []
        chosen = best_open
    vertices, faces = chosen.mesh()
    axis = chosen.axis
    return [Shape("turned", vertices, faces, np.stack([axis.side, axis.up, -axis.across]), chosen.iou)]
