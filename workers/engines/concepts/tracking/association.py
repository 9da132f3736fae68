"""Matching of detections and tracks on a key frame.

Model: the Hungarian method on box IoU, as in SORT (Bewley et al. 2016). Units: working pixels.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from scipy.optimize import linear_sum_assignment

from workers.engines.concepts.images.picodet import Detection
from workers.engines.concepts.masks import clip_mask, mask_area
from workers.engines.concepts.tracking.config import AssociationConfig
from workers.engines.concepts.tracking.state import Track
from workers.engines.protocols import Box
from workers.geometry.boxes import bounding_box
from workers.geometry.overlap import box_iou, share_inside


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


def measure_merged(
    tracks: Sequence[Track],
    detections: Sequence[Detection],
    classes: Mapping[int, Sequence[str]],
    config: AssociationConfig,
) -> list[float | None]:
    """How far two detections divide each track's mask between them, 0..0.5: one mask over two objects.

    Of the detection that fits the mask's box best and another one, both mostly inside that box, it is the
    smaller of the two shares of the mask that one alone covers. 0 where there is no other one, and where one
    lies over the other; None for tracks of visual prompts, which have no class.
    """
    return [None if track.label is None else _divide(track, detections, classes, config) for track in tracks]


def _divide(
    track: Track,
    detections: Sequence[Detection],
    classes: Mapping[int, Sequence[str]],
    config: AssociationConfig,
) -> float:
    mask = track.visible_mask
    box = bounding_box(mask)
    inside = [
        item.box
        for item in detections
        if item.label in classes.get(track.prompt, ()) and share_inside(item.box, box) >= config.inside_share
    ]
    if len(inside) < 2:
        return 0.0
    best = max(inside, key=lambda other: box_iou(box, other))
    own, area = clip_mask(mask, best, 0.0), max(mask_area(mask), 1)
    shares = []
    for other in inside:
        if other is not best:
            its = clip_mask(mask, other, 0.0)
            shares.append(min(mask_area(own & ~its), mask_area(its & ~own)) / area)
    return max(shares)


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
