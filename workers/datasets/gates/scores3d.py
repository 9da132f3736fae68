"""Scores of tracks in space: how much the centre shakes, and whether the size stays what it was."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np

from workers.datasets.boxes3d.lifting import Box3d
from workers.datasets.gates.track_scores import STAGE
from workers.datasets.schema import ScoreRow
from workers.datasets.stages.measure import TrackObservation

WHOLE = 0.5
USUAL = 40


def score_track_3d(
    clip: str, track: int, seen: Sequence[TrackObservation], lifted: Mapping[int, Box3d]
) -> list[ScoreRow]:
    """jitter_3d: RMS second difference of the centre over the box's diagonal, null unless it was measured.

    size_constancy: the largest step of ln(sqrt(area) * depth) between neighbouring frames that show at least
    half of the usual size; depth counts as constant where it is not measured. Null without such frames.
    """
    return [
        ScoreRow(clip=clip, track=track, stage=STAGE, name="jitter_3d", value=_jitter(lifted), unit="sizes"),
        ScoreRow(clip=clip, track=track, stage=STAGE, name="size_constancy", value=_steps(seen), unit="ln"),
    ]


def _jitter(lifted: Mapping[int, Box3d]) -> float | None:
    found = []
    for frame, box in lifted.items():
        before, after = lifted.get(frame - 1), lifted.get(frame + 1)
        if before is None or after is None or box.source != "depth":
            continue
        triple = [item.center_world or item.center_cam for item in (before, box, after)]
        a, b, c = (np.asarray(item) for item in triple)
        found.append(float(np.linalg.norm(a - 2 * b + c)) / float(np.linalg.norm(box.size)))
    return float(np.sqrt(np.mean(np.square(found)))) if found else None


def _steps(seen: Sequence[TrackObservation]) -> float | None:
    measured = all(item.depth is not None for item in seen)
    sizes = [item.area * ((item.depth or 1.0) ** 2 if measured else 1.0) for item in seen]
    # below the median, or a mask that leaks for half of the clip would pass for the usual size
    least = WHOLE * float(np.percentile(sizes, USUAL))
    found = []
    for (before, small), (now, large) in pairwise(zip(seen, sizes, strict=True)):
        hidden = {"occluded", "truncated"} & {*before.flags, *now.flags}
        if now.frame == before.frame + 1 and not hidden and min(small, large) >= least:
            found.append(abs(0.5 * float(np.log(large / small))))
    return max(found) if found else None
