"""The input of a fit: weighted landmarks in the image, and bone directions about the viewing ray."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from workers.engines.bodies.blazepose import Pose2D
from workers.engines.bodies.rotations import exp_map, swing
from workers.geometry.cameras import Camera

Floats = NDArray[np.float64]
# BlazePose landmark numbers.
NOSE, LEFT_EAR, RIGHT_EAR = 0, 7, 8
SHOULDERS, ELBOWS, WRISTS = (11, 12), (13, 14), (15, 16)
PINKIES, INDICES = (17, 18), (19, 20)
HIPS, KNEES, ANKLES, HEELS, TOES = (23, 24), (25, 26), (27, 28), (29, 30), (31, 32)
TORSO = (*SHOULDERS, *HIPS)
# Weights of single landmarks: eleven face points carry the information of three, hands are unreliable
# (chosen). Points outside the image are guesses, though better ones than the prior's: trunks of drawn people
# who are cut at the waist are off by 11.8 degrees at a weight of 0.1, and by 9.0 at 0.4.
FACE_WEIGHT, HAND_WEIGHT, OUTSIDE_WEIGHT = 0.35, 0.4, 0.4

# BlazePose places mouths nearer to the eyes than the body model: the median of the ratio over ten adults of
# real photos, of whom nobody is cut, whose deviation is 0.06.
BLAZEPOSE_FACE = 0.765
# BlazePose turns bodies towards the camera: of the angle by which a camera looks down on a person, its world
# points show this share. The median of 319 people of drawn pictures under cameras that look down by 0 to 45
# degrees; trunks, thighs and shanks agree within 0.1.
BLAZEPOSE_TILT = 0.75
# Confidence below which a landmark has no weight, and from which it has full weight. Chosen, not measured.
MIN_CONFIDENCE, FULL_CONFIDENCE = 0.2, 0.8


def _both(a: tuple[int, int], b: tuple[int, int], weight: float) -> list[tuple[int, int, float]]:
    return [(a[0], b[0], weight), (a[1], b[1], weight)]


# Bones as (from, to, weight).
BONES = (
    (SHOULDERS[1], SHOULDERS[0], 1.0),
    (HIPS[1], HIPS[0], 1.0),
    *_both(HIPS, SHOULDERS, 1.0),
    *_both(SHOULDERS, ELBOWS, 1.0),
    *_both(ELBOWS, WRISTS, 1.0),
    *_both(HIPS, KNEES, 1.0),
    *_both(KNEES, ANKLES, 1.0),
    *_both(WRISTS, INDICES, 0.3),
    *_both(WRISTS, PINKIES, 0.3),
    *_both(HEELS, TOES, 0.5),
    *_both(ANKLES, TOES, 0.4),
    (RIGHT_EAR, LEFT_EAR, 0.6),
    (LEFT_EAR, NOSE, 0.5),
    (RIGHT_EAR, NOSE, 0.5),
)
BONE_FROM = np.array([a for a, _, _ in BONES])
BONE_TO = np.array([b for _, b, _ in BONES])
BONE_WEIGHT = np.array([w for _, _, w in BONES])
# Limb and torso bones long enough to determine a body's scale.
SCALE_BONES = slice(0, 12)


@dataclass(frozen=True, slots=True, eq=False)
class LandmarkObservation:
    """The landmarks of one person, as the fit uses them.

    `pixels` (33, 2); `confidence` and `weights` (33,) in [0, 1]; `directions` (B, 3) unit bone directions in
    the axes of the viewing ray, with `bone_weights` (B,); `view` (3, 3) turns those axes into the camera's;
    `world` (33, 3) the source points in camera axes, metres about the mid-hip; `lengths` (B,) metres.
    `face_scale` is how long the source draws faces from the eyes to the mouth against the body model;
    `shown_tilt` the share of the camera's tilt against the person's upright that `world` shows.
    """

    pixels: Floats
    confidence: Floats
    weights: Floats
    directions: Floats
    bone_weights: Floats
    lengths: Floats
    view: Floats
    world: Floats
    camera: Camera
    face_scale: float = 1.0
    shown_tilt: float = 1.0

    def stand_up(self, up: Floats) -> "LandmarkObservation":
        """The observation with all of the tilt that a camera has under `up` (3,), a unit vector."""
        ray = self.view[:, 2]
        tilt = -np.arcsin(np.clip(up @ ray, -1.0, 1.0))
        across = np.cross(up, ray)
        length = float(np.linalg.norm(across))
        if length < 1e-6 or self.shown_tilt == 1.0:
            return replace(self, shown_tilt=1.0)
        turn = exp_map(-(1.0 - self.shown_tilt) * tilt * across / length)
        turned = self.directions @ (self.view.T @ turn.T @ self.view)
        return replace(self, directions=turned, world=self.world @ turn.T, shown_tilt=1.0)

    def pixels_per_metre(self, depth: Floats) -> float:
        """At the median of depths (N,) in metres."""
        return 0.5 * (self.camera.fx + self.camera.fy) / max(float(np.median(depth)), 0.05)


def observe(
    pixels: Floats,
    confidence: Floats,
    world: Floats,
    camera: Camera,
    *,
    face_scale: float = 1.0,
    shown_tilt: float = 1.0,
) -> LandmarkObservation:
    """Observation from landmarks (33, 2), confidences (33,) in [0, 1] and world points (33, 3).

    World points are in the axes of a camera looking straight at the person; `view` accounts for a person away
    from the optical axis.
    """
    inside = (
        (pixels[:, 0] >= 0)
        & (pixels[:, 0] < camera.width)
        & (pixels[:, 1] >= 0)
        & (pixels[:, 1] < camera.height)
    )
    seen = weigh_confidence(confidence) * np.where(inside, 1.0, OUTSIDE_WEIGHT)
    weights = seen.copy()
    weights[:11] *= FACE_WEIGHT
    weights[17:23] *= HAND_WEIGHT
    middle = np.average(pixels, axis=0, weights=confidence + 1e-3)
    view = swing(np.array([0.0, 0.0, 1.0]), camera.unproject(middle, np.array(1.0)))
    bones = world[BONE_TO] - world[BONE_FROM]
    lengths = np.linalg.norm(bones, axis=1)
    bone_confidence = np.minimum(seen[BONE_FROM], seen[BONE_TO])
    return LandmarkObservation(
        pixels=pixels,
        confidence=confidence,
        weights=weights,
        directions=bones / np.maximum(lengths, 1e-6)[:, None],
        bone_weights=BONE_WEIGHT * bone_confidence * (lengths > 1e-3),
        lengths=lengths,
        view=view,
        world=world @ view.T,
        camera=camera,
        face_scale=face_scale,
        shown_tilt=shown_tilt,
    )


def weigh_confidence(confidence: Floats) -> Floats:
    """Weights in [0, 1] of landmarks from their confidence."""
    ramp: Floats = np.clip((confidence - MIN_CONFIDENCE) / (FULL_CONFIDENCE - MIN_CONFIDENCE), 0.0, 1.0)
    return ramp**2


def observe_pose(pose: Pose2D, camera: Camera) -> LandmarkObservation:
    """The observation of a BlazePose result."""
    return observe(
        pose.pixels,
        pose.confidence,
        pose.world,
        camera,
        face_scale=BLAZEPOSE_FACE,
        shown_tilt=BLAZEPOSE_TILT,
    )
