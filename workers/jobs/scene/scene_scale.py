"""One scale for a scene: bodies give metres and the ground, and objects are moved along their rays to fit.

A single image of an object does not determine its distance: an object twice as far and twice as large gives
the same image. Bodies are recovered with a prior on their height, and their feet show how far below the
camera the ground is, provided that the camera is level (gravity along +y of the camera).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from workers.engines.protocols import BodyEstimate, Mask, ObjectAsset
from workers.geometry.cameras import Camera
from workers.geometry.poses import Similarity

# share of a mask's rows or a mesh's vertices that count as its lower end; chosen, not measured
LOWEST_SHARE = 0.02
# Smallest slope (y over z) of a ray that is taken down to the ground: nearer to the horizon one pixel is
# metres. Chosen, not measured.
MIN_GROUND_SLOPE = 0.03
SCALED_FLAG = "scale_from_body"


@dataclass(frozen=True, slots=True)
class GroundEstimate:
    """Where people stand, in metres.

    `ground_y` is the ground's y in the camera frame, None where no feet are visible; `people_z` the median
    distance of the people along z.
    """

    ground_y: float | None
    people_z: float


def estimate_ground(bodies: Sequence[BodyEstimate]) -> GroundEstimate | None:
    """The ground that the bodies of an image stand on; None without bodies."""
    if not bodies:
        return None
    lowest = [float(body.vertices[:, 1].max()) for body in bodies if "truncated" not in body.flags]
    below_camera = [y for y in lowest if y > 0]
    people_z = float(np.median([body.joints[0][2] for body in bodies]))
    return GroundEstimate(float(np.median(below_camera)) if below_camera else None, people_z)


def place_on_ground(
    asset: ObjectAsset, mask: Mask, camera: Camera, ground: GroundEstimate, *, contact: bool
) -> ObjectAsset:
    """The object at a distance that fits the bodies; its image stays the same.

    With `contact` it stands on the ground where the lower end of its mask (H, W) meets it. Otherwise, and
    where that cannot be determined, it is as far away as the people (flag `distance_guessed`). Metric objects
    are not moved.
    """
    if asset.scale_source == "metric":
        return asset
    points = asset.pose.apply(asset.mesh.vertices)
    ground_z = _find_ground_depth(mask, camera, ground) if contact else None
    if ground_z is None:
        factor = ground.people_z / float(np.median(points[:, 2]))
        flags = (SCALED_FLAG, "distance_guessed")
    else:
        factor = ground_z / float(points[_select_lowest(points[:, 1]), 2].mean())
        flags = (SCALED_FLAG, "on_ground")
    x, y, z = asset.pose.translation
    pose = Similarity(asset.pose.rotation, (factor * x, factor * y, factor * z), factor * asset.pose.scale)
    return replace(asset, pose=pose, scale_source="prior", flags=(*asset.flags, *flags))


def _find_ground_depth(mask: Mask, camera: Camera, ground: GroundEstimate) -> float | None:
    """z in metres where the lower end of the mask meets the ground; None when it is not visible."""
    if ground.ground_y is None or mask[-1].any():
        return None
    rows, _ = np.nonzero(mask)
    bottom = float(np.quantile(rows, 1 - LOWEST_SHARE)) + 1.0
    slope = (bottom - camera.cy) / camera.fy
    return ground.ground_y / slope if slope > MIN_GROUND_SLOPE else None


def _select_lowest(heights: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which points (V,) are lowest; y points down."""
    return np.asarray(heights >= np.quantile(heights, 1 - LOWEST_SHARE))
