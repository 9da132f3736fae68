"""Who is who: detections to tracks on a keyframe."""

from collections.abc import Mapping, Sequence

import numpy as np
from scipy.optimize import linear_sum_assignment

from workers.engines.concepts.picodet import Detection
from workers.engines.concepts.tracks import Track
from workers.geometry.boxes import bounding_box
from workers.geometry.overlap import box_iou

GATE = 0.3


def match(
    tracks: Sequence[Track], found: Sequence[Detection], classes: Mapping[int, Sequence[str]]
) -> dict[int, int]:
    """Index of track → index of detection, one to one, by box IoU ≥ 0.3 within a prompt's classes."""
    if not tracks or not found:
        return {}
    overlap = np.zeros((len(tracks), len(found)))
    for row, track in enumerate(tracks):
        box = bounding_box(track.mask)
        for column, item in enumerate(found):
            if item.label in classes.get(track.prompt, ()):
                overlap[row, column] = box_iou(box, item.box) + (0.05 if item.label == track.label else 0.0)
    rows, columns = linear_sum_assignment(-overlap)
    return {
        int(row): int(column)
        for row, column in zip(rows, columns, strict=True)
        if overlap[row, column] >= GATE
    }
