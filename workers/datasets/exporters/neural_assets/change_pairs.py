"""The pairs of the table `changes`: two frames of a clip, or one before and after an edit of a scene."""

from itertools import groupby
from typing import Any

from workers.datasets.exporters.neural_assets.entries import PairPart, build_arrays
from workers.datasets.exporters.neural_assets.pairs import PairSampler
from workers.datasets.reader import Dataset
from workers.datasets.scene_clip import SceneClip
from workers.datasets.schema import ChangeRow

# edits that tokens can express, by their names in `changes`: the object keeps its appearance
OPERATIONS = {"move": "move", "turn": "rotate", "resize": "resize"}


def add_change_pairs(part: PairPart, sampler: PairSampler, dataset: Dataset) -> None:
    """Add the pairs of one clip that have an object."""
    for key, group in groupby(sampler.clip.changes, lambda row: (row.frame, row.other_clip, row.other_frame)):
        frame, other_clip, other_frame = key
        other = None if other_clip == sampler.clip.id else dataset.clip(other_clip)
        _add_pair(part, sampler, list(group), frame, other, other_frame)


def _add_pair(
    part: PairPart,
    sampler: PairSampler,
    rows: list[ChangeRow],
    frame: int,
    other: SceneClip | None,
    other_frame: int,
) -> None:
    """Add one pair, but for one that tokens cannot express."""
    clip, transform = sampler.clip, sampler.transform
    pair = sampler.build(frame, other_frame, other)
    if not pair.observations:
        return
    edit = None
    stem = f"{clip.id}-{frame:04d}-{other_frame:04d}-changes"
    if other is not None:
        edit = _describe_edit(rows, [row.track for row, _ in pair.observations])
        if edit is None:
            return
        stem = f"{clip.id}-{frame:04d}-{other.id}-{edit['operation']}"
    arrays = build_arrays(sampler, pair, other)
    arrays["src_image"] = transform.transform_image(clip.image(frame))
    arrays["tgt_image"] = transform.transform_image((other or clip).image(other_frame))
    part.add(pair, stem, arrays, edit, rows)


def _describe_edit(rows: list[ChangeRow], tracks: list[int]) -> dict[str, Any] | None:
    """What was done to which object, as other edits say it; None where its tokens do not show it."""
    for row in rows:
        if row.edit in OPERATIONS and row.track in tracks:
            return {
                "operation": OPERATIONS[row.edit],
                "row": tracks.index(row.track),
                "track": row.track,
                "rendered": True,
            }
    return None
