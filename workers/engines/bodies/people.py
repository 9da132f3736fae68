"""The people of a picture as an engine observes them, before anything is solved."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from workers.engines.bodies.observations import LandmarkObservation
from workers.engines.protocols import Box, Mask

Floats = NDArray[np.float64]
# Confidence from which a landmark counts as visible; chosen, not measured.
VISIBLE = 0.5
# Distance of landmarks as a share of the body's height below which two bodies are one person. Chosen, not
# measured.
SAME_PERSON = 0.05
# Share of the visible landmarks that must lie in the box, and the margin of the box as a share of its sides.
# Chosen, not measured.
IN_BOX, BOX_MARGIN = 0.5, 0.15


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PersonObservation:
    """One person: landmarks, the box, the mask (H, W), and the `score` in [0, 1] that there is a person.

    `crowded` is whether somebody else is in the box; `curls` (2, 4) are radians by which the joints of
    the left and right index to pinky bend, NaN where unknown.
    """

    landmarks: LandmarkObservation
    box: Box
    mask: Mask
    score: float
    crowded: bool = False
    curls: Floats = field(default_factory=lambda: np.full((2, 4), np.nan))

    def lies_in_box(self) -> bool:
        """Whether the visible landmarks lie in the box; those of another person do not."""
        visible = self.landmarks.confidence > VISIBLE
        if visible.sum() < 5:
            return False
        x0, y0, x1, y1 = self.box
        dx, dy = BOX_MARGIN * (x1 - x0), BOX_MARGIN * (y1 - y0)
        x, y = self.landmarks.pixels[visible].T
        inside = (x >= x0 - dx) & (x < x1 + dx) & (y >= y0 - dy) & (y < y1 + dy)
        return float(inside.mean()) >= IN_BOX


def is_same_person(a: LandmarkObservation, b: LandmarkObservation, reach: float) -> bool:
    """Whether two observations are of one person: the landmarks that are visible in both coincide.

    `reach` is the person's height in pixels, standing.
    """
    both = np.minimum(a.confidence, b.confidence)
    if both.sum() < 1.0:
        return False
    distance = np.linalg.norm(a.pixels - b.pixels, axis=1)
    return float(np.average(distance, weights=both)) < SAME_PERSON * reach
