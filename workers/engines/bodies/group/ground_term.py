"""The floor as residuals of a fit: feet that stand on it, nothing under it, and a body in balance.

Which foot stands is not decided: the lowest point of the feet is pulled onto the floor, others only from
nearby (Geman and McClure), and none may sink. The pull towards balance has a Cauchy loss and counts as far as
the legs are straight: who sits or kneels rests on more than the feet.
"""

import numpy as np
from numpy.typing import NDArray

from workers.engines.bodies.group.cues import MASS, SUPPORT, find_support
from workers.engines.bodies.group.stature import estimate_stature
from workers.engines.bodies.kinematics import BodyState, Kinematics, PosedSkeleton
from workers.engines.bodies.observations import ANKLES, HEELS, HIPS, KNEES, TOES

Floats = NDArray[np.float64]
# Landmarks of the feet: left and right heels, left and right toes.
CONTACTS = (*HEELS, *TOES)
# Deviation in metres of a point that stands on the floor, and where the pull on others levels off.
CONTACT_METRES, CONTACT_REACH = 0.01, 0.04
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

    def __call__(self, state: BodyState, posed: PosedSkeleton) -> tuple[Floats, Floats, float]:
        contact = self._contact(state, posed)
        balance = self._lean(posed)
        return (
            np.concatenate([contact[0], balance[0]]),
            np.concatenate([contact[1], balance[1]]),
            contact[2] + balance[2],
        )

    def _contact(self, state: BodyState, posed: PosedSkeleton) -> tuple[Floats, Floats, float]:
        chosen = list(CONTACTS)
        heights = posed.landmarks[chosen] @ self._up + self._offset
        heights -= self._clearance * estimate_stature(state.shape)
        slopes = np.einsum("x,cxp->cp", self._up, posed.jacobian[chosen])
        firm = heights < 0
        firm[int(heights.argmin())] = True
        near = (heights / CONTACT_REACH) ** 2
        scaled = (heights / CONTACT_METRES) ** 2
        cost = WORTH * np.where(firm, scaled, scaled / (1 + near)).sum()
        weight = np.sqrt(WORTH) / CONTACT_METRES * np.where(firm, 1.0, 1 / (1 + near))
        return heights * weight, slopes * weight[:, None], float(cost)

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


def measure_straightness(points: Floats) -> float:
    """How straight the straighter leg of landmarks (33, 3) is: 0 bent or lifted, 1 straight."""
    angles = []
    for hip, knee, ankle in zip(HIPS, KNEES, ANKLES, strict=True):
        a, b = points[hip] - points[knee], points[ankle] - points[knee]
        cosine = float(a @ b) / max(float(np.linalg.norm(a) * np.linalg.norm(b)), 1e-9)
        angles.append(np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0))))
    return float(np.clip((max(angles) - BENT_KNEE) / (STRAIGHT_KNEE - BENT_KNEE), 0.0, 1.0))
