"""How large a person's face and head are for the body that they are on: what shows children."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.engines.bodies.fit import BodyFit
from workers.engines.bodies.observations import (
    ANKLES,
    FACE_WEIGHT,
    HIPS,
    KNEES,
    LEFT_EAR,
    RIGHT_EAR,
    SHOULDERS,
    LandmarkObservation,
)
from workers.engines.protocols import Mask

Floats = NDArray[np.float64]
# Landmarks of the face, its eyes and its mouth; and of the body, against which both are measured.
FACE, EYES, MOUTH = slice(0, 11), [2, 5], [9, 10]
EARS, BODY = [LEFT_EAR, RIGHT_EAR], [*SHOULDERS, *HIPS, *KNEES, *ANKLES]
# Misfit of a face's points as a share of its size, up to which they are trusted, and from which they are not:
# 0.07 to 0.18 on faces that are seen, 0.4 on hidden ones (`bodies.scenes` and real photos).
FACE_MISFIT = (0.20, 0.35)
# By how much a unit of the model's youth changes the logarithms of the face's and the head's share of the
# height.
FACE_PER_YOUTH, HEAD_PER_YOUTH = 0.14, 0.12
# The part of a mask that may be head: how far it reaches up from the ears and to either side, in heights of
# the fitted head above its ears. A mask that reaches the upper end shows an arm, or another person. Chosen.
HEAD_UP, HEAD_ASIDE = 2.4, 1.3
# Fewest pixels of a head above its ears: of fewer the outline is mostly error. Chosen, not measured.
LEAST_PIXELS = 60


def measure_face(fit: BodyFit, observed: LandmarkObservation) -> tuple[float, float]:
    """The logarithm of a face's length against that of an adult of the same height, and its weight.

    The length is from the eyes to the mouth in the image, against that of the fitted body with an adult's
    proportions. It weighs nothing where the face's points do not form a face, or the body's are hidden.
    """
    seen, fitted = observed.pixels[FACE], fit.pixels[FACE]
    length, expected = (
        float(np.linalg.norm(points[EYES].mean(axis=0) - points[MOUTH].mean(axis=0)))
        for points in (observed.pixels, fit.pixels)
    )
    if min(length, expected) < 1e-6:
        return 0.0, 0.0
    # the similarity that maps the fitted face to the seen one, as complex numbers
    a, b = ((points - points.mean(axis=0)) @ np.array([1.0, 1j]) for points in (fitted, seen))
    rest = b - (np.vdot(a, b) / np.vdot(a, a)) * a
    misfit = float(np.sqrt((np.abs(rest) ** 2).mean() / (np.abs(b) ** 2).mean()))
    clear = float(np.clip((FACE_MISFIT[1] - misfit) / (FACE_MISFIT[1] - FACE_MISFIT[0]), 0.0, 1.0))
    youth = FACE_PER_YOUTH * max(float(fit.state.shape[3]), 0.0)
    size = float(np.log(length / expected / observed.face_scale) + youth)
    return size, clear * _weigh_body(observed) * float(observed.weights[FACE].mean()) / FACE_WEIGHT


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadInMask:
    """A head in the mask: logarithms of its sizes, and their weight in [0, 1].

    `size` is against that of an adult of the same height, `crown` the root of its area above the ears as a
    share of the stature, `neck` the distance of the ears from the shoulders against the fitted one's.
    """

    size: float = 0.0
    crown: float = 0.0
    neck: float = 0.0
    weight: float = 0.0


UNSEEN = HeadInMask()


def measure_head(
    fit: BodyFit, observed: LandmarkObservation, mask: Mask, head: Floats, stature: float
) -> HeadInMask:
    """The head in the mask (H, W) of a body whose stature is so many pixels.

    `head` (N, 2) are pixels of the fitted head. The size is the mean of height and of the root of the area,
    both above the ears and along the line from the shoulders to them: hair widens a head more than it raises
    it. It weighs nothing where the mask shows no head of its own, or the image's border cuts it.
    """
    ears = fit.pixels[EARS].mean(axis=0)
    axis = ears - fit.pixels[list(SHOULDERS)].mean(axis=0)
    axis = axis / max(float(np.linalg.norm(axis)), 1e-6)
    axes = np.stack([axis, [-axis[1], axis[0]]], axis=1)
    above = ((head - ears) @ axes).astype(np.float32)
    above = above[above[:, 0] > 0]
    if len(above) < 3:
        return UNSEEN
    height, area = float(above[:, 0].max()), float(cv2.contourArea(cv2.convexHull(above)))
    seen = _cut_out(mask, observed.pixels[EARS].mean(axis=0), axes, height)
    if seen is None or len(seen) < LEAST_PIXELS or area <= 0:
        return UNSEEN
    reach = float(seen[:, 0].max())
    if reach > (HEAD_UP - 0.1) * height:
        return UNSEEN
    size = 0.5 * (np.log(reach / height) + 0.5 * np.log(len(seen) / area))
    necks = [
        float(np.linalg.norm(points[EARS].mean(axis=0) - points[list(SHOULDERS)].mean(axis=0)))
        for points in (observed.pixels, fit.pixels)
    ]
    return HeadInMask(
        size=float(size) + HEAD_PER_YOUTH * max(float(fit.state.shape[3]), 0.0),
        crown=float(0.5 * np.log(len(seen)) - np.log(stature)),
        neck=float(np.log(max(necks[0], 1.0) / max(necks[1], 1.0))),
        weight=_weigh_body(observed) * float(observed.weights[EARS].mean()) / FACE_WEIGHT,
    )


def _cut_out(mask: Mask, ears: Floats, axes: Floats, height: float) -> Floats | None:
    """Pixels of a mask above the ears as up and aside (N, 2); None where the image's border cuts them."""
    corners = np.array([[0.0, -1], [0, 1], [HEAD_UP, -1], [HEAD_UP, 1]]) * [1.0, HEAD_ASIDE] * height
    region = ears + corners @ axes.T
    x0, y0 = np.floor(region.min(axis=0)).astype(int)
    x1, y1 = np.ceil(region.max(axis=0)).astype(int)
    rows, columns = mask.shape
    left, top = max(x0, 0), max(y0, 0)
    v, u = np.nonzero(mask[top : max(y1, top), left : max(x1, left)])
    u, v = u + left, v + top
    places = (np.stack([u + 0.5, v + 0.5], axis=1) - ears) @ axes
    head = (places[:, 0] > 0) & (places[:, 0] < HEAD_UP * height)
    head &= np.abs(places[:, 1]) < HEAD_ASIDE * height
    at_border = (u == 0) | (v == 0) | (u == columns - 1) | (v == rows - 1)
    inside = bool((ears >= 0).all() and ears[0] < columns and ears[1] < rows)
    return places[head] if inside and not at_border[head].any() else None


def _weigh_body(observed: LandmarkObservation) -> float:
    return float(observed.weights[BODY].mean()) ** 2
