"""What one person says of gravity, the floor and its own size, read from a fit of that person alone."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workers.engines.bodies.fit import BodyFit
from workers.engines.bodies.group.head_size import UNSEEN, HeadInMask, measure_face, measure_head
from workers.engines.bodies.kinematics import BodyState
from workers.engines.bodies.observations import (
    ANKLES,
    HEELS,
    HIPS,
    KNEES,
    NOSE,
    SHOULDERS,
    TOES,
    LandmarkObservation,
)
from workers.engines.bodies.rig import SkinnedPoints, Skinner
from workers.engines.bodies.skeleton import Skeleton
from workers.engines.protocols import Mask

Floats = NDArray[np.float64]
# Every so many vertices of a foot are candidates for its lowest point: a foot has about 700.
SOLE_STRIDE = 8
# Every so many vertices of a head outline it: it has about 4000.
HEAD_STRIDE = 12
# Vertices at either end of the body at rest between which its height lies.
ENDS = 40
# Shares of the body's mass that move with landmarks (de Leva, J. Biomechanics 29, 1996; limbs joined).
MASS = {
    NOSE: 0.07,
    **dict.fromkeys(SHOULDERS, 0.20),
    **dict.fromkeys(HIPS, 0.17),
    **dict.fromkeys(KNEES, 0.07),
}
MASS |= dict.fromkeys(ANKLES, 0.025)
# Share of the way from heel to toes at which a foot carries a body that stands at ease: that of the model's
# centre of mass in the relaxed pose.
SUPPORT = 0.4
# Confidence from which a foot counts as seen; chosen, not measured.
FOOT_SEEN = 0.5


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PersonCue:
    """One person as it was fitted alone, in the camera frame, metres.

    `soles` (C, 3): points of the `feet` that are seen, left and right, empty where none is.
    `stature` at this size; scaling about the camera's centre changes it and not the image. `axis` (3,) is the
    unit direction from the feet (else the hips) to the body as it was observed, `axis_weight` in [0, 1] how
    much of it is seen, `view` (3,) the unit ray to the person, `shown_tilt` the share of the camera's pitch
    that the axis shows. `face` is the logarithm of its size against that of an adult of the same height, with
    its weight in [0, 1], and `head` what the mask shows (`head_size`); `nod` is the cosine between the head's
    own up and the ray to the person. `known` is the height in metres where it is given.
    """

    soles: Floats
    stature: float
    axis: Floats
    axis_weight: float
    view: Floats
    face: float
    face_weight: float
    feet: tuple[bool, bool] = (True, True)
    head: HeadInMask = UNSEEN
    nod: float = 0.0
    shown_tilt: float = 1.0
    known: float | None = None


def find_sole_vertices(skeleton: Skeleton) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Vertices of the left and the right foot."""
    return find_vertices(skeleton, "foot_L"), find_vertices(skeleton, "foot_R")


def find_vertices(skeleton: Skeleton, joint: str) -> NDArray[np.int64]:
    """Vertices that move most with a fitted joint."""
    model = skeleton.model
    strongest = np.take_along_axis(model.skin_joints, model.skin_weights.argmax(axis=1)[:, None], axis=1)
    return np.flatnonzero(skeleton.nearest[strongest[:, 0]] == skeleton.index(joint))


def find_centre_of_mass(landmarks: Floats) -> Floats:
    """The centre of mass (3,) of landmarks (33, 3)."""
    chosen = list(MASS)
    return np.asarray(np.average(landmarks[chosen], axis=0, weights=list(MASS.values())))


def find_support(landmarks: Floats, side: int) -> Floats:
    """The point (3,) of the left (0) or right (1) foot over which a standing body is in balance."""
    return np.asarray((1 - SUPPORT) * landmarks[HEELS[side]] + SUPPORT * landmarks[TOES[side]])


class CueReader:
    """Reads cues from fits; holds only constant tables."""

    def __init__(self, skinner: Skinner) -> None:
        self._kinematics = skinner.kinematics
        feet = find_sole_vertices(skinner.kinematics.skeleton)
        self._soles = [skinner.subset(chosen[::SOLE_STRIDE]) for chosen in feet]
        self._head = skinner.subset(find_vertices(skinner.kinematics.skeleton, "head")[::HEAD_STRIDE])
        model = skinner.kinematics.skeleton.model
        ends = np.argsort(model.base.vertices[:, 1])[[*range(ENDS), *range(-ENDS, 0)]]
        self._ends = model.base.vertices[ends, 1], model.directions.vertices[:, ends, 1]

    def stature(self, state: BodyState) -> float:
        """The height in metres of a state's body at rest."""
        base, directions = self._ends
        return float(np.ptp(base + self._kinematics.coefficients(state.shape) @ directions))

    def place_soles(self, fit: BodyFit, feet: tuple[bool, bool]) -> Floats:
        """Points (C, 3) of the chosen feet of a fit, left and right."""
        soles = [self._place(foot, fit) for foot, chosen in zip(self._soles, feet, strict=True) if chosen]
        return np.concatenate(soles) if soles else np.zeros((0, 3))

    def _place(self, points: SkinnedPoints, fit: BodyFit) -> Floats:
        coefficients = self._kinematics.coefficients(fit.state.shape)
        return points.place(coefficients, fit.posed.global_rotations, fit.posed.joints)

    def read(
        self, fit: BodyFit, observed: LandmarkObservation, mask: Mask, *, known: float | None = None
    ) -> PersonCue:
        """The cue of a fitted person with its mask (H, W), whose height in metres may be known."""
        points, camera = fit.posed.landmarks, observed.camera
        inside = np.all((fit.pixels >= 0) & (fit.pixels < (camera.width, camera.height)), axis=1)
        left, right = (
            bool(
                np.all(inside[[HEELS[k], TOES[k]]])
                and observed.confidence[[ANKLES[k], HEELS[k]]].mean() > FOOT_SEEN
            )
            for k in (0, 1)
        )
        seen = left, right
        # of the points that were observed: the fit's own are pulled towards the image's up
        world = observed.world
        trunk = world[list(SHOULDERS)].mean(axis=0) - world[list(HIPS)].mean(axis=0)
        if all(seen):
            trunk = find_centre_of_mass(world) - np.mean([find_support(world, k) for k in (0, 1)], axis=0)
        view = points[[*SHOULDERS, *HIPS]].mean(axis=0)
        face, face_weight = measure_face(fit, observed)
        skull = self._place(self._head, fit)
        stature = self.stature(fit.state)
        pixels = stature * observed.pixels_per_metre(points[:, 2])
        turned = fit.posed.global_rotations[self._kinematics.skeleton.index("head")]
        return PersonCue(
            soles=self.place_soles(fit, seen),
            feet=seen,
            stature=stature,
            axis=trunk / max(float(np.linalg.norm(trunk)), 1e-9),
            axis_weight=float(observed.weights[[*SHOULDERS, *HIPS]].mean() ** 2),
            view=view / np.linalg.norm(view),
            face=face,
            face_weight=face_weight,
            head=measure_head(fit, observed, mask, camera.project(skull), pixels),
            nod=float(turned[:, 1] @ view) / float(np.linalg.norm(view)),
            shown_tilt=observed.shown_tilt,
            known=known,
        )
