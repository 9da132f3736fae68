"""Whether the times of a clip's frames are those of a camera, and on the grid that the clip says."""

from collections.abc import Iterator
from fractions import Fraction

import numpy as np

from workers.datasets.scene_clip import SceneClip
from workers.datasets.shots.frame_times import find_broken_steps
from workers.datasets.verification.violation import Violation

# seconds: what a time error may be off by, as it is stored in double precision
ROUNDING = 1e-9


def check_times(clip: SceneClip) -> Iterator[Violation]:
    """Steps that no camera makes, and frames that are not where their grid says."""
    pts = np.array([row.pts for row in clip.frames], np.int64)
    if len(pts) < 2:
        return
    usual = float(pts[-1] - pts[0]) / (len(pts) - 1)
    broken = int(np.count_nonzero(find_broken_steps(np.diff(pts), usual)))
    if broken:
        detail = f"{broken} of {len(pts)} frames come almost at the time of the one before"
        yield Violation("times_broken", clip.id, detail)
    row = clip.row
    if row.frame_rate_numerator is None or row.frame_rate_denominator is None:
        return
    rate = Fraction(row.frame_rate_numerator, max(1, row.frame_rate_denominator))
    if rate <= 0 or row.frame_rate is None or abs(row.frame_rate - rate) > ROUNDING * rate:
        yield Violation("grid_broken", clip.id, f"the rate is {row.frame_rate}, and as a fraction {rate}")
        return
    if any(frame.grid_point is not None for frame in clip.frames):
        yield from _check_grid(clip, rate)


def _check_grid(clip: SceneClip, rate: Fraction) -> Iterator[Violation]:
    base = Fraction(clip.source.time_base_numerator, clip.source.time_base_denominator)
    for number, frame in enumerate(clip.frames):
        expected = float((frame.pts - clip.frames[0].pts) * base - number / rate)
        error = frame.time_error_seconds
        if frame.grid_point != number or error is None or abs(error - expected) > ROUNDING:
            where = f"{clip.id} frame {frame.frame}"
            detail = f"point {frame.grid_point} with an error of {error} s; it is {expected:.9f} s off"
            yield Violation("grid_broken", where, detail)
