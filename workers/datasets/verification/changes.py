"""Whether the rows of changes agree with the frames and tracks that they compare."""

from collections.abc import Iterator

import numpy as np

from workers.datasets.reader import Dataset
from workers.datasets.scene_clip import SceneClip
from workers.datasets.schema import ChangeRow
from workers.datasets.verification.violation import Violation

# a length of a unit vector, and a step over its distance, as they are rounded (chosen, not measured)
TOLERANCE = 1e-5


def check_changes(data: Dataset, clip: SceneClip) -> Iterator[Violation]:
    """Rows of frames or tracks that are not there, and values that contradict them."""
    others = {clip.id: clip}
    for row in clip.changes:
        where = f"{clip.id} frame {row.frame}, {row.other_clip} frame {row.other_frame}"
        if row.other_clip not in others:
            known = [item for item in data.clip_rows if item.clip == row.other_clip and item.kept]
            if not known:
                yield Violation("reference_broken", where, "a change to a clip that is not kept")
                continue
            others[row.other_clip] = data.open_clip(known[0])
        for detail in _find_contradictions(clip, others[row.other_clip], row):
            yield Violation("change_contradicted", where, detail)


def _find_contradictions(clip: SceneClip, other: SceneClip, row: ChangeRow) -> Iterator[str]:
    ends = ((clip, row.frame, row.track), (other, row.other_frame, row.other_track))
    for owner, frame, track in ends:
        if frame not in range(len(owner)):
            yield f"{owner.id} has no frame {frame}"
            return
        if track is not None and all(item.track != track for item in owner.frame_observations(frame)):
            yield f"track {track} is not in frame {frame} of {owner.id}"
            return
    tracks = (row.track, row.other_track)
    expected = {"appeared": (True, False), "vanished": (False, True)}.get(row.presence)
    if expected is not None and tuple(track is None for track in tracks) != expected:
        yield f"it {row.presence}, with the tracks {tracks}"
    elif row.presence in ("both", "replaced") and None in tracks:
        yield f"it is in both frames, with the tracks {tracks}"
        return
    if row.axis is not None and abs(float(np.linalg.norm(row.axis)) - 1) > TOLERANCE:
        yield "the axis of a turn is not a unit vector"
    if row.factor is not None and row.factor <= 0:
        yield "the factor of a size is not positive"
    if row.measured_in == "world" and row.translation is not None:
        yield from _check_step(clip, other, row)


def _check_step(clip: SceneClip, other: SceneClip, row: ChangeRow) -> Iterator[str]:
    """Whether the translation leads from one centre to the other."""
    [first] = [item for item in clip.frame_observations(row.frame) if item.track == row.track]
    [last] = [item for item in other.frame_observations(row.other_frame) if item.track == row.other_track]
    pose = clip.world_from_cam(row.frame)
    if pose is None or first.center_world is None or last.center_world is None:
        yield "it moved in the world, where an end is unknown"
        return
    step = pose[:3, :3] @ np.array(row.translation)
    expected = np.subtract(last.center_world, first.center_world)
    if float(np.abs(step - expected).max()) > TOLERANCE * max(1.0, float(np.abs(expected).max())):
        yield f"it moved by {np.round(step, 4)} in the world, and its centres by {np.round(expected, 4)}"
