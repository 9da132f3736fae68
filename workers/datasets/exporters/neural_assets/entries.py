"""The files of pairs, and their entries of the index."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workers.datasets.exporters.neural_assets.edits import ObjectEdit
from workers.datasets.exporters.neural_assets.pairs import FramePair, PairSampler
from workers.datasets.exporters.neural_assets.tokens import (
    UNKNOWN_POSE,
    encode_background_pose,
    encode_box_3d,
)
from workers.datasets.exporters.part_store import NOTES, Part, encode_notes
from workers.datasets.exporters.shared.categories import get_category_name, index_tracks
from workers.datasets.exporters.shared.encoding import encode_npz
from workers.datasets.scene_clip import SceneClip
from workers.datasets.schema import ChangeRow, ObservationRow

Arrays = dict[str, NDArray[Any]]


def build_arrays(sampler: PairSampler, pair: FramePair, other: SceneClip | None = None) -> Arrays:
    """The arrays of a pair, but for its images; its target is in the clip `other`, or in the same."""
    clip, target = sampler.clip, other or sampler.clip
    intrinsics = sampler.transform.matrix @ target.intrinsics(pair.target)
    boxes_3d = np.zeros((sampler.objects + 1, 12), np.float32)
    for number, (_, row) in enumerate(pair.observations):
        boxes_3d[number] = encode_box_3d(target.corners(row), intrinsics, sampler.transform.size[0])
    motion = encode_background_pose(clip.world_from_cam(pair.source), target.world_from_cam(pair.target))
    if pair.source == pair.target and other is None:
        # known even where the camera is not
        motion = encode_background_pose(np.eye(4), np.eye(4))
    boxes_3d[-1] = UNKNOWN_POSE if motion is None else motion
    return {
        "src_bboxes": pair.boxes,
        # an edit that takes another appearance keeps these: what it replaces must not show behind it
        "src_fg_bboxes": pair.boxes[:-1],
        "tgt_bboxes_3d": boxes_3d,
        "camera": intrinsics.astype(np.float64),
        "tracks": np.array([row.track for row, _ in pair.observations], np.int64),
    }


@dataclass(frozen=True, slots=True)
class PairPart:
    """The files of the pairs of a clip by their paths, and their entries of the index."""

    clip: SceneClip
    files: dict[str, bytes] = field(default_factory=dict)
    entries: list[dict[str, Any]] = field(default_factory=list)

    def add(
        self,
        pair: FramePair,
        stem: str,
        arrays: Arrays,
        edit: ObjectEdit | Mapping[str, Any] | None = None,
        changes: Sequence[ChangeRow] | None = None,
    ) -> None:
        """Add the arrays of a pair or an edit."""
        clip = self.clip
        path = f"{clip.row.split}/{stem}.npz"
        self.files[path] = encode_npz(arrays, compressed=False)
        self.entries.append(
            {
                "file": path,
                "split": clip.row.split,
                "clip": clip.id,
                "source": pair.source,
                "target": pair.target,
                "camera_source": clip.row.camera_source,
                "background_known": bool(np.isfinite(arrays["tgt_bboxes_3d"][-1]).all()),
                "edit": edit.as_json() if isinstance(edit, ObjectEdit) else edit,
                "changes": None if changes is None else [describe_change_row(row) for row in changes],
                "objects": _describe_objects(clip, [row for _, row in pair.observations]),
            }
        )

    def finish(self) -> Part:
        """The files, with the entries as notes."""
        return {**self.files, NOTES: encode_notes(self.entries)}


def describe_change_row(row: ChangeRow) -> dict[str, Any]:
    """A row of `changes` for the index, without the frames, which the entry has."""
    names = (
        "track other_track label presence reason moved translation turned degrees axis resized factor "
        "measured_in scale_source edit text"
    )
    return {name: getattr(row, name) for name in names.split()}


def _describe_objects(clip: SceneClip, rows: list[ObservationRow]) -> list[dict[str, Any]]:
    tracks = index_tracks(clip)
    return [
        {
            "track": row.track,
            "name": get_category_name(tracks[row.track]),
            "box3d_source": row.box3d_source,
            "box3d_confidence": row.box3d_confidence,
            "scale_source": row.scale_source,
            "flags": list(row.flags),
        }
        for row in rows
    ]
