"""From the fit of a person to the estimate that the engine returns: files' rig, flags and confidence."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from workers.engines.bodies.fit import BodyFit
from workers.engines.bodies.hands import name_hand
from workers.engines.bodies.hypotheses import Resolution
from workers.engines.bodies.kinematics import SHAPE
from workers.engines.bodies.mask_agreement import BODY, judge_mask
from workers.engines.bodies.people import VISIBLE, PersonObservation
from workers.engines.bodies.rig import RELAXED_CURL, Skinner, pose_rig, skin_posed_rig
from workers.engines.protocols import BodyEstimate, Rig
from workers.geometry.borders import box_touches_border
from workers.geometry.cameras import Camera

Floats = NDArray[np.float64]
# Distance as a share of the body's height in the image from which the error is flagged; chosen, not measured.
HIGH_ERROR = 0.03
# Landmarks outside the image, and pixels from the box to the border, at which a body is flagged as truncated.
TRUNCATED_LANDMARKS, EDGE_PIXELS = 2, 2
# Misfit at which a fit's landmarks contradict each other as often as not, and the width of the change; what
# an ambiguous limb leaves of the confidence. Set so that the confidence is the share of drawn people who are
# right (PA-MPJPE under 70 mm, trunk within 15 degrees): docs/benchmarks/bodies.md.
CONTRADICTION, CONTRADICTION_WIDTH, AMBIGUOUS_CONFIDENCE = 2.4, 0.3, 0.75
# Confidence under which a body is flagged: nearly all wild ones are, and half of those are right.
LOW_CONFIDENCE = 0.6


def estimate_body(
    person: PersonObservation, fit: BodyFit, skinner: Skinner, alone: Resolution, *, turned: bool = False
) -> BodyEstimate:
    """The estimate of one person in the camera frame, with its flags; `alone` is the fit to landmarks.

    `turned` is whether the person may as well face the other way.
    """
    observed, camera = person.landmarks, person.landmarks.camera
    curls = np.where(np.isfinite(person.curls), person.curls, RELAXED_CURL)
    rig = skinner.rig(fit.state, curls)
    rotations, joints = pose_rig(rig)
    vertices = skin_posed_rig(rig, rotations, joints)
    distance = np.linalg.norm(fit.pixels - observed.pixels, axis=1)
    pixels = float(np.sqrt(np.average(distance**2, weights=observed.weights + 1e-9)))
    kinematics = skinner.kinematics
    shape = kinematics.coefficients(fit.state.shape)
    model = kinematics.skeleton.model
    confidence = rate_fit(person, fit, alone)
    ambiguous = sorted({*alone.ambiguous, *(("trunk",) if turned else ())})
    return BodyEstimate(
        rig=rig,
        vertices=vertices,
        joints=joints,
        keypoint_names=model.landmark_names,
        keypoints_2d=observed.pixels,
        keypoints_3d=fit.posed.landmarks,
        keypoint_visibility=observed.confidence,
        parameters={
            **{name: [float(v)] for name, v in zip(model.shape_names, shape, strict=True)},
            "fit_shape": [float(v) for v in fit.state.shape[: len(SHAPE)]],
            "finger_bend_left": curls[0].tolist(),
            "finger_bend_right": curls[1].tolist(),
            "hands_seen": np.isfinite(person.curls[:, 0]).astype(float).tolist(),
            "stature_m": [float(np.ptp(rig.rest_vertices[:, 1]))],
        },
        camera=camera,
        box=person.box,
        scale_source="prior",
        confidence=confidence,
        reprojection_error=pixels,
        flags=_find_flags(person, fit, bool(ambiguous), confidence, vertices),
        ambiguous_limbs=tuple(ambiguous),
        hands=(name_hand(person.curls[0]), name_hand(person.curls[1])),
    )


def rate_fit(person: PersonObservation, fit: BodyFit, alone: Resolution) -> float:
    """The confidence in [0, 1] of a person's fit: how often such a pose is right, as drawn scenes show."""
    certainty = float(np.exp(-((fit.error / HIGH_ERROR) ** 2) / 4))
    contradiction = np.exp((alone.fit.misfit - CONTRADICTION) / CONTRADICTION_WIDTH)
    agreement = (AMBIGUOUS_CONFIDENCE if alone.ambiguous else 1.0) / (1.0 + float(contradiction))
    return float(person.score * person.landmarks.confidence[BODY].mean() * certainty * agreement)


def scale_about_camera(body: BodyEstimate, factor: float) -> BodyEstimate:
    """A body scaled about the camera's centre: its image stays the same.

    Its own parameters keep the shape that was found; `stature_m` is changed where the engine gives it.
    """
    rig = replace(
        body.rig,
        rest_joints=body.rig.rest_joints * factor,
        rest_vertices=body.rig.rest_vertices * factor,
        root_translation=body.rig.root_translation * factor,
    )
    parameters = dict(body.parameters)
    if "stature_m" in parameters:
        parameters["stature_m"] = [measure_height(rig)]
    return replace(
        body,
        rig=rig,
        vertices=body.vertices * factor,
        joints=body.joints * factor,
        keypoints_3d=body.keypoints_3d * factor,
        parameters=parameters,
    )


def measure_height(rig: Rig) -> float:
    """The height in metres of a body at rest, from the soles to the top of the head."""
    return float(np.ptp(rig.rest_vertices[:, 1]))


def _find_flags(
    person: PersonObservation, fit: BodyFit, is_ambiguous: bool, certainty: float, vertices: Floats
) -> tuple[str, ...]:
    camera, confidence = person.landmarks.camera, person.landmarks.confidence[BODY]
    flags = ["default_engine", "scale_not_metric"]
    if camera.source == "assumed":
        flags.append("camera_assumed")
    if float((confidence > VISIBLE).mean()) < 0.75:
        flags.append("low_visibility")
    has_hidden = float(confidence.min()) < VISIBLE
    if _count_outside(fit.pixels, camera) >= TRUNCATED_LANDMARKS or (
        has_hidden and box_touches_border(person.box, (camera.height, camera.width), EDGE_PIXELS)
    ):
        flags.append("truncated")
    if fit.error > HIGH_ERROR:
        flags.append("high_reprojection_error")
    if is_ambiguous:
        flags.append("depth_ambiguous")
    if certainty < LOW_CONFIDENCE:
        flags.append("low_confidence")
    agreement = judge_mask(person, camera.project(vertices))
    if agreement != "whole":
        flags.append("occluded" if agreement == "hidden" else "mask_disagrees")
    if person.crowded:
        flags.append("several_people")
    return tuple(flags)


def _count_outside(pixels: Floats, camera: Camera) -> int:
    """How many of the landmarks (33, 2) lie outside the image."""
    x, y = pixels[:, 0], pixels[:, 1]
    return int(((x < 0) | (y < 0) | (x >= camera.width) | (y >= camera.height)).sum())
