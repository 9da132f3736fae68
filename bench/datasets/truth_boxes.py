"""Hand-checked boxes of real videos, and how tracks compare with them on the frames that have any."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment

from workers.engines.protocols import Box
from workers.geometry.overlap import box_iou

FOLDER = Path(__file__).parent / "truth"
# IoU of boxes from which a track shows an object, as in MOTChallenge
SAME_OBJECT = 0.5
# share of a box inside an ignored region from which it counts neither way
IGNORED = 0.5
# share of a track's boxes that have to show one object for it to be a good track
GOOD_TRACK = 0.8


@dataclass(frozen=True, slots=True, kw_only=True)
class TruthVideo:
    """Boxes by (label, id) and frame, in pixels; in the regions `ignored`, by frame, nothing is judged.

    Tracking begins with the frame `first`.
    """

    video: str
    sha256: str | None
    rate: float
    first: int
    frames: tuple[int, ...]
    boxes: Mapping[tuple[str, int], Mapping[int, Box]]
    ignored: Mapping[int, Sequence[Box]]

    @property
    def labels(self) -> tuple[str, ...]:
        """What is annotated."""
        return tuple(dict.fromkeys(label for label, _ in self.boxes))


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackBoxes:
    """A track: its label, its boxes by frame of the video, and the gates that it failed."""

    label: str
    boxes: Mapping[int, Box]
    failed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TruthScores:
    """How tracks agree with the truth.

    `found` objects are shown by a track, `switches` are changes of the track that shows an object, `merges`
    tracks that show several objects one after another. `good` tracks show one object and nothing else.
    """

    objects: int
    found: int
    tracks: int
    good: int
    idf1: float
    switches: int
    merges: int


def read_truth(name: str) -> TruthVideo:
    """The annotations of a video by the name of its file without suffix."""
    content: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text())
    return TruthVideo(
        video=content["video"],
        sha256=content["sha256"],
        rate=content["rate"],
        first=content.get("first", 0),
        frames=tuple(content["frames"]),
        boxes={
            (item["label"], item["id"]): {int(frame): tuple(box) for frame, box in item["boxes"].items()}
            for item in content["objects"]
        },
        ignored={
            int(frame): tuple(tuple(box) for box in boxes) for frame, boxes in content["ignored"].items()
        },
    )


def compare(truth: TruthVideo, tracks: Sequence[TrackBoxes]) -> TruthScores:
    """Compare tracks with the truth on its frames."""
    matched = _match(truth, tracks)
    overlaps = np.zeros((len(truth.boxes), len(tracks)), np.int64)
    shown: dict[int, list[int]] = {}
    for frame in truth.frames:
        for thing, track in matched[frame].items():
            overlaps[thing, track] += 1
            shown.setdefault(thing, []).append(track)
    counted = sum(_count_boxes(truth, track) for track in tracks)
    together = _count_overlaps(truth, tracks)
    true = int(together[linear_sum_assignment(-together)].sum())
    total = sum(len(boxes) for boxes in truth.boxes.values())
    return TruthScores(
        objects=len(truth.boxes),
        found=len(shown),
        tracks=len(tracks),
        good=sum(is_good_track(truth, track) for track in tracks),
        idf1=2 * true / (total + counted) if total + counted else 0.0,
        switches=sum(int(first != second) for own in shown.values() for first, second in pairwise(own)),
        merges=int((np.count_nonzero(overlaps, axis=0) > 1).sum()),
    )


def count_false_rejections(truth: TruthVideo, tracks: Sequence[TrackBoxes]) -> Counter[str]:
    """How many good tracks each gate rejected."""
    return Counter(gate for track in tracks if is_good_track(truth, track) for gate in track.failed)


def decide_objects(truth: TruthVideo, tracks: Sequence[TrackBoxes]) -> dict[tuple[str, int], frozenset[str]]:
    """The gates that each object's longest good track failed; objects without a good track are left out."""
    good = [track for track in tracks if is_good_track(truth, track)]
    counts = _count_overlaps(truth, good)
    return {
        thing: frozenset(good[int(own.argmax())].failed)
        for thing, own in zip(truth.boxes, counts, strict=True)
        if own.size and own.max()
    }


def is_good_track(truth: TruthVideo, track: TrackBoxes) -> bool:
    """Whether a track shows one object in most of its boxes on the frames of the truth, and no other."""
    counts = _count_overlaps(truth, [track])[:, 0]
    boxes = _count_boxes(truth, track)
    return bool(boxes and np.count_nonzero(counts) == 1 and counts.max() >= GOOD_TRACK * boxes)


def _count_overlaps(truth: TruthVideo, tracks: Sequence[TrackBoxes]) -> np.ndarray[Any, Any]:
    """Frames (objects, tracks) in which a track lies over an object of its label."""
    out = np.zeros((len(truth.boxes), len(tracks)), np.int64)
    for row, ((label, _), boxes) in enumerate(truth.boxes.items()):
        for column, track in enumerate(tracks):
            out[row, column] = track.label == label and sum(
                frame in track.boxes and box_iou(box, track.boxes[frame]) >= SAME_OBJECT
                for frame, box in boxes.items()
            )
    return out


def _match(truth: TruthVideo, tracks: Sequence[TrackBoxes]) -> dict[int, dict[int, int]]:
    """By frame: the track that shows each object, the one that showed it before where it still does."""
    before: dict[int, int] = {}
    out = {}
    for frame in truth.frames:
        cost = np.zeros((len(truth.boxes), len(tracks)))
        for row, ((label, _), boxes) in enumerate(truth.boxes.items()):
            for column, track in enumerate(tracks):
                if frame in boxes and frame in track.boxes and track.label == label:
                    iou = box_iou(boxes[frame], track.boxes[frame])
                    cost[row, column] = -(iou + (before.get(row) == column)) * (iou >= SAME_OBJECT)
        rows, columns = linear_sum_assignment(cost)
        own = {int(row): int(column) for row, column in zip(rows, columns, strict=True) if cost[row, column]}
        before |= own
        out[frame] = own
    return out


def _count_boxes(truth: TruthVideo, track: TrackBoxes) -> int:
    """The boxes of a track that are judged: in ignored regions those alone that show an object."""
    return sum(
        frame in track.boxes
        and (
            not _is_ignored(track.boxes[frame], truth.ignored.get(frame, ()))
            or _shows_object(truth, track, frame)
        )
        for frame in truth.frames
    )


def _shows_object(truth: TruthVideo, track: TrackBoxes, frame: int) -> bool:
    return any(
        label == track.label and frame in boxes and box_iou(boxes[frame], track.boxes[frame]) >= SAME_OBJECT
        for (label, _), boxes in truth.boxes.items()
    )


def _is_ignored(box: Box, regions: Sequence[Box]) -> bool:
    area = (box[2] - box[0]) * (box[3] - box[1])
    for region in regions:
        width = min(box[2], region[2]) - max(box[0], region[0])
        height = min(box[3], region[3]) - max(box[1], region[1])
        if max(0.0, width) * max(0.0, height) >= IGNORED * area:
            return True
    return False
