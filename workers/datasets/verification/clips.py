"""Whether the rows of one clip agree: frames, cameras, references between tables, and decisions."""

import hashlib
import io
from collections.abc import Iterator, Sequence

import numpy as np
from PIL import Image

from workers.datasets.captions.scoring import GATE as CAPTION_GATE
from workers.datasets.reader import Dataset
from workers.datasets.scene_clip import SceneClip
from workers.datasets.schema import REVIEW_GATE, DecisionRow, FrameRow
from workers.datasets.verification.changes import check_changes
from workers.datasets.verification.observations import check_observation
from workers.datasets.verification.times import check_times
from workers.datasets.verification.violation import Violation

# a pose that was rounded to single precision passes (chosen, not measured)
RIGID_TOLERANCE = 1e-4


def check_clip(data: Dataset, clip: SceneClip) -> Iterator[Violation]:
    """Everything that is wrong with a clip."""
    if not clip.row.kept:
        if clip.frames or clip.observations:
            yield Violation("decision_contradicted", clip.id, "it was rejected, but it has files")
        return
    yield from _check_frames(clip)
    yield from _check_cameras(clip)
    yield from _check_references(data, clip)
    yield from _check_decisions(clip)
    yield from check_changes(data, clip)
    for row in (*clip.observations, *clip.rejected_observations):
        yield from check_observation(clip, row)


def _check_frames(clip: SceneClip) -> Iterator[Violation]:
    if [row.frame for row in clip.frames] != list(range(clip.row.frames)):
        yield Violation("frame_missing", clip.id, f"frames are not 0 to {clip.row.frames - 1}")
    if any(b.pts <= a.pts for a, b in zip(clip.frames, clip.frames[1:], strict=False)):
        yield Violation("frame_missing", clip.id, "times of frames do not increase")
    yield from check_times(clip)
    for row in clip.frames:
        yield from _check_image(clip, row)


def _check_image(clip: SceneClip, row: FrameRow) -> Iterator[Violation]:
    where = f"{clip.id} frame {row.frame}"
    if hashlib.sha256(row.jpeg).hexdigest() != row.jpeg_sha256:
        yield Violation("picture_broken", where, "the hash of the image is not that of its row")
    try:
        with Image.open(io.BytesIO(row.jpeg)) as image:
            width, height = image.size
            image.load()
    except (OSError, SyntaxError) as error:
        yield Violation("picture_broken", where, str(error))
        return
    if (width, height) != (clip.row.width, clip.row.height):
        detail = f"the image is {width} x {height}, the clip {clip.row.width} x {clip.row.height}"
        yield Violation("picture_broken", where, detail)


def _check_cameras(clip: SceneClip) -> Iterator[Violation]:
    if [row.frame for row in clip.cameras] != list(range(clip.row.frames)):
        yield Violation("frame_missing", clip.id, "there is not one camera per frame")
        return
    for row in clip.cameras:
        where = f"{clip.id} frame {row.frame}"
        if row.fx <= 0 or row.fy <= 0:
            yield Violation("pose_broken", where, "a focal length is not positive")
        pose = clip.world_from_cam(row.frame)
        if pose is None:
            continue
        rotation = pose[:3, :3]
        is_orthogonal = np.allclose(rotation @ rotation.T, np.eye(3), atol=RIGID_TOLERANCE)
        is_rigid = is_orthogonal and np.linalg.det(rotation) > 0 and np.allclose(pose[3], (0, 0, 0, 1))
        if not is_rigid:
            yield Violation("pose_broken", where, "world_from_cam is not rigid")


def _check_references(data: Dataset, clip: SceneClip) -> Iterator[Violation]:
    for detail in _find_broken_references(data, clip):
        yield Violation("reference_broken", clip.id, detail)


def _find_broken_references(data: Dataset, clip: SceneClip) -> Iterator[str]:
    kept_tracks = {row.track for row in clip.tracks}
    all_tracks = {row.track for row in clip.all_tracks}
    frames = range(clip.row.frames)
    for row in clip.observations:
        if row.track not in kept_tracks or row.frame not in frames:
            yield f"observation of track {row.track} in frame {row.frame}"
    for feature in clip.features:
        if feature.track not in kept_tracks or feature.frame not in frames:
            yield f"feature of track {feature.track}"
    rejected = {(row.track, row.frame) for row in clip.rejected_observations}
    rejected |= {(row.track, row.frame) for row in clip.rejected_features}
    for number, frame in sorted(rejected):
        if number not in all_tracks - kept_tracks or frame not in frames:
            yield f"row of rejected track {number} in frame {frame}"
    for caption in clip.all_captions:
        if caption.track is not None and caption.track not in all_tracks:
            yield f"caption of track {caption.track}"
    for action in clip.actions:
        if action.frame not in frames[:-1] or len(action.names) != len(action.values):
            yield f"action of frame {action.frame}"
    listed = {entry.name for entry in data.manifest.files}
    for asset in clip.assets:
        if asset.file not in listed or asset.track not in kept_tracks:
            yield f"asset {asset.file}"
    observed = {row.track for row in clip.observations}
    for track in clip.tracks:
        if track.track not in observed:
            yield f"kept track {track.track} has no observations"
    if not clip.lineage:
        yield "the clip has no lineage"


def _check_decisions(clip: SceneClip) -> Iterator[Violation]:
    decided = [row.passed for row in clip.decisions if row.gate == CAPTION_GATE]
    if decided != [row.kept for row in clip.all_captions if row.kept is not None]:
        yield Violation("decision_contradicted", clip.id, "captions do not follow their decisions")
    others = [row for row in clip.decisions if row.gate != CAPTION_GATE]
    for track in clip.all_tracks:
        own = [row for row in others if row.track == track.track]
        failed = {row.gate for row in own if not row.passed}
        if failed != set(track.failed) or track.kept != _is_kept(own):
            where = f"{clip.id} track {track.track}"
            yield Violation("decision_contradicted", where, f"it failed {sorted(failed)}")
    if not _is_kept([row for row in others if row.track is None]):
        yield Violation("decision_contradicted", clip.id, "the clip was kept, but it failed a gate")
    if any(row.reviewer is None or row.reviewed_at is None for row in others if row.gate == REVIEW_GATE):
        yield Violation("decision_contradicted", clip.id, "a decision by hand names nobody, or no time")


def _is_kept(decisions: Sequence[DecisionRow]) -> bool:
    """Whether decisions keep something: a person's, or else those of all gates."""
    by_hand = [row.passed for row in decisions if row.gate == REVIEW_GATE]
    return by_hand[-1] if by_hand else all(row.passed for row in decisions)
