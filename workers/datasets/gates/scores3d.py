"""Scores of tracks in space: how much the centre of the box jitters, and whether the size stays the same."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np

from workers.datasets.gates.mask_changes import MaskGrowth
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
    clip: str,
    track: int,
    observations: Sequence[TrackObservation],
    boxes: Mapping[int, Box3d],
    growths: Mapping[int, MaskGrowth],
) -> list[ScoreRow]:
    """jitter_3d: RMS second difference of the centre over the box's diagonal, null unless it was measured.

    Steady acceleration, which grows with the time between frames, is taken off by the differences over two
    frames. size_constancy: by how much the largest step of ln(sqrt(area) * depth) differs from those around
    it, between neighbouring frames that show at least half of the usual size; depth counts as constant where
    it is not measured. Null without such frames. `growths` are those of `TrackStats`: what a mask gains where
    the image shows something else may be a limb that unfolds, and does not count.
    """
    scores = (
        ("jitter_3d", _measure_jitter(boxes), "sizes"),
        ("size_constancy", _measure_steps(observations, growths), "ln"),
    )
    return [
        ScoreRow(clip=clip, track=track, stage=STAGE, name=name, value=value, unit=unit)
        for name, value, unit in scores
    ]


def _measure_jitter(boxes: Mapping[int, Box3d]) -> float | None:
    near = _measure_second_differences(boxes, 1)
    if near is None:
        return None
    far = _measure_second_differences(boxes, 2)
    if far is None:
        return float(np.sqrt(near))
    # noise is the same over one and two frames, and acceleration 4 times as much: 16 times in squares
    return float(np.sqrt(max(0.0, (16 * near - far) / 15)))


def _measure_second_differences(boxes: Mapping[int, Box3d], lag: int) -> float | None:
    """The mean square of the second difference of the centre over so many frames, in diagonals."""
    shifts = []
    for frame, box in boxes.items():
        before, after = boxes.get(frame - lag), boxes.get(frame + lag)
        if before is None or after is None or box.source != "depth":
            continue
        centers = [item.center_world or item.center_cam for item in (before, box, after)]
        a, b, c = (np.asarray(center) for center in centers)
        shifts.append(float(np.linalg.norm(a - 2 * b + c)) / float(np.linalg.norm(box.size)))
    return float(np.mean(np.square(shifts))) if shifts else None


def _measure_steps(
    observations: Sequence[TrackObservation], growths: Mapping[int, MaskGrowth]
) -> float | None:
    measured = all(item.depth is not None for item in observations)
    sizes = [item.area * ((item.depth or 1.0) ** 2 if measured else 1.0) for item in observations]
    least = LEAST_SHOWN * float(np.percentile(sizes, USUAL))
    steps: dict[int, float] = {}
    for (before, old), (now, new) in pairwise(zip(observations, sizes, strict=True)):
        hidden = {"occluded", "truncated"} & {*before.flags, *now.flags}
        if now.frame == before.frame + 1 and not hidden and min(old, new) >= least:
            steps[now.frame] = _discount(0.5 * float(np.log(new / old)), before, now, growths.get(now.frame))
    # an object that comes nearer grows in every step, and in longer steps by more: a jump stands alone
    sudden = []
    for frame, step in steps.items():
        around = [steps[other] for other in (frame - 1, frame + 1) if other in steps]
        sudden.append(abs(step - (float(np.mean(around)) if around else 0.0)))
    return max(sudden) if sudden else None


def _discount(
    step: float, before: TrackObservation, now: TrackObservation, growth: MaskGrowth | None
) -> float:
    """The part of a step (ln) that is left without what was gained or lost where the image changed."""
    if growth is None:
        return step
    if step > 0:
        return max(0.0, step - 0.5 * float(np.log(now.area / max(1, now.area - growth.gained))))
    return min(0.0, step + 0.5 * float(np.log(before.area / max(1, before.area - growth.lost))))
