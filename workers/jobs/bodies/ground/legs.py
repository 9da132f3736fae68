"""The legs of a rig: their joints, and the points of the sole that touch the floor."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workers.engines.bodies.group.support import measure_slopes
from workers.engines.bodies.joint_names import map_humanoid_joints
from workers.engines.protocols import Rig

Floats = NDArray[np.float64]
SIDES = ("Left", "Right")
# Part of the foot's length, from behind, in which the heel touches the floor, and in which the ball does.
HEEL, BALL = (0.0, 0.35), (0.6, 0.85)


@dataclass(frozen=True, slots=True, eq=False)
class Leg:
    """Joints of a leg, and `sole` (2, 3): heel and ball of the foot about the ankle at rest, in metres."""

    hip: int
    knee: int
    ankle: int
    sole: Floats

    def find_sole(self, turned: Floats, joints: Floats) -> Floats:
        """Heel and ball (T, 2, 3) in frames with global rotations (T, J, 3, 3) and joints (T, J, 3)."""
        offsets: Floats = np.einsum("tab,pb->tpa", turned[:, self.ankle], self.sole)
        return joints[:, None, self.ankle] + offsets

    def find_knee_axis(self, turned: Floats) -> Floats:
        """Axes (T, 3) about which the knee bends backwards; at rest, facing +z, it points to the left."""
        axis: Floats = turned[:, self.knee, :, 0]
        return axis

    def measure_slope(self, joints: Floats, up: Floats) -> Floats:
        """Angles (T,) in degrees by which the thigh rises from the knee, of joints (T, J, 3)."""
        return measure_slopes(joints[:, self.hip] - joints[:, self.knee], up)

    def measure_bend(self, turned: Floats, joints: Floats) -> Floats:
        """Angles (T,) in radians between thigh and shank, negative where the knee bends the wrong way."""
        hip, knee, ankle = (joints[:, j] for j in (self.hip, self.knee, self.ankle))
        thigh, shank = knee - hip, ankle - knee
        across = (np.cross(thigh, shank) * self.find_knee_axis(turned)).sum(axis=1)
        bend: Floats = np.arctan2(across, (thigh * shank).sum(axis=1))
        return bend


def find_legs(rig: Rig) -> tuple[Leg, Leg] | None:
    """The left and the right leg; None for a rig whose joints have unknown names."""
    places = {
        names["unity"]: rig.joint_names.index(joint)
        for joint, names in map_humanoid_joints(rig.joint_names).items()
    }
    legs = []
    for side in SIDES:
        try:
            hip, knee, ankle = (places[side + name] for name in ("UpperLeg", "LowerLeg", "Foot"))
        except KeyError:
            return None
        legs.append(Leg(hip, knee, ankle, _measure_sole(rig, ankle)))
    return legs[0], legs[1]


def find_soles(legs: tuple[Leg, Leg], turned: Floats, joints: Floats) -> Floats:
    """Left heel, left ball, right heel, right ball (T, 4, 3) in frames posed as in `Leg.find_sole`."""
    return np.concatenate([leg.find_sole(turned, joints) for leg in legs], axis=1)


def _measure_sole(rig: Rig, ankle: int) -> Floats:
    """Lowest points at rest of heel and ball (2, 3), about the ankle; the body at rest faces +z."""
    below = np.zeros(len(rig.parents), dtype=np.bool_)
    below[ankle] = True
    for j in range(ankle + 1, len(rig.parents)):
        below[j] = rig.parents[j] >= 0 and below[rig.parents[j]]
    strongest = np.take_along_axis(rig.skin_joints, rig.skin_weights.argmax(axis=1)[:, None], axis=1)[:, 0]
    foot = rig.rest_vertices[below[strongest]]
    along = (foot[:, 2] - foot[:, 2].min()) / np.ptp(foot[:, 2])
    points = []
    for low, high in (HEEL, BALL):
        part = foot[(along >= low) & (along <= high)]
        points.append(part[part[:, 1].argmin()])
    sole: Floats = np.stack(points) - rig.rest_joints[ankle]
    return sole
