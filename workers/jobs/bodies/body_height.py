"""The height of a body: what is known of it, and scaling a body to a height that was given."""

from dataclasses import replace

import numpy as np

from workers.engines.protocols import BodyEstimate, Rig, ScaleSource

# Heights in metres between which nearly all people lie whose age is unknown: the 5th percentile of girls of
# three years (WHO child growth standards, 0.89) and the 95th of men in the United States (NHANES, 1.88). One
# image does not tell a child nearby from an adult far away.
UNKNOWN_AGE_RANGE = (0.9, 1.9)


def measure_height(rig: Rig) -> float:
    """The height in metres of a body at rest, from the soles to the top of the head."""
    return float(np.ptp(rig.rest_vertices[:, 1]))


def estimate_height_range(height: float, scale_source: ScaleSource) -> tuple[float, float] | None:
    """The heights in metres between which the person's lies: wide where only a prior gives the scale.

    None where the scale is metric: the height has the error of what it was measured with, which is unknown.
    """
    if scale_source != "prior":
        return None
    shortest, tallest = UNKNOWN_AGE_RANGE
    return min(shortest, height), max(tallest, height)


def scale_to_height(body: BodyEstimate, height: float) -> BodyEstimate:
    """A body scaled about the camera's centre to its given `height` in metres; its image stays the same."""
    scaled = scale_body(body, height / measure_height(body.rig))
    return replace(scaled, flags=(*scaled.flags, "height_given"))


def scale_body(body: BodyEstimate, factor: float) -> BodyEstimate:
    """A body scaled about the camera's centre by a measured factor; its scale is metric then.

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
        scale_source="metric",
        flags=tuple(flag for flag in body.flags if flag != "scale_not_metric"),
    )
