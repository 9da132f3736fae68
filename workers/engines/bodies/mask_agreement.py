"""Whether a mask is that of a body: of all of it, of what something in front leaves, or of neither."""

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.engines.bodies.people import VISIBLE, PersonObservation
from workers.engines.protocols import Mask

Floats = NDArray[np.float64]
Agreement = Literal["whole", "hidden", "none"]
# Shoulders to wrists and hips to ankles, and the least share of them in a mask of the same person. Chosen,
# not measured.
BODY, IN_MASK = [*range(11, 17), *range(23, 29)], 0.5
# Share of a mask that lies on the body where that is partly hidden, and the least share of the body that it
# covers: a head with its shoulders. Chosen: hair and clothes lie beside the body.
ON_BODY, LEAST_COVERED = 0.7, 0.12
# Share of the body that lies where the mask shows nothing, not even in the next cell, from which it is
# hidden, or not where the fit has it. Of 493 drawn people through BlazePose the median is 0.014; the MPJPE is
# 70 mm under 0.02, 101 mm at 0.07 to 0.1, and 119 to 161 mm from 0.1 on (docs/benchmarks/bodies.md).
LEAST_HIDDEN = 0.10
# Cells along the body's longer side in which areas are compared: as fine as its vertices are dense. Share of
# a cell from which the mask shows something there.
CELLS, SHOWN = 48, 0.5


def judge_mask(person: PersonObservation, outline: Floats) -> Agreement:
    """How the mask agrees with the body, whose vertices lie at the pixels `outline` (V, 2).

    A mask without most of the landmarks is that of a partly hidden person where it lies on the body and what
    it leaves out was seen less surely than what it holds. The mask of a thing in front of the person holds
    what is seen less surely, and that of somebody else does not lie on the body. A mask that holds the
    landmarks shows a hidden person where it lacks a good part of the fitted body.
    """
    landmarks = person.landmarks
    held, known = _look_up(landmarks.pixels, person.mask)
    seen = (landmarks.confidence > VISIBLE) & known
    body = np.flatnonzero(seen[BODY])
    if not len(body):
        return "whole"
    areas = _compare_areas(person.mask, outline)
    if float(held[BODY][body].mean()) >= IN_MASK:
        return "whole" if areas.hidden < LEAST_HIDDEN else "hidden"
    inside, outside = landmarks.confidence[held & known], landmarks.confidence[~held & known]
    if not len(inside) or inside.mean() <= outside.mean():
        return "none"
    return "hidden" if areas.on_body >= ON_BODY and areas.covered >= LEAST_COVERED else "none"


def _look_up(pixels: Floats, mask: Mask) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Whether pixels (N, 2) lie in the mask (H, W), and in the image."""
    at = np.floor(pixels).astype(int)
    known = np.all((at >= 0) & (at < (mask.shape[1], mask.shape[0])), axis=1)
    x, y = np.where(known[:, None], at, 0).T
    return mask[y, x] & known, known


@dataclass(frozen=True, slots=True, kw_only=True)
class _Areas:
    """Shares: of the mask that lies on the body, and of the body in the image in the mask and far from it."""

    on_body: float
    covered: float
    hidden: float


def _compare_areas(mask: Mask, outline: Floats) -> _Areas:
    """The areas of a mask (H, W) and of the body whose vertices lie at the pixels `outline` (V, 2)."""
    height, width = mask.shape
    cell = max(1.0, float(np.ptp(outline, axis=0).max()) / CELLS)
    size = (max(1, int(np.ceil(width / cell))), max(1, int(np.ceil(height / cell))))
    bright = cv2.resize(mask.view(np.uint8) * np.uint8(255), size, interpolation=cv2.INTER_AREA)
    shares = bright.astype(np.float32) / 255.0
    x, y = np.floor(outline / cell).astype(int).T
    inside = (x >= 0) & (y >= 0) & (x < size[0]) & (y < size[1])
    body = np.zeros(size[::-1], dtype=np.uint8)
    body[y[inside], x[inside]] = 1
    body = cv2.morphologyEx(body, cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
    near = cv2.dilate((shares > SHOWN).astype(np.uint8), np.ones((3, 3), np.uint8))
    shared, cells = float(shares[body > 0].sum()), max(int(body.sum()), 1)
    return _Areas(
        on_body=shared / max(float(shares.sum()), 1e-9),
        covered=shared / cells,
        hidden=float(np.count_nonzero(body > near)) / cells,
    )
