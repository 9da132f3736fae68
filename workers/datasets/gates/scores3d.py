"""Scores of tracks in space: how much the centre of the box jitters, and whether the size stays the same."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np

from workers.datasets.gates.track_scores import STAGE
from workers.datasets.observations import TrackObservation
from workers.datasets.oriented_boxes import Box3d
from workers.datasets.schema import ScoreRow

# share of the usual size above which a frame shows enough of an object; chosen, not measured
LEAST_SHOWN = 0.5
# percentile of a track's sizes that counts as usual. Below the median, or a mask that leaks for half of the
# clip would pass for the usual size
USUAL = 40


def score_track_3d(
    clip: str, track: int, observations: Sequence[TrackObservation], boxes: Mapping[int, Box3d]
) -> list[ScoreRow]:
    """jitter_3d: RMS second difference of the centre over the box's diagonal, null unless it was measured.

    size_constancy: the largest step of ln(sqrt(area) * depth) between neighbouring frames that show at least
    half of the usual size; depth counts as constant where it is not measured. Null without such frames.
    """
    scores = (
        ("jitter_3d", _measure_jitter(boxes), "sizes"),
        ("size_constancy", _measure_steps(observations), "ln"),
    )
    return [
        ScoreRow(clip=clip, track=track, stage=STAGE, name=name, value=value, unit=unit)
        for name, value, unit in scores
    ]


def _measure_jitter(boxes: Mapping[int, Box3d]) -> float | None:
    shifts = []
    for frame, box in boxes.items():
        before, after = boxes.get(frame - 1), boxes.get(frame + 1)
        if before is None or after is None or box.source != "depth":
            continue
        centers = [item.center_world or item.center_cam for item in (before, box, after)]
        a, b, c = (np.asarray(center) for center in centers)
        shifts.append(float(np.linalg.norm(a - 2 * b + c)) / float(np.linalg.norm(box.size)))
    return float(np.sqrt(np.mean(np.square(shifts)))) if shifts else None


def _measure_steps(observations: Sequence[TrackObservation]) -> float | None:
    measured = all(item.depth is not None for item in observations)
    sizes = [item.area * ((item.depth or 1.0) ** 2 if measured else 1.0) for item in observations]
    least = LEAST_SHOWN * float(np.percentile(sizes, USUAL))
    steps = []
    for (before, old), (now, new) in pairwise(zip(observations, sizes, strict=True)):
        hidden = {"occluded", "truncated"} & {*before.flags, *now.flags}
        if now.frame == before.frame + 1 and not hidden and min(old, new) >= least:
            steps.append(abs(0.5 * float(np.log(new / old))))
    return max(steps) if steps else None
