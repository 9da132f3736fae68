"""What one person says of gravity, the floor and its own size, read from a fit of that person alone."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workers.engines.bodies.fit import BodyFit
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
    weigh_confidence,
)
from workers.engines.bodies.rig import Skinner
from workers.engines.bodies.skeleton import Skeleton

Floats = NDArray[np.float64]
# Every so many vertices of a foot are candidates for its lowest point: a foot has about 700.
SOLE_STRIDE = 8
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
# Landmarks of the face, its eyes and its mouth.
FACE, EYES, MOUTH = slice(0, 11), [2, 5], [9, 10]
# Misfit of a face's points as a share of its size, up to which they are trusted, and from which they are not:
# 0.07 to 0.18 on faces that are seen, 0.4 on hidden ones (`bodies.scenes` and real photos).
FACE_MISFIT = (0.20, 0.35)
# By how much a unit of the model's youth changes the logarithm of the face's share of the height.
FACE_PER_YOUTH = 0.14
# Share of the way from heel to toes at which a foot carries a body that stands at ease: that of the model's
# centre of mass in the relaxed pose.
SUPPORT = 0.4
# Confidence from which a foot counts as seen; chosen, not measured.
FOOT_SEEN = 0.5


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PersonCue:
    """One person as it was fitted alone, in the camera frame, metres.

    `soles` (C, 3): points of the feet that are seen, empty where none is.
    `stature` at this size; scaling about the camera's centre changes it and not the image. `axis` (3,) is the
    unit direction from the feet (else the hips) to the body as it was observed, `axis_weight` in [0, 1] how
    much of it is seen, `view` (3,) the unit ray to the person. `face` is the logarithm of the length from
    eyes to mouth against that of an adult of the same height, `face_weight` in [0, 1] how well it is seen.
    `known` is the height in metres where it is given.
    """

    soles: Floats
    stature: float
    axis: Floats
    axis_weight: float
    view: Floats
    face: float
    face_weight: float
    known: float | None = None


def find_sole_vertices(skeleton: Skeleton) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Vertices of the left and the right foot."""
    model = skeleton.model
    strongest = np.take_along_axis(model.skin_joints, model.skin_weights.argmax(axis=1)[:, None], axis=1)
    riders = skeleton.nearest[strongest[:, 0]]
    left, right = (np.flatnonzero(riders == skeleton.index(f"foot_{side}")) for side in ("L", "R"))
    return left, right


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
        model = skinner.kinematics.skeleton.model
        ends = np.argsort(model.base.vertices[:, 1])[[*range(ENDS), *range(-ENDS, 0)]]
        self._ends = model.base.vertices[ends, 1], model.directions.vertices[:, ends, 1]

    def stature(self, state: BodyState) -> float:
        """The height in metres of a state's body at rest."""
        base, directions = self._ends
        return float(np.ptp(base + self._kinematics.coefficients(state.shape) @ directions))

    def read(self, fit: BodyFit, observed: LandmarkObservation, *, known: float | None = None) -> PersonCue:
        """The cue of a fitted person whose height in metres may be known."""
        points, camera = fit.posed.landmarks, observed.camera
        weights = weigh_confidence(observed.confidence)
        inside = np.all((fit.pixels >= 0) & (fit.pixels < (camera.width, camera.height)), axis=1)
        seen = [
            bool(
                np.all(inside[[HEELS[k], TOES[k]]])
                and observed.confidence[[ANKLES[k], HEELS[k]]].mean() > FOOT_SEEN
            )
            for k in (0, 1)
        ]
        coefficients = self._kinematics.coefficients(fit.state.shape)
        soles = [
            skinned.place(coefficients, fit.posed.global_rotations, fit.posed.joints)
            for skinned, is_seen in zip(self._soles, seen, strict=True)
            if is_seen
        ]
        # of the points that were observed: the fit's own are pulled towards the image's up
        world = observed.world
        trunk = world[list(SHOULDERS)].mean(axis=0) - world[list(HIPS)].mean(axis=0)
        if all(seen):
            trunk = find_centre_of_mass(world) - np.mean([find_support(world, k) for k in (0, 1)], axis=0)
        view = points[[*SHOULDERS, *HIPS]].mean(axis=0)
        face, face_weight = measure_face(fit, observed)
        return PersonCue(
            soles=np.concatenate(soles) if soles else np.zeros((0, 3)),
            stature=self.stature(fit.state),
            axis=trunk / max(float(np.linalg.norm(trunk)), 1e-9),
            axis_weight=float(weights[[*SHOULDERS, *HIPS]].mean() ** 2),
            view=view / np.linalg.norm(view),
            face=face,
            face_weight=face_weight,
            known=known,
        )


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
    body = weigh_confidence(observed.confidence[[*SHOULDERS, *HIPS, *KNEES, *ANKLES]]).mean()
    faces = weigh_confidence(observed.confidence[FACE]).mean()
    youth = FACE_PER_YOUTH * max(float(fit.state.shape[3]), 0.0)
    return float(np.log(length / expected / observed.face_scale) + youth), float(clear * body**2 * faces)
