"""Whether the rows of one clip agree: pictures, masks, boxes, cameras, decisions."""

import hashlib
import io
from collections.abc import Iterator

import numpy as np
from PIL import Image

from workers.datasets.captions.scoring import GATE
from workers.datasets.reader import Dataset
from workers.datasets.scene_clip import SceneClip
from workers.datasets.schema import ObservationRow
from workers.formats.rle import RleError
from workers.geometry.boxes import bounding_box

Problem = tuple[str, str, str]
NEAR = 1e-5


def check_clip(data: Dataset, clip: SceneClip) -> Iterator[Problem]:
    """What is wrong with a clip, as (code, where, detail)."""
    if not clip.row.kept:
        if clip.frames or clip.observations:
            yield "decision_contradicted", clip.id, "rejected, and yet it has shards"
        return
    yield from _frames(clip)
    yield from _cameras(clip)
    yield from _references(data, clip)
    yield from _decisions(clip)
    for row in clip.observations:
        for problem in (*_mask(clip, row), *_space(clip, row)):
            yield (problem[0], f"{clip.id} frame {row.frame} track {row.track}", problem[1])


def _frames(clip: SceneClip) -> Iterator[Problem]:
    if [row.frame for row in clip.frames] != list(range(clip.row.frames)):
        yield "frame_missing", clip.id, f"frames are not 0 to {clip.row.frames - 1}"
    if any(b.pts <= a.pts for a, b in zip(clip.frames, clip.frames[1:], strict=False)):
        yield "frame_missing", clip.id, "times do not go forward"
    for row in clip.frames:
        where = f"{clip.id} frame {row.frame}"
        if hashlib.sha256(row.jpeg).hexdigest() != row.jpeg_sha256:
            yield "picture_broken", where, "its hash is not the one that is told"
        try:
            with Image.open(io.BytesIO(row.jpeg)) as picture:
                size = picture.size
                picture.load()
        except (OSError, SyntaxError) as error:
            yield "picture_broken", where, str(error)
            continue
        if size != (clip.row.width, clip.row.height):
            yield "picture_broken", where, f"is {size}, the clip {clip.row.width} x {clip.row.height}"


def _cameras(clip: SceneClip) -> Iterator[Problem]:
    if [row.frame for row in clip.cameras] != list(range(clip.row.frames)):
        yield "frame_missing", clip.id, "there is not one camera a frame"
        return
    for row in clip.cameras:
        where = f"{clip.id} frame {row.frame}"
        if row.fx <= 0 or row.fy <= 0:
            yield "pose_broken", where, "a focal length is not positive"
        pose = clip.world_from_cam(row.frame)
        if pose is None:
            continue
        turn = pose[:3, :3]
        rigid = np.allclose(turn @ turn.T, np.eye(3), atol=1e-4) and np.linalg.det(turn) > 0
        if not rigid or not np.allclose(pose[3], (0, 0, 0, 1)):
            yield "pose_broken", where, "world_from_cam is not rigid"


def _references(data: Dataset, clip: SceneClip) -> Iterator[Problem]:
    known = {row.track for row in clip.tracks}
    everyone = {row.track for row in clip.all_tracks}
    frames = range(clip.row.frames)
    for row in clip.observations:
        if row.track not in known or row.frame not in frames:
            yield "reference_broken", clip.id, f"observation of track {row.track} in frame {row.frame}"
    for feature in clip.features:
        if feature.track not in known or feature.frame not in frames:
            yield "reference_broken", clip.id, f"feature of track {feature.track}"
    for caption in clip.all_captions:
        if caption.track is not None and caption.track not in everyone:
            yield "reference_broken", clip.id, f"caption of track {caption.track}"
    for action in clip.actions:
        if action.frame not in frames[:-1] or len(action.names) != len(action.values):
            yield "reference_broken", clip.id, f"action of frame {action.frame}"
    listed = {file.name for file in data.manifest.files}
    for asset in clip.assets:
        if asset.file not in listed or asset.track not in known:
            yield "reference_broken", clip.id, f"asset {asset.file}"
    for track in clip.tracks:
        if not any(row.track == track.track for row in clip.observations):
            yield "reference_broken", clip.id, f"kept track {track.track} is never observed"
    if not clip.lineage:
        yield "reference_broken", clip.id, "has no lineage"


def _decisions(clip: SceneClip) -> Iterator[Problem]:
    of_captions = [row for row in clip.decisions if row.gate == GATE]
    if [row.passed for row in of_captions] != [row.kept for row in clip.all_captions if row.kept is not None]:
        yield "decision_contradicted", clip.id, "captions are kept otherwise than was decided"
    others = [row for row in clip.decisions if row.gate != GATE]
    for track in clip.all_tracks:
        failed = {row.gate for row in others if row.track == track.track and not row.passed}
        if failed != set(track.failed) or track.kept == bool(failed):
            yield "decision_contradicted", f"{clip.id} track {track.track}", f"failed {sorted(failed)}"
    if any(row.track is None and not row.passed for row in others):
        yield "decision_contradicted", clip.id, "kept, and yet a gate failed"


def _mask(clip: SceneClip, row: ObservationRow) -> Iterator[tuple[str, str]]:
    if (row.mask_height, row.mask_width) != clip.size:
        yield "mask_broken", f"is {row.mask_height} x {row.mask_width}"
        return
    if not (0 <= row.x0 < row.x1 <= clip.row.width and 0 <= row.y0 < row.y1 <= clip.row.height):
        yield "box_outside_frame", f"box {row.x0, row.y0, row.x1, row.y1}"
    try:
        mask = clip.mask(row)
    except RleError as error:
        yield "mask_broken", str(error)
        return
    if not mask.any() or int(np.count_nonzero(mask)) != row.area:
        yield "mask_broken", f"has {int(np.count_nonzero(mask))} pixels, its row says {row.area}"
        return
    x0, y0, x1, y1 = bounding_box(mask)
    if x0 < row.x0 - NEAR or y0 < row.y0 - NEAR or x1 > row.x1 + NEAR or y1 > row.y1 + NEAR:
        yield "mask_outside_box", f"mask reaches {x0, y0, x1, y1}"


def _space(clip: SceneClip, row: ObservationRow) -> Iterator[tuple[str, str]]:
    for rotation in (row.rotation_cam, row.rotation_world):
        if rotation is not None and abs(float(np.linalg.norm(rotation)) - 1) > NEAR:
            yield "pose_broken", "a rotation is no unit quaternion"
    if row.size is not None and min(row.size) <= 0:
        yield "pose_broken", "a box has no size"
    pose = clip.world_from_cam(row.frame)
    if row.center_world is None or row.center_cam is None:
        return
    if pose is None:
        yield "pose_broken", "it lies in the world, but the camera does not"
        return
    moved = pose[:3, :3] @ np.array(row.center_cam) + pose[:3, 3]
    if float(np.abs(moved - np.array(row.center_world)).max()) > NEAR * max(1.0, float(np.abs(moved).max())):
        yield "pose_broken", "its places in camera and world do not agree"
