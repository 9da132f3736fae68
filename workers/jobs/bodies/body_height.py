"""The height of a body: what is known of it, and scaling a body to a height that was given."""

from dataclasses import replace

from workers.engines.bodies.estimates import measure_height, scale_about_camera
from workers.engines.protocols import BodyEstimate, ScaleSource

# Heights in metres between which nearly all people lie whose age is unknown: the 5th percentile of girls of
# three years (WHO child growth standards, 0.89) and the 95th of men in the United States (NHANES, 1.88). One
# image does not distinguish a child nearby from an adult far away.
UNKNOWN_AGE_RANGE = (0.9, 1.9)


def estimate_height_range(
    height: float, scale_source: ScaleSource, found: tuple[float, float] | None = None
) -> tuple[float, float] | None:
    """The heights in metres between which the person's lies: those `found` by the engine where it has them.

    Wide where only a prior gives the scale. None where the scale is metric and the engine says nothing: the
    height has the error of what it was measured with, which is unknown.
    """
    if found is None and scale_source != "prior":
        return None
    shortest, tallest = found or UNKNOWN_AGE_RANGE
    return min(shortest, height), max(tallest, height)


def scale_to_height(body: BodyEstimate, height: float) -> BodyEstimate:
    """A body scaled about the camera's centre to its given `height` in metres; its image stays the same."""
    scaled = scale_body(body, height / measure_height(body.rig))
    return replace(scaled, flags=(*scaled.flags, "height_given"))


def scale_body(body: BodyEstimate, factor: float) -> BodyEstimate:
    """A body scaled about the camera's centre by a measured factor; its scale is metric then.

    The floor that it stands on is scaled with it.
    """
    floor = body.floor and replace(body.floor, offset=factor * body.floor.offset)
    return replace(
        scale_about_camera(body, factor),
        floor=floor,
        scale_source="metric",
        height_range=None,
        flags=tuple(flag for flag in body.flags if flag not in ("scale_not_metric", "scale_from_group")),
    )
