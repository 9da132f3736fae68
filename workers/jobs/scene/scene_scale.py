"""One scale for a scene: bodies give metres and the ground, and objects are moved along their rays to fit.

A single image of an object does not determine its distance: an object twice as far and twice as large gives
the same image. Bodies are recovered with a prior on their height, and the floor that they stand on is the
ground of the scene. Where the engine does not report one, their feet show how far below the camera the ground
is, provided that the camera is level (gravity along +y of the camera).
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
# Smallest slope (down over z) of a ray that is taken down to the ground: nearer to the horizon one pixel is
# metres. Chosen, not measured.
MIN_GROUND_SLOPE = 0.03
# Up in the frame of a level camera.
LEVEL = (0.0, -1.0, 0.0)
SCALED_FLAG = "scale_from_body"


@dataclass(frozen=True, slots=True)
class GroundEstimate:
    """Where people stand, in metres.

    `normal` (3,) points up and `offset` is the height of the camera above the ground, None where no feet are
    visible: points x of the ground have normal . x + offset = 0 in the camera frame. `people_z` is the median
    distance of the people along z.
    """

    normal: tuple[float, float, float]
    offset: float | None
    people_z: float


def estimate_ground(bodies: Sequence[BodyEstimate]) -> GroundEstimate | None:
    """The ground that the bodies of an image stand on; None without bodies."""
    if not bodies:
        return None
    people_z = float(np.median([body.joints[0][2] for body in bodies]))
    floors = [body.floor for body in bodies if body.floor is not None]
    if floors:
        # a body that was measured has a floor of its own
        offset = float(np.median([floor.offset for floor in floors]))
        return GroundEstimate(floors[0].normal, offset, people_z)
    lowest = [float(body.vertices[:, 1].max()) for body in bodies if "truncated" not in body.flags]
    below_camera = [y for y in lowest if y > 0]
    return GroundEstimate(LEVEL, float(np.median(below_camera)) if below_camera else None, people_z)


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
        factor = ground_z / float(points[_select_lowest(-points @ np.array(ground.normal)), 2].mean())
        flags = (SCALED_FLAG, "on_ground")
    x, y, z = asset.pose.translation
    pose = Similarity(asset.pose.rotation, (factor * x, factor * y, factor * z), factor * asset.pose.scale)
    return replace(asset, pose=pose, scale_source="prior", flags=(*asset.flags, *flags))


def _find_ground_depth(mask: Mask, camera: Camera, ground: GroundEstimate) -> float | None:
    """z in metres where the lower end of the mask meets the ground; None when it is not visible."""
    if ground.offset is None or mask[-1].any():
        return None
    rows, columns = np.nonzero(mask)
    bottom = float(np.quantile(rows, 1 - LOWEST_SHARE)) + 1.0
    middle = float(columns[rows >= bottom - 1.0].mean()) + 0.5
    ray = np.array([(middle - camera.cx) / camera.fx, (bottom - camera.cy) / camera.fy, 1.0])
    slope = -float(ray @ np.array(ground.normal))
    return ground.offset / slope if slope > MIN_GROUND_SLOPE else None


def _select_lowest(depths: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which points (V,) are lowest, by how far down they are."""
    return np.asarray(depths >= np.quantile(depths, 1 - LOWEST_SHARE))
