"""Who covers whom is nearer: people whom no floor holds are moved to where the masks say that they are."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from workers.engines.bodies.estimates import measure_height, scale_about_camera
from workers.engines.protocols import BodyEstimate, Mask

Floats = NDArray[np.float64]
# Every so many vertices are looked up in the others' masks.
STRIDE = 12
# Share of a body's vertices that must lie in another's mask, beyond those of the other in its own, for it to
# be hidden by the other. Chosen: outlines that spill over reach 2%.
HIDDEN_SHARE = 0.05
# Metres between the middles of two people of whom one stands before the other. Chosen.
GAP = 0.25
# Statures in metres, and factors, beyond which nobody is moved: the masks or the fit are wrong then. Chosen.
STATURES, FACTORS = (0.7, 2.1), (0.7, 1.4)


def order_by_masks(bodies: Sequence[BodyEstimate], masks: Sequence[Mask]) -> list[BodyEstimate]:
    """The bodies of one image, those whom no floor or height holds scaled about the camera into their order.

    `masks` (H, W) are those of the same people. A body that cannot be moved far enough stays where it is.
    """
    out = list(bodies)
    points = [body.vertices[::STRIDE] for body in bodies]
    pixels = [np.floor(body.camera.project(p)).astype(int) for body, p in zip(bodies, points, strict=True)]
    hidden = np.array([[_measure_share(at, mask) for mask in masks] for at in pixels])
    for a in range(len(out)):
        for b in range(len(out)):
            if a == b or hidden[a, b] - hidden[b, a] < HIDDEN_SHARE:
                continue
            behind, front = _measure_depth(out[a]), _measure_depth(out[b])
            if front > behind - GAP and _is_free(out[b]):
                out[b] = _move(out[b], (behind - GAP) / front)
            elif front > behind - GAP and _is_free(out[a]):
                out[a] = _move(out[a], (front + GAP) / behind)
    return out


def _measure_share(pixels: NDArray[np.int64], mask: Mask) -> float:
    """Share of pixels (N, 2) that lie in a mask (H, W)."""
    height, width = mask.shape
    inside = np.all((pixels >= 0) & (pixels < (width, height)), axis=1)
    at = pixels[inside]
    return float(np.count_nonzero(mask[at[:, 1], at[:, 0]])) / len(pixels)


def _measure_depth(body: BodyEstimate) -> float:
    return float(np.median(body.vertices[::STRIDE, 2]))


def _is_free(body: BodyEstimate) -> bool:
    return not body.grounded and body.scale_source == "prior"


def _move(body: BodyEstimate, factor: float) -> BodyEstimate:
    stature = factor * measure_height(body.rig)
    if not (FACTORS[0] < factor < FACTORS[1] and STATURES[0] < stature < STATURES[1]):
        return body
    return scale_about_camera(body, factor)
