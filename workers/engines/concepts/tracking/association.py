"""Matching of detections and tracks on a key frame.

Model: the Hungarian method on box IoU, as in SORT (Bewley et al. 2016), among pairs whose colours agree: a
track that stayed behind on what hid its object would else be confirmed by whatever is detected there. Units:
working pixels.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from scipy.optimize import linear_sum_assignment

from workers.engines.concepts.images.color_histograms import ColorBins
from workers.engines.concepts.images.picodet import Detection
from workers.engines.concepts.tracking.config import TrackerConfig
from workers.engines.concepts.tracking.reid import appearance_score
from workers.engines.concepts.tracking.state import Track
from workers.engines.protocols import Mask
from workers.geometry.boxes import bounding_box, clip_box
from workers.geometry.overlap import box_iou

# shares of the width and the height of a box
ELLIPSE = (0.8, 0.9)


def match_detections(
    tracks: Sequence[Track],
    detections: Sequence[Detection],
    classes: Mapping[int, Sequence[str]],
    config: TrackerConfig,
    bins: ColorBins | None = None,
) -> dict[int, int]:
    """Index of track to index of detection, one to one, by box IoU within the classes of the track's prompt.

    Boxes are in working pixels; `classes` maps a prompt's index to its labels. No track may be empty. With
    the colours `bins` (h, w) of the frame, a box in which a track's colours are not seen does not match it.
    """
    limits = config.association
    if not tracks or not detections:
        return {}
    scores = np.zeros((len(tracks), len(detections)))
    for row, track in enumerate(tracks):
        box = bounding_box(track.visible_mask)
        for column, item in enumerate(detections):
            if item.label in classes.get(track.prompt, ()):
                bonus = limits.same_label_bonus if item.label == track.label else 0.0
                score = box_iou(box, item.box) + bonus
                if score >= limits.min_box_iou and (bins is None or _shows_track(track, item, bins, config)):
                    scores[row, column] = score
    rows, columns = linear_sum_assignment(-scores)
    return {
        int(row): int(column)
        for row, column in zip(rows, columns, strict=True)
        if scores[row, column] >= limits.min_box_iou
    }


def _shows_track(track: Track, detection: Detection, bins: ColorBins, config: TrackerConfig) -> bool:
    """Whether the colours in the middle of a detection's box fit a track that a phrase has found."""
    least = config.association.min_appearance
    if track.label is None:
        return True
    x0, y0, x1, y1 = (round(side) for side in clip_box(detection.box, (bins.shape[0], bins.shape[1])))
    inside = bins[y0:y1, x0:x1]
    if not inside.size:
        return False
    return appearance_score(track, inside, _draw_ellipse(inside.shape), config) >= least


def _draw_ellipse(shape: tuple[int, ...]) -> Mask:
    """The ellipse that fills most of a box (h, w): its corners show the surroundings."""
    y, x = (np.linspace(-1, 1, 2 * side + 1)[1::2] for side in shape)
    return np.asarray((y[:, None] / ELLIPSE[1]) ** 2 + (x / ELLIPSE[0]) ** 2 <= 1, np.bool_)
