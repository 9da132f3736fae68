"""Matching of detections and tracks on a key frame.

Model: the Hungarian method on box IoU, as in SORT (Bewley et al. 2016). Units: working pixels.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from scipy.optimize import linear_sum_assignment

from workers.engines.concepts.images.picodet import Detection
from workers.engines.concepts.tracking.config import AssociationConfig
from workers.engines.concepts.tracking.state import Track
from workers.engines.protocols import Box
from workers.geometry.boxes import bounding_box
from workers.geometry.overlap import box_iou


def match_detections(
    tracks: Sequence[Track],
    detections: Sequence[Detection],
    classes: Mapping[int, Sequence[str]],
    config: AssociationConfig,
) -> dict[int, int]:
    """Index of track to index of detection, one to one, by box IoU within the classes of the track's prompt.

    Boxes are in working pixels; `classes` maps a prompt's index to its labels. No track may be empty.
    """
    if not tracks or not detections:
        return {}
    scores = np.zeros((len(tracks), len(detections)))
    for row, track in enumerate(tracks):
        box = bounding_box(track.visible_mask)
        for column, item in enumerate(detections):
            if item.label in classes.get(track.prompt, ()):
                bonus = config.same_label_bonus if item.label == track.label else 0.0
                scores[row, column] = box_iou(box, item.box) + bonus
    rows, columns = linear_sum_assignment(-scores)
    return {
        int(row): int(column)
        for row, column in zip(rows, columns, strict=True)
        if scores[row, column] >= config.min_box_iou
    }


def measure_margins(
    tracks: Sequence[Track],
    detections: Sequence[Detection],
    classes: Mapping[int, Sequence[str]],
    matches: Mapping[int, int],
) -> list[float | None]:
    """By how much each track's own detection fits it better than anything else of its prompt does (IoU).

    Something else is another detection on the track, or another track on its detection: where two compete
    for one place the margin is near 0 or less, and identities may change. Without a detection of its own it
    is the IoU with the best other one, negative. None for tracks of visual prompts, which have no class.
    """
    boxes = [bounding_box(track.visible_mask) for track in tracks]
    return [
        None if track.label is None else _measure_margin(row, tracks, boxes, detections, classes, matches)
        for row, track in enumerate(tracks)
    ]


def _measure_margin(
    row: int,
    tracks: Sequence[Track],
    boxes: Sequence[Box],
    detections: Sequence[Detection],
    classes: Mapping[int, Sequence[str]],
    matches: Mapping[int, int],
) -> float:
    prompt, own = tracks[row].prompt, matches.get(row)
    ious = {
        column: box_iou(boxes[row], item.box)
        for column, item in enumerate(detections)
        if item.label in classes.get(prompt, ())
    }
    others = [iou for column, iou in ious.items() if column != own]
    if own is None:
        return -max(others, default=0.0)
    rivals = [
        box_iou(boxes[other], detections[own].box)
        for other, track in enumerate(tracks)
        if other != row and track.prompt == prompt
    ]
    return ious[own] - max([*others, *rivals], default=0.0)
