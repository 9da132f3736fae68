"""Whether an observation agrees with its clip: mask, box, and 3D box in camera and world."""

from collections.abc import Iterator

import numpy as np

from workers.datasets.scene_clip import SceneClip
from workers.datasets.schema import ObservationRow
from workers.datasets.verification.violation import Violation
from workers.formats.rle import RleError
from workers.geometry.boxes import bounding_box

# pixels for boxes, length for quaternions, a share of the distance for positions: rounding alone stays far
# below (chosen, not measured)
TOLERANCE = 1e-5


def check_observation(clip: SceneClip, row: ObservationRow) -> Iterator[Violation]:
    """Everything that is wrong with an observation."""
    where = f"{clip.id} frame {row.frame} track {row.track}"
    for code, detail in (*_check_mask(clip, row), *_check_box_3d(clip, row)):
        yield Violation(code, where, detail)


def _check_mask(clip: SceneClip, row: ObservationRow) -> Iterator[tuple[str, str]]:
    if (row.mask_height, row.mask_width) != clip.size:
        yield "mask_broken", f"the mask is {row.mask_height} x {row.mask_width}"
        return
    if not (0 <= row.x0 < row.x1 <= clip.row.width and 0 <= row.y0 < row.y1 <= clip.row.height):
        yield "box_outside_frame", f"box {row.x0, row.y0, row.x1, row.y1}"
    try:
        mask = clip.mask(row)
    except RleError as error:
        yield "mask_broken", str(error)
        return
    area = int(np.count_nonzero(mask))
    if area == 0 or area != row.area:
        yield "mask_broken", f"the mask has {area} pixels, its row says {row.area}"
        return
    x0, y0, x1, y1 = bounding_box(mask)
    if (
        x0 < row.x0 - TOLERANCE
        or y0 < row.y0 - TOLERANCE
        or x1 > row.x1 + TOLERANCE
        or y1 > row.y1 + TOLERANCE
    ):
        yield "mask_outside_box", f"the mask extends to {x0, y0, x1, y1}"


def _check_box_3d(clip: SceneClip, row: ObservationRow) -> Iterator[tuple[str, str]]:
    for rotation in (row.rotation_cam, row.rotation_world):
        if rotation is not None and abs(float(np.linalg.norm(rotation)) - 1) > TOLERANCE:
            yield "pose_broken", "a rotation is not a unit quaternion"
    if row.size is not None and min(row.size) <= 0:
        yield "pose_broken", "a length of the 3D box is not positive"
    if row.center_world is None or row.center_cam is None:
        return
    world_from_cam = clip.world_from_cam(row.frame)
    if world_from_cam is None:
        yield "pose_broken", "the 3D box has a place in the world, the camera has none"
        return
    expected = world_from_cam[:3, :3] @ np.array(row.center_cam) + world_from_cam[:3, 3]
    error = float(np.abs(expected - np.array(row.center_world)).max())
    if error > TOLERANCE * max(1.0, float(np.abs(expected).max())):
        yield "pose_broken", "the centres of the 3D box in camera and world do not agree"
