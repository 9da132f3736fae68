"""One scale for a scene: bodies tell metres and the ground, and objects are moved along their rays onto it.

A single picture of an object says nothing of its distance: moving it away and making it larger by the same
factor leaves the picture as it is. People are seen with a prior on their height, and their feet tell how far
below the camera the ground lies, if the camera is level (gravity along +y of the camera).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from workers.engines.protocols import BodyEstimate, Mask, ObjectAsset
from workers.geometry.cameras import Camera
from workers.geometry.poses import Similarity

# the lowest part of a mask or a mesh that may touch the ground
LOWEST_SHARE = 0.02
# nearer to the horizon than this, a pixel more or less is metres more or less
STEEPEST_SLOPE = 0.03
SCALED = "scale_from_body"


@dataclass(frozen=True, slots=True)
class GroundEstimate:
    """Where people stand: metres down to the ground, None where no feet are seen, and metres ahead."""

    drop: float | None
    distance: float


def estimate_ground(bodies: Sequence[BodyEstimate]) -> GroundEstimate | None:
    """What the bodies of a picture tell of its scale; None without bodies."""
    if not bodies:
        return None
    drops = [float(body.vertices[:, 1].max()) for body in bodies if "truncated" not in body.flags]
    below = [drop for drop in drops if drop > 0]
    distance = float(np.median([body.joints[0][2] for body in bodies]))
    return GroundEstimate(float(np.median(below)) if below else None, distance)


def place_on_ground(
    asset: ObjectAsset, mask: Mask, camera: Camera, stage: GroundEstimate, *, contact: bool
) -> ObjectAsset:
    """The object at a distance that fits the bodies; its picture stays as it is.

    With `contact` it stands on the ground where its mask (H, W) ends below; otherwise, and where that cannot
    be told, it is as far away as the people are (flag `distance_guessed`). Metric objects are left alone.
    """
    if asset.scale_source == "metric":
        return asset
    points = asset.pose.apply(asset.mesh.vertices)
    reached = _ground_depth(mask, camera, stage) if contact else None
    if reached is None:
        factor = stage.distance / float(np.median(points[:, 2]))
        flags = (SCALED, "distance_guessed")
    else:
        factor = reached / float(points[_lowest(points[:, 1]), 2].mean())
        flags = (SCALED, "on_ground")
    x, y, z = asset.pose.translation
    moved = Similarity(asset.pose.rotation, (factor * x, factor * y, factor * z), factor * asset.pose.scale)
    return replace(asset, pose=moved, scale_source="prior", flags=(*asset.flags, *flags))


def _ground_depth(mask: Mask, camera: Camera, stage: GroundEstimate) -> float | None:
    """Metres along z to where the mask's lower end meets the ground; None when nothing tells it."""
    if stage.drop is None or mask[-1].any():
        return None
    rows, _ = np.nonzero(mask)
    bottom = float(np.quantile(rows, 1 - LOWEST_SHARE)) + 1.0
    slope = (bottom - camera.cy) / camera.fy
    return stage.drop / slope if slope > STEEPEST_SLOPE else None


def _lowest(heights: NDArray[np.float64]) -> NDArray[np.bool_]:
    """The points (V,) that lie lowest, y pointing down."""
    return np.asarray(heights >= np.quantile(heights, 1 - LOWEST_SHARE))
