"""The floor as residuals of a fit: feet that stand on it, nothing under it, and a body in balance.

Which foot stands is not decided: the lowest point of the feet is pulled onto the floor, others only from
nearby (Geman and McClure), and none may sink. A foot that is near the floor does not stand on its edge: it is
level across, also on tiptoe or on the heel. The pull towards balance has a Cauchy loss and counts as far as
the legs are straight: who sits or kneels rests on more than the feet.
"""

import numpy as np
from numpy.typing import NDArray

from workers.engines.bodies.group.cues import MASS, SUPPORT, find_support
from workers.engines.bodies.group.stature import estimate_stature
from workers.engines.bodies.kinematics import BodyState, Kinematics, PosedSkeleton, cross
from workers.engines.bodies.observations import ANKLES, HEELS, HIPS, KNEES, TOES

Floats = NDArray[np.float64]
# Landmarks of the feet: left and right heels, left and right toes.
CONTACTS = (*HEELS, *TOES)
# Deviation in metres of a point that stands on the floor, and where the pull on others levels off.
CONTACT_METRES, CONTACT_REACH = 0.01, 0.04
# Deviation in radians of a standing foot from level across. Chosen: ground and shoes are not quite even.
SOLE_TILT = np.radians(4.0)
# Deviations from which the loss of a tilt flattens (Cauchy): some stand on uneven ground, or skate. Chosen.
ROBUST_TILT = 3.0
# Deviation of the centre of mass from between the feet, in metres: people walk, lunge and throw. Chosen.
BALANCE_METRES = 0.10
# Angle of the knee in degrees from which a leg carries the body, and from which it does so alone. Chosen.
BENT_KNEE, STRAIGHT_KNEE = 100.0, 145.0
# Weight of the terms against a landmark's, which has one. Chosen.
WORTH = 0.4
MASS_POINTS = np.array(list(MASS))
MASS_SHARES = np.array(list(MASS.values())) / sum(MASS.values())


class GroundTerm:
    """Residuals of one person who stands on a floor: `up` (3,) and `offset` are those of a `FloorPlane`."""

    def __init__(self, kinematics: Kinematics, up: Floats, offset: float, *, straightness: float) -> None:
        """`straightness` in [0, 1] is how much the legs carry the body, see `measure_straightness`."""
        rest = kinematics.skeleton.model.base
        self._up, self._offset, self._size = up, offset, kinematics.size
        self._balance = WORTH * straightness
        # how far the landmarks lie above the sole, as shares of the stature
        floor = float(rest.vertices[:, 1].min())
        self._clearance = (rest.landmarks[list(CONTACTS), 1] - floor) / float(np.ptp(rest.vertices[:, 1]))
        self._across = np.eye(3) - np.outer(up, up)
        self._feet = [kinematics.skeleton.index(name) for name in ("foot_L", "foot_R")]
        self._carried = kinematics.skeleton.above[self._feet]
        self._widths = _find_widths(rest.landmarks)

    def __call__(self, state: BodyState, posed: PosedSkeleton) -> tuple[Floats, Floats, float]:
        heights = posed.landmarks[list(CONTACTS)] @ self._up + self._offset
        heights -= self._clearance * estimate_stature(state.shape)
        parts = self._contact(heights, posed), self._tilt(heights, posed), self._lean(posed)
        return (
            np.concatenate([residual for residual, _, _ in parts]),
            np.concatenate([jacobian for _, jacobian, _ in parts]),
            sum(cost for _, _, cost in parts),
        )

    def _contact(self, heights: Floats, posed: PosedSkeleton) -> tuple[Floats, Floats, float]:
        chosen = list(CONTACTS)
        slopes = np.einsum("x,cxp->cp", self._up, posed.jacobian[chosen])
        firm = heights < 0
        firm[int(heights.argmin())] = True
        near = (heights / CONTACT_REACH) ** 2
        scaled = (heights / CONTACT_METRES) ** 2
        cost = WORTH * np.where(firm, scaled, scaled / (1 + near)).sum()
        weight = np.sqrt(WORTH) / CONTACT_METRES * np.where(firm, 1.0, 1 / (1 + near))
        return heights * weight, slopes * weight[:, None], float(cost)

    def _tilt(self, heights: Floats, posed: PosedSkeleton) -> tuple[Floats, Floats, float]:
        """How far from level the feet are across, as far as they are near the floor."""
        lowest = np.maximum(heights.reshape(2, 2).min(axis=0), 0.0)
        near = 1 / (1 + (lowest / CONTACT_REACH) ** 2)
        widths = (posed.global_rotations[self._feet] @ self._widths[:, :, None])[:, :, 0]
        residual = widths @ self._up / SOLE_TILT
        # joints turn about the columns of their global rotations: (axis x width) . up = axis . (width x up)
        turned = np.tensordot(cross(widths, self._up), posed.global_rotations, (1, 1))
        slopes = np.zeros((2, self._size))
        slopes[:, : turned[0].size] = (turned * self._carried[:, :, None]).reshape(2, -1) / SOLE_TILT
        weight = np.sqrt(WORTH * near / (1 + residual**2 / ROBUST_TILT**2))
        cost = float(WORTH * near @ (ROBUST_TILT**2 * np.log1p(residual**2 / ROBUST_TILT**2)))
        return residual * weight, slopes * weight[:, None], cost

    def _lean(self, posed: PosedSkeleton) -> tuple[Floats, Floats, float]:
        """The centre of mass against the nearest point between the feet, along the floor."""
        if self._balance == 0.0:
            return np.zeros(0), np.zeros((0, self._size)), 0.0
        points = posed.landmarks
        feet = [find_support(points, k) for k in (0, 1)]
        centre = MASS_SHARES @ points[MASS_POINTS]
        between = self._across @ (feet[1] - feet[0])
        along = float(between @ (centre - feet[0])) / max(float(between @ between), 1e-6)
        share = float(np.clip(along, 0.0, 1.0))
        weights = np.zeros(len(points))
        weights[MASS_POINTS] += MASS_SHARES
        for k, part in ((0, 1 - share), (1, share)):
            weights[HEELS[k]] -= part * (1 - SUPPORT)
            weights[TOES[k]] -= part * SUPPORT
        residual = self._across @ (weights @ points) / BALANCE_METRES
        slope = self._across @ np.tensordot(weights, posed.jacobian, 1) / BALANCE_METRES
        squared = float(residual @ residual)
        weight = np.sqrt(self._balance / (1 + squared))
        return residual * weight, slope * weight, float(self._balance * np.log1p(squared))


def _find_widths(landmarks: Floats) -> Floats:
    """The unit directions (2, 3) across the left and right foot of landmarks (33, 3) at rest."""
    lengths = landmarks[list(TOES)] - landmarks[list(HEELS)]
    widths = np.cross([0.0, 1.0, 0.0], lengths)
    return np.asarray(widths / np.linalg.norm(widths, axis=1, keepdims=True))


def measure_straightness(points: Floats) -> float:
    """How straight the straighter leg of landmarks (33, 3) is: 0 bent or lifted, 1 straight."""
    angles = []
    for hip, knee, ankle in zip(HIPS, KNEES, ANKLES, strict=True):
        a, b = points[hip] - points[knee], points[ankle] - points[knee]
        cosine = float(a @ b) / max(float(np.linalg.norm(a) * np.linalg.norm(b)), 1e-9)
        angles.append(np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0))))
    return float(np.clip((max(angles) - BENT_KNEE) / (STRAIGHT_KNEE - BENT_KNEE), 0.0, 1.0))
